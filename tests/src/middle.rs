//! A man in the middle between the gateway and the companion.
//!
//! He relays honestly until told otherwise. He shortens long polls to [`WAIT`], so that a change of
//! mind takes effect within that time; everything else about a relayed exchange is untouched.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::http::{self, Answer, Message, Request, Server};

/// The longest wait he asks of the companion.
const WAIT: &str = "1s";

/// What he does to the companion's answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Mischief {
    /// Nothing.
    None,
    /// Answers 200 with bytes that are no page.
    Garbage,
    /// Promises the whole page, sends half of it and hangs up.
    Truncate,
    /// Sends half of the page as if it were whole.
    CutShort,
    /// Flips one bit of the page's signature.
    FlipSignature,
    /// Flips one bit of the signed payload.
    FlipPayload,
    /// Answers everything with the page remembered by [`Middle::remember`].
    Replay,
    /// Asks for what comes one sequence later than the gateway asked: a hole in the log.
    Skip,
    /// Never answers.
    Stall,
    /// Hangs up at once.
    Refuse,
    /// Answers 500.
    Fail,
}

#[derive(Debug)]
struct State {
    mischief: Mischief,
    last: Option<Message>,
    remembered: Option<Message>,
}

/// The man in the middle.
#[derive(Debug)]
pub struct Middle {
    state: Arc<Mutex<State>>,
    relayed: Arc<AtomicU64>,
    spoilt: Arc<AtomicU64>,
    server: Server,
}

impl Middle {
    /// Relays to a companion on this port.
    #[must_use]
    pub fn start(companion: u16) -> Self {
        let state = State { mischief: Mischief::None, last: None, remembered: None };
        let state = Arc::new(Mutex::new(state));
        let (relayed, spoilt) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (shared, honest, wrong) =
            (Arc::clone(&state), Arc::clone(&relayed), Arc::clone(&spoilt));
        let server = Server::start(move |request| {
            let answer = exchange(&shared, companion, request);
            let kept_faith = shared.lock().unwrap().mischief == Mischief::None;
            if kept_faith { &honest } else { &wrong }.fetch_add(1, Ordering::Relaxed);
            answer
        });
        Self { state, relayed, spoilt, server }
    }

    /// Where he listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// What to do from now on.
    pub fn set(&self, mischief: Mischief) {
        self.state.lock().unwrap().mischief = mischief;
    }

    /// Keeps the last page relayed, for [`Mischief::Replay`].
    ///
    /// # Panics
    ///
    /// When none was relayed yet.
    pub fn remember(&self) {
        let mut state = self.state.lock().unwrap();
        assert!(state.last.is_some(), "no page was relayed yet");
        state.remembered = state.last.clone();
    }

    /// How many answers he relayed honestly.
    #[must_use]
    pub fn relayed(&self) -> u64 {
        self.relayed.load(Ordering::Relaxed)
    }

    /// How many answers he spoilt.
    #[must_use]
    pub fn spoilt(&self) -> u64 {
        self.spoilt.load(Ordering::Relaxed)
    }
}

fn exchange(state: &Mutex<State>, companion: u16, request: &Message) -> Answer {
    let before = state.lock().unwrap().mischief;
    match before {
        Mischief::Refuse => return Answer::Close,
        Mischief::Stall => return Answer::Stall,
        Mischief::Fail => return Answer::status(500, "text/plain", "no"),
        Mischief::Garbage => return Answer::ok("application/cbor", vec![0xa5; 300]),
        Mischief::Replay => {
            let remembered = state.lock().unwrap().remembered.clone().expect("remember first");
            return respond(remembered);
        }
        _ => {}
    }
    let target = retarget(request.target(), before == Mischief::Skip);
    let mut relayed = Request::get(&target);
    for name in ["authorization", "accept"] {
        if let Some(value) = request.header(name) {
            relayed = relayed.header(name, value);
        }
    }
    let Ok(mut response) = http::send(companion, &relayed) else { return Answer::Close };
    let mut state = state.lock().unwrap();
    match state.mischief {
        Mischief::Truncate => return Answer::Truncate(media_type(&response), response.body),
        Mischief::CutShort => response.body.truncate(response.body.len() / 2),
        // The signature is the page's end, the payload its middle.
        Mischief::FlipSignature => flip(response.body.last_mut()),
        Mischief::FlipPayload => {
            let middle = response.body.len() / 2;
            flip(response.body.get_mut(middle));
        }
        Mischief::Garbage | Mischief::Refuse | Mischief::Stall | Mischief::Fail => {
            return Answer::Close;
        }
        Mischief::None | Mischief::Skip | Mischief::Replay => state.last = Some(response.clone()),
    }
    respond(response)
}

fn respond(message: Message) -> Answer {
    Answer::Respond(message.status(), media_type(&message), message.body)
}

fn media_type(message: &Message) -> Vec<(String, String)> {
    let media_type = message.header("content-type").unwrap_or("application/cbor");
    vec![("content-type".to_owned(), media_type.to_owned())]
}

fn flip(byte: Option<&mut u8>) {
    if let Some(byte) = byte {
        *byte ^= 1;
    }
}

/// The same feed request with a short wait and, to skip, a cursor one further.
fn retarget(target: &str, skip: bool) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some(("wait", _)) => format!("wait={WAIT}"),
        Some(("after", cursor)) if skip => format!("after={}", one_further(cursor)),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn one_further(cursor: &str) -> String {
    let advanced = cursor
        .rsplit_once('.')
        .and_then(|(log, sequence)| Some(format!("{log}.{}", sequence.parse::<u64>().ok()? + 1)));
    advanced.unwrap_or_else(|| cursor.to_owned())
}
