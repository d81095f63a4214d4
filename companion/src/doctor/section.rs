//! Which section of which document a refused SET breaks, and what can be done about it.

use rescind_core::authority::AuthorityError;
use rescind_core::event::{EventType, PayloadError};
use rescind_core::jws::JwsError;
use rescind_core::set::SetError;
use rescind_core::subject::SubjectError;

/// Our own limit: no document says how long a SET may be.
const LIMIT: &str = "no document, but a limit of this receiver";

/// What `error` breaks.
pub(super) fn section(error: &SetError) -> &'static str {
    match error {
        SetError::Jws(error) => jws(error),
        SetError::Type { .. } => "RFC 8417 §2.3, SSF 1.0 §4.1.1",
        SetError::Algorithm { .. } | SetError::UnknownKey { .. } => "SSF 1.0 §4.1.4",
        SetError::BadSignature { .. } => "RFC 7515 §5.2, RFC 8417 §5.1",
        SetError::Json(_) => "RFC 7519 §4, RFC 8259 §4",
        SetError::NotAnObject { .. } => "RFC 7519 §3",
        SetError::JtiTooLong { .. } => LIMIT,
        SetError::Forbidden { claim: "exp" } => "SSF 1.0 §4.1.7",
        SetError::Forbidden { .. } => "SSF 1.0 §4.1.2",
        SetError::Issuer { .. } => "SSF 1.0 §4.1.6",
        SetError::Audience => "SSF 1.0 §4.1.8",
        SetError::Missing { claim }
        | SetError::WrongType { claim, .. }
        | SetError::Empty { claim }
        | SetError::NotATime { claim }
        | SetError::Milliseconds { claim, .. }
        | SetError::Future { claim, .. } => self::claim(claim),
        SetError::Subject(error) => subject(error),
        SetError::EventCount { .. } => "RFC 8417 §2.2, SSF 1.0 §4.2.1",
        SetError::Payload(
            PayloadError::Missing { event, .. }
            | PayloadError::WrongType { event, .. }
            | PayloadError::NotOneOf { event, .. },
        ) => EventType::from_name(event).map_or("the event's definition", |event| event.spec),
        SetError::Authority(error) => authority(error),
    }
}

fn claim(claim: &str) -> &'static str {
    match claim {
        "sub_id" => "SSF 1.0 §3.1",
        "event_timestamp" => "CAEP 1.0 §2, RFC 7519 §2 (NumericDate)",
        "iat" => "RFC 8417 §2.2, RFC 7519 §2 (NumericDate)",
        "txn" => "RFC 8417 §2.2, SSF 1.0 §4.1.9",
        "events.*.current_level" => "CAEP 1.0 §3.8",
        _ => "RFC 8417 §2.2",
    }
}

const fn jws(error: &JwsError) -> &'static str {
    match error {
        JwsError::TooLong { .. } | JwsError::HeaderTooLong { .. } | JwsError::KidTooLong { .. } => {
            LIMIT
        }
        JwsError::Parts { .. } | JwsError::EmptyPart { .. } | JwsError::Encoding { .. } => {
            "RFC 7515 §7.1, RFC 8417 §5.1"
        }
        JwsError::HeaderJson(_) | JwsError::HeaderKind { .. } | JwsError::MemberKind { .. } => {
            "RFC 7515 §4"
        }
        JwsError::NoAlgorithm => "RFC 7515 §4.1.1",
        JwsError::UnknownAlgorithm { .. } => "SSF 1.0 §4.1.4, RFC 8725 §3.1",
        JwsError::MalformedCritical | JwsError::CriticalExtension { .. } => "RFC 7515 §4.1.11",
        JwsError::ForeignMember { .. } => "RFC 7515 §4, RFC 7797 §3",
    }
}

const fn subject(error: &SubjectError) -> &'static str {
    match error {
        SubjectError::NotAnObject { .. }
        | SubjectError::Missing { .. }
        | SubjectError::WrongType { .. }
        | SubjectError::Empty { .. } => "RFC 9493 §3, SSF 1.0 §3.2",
        SubjectError::TooLong { .. } | SubjectError::TooManyAliases { .. } => LIMIT,
        SubjectError::NoMembers => "SSF 1.0 §3.3",
        SubjectError::Nested { .. } => "RFC 9493 §3.2.8, SSF 1.0 §3.3",
    }
}

const fn authority(error: &AuthorityError) -> &'static str {
    match error {
        AuthorityError::UnknownMember { .. } => "SSF 1.0 §3.6",
        AuthorityError::Unmappable { .. } | AuthorityError::Nameless { .. } => "RFC 9493 §3.2",
        AuthorityError::TooManyTargets { .. } => LIMIT,
        AuthorityError::ForeignIssuer { .. }
        | AuthorityError::NoIssuers
        | AuthorityError::TooWide { .. }
        | AuthorityError::Event { .. }
        | AuthorityError::Format { .. }
        | AuthorityError::TrustDomain { .. }
        | AuthorityError::Tenant => "no document, but this receiver's configuration",
    }
}

/// What can be done, and by whom.
pub(super) fn remedy(error: &SetError) -> &'static str {
    match error {
        SetError::Algorithm { .. } => {
            "add it to `algorithms` of this transmitter, or have it sign with another"
        }
        SetError::UnknownKey { .. } => {
            "compare with the transmitter's key set (`jwks_url` or `jwks_file`): is it the right \
             one, and current?"
        }
        SetError::BadSignature { .. } => {
            "the SET was changed on its way, or another key made the signature: compare the key sets"
        }
        SetError::Issuer { .. } => {
            "if this is the transmitter, write its `iss` into `issuer`, character by character"
        }
        SetError::Audience => {
            "write what the transmitter has in `aud` into `audiences`, or have it use ours"
        }
        SetError::Future { .. } => "compare the clocks of both sides",
        SetError::Authority(error) => match error {
            AuthorityError::ForeignIssuer { .. } | AuthorityError::NoIssuers => {
                "if it may revoke such tokens, add their issuer to `authority_issuers`"
            }
            AuthorityError::TooWide { .. } => {
                "have it name a narrower subject; `danger_allow_tenant_wide` lifts this"
            }
            AuthorityError::Event { .. } => "if it may send this, add it to `authority_events`",
            AuthorityError::Format { .. } => "if it may, add the format to `authority_formats`",
            AuthorityError::TrustDomain { .. } => {
                "if it may, add the trust domain to `authority_trust_domains`"
            }
            AuthorityError::Tenant => "if it may, add the tenant to `authority_tenants`",
            AuthorityError::TooManyTargets { .. }
            | AuthorityError::Unmappable { .. }
            | AuthorityError::UnknownMember { .. }
            | AuthorityError::Nameless { .. } => {
                "have the transmitter name the subject in a form that tokens have: iss_sub, email, …"
            }
        },
        SetError::Jws(_)
        | SetError::Type { .. }
        | SetError::Json(_)
        | SetError::NotAnObject { .. }
        | SetError::Missing { .. }
        | SetError::WrongType { .. }
        | SetError::Empty { .. }
        | SetError::JtiTooLong { .. }
        | SetError::Forbidden { .. }
        | SetError::NotATime { .. }
        | SetError::Milliseconds { .. }
        | SetError::Subject(_)
        | SetError::EventCount { .. }
        | SetError::Payload(_) => "the transmitter has to repair this",
    }
}
