//! What a gateway has to know of the Model Context Protocol: the headers that say what a request does, and which pages
//! may call. Whom a token is for is the same question for every service ([`crate::audience`]).
//!
//! From version 2026-07-28 on, `Mcp-Method` and `Mcp-Name` repeat what the body says, so that a
//! gateway can route and decide without reading it. They are the client's words: a decision on them
//! holds only if the server behind the gateway refuses requests whose headers and body differ, as
//! the standard asks it to. Earlier versions have no such headers ([`Version::has_routing_headers`]); what that
//! means for routes is in [`crate::route::mcp`].
//!
//! A name that no header can carry is sent as `=?base64?…?=`. [`name`] decodes it, and refuses what
//! one reader might decode and another take literally: then the gate and the server would see two
//! tools.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::excerpt;
use crate::request::Field;

pub mod body;

#[cfg(test)]
mod tests;

/// The longest name after decoding. A resource's URI is one.
pub const MAX_NAME_BYTES: usize = 2048;

/// The longest method; `notifications/resources/list_changed` has 36 bytes.
pub const MAX_METHOD_BYTES: usize = 128;

/// The methods whose requests name something, and must say what.
pub const NAMING_METHODS: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

const PREFIX: &[u8] = b"=?base64?";
const SUFFIX: &[u8] = b"?=";

/// A version of the protocol, by its date.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// What a request without the header speaks.
    V2025_03_26,
    /// The first with the header.
    V2025_06_18,
    /// The last without routing headers.
    V2025_11_25,
    /// With `Mcp-Method` and `Mcp-Name`.
    V2026_07_28,
}

/// Why a request is answered with 400.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum McpError {
    /// A header sent more than once.
    #[error("header `{header}` was sent more than once")]
    Several {
        /// Its name.
        header: &'static str,
    },
    /// A header that this version needs.
    #[error("header `{header}` is missing")]
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// A version that is not known: nobody knows what its headers mean.
    #[error("MCP-Protocol-Version `{version}` is not supported")]
    UnknownVersion {
        /// What was sent, shortened.
        version: String,
    },
    /// A method with other bytes than letters, digits and `/_-.$`, or too long, or empty.
    #[error("Mcp-Method is malformed")]
    MalformedMethod,
    /// A name that a header cannot carry unchanged.
    #[error("Mcp-Name has bytes that must be sent in base64")]
    RawName,
    /// Something that starts or ends like the encoded form and is not one.
    #[error("Mcp-Name is not well-formed base64 of UTF-8")]
    MalformedName,
    /// A version whose requests do not say what they do.
    #[error("a request of version {version} does not say it in headers")]
    Silent {
        /// The version.
        version: &'static str,
    },
    /// Messages are sent by POST (Streamable HTTP, "Sending Messages").
    #[error("it is not sent by POST")]
    NoMessage,
    /// Longer than [`MAX_NAME_BYTES`].
    #[error("Mcp-Name has {length} bytes, at most {MAX_NAME_BYTES} are allowed")]
    NameTooLong {
        /// Its length in bytes.
        length: usize,
    },
}

/// The MCP headers of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct McpHeaders<'a> {
    /// All `mcp-protocol-version` headers.
    pub protocol_version: Field<'a>,
    /// All `mcp-method` headers.
    pub method: Field<'a>,
    /// All `mcp-name` headers.
    pub name: Field<'a>,
}

/// What a request says it does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct McpRequest<'a> {
    /// Which version it speaks.
    pub version: Version,
    /// The JSON-RPC method, if headers say it.
    pub method: Option<&'a str>,
    /// The tool, prompt or resource, if headers say it; decoded.
    pub name: Option<Cow<'a, str>>,
}

impl<'a> McpHeaders<'a> {
    /// Those that `field` finds by their names in lower case, in the spellings of [`McpHeaders::add`].
    pub fn find(field: impl Fn(&str) -> Field<'a>) -> Self {
        let any = |names: &[&str]| {
            names.iter().fold(Field::Absent, |found, name| found.joined(field(name)))
        };
        Self {
            protocol_version: any(&[
                "mcp-protocol-version",
                "mcp_protocol-version",
                "mcp-protocol_version",
                "mcp_protocol_version",
            ]),
            method: any(&["mcp-method", "mcp_method"]),
            name: any(&["mcp-name", "mcp_name"]),
        }
    }

    /// Takes note of a header if it is one of these, in any case, and with `_` for `-`: some servers take the one for
    /// the other, and would see a header that the gate has not read.
    pub fn add(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |known: &[u8]| {
            known.len() == name.len()
                && known.iter().zip(name).all(|(known, byte)| {
                    *known == byte.to_ascii_lowercase() || (*known == b'-' && *byte == b'_')
                })
        };
        let field = match name.len() {
            8 if is(b"mcp-name") => &mut self.name,
            10 if is(b"mcp-method") => &mut self.method,
            20 if is(b"mcp-protocol-version") => &mut self.protocol_version,
            _ => return,
        };
        *field = field.joined(Field::One(value));
    }
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] =
        [Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// As `MCP-Protocol-Version` writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether requests of this version say in headers what they do.
    #[must_use]
    pub fn has_routing_headers(self) -> bool {
        self >= Self::V2026_07_28
    }
}

impl<'a> McpRequest<'a> {
    /// Reads the headers of a POST. Of versions without routing headers, method and name stay
    /// unknown even if such headers were sent: no server of that version compares them with the
    /// body.
    pub fn parse(headers: &McpHeaders<'a>) -> Result<Self, McpError> {
        let version = version(headers.protocol_version)?;
        if !version.has_routing_headers() {
            return Ok(Self { version, method: None, name: None });
        }
        let method = value(headers.method, "Mcp-Method")?;
        let method = method.ok_or(McpError::Missing { header: "Mcp-Method" })?;
        let method = method_name(method)?;
        let name = value(headers.name, "Mcp-Name")?.map(name).transpose()?;
        if NAMING_METHODS.contains(&method) && name.is_none() {
            return Err(McpError::Missing { header: "Mcp-Name" });
        }
        Ok(Self { version, method: Some(method), name })
    }
}

/// A name as `Mcp-Name` carries it.
pub fn name(value: &[u8]) -> Result<Cow<'_, str>, McpError> {
    let starts = value.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    if !starts {
        return raw_name(value).map(Cow::Borrowed);
    }
    let encoded = value
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .ok_or(McpError::MalformedName)?;
    // Before decoding: four characters hold three bytes.
    let length = (encoded.len() / 4).saturating_mul(3);
    if length > MAX_NAME_BYTES.saturating_add(2) {
        return Err(McpError::NameTooLong { length });
    }
    let bytes = STANDARD.decode(encoded).map_err(|_| McpError::MalformedName)?;
    if bytes.len() > MAX_NAME_BYTES {
        return Err(McpError::NameTooLong { length: bytes.len() });
    }
    let name = String::from_utf8(bytes).map_err(|_| McpError::MalformedName)?;
    if name.is_empty() { Err(McpError::MalformedName) } else { Ok(Cow::Owned(name)) }
}

/// A name in the form that [`name`] decodes, whatever it is.
#[must_use]
pub fn encoded_name(name: &str) -> String {
    format!("=?base64?{}?=", STANDARD.encode(name))
}

/// Whether a page of `origin` may call. Without the header the caller is no page; with several, or
/// one that is not allowed, it must be refused with 403 (MCP, DNS rebinding). `null` is never
/// allowed: any sandboxed page sends it.
#[must_use]
pub fn may_call(origin: Field<'_>, allowed: &[String]) -> bool {
    match origin {
        Field::Absent => true,
        Field::Many => false,
        Field::One(origin) => {
            origin != b"null" && allowed.iter().any(|allowed| allowed.as_bytes() == origin)
        }
    }
}

fn version(field: Field<'_>) -> Result<Version, McpError> {
    let Some(value) = value(field, "MCP-Protocol-Version")? else {
        return Ok(Version::V2025_03_26);
    };
    let known = Version::ALL.into_iter().find(|version| version.name().as_bytes() == value);
    known.ok_or_else(|| McpError::UnknownVersion {
        version: excerpt(&String::from_utf8_lossy(value)),
    })
}

fn value<'a>(field: Field<'a>, header: &'static str) -> Result<Option<&'a [u8]>, McpError> {
    match field {
        Field::Absent => Ok(None),
        Field::One(value) => Ok(Some(value)),
        Field::Many => Err(McpError::Several { header }),
    }
}

/// A method as `Mcp-Method` carries it.
pub fn method_name(value: &[u8]) -> Result<&str, McpError> {
    let is_allowed = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'.' | b'$')
    };
    let is_well_formed =
        !value.is_empty() && value.len() <= MAX_METHOD_BYTES && value.iter().all(is_allowed);
    let text = std::str::from_utf8(value).ok().filter(|_| is_well_formed);
    text.ok_or(McpError::MalformedMethod)
}

/// A name without encoding: visible ASCII and blanks, none of them at an end.
fn raw_name(value: &[u8]) -> Result<&str, McpError> {
    if value.len() > MAX_NAME_BYTES {
        return Err(McpError::NameTooLong { length: value.len() });
    }
    let is_allowed = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let is_blank = |byte: Option<&u8>| byte.is_none_or(|byte| *byte == b' ');
    if is_blank(value.first()) || is_blank(value.last()) || !value.iter().all(is_allowed) {
        return Err(McpError::RawName);
    }
    std::str::from_utf8(value).map_err(|_| McpError::RawName)
}
