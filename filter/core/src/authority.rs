//! Who may signal about whom: turns a subject into the keys that a transmitter may touch.
//!
//! A transmitter speaks for token issuers that its configuration lists, and for no others. A subject
//! that names another issuer is refused; one that names none means each issuer on the list. There
//! is no way around this: records are made from [`Target`]s, and only [`Authority::targets`] makes
//! those.
//!
//! A complex subject is a conjunction (CAEP 1.0 §3.1). Its target is filed under the member that
//! fewest tokens have, the others are conditions. A member that cannot be evaluated makes the whole
//! subject unusable: leaving it out would revoke more than was said, and ignoring the event less.
//! So is a subject that reaches whole populations, unless the operator allows it by name.

use std::cmp::Reverse;

use crate::subject::{Member, Subject, SubjectIdentifier, SubjectKey, SubjectKind};

mod limits;
#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod tests;

pub use limits::Limits;

/// At most this many targets of one subject, that is issuers times aliases: all records of one SET
/// must fit one page of the feed.
pub const MAX_TARGETS: usize = 256;

/// What one transmitter may do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Authority {
    /// The token issuers it may speak for; compared byte for byte.
    pub issuers: Vec<String>,
    /// Whether a tenant, an organizational unit, a group or a SPIFFE trust domain may be a subject
    /// on its own.
    pub danger_allow_tenant_wide: bool,
    /// What else it may speak about.
    pub limits: Limits,
}

/// Whom a signal reaches: tokens that have `subject` and all `conditions` among their keys.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Target<'a> {
    /// The key it is filed under.
    pub subject: SubjectKey<'a>,
    /// The other keys; sorted, without repetition.
    pub conditions: Vec<SubjectKey<'a>>,
}

/// What an `opaque` identifier on its own names: it depends on the event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpaqueRole {
    /// A session, as in CAEP's example of `session-revoked` (§3.1.2).
    Session,
    /// A device, in an event about one.
    Device,
    /// A principal.
    Principal,
}

/// Why a transmitter cannot reach a subject.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AuthorityError {
    /// An issuer that is not on the list.
    #[error("this transmitter may not speak for issuer `{issuer}`")]
    ForeignIssuer {
        /// The issuer that the subject names.
        issuer: String,
    },
    /// An event type that is not on the list.
    #[error("this transmitter may not send `{event}`")]
    Event {
        /// The event's name.
        event: &'static str,
    },
    /// A subject format that is not on the list.
    #[error("this transmitter may not name subjects by `{format}`")]
    Format {
        /// The format.
        format: String,
    },
    /// A trust domain that is not on the list.
    #[error("this transmitter may not speak for trust domain `{domain}`")]
    TrustDomain {
        /// The trust domain of the subject.
        domain: String,
    },
    /// No tenant, or one that is not on the list.
    #[error("the subject names no tenant that this transmitter may speak for")]
    Tenant,
    /// No issuer is on the list.
    #[error("this transmitter may not speak for any issuer")]
    NoIssuers,
    /// More than [`MAX_TARGETS`].
    #[error("the subject means {count} targets, at most {MAX_TARGETS} are allowed")]
    TooManyTargets {
        /// How many it means.
        count: usize,
    },
    /// A subject that names a whole population.
    #[error("a {kind} alone is too wide a subject for this transmitter")]
    TooWide {
        /// What is named.
        kind: &'static str,
    },
    /// An identifier that no token can be compared with.
    #[error("{place} of format `{format}` cannot be matched with tokens")]
    Unmappable {
        /// Where it stands.
        place: String,
        /// Its format.
        format: String,
    },
    /// A member of a complex subject that we do not know.
    #[error("member `{member}` of the complex subject is not known")]
    UnknownMember {
        /// Its name.
        member: String,
    },
    /// An identifier that names nobody in canonical form, such as a phone number without digits.
    #[error("{place} of format `{format}` is empty in canonical form")]
    Nameless {
        /// Where it stands.
        place: String,
        /// Its format.
        format: String,
    },
}

impl AuthorityError {
    /// Whether the subject is good, but not for this transmitter.
    #[must_use]
    pub const fn is_denial(&self) -> bool {
        match self {
            Self::ForeignIssuer { .. }
            | Self::NoIssuers
            | Self::TooWide { .. }
            | Self::Event { .. }
            | Self::Format { .. }
            | Self::TrustDomain { .. }
            | Self::Tenant => true,
            Self::TooManyTargets { .. }
            | Self::Unmappable { .. }
            | Self::UnknownMember { .. }
            | Self::Nameless { .. } => false,
        }
    }
}

impl Authority {
    /// Whether the transmitter may speak for `issuer`.
    #[must_use]
    pub fn covers(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|covered| covered == issuer)
    }

    /// Every target that `subject` means when this transmitter says it; sorted, never empty.
    pub fn targets<'a>(
        &'a self,
        subject: &'a Subject,
        opaque: OpaqueRole,
    ) -> Result<Vec<Target<'a>>, AuthorityError> {
        self.limits.subject(subject)?;
        let mut targets = match subject {
            Subject::Simple(SubjectIdentifier::Aliases(identifiers)) => {
                self.any_alias(identifiers, opaque)?
            }
            Subject::Simple(identifier) => self.all_of(&[principal(identifier, opaque)?])?,
            Subject::Complex(members) => {
                let names: Result<Vec<_>, _> =
                    members.iter().map(|(member, identifier)| name(member, identifier)).collect();
                self.all_of(&names?)?
            }
        };
        targets.sort_unstable();
        targets.dedup();
        match targets.len() {
            0..=MAX_TARGETS => Ok(targets),
            count => Err(AuthorityError::TooManyTargets { count }),
        }
    }

    /// The targets of names for one subject: a token with any of them is meant. Identifiers that
    /// cannot be matched are left out as long as one can (RFC 9493 §3.2.8: a recipient must not
    /// need more than one).
    fn any_alias<'a>(
        &'a self,
        identifiers: &'a [SubjectIdentifier],
        opaque: OpaqueRole,
    ) -> Result<Vec<Target<'a>>, AuthorityError> {
        let mut targets = Vec::new();
        let mut unusable = None;
        for identifier in identifiers {
            match principal(identifier, opaque).and_then(|name| self.all_of(&[name])) {
                Ok(found) => targets.extend(found),
                Err(error) if error.is_denial() => return Err(error),
                Err(error) => unusable = unusable.or(Some(error)),
            }
        }
        match unusable {
            Some(error) if targets.is_empty() => Err(error),
            _ => Ok(targets),
        }
    }

    /// The targets of a conjunction: one per issuer where a name leaves it open.
    fn all_of<'a>(&'a self, names: &[Name<'a>]) -> Result<Vec<Target<'a>>, AuthorityError> {
        if self.issuers.is_empty() {
            return Err(AuthorityError::NoIssuers);
        }
        for issuer in names.iter().filter_map(|name| name.issuer) {
            if !self.covers(issuer) {
                return Err(AuthorityError::ForeignIssuer { issuer: issuer.to_owned() });
            }
        }
        self.issuers.iter().map(|issuer| self.target(names, issuer)).collect()
    }

    fn target<'a>(
        &self,
        names: &[Name<'a>],
        issuer: &'a str,
    ) -> Result<Target<'a>, AuthorityError> {
        let keys: Result<Vec<SubjectKey<'a>>, _> =
            names.iter().map(|name| name.key(issuer)).collect();
        let mut keys = keys?;
        self.limits.keys(&keys)?;
        keys.sort_unstable_by_key(|key| Reverse(selectivity(key.kind())));
        let mut keys = keys.into_iter();
        let Some(subject) = keys.next() else { return Err(AuthorityError::NoIssuers) };
        if subject.is_wide() && !self.danger_allow_tenant_wide {
            let kind = match subject.kind() {
                SubjectKind::Uri => "SPIFFE trust domain",
                kind => kind.name(),
            };
            return Err(AuthorityError::TooWide { kind });
        }
        let mut conditions: Vec<_> = keys.collect();
        conditions.sort_unstable();
        conditions.dedup();
        Ok(Target { subject, conditions })
    }
}

/// A name, before it is clear which issuer uses it.
struct Name<'a> {
    kind: SubjectKind,
    issuer: Option<&'a str>,
    value: &'a str,
    member: Option<&'a Member>,
    format: &'a str,
}

impl<'a> Name<'a> {
    fn key(&self, issuer: &'a str) -> Result<SubjectKey<'a>, AuthorityError> {
        SubjectKey::new(self.kind, self.issuer.unwrap_or(issuer), self.value).ok_or_else(|| {
            AuthorityError::Nameless { place: place(self.member), format: self.format.to_owned() }
        })
    }
}

/// The kind of a simple subject, and of the member `user`.
fn principal(
    identifier: &SubjectIdentifier,
    opaque: OpaqueRole,
) -> Result<Name<'_>, AuthorityError> {
    let kind = match identifier {
        SubjectIdentifier::Account { .. } => SubjectKind::Account,
        SubjectIdentifier::Email { .. } => SubjectKind::Email,
        SubjectIdentifier::IssSub { .. } => SubjectKind::IssSub,
        SubjectIdentifier::PhoneNumber { .. } => SubjectKind::Phone,
        SubjectIdentifier::Did { .. } => SubjectKind::Did,
        SubjectIdentifier::Uri { .. } => SubjectKind::Uri,
        SubjectIdentifier::JwtId { .. } => SubjectKind::JwtId,
        SubjectIdentifier::Opaque { .. } => match opaque {
            OpaqueRole::Session => SubjectKind::Session,
            OpaqueRole::Device => SubjectKind::Device,
            OpaqueRole::Principal => SubjectKind::Opaque,
        },
        SubjectIdentifier::SamlAssertionId { .. }
        | SubjectIdentifier::Aliases(_)
        | SubjectIdentifier::Other { .. } => return Err(unmappable(None, identifier)),
    };
    named(kind, None, identifier)
}

/// The kind of a member of a complex subject.
fn name<'a>(
    member: &'a Member,
    identifier: &'a SubjectIdentifier,
) -> Result<Name<'a>, AuthorityError> {
    let is_token = matches!(identifier, SubjectIdentifier::JwtId { .. });
    let kind = match member {
        Member::User if is_token => return Err(unmappable(Some(member), identifier)),
        Member::User => {
            let name = principal(identifier, OpaqueRole::Principal)
                .map_err(|_| unmappable(Some(member), identifier))?;
            return Ok(Name { member: Some(member), ..name });
        }
        // A session that is known by the token it was begun with.
        Member::Session if is_token => SubjectKind::JwtId,
        Member::Session => SubjectKind::Session,
        Member::Device => SubjectKind::Device,
        Member::Application => SubjectKind::Application,
        Member::Tenant => SubjectKind::Tenant,
        Member::OrgUnit => SubjectKind::OrgUnit,
        Member::Group => SubjectKind::Group,
        Member::Other(name) => {
            return Err(AuthorityError::UnknownMember { member: name.clone() });
        }
    };
    if is_token && kind != SubjectKind::JwtId {
        return Err(unmappable(Some(member), identifier));
    }
    named(kind, Some(member), identifier)
}

fn named<'a>(
    kind: SubjectKind,
    member: Option<&'a Member>,
    identifier: &'a SubjectIdentifier,
) -> Result<Name<'a>, AuthorityError> {
    let (issuer, value): (Option<&str>, &str) = match identifier {
        SubjectIdentifier::IssSub { iss, sub } => (Some(iss), sub),
        SubjectIdentifier::JwtId { iss, jti } => (Some(iss), jti),
        SubjectIdentifier::Account { uri } | SubjectIdentifier::Uri { uri } => (None, uri),
        SubjectIdentifier::Email { email } => (None, email),
        SubjectIdentifier::Opaque { id } => (None, id),
        SubjectIdentifier::PhoneNumber { phone_number } => (None, phone_number),
        SubjectIdentifier::Did { url } => (None, url),
        SubjectIdentifier::SamlAssertionId { .. }
        | SubjectIdentifier::Aliases(_)
        | SubjectIdentifier::Other { .. } => return Err(unmappable(member, identifier)),
    };
    Ok(Name { kind, issuer, value, member, format: identifier.format() })
}

fn unmappable(member: Option<&Member>, identifier: &SubjectIdentifier) -> AuthorityError {
    AuthorityError::Unmappable { place: place(member), format: identifier.format().to_owned() }
}

fn place(member: Option<&Member>) -> String {
    match member {
        None => "subject".to_owned(),
        Some(member) => format!("`{}`", member.name()),
    }
}

/// How few tokens share a key of this kind: the greater, the fewer. Filing under the most selective
/// member keeps pages even: many complex subjects of one tenant must not meet in one page.
const fn selectivity(kind: SubjectKind) -> u8 {
    match kind {
        SubjectKind::JwtId => 8,
        SubjectKind::Session => 7,
        SubjectKind::IssSub
        | SubjectKind::Email
        | SubjectKind::Phone
        | SubjectKind::Account
        | SubjectKind::Uri
        | SubjectKind::Did
        | SubjectKind::Opaque => 6,
        SubjectKind::Device => 5,
        SubjectKind::Application => 4,
        SubjectKind::Group => 3,
        SubjectKind::OrgUnit => 2,
        SubjectKind::Tenant => 1,
    }
}
