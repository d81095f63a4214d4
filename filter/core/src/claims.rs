//! What an access token says (RFC 7519 §4.1, RFC 9068 §2.2, RFC 8693 §4), as types.
//!
//! [`Claims::parse`] decides what a claim *is*, never whether it is good enough: times, audiences
//! and which claims must be present are the gate's. A registered claim of another type, empty, or
//! `null` is refused, not ignored: a token whose `exp` nobody could read must not count as one that
//! never expires.
//!
//! Everything is borrowed from the parsed payload; reading the claims of a usual token allocates
//! next to nothing.

use std::fmt;

use crate::delegation::MayAct;
use crate::json::{Number, Object, Value};
use crate::time::UnixTime;

mod error;
#[cfg(test)]
mod tests;

pub use error::ClaimsError;

/// At most this many actors, the present one included. Chains of agents are short; RFC 8693 §4.1
/// sets no limit.
pub const MAX_ACTORS: usize = 8;

/// The longest `jti`; RFC 9449 §11.1 asks to refuse or hash long ones. A UUID has 36 bytes.
pub const MAX_JTI_BYTES: usize = 256;

/// The greatest NumericDate: up to 2^53 every implementation, also one that counts in `f64`, reads
/// the same second.
pub const MAX_NUMERIC_DATE: u64 = 1 << 53;

/// The claims of one token.
#[derive(Clone)]
pub struct Claims<'a> {
    /// Who issued it.
    pub iss: &'a str,
    /// Whom it is about; unique only together with `iss`.
    pub sub: Option<&'a str>,
    /// Whom it is for; empty if it does not say.
    pub aud: Vec<&'a str>,
    /// From when on it is invalid; a fraction of a second is cut off.
    pub exp: Option<UnixTime>,
    /// From when on it is valid; a fraction of a second is rounded up.
    pub nbf: Option<UnixTime>,
    /// When it was issued; a fraction of a second is cut off.
    pub iat: Option<UnixTime>,
    /// Its own name, unique for its issuer.
    pub jti: Option<&'a str>,
    /// The client that it was issued to (RFC 8693 §4.3).
    pub client_id: Option<&'a str>,
    /// The same in ID-token style (OpenID Connect Core §2).
    pub azp: Option<&'a str>,
    /// What it allows, in the order of the claim (RFC 8693 §4.2).
    pub scope: Vec<&'a str>,
    /// The session it belongs to.
    pub sid: Option<&'a str>,
    /// The subject's mail address.
    pub email: Option<&'a str>,
    /// How the subject was authenticated (RFC 9470).
    pub acr: Option<&'a str>,
    /// When the subject was authenticated; a fraction of a second is cut off.
    pub auth_time: Option<UnixTime>,
    /// Who acts for the subject: the present actor first, the earlier ones after it (RFC 8693
    /// §4.1).
    pub act: Vec<Actor<'a>>,
    /// Who may become an actor, without being one (RFC 8693 §4.4): allows nothing here.
    pub may_act: Option<MayAct<'a>>,
    /// The transaction it belongs to.
    pub txn: Option<&'a str>,
    /// The key its presenter must prove to have (RFC 7800).
    pub cnf: Option<Confirmation<'a>>,
    /// Whether there is an `events` claim: then this is a security event token (RFC 8417 §4.2).
    pub events: bool,
    object: &'a Object<'a>,
}

/// One member of the chain of actors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Actor<'a> {
    /// Who names it; without it, the token's issuer does.
    pub iss: Option<&'a str>,
    /// Its name.
    pub sub: &'a str,
}

/// How the presenter proves that the token is theirs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Confirmation<'a> {
    /// Thumbprint of a DPoP key (RFC 9449 §6.1).
    pub jkt: Option<&'a str>,
    /// Digest of a certificate (RFC 8705 §3.1).
    pub x5t_s256: Option<&'a str>,
}

fn members<'a>(payload: &'a Value<'a>) -> Result<&'a Object<'a>, ClaimsError> {
    payload.as_object().ok_or_else(|| ClaimsError::NotAnObject { kind: payload.kind() })
}

/// The issuer that a payload claims to be from: to find the keys, before anything else is believed.
#[must_use]
pub fn peek_issuer<'a>(payload: &'a Value<'_>) -> Option<&'a str> {
    payload.as_object()?.get("iss")?.as_str()
}

impl<'a> Claims<'a> {
    /// Reads the claims of a token's payload.
    pub fn parse(payload: &'a Value<'a>) -> Result<Self, ClaimsError> {
        let object = members(payload)?;
        let iss = text(object, "iss")?.ok_or(ClaimsError::Missing { claim: "iss" })?;
        Self::of(object, iss)
    }

    /// Reads the claims of a token whose issuer is known from elsewhere and need not name itself: `iss`, if it is
    /// there, counts for nothing (JWT-SVID §3).
    pub fn parse_as(payload: &'a Value<'a>, iss: &'a str) -> Result<Self, ClaimsError> {
        Self::of(members(payload)?, iss)
    }

    fn of(object: &'a Object<'a>, iss: &'a str) -> Result<Self, ClaimsError> {
        Ok(Self {
            iss,
            sub: text(object, "sub")?,
            aud: audiences(object)?,
            exp: date(object, "exp", Rounding::Down)?,
            nbf: date(object, "nbf", Rounding::Up)?,
            iat: date(object, "iat", Rounding::Down)?,
            jti: jti(object)?,
            client_id: text(object, "client_id")?,
            azp: text(object, "azp")?,
            scope: scope(object)?,
            sid: text(object, "sid")?,
            email: text(object, "email")?,
            acr: text(object, "acr")?,
            auth_time: date(object, "auth_time", Rounding::Down)?,
            act: actors(object)?,
            may_act: MayAct::find(object)?,
            txn: text(object, "txn")?,
            cnf: confirmation(object)?,
            events: object.contains("events"),
            object,
        })
    }

    /// Whether the token is for `audience`; compared byte for byte.
    #[must_use]
    pub fn has_audience(&self, audience: &str) -> bool {
        self.aud.contains(&audience)
    }

    /// Whether the token allows `scope`.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.contains(&scope)
    }

    /// Any claim by its name, as it was written.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&'a Value<'a>> {
        self.object.get(name)
    }

    /// The texts of a claim that is a string or an array with strings; nothing for any other. For
    /// claims that a configuration names, such as `groups`.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let values = match self.claim(name) {
            Some(Value::Array(values)) => values.as_slice(),
            Some(value) => std::slice::from_ref(value),
            None => &[],
        };
        values.iter().filter_map(Value::as_str)
    }
}

/// Names the token, and nothing that names a person.
impl fmt::Debug for Claims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("iss", &self.iss)
            .field("jti", &self.jti)
            .field("iat", &self.iat)
            .field("exp", &self.exp)
            .finish_non_exhaustive()
    }
}

/// A claim that must be a string with something in it, if it is there.
pub(crate) fn text<'a>(
    object: &'a Object<'a>,
    claim: &'static str,
) -> Result<Option<&'a str>, ClaimsError> {
    member(object, claim, claim)
}

/// The same inside another claim; `claim` is its full name.
pub(crate) fn member<'a>(
    object: &'a Object<'a>,
    name: &str,
    claim: &'static str,
) -> Result<Option<&'a str>, ClaimsError> {
    object.get(name).map(|value| non_empty(value, claim)).transpose()
}

fn non_empty<'a>(value: &'a Value<'a>, claim: &'static str) -> Result<&'a str, ClaimsError> {
    match value.as_str() {
        Some("") => Err(ClaimsError::Empty { claim }),
        Some(text) => Ok(text),
        None => Err(ClaimsError::WrongType { claim, expected: "a string", kind: value.kind() }),
    }
}

/// `jti`, if it is there.
pub(crate) fn jti<'a>(object: &'a Object<'a>) -> Result<Option<&'a str>, ClaimsError> {
    match text(object, "jti")? {
        Some(jti) if jti.len() > MAX_JTI_BYTES => {
            Err(ClaimsError::JtiTooLong { length: jti.len() })
        }
        jti => Ok(jti),
    }
}

/// `aud`: one string or an array of them (RFC 7519 §4.1.3).
pub(crate) fn audiences<'a>(object: &'a Object<'a>) -> Result<Vec<&'a str>, ClaimsError> {
    match object.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) if values.is_empty() => Err(ClaimsError::Empty { claim: "aud" }),
        Some(Value::Array(values)) => values.iter().map(|value| non_empty(value, "aud")).collect(),
        Some(value) => Ok(vec![non_empty(value, "aud")?]),
    }
}

/// `scope`: names with single spaces between them (RFC 6749 §3.3); an empty one allows nothing.
pub(crate) fn scope<'a>(object: &'a Object<'a>) -> Result<Vec<&'a str>, ClaimsError> {
    let Some(value) = object.get("scope") else { return Ok(Vec::new()) };
    let Some(text) = value.as_str() else {
        let kind = value.kind();
        return Err(ClaimsError::WrongType { claim: "scope", expected: "a string", kind });
    };
    Ok(text.split(' ').filter(|name| !name.is_empty()).collect())
}

/// The chain that `act` begins, present actor first.
pub(crate) fn actors<'a>(object: &'a Object<'a>) -> Result<Vec<Actor<'a>>, ClaimsError> {
    let mut actors = Vec::new();
    let mut next = object.get("act");
    while let Some(value) = next {
        let Value::Object(actor) = value else {
            let kind = value.kind();
            return Err(ClaimsError::WrongType { claim: "act", expected: "an object", kind });
        };
        if actors.len() >= MAX_ACTORS {
            return Err(ClaimsError::TooManyActors);
        }
        // An actor without a name could never be revoked.
        let sub =
            member(actor, "sub", "act.sub")?.ok_or(ClaimsError::Missing { claim: "act.sub" })?;
        actors.push(Actor { iss: member(actor, "iss", "act.iss")?, sub });
        next = actor.get("act");
    }
    Ok(actors)
}

pub(crate) fn confirmation<'a>(
    object: &'a Object<'a>,
) -> Result<Option<Confirmation<'a>>, ClaimsError> {
    match object.get("cnf") {
        None => Ok(None),
        Some(Value::Object(cnf)) => Ok(Some(Confirmation {
            jkt: member(cnf, "jkt", "cnf.jkt")?,
            x5t_s256: member(cnf, "x5t#S256", "cnf.x5t#S256")?,
        })),
        Some(other) => {
            Err(ClaimsError::WrongType { claim: "cnf", expected: "an object", kind: other.kind() })
        }
    }
}

/// What becomes of a fraction of a second: each time is rounded so that the token is valid for less
/// time, never more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rounding {
    Down,
    Up,
}

/// A claim that must be a NumericDate (RFC 7519 §2), if it is there.
pub(crate) fn date(
    object: &Object<'_>,
    claim: &'static str,
    rounding: Rounding,
) -> Result<Option<UnixTime>, ClaimsError> {
    let Some(value) = object.get(claim) else { return Ok(None) };
    let Some(number) = value.as_number() else {
        return Err(ClaimsError::WrongType { claim, expected: "a number", kind: value.kind() });
    };
    let secs = seconds(number, rounding).ok_or(ClaimsError::OutOfRange { claim })?;
    Ok(Some(UnixTime::from_secs(secs)))
}

/// Whole seconds, from zero to [`MAX_NUMERIC_DATE`].
fn seconds(number: Number, rounding: Rounding) -> Option<u64> {
    let secs = match number {
        Number::Unsigned(secs) => secs,
        Number::Signed(_) => return None,
        // Before rounding: half a second before the epoch is not zero.
        Number::Float(secs) if secs < 0.0 => return None,
        Number::Float(secs) => whole(match rounding {
            Rounding::Down => secs.floor(),
            Rounding::Up => secs.ceil(),
        })?,
    };
    (secs <= MAX_NUMERIC_DATE).then_some(secs)
}

/// `number` as an integer, if it is one from zero to [`MAX_NUMERIC_DATE`].
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no other conversion from f64 exists; the range is checked first"
)]
fn whole(number: f64) -> Option<u64> {
    (0.0..=9_007_199_254_740_992.0).contains(&number).then_some(number as u64)
}
