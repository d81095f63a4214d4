//! Whether a body says what the headers in front of it said.
//!
//! The server should compare them ("Server Validation"), and not every one does. Where the host can hold a body back
//! until it is whole, the gateway does it too: then a decision on the headers is one on what is done.
//!
//! **The body must mean the same to every reader.** So it is strict JSON in UTF-8, neither compressed nor in another
//! charset, one message and no batch; no object in it has a member twice; and beside a member that is compared there is
//! none whose name some reader takes for the same (Go's `encoding/json` ignores case, and takes `ſ` for `s`; C ends a
//! text at a NUL).
//!
//! Parameters beyond the name are not looked at.

use super::{McpError, McpRequest};
use crate::json::{self, JsonError, Limits, Object, Value, excerpt};
use crate::request::Field;

#[cfg(test)]
mod tests;

/// How much of a body is read: arguments of tools are larger than tokens. With [`MAX_BODY_BYTES`], what is read of the
/// worst body takes some 16 MiB, for a moment.
const LIMITS: Limits = Limits { depth: 64, members: 4096, elements: 65_536 };

/// The longest body that a configuration can let be verified: a worker reads it in one go, and does nothing else
/// meanwhile. Envoy would keep 1 MiB before it refuses by itself.
pub const MAX_BODY_BYTES: usize = 512 * 1024;

/// The longest body unless the configuration says otherwise.
pub const DEFAULT_BODY_BYTES: usize = 256 * 1024;

/// Where a request says which version it speaks (2026-07-28, "Per-request metadata").
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// What the headers of a request said that its body must say too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announced {
    version: &'static str,
    method: String,
    name: Option<String>,
}

/// What headers say about how a body is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Content<'a> {
    /// All `content-type` headers.
    pub media_type: Field<'a>,
    /// All `content-encoding` headers.
    pub encoding: Field<'a>,
}

/// Why a body does not pass.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyError {
    /// Not said to be JSON, or in a charset that would have another reader see other characters.
    #[error("the content type is not `application/json` in UTF-8")]
    MediaType,
    /// Compressed.
    #[error("the body is encoded, and would have to be decoded before it is read")]
    Encoded,
    /// Longer than what is held back.
    #[error("the body has more than {limit} bytes")]
    TooLong {
        /// The limit in force.
        limit: usize,
    },
    /// Not strict JSON.
    #[error("body: {0}")]
    Json(#[from] JsonError),
    /// Something else where an object or a text has to be.
    #[error("{what} is {found}, not {expected}")]
    Kind {
        /// What of the message.
        what: &'static str,
        /// What it is.
        found: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// A member that some readers take for another one.
    #[error("member `{found}` can be taken for `{name}`")]
    Lookalike {
        /// What it says, shortened.
        found: String,
        /// What it can be taken for.
        name: &'static str,
    },
    /// The message does something else.
    #[error("Mcp-Method is `{header}`, the body has `{body}`")]
    Method {
        /// What the header says.
        header: String,
        /// What the body says, shortened.
        body: String,
    },
    /// It does it to something else.
    #[error("Mcp-Name is `{header}`, the body has {}", .body.as_deref().map_or_else(|| "none".to_owned(), |body| format!("`{body}`")))]
    Name {
        /// What the header says, shortened.
        header: String,
        /// What the body says, shortened.
        body: Option<String>,
    },
    /// It says so in another version.
    #[error("MCP-Protocol-Version is `{header}`, the body has `{body}`")]
    Version {
        /// What the header says.
        header: &'static str,
        /// What the body says, shortened.
        body: String,
    },
}

impl Content<'_> {
    /// Whether a body that is announced so is text that every reader reads alike.
    pub fn check(&self) -> Result<(), BodyError> {
        match self.encoding {
            Field::Absent => {}
            Field::One(encoding) if encoding.eq_ignore_ascii_case(b"identity") => {}
            Field::One(_) | Field::Many => return Err(BodyError::Encoded),
        }
        match self.media_type {
            Field::One(value) if is_json(value) => Ok(()),
            Field::One(_) | Field::Many | Field::Absent => Err(BodyError::MediaType),
        }
    }
}

impl Announced {
    /// What `message` says, if it says anything.
    pub fn by(message: &McpRequest<'_>) -> Result<Self, McpError> {
        let version = message.version.name();
        let method = message.method.ok_or(McpError::Silent { version })?.to_owned();
        Ok(Self { version, method, name: message.name.as_deref().map(str::to_owned) })
    }

    /// Whether `body`, all of it, says the same.
    pub fn check(&self, body: &[u8]) -> Result<(), BodyError> {
        let document = json::parse(body, &LIMITS)?;
        let message = object("the body", &document)?;
        let method = text("`method`", member(message, "method")?)?;
        if method != self.method {
            let (header, body) = (self.method.clone(), excerpt(method));
            return Err(BodyError::Method { header, body });
        }
        let none = Object::default();
        let parameters = match member(message, "params")? {
            None => &none,
            Some(parameters) => object("`params`", parameters)?,
        };
        self.check_name(parameters)?;
        let meta = match member(parameters, "_meta")? {
            None => &none,
            Some(meta) => object("`params._meta`", meta)?,
        };
        match member(meta, VERSION)? {
            Some(version) if version.as_str() != Some(self.version) => {
                let body = excerpt(version.as_str().unwrap_or(version.kind()));
                Err(BodyError::Version { header: self.version, body })
            }
            _ => Ok(()),
        }
    }

    fn check_name(&self, parameters: &Object<'_>) -> Result<(), BodyError> {
        let Some(name) = &self.name else { return Ok(()) };
        let mut found = None;
        for source in sources(&self.method) {
            let value = member(parameters, source)?;
            found = found.or(value);
        }
        if found.and_then(Value::as_str) == Some(name) {
            return Ok(());
        }
        let body = found.map(|value| excerpt(value.as_str().unwrap_or(value.kind())));
        Err(BodyError::Name { header: excerpt(name), body })
    }
}

/// Which parameters `Mcp-Name` repeats; of several, the first that is there. The standard says it of those methods that
/// name something, an extension of tasks; of others nobody knows, and a name that stands in none of these is not the
/// body's.
fn sources(method: &str) -> &'static [&'static str] {
    match method {
        "tools/call" | "prompts/get" => &["name"],
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => &["uri"],
        "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => &["taskId"],
        _ => &["name", "uri", "taskId"],
    }
}

fn object<'v, 'a>(what: &'static str, value: &'v Value<'a>) -> Result<&'v Object<'a>, BodyError> {
    let (found, expected) = (value.kind(), "an object");
    value.as_object().ok_or(BodyError::Kind { what, found, expected })
}

fn text<'v>(what: &'static str, value: Option<&'v Value<'_>>) -> Result<&'v str, BodyError> {
    let (found, expected) = (value.map_or("absent", Value::kind), "a string");
    value.and_then(Value::as_str).ok_or(BodyError::Kind { what, found, expected })
}

/// The member `name`, if nothing beside it can be taken for it.
fn member<'v, 'a>(
    object: &'v Object<'a>,
    name: &'static str,
) -> Result<Option<&'v Value<'a>>, BodyError> {
    let mut found = None;
    for (member, value) in object.iter() {
        if member == name {
            found = Some(value);
        } else if looks_like(member, name) {
            return Err(BodyError::Lookalike { found: excerpt(member), name });
        }
    }
    Ok(found)
}

/// Whether a reader that ignores case, as far as Unicode's simple folding reaches ASCII, or that ends at a NUL, takes
/// `member` for `name`.
fn looks_like(member: &str, name: &str) -> bool {
    let folded = |character: char| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        character => character.to_ascii_lowercase(),
    };
    let member = member.split('\0').next().unwrap_or_default();
    member.chars().map(folded).eq(name.chars().map(folded))
}

/// `application/json`, with no other parameter than `charset=utf-8`.
fn is_json(value: &[u8]) -> bool {
    let Ok(value) = std::str::from_utf8(value) else { return false };
    let mut parts = value.split(';').map(|part| part.trim_matches([' ', '\t']));
    let is_type = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let is_utf8 = |parameter: &str| {
        ["charset=utf-8", "charset=\"utf-8\""]
            .iter()
            .any(|allowed| parameter.eq_ignore_ascii_case(allowed))
    };
    is_type
        && match (parts.next(), parts.next()) {
            (None, _) => true,
            (Some(parameter), None) => is_utf8(parameter),
            (Some(_), Some(_)) => false,
        }
}
