//! SPIFFE IDs (SPIFFE-ID §2) and what a JWT-SVID must look like (JWT-SVID §2 to §4).
//!
//! A [`SpiffeId`] exists only in the one spelling that the standard allows: scheme and trust domain
//! in lower case, no port, no user, no escapes, no empty or dot segments, no slash at the end, no
//! query, no fragment. So two IDs are equal if their bytes are, and a prefix of segments is a class
//! of workloads. [`crate::subject`] brings names that *signals* carry into the same form; tokens get
//! no such help.
//!
//! [`JwtSvid`] reads claims, [`check_header`] the header; the signature comes in between, checked
//! with the keys of the trust domain that [`peek_id`] names and of no other. ES512, which the
//! standard lists, is not supported here at all ([`Algorithm`]).
//!
//! This module refuses to infer a trust domain from anything but a SPIFFE ID.

use crate::claims::{self, ClaimsError, Rounding};
use crate::json::{Object, Value, excerpt};
use crate::jws::{Algorithm, Jws};
use crate::lifetime::Times;
use crate::time::UnixTime;

#[cfg(test)]
mod tests;

/// The longest SPIFFE ID (SPIFFE-ID §2.3).
pub const MAX_ID_BYTES: usize = 2048;

/// The longest name of a trust domain (SPIFFE-ID §2.1).
pub const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// What an SVID may be signed with (JWT-SVID §2.1), as far as we know it: no EdDSA, no HMAC.
pub const SVID_ALGORITHMS: [Algorithm; 8] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
];

const SCHEME: &str = "spiffe://";

/// Why text is no SPIFFE ID, or no name of a trust domain.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SpiffeIdError {
    /// Longer than [`MAX_ID_BYTES`].
    #[error("has {length} bytes, at most {MAX_ID_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Another scheme, or the right one in capitals.
    #[error("does not start with `spiffe://`")]
    Scheme,
    /// Nothing between the scheme and the path.
    #[error("has no trust domain")]
    NoTrustDomain,
    /// Longer than [`MAX_TRUST_DOMAIN_BYTES`].
    #[error("the trust domain has {length} bytes, at most {MAX_TRUST_DOMAIN_BYTES} are allowed")]
    TrustDomainTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A byte that no trust domain has: a capital, a port's colon, the `@` after a user, an escape.
    #[error("byte 0x{byte:02x} may not be in a trust domain")]
    TrustDomainByte {
        /// The first such byte.
        byte: u8,
    },
    /// A byte that no path has: an escape, the start of a query or fragment, anything not ASCII.
    #[error("byte 0x{byte:02x} may not be in the path")]
    PathByte {
        /// The first such byte.
        byte: u8,
    },
    /// `//`, or a slash at the end.
    #[error("has an empty segment")]
    EmptySegment,
    /// `.` or `..`
    #[error("has a dot segment")]
    DotSegment,
}

/// A SPIFFE ID in its only spelling.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SpiffeId<'a> {
    id: &'a str,
    trust_domain: &'a str,
    path: &'a str,
}

/// The name of a trust domain, such as `example.org`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TrustDomain(Box<str>);

impl<'a> SpiffeId<'a> {
    /// Reads `id`.
    pub fn parse(id: &'a str) -> Result<Self, SpiffeIdError> {
        let (trust_domain, path) = trust_domain_and_path(id, SCHEME)?;
        Ok(Self { id, trust_domain, path })
    }

    /// The whole ID.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.id
    }

    /// The name of its trust domain.
    #[must_use]
    pub const fn trust_domain(&self) -> &'a str {
        self.trust_domain
    }

    /// Its path, with the slash at its start; empty if the ID names the trust domain itself.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.path
    }
}

impl TrustDomain {
    /// Reads the bare name.
    pub fn parse(name: &str) -> Result<Self, SpiffeIdError> {
        check_trust_domain(name)?;
        Ok(Self(name.into()))
    }

    /// The bare name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `id` is one of its IDs.
    #[must_use]
    pub fn owns(&self, id: &SpiffeId<'_>) -> bool {
        id.trust_domain == &*self.0
    }
}

impl std::fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a token is no JWT-SVID that can be accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SvidError {
    /// An algorithm that is not in [`SVID_ALGORITHMS`].
    #[error("algorithm {algorithm} is not allowed for an SVID")]
    Algorithm {
        /// What the header says.
        algorithm: Algorithm,
    },
    /// A `typ` other than `JWT` and `JOSE`.
    #[error("typ is `{typ}`, a JWT-SVID has `JWT`, `JOSE` or none")]
    Type {
        /// What the header says, shortened.
        typ: String,
    },
    /// A header member other than `alg`, `kid` and `typ`.
    #[error("the header of a JWT-SVID has no members but `alg`, `kid` and `typ`")]
    HeaderMember,
    /// Claims of the wrong type or size, or missing.
    #[error("{0}")]
    Claims(#[from] ClaimsError),
    /// A `sub` that is no SPIFFE ID.
    #[error("claim `sub` is no SPIFFE ID: {0}")]
    Subject(#[from] SpiffeIdError),
    /// A `sub` that names a trust domain, not a workload.
    #[error("claim `sub` has no path: it names a trust domain, not a workload")]
    NoWorkload,
    /// A security event token.
    #[error("a security event token is no SVID")]
    SecurityEventToken,
    /// An SVID of another trust domain.
    #[error("SVID is of trust domain `{found}`, not `{expected}`")]
    ForeignTrustDomain {
        /// Its own, shortened.
        found: String,
        /// Whose keys it was checked with.
        expected: String,
    },
    /// Not for us.
    #[error("audience is `{audience}`, expected one of `{expected}`")]
    Audience {
        /// What the token says, shortened.
        audience: String,
        /// What was expected.
        expected: String,
    },
}

/// Whether the header is one of a JWT-SVID: to be asked before any signature is checked.
pub fn check_header(jws: &Jws<'_>) -> Result<(), SvidError> {
    let algorithm = jws.algorithm();
    if !SVID_ALGORITHMS.contains(&algorithm) {
        return Err(SvidError::Algorithm { algorithm });
    }
    // The standard names the two values; no media type is compared here.
    if let Some(typ) = jws.typ().filter(|typ| !matches!(*typ, "JWT" | "JOSE")) {
        return Err(SvidError::Type { typ: excerpt(typ) });
    }
    if jws.has_plain_header() { Ok(()) } else { Err(SvidError::HeaderMember) }
}

/// The SPIFFE ID that a payload claims to be of: to find the keys, before anything else is believed.
#[must_use]
pub fn peek_id<'a>(payload: &'a Value<'_>) -> Option<SpiffeId<'a>> {
    SpiffeId::parse(payload.as_object()?.get("sub")?.as_str()?).ok()
}

/// The claims of a JWT-SVID.
#[derive(Clone, Debug)]
pub struct JwtSvid<'a> {
    /// `sub`: which workload.
    pub id: SpiffeId<'a>,
    /// `aud`: whom it is for; at least one.
    pub aud: Vec<&'a str>,
    /// `exp`, and `iat` and `nbf` if they are there.
    pub times: Times,
    /// `jti`, if it is there; nothing has to track it (JWT-SVID §3).
    pub jti: Option<&'a str>,
    /// Whether there is a `cnf`: then the token is bound to a key, and worth nothing as a bearer's.
    pub is_bound: bool,
    object: &'a Object<'a>,
}

impl<'a> JwtSvid<'a> {
    /// Reads the claims of a JWT-SVID's payload.
    pub fn parse(payload: &'a Value<'a>) -> Result<Self, SvidError> {
        let Value::Object(object) = payload else {
            return Err(ClaimsError::NotAnObject { kind: payload.kind() }.into());
        };
        if object.contains("events") {
            return Err(SvidError::SecurityEventToken);
        }
        let missing = |claim| ClaimsError::Missing { claim };
        let sub = claims::text(object, "sub")?.ok_or(missing("sub"))?;
        let id = SpiffeId::parse(sub)?;
        if id.path.is_empty() {
            return Err(SvidError::NoWorkload);
        }
        let aud = claims::audiences(object)?;
        if aud.is_empty() {
            return Err(missing("aud").into());
        }
        let times = Times {
            exp: claims::date(object, "exp", Rounding::Down)?.ok_or(missing("exp"))?,
            iat: claims::date(object, "iat", Rounding::Down)?,
            nbf: claims::date(object, "nbf", Rounding::Up)?,
        };
        let jti = claims::jti(object)?;
        Ok(Self { id, aud, times, jti, is_bound: object.contains("cnf"), object })
    }

    /// Whether it is of `trust_domain`, whose keys checked it, and for one of `audiences`.
    pub fn check(&self, trust_domain: &TrustDomain, audiences: &[String]) -> Result<(), SvidError> {
        if !trust_domain.owns(&self.id) {
            let found = excerpt(self.id.trust_domain);
            return Err(SvidError::ForeignTrustDomain {
                found,
                expected: trust_domain.to_string(),
            });
        }
        if audiences.iter().any(|audience| self.aud.contains(&audience.as_str())) {
            return Ok(());
        }
        let audience = excerpt(&self.aud.join(" "));
        Err(SvidError::Audience { audience, expected: audiences.join(" ") })
    }

    /// When it was issued, if it says so.
    #[must_use]
    pub const fn issued_at(&self) -> Option<UnixTime> {
        self.times.iat
    }

    /// Any claim by its name, as it was written.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&'a Value<'a>> {
        self.object.get(name)
    }
}

/// The two parts of an ID that follow `scheme`, which ends with `://`.
pub(crate) fn trust_domain_and_path<'a>(
    id: &'a str,
    scheme: &str,
) -> Result<(&'a str, &'a str), SpiffeIdError> {
    if id.len() > MAX_ID_BYTES {
        return Err(SpiffeIdError::TooLong { length: id.len() });
    }
    let rest = id.strip_prefix(scheme).ok_or(SpiffeIdError::Scheme)?;
    let path_at = rest.find('/').unwrap_or(rest.len());
    let (trust_domain, path) = rest.split_at_checked(path_at).unwrap_or((rest, ""));
    check_trust_domain(trust_domain)?;
    check_path(path)?;
    Ok((trust_domain, path))
}

fn check_trust_domain(name: &str) -> Result<(), SpiffeIdError> {
    if name.is_empty() {
        return Err(SpiffeIdError::NoTrustDomain);
    }
    let is_allowed = |byte: &u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
    };
    if let Some(byte) = name.bytes().find(|byte| !is_allowed(byte)) {
        return Err(SpiffeIdError::TrustDomainByte { byte });
    }
    if name.len() > MAX_TRUST_DOMAIN_BYTES {
        return Err(SpiffeIdError::TrustDomainTooLong { length: name.len() });
    }
    Ok(())
}

/// A path that is empty, or segments that each follow a slash.
fn check_path(path: &str) -> Result<(), SpiffeIdError> {
    let is_allowed =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/');
    if let Some(byte) = path.bytes().find(|byte| !is_allowed(byte)) {
        return Err(SpiffeIdError::PathByte { byte });
    }
    let segments = path.strip_prefix('/').map(|segments| segments.split('/'));
    for segment in segments.into_iter().flatten() {
        match segment {
            "" => return Err(SpiffeIdError::EmptySegment),
            "." | ".." => return Err(SpiffeIdError::DotSegment),
            _ => {}
        }
    }
    Ok(())
}
