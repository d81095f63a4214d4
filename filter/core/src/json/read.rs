//! Reads a [`Value`] under [`Limits`], in one pass. It refuses at the first violation, before it keeps more.
//!
//! The grammar is RFC 8259's. Our own, because each new token has two documents: what a general reader takes for going
//! through all of its caller's types is more than what such short texts need. A test compares what it makes of any
//! text with what serde_json makes of it.

use std::borrow::Cow;

use super::{JsonError, Limits, Number, Object, Value, excerpt};

/// Up to this many members, comparing each name with all before it is faster than sorting.
const LINEAR_MEMBERS: usize = 24;

/// Reads all of `text`.
pub(super) fn document<'a>(text: &'a str, limits: &Limits) -> Result<Value<'a>, JsonError> {
    let mut reader = Reader { text, at: 0, limits: *limits };
    reader.skip_blanks();
    let value = reader.value(0)?;
    reader.skip_blanks();
    if reader.at < text.len() { Err(reader.refuse()) } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a str,
    /// How many bytes are read: always those of whole characters.
    at: usize,
    limits: Limits,
}

impl<'a> Reader<'a> {
    /// Reads one value that lies inside `depth` others.
    fn value(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        match self.peek() {
            Some(b'"') => {
                self.advance();
                self.string().map(Value::String)
            }
            Some(b'{' | b'[') if depth >= self.limits.depth => {
                Err(JsonError::TooDeep { limit: self.limits.depth })
            }
            Some(b'{') => self.object(depth.saturating_add(1)),
            Some(b'[') => self.array(depth.saturating_add(1)),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.refuse()),
        }
    }

    /// Reads an object, from its brace on, whose members lie inside `depth` values.
    fn object(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        let mut members: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        self.advance();
        if self.skip_to(b'}') {
            return Ok(Value::Object(Object { members }));
        }
        // A token has about ten members.
        members.reserve(12);
        loop {
            self.expect(b'"')?;
            let name = self.string()?;
            if members.len() >= self.limits.members {
                return Err(JsonError::TooManyMembers { limit: self.limits.members });
            }
            if members.len() < LINEAR_MEMBERS && members.iter().any(|(known, _)| *known == name) {
                return Err(repeated(&name));
            }
            self.skip_blanks();
            self.expect(b':')?;
            self.skip_blanks();
            members.push((name, self.value(depth)?));
            if self.skip_to(b'}') {
                break;
            }
            self.expect(b',')?;
            self.skip_blanks();
        }
        if members.len() > LINEAR_MEMBERS
            && let Some(name) = duplicate(&members)
        {
            return Err(repeated(name));
        }
        Ok(Value::Object(Object { members }))
    }

    /// Reads an array, from its bracket on, whose elements lie inside `depth` values.
    fn array(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        let mut elements = Vec::new();
        self.advance();
        if self.skip_to(b']') {
            return Ok(Value::Array(elements));
        }
        loop {
            let element = self.value(depth)?;
            if elements.len() >= self.limits.elements {
                return Err(JsonError::TooManyElements { limit: self.limits.elements });
            }
            elements.push(element);
            if self.skip_to(b']') {
                return Ok(Value::Array(elements));
            }
            self.expect(b',')?;
            self.skip_blanks();
        }
    }

    fn literal(&mut self, name: &str, value: Value<'a>) -> Result<Value<'a>, JsonError> {
        name.bytes().try_for_each(|byte| self.expect(byte))?;
        Ok(value)
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let start = self.at;
        let is_negative = self.skip(b'-');
        // `None` once it is too large for 64 bits.
        let mut integer = Some(0_u64);
        if !self.skip(b'0') {
            self.digits(|digit| {
                integer = integer.and_then(|number| number.checked_mul(10)?.checked_add(digit));
            })?;
        }
        let has_fraction = self.skip(b'.');
        if has_fraction {
            self.digits(|_| {})?;
        }
        let has_exponent = self.skip(b'e') || self.skip(b'E');
        if has_exponent {
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits(|_| {})?;
        }
        let integer = integer.filter(|_| !has_fraction && !has_exponent);
        let exact = match integer {
            // An integer has no negative zero.
            Some(0) if is_negative => None,
            Some(size) if is_negative => 0_i64.checked_sub_unsigned(size).map(Number::Signed),
            Some(size) => Some(Number::Unsigned(size)),
            None => None,
        };
        let float = || {
            let number = self.text.get(start..self.at)?.parse::<f64>().ok()?;
            number.is_finite().then_some(Number::Float(number))
        };
        exact.or_else(float).ok_or_else(|| self.refuse())
    }

    /// Reads at least one digit.
    fn digits(&mut self, mut each: impl FnMut(u64)) -> Result<(), JsonError> {
        let mut count = 0_usize;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            each(u64::from(byte.wrapping_sub(b'0')));
            self.advance();
            count = count.saturating_add(1);
        }
        if count > 0 { Ok(()) } else { Err(self.refuse()) }
    }

    /// Reads a string from after its first quotation mark, borrowed where it has no escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let plain = self.plain_characters();
        if self.skip(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        while !self.skip(b'"') {
            self.expect(b'\\')?;
            text.push(self.escape()?);
            text.push_str(self.plain_characters());
        }
        Ok(Cow::Owned(text))
    }

    /// Characters of a string up to what ends or escapes, or may not be there.
    fn plain_characters(&mut self) -> &'a str {
        let start = self.at;
        let ends = |byte: u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let bytes = self.text.as_bytes();
        while let Some(word) = bytes.get(self.at..).and_then(<[u8]>::first_chunk)
            && !has_end(*word)
        {
            self.at = self.at.saturating_add(8);
        }
        while self.peek().is_some_and(|byte| !ends(byte)) {
            self.advance();
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// What an escape stands for, from after its backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let character = match self.peek() {
            Some(escaped @ (b'"' | b'\\' | b'/')) => char::from(escaped),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.advance();
                return self.code_point();
            }
            _ => return Err(self.refuse()),
        };
        self.advance();
        Ok(character)
    }

    /// A character by its number, or by the two of a surrogate pair, from after `\u`.
    fn code_point(&mut self) -> Result<char, JsonError> {
        let mut unit = || {
            let digits = self.text.get(self.at..self.at.saturating_add(4))?;
            // `from_str_radix` alone would take a sign.
            if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            self.at = self.at.saturating_add(4);
            u16::from_str_radix(digits, 16).ok()
        };
        let character = unit().and_then(|first| {
            let is_first_half = (0xd800..0xdc00).contains(&first);
            let pair = if is_first_half { [first, self.second_half()?] } else { [first, 0] };
            char::decode_utf16(pair).next()?.ok()
        });
        character.ok_or_else(|| self.refuse())
    }

    fn second_half(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..)?.strip_prefix("\\u")?.get(..4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at = self.at.saturating_add(6);
        u16::from_str_radix(digits, 16).ok()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Whether `byte` is next; then it is read.
    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.advance();
        }
        is_next
    }

    /// The same, after blanks.
    fn skip_to(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        self.skip(byte)
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.advance();
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.skip(byte) { Ok(()) } else { Err(self.refuse()) }
    }

    /// The complaint about the next byte, or about there being none.
    #[cold]
    fn refuse(&self) -> JsonError {
        let read = self.text.as_bytes().get(..self.at).unwrap_or_default();
        let lines = read.split(|byte| *byte == b'\n');
        let (line, column) =
            lines.fold((0_usize, 0), |(line, _), text| (line.saturating_add(1), text.len()));
        let next = usize::from(self.at < self.text.len());
        JsonError::Syntax { line, column: column.saturating_add(next) }
    }
}

/// Whether one of eight bytes ends or escapes a string, or may not be there.
const fn has_end(bytes: [u8; 8]) -> bool {
    const EACH: u64 = u64::MAX / 255;
    const HIGHEST: u64 = EACH << 7;
    let word = u64::from_le_bytes(bytes);
    // A byte from which so much is taken borrows from the bit above it only if it was less, or if a lower byte was.
    let quote = word ^ (EACH.wrapping_mul(0x22));
    let backslash = word ^ (EACH.wrapping_mul(0x5c));
    let control = word.wrapping_sub(EACH.wrapping_mul(0x20)) & !word;
    let found =
        (quote.wrapping_sub(EACH) & !quote) | (backslash.wrapping_sub(EACH) & !backslash) | control;
    found & HIGHEST != 0
}

#[cold]
fn repeated(name: &str) -> JsonError {
    JsonError::DuplicateMember { name: excerpt(name) }
}

/// A name that occurs twice; in O(n log n), because whoever sends a token chooses the names.
fn duplicate<'m>(members: &'m [(Cow<'_, str>, Value<'_>)]) -> Option<&'m str> {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.array_windows().find(|[a, b]| a == b).map(|[name, _]| *name)
}
