//! `POST /v1/import`: a part of a file with signals, for the operator.
//!
//! The body is lines as `rescind import` reads them, under the line that names the columns where there
//! is one; `format`, `at` (seconds) and `keep_going` are the command's. The answer says how many were
//! new or known, and what is wrong with which line (counted from 1). At the first wrong line it ends,
//! unless `keep_going` is `true`; what stands before it is kept.

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use rescind_core::time::UnixTime;
use serde_json::{Value, json};

use super::{Service, parameter};
use crate::body::read_up_to;
use crate::import::reader::{Readable, Reader};
use crate::import::sets::Source;
use crate::import::{Format, MAX_PART_BYTES, MAX_PART_LINES};
use crate::journal::NewSet;
use crate::reply::{self, Reply};

impl Service {
    /// Keeps the signals of a part of a file.
    pub(super) async fn import(&self, request: Request<Incoming>) -> Reply {
        if !self.is_operator(request.headers()) {
            return reply::unauthorized();
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        let format = parameter(&query, "format").map(|name| Format::from_name(name).ok_or(()));
        let at = parameter(&query, "at").map(|at| at.parse().map(UnixTime::from_secs));
        let (Ok(format), Ok(at)) = (format.transpose(), at.transpose()) else {
            let wrong = "`format` is none of sets, ndjson, csv, or `at` is no number of seconds";
            return reply::problem(StatusCode::BAD_REQUEST, wrong);
        };
        let keep_going = parameter(&query, "keep_going") == Some("true");
        let body = match read_up_to(MAX_PART_BYTES, request).await {
            Ok(body) => body,
            Err(status) => return reply::problem(status, reply::body_problem(status)),
        };
        let Ok(text) = std::str::from_utf8(&body) else {
            return reply::problem(StatusCode::BAD_REQUEST, "the body is not UTF-8");
        };
        if text.lines().count() > MAX_PART_LINES {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return reply::problem(status, &format!("more than {MAX_PART_LINES} lines"));
        }
        for receiver in &self.receivers {
            receiver.keys().have_any().await;
        }
        // Some hundred signature checks are not done between other requests.
        let (sets, wrong) =
            tokio::task::block_in_place(|| self.read_lines(text, format, at, keep_going));
        match self.intake.keep_many(sets).await {
            Ok((new, known)) => {
                reply::json(StatusCode::OK, &json!({ "new": new, "known": known, "wrong": wrong }))
            }
            Err(error) => reply::unavailable(&error.to_string()),
        }
    }

    fn read_lines(
        &self,
        text: &str,
        format: Option<Format>,
        at: Option<UnixTime>,
        keep_going: bool,
    ) -> (Vec<NewSet>, Vec<Value>) {
        let sources = self
            .receivers
            .iter()
            .map(|receiver| Source::with(receiver.transmitter(), receiver.keys().current()));
        let readable = Readable {
            identity: self.identity.as_ref(),
            hasher: self.intake.hasher(),
            sources: sources.collect(),
            at,
            now: crate::clock::now(),
        };
        let mut reader = Reader::new(readable, format);
        let (mut sets, mut wrong) = (Vec::new(), Vec::new());
        for (number, line) in (1_u64..).zip(text.lines()) {
            match reader.line(line) {
                Ok(set) => sets.extend(set),
                Err(cause) => {
                    wrong.push(json!({ "line": number, "wrong": cause }));
                    if !keep_going || reader.lacks_header() {
                        break;
                    }
                }
            }
        }
        (sets, wrong)
    }
}
