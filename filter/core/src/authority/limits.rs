//! What else a transmitter may speak about, beside the issuers: a partner gets no more than it needs.
//!
//! Each limit is a list, and no limit if it is not given. An event without an effect is outside of
//! all of them: it is recorded whoever sends it.

use super::AuthorityError;
use crate::event::EventType;
use crate::subject::{Subject, SubjectIdentifier, SubjectKey, SubjectKind, after_spiffe_scheme};

/// The limits of one transmitter. `Default` is none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// The names of event types.
    pub events: Option<Vec<String>>,
    /// The formats of subject identifiers (RFC 9493, SSF 1.0 §3.5), also within complex subjects and
    /// aliases.
    pub formats: Option<Vec<String>>,
    /// The trust domains of SPIFFE IDs, wherever one stands for a name; lower case.
    pub trust_domains: Option<Vec<String>>,
    /// The tenants of which every subject must name one.
    pub tenants: Option<Vec<String>>,
}

impl Limits {
    /// Whether an event of this type may be sent.
    pub(crate) fn event(&self, event: &EventType) -> Result<(), AuthorityError> {
        if allows(self.events.as_deref(), event.name) {
            return Ok(());
        }
        Err(AuthorityError::Event { event: event.name })
    }

    /// Whether the subject has only formats that are allowed.
    pub(super) fn subject(&self, subject: &Subject) -> Result<(), AuthorityError> {
        match subject {
            Subject::Simple(SubjectIdentifier::Aliases(identifiers)) => {
                identifiers.iter().try_for_each(|identifier| self.format(identifier))
            }
            Subject::Simple(identifier) => self.format(identifier),
            Subject::Complex(members) => {
                members.iter().try_for_each(|(_, identifier)| self.format(identifier))
            }
        }
    }

    fn format(&self, identifier: &SubjectIdentifier) -> Result<(), AuthorityError> {
        if allows(self.formats.as_deref(), identifier.format()) {
            return Ok(());
        }
        Err(AuthorityError::Format { format: identifier.format().to_owned() })
    }

    /// Whether the keys of one target are within the trust domains and tenants.
    pub(super) fn keys(&self, keys: &[SubjectKey<'_>]) -> Result<(), AuthorityError> {
        for key in keys {
            let Some(rest) = after_spiffe_scheme(key.value()) else { continue };
            let domain = rest.split('/').next().unwrap_or(rest).to_ascii_lowercase();
            if !allows(self.trust_domains.as_deref(), &domain) {
                return Err(AuthorityError::TrustDomain { domain });
            }
        }
        let is_own = |key: &SubjectKey<'_>| {
            key.kind() == SubjectKind::Tenant && allows(self.tenants.as_deref(), key.value())
        };
        if self.tenants.is_none() || keys.iter().any(is_own) {
            return Ok(());
        }
        Err(AuthorityError::Tenant)
    }
}

fn allows(list: Option<&[String]>, name: &str) -> bool {
    list.is_none_or(|list| list.iter().any(|allowed| allowed == name))
}
