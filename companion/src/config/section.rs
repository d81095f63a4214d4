//! Reads one table of the configuration and collects everything that is wrong with it.
//!
//! serde stops at the first error; an operator should not have to fix a file one message at a time.
//! So keys are taken out one by one, each complaint names the key, what is wrong and the remedy, and
//! whatever is left at the end is an unknown key.

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::secret::{MIN_TOKEN_CHARS, TokenDigest, hex};

/// Names that used to mean something, or that people try, with the name that does.
const RENAMED: [(&str, &str); 4] = [
    ("keys_file", "jwks_file"),
    ("keys_url", "jwks_url"),
    ("token", "token_file"),
    ("push_token", "push_token_file"),
];

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// The key, as a path from the top of the file.
    pub(crate) key: String,
    /// What is wrong with it.
    pub(crate) wrong: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}; {}", self.key, self.wrong, self.remedy)
    }
}

/// Everything that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Adds one.
    pub(crate) fn add(&self, key: &str, wrong: impl Into<String>, remedy: impl Into<String>) {
        let (wrong, remedy) = (wrong.into(), remedy.into());
        self.0.borrow_mut().push(Problem { key: key.to_owned(), wrong, remedy });
    }

    /// All of them, in the order they were found.
    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One table, its path, and where relative file names start.
#[derive(Debug)]
pub(crate) struct Section<'p> {
    path: String,
    table: Table,
    directory: &'p Path,
    known: Vec<&'static str>,
    paths: Vec<(&'static str, PathBuf)>,
    texts: Vec<(&'static str, String)>,
    problems: &'p Problems,
}

impl<'p> Section<'p> {
    /// The whole file.
    pub(crate) fn root(table: Table, directory: &'p Path, problems: &'p Problems) -> Self {
        Self {
            path: String::new(),
            table,
            directory,
            known: Vec::new(),
            paths: Vec::new(),
            texts: Vec::new(),
            problems,
        }
    }

    /// The path of `key` from the top of the file.
    pub(crate) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Complains about `key`.
    pub(crate) fn problem(&self, key: &str, wrong: impl Into<String>, remedy: impl Into<String>) {
        self.problems.add(&self.key(key), wrong, remedy);
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn child(&self, key: &str, table: Table) -> Self {
        let (directory, problems) = (self.directory, self.problems);
        Self {
            path: self.key(key),
            table,
            directory,
            known: Vec::new(),
            paths: Vec::new(),
            texts: Vec::new(),
            problems,
        }
    }

    /// The table `key`, if it is there.
    pub(crate) fn optional_section(&mut self, key: &'static str) -> Option<Self> {
        match self.take(key)? {
            Value::Table(table) => Some(self.child(key, table)),
            other => {
                self.wrong_type(key, &other, "a table", &format!("write `[{}]`", self.key(key)));
                None
            }
        }
    }

    /// The table `key`; an empty one with a complaint if it is missing.
    pub(crate) fn section(&mut self, key: &'static str, purpose: &str) -> Self {
        if !self.table.contains_key(key) {
            self.problem(key, "is missing", format!("add `[{}]`: {purpose}", self.key(key)));
        }
        self.optional_section(key).unwrap_or_else(|| {
            let mut empty = self.child(key, Table::new());
            empty.path = String::new();
            empty
        })
    }

    /// The tables of `[[key]]`.
    pub(crate) fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let remedy = format!("write `[[{}]]` before each", self.key(key));
        let elements = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(elements)) => elements,
            Some(other) => {
                self.wrong_type(key, &other, "a list of tables", &remedy);
                return Vec::new();
            }
        };
        let mut sections = Vec::new();
        for (index, element) in elements.into_iter().enumerate() {
            let name = format!("{key}[{index}]");
            match element {
                Value::Table(table) => sections.push(self.child(&name, table)),
                other => self.wrong_type(&name, &other, "a table", &remedy),
            }
        }
        sections
    }

    fn wrong_type(&self, key: &str, value: &Value, expected: &str, remedy: &str) {
        self.problem(key, format!("is {}, not {expected}", value.type_str()), remedy);
    }

    /// Whether the key, which has been read, was this text.
    pub(crate) fn is_text(&self, key: &str, text: &str) -> bool {
        self.texts.iter().any(|(known, found)| *known == key && found == text)
    }

    /// Whether the key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text that is not empty, if the key is there.
    pub(crate) fn optional_text(&mut self, key: &'static str, remedy: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if text.trim().is_empty() => {
                self.problem(key, "is empty", remedy);
                None
            }
            Value::String(text) => {
                self.texts.push((key, text.clone()));
                Some(text)
            }
            other => {
                self.wrong_type(key, &other, "a string", remedy);
                None
            }
        }
    }

    /// A text that must be there and not be empty.
    pub(crate) fn text(&mut self, key: &'static str, remedy: &str) -> Option<String> {
        if !self.has(key) {
            self.known.push(key);
            self.problem(key, "is missing", remedy);
            return None;
        }
        self.optional_text(key, remedy)
    }

    /// A list of distinct texts with at least one element.
    pub(crate) fn texts(&mut self, key: &'static str, remedy: &str) -> Vec<String> {
        let Some(value) = self.take(key) else {
            self.problem(key, "is missing", remedy);
            return Vec::new();
        };
        let Value::Array(elements) = value else {
            self.wrong_type(key, &value, "a list of strings", remedy);
            return Vec::new();
        };
        if elements.is_empty() {
            self.problem(key, "is empty", remedy);
        }
        let mut texts: Vec<String> = Vec::new();
        for (index, element) in elements.into_iter().enumerate() {
            let name = format!("{key}[{index}]");
            match element {
                Value::String(text) if text.trim().is_empty() => {
                    self.problem(&name, "is empty", remedy);
                }
                Value::String(text) if texts.contains(&text) => {
                    self.problem(&name, format!("repeats `{text}`"), "remove one of them");
                }
                Value::String(text) => texts.push(text),
                other => self.wrong_type(&name, &other, "a string", remedy),
            }
        }
        texts
    }

    /// A truth value, `false` if the key is absent.
    pub(crate) fn flag(&mut self, key: &'static str) -> bool {
        match self.take(key) {
            None => false,
            Some(Value::Boolean(value)) => value,
            Some(other) => {
                self.wrong_type(key, &other, "true or false", "write true or false");
                false
            }
        }
    }

    /// An integer within `range`, or `default` if the key is absent.
    pub(crate) fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
        default: u32,
        remedy: &str,
    ) -> u32 {
        match self.take(key) {
            None => default,
            Some(Value::Integer(number)) => {
                match u32::try_from(number).ok().filter(|number| range.contains(number)) {
                    Some(number) => number,
                    None => {
                        let (low, high) = (range.start(), range.end());
                        self.problem(
                            key,
                            format!("is {number}, allowed are {low} to {high}"),
                            remedy,
                        );
                        default
                    }
                }
            }
            Some(other) => {
                self.wrong_type(key, &other, "a whole number", remedy);
                default
            }
        }
    }

    /// A file name, made absolute against the configuration's directory.
    pub(crate) fn path(&mut self, key: &'static str, remedy: &str) -> Option<PathBuf> {
        let path = self.text(key, remedy).map(|name| self.directory.join(name))?;
        self.paths.push((key, path.clone()));
        Some(path)
    }

    /// The file that `key` named, after [`Self::file`] has read it.
    pub(crate) fn known_path(&self, key: &str) -> Option<PathBuf> {
        let (_, path) = self.paths.iter().find(|(known, _)| *known == key)?;
        Some(path.clone())
    }

    /// The text of the file that `key` names.
    pub(crate) fn file(&mut self, key: &'static str, remedy: &str) -> Option<String> {
        let path = self.path(key, remedy)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) => {
                self.problem(key, format!("cannot read `{}`: {error}", path.display()), remedy);
                None
            }
        }
    }

    /// The bearer token in the file that `key` names.
    pub(crate) fn token_file(&mut self, key: &'static str) -> Option<TokenDigest> {
        let remedy = "name a file with one line, the token (`rescind keygen` makes such files)";
        let text = self.file(key, remedy)?;
        let token = text.trim();
        if token.len() < MIN_TOKEN_CHARS {
            let wrong = format!("holds a token of {} characters", token.len());
            let remedy = format!("use a random token of at least {MIN_TOKEN_CHARS} characters");
            self.problem(key, wrong, remedy);
            return None;
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.problem(
                key,
                "holds characters that cannot stand in an Authorization header",
                "use one line of printable ASCII without spaces",
            );
            return None;
        }
        Some(TokenDigest::of(token.as_bytes()))
    }

    /// The digest of a bearer token, written as such or computed from a file.
    pub(crate) fn token(
        &mut self,
        file: &'static str,
        digest: &'static str,
    ) -> Option<TokenDigest> {
        if self.has(file) && self.has(digest) {
            self.problem(file, format!("stands beside `{digest}`"), "keep one of the two");
            let _already_wrong = (self.take(file), self.take(digest));
            return None;
        }
        if !self.has(digest) {
            self.known.push(digest);
            return self.token_file(file);
        }
        self.known.push(file);
        let remedy = "write the SHA-256 of the token as 64 hex digits";
        let text = self.text(digest, remedy)?;
        let parsed = TokenDigest::from_hex(&text);
        if parsed.is_none() {
            self.problem(digest, "is not 64 hex digits", remedy);
        }
        parsed
    }

    /// The 16 bytes written as 32 hex digits in the file that `key` names.
    pub(crate) fn key_file(&mut self, key: &'static str) -> Option<[u8; 16]> {
        let remedy = "name a file with 32 hex digits (`rescind keygen` makes one)";
        let text = self.file(key, remedy)?;
        let parsed = hex::<16>(text.trim());
        if parsed.is_none() {
            self.problem(key, "does not hold 32 hex digits", remedy);
        }
        parsed
    }

    /// Complains about every key that nobody asked for.
    pub(crate) fn finish(self) {
        for key in self.table.keys() {
            let renamed = RENAMED
                .iter()
                .find(|(old, new)| old == key && self.known.contains(new))
                .map(|(_, new)| *new);
            let remedy = match renamed {
                Some(new) => format!("it is called `{new}`"),
                None => format!("remove it, or use one of: {}", self.known.join(", ")),
            };
            self.problem(key, "is not a known key", remedy);
        }
    }
}
