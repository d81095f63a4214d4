//! Bodies that are held back until they are whole, and compared with what their headers said.
//!
//! The host holds them: this only knows for which requests, and what each has to say. A request whose body was refused
//! stays known until it ends, so that nothing more of it goes on.

use std::collections::BTreeMap;

use rescind_core::mcp::body::{Announced, BodyError};
use rescind_core::verdict::Denial;

use crate::host::{self, Buffer, Status};

/// The most bodies that one worker waits for: what is known of each takes some two kilobytes at most, so this is 8 MiB.
pub(crate) const MAX_HELD: usize = 4096;

/// What is known of the requests whose bodies are held.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    held: BTreeMap<u32, Held>,
}

#[derive(Debug)]
enum Held {
    /// It has to say this.
    Awaited(Announced),
    /// It must not go on.
    Refused,
}

/// What becomes of what has come so far.
#[derive(Debug)]
pub(crate) enum Judged {
    /// It is nobody's business here.
    Unasked,
    /// It says what it has to say.
    Good,
    /// It is held.
    Held,
    /// It does not go on, and the request is to be answered.
    Refused(Denial),
}

impl Bodies {
    /// From now on the body of `request` is held. Without any, it is compared at once.
    pub(crate) fn hold(
        &mut self,
        request: u32,
        announced: Announced,
        ends: bool,
    ) -> Result<(), Denial> {
        if ends {
            return announced.check(&[]).map_err(Denial::Body);
        }
        if self.held.len() >= MAX_HELD {
            return Err(Denial::TooManyBodies(MAX_HELD));
        }
        self.held.insert(request, Held::Awaited(announced));
        Ok(())
    }

    /// Of the body of `request`, `size` bytes are there, if the host says how many; whether they are all.
    pub(crate) fn judge(
        &mut self,
        request: u32,
        size: Option<usize>,
        is_whole: bool,
        limit: usize,
    ) -> Judged {
        let announced = match self.held.get(&request) {
            None => return Judged::Unasked,
            Some(Held::Refused) => return Judged::Held,
            Some(Held::Awaited(announced)) => announced,
        };
        let too_long = Err(Denial::Body(BodyError::TooLong { limit }));
        let verdict = match size {
            Some(size) if size > limit => too_long,
            _ if !is_whole => return Judged::Held,
            // One byte more than is read shows that there are more.
            size => match host::buffer(Buffer::RequestBody, limit.saturating_add(1)) {
                Ok(body) if body.len() > limit => too_long,
                Ok(body) if size.is_some_and(|size| size != body.len()) => {
                    Err(Denial::Unreadable { what: "the whole body", status: 0 })
                }
                Ok(body) => announced.check(&body).map_err(Denial::Body),
                Err(Status::NOT_FOUND) => announced.check(&[]).map_err(Denial::Body),
                Err(status) => Err(Denial::Unreadable { what: "the body", status: status.0 }),
            },
        };
        match verdict {
            Ok(()) => {
                self.held.remove(&request);
                Judged::Good
            }
            Err(denial) => {
                self.held.insert(request, Held::Refused);
                Judged::Refused(denial)
            }
        }
    }

    /// The request has ended.
    pub(crate) fn forget(&mut self, request: u32) {
        self.held.remove(&request);
    }
}

#[cfg(test)]
mod tests;
