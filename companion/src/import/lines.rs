//! The lines of a file one by one, and how far it is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _, Write};
use std::path::Path;
use std::time::Instant;

use super::{ImportError, MAX_LINE_BYTES};

/// Where nobody watches a terminal, progress is told after this many lines.
const TELL_EVERY: u64 = 100_000;

/// The lines of a file, never more than one in memory.
pub(super) struct Lines<'f> {
    input: Box<dyn BufRead>,
    number: u64,
    bytes: u64,
    path: &'f Path,
}

/// A line as it stands, and its text or what is wrong with it.
pub(super) type Line = (Vec<u8>, Result<String, String>);

impl<'f> Lines<'f> {
    /// The lines of a file, or with `-` of standard input; and how many bytes they have, if that can be told.
    pub(super) fn open(path: &'f Path) -> Result<(Self, Option<u64>), ImportError> {
        let io = |source| ImportError::Io { path: path.to_owned(), source };
        if path == Path::new("-") {
            return Ok((Self::of(Box::new(BufReader::new(io::stdin())), path), None));
        }
        let opened = File::open(path).map_err(io)?;
        let total = opened.metadata().map_err(io)?.len();
        Ok((Self::of(Box::new(BufReader::new(opened)), path), Some(total)))
    }

    /// The lines of `input`; `path` names it in errors.
    pub(super) fn of(input: Box<dyn BufRead>, path: &'f Path) -> Self {
        Self { input, number: 0, bytes: 0, path }
    }

    /// The number of the last line, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Result<Option<Line>, ImportError> {
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
pub(super) struct Progress<'o> {
    out: &'o mut dyn Write,
    terminal: bool,
    total: Option<u64>,
    start: Instant,
    told: u64,
}

impl<'o> Progress<'o> {
    /// Of a file of so many bytes, told on `out`.
    pub(super) fn new(total: Option<u64>, out: &'o mut dyn Write) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { out, terminal, total, start: Instant::now(), told: 0 }
    }

    /// Says how far it is, if it is time to.
    pub(super) fn tell(&mut self, lines: &Lines<'_>) {
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

    /// Names a wrong line.
    pub(super) fn complain(&mut self, line: u64, cause: &str) {
        self.end();
        let _nowhere_to_say_it = writeln!(self.out, "line {line}: {cause}");
    }

    /// Leaves the line that changes.
    pub(super) fn end(&mut self) {
        if self.terminal {
            let _nowhere_to_say_it = write!(self.out, "\r\u{1b}[K");
        }
    }
}
