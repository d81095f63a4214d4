//! `rescind import`: many signals at once, from a file, into the journal of a stopped companion.
//!
//! For a first start, for moving from another system, and for what was missed in an outage. A file
//! holds either signed SETs, one a line ([`sets`]), or subjects with times ([`pairs`]), as JSON or
//! comma-separated values. Each line is checked and turned into records by the same code as a pushed
//! SET, under the authority of its transmitter, or of `[identity]` where nobody signed: there is
//! nobody to prove anything to, and a million signatures take minutes.
//!
//! Every signal has a name that its line decides, so an import that was broken off is continued by
//! running it again. A wrong line is named with its number and what is wrong. It ends the import,
//! after what stands before it was written; or, as told, is left out and kept in a file of its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use rescind_core::subject::SubjectHasher;
use rescind_core::time::UnixTime;
use serde_json::Value;

use crate::config::Config;
use crate::journal::{Journal, JournalError, NewSet};

mod pairs;
mod sets;
#[cfg(test)]
mod tests;
mod time;

use pairs::{Header, Pairs};
use sets::Sets;

/// Lines in one transaction.
const GROUP: usize = 20_000;
/// Characters of somebody's text in a message.
const EXCERPT_CHARS: usize = 64;
/// Where nobody watches a terminal, progress is told after this many lines.
const TELL_EVERY: u64 = 100_000;
/// The longest line: a SET of 32 KiB, as JSON with what an export says beside it.
const MAX_LINE_BYTES: u64 = 128 * 1024;
/// The name under which imported pairs stand in the journal.
const SOURCE: &str = "import";

/// What to import, and how.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The file; `-` for standard input.
    file: PathBuf,
    /// What its lines are, if its name (.csv, .ndjson, .jsonl, .jwt) or first line does not say so.
    #[arg(long)]
    format: Option<Format>,
    /// The time of subjects that have none, in seconds since 1970 or as in RFC 3339.
    #[arg(long, value_parser = time::parse)]
    at: Option<UnixTime>,
    /// Leave wrong lines out and go on, instead of ending at the first.
    #[arg(long)]
    keep_going: bool,
    /// Where to write the lines that are left out, to be corrected and imported.
    #[arg(long, requires = "keep_going")]
    rejects: Option<PathBuf>,
}

/// What the lines of a file are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// Signed SETs in compact form.
    Sets,
    /// Subjects and times as JSON, or {"set": …}.
    Ndjson,
    /// Subjects and times, comma-separated, under a line that names the columns.
    Csv,
}

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// A file cannot be read or written.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line is wrong.
    #[error(
        "line {line}: {wrong}\n{done}; nothing from line {line} on. Correct it and run the same \
         command again, or leave such lines out with --keep-going"
    )]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        wrong: String,
        /// What was imported before it.
        done: Done,
    },
    /// Wrong lines were left out.
    #[error("{done}, {wrong} lines left out")]
    LeftOut {
        /// How many.
        wrong: u64,
        /// What was imported.
        done: Done,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nobody to speak for.
    #[error("the configuration has no `[identity]`, which says whose tokens may be revoked")]
    NoIdentity,
}

/// What was imported.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Done {
    /// Signals that were not there.
    new: u64,
    /// Signals that were there before.
    known: u64,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "imported {} signals, {} were there before", self.new, self.known)
    }
}

/// Imports as `options` say; progress and wrong lines go to `out`.
pub(crate) fn import(
    options: &Options,
    config: &Config,
    out: &mut dyn Write,
) -> Result<Done, ImportError> {
    let file = &options.file;
    let io = |source| ImportError::Io { path: file.clone(), source };
    let (input, total): (Box<dyn BufRead>, _) = if file == Path::new("-") {
        (Box::new(BufReader::new(io::stdin())), None)
    } else {
        let opened = File::open(file).map_err(io)?;
        let total = opened.metadata().map_err(io)?.len();
        (Box::new(BufReader::new(opened)), Some(total))
    };
    let rejects = match &options.rejects {
        None => None,
        Some(path) => {
            let io = |source| ImportError::Io { path: path.clone(), source };
            Some((File::create(path).map_err(io)?, path))
        }
    };
    let journal = Journal::open(&config.journal, &config.feed.subject_key)?;
    let hasher = SubjectHasher::new(config.feed.subject_key);
    let now = crate::clock::now();
    let keys = config.transmitters.iter().map(|_| None).collect();
    let mut import = Import {
        pairs: config.identity.as_ref().map(|identity| Pairs {
            identity,
            hasher: &hasher,
            at: options.at,
            now,
        }),
        sets: Sets { transmitters: &config.transmitters, hasher: &hasher, now, keys },
        format: options.format.or_else(|| by_name(file)),
        header: None,
        last: journal.last()?,
        journal: &journal,
        group: Vec::with_capacity(GROUP),
        done: Done::default(),
        progress: Progress::new(total, out),
    };
    import.run(Lines { input, number: 0, bytes: 0, path: file }, rejects, options.keep_going)
}

fn by_name(file: &Path) -> Option<Format> {
    match file.extension()?.to_str()? {
        "csv" => Some(Format::Csv),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "jwt" | "jws" => Some(Format::Sets),
        _ => None,
    }
}

fn by_line(line: &str) -> Format {
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if line.starts_with('{') {
        Format::Ndjson
    } else if line.bytes().all(base64url) && line.matches('.').count() == 2 {
        Format::Sets
    } else {
        Format::Csv
    }
}

/// The beginning of somebody's text, so that a terminal shows it and obeys nothing in it.
fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(EXCERPT_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(EXCERPT_CHARS).is_some() {
        short.push('…');
    }
    short
}

/// An import on its way.
struct Import<'c, 'o> {
    pairs: Option<Pairs<'c>>,
    sets: Sets<'c>,
    format: Option<Format>,
    header: Option<Header>,
    journal: &'c Journal,
    last: u64,
    group: Vec<NewSet>,
    done: Done,
    progress: Progress<'o>,
}

impl Import<'_, '_> {
    fn run(
        &mut self,
        mut lines: Lines<'_>,
        mut rejects: Option<(File, &PathBuf)>,
        keep_going: bool,
    ) -> Result<Done, ImportError> {
        let mut wrong = 0_u64;
        while let Some((raw, text)) = lines.next()? {
            match text.and_then(|line| self.line(&line)) {
                Ok(None) => {
                    // A header: what is left out needs it too.
                    if let (Some((file, path)), true) = (&mut rejects, self.header.is_some()) {
                        write(file, path, &raw)?;
                    }
                }
                Ok(Some(set)) => self.group.push(set),
                Err(cause) if keep_going && !self.without_header() => {
                    wrong = wrong.saturating_add(1);
                    self.progress.complain(lines.number, &cause);
                    if let Some((file, path)) = &mut rejects {
                        write(file, path, &raw)?;
                    }
                }
                Err(wrong) => {
                    self.flush(&lines)?;
                    return Err(ImportError::Line { line: lines.number, wrong, done: self.done });
                }
            }
            if self.group.len() >= GROUP {
                self.flush(&lines)?;
            }
        }
        self.flush(&lines)?;
        self.progress.end();
        match wrong {
            0 => Ok(self.done),
            _ => Err(ImportError::LeftOut { wrong, done: self.done }),
        }
    }

    /// Without the names of the columns no line means anything.
    fn without_header(&self) -> bool {
        self.format == Some(Format::Csv) && self.header.is_none()
    }

    /// The signal of a line; nothing if it is empty or a header.
    fn line(&mut self, line: &str) -> Result<Option<NewSet>, String> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        let format = *self.format.get_or_insert_with(|| by_line(line));
        if format == Format::Sets {
            return self.sets.read(line.as_bytes()).map(Some);
        }
        let pairs = self.pairs.as_ref().ok_or_else(|| ImportError::NoIdentity.to_string());
        if format == Format::Csv {
            let Some(header) = &self.header else {
                self.header = Some(Header::parse(line)?);
                return Ok(None);
            };
            return pairs?.csv(header, line).map(Some);
        }
        let Value::Object(members) = pairs::strict(line.as_bytes())? else {
            return Err("it is no JSON object".to_owned());
        };
        match members.get("set").and_then(Value::as_str) {
            Some(set) => self.sets.read(set.as_bytes()).map(Some),
            None => pairs?.json(members).map(Some),
        }
    }

    fn flush(&mut self, lines: &Lines<'_>) -> Result<(), ImportError> {
        for accepted in self.journal.append(self.group.iter(), self.last)? {
            self.last = self.last.max(accepted.sequence);
            let counter = if accepted.new { &mut self.done.new } else { &mut self.done.known };
            *counter = counter.saturating_add(1);
        }
        self.group.clear();
        self.progress.tell(lines);
        Ok(())
    }
}

fn write(file: &mut File, path: &Path, line: &[u8]) -> Result<(), ImportError> {
    let io = |source| ImportError::Io { path: path.to_owned(), source };
    file.write_all(line).and_then(|()| file.write_all(b"\n")).map_err(io)
}

/// The lines of a file, never more than one in memory.
struct Lines<'f> {
    input: Box<dyn BufRead>,
    number: u64,
    bytes: u64,
    path: &'f Path,
}

/// A line as it stands, and its text or what is wrong with it.
type Line = (Vec<u8>, Result<String, String>);

impl Lines<'_> {
    fn next(&mut self) -> Result<Option<Line>, ImportError> {
        let io = |source| ImportError::Io { path: self.path.to_owned(), source };
        let mut line = Vec::new();
        let read = self.input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        let read = u64::try_from(read.map_err(io)?).unwrap_or(u64::MAX);
        if read == 0 {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        self.bytes = self.bytes.saturating_add(read);
        let whole = line.last() == Some(&b'\n');
        if whole {
            line.pop();
        } else if read == MAX_LINE_BYTES {
            let skipped = self.input.skip_until(b'\n').map_err(io)?;
            self.bytes = self.bytes.saturating_add(u64::try_from(skipped).unwrap_or(u64::MAX));
            let wrong = format!("it is longer than {MAX_LINE_BYTES} bytes");
            return Ok(Some((line, Err(wrong))));
        }
        let text = String::from_utf8(line.clone()).map_err(|_| "it is not UTF-8".to_owned());
        Ok(Some((line, text)))
    }
}

/// Says how far it is: in one line that changes on a terminal, elsewhere in lines now and then.
struct Progress<'o> {
    out: &'o mut dyn Write,
    terminal: bool,
    total: Option<u64>,
    start: Instant,
    told: u64,
}

impl<'o> Progress<'o> {
    fn new(total: Option<u64>, out: &'o mut dyn Write) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { out, terminal, total, start: Instant::now(), told: 0 }
    }

    fn tell(&mut self, lines: &Lines<'_>) {
        let due = lines.number >= self.told.saturating_add(TELL_EVERY);
        if lines.number == 0 || !(self.terminal || due) {
            return;
        }
        self.told = lines.number;
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = lines.number.saturating_mul(1000).checked_div(millis).unwrap_or(0);
        let share = self.total.and_then(|total| lines.bytes.saturating_mul(100).checked_div(total));
        let share = share.map_or_else(String::new, |share| format!(", {share}%"));
        let text = format!("{} lines{share}, {rate} lines/s", lines.number);
        let _nowhere_to_say_it = if self.terminal {
            write!(self.out, "\r{text}\u{1b}[K").and_then(|()| self.out.flush())
        } else {
            writeln!(self.out, "{text}")
        };
    }

    fn complain(&mut self, line: u64, cause: &str) {
        self.end();
        let _nowhere_to_say_it = writeln!(self.out, "line {line}: {cause}");
    }

    /// Leaves the line that changes.
    fn end(&mut self) {
        if self.terminal {
            let _nowhere_to_say_it = write!(self.out, "\r\u{1b}[K");
        }
    }
}
