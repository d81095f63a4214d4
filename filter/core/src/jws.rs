//! One JSON Web Signature in compact form (RFC 7515 §7.1), taken apart but not yet believed.
//!
//! [`Jws::parse`] looks at spelling only: three parts, canonical base64url, a header within its
//! limits that names an algorithm we know. Whether the signature holds is asked of a
//! [`SignatureVerifier`](crate::crypto::SignatureVerifier), over [`Jws::signing_input`], the bytes
//! as they were received.
//!
//! It refuses the JSON serializations, encrypted tokens, `none` and the HMAC algorithms (no key of
//! ours is secret), and every critical extension (`crit`), since it implements none. Header members
//! that carry or locate keys (`jwk`, `jku`, `x5u`, `x5c`) are not read at all: the sender of a token
//! has no say in which key checks it (RFC 8725 §3.10). A proof of possession is no token: whoever
//! checks one ([`crate::dpop`]) reads its key from [`Jws::header`].

use std::fmt;
use std::ops::Range;

use crate::base64url::{self, Base64UrlError};
use crate::json::{self, JsonError, Limits, Object, Value, excerpt};

mod algorithm;
#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;

/// The longest token that is looked at unless the configuration says otherwise. Envoy's own
/// `jwt_authn` caches tokens up to 4 KiB; tokens with many groups reach 6 KiB; most servers take 8
/// KiB of headers in all.
pub const DEFAULT_MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The longest header. Headers with a chain of certificates are longer, and we have no use for one.
pub const MAX_HEADER_BYTES: usize = 2 * 1024;

/// The longest key identifier: a thumbprint or a UUID is below 64 bytes, some issuers use URLs.
pub const MAX_KID_BYTES: usize = 256;

/// Names of the header members that RFC 7515 and RFC 7518 define: `crit` must not list them (RFC
/// 7515 §4.1.11).
const STANDARD_MEMBERS: [&str; 18] = [
    "alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit", "enc",
    "zip", "epk", "apu", "apv", "iv", "tag",
];

/// The members that a header needs at most (JWT-SVID §2).
const PLAIN_MEMBERS: [&str; 3] = ["alg", "kid", "typ"];

/// Why a token is no JWS that can be checked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JwsError {
    /// Longer than the limit.
    #[error("token has {length} bytes, at most {limit} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in force.
        limit: usize,
    },
    /// Not three parts, so neither a signed token nor, with five, one that we can decrypt.
    #[error("token has {parts} parts, a signed token in compact form has 3")]
    Parts {
        /// How many parts the dots make.
        parts: usize,
    },
    /// A part with nothing in it; for the signature this is an unsecured token.
    #[error("{part} is empty")]
    EmptyPart {
        /// Which one.
        part: Part,
    },
    /// A part that is not base64url.
    #[error("{part}: {source}")]
    Encoding {
        /// Which one.
        part: Part,
        /// What is wrong.
        source: Base64UrlError,
    },
    /// The header is longer than [`MAX_HEADER_BYTES`].
    #[error("header has {length} bytes, at most {MAX_HEADER_BYTES} are allowed")]
    HeaderTooLong {
        /// Its length in bytes, decoded.
        length: usize,
    },
    /// The header is not strict JSON.
    #[error("header: {0}")]
    HeaderJson(JsonError),
    /// The header is JSON, but no object.
    #[error("header is {kind}, not an object")]
    HeaderKind {
        /// What it is.
        kind: &'static str,
    },
    /// A header member of the wrong type.
    #[error("header member `{member}` is {kind}, not a string")]
    MemberKind {
        /// Its name.
        member: &'static str,
        /// What it is.
        kind: &'static str,
    },
    /// No `alg`.
    #[error("header has no `alg`")]
    NoAlgorithm,
    /// An `alg` we do not know, or will never accept.
    #[error("algorithm `{name}` is not supported")]
    UnknownAlgorithm {
        /// Its name, shortened.
        name: String,
    },
    /// A `kid` longer than [`MAX_KID_BYTES`].
    #[error("`kid` has {length} bytes, at most {MAX_KID_BYTES} are allowed")]
    KidTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A `crit` that breaks RFC 7515 §4.1.11.
    #[error("`crit` is not a list of distinct names of extension members in the header")]
    MalformedCritical,
    /// A `crit` with an extension we do not implement: all of them.
    #[error("critical extension `{name}` is not supported")]
    CriticalExtension {
        /// Its name, shortened.
        name: String,
    },
    /// A member that changes what the other parts mean: `b64` (RFC 7797), `enc` (RFC 7516).
    #[error("header member `{member}` is not supported")]
    ForeignMember {
        /// Its name.
        member: &'static str,
    },
}

/// One of the three parts of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The first.
    Header,
    /// The second.
    Payload,
    /// The third.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// A well-formed token whose signature nobody has checked yet.
#[derive(Clone, Eq, PartialEq)]
pub struct Jws<'a> {
    algorithm: Algorithm,
    /// `kid` and `typ`, one after the other: each where it is, if the header has it.
    names: String,
    kid: Option<Range<usize>>,
    typ: Option<Range<usize>>,
    is_plain: bool,
    signing_input: &'a [u8],
    /// The three parts, decoded, one after the other: one allocation for all.
    decoded: Vec<u8>,
    header: Range<usize>,
    payload: Range<usize>,
    signature: Range<usize>,
}

impl<'a> Jws<'a> {
    /// Takes `token` apart if it is a well-formed JWS of at most `max_len` bytes.
    pub fn parse(token: &'a [u8], max_len: usize) -> Result<Self, JwsError> {
        if token.len() > max_len {
            return Err(JwsError::TooLong { length: token.len(), limit: max_len });
        }
        let (signing_input, [header, payload, signature]) = parts(token)?;
        let mut decoded = Vec::with_capacity(base64url::decoded_length(token));
        let header = decode(Part::Header, header, &mut decoded)?;
        if header.len() > MAX_HEADER_BYTES {
            return Err(JwsError::HeaderTooLong { length: header.len() });
        }
        let members = json::parse(&decoded, &Limits::TOKEN).map_err(JwsError::HeaderJson)?;
        let Value::Object(members) = members else {
            return Err(JwsError::HeaderKind { kind: members.kind() });
        };
        refuse_extensions(&members)?;
        let is_plain = members.iter().all(|(name, _)| PLAIN_MEMBERS.contains(&name));
        let algorithm = algorithm(&members)?;
        let (kid, typ) = (kid(&members)?, text(&members, "typ")?);
        let mut names =
            String::with_capacity(kid.map_or(0, str::len).saturating_add(typ.map_or(0, str::len)));
        let mut keep = |name: Option<&str>| {
            let start = names.len();
            names.push_str(name?);
            Some(start..names.len())
        };
        let (kid, typ) = (keep(kid), keep(typ));
        let payload = decode(Part::Payload, payload, &mut decoded)?;
        let signature = decode(Part::Signature, signature, &mut decoded)?;
        Ok(Self {
            algorithm,
            names,
            kid,
            typ,
            is_plain,
            signing_input,
            decoded,
            header,
            payload,
            signature,
        })
    }

    /// What the header says the signature is. Only a hint: the issuer's configuration decides what
    /// is allowed.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Which of the issuer's keys the header names.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.names.get(self.kid.clone()?)
    }

    /// Which kind of token the header says this is; compare with [`typ_matches`].
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.names.get(self.typ.clone()?)
    }

    /// Whether the header has no members but `alg`, `kid` and `typ`: SPIFFE allows no others.
    #[must_use]
    pub const fn has_plain_header(&self) -> bool {
        self.is_plain
    }

    /// The header, decoded: strict JSON, an object. Only for what a proof of possession has there.
    pub(crate) fn header(&self) -> &[u8] {
        self.part(&self.header)
    }

    /// What the signature is over: the first two parts as they were received.
    #[must_use]
    pub const fn signing_input(&self) -> &'a [u8] {
        self.signing_input
    }

    /// The payload, decoded: bytes that somebody may have made up, until the signature is checked.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.part(&self.payload)
    }

    /// The signature, decoded.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.part(&self.signature)
    }

    fn part(&self, place: &Range<usize>) -> &[u8] {
        self.decoded.get(place.clone()).unwrap_or_default()
    }
}

/// Shows what identifies the key, never what a thief could use or what names a person.
impl fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jws")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid())
            .field("typ", &self.typ())
            .finish_non_exhaustive()
    }
}

/// Whether the header's `typ` is the media type `expected`, written without `application/`.
///
/// Media types are compared without regard to case, and `application/` may be left out when nothing
/// else has a slash (RFC 7515 §4.1.9).
#[must_use]
pub fn typ_matches(typ: &str, expected: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
        _ => typ,
    };
    short.eq_ignore_ascii_case(expected)
}

/// The signing input, and the three parts that two dots make.
fn parts(token: &[u8]) -> Result<(&[u8], [&[u8]; 3]), JwsError> {
    let split = |text| {
        let at = first_dot(text)?;
        text.split_at_checked(at).map(|(before, dot)| (before, dot.get(1..).unwrap_or_default()))
    };
    let parts = split(token).and_then(|(header, rest)| {
        let (payload, signature) = split(rest)?;
        first_dot(signature).is_none().then_some([header, payload, signature])
    });
    let Some([header, payload, signature]) = parts else {
        let parts = token.split(|byte| *byte == b'.').count();
        return Err(JwsError::Parts { parts });
    };
    // Three parts: the signature and the dot before it are the end of the token.
    let signed_bytes = token.len().saturating_sub(signature.len()).saturating_sub(1);
    let signing_input = token.get(..signed_bytes).unwrap_or_default();
    Ok((signing_input, [header, payload, signature]))
}

/// Where the first dot is; eight bytes are looked at in one step.
fn first_dot(text: &[u8]) -> Option<usize> {
    const EACH: u64 = u64::MAX / 255;
    let (words, _) = text.as_chunks::<8>();
    // A byte less one borrows from the bit above it only if it is zero, or if a lower byte did.
    let has_dot = |word: &[u8; 8]| {
        let zero_for_dot = u64::from_le_bytes(*word) ^ EACH.wrapping_mul(b'.'.into());
        zero_for_dot.wrapping_sub(EACH) & !zero_for_dot & EACH << 7 != 0
    };
    let passed = words.iter().take_while(|word| !has_dot(word)).count().saturating_mul(8);
    let rest = text.get(passed..)?;
    rest.iter().position(|byte| *byte == b'.').map(|at| passed.saturating_add(at))
}

/// Appends what a part stands for to `decoded`; where it is there.
fn decode(part: Part, text: &[u8], decoded: &mut Vec<u8>) -> Result<Range<usize>, JwsError> {
    if text.is_empty() {
        return Err(JwsError::EmptyPart { part });
    }
    let start = decoded.len();
    base64url::decode_onto(text, decoded).map_err(|source| JwsError::Encoding { part, source })?;
    Ok(start..decoded.len())
}

fn algorithm(header: &Object<'_>) -> Result<Algorithm, JwsError> {
    let name = text(header, "alg")?.ok_or(JwsError::NoAlgorithm)?;
    Algorithm::from_name(name).ok_or_else(|| JwsError::UnknownAlgorithm { name: excerpt(name) })
}

fn kid<'h>(header: &'h Object<'_>) -> Result<Option<&'h str>, JwsError> {
    let kid = text(header, "kid")?;
    match kid {
        Some(kid) if kid.len() > MAX_KID_BYTES => Err(JwsError::KidTooLong { length: kid.len() }),
        _ => Ok(kid),
    }
}

/// The member `name`, which must be a string if it is there.
fn text<'h>(header: &'h Object<'_>, name: &'static str) -> Result<Option<&'h str>, JwsError> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(JwsError::MemberKind { member: name, kind: other.kind() }),
    }
}

/// Refuses everything that would have to be understood to be safe.
fn refuse_extensions(header: &Object<'_>) -> Result<(), JwsError> {
    if let Some(critical) = header.get("crit") {
        return Err(critical_extension(critical, header));
    }
    // Without `crit`, `b64` may be ignored by those who do not know it: then two receivers read two
    // payloads.
    match ["b64", "enc"].into_iter().find(|member| header.contains(member)) {
        Some(member) => Err(JwsError::ForeignMember { member }),
        None => Ok(()),
    }
}

/// The complaint about a `crit`: its first extension if it is well-formed, else its form.
fn critical_extension(critical: &Value<'_>, header: &Object<'_>) -> JwsError {
    let names: Option<Vec<&str>> =
        critical.as_array().and_then(|names| names.iter().map(Value::as_str).collect());
    let Some(names) = names else { return JwsError::MalformedCritical };
    let allowed = |name: &&str| !STANDARD_MEMBERS.contains(name) && header.contains(name);
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    match names.first() {
        Some(first) if names.iter().all(allowed) && distinct.len() == names.len() => {
            JwsError::CriticalExtension { name: excerpt(first) }
        }
        _ => JwsError::MalformedCritical,
    }
}
