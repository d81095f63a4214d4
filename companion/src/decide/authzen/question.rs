//! What is asked: subject, action, resource and context (AuthZEN §5), read strictly.
//!
//! **May this request pass?** `resource` is `{"type": "route", "id": "/path?query"}`, with
//! `properties.host` where routes depend on hosts; `action.name` is the method. The token is
//! `context.access_token`, the DPoP proof `context.dpop`; other credentials are `txn_token`,
//! `workload_identity_token` and `workload_proof_token`; the SHA-256 digest of the client's
//! certificate (64 hex digits) `context.client_certificate`. `context.origin` is the page's
//! `Origin`, if a browser sent one: whoever leaves it out says that none did. `subject.id` must
//! be the token's `sub`, unless `subject.type` is `access_token`, for callers that do not read
//! tokens.
//!
//! **May this MCP message pass?** `action.name` is the method of the message and `resource` what it is
//! about ([`message`](super::message)). Where it is sent is `context.path`, and `context.host` where
//! routes depend on hosts; the rest of the context and the subject are as above.
//!
//! **Has anything happened to this token?** `resource.type` is `verified_token`, and its
//! `properties` are the claims of a token that the caller has verified. Nothing but what signals
//! said is judged: no signature, no expiry, no route.
//!
//! Other members are allowed everywhere and mean nothing (§5); a member that means something and
//! has the wrong type is an error, never ignored.

use rescind_core::claims::{Claims, ClaimsError};
use rescind_core::https_url::{HttpsUrl, same_authority};
use rescind_core::json::{Object, Value};
use rescind_core::mcp::McpHeaders;
use rescind_core::request::{Connection, Field, RequestView};

use super::message::{self, Message, MessageError};

/// The four entities, from one object of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Members<'a> {
    subject: Option<&'a Value<'a>>,
    action: Option<&'a Value<'a>>,
    resource: Option<&'a Value<'a>>,
    context: Option<&'a Value<'a>>,
}

/// One question.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// What is asked.
    pub(super) kind: Kind<'a>,
    /// Whose token it must be.
    subject: Option<&'a str>,
}

/// The two kinds of questions.
#[derive(Debug)]
pub(super) enum Kind<'a> {
    /// May this request pass?
    Request(Asked<'a>),
    /// Has anything happened to the token with these claims?
    Claims(Box<Claims<'a>>),
}

/// A request that is asked about.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    target: Target<'a>,
    authorization: Option<String>,
    proof: Option<&'a str>,
    txn_token: Option<&'a str>,
    workload_token: Option<&'a str>,
    workload_proof: Option<&'a str>,
    certificate: Option<&'a str>,
    origin: Option<&'a str>,
}

/// What is asked for, and where.
#[derive(Debug)]
struct Target<'a> {
    method: &'a str,
    path: &'a str,
    host: &'a str,
    /// What an MCP message does.
    message: Option<Message<'a>>,
}

/// What the caller says of the client's certificate.
#[derive(Debug)]
pub(super) struct Told<'a>(Option<&'a str>);

/// Why a question cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum QuestionError {
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{name}` is {found}, not {expected}")]
    Kind { name: &'static str, found: &'static str, expected: &'static str },
    #[error(
        "`resource.type` is none of `route`, `verified_token`, `tool`, `prompt`, `resource`, `task`, \
         `mcp_server`"
    )]
    Resource,
    #[error("`action.name` is no method of HTTP")]
    Method,
    #[error("{0}")]
    Message(#[from] MessageError),
    #[error("`{0}` and `context.host` are two")]
    TwoHosts(&'static str),
    #[error("`resource.properties`: {0}")]
    Claims(#[from] ClaimsError),
}

impl<'a> Members<'a> {
    /// Those of `object`.
    pub(super) fn of(object: &'a Object<'a>) -> Self {
        Self {
            subject: object.get("subject"),
            action: object.get("action"),
            resource: object.get("resource"),
            context: object.get("context"),
        }
    }

    /// These, and where one is missing, that of `defaults`: whole, not member by member (§7.1.1).
    pub(super) fn or(self, defaults: &Self) -> Self {
        Self {
            subject: self.subject.or(defaults.subject),
            action: self.action.or(defaults.action),
            resource: self.resource.or(defaults.resource),
            context: self.context.or(defaults.context),
        }
    }
}

impl<'a> Question<'a> {
    /// Reads the question that `members` are.
    pub(super) fn read(members: &Members<'a>) -> Result<Self, QuestionError> {
        let subject = object(members.subject, "subject")?;
        let subject_type = text(subject, "type", "subject.type")?;
        let subject_id = text(subject, "id", "subject.id")?;
        let action = text(object(members.action, "action")?, "name", "action.name")?;
        let resource = object(members.resource, "resource")?;
        let resource_type = text(resource, "type", "resource.type")?;
        let id = text(resource, "id", "resource.id")?;
        let properties = resource.get("properties");
        if resource_type == "verified_token" {
            let properties = properties.ok_or(QuestionError::Missing("resource.properties"))?;
            let claims = Box::new(Claims::parse(properties)?);
            return Ok(Self { kind: Kind::Claims(claims), subject: None });
        }
        let host = match properties {
            None => None,
            some => {
                optional(object(some, "resource.properties")?, "host", "resource.properties.host")?
            }
        };
        let context = match members.context {
            None => None,
            some => Some(object(some, "context")?),
        };
        let given =
            |member, name| context.map_or(Ok(None), |context| optional(context, member, name));
        let target = match resource_type {
            "route" => Target::of_request(action, id, host)?,
            kind if message::TYPES.contains(&kind) => {
                let message = Message::read(action, kind, id)?;
                let path = given("path", "context.path")?;
                let path = path.ok_or(QuestionError::Missing("context.path"))?;
                let server = (kind == message::SERVER).then_some(id);
                let hosts = (given("host", "context.host")?, host);
                Target::of_message(message, path, hosts, server)?
            }
            _ => return Err(QuestionError::Resource),
        };
        let proof = given("dpop", "context.dpop")?;
        let scheme = if proof.is_some() { "DPoP" } else { "Bearer" };
        let token = given("access_token", "context.access_token")?;
        let request = Asked {
            target,
            authorization: token.map(|token| format!("{scheme} {token}")),
            proof,
            txn_token: given("txn_token", "context.txn_token")?,
            workload_token: given("workload_identity_token", "context.workload_identity_token")?,
            workload_proof: given("workload_proof_token", "context.workload_proof_token")?,
            certificate: given("client_certificate", "context.client_certificate")?,
            origin: given("origin", "context.origin")?,
        };
        let subject = (subject_type != "access_token").then_some(subject_id);
        Ok(Self { kind: Kind::Request(request), subject })
    }

    /// Whether `found`, the token's subject, is the one that was asked about. On public routes
    /// nobody looked.
    pub(super) fn is_about(&self, found: Option<&str>) -> bool {
        match (self.subject, found) {
            (Some(asked), Some(found)) => asked == found,
            (None, _) | (_, None) => true,
        }
    }
}

impl<'a> Target<'a> {
    fn of_request(
        method: &'a str,
        path: &'a str,
        host: Option<&'a str>,
    ) -> Result<Self, QuestionError> {
        // What an MCP message does must not be taken for it.
        if !is_method(method) {
            return Err(QuestionError::Method);
        }
        Ok(Self { method, path, host: host.unwrap_or_default(), message: None })
    }

    /// `host` is where the message is sent; it may be `repeated`, and be in the identifier of the `server`.
    fn of_message(
        message: Message<'a>,
        path: &'a str,
        (host, repeated): (Option<&'a str>, Option<&'a str>),
        server: Option<&'a str>,
    ) -> Result<Self, QuestionError> {
        if repeated.is_some() && repeated != host {
            return Err(QuestionError::TwoHosts("resource.properties.host"));
        }
        if let (Some(host), Some(Ok(server))) = (host, server.map(HttpsUrl::parse))
            && !same_authority(host, server.authority)
        {
            return Err(QuestionError::TwoHosts("resource.id"));
        }
        let (method, host) = (message::HTTP_METHOD, host.unwrap_or_default());
        Ok(Self { method, path, host, message: Some(message) })
    }
}

impl Asked<'_> {
    /// The request as the gate sees it.
    pub(super) fn view<'a>(&'a self) -> RequestView<'a> {
        let field =
            |text: Option<&'a str>| text.map_or(Field::Absent, |text| Field::One(text.as_bytes()));
        RequestView {
            method: self.target.method.as_bytes(),
            path: self.target.path.as_bytes(),
            host: self.target.host.as_bytes(),
            mcp: self.target.message.as_ref().map_or_else(McpHeaders::default, Message::headers),
            authorization: field(self.authorization.as_deref()),
            proof: field(self.proof),
            txn_token: field(self.txn_token),
            workload_token: field(self.workload_token),
            workload_proof: field(self.workload_proof),
            origin: field(self.origin),
            ..RequestView::default()
        }
    }

    /// What is known of its connection.
    pub(super) const fn connection(&self) -> Told<'_> {
        Told(self.certificate)
    }
}

impl Connection for Told<'_> {
    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        self.0.map(|digest| digest.as_bytes().to_vec())
    }
}

/// Whether HTTP can carry it (RFC 9110 §9.1, `token`).
fn is_method(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}

fn object<'a>(
    value: Option<&'a Value<'a>>,
    name: &'static str,
) -> Result<&'a Object<'a>, QuestionError> {
    let value = value.ok_or(QuestionError::Missing(name))?;
    let wrong = QuestionError::Kind { name, found: value.kind(), expected: "an object" };
    value.as_object().ok_or(wrong)
}

fn text<'a>(
    object: &'a Object<'a>,
    member: &str,
    name: &'static str,
) -> Result<&'a str, QuestionError> {
    optional(object, member, name)?.ok_or(QuestionError::Missing(name))
}

fn optional<'a>(
    object: &'a Object<'a>,
    member: &str,
    name: &'static str,
) -> Result<Option<&'a str>, QuestionError> {
    let Some(value) = object.get(member) else { return Ok(None) };
    let wrong = QuestionError::Kind { name, found: value.kind(), expected: "a string" };
    value.as_str().map(Some).ok_or(wrong)
}
