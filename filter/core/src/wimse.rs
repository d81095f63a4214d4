//! Workload identities that are proved (WIMSE): a *Workload Identity Token* says which workload has
//! which key, and with each request comes a *Workload Proof Token* made with that key.
//!
//! - The WIT (draft-ietf-wimse-workload-creds, SPIFFE WIT-SVID) is in the header
//!   `Workload-Identity-Token`. [`verify`] checks it with the keys of the trust domain that its
//!   `sub` names ([`peek_id`]), which are the `wit-svid` keys of that domain's bundle and of no
//!   other; `iss` counts for nothing.
//! - The WPT (draft-ietf-wimse-wpt) is in the header `Workload-Proof-Token`. [`check_proof`] checks
//!   it with the key in the WIT, in the manner of [`crate::dpop`]: cheap checks first, the signature
//!   last, and [`crate::replay`] after that.
//!
//! What it refuses beyond the drafts: a WIT for an audience (SPIFFE forbids it, and there is none
//! that we could be), one without `kid`, a proof for several targets, and one that names a token
//! which the request does not have or which we cannot find (`oth`).
//!
//! **A WIT alone proves nothing**, and is never a bearer token: who has read one can send it. Only
//! the proof says that the workload sent the request.

use std::time::Duration;

use crate::json::Value;
use crate::spiffe::{self, SpiffeIdError, TrustDomain};

mod error;
mod proof;
#[cfg(test)]
mod tests;
mod token;

pub use error::{ProofError, WitError};
pub use proof::{Proof, ProofRequest, ProofRules, check_proof};
pub use token::{PossessionKey, Trust, Wit, verify};

/// The media type of a WIT, without `application/`.
pub const WIT_TYPE: &str = "wit+jwt";

/// The media type of a WPT, without `application/`.
pub const WPT_TYPE: &str = "wpt+jwt";

/// How long a proof may be good unless the configuration says less: the draft speaks of minutes or
/// seconds, and each second must be remembered by [`crate::replay`].
pub const MAX_PROOF_LIFETIME: Duration = Duration::from_secs(300);

/// The schemes of workload identifiers; what follows has one form for both.
const SCHEMES: [&str; 2] = [SPIFFE, "wimse://"];

const SPIFFE: &str = "spiffe://";

/// The identifier of a workload: `spiffe://` or `wimse://`, the name of a trust domain, and a path,
/// in the one spelling that SPIFFE allows for all three.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct WorkloadId<'a> {
    id: &'a str,
    trust_domain: &'a str,
}

impl<'a> WorkloadId<'a> {
    /// Reads `id`, which names a workload, not only its trust domain.
    pub fn parse(id: &'a str) -> Result<Self, WitError> {
        let scheme = SCHEMES.into_iter().find(|scheme| id.starts_with(scheme));
        let scheme = scheme.ok_or(WitError::Subject(SpiffeIdError::Scheme))?;
        let (trust_domain, path) = spiffe::trust_domain_and_path(id, scheme)?;
        if path.is_empty() {
            return Err(WitError::NoWorkload);
        }
        Ok(Self { id, trust_domain })
    }

    /// The whole identifier.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.id
    }

    /// The name of its trust domain.
    #[must_use]
    pub const fn trust_domain(&self) -> &'a str {
        self.trust_domain
    }

    /// Whether it is of `domain`.
    #[must_use]
    pub fn is_of(&self, domain: &TrustDomain) -> bool {
        self.trust_domain == domain.as_str()
    }

    fn is_spiffe(&self) -> bool {
        self.id.starts_with(SPIFFE)
    }
}

/// The workload that a payload claims to be of: to find the keys, before anything else is believed.
#[must_use]
pub fn peek_id<'a>(payload: &'a Value<'_>) -> Option<WorkloadId<'a>> {
    WorkloadId::parse(payload.as_object()?.get("sub")?.as_str()?).ok()
}
