//! One stream of a transmitter, managed as SSF 1.0 §8 has it: which call is due, and what its answer
//! means. [`driver`] makes the calls; time and randomness are arguments here.
//!
//! # Life of a stream
//!
//! Metadata, then the list of streams: one that is delivered to us is used (and brought up to date),
//! else one is created. A stream whose `iss` or `aud` is not ours is deleted if we made it, and never
//! used. From then on its status is read and a verification asked for, again and again: that is
//! also what keeps a push stream alive (`inactivity_timeout` is not restarted by pushes). A stream
//! that the transmitter does not know any more is looked for and created again.
//!
//! Whether the stream can be relied on is [`health`]'s question. The operator's calls
//! ([`Command`]) go beside this.

use std::time::Duration;

use hyper::Method;
use rescind_core::back_off::jittered;
use rescind_core::time::UnixTime;
use serde_json::json;

use crate::poll::{MAX_RETRY_AFTER, pause};

mod call;
mod command;
pub(crate) mod configuration;
pub(crate) mod driver;
pub(crate) mod event;
pub(crate) mod health;
pub(crate) mod metadata;
#[cfg(test)]
mod tests;

pub(crate) use call::{ApiAnswer, ApiCall, ApiError, Next, Notice, Purpose};
pub(crate) use command::Command;
use configuration::{Configuration, Wanted};
use metadata::Metadata;

/// The first and the longest pause after failures; an API is not asked every second.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(120));
/// After a stream that is not ours: the conformance suite watches for a minute.
const FOREIGN_PAUSE: Duration = Duration::from_secs(600);
/// After so many failures in a row the metadata is read again: endpoints may have moved.
const REDISCOVER: u32 = 3;

/// What is wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Settings {
    /// The transmitter's name in the configuration.
    pub(crate) name: String,
    /// The transmitter's issuer.
    pub(crate) issuer: String,
    /// Our names.
    pub(crate) audiences: Vec<String>,
    /// Where its metadata is.
    pub(crate) metadata_url: String,
    /// How the SETs shall come.
    pub(crate) wanted: Wanted,
    /// `events_requested`
    pub(crate) events: Vec<String>,
    /// `description`: by it our stream is found among others.
    pub(crate) description: String,
    /// How often a verification is asked for.
    pub(crate) verify_every: Duration,
}

/// What outlives a restart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stored {
    /// `stream_id`
    pub(crate) id: Option<String>,
    /// The operator deleted the stream; it is not created again until he wants it.
    pub(crate) deleted: bool,
}

/// A stream's status (SSF 1.0 §8.1.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    /// Events are sent.
    Enabled,
    /// Events are held, or not.
    Paused,
    /// Events are dropped.
    Disabled,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Discover,
    Find,
    Create,
    Update,
    Discard,
    Ready,
    Deleted,
}

/// The stream of one transmitter.
#[derive(Debug)]
pub(crate) struct Manager {
    settings: Settings,
    phase: Phase,
    metadata: Metadata,
    stored: Stored,
    configuration: Option<Configuration>,
    next: UnixTime,
    status_due: UnixTime,
    verify_due: UnixTime,
    asked: Option<UnixTime>,
    /// The operator has wanted a verification since the last one was asked for.
    wanted: bool,
    failures: u32,
    /// The transmitter has said that it allows only the streams that it has.
    occupied: bool,
    discard: Option<String>,
}

impl Manager {
    /// A stream as `stored` before the start.
    pub(crate) fn new(settings: Settings, stored: Stored) -> Self {
        Self {
            settings,
            phase: Phase::Discover,
            metadata: Metadata::default(),
            stored,
            configuration: None,
            next: UnixTime::EPOCH,
            status_due: UnixTime::EPOCH,
            verify_due: UnixTime::EPOCH,
            asked: None,
            wanted: false,
            failures: 0,
            occupied: false,
            discard: None,
        }
    }

    /// What must outlive a restart.
    pub(crate) const fn stored(&self) -> &Stored {
        &self.stored
    }

    /// The stream, while it is used.
    pub(crate) const fn configuration(&self) -> Option<&Configuration> {
        self.configuration.as_ref()
    }

    /// Asks for a verification as soon as the transmitter allows it.
    pub(crate) fn verify_soon(&mut self, now: UnixTime) {
        let least = self.configuration.as_ref().map(|found| found.min_verification_interval);
        let earliest = self.asked.map_or(now, |asked| asked.plus(least.unwrap_or_default()));
        self.verify_due = self.verify_due.min(earliest.max(now));
    }

    /// The call that is due. `push_token` is what the transmitter shall show, `state` what a
    /// verification shall carry.
    pub(crate) fn next(&mut self, push_token: Option<&str>, state: &str, now: UnixTime) -> Next {
        let next = self.due(push_token, state, now);
        if matches!(&next, Next::Call(ApiCall { purpose: Purpose::Verify, .. })) {
            self.wanted = false;
        }
        next
    }

    fn due(&self, push_token: Option<&str>, state: &str, now: UnixTime) -> Next {
        if self.phase == Phase::Deleted && self.discard.is_none() {
            return Next::Wait(now.plus(FOREIGN_PAUSE));
        }
        if now < self.next {
            return Next::Wait(self.next);
        }
        let settings = &self.settings;
        let endpoint = self.metadata.configuration.clone().unwrap_or_default();
        let call = |purpose, method, url, body| Next::Call(ApiCall { purpose, method, url, body });
        match (self.phase, &self.stored.id) {
            (Phase::Discover, _) => {
                call(Purpose::Metadata, Method::GET, settings.metadata_url.clone(), None)
            }
            (Phase::Find, Some(id)) => {
                call(Purpose::Read, Method::GET, with_id(&endpoint, id), None)
            }
            (Phase::Find, None) => call(Purpose::List, Method::GET, endpoint, None),
            (Phase::Update, Some(id)) => {
                let body = configuration::request(settings, Some(id), push_token);
                call(Purpose::Update, Method::PATCH, endpoint, Some(body))
            }
            (Phase::Create | Phase::Update, _) => {
                let body = configuration::request(settings, None, push_token);
                call(Purpose::Create, Method::POST, endpoint, Some(body))
            }
            (Phase::Discard | Phase::Deleted, _) => {
                let id = self.discard.clone().unwrap_or_default();
                call(Purpose::Discard, Method::DELETE, with_id(&endpoint, &id), None)
            }
            (Phase::Ready, id) => self.tend(&id.clone().unwrap_or_default(), state, now),
        }
    }

    /// What a stream in use needs: its status and verifications, as far as they are offered.
    fn tend(&self, id: &str, state: &str, now: UnixTime) -> Next {
        let (purpose, method, url, body) = if (self.wanted || now >= self.verify_due)
            && let Some(url) = &self.metadata.verification
        {
            let body = json!({ "stream_id": id, "state": state });
            (Purpose::Verify, Method::POST, url.clone(), Some(body))
        } else if now >= self.status_due
            && let Some(url) = &self.metadata.status
        {
            (Purpose::Status, Method::GET, with_id(url, id), None)
        } else if now >= self.status_due && self.metadata.status.is_none() {
            let endpoint = self.metadata.configuration.clone().unwrap_or_default();
            (Purpose::Read, Method::GET, with_id(&endpoint, id), None)
        } else {
            let verify = self.metadata.verification.as_ref().map(|_| self.verify_due);
            return Next::Wait(verify.unwrap_or(self.status_due).min(self.status_due));
        };
        Next::Call(ApiCall { purpose, method, url, body })
    }

    /// Takes the answer to the call for `purpose`.
    pub(crate) fn handle(
        &mut self,
        purpose: Purpose,
        answer: Result<ApiAnswer, ApiError>,
        now: UnixTime,
        seed: u64,
    ) -> Vec<Notice> {
        if self.phase == Phase::Deleted {
            // The operator deleted the stream while the call was under way: what it made goes too.
            self.discard = match (purpose, answer) {
                (Purpose::Create, Ok(answer)) => stream_id(&answer.body),
                _ => None,
            };
            return Vec::new();
        }
        let retry_after = answer.as_ref().ok().and_then(|answer| answer.retry_after);
        let outcome = answer.and_then(|answer| self.take(purpose, &answer, now, seed));
        match outcome {
            Ok(notices) => {
                self.failures = 0;
                notices
            }
            Err(error) => vec![self.fail(purpose, error, retry_after, now, seed)],
        }
    }

    fn take(
        &mut self,
        purpose: Purpose,
        answer: &ApiAnswer,
        now: UnixTime,
        seed: u64,
    ) -> Result<Vec<Notice>, ApiError> {
        let good = |statuses: &[u16]| {
            if statuses.contains(&answer.status) {
                Ok(())
            } else {
                Err(ApiError::Status(answer.status))
            }
        };
        match purpose {
            Purpose::Metadata => {
                good(&[200])?;
                let Settings { issuer, metadata_url, .. } = &self.settings;
                self.metadata = Metadata::read(&answer.body, issuer, metadata_url)?;
                if self.metadata.configuration.is_none() {
                    return Err(ApiError::NoEndpoint("configuration_endpoint"));
                }
                self.phase = if self.stored.deleted { Phase::Deleted } else { Phase::Find };
                Ok(vec![Notice::Answered])
            }
            Purpose::Read if answer.status == 404 => Ok(self.lose(now)),
            Purpose::Read => {
                good(&[200])?;
                let found = Configuration::read(&answer.body, &self.settings)?;
                Ok(self.adopt(found, now))
            }
            Purpose::List => {
                if answer.status != 404 {
                    good(&[200])?;
                }
                let found = match answer.status {
                    404 => Vec::new(),
                    _ => Configuration::read_list(&answer.body, &self.settings)?,
                };
                match self.ours(found) {
                    Some(found) => Ok(self.adopt(found, now)),
                    None if self.occupied => Err(ApiError::Occupied),
                    None => {
                        self.phase = Phase::Create;
                        Ok(vec![Notice::Answered])
                    }
                }
            }
            Purpose::Create if answer.status == 409 => {
                (self.occupied, self.phase) = (true, Phase::Find);
                Ok(vec![Notice::Answered])
            }
            Purpose::Create => {
                good(&[200, 201])?;
                let found = Configuration::read(&answer.body, &self.settings);
                if let Err(ApiError::Foreign(_)) = &found {
                    self.discard = stream_id(&answer.body);
                }
                Ok(self.use_stream(found?, true, now))
            }
            Purpose::Update => Ok(self.updated(answer, now)),
            Purpose::Discard => {
                // Whatever it answers: the stream is not used.
                self.discard = None;
                (self.phase, self.next) = (Phase::Find, now.plus(FOREIGN_PAUSE));
                Ok(Vec::new())
            }
            Purpose::Status | Purpose::Verify if answer.status == 404 => Ok(self.lose(now)),
            Purpose::Status => {
                good(&[200])?;
                let status = read_status(&answer.body)?;
                self.status_due = now.plus(self.status_every(seed));
                Ok(vec![Notice::Status(status), Notice::Answered])
            }
            Purpose::Verify => {
                good(&[200, 202, 204])?;
                self.asked = Some(now);
                let least = self.configuration.as_ref().map(|c| c.min_verification_interval);
                let pause = jittered(self.settings.verify_every, seed);
                self.verify_due = now.plus(pause.max(least.unwrap_or_default()));
                Ok(vec![Notice::Asked, Notice::Answered])
            }
        }
    }

    fn fail(
        &mut self,
        purpose: Purpose,
        error: ApiError,
        retry_after: Option<Duration>,
        now: UnixTime,
        seed: u64,
    ) -> Notice {
        self.failures = self.failures.saturating_add(1);
        let failures = self.failures;
        let least = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        let wait = pause(failures, BACK_OFF, seed).max(least);
        if let ApiError::Foreign(_) = &error {
            self.configuration = None;
            self.stored.id = None;
            self.phase = if self.discard.is_some() { Phase::Discard } else { Phase::Discover };
            let wait = if self.discard.is_some() { Duration::ZERO } else { FOREIGN_PAUSE };
            self.next = now.plus(wait);
        } else if purpose == Purpose::Verify {
            // Asked too often, perhaps: the status is still read meanwhile.
            self.verify_due = now.plus(wait);
        } else {
            if failures.is_multiple_of(REDISCOVER) && self.phase != Phase::Ready {
                self.phase = Phase::Discover;
            }
            self.occupied = false;
            if self.phase == Phase::Create {
                // The list says whether it was created despite the error.
                self.phase = Phase::Find;
            }
            self.next = now.plus(wait);
            self.status_due = self.status_due.max(self.next);
        }
        Notice::Failed { purpose, error, failures }
    }

    /// The one of `found` that is delivered to us. Of those that are polled any could be another
    /// receiver's, whose events would be taken from it: the description decides, or that there is
    /// no other and none can be made.
    fn ours(&self, mut found: Vec<Configuration>) -> Option<Configuration> {
        let (wanted, description) = (&self.settings.wanted, Some(&self.settings.description));
        found.retain(|stream| stream.is_delivered_as(wanted) || self.occupied);
        let certain = found.iter().position(|stream| match wanted {
            Wanted::Push { .. } => stream.is_delivered_as(wanted),
            Wanted::Poll => stream.polled && stream.description.as_ref() == description,
        });
        match certain {
            Some(at) => Some(found.swap_remove(at)),
            None if self.occupied && found.len() == 1 => found.pop(),
            None => None,
        }
    }

    fn adopt(&mut self, found: Configuration, now: UnixTime) -> Vec<Notice> {
        let fits = found.is_delivered_as(&self.settings.wanted)
            && found.is_requested_as(&self.settings.events);
        if self.phase == Phase::Ready {
            self.status_due = now.plus(self.settings.verify_every);
            self.configuration = Some(found);
            return vec![Notice::Answered];
        }
        if fits {
            return self.use_stream(found, false, now);
        }
        self.stored.id = Some(found.id.clone());
        self.configuration = Some(found);
        self.phase = Phase::Update;
        vec![Notice::Answered]
    }

    fn updated(&mut self, answer: &ApiAnswer, now: UnixTime) -> Vec<Notice> {
        let old = self.configuration.take();
        let new = match answer.status {
            200 => Configuration::read(&answer.body, &self.settings),
            status => Err(ApiError::Status(status)),
        };
        match (new, old) {
            (Ok(new), _) => self.use_stream(new, false, now),
            (Err(error), Some(old)) if old.is_delivered_as(&self.settings.wanted) => {
                let mut notices = vec![Notice::NotUpdated(error)];
                notices.extend(self.use_stream(old, false, now));
                notices
            }
            (Err(error), old) => {
                self.configuration = old;
                self.next = now.plus(BACK_OFF.1);
                vec![Notice::Failed { purpose: Purpose::Update, error, failures: 1 }]
            }
        }
    }

    fn use_stream(&mut self, found: Configuration, created: bool, now: UnixTime) -> Vec<Notice> {
        self.stored.id = Some(found.id.clone());
        self.configuration = Some(found);
        self.phase = Phase::Ready;
        (self.next, self.occupied) = (now, false);
        (self.status_due, self.verify_due) = (now, now);
        vec![Notice::Using { created }, Notice::Answered]
    }

    fn lose(&mut self, now: UnixTime) -> Vec<Notice> {
        self.stored.id = None;
        self.configuration = None;
        (self.phase, self.next) = (Phase::Find, now);
        vec![Notice::Lost]
    }

    fn status_every(&self, seed: u64) -> Duration {
        let inactivity = self.configuration.as_ref().and_then(|found| found.inactivity_timeout);
        let half = inactivity.map(|timeout| timeout.checked_div(2).unwrap_or_default());
        let every = self.settings.verify_every.min(half.unwrap_or(Duration::MAX));
        jittered(every, seed).max(Duration::from_millis(500))
    }
}

impl Status {
    /// The status with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Enabled, Self::Paused, Self::Disabled].into_iter().find(|s| s.name() == name)
    }

    /// Its name (SSF 1.0 §8.1.2).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

fn read_status(body: &[u8]) -> Result<Status, ApiError> {
    let value = rescind_core::json::parse(body, &rescind_core::json::Limits::TOKEN).ok();
    let status = value.as_ref().and_then(|value| value.as_object()?.get("status")?.as_str());
    status
        .and_then(Status::from_name)
        .ok_or_else(|| ApiError::Answer("the answer has no known `status`".to_owned()))
}

fn stream_id(body: &[u8]) -> Option<String> {
    let value = rescind_core::json::parse(body, &rescind_core::json::Limits::TOKEN).ok()?;
    value.as_object()?.get("stream_id")?.as_str().map(str::to_owned)
}

/// `url` with the stream's id in its query, escaped.
fn with_id(url: &str, id: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}stream_id={}", crate::authorization::oauth::encoded(id))
}
