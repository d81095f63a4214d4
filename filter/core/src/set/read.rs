//! Reads the payload of a SET (RFC 8417 §2.2, SSF 1.0 §3 and §4).

use super::profile::Named;
use super::{
    FIRST_MILLISECONDS, MAX_JTI_BYTES, Profile, SecurityEventToken, SetError, SetExpectations,
};
use crate::claims::MAX_NUMERIC_DATE;
use crate::event::{Detail, EventType, check_payload, reason_admin};
use crate::json::{self, Limits, Number, Object, Value, excerpt};
use crate::jws::Jws;
use crate::subject::Subject;
use crate::time::UnixTime;

/// Whether the payload is JSON and claims to be from `expected`.
pub(super) fn issuer(jws: &Jws<'_>, expected: &str) -> Result<(), SetError> {
    let value = payload(jws)?;
    let found = text(object(&value)?, "iss")?.ok_or(SetError::Missing { claim: "iss" })?;
    if found == expected {
        Ok(())
    } else {
        Err(SetError::Issuer { found: excerpt(found), expected: expected.to_owned() })
    }
}

/// Everything that comes after the signature.
pub(super) fn set(
    jws: &Jws<'_>,
    expect: &SetExpectations<'_>,
) -> Result<SecurityEventToken, SetError> {
    let value = payload(jws)?;
    let claims = object(&value)?;
    audience(claims, expect.audiences)?;
    if let Some(claim) = ["sub", "exp"].into_iter().find(|claim| claims.contains(claim)) {
        return Err(SetError::Forbidden { claim });
    }
    let jti = text(claims, "jti")?.ok_or(SetError::Missing { claim: "jti" })?;
    if jti.len() > MAX_JTI_BYTES {
        return Err(SetError::JtiTooLong { length: jti.len() });
    }
    let iat = time(claims, "iat", expect)?.ok_or(SetError::Missing { claim: "iat" })?;
    let (event_uri, payload) = one_event(claims)?;
    let named = expect.profile.event(event_uri);
    let event = named.as_ref().map(|named| named.event);
    let subject = subject(claims, event, payload, expect.profile)?;
    let detail = match named {
        None => Detail::None,
        Some(Named { event, risk: None }) => {
            check_payload(event, payload).map_err(SetError::Payload)?;
            Detail::of(event, payload)
        }
        Some(Named { risk: Some(risk), .. }) => {
            risk.detail(payload).ok_or(SetError::Missing { claim: "events.*.current_level" })?
        }
    };
    Ok(SecurityEventToken {
        iss: expect.issuer.to_owned(),
        jti: jti.to_owned(),
        iat,
        txn: text(claims, "txn")?.map(str::to_owned),
        subject,
        event,
        event_uri: event_uri.to_owned(),
        // Of a type that we do not know, even `event_timestamp` may mean something else.
        event_timestamp: match event {
            Some(_) => time(payload, "event_timestamp", expect)?,
            None => None,
        },
        detail,
        reason_admin: reason_admin(payload),
    })
}

/// Whom the event is about: `sub_id`; in older SETs `subject` in the event. If both are there, the
/// older one is no more than a member that we do not know (SSF 1.0 §3.1.1).
fn subject(
    claims: &Object<'_>,
    event: Option<&EventType>,
    payload: &Object<'_>,
    profile: Profile,
) -> Result<Subject, SetError> {
    let older = || payload.get("subject").filter(|_| profile.subject_in_event());
    match claims.get("sub_id").or_else(older) {
        Some(subject) => Subject::parse_as(subject, profile.forms()).map_err(SetError::Subject),
        None if profile.may_lack_subject(event) => Ok(Subject::absent()),
        None => Err(SetError::Missing { claim: "sub_id" }),
    }
}

fn payload<'j>(jws: &'j Jws<'_>) -> Result<Value<'j>, SetError> {
    json::parse(jws.payload(), &Limits::TOKEN).map_err(SetError::Json)
}

fn object<'v, 'a>(value: &'v Value<'a>) -> Result<&'v Object<'a>, SetError> {
    value.as_object().ok_or(SetError::NotAnObject { kind: value.kind() })
}

/// A claim that must be a string with something in it, if it is there.
fn text<'v>(claims: &'v Object<'_>, claim: &'static str) -> Result<Option<&'v str>, SetError> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    match value.as_str() {
        Some("") => Err(SetError::Empty { claim }),
        Some(text) => Ok(Some(text)),
        None => Err(SetError::WrongType { claim, expected: "a string", kind: value.kind() }),
    }
}

/// `aud` is a string or an array; one of ours must be in it, byte for byte (SSF 1.0 §4.1.8).
fn audience(claims: &Object<'_>, ours: &[String]) -> Result<(), SetError> {
    let named = |value: &Value<'_>| {
        value.as_str().is_some_and(|text| ours.iter().any(|audience| audience == text))
    };
    let found = match claims.get("aud") {
        Some(Value::Array(values)) => values.iter().any(named),
        Some(value) => named(value),
        None => false,
    };
    if found { Ok(()) } else { Err(SetError::Audience) }
}

/// A time in seconds that has come, if it is there; a fraction is cut off.
fn time(
    object: &Object<'_>,
    claim: &'static str,
    expect: &SetExpectations<'_>,
) -> Result<Option<UnixTime>, SetError> {
    let Some(value) = object.get(claim) else { return Ok(None) };
    let Some(number) = value.as_number() else {
        return Err(SetError::WrongType { claim, expected: "a number", kind: value.kind() });
    };
    let mut secs = whole_seconds(number).ok_or(SetError::NotATime { claim })?;
    if claim == "event_timestamp" && expect.profile.milliseconds() && secs >= FIRST_MILLISECONDS {
        secs = secs.checked_div(1000).unwrap_or(secs);
    }
    let at = UnixTime::from_secs(secs);
    if at > expect.now.plus(expect.skew) {
        return Err(if secs >= FIRST_MILLISECONDS {
            SetError::Milliseconds { claim, value: secs }
        } else {
            SetError::Future { claim, at, now: expect.now, skew: expect.skew }
        });
    }
    Ok(Some(at))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no other conversion from f64 exists; the range is checked first"
)]
fn whole_seconds(number: Number) -> Option<u64> {
    match number {
        Number::Unsigned(secs) => (secs <= MAX_NUMERIC_DATE).then_some(secs),
        Number::Signed(_) => None,
        // 2^53: see `MAX_NUMERIC_DATE`.
        Number::Float(secs) => {
            (0.0..=9_007_199_254_740_992.0).contains(&secs).then_some(secs.floor() as u64)
        }
    }
}

/// The one event: SSF allows several only as other names for the same event, and the
/// interoperability profile not even those.
fn one_event<'v, 'a>(claims: &'v Object<'a>) -> Result<(&'v str, &'v Object<'a>), SetError> {
    const CLAIM: &str = "events";
    let value = claims.get(CLAIM).ok_or(SetError::Missing { claim: CLAIM })?;
    let wrong = |kind| SetError::WrongType { claim: CLAIM, expected: "an object", kind };
    let events = value.as_object().ok_or_else(|| wrong(value.kind()))?;
    let mut members = events.iter();
    let (Some((uri, payload)), None) = (members.next(), members.next()) else {
        return Err(SetError::EventCount { count: events.len() });
    };
    if uri.is_empty() {
        return Err(SetError::Empty { claim: CLAIM });
    }
    let kind = payload.kind();
    let payload = payload.as_object().ok_or(SetError::WrongType {
        claim: "events.*",
        expected: "an object",
        kind,
    })?;
    Ok((uri, payload))
}
