//! What a line says, whatever the form of its file.

use rescind_core::subject::SubjectHasher;
use rescind_core::time::UnixTime;
use serde_json::Value;

use super::pairs::{self, Header, Pairs};
use super::sets::{Sets, Source};
use super::{Format, ImportError};
use crate::config::Identity;
use crate::journal::NewSet;

/// Reads lines of one file, or of a part of it.
#[derive(Debug)]
pub(crate) struct Reader<'c> {
    pairs: Option<Pairs<'c>>,
    sets: Sets<'c>,
    format: Option<Format>,
    header: Option<Header>,
}

/// Whom the lines may be from, and when it is.
#[derive(Debug)]
pub(crate) struct Readable<'c> {
    /// For whom pairs speak; without it there are none.
    pub(crate) identity: Option<&'c Identity>,
    /// Names subjects.
    pub(crate) hasher: &'c SubjectHasher,
    /// Whose SETs are read.
    pub(crate) sources: Vec<Source<'c>>,
    /// The time of lines that have none.
    pub(crate) at: Option<UnixTime>,
    /// Now.
    pub(crate) now: UnixTime,
}

impl<'c> Reader<'c> {
    /// Reads lines of this format; where none is given the first line tells it.
    pub(crate) fn new(readable: Readable<'c>, format: Option<Format>) -> Self {
        let Readable { identity, hasher, sources, at, now } = readable;
        let pairs = identity.map(|identity| Pairs { identity, hasher, at, now });
        Self { pairs, sets: Sets { sources, hasher, now }, format, header: None }
    }

    /// Whether what was read last was the line with the names of the columns.
    pub(crate) const fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// Without the names of the columns no line means anything.
    pub(crate) fn lacks_header(&self) -> bool {
        self.format == Some(Format::Csv) && self.header.is_none()
    }

    /// The signal of a line; nothing if it is empty or a header.
    pub(crate) fn line(&mut self, line: &str) -> Result<Option<NewSet>, String> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        let format = *self.format.get_or_insert_with(|| Format::of_line(line));
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
}
