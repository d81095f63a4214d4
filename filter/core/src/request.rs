//! A request as the gate sees it: a handful of facts, all of them bytes that a client chose.
//!
//! Nothing here is trusted to be text. A header that is not UTF-8 is an ordinary value that matches
//! nothing, never an error path of its own: hosts have lost a whole worker to one such byte.
//!
//! What this module refuses to do: hold bodies, follow forwarding headers, or repair a request.
//! A target that can be read in two ways is refused ([`path`]), because the gate and the service
//! behind it might differ.

use crate::mcp::McpHeaders;
use crate::mcp::body::Content;
use crate::place::Elsewhere;

pub mod path;

/// One request. The shell fills it in and decides nothing.
#[derive(Clone, Copy, Default)]
pub struct RequestView<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// `:path`: path and query as the service will receive them.
    pub path: &'a [u8],
    /// The `host` header, or `:authority`; empty if there is none.
    pub host: &'a [u8],
    /// All `authorization` headers.
    pub authorization: Field<'a>,
    /// What is in the other places where tokens may be, in the order of [`crate::config::Config::places`].
    pub elsewhere: Elsewhere<'a>,
    /// All `dpop` headers: the proof that the sender has the token's key (RFC 9449 §4.1).
    pub proof: Field<'a>,
    /// All `txn-token` headers.
    pub txn_token: Field<'a>,
    /// All `workload-identity-token` headers.
    pub workload_token: Field<'a>,
    /// All `workload-proof-token` headers.
    pub workload_proof: Field<'a>,
    /// All `x-forwarded-client-cert` headers.
    pub forwarded_certificate: Field<'a>,
    /// All `origin` headers: whose page sent the request, if a browser did (RFC 6454 §7).
    pub origin: Field<'a>,
    /// All `sec-fetch-site` headers: what that page is to this host (W3C Fetch Metadata).
    pub fetch_site: Field<'a>,
    /// Whether it asks to go on in another protocol, such as WebSocket.
    pub upgrades: bool,
    /// What an MCP request says about itself.
    pub mcp: McpHeaders<'a>,
    /// How the body is written, for routes that read it.
    pub content: Content<'a>,
    /// Whether the content type says gRPC: then the answer carries a gRPC status.
    pub grpc: bool,
    /// The method that a browser asks about, if this is a CORS preflight: `OPTIONS` with an `origin`, with
    /// `access-control-request-method` and without credentials (WHATWG Fetch, CORS preflight).
    pub preflight: Option<&'a [u8]>,
}

/// What the gateway knows about the connection that a request came through: asked only if a token needs it.
pub trait Connection {
    /// The SHA-256 digest of the client's certificate in hexadecimal, if TLS has verified that the client has its key.
    fn peer_certificate_digest(&self) -> Option<Vec<u8>>;
}

/// A header that may be there at most once.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub enum Field<'a> {
    /// Not sent.
    #[default]
    Absent,
    /// Sent once, with this value.
    One(&'a [u8]),
    /// Sent more than once: which one the service would use, nobody knows.
    Many,
}

impl<'a> Field<'a> {
    /// Both fields, as if their names were one.
    #[must_use]
    pub const fn joined(self, other: Self) -> Self {
        match (self, other) {
            (field, Self::Absent) | (Self::Absent, field) => field,
            (Self::One(_) | Self::Many, Self::One(_) | Self::Many) => Self::Many,
        }
    }

    /// The field whose values are `values`.
    pub fn from_values(mut values: impl Iterator<Item = &'a [u8]>) -> Self {
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::One(value),
            (Some(_), Some(_)) => Self::Many,
        }
    }
}

impl<'a> RequestView<'a> {
    /// The target without its query.
    #[must_use]
    pub fn path_without_query(&self) -> &'a [u8] {
        self.split_target().0
    }

    /// Whether the query has a parameter `access_token`: RFC 6750 §2.3 tells how to send a token
    /// so, and OAuth 2.1 and MCP forbid it, because URLs end up in logs. The name may be
    /// percent-encoded.
    #[must_use]
    pub fn has_token_in_query(&self) -> bool {
        const NAME: &[u8] = b"access_token";
        let Some(query) = self.split_target().1 else { return false };
        query
            .split(|byte| matches!(byte, b'&' | b';'))
            .filter_map(|parameter| parameter.split(|byte| *byte == b'=').next())
            .any(|name| name == NAME || (name.contains(&b'%') && path::decoded(name) == NAME))
    }

    fn split_target(&self) -> (&'a [u8], Option<&'a [u8]>) {
        let mut parts = self.path.splitn(2, |byte| *byte == b'?');
        (parts.next().unwrap_or_default(), parts.next())
    }
}

/// Shows that there is a credential, never the credential; and no query, which may hold one.
impl std::fmt::Debug for RequestView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestView")
            .field("method", &String::from_utf8_lossy(self.method))
            .field("path", &String::from_utf8_lossy(self.path_without_query()))
            .field("host", &String::from_utf8_lossy(self.host))
            .field("authorization", &self.authorization)
            .field("elsewhere", &self.elsewhere)
            .field("txn_token", &self.txn_token)
            .field("workload_token", &self.workload_token)
            .field("grpc", &self.grpc)
            .finish()
    }
}

impl std::fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "absent",
            Self::One(_) => "one",
            Self::Many => "many",
        })
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn get(path: &'static [u8]) -> RequestView<'static> {
        let authorization = Field::One(b"Bearer secret");
        RequestView { method: b"GET", path, host: b"api", authorization, ..RequestView::default() }
    }

    #[test]
    fn a_token_in_the_query_is_found_under_any_spelling_of_its_name() {
        for (path, found) in [
            ("/a", false),
            ("/a?", false),
            ("/a?access_token=x", true),
            ("/a?b=1&access_token=x", true),
            ("/a?b=1;access_token=x", true),
            ("/a?access_token", true),
            ("/a?%61ccess_token=x", true),
            ("/a?access%5ftoken=x", true),
            ("/a?b=access_token", false),
            ("/a?my_access_token=x", false),
            ("/a?x=1?access_token=x", false),
            ("/access_token=x", false),
        ] {
            assert_eq!(get(path.as_bytes()).has_token_in_query(), found, "{path}");
        }
    }

    #[test]
    fn the_query_is_no_part_of_the_path() {
        assert_eq!(get(b"/a/b?c=/../d").path_without_query(), b"/a/b");
        assert_eq!(get(b"").path_without_query(), b"");
    }

    #[test]
    fn a_header_sent_twice_is_many_even_if_both_are_equal() {
        let values: [&[u8]; 2] = [b"Bearer a", b"Bearer a"];
        assert_eq!(Field::from_values(values.into_iter()), Field::Many);
        assert_eq!(Field::from_values(values.into_iter().take(1)), Field::One(b"Bearer a"));
        assert_eq!(Field::from_values(values.into_iter().take(0)), Field::Absent);
    }

    #[test]
    fn what_is_printed_holds_no_credential() {
        let shown = format!("{:?}", get(b"/a?access_token=secret"));
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("/a"), "{shown}");
    }
}
