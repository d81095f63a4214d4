//! What the operator can do with a stream: one call of the transmitter's API each.

use hyper::Method;
use serde_json::{Value, json};

use super::configuration::{self, Configuration};
use super::{ApiAnswer, ApiError, Manager, Phase, Status, read_status, with_id};

/// What the operator wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Have a stream (again).
    Add,
    /// Ask for a verification now.
    Verify,
    /// Read the status.
    Status,
    /// Pause, resume or disable it.
    Set(Status),
    /// Bring what this side wants to the transmitter (`PATCH`).
    Update,
    /// The same, and nothing else (`PUT`).
    Replace,
    /// Delete it, and do not create it again.
    Delete,
    /// Add a subject.
    AddSubject(Value),
    /// Remove one.
    RemoveSubject(Value),
}

impl Manager {
    /// The call that does what `command` says; nothing if no call is needed.
    pub(crate) fn command(
        &self,
        command: &Command,
        push_token: Option<&str>,
    ) -> Result<Option<(Method, String, Option<Value>)>, ApiError> {
        let endpoint =
            |found: &Option<String>, name| found.clone().ok_or(ApiError::NoEndpoint(name));
        let known = &self.metadata;
        let id = || {
            let wrong = || ApiError::Answer("there is no stream at present".to_owned());
            self.stored.id.clone().ok_or_else(wrong)
        };
        let change = |method| {
            let id = id()?;
            let body = configuration::request(&self.settings, Some(&id), push_token);
            let url = endpoint(&known.configuration, "configuration_endpoint")?;
            Ok(Some((method, url, Some(body))))
        };
        match command {
            Command::Add | Command::Verify => Ok(None),
            Command::Status => {
                let url = endpoint(&known.status, "status_endpoint")?;
                Ok(Some((Method::GET, with_id(&url, &id()?), None)))
            }
            Command::Set(status) => {
                let body = json!({ "stream_id": id()?, "status": status.name() });
                Ok(Some((Method::POST, endpoint(&known.status, "status_endpoint")?, Some(body))))
            }
            Command::Update => change(Method::PATCH),
            Command::Replace => change(Method::PUT),
            Command::Delete => {
                let Ok(id) = id() else { return Ok(None) };
                let url = endpoint(&known.configuration, "configuration_endpoint")?;
                Ok(Some((Method::DELETE, with_id(&url, &id), None)))
            }
            Command::AddSubject(subject) => {
                let body = json!({ "stream_id": id()?, "subject": subject });
                let url = endpoint(&known.add_subject, "add_subject_endpoint")?;
                Ok(Some((Method::POST, url, Some(body))))
            }
            Command::RemoveSubject(subject) => {
                let body = json!({ "stream_id": id()?, "subject": subject });
                let url = endpoint(&known.remove_subject, "remove_subject_endpoint")?;
                Ok(Some((Method::POST, url, Some(body))))
            }
        }
    }

    /// Takes the answer; says the status if it tells one.
    pub(crate) fn commanded(
        &mut self,
        command: &Command,
        answer: Option<&ApiAnswer>,
        now: rescind_core::time::UnixTime,
    ) -> Result<Option<Status>, ApiError> {
        let good = |statuses: &[u16]| match answer {
            Some(answer) if !statuses.contains(&answer.status) => {
                Err(ApiError::Status(answer.status))
            }
            _ => Ok(()),
        };
        match command {
            Command::Add => {
                if self.phase == Phase::Deleted {
                    self.phase = Phase::Find;
                }
                self.stored.deleted = false;
                self.next = now;
                Ok(None)
            }
            Command::Verify => {
                self.wanted = true;
                Ok(None)
            }
            Command::Status => {
                good(&[200])?;
                let status = answer.map(|answer| read_status(&answer.body)).transpose()?;
                Ok(status)
            }
            Command::Set(status) => {
                good(&[200, 202])?;
                // 202: not decided yet; reading the status will tell.
                let done = answer.is_some_and(|answer| answer.status == 200);
                Ok(done.then_some(*status))
            }
            Command::Update | Command::Replace => {
                good(&[200, 202])?;
                if let Some(answer) = answer.filter(|answer| answer.status == 200) {
                    self.configuration = Some(Configuration::read(&answer.body, &self.settings)?);
                }
                Ok(None)
            }
            Command::Delete => {
                good(&[204, 200, 404])?;
                self.stored = super::Stored { id: None, deleted: true };
                self.configuration = None;
                self.phase = Phase::Deleted;
                Ok(None)
            }
            Command::AddSubject(_) => good(&[200, 201, 204]).map(|()| None),
            Command::RemoveSubject(_) => good(&[204, 200]).map(|()| None),
        }
    }
}
