//! One line with a subject and a time: JSON, or comma-separated values under a header.
//!
//! Both become the same canonical JSON, whose hash names the signal: the same pair is the same signal
//! in whichever form it comes, and importing it again changes nothing.

use rescind_core::crypto::sha256;
use rescind_core::event::{self, Detail, Effect, EventType};
use rescind_core::json::{self, Limits};
use rescind_core::set::{DEFAULT_SKEW, SecurityEventToken};
use rescind_core::subject::{Subject, SubjectHasher};
use rescind_core::time::UnixTime;
use serde_json::{Map, Value};

use super::{SOURCE, time};
use crate::config::Identity;
use crate::journal::NewSet;
use crate::secret::to_hex;

/// The columns that are members of a subject identifier (RFC 9493 §3.2).
const MEMBERS: [&str; 9] =
    ["format", "iss", "sub", "email", "phone_number", "id", "uri", "url", "jti"];
/// The other columns, each with its other name.
const OTHERS: [(&str, &str); 4] = [
    ("sub_id", "sub_id"),
    ("event", "event"),
    ("event_timestamp", "time"),
    ("reason_admin", "reason"),
];

/// Reads pairs.
#[derive(Debug)]
pub(super) struct Pairs<'c> {
    pub(super) identity: &'c Identity,
    pub(super) hasher: &'c SubjectHasher,
    /// The time of lines that have none.
    pub(super) at: Option<UnixTime>,
    pub(super) now: UnixTime,
}

/// The columns of a file of comma-separated values.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Header(Vec<&'static str>);

impl Header {
    /// Reads the first line.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        // A mark of the byte order, as spreadsheets write it.
        let fields = split(line.trim_start_matches('\u{feff}'))?;
        let mut columns = Vec::new();
        for field in &fields {
            let field = field.trim();
            let other = OTHERS.iter().find(|(name, short)| *name == field || *short == field);
            let known = other.map(|(name, _)| *name);
            let member = MEMBERS.iter().find(|name| **name == field).copied();
            let Some(column) = known.or(member) else {
                let all: Vec<_> =
                    MEMBERS.into_iter().chain(OTHERS.map(|(_, short)| short)).collect();
                let shown = super::excerpt(field);
                return Err(format!("column `{shown}` is not known; use {}", all.join(", ")));
            };
            if columns.contains(&column) {
                return Err(format!("column `{field}` stands twice"));
            }
            columns.push(column);
        }
        let named = |column: &&str| *column == "sub_id" || MEMBERS.contains(column);
        if !columns.iter().any(named) {
            return Err(
                "no column names a subject: the first line must name the columns".to_owned()
            );
        }
        Ok(Self(columns))
    }

    /// The members of a line.
    fn members(&self, line: &str) -> Result<Map<String, Value>, String> {
        let fields = split(line)?;
        if fields.len() != self.0.len() {
            return Err(format!("{} fields, the header names {}", fields.len(), self.0.len()));
        }
        let (mut members, mut subject) = (Map::new(), Map::new());
        for (column, field) in self.0.iter().zip(fields) {
            if field.is_empty() {
                continue;
            }
            if *column == "sub_id" {
                let parsed =
                    strict(field.as_bytes()).map_err(|error| format!("`sub_id`: {error}"))?;
                members.insert("sub_id".to_owned(), parsed);
            } else if MEMBERS.contains(column) {
                subject.insert((*column).to_owned(), Value::String(field));
            } else {
                members.insert((*column).to_owned(), Value::String(field));
            }
        }
        if !subject.is_empty() {
            if members.contains_key("sub_id") {
                return Err("`sub_id` stands beside the members of another subject".to_owned());
            }
            if !subject.contains_key("format") {
                subject.insert("format".to_owned(), format(&subject)?.into());
            }
            members.insert("sub_id".to_owned(), Value::Object(subject));
        }
        Ok(members)
    }
}

/// The format that has exactly these members.
fn format(subject: &Map<String, Value>) -> Result<&'static str, String> {
    let mut names: Vec<_> = subject.keys().map(String::as_str).collect();
    names.sort_unstable();
    match names.as_slice() {
        ["iss", "sub"] => Ok("iss_sub"),
        ["iss", "jti"] => Ok("jwt_id"),
        ["email"] => Ok("email"),
        ["phone_number"] => Ok("phone_number"),
        ["id"] => Ok("opaque"),
        ["url"] => Ok("did"),
        ["uri"] => Ok("uri"),
        other => Err(format!("no subject format has the members {}", other.join(", "))),
    }
}

/// The fields of a line (RFC 4180, but a field ends with its line).
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let Some(mut quoted) = rest.strip_prefix('"') else {
            let Some((field, more)) = rest.split_once(',') else {
                fields.push(rest.trim().to_owned());
                return Ok(fields);
            };
            fields.push(field.trim().to_owned());
            rest = more;
            continue;
        };
        let mut field = String::new();
        loop {
            let (part, more) = quoted.split_once('"').ok_or("a quoted field does not end")?;
            field.push_str(part);
            match more.strip_prefix('"') {
                Some(more) => {
                    field.push('"');
                    quoted = more;
                }
                None => {
                    rest = more;
                    break;
                }
            }
        }
        fields.push(field);
        if rest.is_empty() {
            return Ok(fields);
        }
        rest = rest.strip_prefix(',').ok_or("a quoted field is followed by something else")?;
    }
}

/// JSON in which no name stands twice.
pub(super) fn strict(text: &[u8]) -> Result<Value, String> {
    json::parse(text, &Limits::TOKEN).map_err(|error| error.to_string())?;
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

impl Pairs<'_> {
    /// The signal of a line of comma-separated values.
    pub(super) fn csv(&self, header: &Header, line: &str) -> Result<NewSet, String> {
        self.set(header.members(line)?)
    }

    /// The signal of the members of a line of JSON.
    pub(super) fn json(&self, members: Map<String, Value>) -> Result<NewSet, String> {
        if let Some(name) =
            members.keys().find(|name| !OTHERS.iter().any(|(other, _)| other == name))
        {
            let shown = super::excerpt(name);
            return Err(format!(
                "`{shown}` is not known; use sub_id, event_timestamp, event and reason_admin"
            ));
        }
        self.set(members)
    }

    fn set(&self, mut members: Map<String, Value>) -> Result<NewSet, String> {
        let event = match members.get("event") {
            None => "session-revoked",
            Some(event) => event.as_str().ok_or("`event` is not a string")?,
        };
        let event = event_type(event)?;
        let at = match members.get("event_timestamp") {
            Some(Value::String(text)) => time::parse(text)?,
            Some(other) => time::parse(&other.to_string())?,
            None => self.at.ok_or("it has no time; add one, or give --at for all such lines")?,
        };
        if at > self.now.plus(DEFAULT_SKEW) {
            return Err(format!("the time {at} is in the future"));
        }
        if !members.contains_key("sub_id") {
            return Err("`sub_id` is missing".to_owned());
        }
        members.insert("event".to_owned(), event.name.into());
        members.insert("event_timestamp".to_owned(), at.secs().into());
        let text = Value::Object(members).to_string();
        let value =
            json::parse(text.as_bytes(), &Limits::TOKEN).map_err(|error| error.to_string())?;
        let subject = value.as_object().and_then(|members| members.get("sub_id"));
        let subject = Subject::parse(subject.ok_or("`sub_id` is missing")?);
        let digest = sha256(text.as_bytes());
        let set = SecurityEventToken {
            iss: self.identity.issuer.clone(),
            jti: format!("import-{}", to_hex(digest.first_chunk::<16>().unwrap_or(&[0; 16]))),
            iat: UnixTime::from_secs(self.now.secs()),
            txn: None,
            subject: subject.map_err(|error| error.to_string())?,
            event: Some(event),
            event_uri: event.uri.to_owned(),
            event_timestamp: Some(at),
            detail: Detail::None,
            reason_admin: None,
        };
        let records = event::records(&set, &self.identity.authority, self.hasher)
            .map_err(|error| error.to_string())?;
        Ok(NewSet {
            signal: set.signal(),
            received_at: self.now,
            source: SOURCE.to_owned(),
            issuer: set.iss,
            jti: set.jti,
            raw: text.into(),
            records,
        })
    }
}

/// The event types that a subject and a time are enough for.
fn event_type(name: &str) -> Result<&'static EventType, String> {
    let shown = super::excerpt(name);
    let event = EventType::from_name(name).or_else(|| EventType::from_uri(name));
    let event = event.ok_or_else(|| format!("event `{shown}` is not known"))?;
    match event.effect {
        Effect::Revokes
        | Effect::RevokesUnlessCreated
        | Effect::Disables
        | Effect::Enables
        | Effect::ChangesClaims => Ok(event),
        Effect::SetsDevice | Effect::SetsRisk | Effect::SetsAssurance => {
            Err(format!("event `{shown}` says more than a subject and a time; import it as a SET"))
        }
        Effect::Recorded => Err(format!("event `{shown}` changes nothing")),
    }
}
