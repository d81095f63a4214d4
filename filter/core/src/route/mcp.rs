//! Routes by what an MCP request says it does.
//!
//! From version 2026-07-28 on, headers repeat the method and the name in a request's body, and the server must refuse a
//! request in which they differ (Streamable HTTP, "Server Validation"). A gateway that decides by them should refuse
//! requests of versions in which nobody compares them (same section). So a route with an MCP matcher is never passed
//! over for want of headers: a request that does not say clearly what it does, and could have met such a route, is
//! refused. Versions before have no headers; whoever serves their clients gives them one route of their own
//! ([`McpMatch::OlderVersions`]), which should ask for all that any tool needs.
//!
//! A server that does not compare them is helped by `verify_body`: then the gateway does ([`crate::mcp::body`]), where
//! the host can hold bodies back. A lie in the headers chooses the route, so it would also choose one that does not
//! compare: if one route of those that a message could meet does, they all do.
//!
//! What this module refuses to do: read bodies itself. Most hosts do not show them in time.

use super::Route;
use crate::mcp::{McpError, McpRequest};
use crate::request::RequestView;

/// Which MCP requests a route matches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum McpMatch {
    /// Those that say that they do this.
    Says {
        /// The JSON-RPC method; empty for all.
        methods: Vec<TextMatch>,
        /// The tool, prompt or resource; empty for all, and for methods that name none.
        names: Vec<TextMatch>,
        /// Whether what the headers say is compared with the body, of every message that could meet this route.
        verify_body: bool,
    },
    /// Those that say nothing: of versions before 2026-07-28, and what is no POST.
    OlderVersions,
}

/// Which texts, byte for byte.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TextMatch {
    /// This one.
    Exact(String),
    /// All that start so: `transfer_*`.
    Prefix(String),
}

/// What a request says of itself.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// What it does.
    Message(McpRequest<'a>),
    /// Nothing, and it need not; this is why.
    Nothing(McpError),
    /// Something that nobody can rely on.
    Unclear(McpError),
    /// Nothing yet: a browser asks whether it may send the request.
    NotYet,
}

/// What a request meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Choice {
    /// A route, by its place.
    Route(usize),
    /// None: the default.
    Default,
    /// One that it does not say enough for.
    Unclear,
}

impl<'a> Said<'a> {
    pub(super) fn by(request: &RequestView<'a>) -> Self {
        if request.preflight == Some(request.method) {
            return Self::NotYet;
        }
        match McpRequest::parse(&request.mcp) {
            Err(error) => Self::Unclear(error),
            // Messages are sent by POST, so this is none.
            Ok(_) if request.method != b"POST" => Self::Nothing(McpError::NoMessage),
            Ok(McpRequest { version, method: None, .. }) => {
                Self::Nothing(McpError::Silent { version: version.name() })
            }
            Ok(message) => Self::Message(message),
        }
    }

    /// Why a choice was not clear.
    pub(super) fn error(&self) -> McpError {
        match self {
            Self::Nothing(error) | Self::Unclear(error) => error.clone(),
            Self::Message(_) | Self::NotYet => McpError::NoMessage,
        }
    }
}

impl Choice {
    /// The first of `routes`, which match in all else, that `said` meets; without `said`, none of them asks.
    pub(super) fn among<'r>(
        routes: impl Iterator<Item = (usize, &'r Route)>,
        said: Option<&Said<'_>>,
    ) -> Self {
        let mut passed_over = false;
        for (place, route) in routes {
            match (&route.mcp, said) {
                (None, _) if passed_over => return Self::Unclear,
                (None, _) | (Some(_), None | Some(Said::NotYet)) => return Self::Route(place),
                (Some(_), Some(Said::Unclear(_))) => return Self::Unclear,
                (Some(McpMatch::OlderVersions), Some(Said::Nothing(_))) => {
                    return Self::Route(place);
                }
                // It could do what this route is for. A later route may be for requests that do not say.
                (Some(McpMatch::Says { .. }), Some(Said::Nothing(_))) => passed_over = true,
                (Some(wanted), Some(Said::Message(message))) => {
                    if wanted.matches(message) {
                        return Self::Route(place);
                    }
                }
            }
        }
        if passed_over { Self::Unclear } else { Self::Default }
    }
}

impl McpMatch {
    /// Whether bodies have to say what made a request meet this route, or pass it over.
    #[must_use]
    pub const fn verifies_bodies(&self) -> bool {
        matches!(self, Self::Says { verify_body: true, .. })
    }

    fn matches(&self, message: &McpRequest<'_>) -> bool {
        let Self::Says { methods, names, .. } = self else { return false };
        let fits = |wanted: &[TextMatch], text: Option<&str>| {
            wanted.is_empty()
                || text.is_some_and(|text| wanted.iter().any(|wanted| wanted.matches(text)))
        };
        fits(methods, message.method) && fits(names, message.name.as_deref())
    }
}

impl TextMatch {
    /// Whether it is one of them.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => text == exact,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
