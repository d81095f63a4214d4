//! What the gate can answer: a [`Permit`] or a [`Denial`], and what each means to a client, an
//! operator and a metric.
//!
//! Three readers, three texts, all here and below. **Operators** read [`Denial`]'s `Display`: which facts
//! were compared. **Clients** read status, challenge and body (RFC 6750 §3, specs A.10): the same
//! for every invalid token, so that nobody can find out by trying whether a token is forged,
//! expired or revoked. **Metrics** count [`Denial::reason`].
//!
//! | The request | Status | Challenge |
//! |---|---|---|
//! | brings no Bearer token | 401 | `Bearer` without error |
//! | brings it wrongly, or more than one | 400 | `invalid_request` |
//! | brings one that is not valid, for whatever reason | 401 | `invalid_token` |
//! | brings one in a cookie, for a page of somebody else | 403 | none |
//! | brings one with a bad proof that it is the sender's | 401 | `DPoP` with `invalid_dpop_proof` |
//! | brings a proof without a good nonce | 401 and `DPoP-Nonce` | `DPoP` with `use_dpop_nonce` |
//! | brings one whose user was authenticated too weakly or too long ago | 401 | `insufficient_user_authentication` |
//! | brings a valid one of a subject whose device or risk the route does not accept | 403 | none |
//! | brings a valid one that does not suffice | 403 | `insufficient_scope` |
//! | brings a workload's token or proof that is not valid, or none | 400 | none |
//! | brings a Txn-Token that is not valid, or none | 401 | `Bearer` without error |
//! | cannot be routed without a guess | 400 | none |
//! | comes from a page that may not call | 403 | none |
//! | has a body that does not say what its headers say | 400 | none |
//! | has a body that is too long to be read | 413 | none |
//! | cannot be judged now | 503 and `Retry-After` | none |
//!
//! This module refuses to make permits: only [`crate::gate::Gate::decide`] can. Nothing in a denial
//! repeats more of a token than its issuer's name, key identifier and times.

use std::time::Duration;

use crate::claims::ClaimsError;
use crate::credential::CredentialError;
use crate::dpop::DpopError;
use crate::json::JsonError;
use crate::jws::{Algorithm, JwsError};
use crate::mcp::body::BodyError;
use crate::record::{FactKind, SignalId};
use crate::replay::ReplayError;
use crate::route::{RouteError, StepUp};
use crate::slots::{Slot, SlotSet};
use crate::spiffe::SvidError;
use crate::status_list::{Status, StatusListError};
use crate::thumbprint::Fingerprint;
use crate::time::UnixTime;
use crate::txn_token::TxnTokenError;
use crate::wimse::{ProofError, WitError};
use crate::xfcc::XfccError;

mod challenge;
mod class;
mod permit;
mod reason;
mod response;
mod shown;
#[cfg(test)]
mod tests;

use class::Class;
pub use permit::Permit;
pub use response::Response;
use shown::{Issued, Quoted};

/// Why a request does not pass, with the facts that were compared.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denial {
    /// The gateway has no valid configuration.
    #[error("the filter has no valid configuration")]
    NotConfigured,
    /// The host did not show the request.
    #[error("the host did not show {what} (status {status})")]
    Unreadable {
        /// What was asked for.
        what: &'static str,
        /// The Proxy-Wasm status the host returned.
        status: u32,
    },
    /// No route can be chosen without a guess.
    #[error("{0}")]
    Route(#[from] RouteError),
    /// The body is not what the headers say, or cannot be compared with them.
    #[error("{0}")]
    Body(#[from] BodyError),
    /// The route reads bodies, and so many are held back until they are whole.
    #[error("{0} bodies are held back, and no more can be")]
    TooManyBodies(usize),
    /// No token, or not in the one way that is accepted.
    #[error("{error}")]
    Credential {
        /// What is wrong.
        error: CredentialError,
        /// What the route asks for; part of the challenge.
        scopes: Vec<String>,
    },
    /// Not a well-formed JWS.
    #[error("{0}")]
    MalformedToken(JwsError),
    /// The payload is not strict JSON.
    #[error("payload: {0}")]
    MalformedPayload(JsonError),
    /// Claims of the wrong type or size.
    #[error("{0}")]
    MalformedClaims(ClaimsError),
    /// An issuer that the configuration does not name.
    #[error("issuer `{issuer}` is not configured")]
    UnknownIssuer {
        /// What `iss` says, shortened; empty if it is no string.
        issuer: String,
    },
    /// Not an access token.
    #[error("typ is {}, issuer `{issuer}` accepts {accepted}", Quoted(.typ.as_deref()))]
    WrongType {
        /// What the header says, shortened.
        typ: Option<String>,
        /// The token's issuer.
        issuer: String,
        /// The types that its configuration accepts.
        accepted: String,
    },
    /// A security event token (RFC 8417), which must never pass as an access token.
    #[error("a security event token is no access token")]
    SecurityEventToken,
    /// A token of a workload that is no JWT-SVID, or none for us.
    #[error("{0}")]
    Svid(SvidError),
    /// An algorithm that the issuer's configuration does not name.
    #[error("algorithm {algorithm} is not allowed for issuer `{issuer}`")]
    AlgorithmNotAllowed {
        /// What the header says.
        algorithm: Algorithm,
        /// The token's issuer.
        issuer: String,
    },
    /// None of the issuer's keys fits.
    #[error("issuer `{issuer}` has no key {} for {algorithm}", Quoted(.kid.as_deref()))]
    UnknownKey {
        /// The token's issuer.
        issuer: String,
        /// The key that the header names, shortened.
        kid: Option<String>,
        /// The algorithm that the header names.
        algorithm: Algorithm,
    },
    /// The key that made the signature is its issuer's no more.
    #[error("issuer `{0}` has withdrawn the token's key")]
    KeyWithdrawn(String),
    /// A signature that none of the keys made.
    #[error("bad {algorithm} signature, key {} of issuer `{issuer}`", Quoted(.kid.as_deref()))]
    BadSignature {
        /// The token's issuer.
        issuer: String,
        /// The key that the header names, shortened.
        kid: Option<String>,
        /// The algorithm that the header names.
        algorithm: Algorithm,
    },
    /// A claim that must be there is not.
    #[error("claim `{claim}` is missing")]
    MissingClaim {
        /// Its name.
        claim: &'static str,
    },
    /// Made for somebody else.
    #[error("audience is `{audience}`, expected one of `{expected}`")]
    WrongAudience {
        /// What `aud` says, shortened.
        audience: String,
        /// What the issuer's configuration names.
        expected: String,
    },
    /// Made for another of the services behind this gateway.
    #[error(
        "of the routes' audiences the token has `{audience}`, this route asks for `{expected}`"
    )]
    NotForRoute {
        /// The audiences of other routes that `aud` has, as the configuration writes them; empty for none.
        audience: String,
        /// What the route's configuration names.
        expected: String,
    },
    /// A kind of token that the route does not accept.
    #[error("a token of kind `{}` where the route accepts `{accepted}`", .found.name())]
    WrongCredential {
        /// What it is.
        found: Slot,
        /// What the route accepts.
        accepted: SlotSet,
    },
    /// A token in a place that is not its issuer's.
    #[error("a token of `{issuer}` in {found}, its place is {expected}")]
    WrongPlace {
        /// The token's issuer.
        issuer: String,
        /// Where it was.
        found: String,
        /// Where it counts.
        expected: String,
    },
    /// A browser sent the token, for a page of another origin.
    #[error(
        "the cookie `{cookie}` for a page of another origin, `{origin}` (sec-fetch-site `{site}`)"
    )]
    ForeignOrigin {
        /// The cookie's name.
        cookie: String,
        /// What `origin` says, shortened.
        origin: String,
        /// What `sec-fetch-site` says, shortened.
        site: String,
    },
    /// Nothing where the route asks for a credential besides, or instead.
    #[error("no {} header", .slot.header())]
    MissingCredential {
        /// Which.
        slot: Slot,
    },
    /// Not a Txn-Token, or none for us.
    #[error("{0}")]
    TxnToken(TxnTokenError),
    /// Not a workload identity token, or none of a workload that is known here.
    #[error("{0}")]
    WorkloadToken(WitError),
    /// The sender has not shown that it is the workload.
    #[error("{0}")]
    WorkloadProof(ProofError),
    /// Something is wrong with a credential outside `Authorization`.
    #[error("{}: {cause}", .slot.header())]
    InSlot {
        /// Which.
        slot: Slot,
        /// What.
        cause: Box<Self>,
    },
    /// The token's lifetime is over.
    #[error("token expired at {exp}, now {now}, leeway {}s", .leeway.as_secs())]
    Expired {
        /// What `exp` says.
        exp: UnixTime,
        /// The time of the check.
        now: UnixTime,
        /// What the configuration adds.
        leeway: Duration,
    },
    /// The token's lifetime has not begun.
    #[error("token is valid from {nbf} on, now {now}, leeway {}s", .leeway.as_secs())]
    NotYetValid {
        /// What `nbf` says.
        nbf: UnixTime,
        /// The time of the check.
        now: UnixTime,
        /// What the configuration adds.
        leeway: Duration,
    },
    /// The token comes from the future.
    #[error("token was issued at {iat}, now {now}, leeway {}s", .leeway.as_secs())]
    IssuedInTheFuture {
        /// What `iat` says.
        iat: UnixTime,
        /// The time of the check.
        now: UnixTime,
        /// What the configuration adds.
        leeway: Duration,
    },
    /// The token lives longer than revocations are remembered.
    #[error("token lives {}s, at most {}s are allowed", .lifetime.as_secs(), .limit.as_secs())]
    LifetimeTooLong {
        /// From `iat` to `exp`.
        lifetime: Duration,
        /// `max_token_lifetime_secs` of its issuer.
        limit: Duration,
    },
    /// The token is older than the companion remembers revocations.
    #[error("token was issued at {iat}, now {now}, revocations are kept for {}s", .retention.as_secs())]
    OlderThanRetention {
        /// What `iat` says, or what is assumed for it.
        iat: UnixTime,
        /// The time of the check.
        now: UnixTime,
        /// What the feed promises.
        retention: Duration,
    },
    /// The token is bound to a key that its presenter has not proved to have.
    #[error("token is bound to a key (`cnf`) and was presented as a bearer token")]
    SenderConstrained,
    /// The token's `cnf` has a member that is no digest.
    #[error("`cnf.{member}` is no SHA-256 digest in base64url")]
    MalformedConfirmation {
        /// Its name.
        member: &'static str,
    },
    /// The token is bound in no way that is known here (RFC 7800).
    #[error("token is bound (`cnf`) in no way that can be checked")]
    UnknownConfirmation,
    /// The token is bound to nothing, and its issuer's configuration asks for it.
    #[error("token of issuer `{issuer}` is bound to no key (`bound_tokens_only`)")]
    BindingRequired {
        /// The token's issuer.
        issuer: String,
    },
    /// Presented under `DPoP`, but bound to no key (RFC 9449 §7.1).
    #[error("token was presented under DPoP and is bound to no key")]
    NotBound,
    /// The sender has not shown that it has the token's key.
    #[error("{error}")]
    Proof {
        /// What is wrong with the proof.
        error: DpopError,
        /// What the client needs for its next one.
        nonce: Option<String>,
    },
    /// A proof that was used before, or may have been.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The token is bound to a certificate (RFC 8705 §3) that is not the connection's.
    #[error(
        "token is bound to certificate {expected}, the connection has {}",
        certificate.map_or_else(|| "none".to_owned(), |found| found.to_string())
    )]
    WrongCertificate {
        /// The digest of the client's certificate.
        certificate: Option<Fingerprint>,
        /// The token's `cnf.x5t#S256`.
        expected: Fingerprint,
    },
    /// The token is bound to a certificate, and nobody can tell which one the client has.
    #[error("{0}")]
    UnclearCertificate(XfccError),
    /// The token names more subjects than are looked up.
    #[error("token names {count} subjects, at most {limit} are looked up")]
    TooManySubjects {
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A signal reached its subject after it was issued.
    #[error("revoked by signal {signal} ({event}) as of {at}, token issued at {}", Issued(*.issued_at))]
    Revoked {
        /// The signal.
        signal: SignalId,
        /// The event's name.
        event: &'static str,
        /// When it happened.
        at: UnixTime,
        /// What `iat` says.
        issued_at: Option<UnixTime>,
    },
    /// Its subject is disabled, whenever the token was issued.
    #[error("disabled by signal {signal} ({event}) as of {at}")]
    Disabled {
        /// The signal.
        signal: SignalId,
        /// The event's name.
        event: &'static str,
        /// When it happened.
        at: UnixTime,
    },
    /// A status that cannot be read, is kept where the configuration has no lists, or beyond the end of its list.
    #[error("status: {0}")]
    Status(StatusListError),
    /// Its issuer's list says that it is not valid, or not now.
    #[error("status list `{uri}` says {} at place {index}", .status.name())]
    StatusRevoked {
        /// Which list, shortened.
        uri: String,
        /// The token's place in it.
        index: u64,
        /// What it says there.
        status: Status,
    },
    /// Its issuer's list is not there, or too old.
    #[error("status list `{uri}` has not been fetched, or not for too long")]
    StatusUnknown {
        /// Which list, shortened.
        uri: String,
    },
    /// A valid token that does not allow this.
    #[error("scope `{}` is missing, the route asks for `{}`", .missing, .required.join(" "))]
    InsufficientScope {
        /// All that the route asks for.
        required: Vec<String>,
        /// The first that the token lacks.
        missing: String,
    },
    /// A valid token of a subject whose signalled state the route does not accept.
    #[error("{} by signal {signal} ({event}) as of {at}, and the route does not accept that", .kind.name())]
    State {
        /// What was signalled.
        kind: FactKind,
        /// The signal.
        signal: SignalId,
        /// The event's name.
        event: &'static str,
        /// When it happened.
        at: UnixTime,
        /// How the user would have to be authenticated, if the route says.
        step_up: StepUp,
    },
    /// A valid token whose user was authenticated too weakly or too long ago (RFC 9470 §3).
    #[error(
        "the route asks for {step_up}, the user was authenticated at {}, acr {}, now {now}",
        Issued(*.auth_time),
        Quoted(.acr.as_deref())
    )]
    InsufficientAuthentication {
        /// What the route asks for.
        step_up: StepUp,
        /// The scopes that it asks for besides.
        scopes: Vec<String>,
        /// What `acr` says, shortened.
        acr: Option<String>,
        /// What `auth_time` says.
        auth_time: Option<UnixTime>,
        /// The time of the check.
        now: UnixTime,
    },
    /// No key set of the issuer has been fetched yet.
    #[error("the keys of issuer `{issuer}` have not been fetched yet")]
    KeysNotReady {
        /// The token's issuer.
        issuer: String,
    },
    /// The companion was never heard from.
    #[error("the state table has never been synchronized")]
    NeverSynchronized,
    /// Signals about the issuer's tokens may have been missed, and the route wants none in that state.
    #[error("signals about tokens of `{issuer}` may have been missed since {since}")]
    Gap {
        /// The token's issuer, shortened.
        issuer: String,
        /// Since when.
        since: UnixTime,
    },
    /// The companion was not heard from for too long.
    #[error("the state is from {fresh_at}, now {now}, at most {}s are allowed", .limit.as_secs())]
    Stale {
        /// The time of the last page.
        fresh_at: UnixTime,
        /// The time of the check.
        now: UnixTime,
        /// `max_staleness_secs`.
        limit: Duration,
    },
    /// The route watches what passes (`in_flight: cut`), and so many are watched already.
    #[error("{0} open requests are watched (`in_flight: cut`), and no more can be")]
    TooManyStreams(usize),
    /// The state table cannot be read.
    #[error("the state table cannot be read: {0}")]
    TableUnavailable(String),
}

impl Denial {
    /// The same about the credential in `slot`.
    pub(crate) fn in_slot(self, slot: Slot) -> Self {
        Self::InSlot { slot, cause: Box::new(self) }
    }
}
