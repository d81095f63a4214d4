//! Names of subjects, so canonical that a token and a signal about it meet in the same 16 bytes.
//!
//! A [`SubjectKey`] is what RFC 9493 calls a subject, narrowed to one issuer: a kind, the issuer who
//! uses the name, and the name. The gateway derives keys from claims ([`crate::mapping`]), the
//! companion from subject identifiers ([`crate::authority`]); nothing else makes them. Pages and
//! the feed carry only the keyed hash of a key ([`SubjectHasher`]): no personal data, and no
//! collision that somebody without the hash key can craft.
//!
//! # Canonical forms
//!
//! | kind | form |
//! |---|---|
//! | email | without white space around it, lower case |
//! | phone | a leading `+` if there is one, and digits |
//! | URI | `spiffe://` and its trust domain in lower case, no slash at the end; else as it is |
//! | all others | byte for byte |
//!
//! No kind is ever compared with another: an `iss_sub` whose `sub` looks like a mail address is not
//! that mail address (CAEP's own examples have such names).

use std::borrow::Cow;
use std::fmt;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::record::SubjectHash;

mod identifier;
#[cfg(test)]
mod tests;

pub use identifier::{
    Forms, MAX_ALIASES, MAX_NAME_BYTES, Member, Subject, SubjectError, SubjectIdentifier,
};

/// What a name names. The number is part of what is hashed: it never changes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum SubjectKind {
    /// A principal by `iss` and `sub`.
    IssSub = 1,
    /// A principal by mail address.
    Email = 2,
    /// A principal by phone number.
    Phone = 3,
    /// A principal by `acct:` URI.
    Account = 4,
    /// A principal by any URI; for SPIFFE IDs also a class of principals.
    Uri = 5,
    /// A principal by DID URL.
    Did = 6,
    /// One token, by `iss` and `jti`.
    JwtId = 7,
    /// A principal by a name agreed with the transmitter.
    Opaque = 8,
    /// A session.
    Session = 9,
    /// An application: the client of a token.
    Application = 10,
    /// A device.
    Device = 11,
    /// A tenant.
    Tenant = 12,
    /// An organizational unit.
    OrgUnit = 13,
    /// A group.
    Group = 14,
}

impl SubjectKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::IssSub,
        Self::Email,
        Self::Phone,
        Self::Account,
        Self::Uri,
        Self::Did,
        Self::JwtId,
        Self::Opaque,
        Self::Session,
        Self::Application,
        Self::Device,
        Self::Tenant,
        Self::OrgUnit,
        Self::Group,
    ];

    /// The number that is hashed.
    #[must_use]
    pub const fn tag(self) -> u8 {
        match self {
            Self::IssSub => 1,
            Self::Email => 2,
            Self::Phone => 3,
            Self::Account => 4,
            Self::Uri => 5,
            Self::Did => 6,
            Self::JwtId => 7,
            Self::Opaque => 8,
            Self::Session => 9,
            Self::Application => 10,
            Self::Device => 11,
            Self::Tenant => 12,
            Self::OrgUnit => 13,
            Self::Group => 14,
        }
    }

    /// Its name in the words of RFC 9493 and SSF; for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IssSub => "iss_sub",
            Self::Email => "email",
            Self::Phone => "phone_number",
            Self::Account => "account",
            Self::Uri => "uri",
            Self::Did => "did",
            Self::JwtId => "jwt_id",
            Self::Opaque => "opaque",
            Self::Session => "session",
            Self::Application => "application",
            Self::Device => "device",
            Self::Tenant => "tenant",
            Self::OrgUnit => "org_unit",
            Self::Group => "group",
        }
    }
}

/// One subject, as one issuer names it, in canonical form.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubjectKey<'a> {
    kind: SubjectKind,
    issuer: &'a str,
    value: Cow<'a, str>,
}

impl<'a> SubjectKey<'a> {
    /// The key of `value`, brought into canonical form; nothing if no name is left.
    #[must_use]
    pub fn new(kind: SubjectKind, issuer: &'a str, value: &'a str) -> Option<Self> {
        let value = match kind {
            SubjectKind::Email => canonical_email(value),
            SubjectKind::Phone => canonical_phone(value),
            SubjectKind::Uri => canonical_uri(value),
            SubjectKind::IssSub
            | SubjectKind::Account
            | SubjectKind::Did
            | SubjectKind::JwtId
            | SubjectKind::Opaque
            | SubjectKind::Session
            | SubjectKind::Application
            | SubjectKind::Device
            | SubjectKind::Tenant
            | SubjectKind::OrgUnit
            | SubjectKind::Group => Cow::Borrowed(value),
        };
        (!value.is_empty()).then_some(Self { kind, issuer, value })
    }

    /// What it names.
    #[must_use]
    pub const fn kind(&self) -> SubjectKind {
        self.kind
    }

    /// The issuer who uses the name.
    #[must_use]
    pub const fn issuer(&self) -> &'a str {
        self.issuer
    }

    /// The name, in canonical form.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether this names whole populations: a tenant, a unit, a group, a SPIFFE trust domain.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        match self.kind {
            SubjectKind::Tenant | SubjectKind::OrgUnit | SubjectKind::Group => true,
            SubjectKind::Uri => {
                after_spiffe_scheme(&self.value).is_some_and(|rest| !rest.contains('/'))
            }
            SubjectKind::IssSub
            | SubjectKind::Email
            | SubjectKind::Phone
            | SubjectKind::Account
            | SubjectKind::Did
            | SubjectKind::JwtId
            | SubjectKind::Opaque
            | SubjectKind::Session
            | SubjectKind::Application
            | SubjectKind::Device => false,
        }
    }
}

/// Shows kind and issuer, never the name: it may be a person's.
impl fmt::Debug for SubjectKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKey")
            .field("kind", &self.kind)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Turns subject keys into hashes: SipHash-2-4 with 128 bits, over the kind's number, the length of
/// the issuer (32 bits, big endian), the issuer and the name.
#[derive(Clone)]
pub struct SubjectHasher {
    keyed: SipHasher24,
}

impl SubjectHasher {
    /// A hasher with the key that companion and gateways share.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self { keyed: SipHasher24::new_with_key(&key) }
    }

    /// The hash of a key.
    #[must_use]
    pub fn hash(&self, key: &SubjectKey<'_>) -> SubjectHash {
        self.hash_in(key, &mut Vec::new())
    }

    /// The same, with memory to put the text in: whoever has many keys needs it once, and hashing a text as a whole
    /// takes half the time of hashing it piece by piece.
    pub(crate) fn hash_in(&self, key: &SubjectKey<'_>, text: &mut Vec<u8>) -> SubjectHash {
        let SubjectKey { kind, issuer, value } = key;
        text.clear();
        text.push(kind.tag());
        text.extend_from_slice(&length(issuer));
        text.extend_from_slice(issuer.as_bytes());
        text.extend_from_slice(value.as_bytes());
        SubjectHash(self.keyed.hash(text).as_bytes())
    }

    /// The hashes of a URI and, if it is a SPIFFE ID, of each class it belongs to: its trust domain
    /// and every prefix of its path that ends before a slash. Linear in the URI's length.
    pub(crate) fn hash_uri(&self, issuer: &str, uri: &str, hashes: &mut Vec<SubjectHash>) {
        let Some(key) = SubjectKey::new(SubjectKind::Uri, issuer, uri) else { return };
        let uri = key.value();
        let mut state = self.start(SubjectKind::Uri, issuer);
        let mut rest = uri;
        if let Some(path) = after_spiffe_scheme(uri) {
            let (scheme, _) = uri.split_at_checked(SPIFFE.len()).unwrap_or_default();
            state.write(scheme.as_bytes());
            rest = path;
            let mut open = false;
            while let Some((segment, more)) = rest.split_once('/') {
                if open {
                    state.write(b"/");
                }
                state.write(segment.as_bytes());
                // An empty segment makes no new class.
                if !segment.is_empty() {
                    hashes.push(finish(&state));
                }
                open = true;
                rest = more;
            }
            if open {
                state.write(b"/");
            }
        }
        state.write(rest.as_bytes());
        hashes.push(finish(&state));
    }

    fn start(&self, kind: SubjectKind, issuer: &str) -> SipHasher24 {
        let mut state = self.keyed;
        // Only `write`: the integer methods of `Hasher` may hash in the machine's byte order.
        state.write(&[kind.tag()]);
        state.write(&length(issuer));
        state.write(issuer.as_bytes());
        state
    }
}

impl fmt::Debug for SubjectHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectHasher").finish_non_exhaustive()
    }
}

fn length(issuer: &str) -> [u8; 4] {
    u32::try_from(issuer.len()).unwrap_or(u32::MAX).to_be_bytes()
}

fn finish(state: &SipHasher24) -> SubjectHash {
    SubjectHash(state.finish128().as_bytes())
}

const SPIFFE: &str = "spiffe://";

/// What follows `spiffe://` in any case, if a trust domain does.
pub(crate) fn after_spiffe_scheme(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_at_checked(SPIFFE.len())?;
    (scheme.eq_ignore_ascii_case(SPIFFE) && !rest.is_empty() && !rest.starts_with('/'))
        .then_some(rest)
}

/// RFC 9493 §3.2.2 leaves the comparison of mail addresses to local policy; no provider that we
/// know tells two users apart by case.
fn canonical_email(email: &str) -> Cow<'_, str> {
    let email = email.trim();
    if email.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(email)
    } else {
        Cow::Owned(email.to_lowercase())
    }
}

/// E.164 has no separators, the examples of SSF and of vendors do.
fn canonical_phone(phone: &str) -> Cow<'_, str> {
    let digits = phone.strip_prefix('+').unwrap_or(phone);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Cow::Borrowed(phone);
    }
    let mut canonical = String::with_capacity(phone.len());
    for character in phone.chars() {
        if character.is_ascii_digit() || (character == '+' && canonical.is_empty()) {
            canonical.push(character);
        }
    }
    // A plus without digits names nobody.
    if canonical == "+" {
        canonical.clear();
    }
    Cow::Owned(canonical)
}

/// The scheme and the trust domain of a SPIFFE ID are compared without regard to case, and its path
/// has no slash at its end (SPIFFE-ID §2).
fn canonical_uri(uri: &str) -> Cow<'_, str> {
    let Some(rest) = after_spiffe_scheme(uri) else { return Cow::Borrowed(uri) };
    let rest = rest.trim_end_matches('/');
    let domain_bytes = rest.find('/').unwrap_or(rest.len());
    let (domain, path) = rest.split_at_checked(domain_bytes).unwrap_or((rest, ""));
    if uri.starts_with(SPIFFE) && !domain.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(uri.trim_end_matches('/'));
    }
    Cow::Owned(format!("{SPIFFE}{}{path}", domain.to_ascii_lowercase()))
}
