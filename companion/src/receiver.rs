//! The life of one SET, pushed (RFC 8935) or polled (RFC 8936): from its bytes to the journal, or to
//! the code that says why not.
//!
//! # Order (signals.md F.1, F.2)
//!
//! 1. Pushed: the transmitter's token, in constant time, before anything of the SET is read.
//! 2. Pushed: size, media type.
//! 3. `iss`, before a key is chosen: a SET of another issuer is `invalid_issuer` whoever signed it.
//! 4. Signature; an unknown `kid` makes the keys be asked for once more.
//! 5. `aud` and everything else the SET says; whether this transmitter may say it. Polled: whether it
//!    came under its own `jti`. What is refused from here on is its transmitter's word, and stands in
//!    the audit trail before the transmitter hears the code ([`crate::audit`]).
//! 6. The journal: durable, visible to the feed, then `202`. A repeat is answered as the first time
//!    (RFC 8935 §2) and changes nothing; also when the transmitter's authority was narrowed since.
//!    What was accepted stays in force: to lift it is a decision of its own.
//!
//! It refuses to acknowledge what it cannot keep: a push is answered 503 with Retry-After, a polled
//! SET is left unanswered, and the transmitter tries again.

use std::sync::Arc;

use bytes::Bytes;
use rescind_core::authority::Authority;
use rescind_core::record::Record;
use rescind_core::set::{
    DEFAULT_SKEW, SecurityEventToken, SetError, SetExpectations, UnverifiedSet, VerifiedSet,
};
use rescind_core::subject::SubjectHasher;
use rescind_core::time::UnixTime;

use crate::audit::Audit;
use crate::authorization::Peer;
use crate::config::{Delivery, Transmitter};
use crate::journal::{Accepted, Journal, NewSet, Submit, WriteError};
use crate::keys::Keys;
use crate::metrics::{Counter, Metrics};
use crate::secret::TokenDigest;
use crate::stream::driver::{Stream, StreamRefusal};
use crate::stream::event;
use crate::unmatched::Reach;
use crate::verifier::RingVerifier;

/// Why a SET was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// For good: the transmitter hears the code.
    #[error("{0}")]
    Set(#[from] SetError),
    /// For good: polled under another name than its own (RFC 8936 §2.3).
    #[error("the SET's `jti` is not the name that it was delivered under")]
    Misnamed,
    /// For good: about the stream, and not true of it.
    #[error("{0}")]
    Stream(#[from] StreamRefusal),
    /// For now.
    #[error("{0}")]
    Write(#[from] WriteError),
    /// For now: the transmitter's keys were never read.
    #[error("the transmitter's keys are not known yet")]
    NoKeys,
}

impl Refusal {
    /// The code of RFC 8935 §2.4, if it is for good.
    pub(crate) const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Set(error) => Some(error.code()),
            Self::Misnamed => Some("invalid_request"),
            Self::Stream(refusal) => Some(refusal.code()),
            Self::Write(_) | Self::NoKeys => None,
        }
    }
}

/// What receives the SETs of one transmitter.
#[derive(Debug)]
pub(crate) struct Receiver {
    transmitter: Transmitter,
    keys: Arc<Keys>,
    peer: Arc<Peer>,
    stream: Arc<Stream>,
}

/// What all receivers share.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    hasher: SubjectHasher,
    journal: Arc<Journal>,
    submit: Submit,
    audit: Arc<Audit>,
    reach: Arc<Reach>,
    metrics: Arc<Metrics>,
}

impl Receiver {
    /// Receives the SETs of `transmitter` on `stream`, checked with `keys`; calls it through `peer`.
    pub(crate) const fn new(
        transmitter: Transmitter,
        keys: Arc<Keys>,
        peer: Arc<Peer>,
        stream: Arc<Stream>,
    ) -> Self {
        Self { transmitter, keys, peer, stream }
    }

    /// The transmitter's name: the last segment of its push endpoint.
    pub(crate) fn name(&self) -> &str {
        &self.transmitter.name
    }

    /// The transmitter's `iss`.
    pub(crate) fn issuer(&self) -> &str {
        &self.transmitter.issuer
    }

    /// Its transmitter, as configured.
    pub(crate) const fn transmitter(&self) -> &Transmitter {
        &self.transmitter
    }

    /// The transmitter, to be called.
    pub(crate) const fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Whose tokens it may speak about.
    pub(crate) fn token_issuers(&self) -> &[String] {
        &self.transmitter.authority.issuers
    }

    /// Its stream.
    pub(crate) const fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Its keys.
    pub(crate) const fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// How the transmitter's SETs come.
    pub(crate) const fn delivery(&self) -> &Delivery {
        &self.transmitter.delivery
    }

    /// Whether `token` is the one that the transmitter pushes with; nobody pushes where is polled.
    pub(crate) fn admits(&self, token: &TokenDigest) -> bool {
        match &self.transmitter.delivery {
            Delivery::Push(expected) => expected.matches(token),
            Delivery::Poll(_) => false,
        }
    }

    /// Takes the SET `body`; if it was polled, under the name `key`.
    pub(crate) async fn receive(
        &self,
        body: Bytes,
        key: Option<&str>,
        intake: &Intake,
        now: UnixTime,
    ) -> Result<Accepted, Refusal> {
        let outcome = self.try_receive(body, key, intake, now).await;
        if let Err(refusal) = &outcome {
            match refusal.code() {
                Some(code) => {
                    intake.metrics.count(Counter::SetsRefused);
                    intake.metrics.count(Counter::refusal(code));
                    tracing::warn!(
                        transmitter = self.name(), code, reason = %refusal, "SET refused"
                    );
                }
                None => intake.metrics.count(Counter::SetsUnavailable),
            }
        }
        outcome
    }

    async fn try_receive(
        &self,
        body: Bytes,
        key: Option<&str>,
        intake: &Intake,
        now: UnixTime,
    ) -> Result<Accepted, Refusal> {
        let expect = SetExpectations {
            issuer: &self.transmitter.issuer,
            audiences: &self.transmitter.audiences,
            algorithms: &self.transmitter.algorithms,
            now,
            skew: DEFAULT_SKEW,
            profile: self.transmitter.profile,
        };
        let token = body.trim_ascii();
        let audit = &intake.audit;
        let verified = match self.verify(token, &expect).await {
            Ok(verified) => verified,
            Err(refusal) => {
                audit.remember(self.name(), &body, &refusal, now);
                return Err(refusal);
            }
        };
        let raw = body.slice_ref(token);
        let outcome = match verified.accept(&expect) {
            Ok(set) if key.is_some_and(|key| key != set.jti) => Err(Refusal::Misnamed),
            Ok(set) => self.keep(&set, raw.clone(), intake, now).await,
            Err(error) => Err(error.into()),
        };
        if let Err(refusal) = &outcome {
            audit.refused(self.name(), &raw, refusal, &intake.metrics, now).await?;
        }
        outcome
    }

    /// Keeps a SET that passed every check but that of authority. What it says about the stream must
    /// be true of it; a repeat is accepted as the first time all the same.
    async fn keep(
        &self,
        set: &SecurityEventToken,
        raw: Bytes,
        intake: &Intake,
        now: UnixTime,
    ) -> Result<Accepted, Refusal> {
        let about = event::read(set, &raw);
        if let Some(Err(refusal)) = about.as_ref().map(|it| self.stream.judge(it, &set.subject)) {
            return intake.known(set).ok_or(refusal.into());
        }
        let authority = &self.transmitter.authority;
        let accepted = intake.keep(self.name(), set, raw, authority, now).await?;
        self.stream.received(now);
        if let Some(about) = about.filter(|_| accepted.new) {
            self.stream.apply(&about, now);
        }
        Ok(accepted)
    }

    /// The SET that `token` is, if its signature is by one of the transmitter's keys.
    async fn verify<'t>(
        &self,
        token: &'t [u8],
        expect: &SetExpectations<'_>,
    ) -> Result<VerifiedSet<'t>, Refusal> {
        let unverified = UnverifiedSet::parse(token, expect)?;
        if self.keys.current().is_none() {
            self.keys.have_any().await;
        }
        let keys = self.keys.current().ok_or(Refusal::NoKeys)?;
        match unverified.verify(&keys, &RingVerifier) {
            Err(SetError::UnknownKey { .. }) => {
                self.keys.refresh_for_unknown_kid().await;
                let keys = self.keys.current().ok_or(Refusal::NoKeys)?;
                Ok(unverified.verify(&keys, &RingVerifier)?)
            }
            other => Ok(other?),
        }
    }
}

impl Intake {
    /// The counters.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Hashes subjects with `subject_key` and keeps SETs in `journal` through `submit`.
    pub(crate) fn new(
        subject_key: [u8; 16],
        journal: Arc<Journal>,
        submit: Submit,
        reach: Reach,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (audit, reach) = (Arc::new(Audit::new(submit.clone())), Arc::new(reach));
        Self { hasher: SubjectHasher::new(subject_key), journal, submit, audit, reach, metrics }
    }

    /// Names subjects.
    pub(crate) const fn hasher(&self) -> &SubjectHasher {
        &self.hasher
    }

    /// What was refused.
    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Keeps a SET that passed every check but that of authority.
    pub(crate) async fn keep(
        &self,
        source: &str,
        set: &SecurityEventToken,
        raw: Bytes,
        authority: &Authority,
        now: UnixTime,
    ) -> Result<Accepted, Refusal> {
        let records: Vec<Record> = match rescind_core::event::records(set, authority, &self.hasher)
        {
            Ok(records) => records,
            Err(error) => return self.known(set).ok_or(error.into()),
        };
        let recorded_only = records.is_empty();
        let new = NewSet {
            signal: set.signal(),
            received_at: now,
            source: source.to_owned(),
            issuer: set.iss.clone(),
            jti: set.jti.clone(),
            raw: raw.clone(),
            records,
        };
        let accepted = self.submit.submit(new).await?;
        self.count(source, set, accepted, recorded_only);
        if let Some(reason) = self.reach.misses(set, authority).filter(|_| accepted.new) {
            self.metrics.count(Counter::SetsUnmatched);
            self.audit.unmatched(source, &raw, reason, &self.metrics, now).await;
        }
        Ok(accepted)
    }

    /// Keeps imported signals in one transaction. Says how many were new, and how many known.
    pub(crate) async fn keep_many(&self, sets: Vec<NewSet>) -> Result<(u64, u64), WriteError> {
        let (mut new, mut known) = (0_u64, 0_u64);
        for accepted in self.submit.submit_many(sets).await? {
            let (counter, number) = match accepted.new {
                true => (Counter::SetsAccepted, &mut new),
                false => (Counter::SetsDuplicate, &mut known),
            };
            self.metrics.count(counter);
            *number = number.saturating_add(1);
        }
        Ok((new, known))
    }

    /// A SET that was accepted when this transmitter could say more than it can today.
    fn known(&self, set: &SecurityEventToken) -> Option<Accepted> {
        let sequence = self.journal.sequence(&set.signal()).ok()??;
        self.metrics.count(Counter::SetsDuplicate);
        Some(Accepted { sequence, new: false })
    }

    fn count(&self, source: &str, set: &SecurityEventToken, accepted: Accepted, recorded: bool) {
        let outcome = if accepted.new { Counter::SetsAccepted } else { Counter::SetsDuplicate };
        self.metrics.count(outcome);
        if accepted.new && recorded {
            self.metrics.count(Counter::SetsRecorded);
        }
        tracing::debug!(
            source, signal = %set.signal(), event = set.event_name(),
            sequence = accepted.sequence, new = accepted.new, "SET accepted"
        );
    }
}
