//! What an MCP message does, as the default mapping of COAZ-MCP says it, AuthZEN's binding for MCP.
//!
//! | `action.name` | `resource.type` | `resource.id` |
//! |---|---|---|
//! | `tools/call` | `tool` | its name |
//! | `prompts/get` | `prompt` | its name |
//! | `resources/read`, `resources/subscribe`, `resources/unsubscribe` | `resource` | its URI |
//! | `completion/complete` | `prompt`, `resource` | its name or URI |
//! | `tasks/get`, `tasks/result`, `tasks/cancel` | `task` | its id |
//! | every other method | `mcp_server` | the server's identifier: names nothing |
//!
//! Whoever asks so has read the message itself, of whatever version, so routes find what they would
//! find in headers that say the same. A pair that is not in the table is refused: one of the two is
//! not what the message says.

use std::borrow::Cow;

use rescind_core::mcp::{self, McpError, McpHeaders, McpRequest, Version};
use rescind_core::request::Field;

/// The types of resources that messages are about.
pub(super) const TYPES: [&str; 5] = ["tool", "prompt", "resource", "task", SERVER];

/// The type of what is no part of a server.
pub(super) const SERVER: &str = "mcp_server";

/// Messages are sent by POST (Streamable HTTP, "Sending Messages").
pub(super) const HTTP_METHOD: &str = "POST";

/// What a message does.
#[derive(Debug)]
pub(super) struct Message<'a> {
    method: &'a str,
    /// As a header carries it.
    name: Option<Cow<'a, str>>,
}

/// Why nobody knows what a message does.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum MessageError {
    #[error("`resource.type` is `{found}`, but `action.name` says that it is {expected}")]
    Contradiction { found: String, expected: &'static str },
    #[error("`action.name` or `resource.id` cannot be MCP's: {0}")]
    Mcp(#[from] McpError),
}

impl<'a> Message<'a> {
    /// The message with this `method`, about the `id` of this `kind`, one of [`TYPES`].
    pub(super) fn read(method: &'a str, kind: &str, id: &'a str) -> Result<Self, MessageError> {
        let (expected, kinds) = kinds(method);
        if !kinds.contains(&kind) {
            return Err(MessageError::Contradiction { found: kind.to_owned(), expected });
        }
        let name = (kind != SERVER).then(|| match mcp::name(id.as_bytes()) {
            Ok(Cow::Borrowed(plain)) => Cow::Borrowed(plain),
            // What looks like the encoded form is a name like any other here.
            Ok(Cow::Owned(_)) | Err(_) => Cow::Owned(mcp::encoded_name(id)),
        });
        let message = Self { method, name };
        McpRequest::parse(&message.headers())?;
        Ok(message)
    }

    /// The headers that say the same.
    pub(super) fn headers(&self) -> McpHeaders<'_> {
        let name = self.name.as_deref();
        McpHeaders {
            protocol_version: Field::One(Version::V2026_07_28.name().as_bytes()),
            method: Field::One(self.method.as_bytes()),
            name: name.map_or(Field::Absent, |name| Field::One(name.as_bytes())),
        }
    }
}

/// What messages of this method are about.
fn kinds(method: &str) -> (&'static str, &'static [&'static str]) {
    match method {
        "tools/call" => ("`tool`", &["tool"]),
        "prompts/get" => ("`prompt`", &["prompt"]),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            ("`resource`", &["resource"])
        }
        "completion/complete" => ("`prompt` or `resource`", &["prompt", "resource"]),
        "tasks/get" | "tasks/result" | "tasks/cancel" => ("`task`", &["task"]),
        _ => ("`mcp_server`", &[SERVER]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<'a>(method: &'a str, kind: &str, id: &'a str) -> Option<(String, Option<String>)> {
        let message = Message::read(method, kind, id).ok()?;
        let headers = message.headers();
        let request = McpRequest::parse(&headers).unwrap();
        Some((request.method?.to_owned(), request.name.map(Cow::into_owned)))
    }

    #[test]
    fn each_method_is_about_the_type_that_it_has_in_the_mapping_and_no_other() {
        for (method, expected) in [
            ("tools/call", &["tool"][..]),
            ("prompts/get", &["prompt"]),
            ("resources/read", &["resource"]),
            ("resources/subscribe", &["resource"]),
            ("resources/unsubscribe", &["resource"]),
            ("completion/complete", &["prompt", "resource"]),
            ("tasks/get", &["task"]),
            ("tasks/result", &["task"]),
            ("tasks/cancel", &["task"]),
            ("initialize", &["mcp_server"]),
            ("tools/list", &["mcp_server"]),
            ("server/discover", &["mcp_server"]),
            ("Tools/Call", &["mcp_server"]),
        ] {
            for kind in TYPES {
                let name = (kind != SERVER).then(|| "a".to_owned());
                let wanted = expected.contains(&kind).then(|| (method.to_owned(), name));
                assert_eq!(said(method, kind, "a"), wanted, "{method} {kind}");
            }
        }
    }

    #[test]
    fn a_name_is_what_was_written_whatever_it_looks_like() {
        let longest = "x".repeat(mcp::MAX_NAME_BYTES);
        for name in ["a", "größer", "a\r\nb: c", " a ", "=?base64?YQ==?=", "=?base64?", &longest]
        {
            let found = said("tools/call", "tool", name).and_then(|(_, name)| name);
            assert_eq!(found.as_deref(), Some(name));
        }
        for name in ["", &format!("{longest}x"), &format!("{longest}ü")] {
            assert_eq!(said("tools/call", "tool", name), None);
        }
    }

    #[test]
    fn a_method_that_no_header_carries_is_refused() {
        let longest = "x".repeat(mcp::MAX_METHOD_BYTES);
        assert!(said(&longest, SERVER, "a").is_some());
        for method in ["", "tools call", "a\nb", "ü", &format!("{longest}x")] {
            assert_eq!(said(method, SERVER, "a"), None, "{method}");
        }
    }
}
