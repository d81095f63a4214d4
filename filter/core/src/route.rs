//! What a request has to bring, by its method, host and path. The first route that matches decides;
//! without a match a valid token is required and nothing more.
//!
//! Matching is made to be predictable under attack rather than expressive: exact paths and prefixes
//! that end at a segment's end, no patterns. A request whose path is read in several ways
//! ([`crate::request::path`]) must find the same route in all of them, else it is refused. `HEAD`
//! counts as `GET` (RFC 9110 §9.3.2: the same, without a body). A trailing slash makes no
//! difference to an exact path, because to most services it makes none. A route may also ask what an MCP request says
//! it does ([`mcp`]).
//!
//! What this module refuses to do: let a configuration be bypassed by how a path is spelled. Paths
//! are checked only where they matter; a configuration without a route that names a path lets every
//! spelling pass.

use std::fmt;
use std::time::Duration;

use crate::audience::{AudienceSet, Audiences};
use crate::in_flight::InFlight;
use crate::json::excerpt;
use crate::mcp::body::Announced;
use crate::mcp::{McpError, may_call};
use crate::record::FactKind;
use crate::request::path::{self, PathProblem, Readings};
use crate::request::{Field, RequestView};
use crate::slots::{Credentials, SlotSet};

pub mod mcp;

use mcp::{Choice, McpMatch, Said};

/// The routes of a configuration, in its order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Routes {
    routes: Vec<Route>,
    default: Access,
    by_path: bool,
    by_host: bool,
    by_mcp: bool,
    verifies_bodies: bool,
    accepted: SlotSet,
    audiences: Audiences,
}

/// One route: what it matches, and what it asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// Which paths; always one of the three.
    pub path: PathMatch,
    /// Which methods; empty for all.
    pub methods: Vec<String>,
    /// Which hosts; empty for all.
    pub hosts: Vec<HostMatch>,
    /// Which MCP requests; without, all requests.
    pub mcp: Option<McpMatch>,
    /// Pages of which origins may send what it matches; empty for all.
    pub origins: Vec<String>,
    /// What is asked for.
    pub access: Access,
}

/// What a request needs to pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Access {
    /// Nothing: credentials are neither asked for nor looked at.
    Public,
    /// A valid token, and more.
    Token(Requirements),
}

/// What a token must say beside being valid.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Requirements {
    /// One of these must be in the `aud` of the credential that says who calls; if there are none, its issuer's
    /// audiences suffice.
    pub audiences: AudienceSet,
    /// All of these scopes. Distinct, in the order of the configuration; may be empty.
    pub scopes: Vec<String>,
    /// How its user was authenticated.
    pub step_up: StepUp,
    /// What must not have been signalled about its subjects (CAEP 1.0): device, risk, assurance, claims.
    pub refused_state: Vec<FactKind>,
    /// What a token meets whose issuer's signals may have been missed.
    pub on_gap: OnGap,
    /// Whether a browser's question before the request itself passes without a token (WHATWG Fetch, CORS preflight).
    pub cors_preflight: bool,
    /// What becomes of a request that passed when its token would be refused now.
    pub in_flight: InFlight,
    /// Which credentials, alone or together.
    pub credentials: Credentials,
}

/// What a request meets while the companion may have missed signals about its token's issuer.
///
/// `allow` unless a route says otherwise. A gap is another party's outage, or a guess at one: to refuse on
/// every such guess would let a transmitter that is out of reach for a minute close all APIs, and whoever
/// verifies his streams would be worse off than who does not. What is fail-closed stays so: the signals that
/// did come are enforced, the gap is visible (log, metric, `rescind streams`), and a route that is worth
/// an outage says `deny`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnGap {
    /// It passes, if nothing else refuses it.
    #[default]
    Allow,
    /// It is refused until the gap ends.
    Deny,
}

/// How a token's user must have been authenticated (RFC 9470 §4); by default, anyhow.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StepUp {
    /// `acr` must be one of these, if there are any: in the order of preference.
    pub acr_values: Vec<String>,
    /// `auth_time` must not be longer ago.
    pub max_age: Option<Duration>,
}

/// What is asked for, in words.
impl fmt::Display for StepUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acr_values, max_age } = self;
        if !acr_values.is_empty() {
            write!(f, "acr `{}`", acr_values.join("` or `"))?;
        }
        if let Some(max_age) = max_age {
            let and = if acr_values.is_empty() { "" } else { " and " };
            write!(f, "{and}authentication within {}s", max_age.as_secs())?;
        }
        Ok(())
    }
}

/// Which paths a route matches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PathMatch {
    /// All.
    Any,
    /// This one, with or without a slash at its end.
    Exact(PathPattern),
    /// This one and those below it.
    Prefix(PathPattern),
}

/// A path of the configuration, in the two forms that requests are compared in; without a slash at
/// its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PathPattern {
    decoded: Vec<u8>,
    normal: Vec<u8>,
}

/// Which host a route matches: a name in lower case, or all names below a domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HostMatch {
    /// This name.
    Name(String),
    /// Names that end in this, which starts with a dot: `*.example.com`.
    Below(String),
}

/// Why no route could be chosen.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RouteError {
    /// The path is spelled so that servers differ about it.
    #[error("path is ambiguous: {problem}")]
    AmbiguousPath {
        /// How.
        problem: PathProblem,
    },
    /// The path's readings lead to different routes.
    #[error(
        "path is ambiguous: with its escapes or parameters read otherwise it leads to another route"
    )]
    AmbiguousRoute,
    /// The host has bytes that no host name has, and routes depend on it.
    #[error("host is ambiguous: byte 0x{byte:02x} may not be in a host name")]
    AmbiguousHost {
        /// The first such byte.
        byte: u8,
    },
    /// Routes depend on what an MCP request does, and it does not say so as the standard asks.
    #[error("what the MCP request does is unclear: {0}")]
    UnclearMessage(McpError),
    /// A page of an origin that the route does not name sent it, or several origins are named.
    #[error("pages of {origin} may not call here")]
    OriginNotAllowed {
        /// What `Origin` says, shortened.
        origin: String,
    },
}

impl Routes {
    /// The routes in the order they are tried.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        let by_path = routes.iter().any(|route| route.path != PathMatch::Any);
        let by_host = routes.iter().any(|route| !route.hosts.is_empty());
        let by_mcp = routes.iter().any(|route| route.mcp.is_some());
        let verifies = |route: &Route| route.mcp.as_ref().is_some_and(McpMatch::verifies_bodies);
        let verifies_bodies = routes.iter().any(verifies);
        let default = Access::Token(Requirements::default());
        let all = routes.iter().map(|route| &route.access).chain([&default]);
        let accepted = all.fold(SlotSet::EMPTY, |all, access| match access {
            Access::Public => all,
            Access::Token(required) => all.and(required.credentials.accepted()),
        });
        let audiences = Audiences::default();
        Self { routes, default, by_path, by_host, by_mcp, verifies_bodies, accepted, audiences }
    }

    /// The same, whose routes ask for some of these `audiences`.
    #[must_use]
    pub fn with_audiences(self, audiences: Audiences) -> Self {
        Self { audiences, ..self }
    }

    /// The audiences that any of them asks for.
    #[must_use]
    pub const fn audiences(&self) -> &Audiences {
        &self.audiences
    }

    /// Every kind of credential that some route accepts.
    #[must_use]
    pub const fn accepted(&self) -> SlotSet {
        self.accepted
    }

    /// Which audiences each route asks for, by its place.
    pub fn asked_audiences(&self) -> impl Iterator<Item = (usize, AudienceSet)> {
        self.routes.iter().enumerate().filter_map(|(place, route)| match &route.access {
            Access::Public => None,
            Access::Token(required) => Some((place, required.audiences)),
        })
    }

    /// Whether any of them compares bodies with what the headers say.
    #[must_use]
    pub const fn verifies_bodies(&self) -> bool {
        self.verifies_bodies
    }

    /// Whether what passed is watched on any of them.
    #[must_use]
    pub fn cuts_streams(&self) -> bool {
        let cuts = |route: &Route| matches!(&route.access, Access::Token(required) if required.in_flight == InFlight::Cut);
        self.routes.iter().any(cuts)
    }

    /// What `request` needs.
    pub fn select(&self, request: &RequestView<'_>) -> Result<&Access, RouteError> {
        let host = if self.by_host { host_name(request.host)? } else { String::new() };
        let said = self.by_mcp.then(|| Said::by(request));
        let candidate = |(_, route): &(usize, &Route)| {
            route.allows_method(request.method) && route.allows_host(&host)
        };
        let candidates = || self.routes.iter().enumerate().filter(candidate);
        if !self.by_path {
            let choice = Choice::among(candidates(), said.as_ref());
            return self.chosen(choice, said.as_ref(), request.origin);
        }
        let readings = path::readings(request.path_without_query())
            .map_err(|problem| RouteError::AmbiguousPath { problem })?;
        let Readings { normal, decoded, bare } = readings;
        let choice = |path: &[u8], form: fn(&PathPattern) -> &[u8]| {
            let routes = candidates().filter(|(_, route)| route.path.matches(path, form));
            Choice::among(routes, said.as_ref())
        };
        let chosen = choice(&normal, PathPattern::normal);
        let agree = [decoded, bare]
            .into_iter()
            .flatten()
            .all(|path| choice(&path, PathPattern::decoded) == chosen);
        if !agree {
            return Err(RouteError::AmbiguousRoute);
        }
        self.chosen(chosen, said.as_ref(), request.origin)
    }

    /// What the body of `request` has to say, if one of the routes that its headers could have led it to asks for that.
    pub fn announced(&self, request: &RequestView<'_>) -> Result<Option<Announced>, RouteError> {
        if !self.verifies_bodies {
            return Ok(None);
        }
        // What says nothing has met no route by what it says.
        let Said::Message(message) = Said::by(request) else { return Ok(None) };
        let host = if self.by_host { host_name(request.host)? } else { String::new() };
        let Readings { normal, decoded, bare } = path::readings(request.path_without_query())
            .map_err(|problem| RouteError::AmbiguousPath { problem })?;
        let could_meet = |route: &&Route| {
            let matches = |path: &[u8], form| route.path.matches(path, form);
            let others = || [&decoded, &bare].into_iter().flatten();
            route.mcp.as_ref().is_some_and(McpMatch::verifies_bodies)
                && route.allows_method(request.method)
                && route.allows_host(&host)
                && (matches(&normal, PathPattern::normal)
                    || others().any(|path| matches(path, PathPattern::decoded)))
        };
        if !self.routes.iter().any(|route| could_meet(&route)) {
            return Ok(None);
        }
        Announced::by(&message).map(Some).map_err(RouteError::UnclearMessage)
    }

    fn chosen(
        &self,
        choice: Choice,
        said: Option<&Said<'_>>,
        origin: Field<'_>,
    ) -> Result<&Access, RouteError> {
        match choice {
            Choice::Route(place) => match self.routes.get(place) {
                Some(route) => route.admits(origin).map(|()| &route.access),
                None => Ok(&self.default),
            },
            Choice::Default => Ok(&self.default),
            Choice::Unclear => {
                let error = said.map_or(McpError::NoMessage, Said::error);
                Err(RouteError::UnclearMessage(error))
            }
        }
    }
}

impl Route {
    /// Whether a page of `origin` may send what it matches, if a page did. Whoever is lured to a page, and has a service
    /// in reach that the page's owner has not, would else send that owner's requests (DNS rebinding).
    fn admits(&self, origin: Field<'_>) -> Result<(), RouteError> {
        if self.origins.is_empty() || may_call(origin, &self.origins) {
            return Ok(());
        }
        let origin = match origin {
            Field::One(origin) => format!("`{}`", excerpt(&String::from_utf8_lossy(origin))),
            Field::Absent | Field::Many => "several origins".to_owned(),
        };
        Err(RouteError::OriginNotAllowed { origin })
    }

    fn allows_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|wanted| wanted.matches(host))
    }

    fn allows_method(&self, method: &[u8]) -> bool {
        let method = if method == b"HEAD" { b"GET" } else { method };
        self.methods.is_empty()
            || self.methods.iter().any(|allowed| {
                let allowed = if allowed == "HEAD" { "GET" } else { allowed.as_str() };
                allowed.as_bytes() == method
            })
    }
}

impl PathMatch {
    /// Whether every path that `other` matches matches here too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) | (Self::Exact(_), Self::Prefix(_)) => false,
            (_, Self::Exact(pattern) | Self::Prefix(pattern)) => {
                self.matches(pattern.decoded(), PathPattern::decoded)
            }
        }
    }

    fn matches(&self, path: &[u8], form: fn(&PathPattern) -> &[u8]) -> bool {
        let rest = |pattern| path.strip_prefix(form(pattern));
        match self {
            Self::Any => true,
            Self::Exact(pattern) => matches!(rest(pattern), Some(b"" | b"/")),
            Self::Prefix(pattern) => matches!(rest(pattern), Some([] | [b'/', ..])),
        }
    }
}

impl PathPattern {
    /// The pattern for a path that is written decoded and starts with a slash.
    pub fn new(path: &str) -> Result<Self, PathProblem> {
        path::readings(&path::escaped(path))?;
        let path = path.strip_suffix('/').unwrap_or(path);
        Ok(Self { decoded: path.as_bytes().to_vec(), normal: path::escaped(path) })
    }

    fn normal(&self) -> &[u8] {
        &self.normal
    }

    fn decoded(&self) -> &[u8] {
        &self.decoded
    }
}

impl HostMatch {
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => host == name,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        }
    }
}

/// The host in lower case, without port and without the root's dot.
fn host_name(host: &[u8]) -> Result<String, RouteError> {
    let is_host_byte = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
    };
    if let Some(byte) = host.iter().find(|byte| !is_host_byte(byte)) {
        return Err(RouteError::AmbiguousHost { byte: *byte });
    }
    let text = String::from_utf8_lossy(host).to_ascii_lowercase();
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => text.as_str(),
    };
    Ok(name.strip_suffix('.').unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests;
