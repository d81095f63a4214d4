//! What is asked of the companion, and how long the answer may take.

use std::fmt::Write as _;
use std::time::Duration;

use super::{ANSWER_GRACE, FeedRequest, HOST_GRACE, Outstanding, Replica, Step};
use crate::feed::{Cursor, gaps_version};
use crate::time::UnixTime;

impl Replica {
    /// Asks for what comes next, if nothing is under way and it is time.
    pub(super) fn poll(&mut self, now: UnixTime, step: &mut Step) {
        if self.outstanding.is_some() || self.pending.is_some() || now < self.next_poll {
            return;
        }
        let head = &self.writer.head;
        let after = Cursor { log: head.log.unwrap_or_default(), sequence: head.cursor };
        // Whoever is not up to date wants to know at once that there is nothing new.
        let wait =
            if self.settled && head.pass_started == 0 { self.config.wait } else { Duration::ZERO };
        let timeout = wait.saturating_add(ANSWER_GRACE);
        let mut path = format!("/v1/feed?wait={}s", wait.as_secs());
        if head.log.is_some() {
            let _infallible = write!(path, "&after={after}");
        }
        let gaps = gaps_version(&head.gaps);
        if gaps != 0 {
            let _infallible = write!(path, "&gaps={gaps:08x}");
        }
        path.push_str("&gateway=");
        push_encoded(&mut path, &self.config.gateway_name);
        let lost_at = now.plus(timeout).plus(HOST_GRACE);
        self.outstanding = Some(Outstanding { asked_at: now, lost_at, after, wait });
        step.request = Some(FeedRequest { path, timeout });
    }
}

/// Appends `text` percent-encoded (RFC 3986 §2.3: all but unreserved characters).
fn push_encoded(path: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _infallible = write!(path, "%{byte:02X}");
        }
    }
}
