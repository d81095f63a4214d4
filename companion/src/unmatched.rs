//! Finds signals of which no token can know: their subject is of a kind that no gateway maps.
//!
//! A gateway compares a token with signals by the keys that its mapping makes of the token's claims
//! ([`rescind_core::mapping`]). A signal about a phone number is accepted, kept and fed, and touches
//! nobody, unless `subject_claims.phone` says which claim has one. That is a mistake of configuration
//! on one side or the other, and nothing else shows it. `[[issuers]]` repeats what the gateways'
//! configuration says; without it every issuer is taken to be accepted, with the mapping's defaults.

use rescind_core::authority::{Authority, AuthorityError};
use rescind_core::event;
use rescind_core::mapping::Mapping;
use rescind_core::set::SecurityEventToken;
use rescind_core::subject::{SubjectKey, SubjectKind};

/// What the gateways can be reached by.
#[derive(Debug)]
pub(crate) struct Reach {
    issuers: Vec<(String, Mapping)>,
}

impl Reach {
    /// As `[[issuers]]` says.
    pub(crate) const fn new(issuers: Vec<(String, Mapping)>) -> Self {
        Self { issuers }
    }

    /// Why no token can ever know of `set`; nothing if one can, or if it changes nothing anyway.
    pub(crate) fn misses(&self, set: &SecurityEventToken, authority: &Authority) -> Option<String> {
        let targets = match event::targets(set, authority) {
            Ok(targets) => targets,
            Err(error @ AuthorityError::Unmappable { .. }) => return Some(error.to_string()),
            Err(_) => return None,
        };
        let mut reason = None;
        for target in &targets {
            let mut keys = std::iter::once(&target.subject).chain(&target.conditions);
            match keys.find_map(|key| self.unmapped(key)) {
                // One that can be matched is enough.
                None => return None,
                some => reason = reason.or(some),
            }
        }
        reason
    }

    fn unmapped(&self, key: &SubjectKey<'_>) -> Option<String> {
        let issuer = key.issuer();
        let default = Mapping::default();
        let known = self.issuers.iter().find(|(known, _)| known == issuer);
        let mapping = match known {
            Some((_, mapping)) => mapping,
            None if self.issuers.is_empty() => &default,
            None => return Some(format!("no gateway accepts tokens of issuer `{issuer}`")),
        };
        let claim = |name: &str, claim: &Option<String>| {
            claim.is_none().then(|| {
                format!(
                    "no claim is mapped to `{name}` for issuer `{issuer}` (`subject_claims.{name}`)"
                )
            })
        };
        let shaped = |prefix: &str| {
            (!key.value().starts_with(prefix)).then(|| {
                format!(
                    "no `sub` is read as a {} unless it begins with `{prefix}`",
                    key.kind().name()
                )
            })
        };
        match key.kind() {
            SubjectKind::Device => claim("device", &mapping.device),
            SubjectKind::Tenant => claim("tenant", &mapping.tenant),
            SubjectKind::OrgUnit => claim("org_unit", &mapping.org_unit),
            SubjectKind::Group => claim("groups", &mapping.groups),
            SubjectKind::Phone => claim("phone", &mapping.phone),
            SubjectKind::Did => shaped("did:"),
            SubjectKind::Account => shaped("acct:"),
            // Always looked up: the claims that name these have defaults.
            SubjectKind::IssSub
            | SubjectKind::Email
            | SubjectKind::Uri
            | SubjectKind::JwtId
            | SubjectKind::Opaque
            | SubjectKind::Session
            | SubjectKind::Application => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rescind_core::event::{Detail, EventType};
    use rescind_core::subject::{Member, Subject, SubjectIdentifier};
    use rescind_core::time::UnixTime;

    use super::*;

    const IDP: &str = "https://idp.example.com";

    fn set(event: &str, subject: Subject) -> SecurityEventToken {
        let event = EventType::from_name(event).unwrap();
        SecurityEventToken {
            iss: IDP.to_owned(),
            jti: "1".to_owned(),
            iat: UnixTime::from_secs(1),
            txn: None,
            subject,
            event: Some(event),
            event_uri: event.uri.to_owned(),
            event_timestamp: None,
            detail: Detail::None,
            reason_admin: None,
        }
    }

    fn opaque(id: &str) -> SubjectIdentifier {
        SubjectIdentifier::Opaque { id: id.to_owned() }
    }

    #[test]
    fn a_subject_is_missed_exactly_if_no_mapping_makes_such_a_key() {
        let phone =
            || Subject::Simple(SubjectIdentifier::PhoneNumber { phone_number: "+1555".to_owned() });
        let simple = |id| Subject::Simple(opaque(id));
        let did = |url: &str| Subject::Simple(SubjectIdentifier::Did { url: url.to_owned() });
        let saml = Subject::Simple(SubjectIdentifier::SamlAssertionId {
            issuer: IDP.to_owned(),
            assertion_id: "a".to_owned(),
        });
        let of_tenant =
            || Subject::Complex(vec![(Member::User, opaque("u")), (Member::Tenant, opaque("t"))]);
        let none = Vec::new;
        let mapped = || {
            let phone = Some("phone_number".to_owned());
            let tenant = Some("tid".to_owned());
            vec![(IDP.to_owned(), Mapping { phone, tenant, ..Mapping::default() })]
        };
        let other = || vec![("https://other.example".to_owned(), Mapping::default())];
        let authority = Authority { issuers: vec![IDP.to_owned()], ..Authority::default() };
        for (issuers, event, subject, missed) in [
            (none(), "session-revoked", simple("s"), None),
            (none(), "session-revoked", phone(), Some("`phone` for issuer")),
            (mapped(), "session-revoked", phone(), None),
            (none(), "session-revoked", of_tenant(), Some("`tenant` for issuer")),
            (mapped(), "session-revoked", of_tenant(), None),
            (other(), "session-revoked", simple("s"), Some("no gateway accepts tokens of issuer")),
            (none(), "session-revoked", did("did:web:a"), None),
            (none(), "session-revoked", did("web:a"), Some("begins with `did:`")),
            (none(), "token-claims-change", saml, Some("cannot be matched with tokens")),
            (none(), "session-established", phone(), None),
        ] {
            let set = set(event, subject);
            let found = Reach::new(issuers).misses(&set, &authority);
            let fits = match (&found, missed) {
                (Some(reason), Some(part)) => reason.contains(part),
                (found, missed) => found.is_none() && missed.is_none(),
            };
            assert!(fits, "{event} {missed:?}: {found:?}");
        }
    }
}
