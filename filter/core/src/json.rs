//! JSON that is read by others too, and must mean the same to all of them.
//!
//! The grammar is that of RFC 8259; this module adds what security needs and refuses what invites two
//! readings: text that is not UTF-8, a byte order mark (RFC 8725 §3.7), a member that occurs twice
//! in one object, compared after unescaping (RFC 7515 §4 and RFC 7519 §4 let a parser refuse it or
//! keep the last; two parsers may differ), and numbers that no `f64` holds. Depth and counts are
//! limited, so that a short token cannot cost much memory or time.
//!
//! Strings without escapes are borrowed from the text: a token of the usual form is read without
//! copying it.

use std::borrow::Cow;

mod read;
#[cfg(test)]
mod tests;

/// How much of a document is read before it is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Objects and arrays within each other, the outermost counted. Real tokens and key sets stay
    /// below 8.
    pub depth: usize,
    /// Members in one object. The largest real tokens (groups as members) have some tens.
    pub members: usize,
    /// Elements in one array. Tokens with some hundreds of groups are real.
    pub elements: usize,
}

impl Limits {
    /// For headers and payloads of tokens, and for key sets.
    pub const TOKEN: Self = Self { depth: 16, members: 256, elements: 1024 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::TOKEN
    }
}

/// Why a document is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JsonError {
    /// Bytes that are not UTF-8 text.
    #[error("not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Where the first wrong byte is.
        at: usize,
    },
    /// A byte order mark (RFC 8259 §8.1 forbids to send one).
    #[error("starts with a byte order mark")]
    ByteOrderMark,
    /// Not JSON, or with something after its end.
    #[error("not JSON at line {line}, column {column}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
    /// A member that an object has twice.
    #[error("member `{name}` occurs twice in one object")]
    DuplicateMember {
        /// The name after unescaping, shortened.
        name: String,
    },
    /// Deeper than [`Limits::depth`].
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The limit in force.
        limit: usize,
    },
    /// More than [`Limits::members`].
    #[error("an object has more than {limit} members")]
    TooManyMembers {
        /// The limit in force.
        limit: usize,
    },
    /// More than [`Limits::elements`].
    #[error("an array has more than {limit} elements")]
    TooManyElements {
        /// The limit in force.
        limit: usize,
    },
}

/// A JSON value; strings are borrowed from the text where they have no escapes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Object<'a>),
}

/// A number as it was written, if a machine type holds it exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer from zero on.
    Unsigned(u64),
    /// An integer below zero.
    Signed(i64),
    /// Any other; always finite.
    Float(f64),
}

/// The members of an object, in the order of the text, each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// Reads one document.
pub fn parse<'a>(text: &'a [u8], limits: &Limits) -> Result<Value<'a>, JsonError> {
    let text = std::str::from_utf8(text)
        .map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })?;
    if text.starts_with('\u{feff}') {
        return Err(JsonError::ByteOrderMark);
    }
    read::document(text, limits)
}

impl<'a> Value<'a> {
    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The members, if this is an object.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object<'a>> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// The elements, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// The number, if this is an integer from zero on, written as one.
    #[must_use]
    pub const fn as_u64(&self) -> Option<u64> {
        if let Self::Number(Number::Unsigned(number)) = self { Some(*number) } else { None }
    }

    /// The number, if this is one.
    #[must_use]
    pub const fn as_number(&self) -> Option<Number> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The truth value, if this is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// What this is, in the words of RFC 8259; for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'a> Object<'a> {
    /// The value of the member `name`; names are compared byte for byte.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// Whether there is a member `name`, whatever its value.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The members in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.members.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// How many members there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// At most this much of somebody else's text goes into a message, so that logs stay readable.
const EXCERPT_CHARS: usize = 40;

/// The start of `text` for a message, with control characters escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(EXCERPT_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(EXCERPT_CHARS).is_some() {
        short.push('…');
    }
    short
}
