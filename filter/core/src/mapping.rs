//! From a token's claims to the keys that signals can reach it by.
//!
//! | claim | keys |
//! |---|---|
//! | `sub` | `iss_sub`, `opaque`; with a colon also `uri` (and `did`, `account`) |
//! | `act.sub`, at every depth | the same and `application`, as named by `act.iss` if it is there |
//! | `may_act` | none; with [`Mapping::may_act`] those of an actor, and `application` for its `client_id` |
//! | `jti` | `jwt_id` |
//! | `sid` | `session` |
//! | `client_id`, `azp` | `application` |
//! | `email` | `email` |
//! | `cnf.jkt`, `cnf.x5t#S256` | `uri`: `urn:ietf:params:oauth:jwk-thumbprint:sha-256:…` (RFC 9278), `ni:///sha-256;…` (RFC 6920) |
//!
//! A name that is a SPIFFE ID (`sub`, `act.sub`, `client_id`, `azp`) is reached through its classes
//! too: its trust domain and each prefix of its path. Other claims count if the issuer's
//! configuration names them ([`Mapping`]).
//!
//! **Who may act does not act.** A signal about an agent must not refuse the token of each user who would let it act:
//! where it does act, the token says so (`act`), and that one is reached. An issuer whose tokens are worth nothing
//! once the agent they are meant for is revoked can be configured so.
//!
//! This runs once per new token, before anything about it is cached: two vectors, and no other
//! allocation unless a claim has to be brought into canonical form. It never leaves out a key: a
//! token with too many is the gate's to refuse ([`MAX_TOKEN_KEYS`]), since a key that is left out is
//! a revocation that is lost.

use crate::claims::{Claims, Confirmation};
use crate::json::{Number, Value};
use crate::record::SubjectHash;
use crate::subject::{SubjectHasher, SubjectKey, SubjectKind, after_spiffe_scheme};
use crate::thumbprint::Fingerprint;

#[cfg(test)]
mod tests;

/// Tokens with more keys than this should be refused: each costs a look-up in the table. An agent
/// with a SPIFFE ID of four segments, its user and its client have about fifteen.
pub const MAX_TOKEN_KEYS: usize = 32;

/// What stands before a key's thumbprint in base64url (RFC 9278 §3).
const JWK_THUMBPRINT: &str = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:";

/// What stands before a certificate's digest in base64url (RFC 6920 §3).
const CERTIFICATE: &str = "ni:///sha-256;";

/// Keys that there is room for at once: an access token of RFC 9068 has six or seven.
const USUAL_KEYS: usize = 8;

/// Room for what is hashed for one key at once: an issuer's URL and a name.
const USUAL_TEXT_BYTES: usize = 128;

/// Which claims name subjects, where that differs between issuers. `Default` is the table above.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mapping {
    /// The claim with the session; `sid` if not set.
    pub session: Option<String>,
    /// The claim with the device.
    pub device: Option<String>,
    /// The claim with the tenant.
    pub tenant: Option<String>,
    /// The claim with the organizational unit.
    pub org_unit: Option<String>,
    /// The claim with the groups.
    pub groups: Option<String>,
    /// The claim with the mail address; `email` if not set.
    pub email: Option<String>,
    /// The claim with the phone number.
    pub phone: Option<String>,
    /// The claim with the transaction.
    pub transaction: Option<String>,
    /// The claim with the workload that asked for the token.
    pub workload: Option<String>,
    /// Whether a signal about the party that may act reaches the token too.
    pub may_act: bool,
}

/// Every key of a token; sorted, without repetition.
#[must_use]
pub fn token_keys(
    claims: &Claims<'_>,
    mapping: &Mapping,
    hasher: &SubjectHasher,
) -> Vec<SubjectHash> {
    let (hashes, text) = (Vec::with_capacity(USUAL_KEYS), Vec::with_capacity(USUAL_TEXT_BYTES));
    let mut keys = Keys { iss: claims.iss, hasher, hashes, text };
    if let Some(sub) = claims.sub {
        keys.principal(claims.iss, sub);
    }
    for actor in &claims.act {
        let issuer = actor.iss.unwrap_or(claims.iss);
        keys.actor(issuer, actor.sub);
    }
    if let (true, Some(party)) = (mapping.may_act, &claims.may_act) {
        let issuer = party.iss.unwrap_or(claims.iss);
        if let Some(name) = party.sub {
            keys.actor(issuer, name);
        }
        if let Some(client) = party.client_id {
            keys.client(issuer, client);
        }
    }
    if let Some(jti) = claims.jti {
        keys.add(SubjectKind::JwtId, jti);
    }
    for client in [claims.client_id, claims.azp].into_iter().flatten() {
        keys.client(claims.iss, client);
    }
    if let Some(cnf) = &claims.cnf {
        keys.bound_to(cnf);
    }
    if let Some(workload) = mapping.workload.as_deref().and_then(|claim| claims.claim(claim)) {
        keys.add_all(SubjectKind::Application, workload);
        if let Some(id) = workload.as_str() {
            keys.hasher.hash_uri(keys.iss, id, &mut keys.hashes);
        }
    }
    let configured = [
        (SubjectKind::Session, mapping.session.as_deref().or(Some("sid"))),
        (SubjectKind::Email, mapping.email.as_deref().or(Some("email"))),
        (SubjectKind::Device, mapping.device.as_deref()),
        (SubjectKind::Tenant, mapping.tenant.as_deref()),
        (SubjectKind::OrgUnit, mapping.org_unit.as_deref()),
        (SubjectKind::Group, mapping.groups.as_deref()),
        (SubjectKind::Phone, mapping.phone.as_deref()),
        // What a session is to its user, a transaction is to its calls: CAEP has no other word for it.
        (SubjectKind::Session, mapping.transaction.as_deref()),
    ];
    for (kind, claim) in configured {
        if let Some(value) = claim.and_then(|claim| claims.claim(claim)) {
            keys.add_all(kind, value);
        }
    }
    sorted(keys.hashes)
}

/// The keys of a workload identity token, whose workload has the key with this thumbprint; sorted, without repetition.
#[must_use]
pub fn workload_keys(
    claims: &Claims<'_>,
    mapping: &Mapping,
    thumbprint: Fingerprint,
    hasher: &SubjectHasher,
) -> Vec<SubjectHash> {
    let hashes = token_keys(claims, mapping, hasher);
    let mut keys = Keys { iss: claims.iss, hasher, hashes, text: Vec::new() };
    keys.bound_to(&Confirmation { jkt: Some(&thumbprint.to_string()), x5t_s256: None });
    sorted(keys.hashes)
}

fn sorted(mut hashes: Vec<SubjectHash>) -> Vec<SubjectHash> {
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

struct Keys<'a> {
    iss: &'a str,
    hasher: &'a SubjectHasher,
    hashes: Vec<SubjectHash>,
    /// What was hashed last.
    text: Vec<u8>,
}

impl Keys<'_> {
    /// The keys of a user or an agent that `issuer` names `name`.
    fn principal(&mut self, issuer: &str, name: &str) {
        self.add_as(SubjectKind::IssSub, issuer, name);
        self.add_as(SubjectKind::Opaque, issuer, name);
        if !name.contains(':') {
            return;
        }
        if name.starts_with("did:") {
            self.add_as(SubjectKind::Did, issuer, name);
        } else if name.starts_with("acct:") {
            self.add_as(SubjectKind::Account, issuer, name);
        }
        self.hasher.hash_uri(issuer, name, &mut self.hashes);
        // A URI means the same whoever says it: whoever may speak for the token's issuer may
        // revoke by it, also when the actor comes from another one.
        if issuer != self.iss {
            self.hasher.hash_uri(self.iss, name, &mut self.hashes);
        }
    }

    /// The keys of somebody who acts for somebody else.
    fn actor(&mut self, issuer: &str, name: &str) {
        self.principal(issuer, name);
        // Whoever acts for somebody is an application, whether or not it got the token itself.
        self.add_as(SubjectKind::Application, issuer, name);
    }

    /// The keys of a client that `issuer` names `name`.
    fn client(&mut self, issuer: &str, name: &str) {
        self.add_as(SubjectKind::Application, issuer, name);
        if after_spiffe_scheme(name).is_some() {
            self.hasher.hash_uri(issuer, name, &mut self.hashes);
            if issuer != self.iss {
                self.hasher.hash_uri(self.iss, name, &mut self.hashes);
            }
        }
    }

    /// Whoever has this key or certificate can be named by it.
    fn bound_to(&mut self, cnf: &Confirmation<'_>) {
        for (form, digest) in [(JWK_THUMBPRINT, cnf.jkt), (CERTIFICATE, cnf.x5t_s256)] {
            if let Some(digest) = digest {
                self.add(SubjectKind::Uri, &format!("{form}{digest}"));
            }
        }
    }

    fn add(&mut self, kind: SubjectKind, name: &str) {
        self.add_as(kind, self.iss, name);
    }

    fn add_as(&mut self, kind: SubjectKind, issuer: &str, name: &str) {
        if let Some(key) = SubjectKey::new(kind, issuer, name) {
            self.hashes.push(self.hasher.hash_in(&key, &mut self.text));
        }
    }

    /// The names in a claim: a string, an integer (some issuers number their tenants), or an array
    /// of these.
    fn add_all(&mut self, kind: SubjectKind, value: &Value<'_>) {
        match value {
            Value::String(name) => self.add(kind, name),
            Value::Number(Number::Unsigned(number)) => self.add(kind, &number.to_string()),
            Value::Number(Number::Signed(number)) => self.add(kind, &number.to_string()),
            Value::Array(values) => {
                for value in values {
                    if !matches!(value, Value::Array(_)) {
                        self.add_all(kind, value);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(Number::Float(_)) | Value::Object(_) => {}
        }
    }
}
