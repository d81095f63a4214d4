//! How senders prove that a token is theirs.

use std::time::Duration;

use super::Check;
use crate::config::Proofs;
use crate::config::raw::RawProofs;
use crate::config::shape::join;
use crate::dpop::{self, Rules, Window};
use crate::lifetime::LifetimeRules;
use crate::nonce::NonceKey;
use crate::origin::Origin;
use crate::replay;
use crate::wimse;

/// The most origins: each is compared with the address in each proof, and a gateway with more names needs them in
/// several filters.
const MAX_ORIGINS: usize = 64;

/// How long a workload's proof may be good unless the configuration says otherwise: as long as a DPoP proof is, so that
/// both are remembered alike.
const DEFAULT_WORKLOAD_PROOF_LIFETIME: Duration = Duration::from_secs(60);

impl Check {
    pub(super) fn proofs(&mut self, raw: RawProofs) -> Option<Proofs> {
        let at = |name| join("proofs", name);
        let origins = self.origins(&raw.origins.unwrap_or_default(), &at("origins"));
        let algorithms = match raw.algorithms {
            None => Some(dpop::DEFAULT_ALGORITHMS.to_vec()),
            Some(names) => self.algorithms(Some(names), &at("algorithms")),
        };
        let seconds = |secs: Option<u64>, default: Duration| secs.unwrap_or(default.as_secs());
        let most = dpop::MAX_WINDOW.as_secs();
        let past = seconds(raw.max_age_secs, dpop::DEFAULT_PAST);
        let past = self.seconds(past, &at("max_age_secs"), 1, most);
        let future = seconds(raw.max_ahead_secs, dpop::DEFAULT_FUTURE);
        let future = self.seconds(future, &at("max_ahead_secs"), 0, most);
        let nonces = match raw.nonce_key {
            None => Some(None),
            Some(text) => self.nonce_key(&text, &at("nonce_key")).map(Some),
        };
        let (least, most) = replay::CAPACITY.into_inner();
        let remembered = raw.remembered.unwrap_or(replay::DEFAULT_CAPACITY.into());
        let remembered = self.number(remembered, &at("remembered"), least.into(), most.into());
        let audiences = raw.audiences.unwrap_or_default();
        self.refuse_empty(&audiences, &at("audiences"));
        let lifetime = seconds(raw.max_lifetime_secs, DEFAULT_WORKLOAD_PROOF_LIFETIME);
        let longest = wimse::MAX_PROOF_LIFETIME.as_secs();
        let lifetime = self.seconds(lifetime, &at("max_lifetime_secs"), 1, longest);
        let window = Window { past: past?, future: future? };
        let (algorithms, origins) = (algorithms?, origins?);
        let workload_rules = wimse::ProofRules {
            algorithms: algorithms.clone(),
            origins: origins.clone(),
            audiences,
            lifetime: LifetimeRules { leeway: window.future, max_lifetime: lifetime? },
        };
        Some(Proofs {
            rules: Rules { algorithms, origins, window, nonces: nonces? },
            workload_rules,
            remembered: u32::try_from(remembered?).ok()?,
        })
    }

    pub(super) fn origins(&mut self, names: &[String], path: &str) -> Option<Vec<Origin>> {
        if names.is_empty() {
            return self.missing(path, "name what clients call this gateway");
        }
        if names.len() > MAX_ORIGINS {
            let problem = format!("has {} entries, at most {MAX_ORIGINS} are allowed", names.len());
            return self.wrong(path, problem, "configure several filters");
        }
        let origin = |(index, name): (usize, &String)| {
            let remedy = "write it as `https://api.example.com`";
            Origin::parse(name).map_or_else(
                |problem| self.wrong(&format!("{path}[{index}]"), problem.to_string(), remedy),
                Some,
            )
        };
        let origins: Vec<Option<Origin>> = names.iter().enumerate().map(origin).collect();
        origins.into_iter().collect()
    }

    /// Says only how long a wrong key is: it may be the right one, mistyped.
    fn nonce_key(&mut self, text: &str, path: &str) -> Option<NonceKey> {
        let text = text.trim();
        match crate::thumbprint::Fingerprint::from_hex(text.as_bytes()) {
            Some(key) => Some(NonceKey::new(key.0)),
            None => {
                let found = text.chars().count();
                let problem = format!("must be 64 hexadecimal digits, has {found} characters");
                self.wrong(path, problem, "make one with `openssl rand -hex 32`")
            }
        }
    }
}
