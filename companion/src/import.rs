//! `rescind import`: many signals at once, from a file, into the journal of a stopped companion or
//! through a running one.
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
//!
//! A stopped companion's journal is written here ([`local`]). To a running one lines are sent as they
//! are, a part at a time ([`remote`]): it checks them, and gateways hear of each part at once.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rescind_core::time::UnixTime;

use crate::client::{Access, Client};
use crate::config::{Config, Problem};
use crate::journal::{Journal, JournalError};

mod lines;
mod local;
mod pairs;
pub(crate) mod reader;
mod remote;
pub(crate) mod sets;
#[cfg(test)]
mod tests;
pub(crate) mod time;

use lines::{Lines, Progress};

/// Characters of somebody's text in a message.
const EXCERPT_CHARS: usize = 64;
/// The longest line: a SET of 32 KiB, as JSON with what an export says beside it.
const MAX_LINE_BYTES: u64 = 128 * 1024;
/// The name under which imported pairs stand in the journal.
const SOURCE: &str = "import";

/// Lines that a running companion takes at once: one transaction of its journal, after which waiting
/// pushes have their turn.
pub(crate) const MAX_PART_LINES: usize = 1000;
/// Bytes that a running companion takes at once: some hundred SETs, and any line with any header.
pub(crate) const MAX_PART_BYTES: usize = 512 * 1024;

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
    #[command(flatten)]
    access: Access,
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
    /// The running companion does not take it.
    #[error("{reason}\n{done}; run the same command again to go on")]
    Companion {
        /// Why not.
        reason: String,
        /// What was imported before.
        done: Done,
    },
    /// How to reach the running companion is not known.
    #[error("{}", problems(_0))]
    Access(Vec<Problem>),
    /// Nobody to speak for.
    #[error("the configuration has no `[identity]`, which says whose tokens may be revoked")]
    NoIdentity,
}

fn problems(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
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

impl Options {
    /// The configuration's file.
    pub(crate) fn config(&self) -> &Path {
        self.access.config()
    }

    /// Whether the companion is known to run: its address was given.
    pub(crate) const fn names_companion(&self) -> bool {
        self.access.has_url()
    }

    /// Imports into the journal of `config`, or if a running companion has it, through that one;
    /// progress and wrong lines go to `out`.
    pub(crate) fn import(&self, config: &Config, out: &mut dyn Write) -> Result<Done, ImportError> {
        match Journal::open(&config.journal, &config.feed.subject_key) {
            Ok(journal) => local::import(self, config, &journal, &mut self.open(out)?),
            Err(JournalError::Locked { .. }) => self.import_remotely(out),
            Err(error) => Err(error.into()),
        }
    }

    /// Imports through the running companion.
    pub(crate) fn import_remotely(&self, out: &mut dyn Write) -> Result<Done, ImportError> {
        let client = Client::new(&self.access).map_err(ImportError::Access)?;
        remote::import(self, &client, &mut self.open(out)?)
    }

    fn open<'o>(&'o self, out: &'o mut dyn Write) -> Result<Work<'o>, ImportError> {
        let (lines, total) = Lines::open(&self.file)?;
        let rejects = match &self.rejects {
            None => None,
            Some(path) => {
                let io = |source| ImportError::Io { path: path.clone(), source };
                Some((File::create(path).map_err(io)?, path.as_path()))
            }
        };
        let format = self.format.or_else(|| Format::of_name(&self.file));
        Ok(Work { lines, rejects, format, wrong: 0, progress: Progress::new(total, out) })
    }
}

/// A file on its way.
struct Work<'o> {
    lines: Lines<'o>,
    rejects: Option<(File, &'o Path)>,
    format: Option<Format>,
    /// Lines left out.
    wrong: u64,
    progress: Progress<'o>,
}

impl Work<'_> {
    /// Keeps `line` among those that are left out, as a header or because it is wrong.
    fn reject(&mut self, line: &[u8]) -> Result<(), ImportError> {
        let Some((file, path)) = &mut self.rejects else { return Ok(()) };
        let io = |source| ImportError::Io { path: path.to_path_buf(), source };
        file.write_all(line).and_then(|()| file.write_all(b"\n")).map_err(io)
    }

    /// Leaves a wrong line out, and says so.
    fn leave_out(&mut self, number: u64, line: &[u8], cause: &str) -> Result<(), ImportError> {
        self.wrong = self.wrong.saturating_add(1);
        self.progress.complain(number, cause);
        self.reject(line)
    }

    fn end(&mut self, done: Done) -> Result<Done, ImportError> {
        self.progress.end();
        match self.wrong {
            0 => Ok(done),
            wrong => Err(ImportError::LeftOut { wrong, done }),
        }
    }
}

impl Format {
    const ALL: [Self; 3] = [Self::Sets, Self::Ndjson, Self::Csv];

    /// Its name, for a running companion.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sets => "sets",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// The format of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    fn of_name(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "jwt" | "jws" => Some(Self::Sets),
            _ => None,
        }
    }

    fn of_line(line: &str) -> Self {
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if line.starts_with('{') {
            Self::Ndjson
        } else if line.bytes().all(base64url) && line.matches('.').count() == 2 {
            Self::Sets
        } else {
            Self::Csv
        }
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
