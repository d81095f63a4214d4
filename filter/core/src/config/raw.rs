//! The configuration as it is written: names and kinds of values, nothing about their meaning.
//!
//! Every field is optional here, so that a missing one is reported beside all other problems and
//! with a remedy.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) issuers: Option<Vec<RawIssuer>>,
    pub(super) routes: Option<Vec<RawRoute>>,
    pub(super) revocation: Option<RawRevocation>,
    pub(super) identity: Option<RawIdentity>,
    pub(super) challenge: Option<RawChallenge>,
    pub(super) resources: Option<Vec<RawResource>>,
    pub(super) proofs: Option<RawProofs>,
    pub(super) danger_xfcc_elements: Option<u64>,
    pub(super) limits: Option<RawLimits>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIssuer {
    pub(super) issuer: Option<String>,
    pub(super) trust_domain: Option<String>,
    pub(super) txn_domain: Option<String>,
    pub(super) audiences: Option<Vec<String>>,
    pub(super) algorithms: Option<Vec<String>>,
    pub(super) types: Option<Vec<String>>,
    pub(super) keys: Option<RawKeys>,
    pub(super) status: Option<RawStatus>,
    pub(super) leeway_secs: Option<u64>,
    pub(super) max_token_lifetime_secs: Option<u64>,
    pub(super) assumed_lifetime_secs: Option<u64>,
    pub(super) subject_claims: Option<RawSubjectClaims>,
    pub(super) bound_tokens_only: Option<bool>,
    pub(super) token_from: Option<RawPlace>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlace {
    pub(super) header: Option<String>,
    pub(super) cookie: Option<String>,
    pub(super) origins: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKeys {
    pub(super) inline: Option<Value>,
    pub(super) url: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) refresh_secs: Option<u64>,
    pub(super) inline_bundle: Option<Value>,
    pub(super) bundle_url: Option<String>,
    pub(super) discovery: Option<String>,
    pub(super) jwks_authority: Option<String>,
    pub(super) jwks_cluster: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStatus {
    pub(super) prefixes: Option<Vec<String>>,
    pub(super) cluster: Option<String>,
    pub(super) on_unknown: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSubjectClaims {
    pub(super) session: Option<String>,
    pub(super) device: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) org_unit: Option<String>,
    pub(super) groups: Option<String>,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) transaction: Option<String>,
    pub(super) workload: Option<String>,
    pub(super) may_act: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    pub(super) path: Option<String>,
    pub(super) path_prefix: Option<String>,
    pub(super) methods: Option<Vec<String>>,
    pub(super) hosts: Option<Vec<String>>,
    pub(super) mcp: Option<RawMcp>,
    pub(super) origins: Option<Vec<String>>,
    pub(super) access: Option<String>,
    pub(super) credentials: Option<Vec<String>>,
    pub(super) audiences: Option<Vec<String>>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) acr_values: Option<Vec<String>>,
    pub(super) max_age_secs: Option<u64>,
    pub(super) compliant_device: Option<bool>,
    pub(super) max_risk: Option<String>,
    pub(super) min_assurance: Option<u64>,
    pub(super) unchanged_claims: Option<bool>,
    pub(super) on_gap: Option<String>,
    pub(super) cors_preflight: Option<bool>,
    pub(super) in_flight: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMcp {
    pub(super) methods: Option<Vec<String>>,
    pub(super) names: Option<Vec<String>>,
    pub(super) older_versions: Option<bool>,
    pub(super) verify_body: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRevocation {
    pub(super) cluster: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) gateway_name: Option<String>,
    pub(super) gateway_token: Option<String>,
    pub(super) feed_key: Option<String>,
    pub(super) subject_key: Option<String>,
    pub(super) checksum_key: Option<String>,
    pub(super) table: Option<String>,
    pub(super) max_staleness_secs: Option<u64>,
    pub(super) on_stale: Option<String>,
    pub(super) wait_secs: Option<u64>,
    pub(super) refresh_interval_secs: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIdentity {
    pub(super) headers: Option<RawHeaders>,
    pub(super) filter_state: Option<bool>,
    pub(super) forward_token: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHeaders {
    pub(super) subject: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) may_act: Option<String>,
    pub(super) transaction: Option<String>,
    pub(super) workload: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChallenge {
    pub(super) realm: Option<String>,
    pub(super) resource_metadata: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResource {
    pub(super) resource: Option<String>,
    pub(super) authorization_servers: Option<Vec<String>>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) name: Option<String>,
    pub(super) documentation: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProofs {
    pub(super) origins: Option<Vec<String>>,
    pub(super) algorithms: Option<Vec<String>>,
    pub(super) max_age_secs: Option<u64>,
    pub(super) max_ahead_secs: Option<u64>,
    pub(super) nonce_key: Option<String>,
    pub(super) remembered: Option<u64>,
    pub(super) audiences: Option<Vec<String>>,
    pub(super) max_lifetime_secs: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) max_token_bytes: Option<u64>,
    pub(super) token_cache_entries: Option<u64>,
    pub(super) token_cache_bytes: Option<u64>,
    pub(super) max_mcp_body_bytes: Option<u64>,
}
