//! `rescind export`: the live table, or the audit trail, as JSON lines or comma-separated values.
//!
//! From a running companion page by page, from the journal itself when it is stopped; never more than
//! a page is in memory (the live table of a stopped companion is built first, as at its start). The
//! audit trail is every accepted SET in order, then the notes of what was refused or reaches nobody.
//! What is accepted while an export runs is in it; what is pruned may be missing.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::client::{Access, Client};
use crate::config::Config;
use crate::journal::{Journal, JournalError, KeptSet};
use crate::live::LiveLog;
use crate::notes::{claims, described};
use crate::show;

/// Entries in one page: with SETs of the greatest size some 7 MiB, usually some hundred KiB.
const PAGE: usize = 100;
/// Bytes of records in a page of the live table, as the feed counts them.
const PAGE_BYTES: usize = 256 * 1024;

/// What to export.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum What {
    /// What is in force.
    Live,
    /// Every SET that was accepted, refused or reaches nobody.
    Audit,
}

/// How to write it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// A JSON object a line.
    Ndjson,
    /// Comma-separated values under a line that names the columns.
    Csv,
}

/// What to export, and where to.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// What to export.
    what: What,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// The file; standard output if absent.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    access: Access,
}

/// One of the lists that an export is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum List {
    /// The live table.
    Live,
    /// Accepted SETs.
    Accepted,
    /// Notes.
    Notes,
}

impl List {
    const ALL: [Self; 3] = [Self::Live, Self::Accepted, Self::Notes];

    const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Accepted => "accepted",
            Self::Notes => "notes",
        }
    }

    /// The list of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.name() == name)
    }
}

impl What {
    const fn lists(self) -> &'static [List] {
        match self {
            Self::Live => &[List::Live],
            Self::Audit => &[List::Accepted, List::Notes],
        }
    }

    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Live => &[
                "fact",
                "holds",
                "at",
                "event",
                "sub_id",
                "iss",
                "jti",
                "signal",
                "subject",
                "conditions",
            ],
            Self::Audit => &[
                "kind",
                "number",
                "at",
                "transmitter",
                "iss",
                "jti",
                "sub_id",
                "events",
                "code",
                "reason",
                "set",
            ],
        }
    }
}

/// A page of `list` after `after`: `entries`, and where the next one starts (`null` at the end).
pub(crate) fn page(
    journal: &Journal,
    live: &LiveLog,
    list: List,
    after: u64,
) -> Result<Value, JournalError> {
    let (entries, next): (Vec<Value>, Option<u64>) = match list {
        List::Live => {
            let stretch = live.stretch(after, PAGE, PAGE_BYTES);
            let entries: Result<_, JournalError> = stretch
                .records
                .iter()
                .map(|record| {
                    let mut entry = show::described(record);
                    let set = journal.find(&record.fact.signal)?;
                    if let Some(members) = entry.as_object_mut() {
                        let said = said(set.as_ref());
                        members.insert("signal".to_owned(), record.fact.signal.to_string().into());
                        members.extend(said);
                    }
                    Ok(entry)
                })
                .collect();
            (entries?, stretch.more.then_some(stretch.to))
        }
        List::Accepted => {
            let sets = journal.entries_after(after, PAGE)?;
            let next = sets.last().map(|set| set.sequence);
            (sets.iter().map(accepted).collect(), next)
        }
        List::Notes => {
            let notes = journal.notes(after, PAGE)?;
            let next = notes.last().map(|(number, _)| *number);
            (notes.iter().map(|(number, note)| described(Some(*number), note)).collect(), next)
        }
    };
    Ok(json!({ "entries": entries, "next": next }))
}

/// What a SET says of itself, as far as it is still there.
fn said(set: Option<&KeptSet>) -> serde_json::Map<String, Value> {
    let claims = set.map(|set| said_by(&set.raw)).unwrap_or_default();
    let mut members = serde_json::Map::new();
    let claim = |name: &str| claims.get(name).cloned().unwrap_or(Value::Null);
    members.insert("sub_id".to_owned(), claim("sub_id"));
    members.insert("iss".to_owned(), set.map(|set| set.issuer.clone()).into());
    members.insert("jti".to_owned(), set.map(|set| set.jti.clone()).into());
    members
}

/// The claims of a SET, or the members of an imported pair.
fn said_by(raw: &[u8]) -> Value {
    if raw.starts_with(b"{") {
        return serde_json::from_slice(raw).unwrap_or(Value::Null);
    }
    claims(raw)
}

fn accepted(set: &KeptSet) -> Value {
    let said = said_by(&set.raw);
    let claim = |name: &str| said.get(name).cloned().unwrap_or(Value::Null);
    let text = String::from_utf8_lossy(&set.raw);
    let pair = text.starts_with('{');
    json!({
        "kind": "accepted",
        "number": set.sequence,
        "at": set.received_at.secs(),
        "transmitter": set.source,
        "iss": set.issuer,
        "jti": set.jti,
        "sub_id": claim("sub_id"),
        "events": if pair { claim("event") } else { claim("events") },
        "set": (!pair).then_some(&text),
        "pair": pair.then_some(&said),
        "records": set.records.iter().map(show::described).collect::<Vec<_>>(),
    })
}

impl Options {
    /// The configuration's file.
    pub(crate) fn config(&self) -> &std::path::Path {
        self.access.config()
    }

    /// Writes it, and says how much that was.
    pub(crate) fn export(&self, config: &Config) -> Result<String, String> {
        let (journal, client) = match Journal::open(&config.journal, &config.feed.subject_key) {
            Ok(journal) => (Some(journal), None),
            Err(JournalError::Locked { .. }) => {
                let client = Client::new(&self.access).map_err(|problems| {
                    problems.first().map(ToString::to_string).unwrap_or_default()
                })?;
                (None, Some(client))
            }
            Err(error) => return Err(error.to_string()),
        };
        let live = LiveLog::new(config.feed.retention);
        if let (Some(journal), What::Live) = (&journal, self.what) {
            let now = crate::clock::now();
            journal
                .replay(0, |sequence, records| live.apply([(sequence, records)], now))
                .map_err(|error| error.to_string())?;
        }
        let ask = |list: List, after: u64| match (&journal, &client) {
            (Some(journal), _) => {
                page(journal, &live, list, after).map_err(|error| error.to_string())
            }
            (None, Some(client)) => client.export(list.name(), after),
            (None, None) => Err("there is nowhere to export from".to_owned()),
        };
        let name = self.out.as_ref().map_or("standard output".into(), |out| out.to_string_lossy());
        let wrong = |error: io::Error| format!("`{name}`: {error}");
        let mut out: Box<dyn Write> = match &self.out {
            Some(path) => Box::new(BufWriter::new(File::create(path).map_err(wrong)?)),
            None => Box::new(BufWriter::new(io::stdout())),
        };
        let mut written = 0_u64;
        if self.format == Format::Csv {
            writeln!(out, "{}", self.what.columns().join(",")).map_err(wrong)?;
        }
        for list in self.what.lists() {
            let mut after = Some(0);
            while let Some(at) = after {
                let page = ask(*list, at)?;
                let entries = page.get("entries").and_then(Value::as_array);
                for entry in entries.into_iter().flatten() {
                    writeln!(out, "{}", self.line(entry)).map_err(wrong)?;
                    written = written.saturating_add(1);
                }
                // A page that leads nowhere new is the last one.
                after = page.get("next").and_then(Value::as_u64).filter(|next| *next > at);
            }
        }
        out.flush().map_err(wrong)?;
        Ok(format!("{written} lines written"))
    }

    fn line(&self, entry: &Value) -> String {
        match self.format {
            Format::Ndjson => entry.to_string(),
            Format::Csv => {
                let fields = self.what.columns().iter().map(|column| match entry.get(*column) {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => quoted(text),
                    Some(other) => quoted(&other.to_string()),
                });
                fields.collect::<Vec<_>>().join(",")
            }
        }
    }
}

/// A field as RFC 4180 has it. Line breaks become spaces, so that a line stays a line; a field that a
/// spreadsheet would compute gets an apostrophe before it: others wrote it.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    let text = format!("{guard}{}", text.replace(['\r', '\n'], " "));
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_stays_one_field_on_one_line_and_is_no_formula() {
        for (text, field) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("two\r\nlines", "two  lines"),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
        ] {
            assert_eq!(quoted(text), field);
        }
    }
}
