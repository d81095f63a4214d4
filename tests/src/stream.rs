//! The transmitter's API for its stream (SSF 1.0 §7 and §8): metadata, one stream that it pushes,
//! its status, and verifications that come, do not come, or come with a state that nobody asked for.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::http::{self, Answer, Message, Request, Server};
use crate::issuer::{Key, now};
use crate::transmitter::{AUDIENCE, Transmitter};

/// The stream's name.
const STREAM_ID: &str = "stream-1";

/// What becomes of a verification that the receiver asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verification {
    /// It comes.
    Comes,
    /// Nothing comes: events may be lost on the same way.
    Silent,
    /// It comes with a state that was not asked for.
    WrongState,
}

#[derive(Debug)]
struct State {
    verification: Verification,
    status: &'static str,
    sent: u64,
    /// What the pushes of verifications were answered: the code of RFC 8935, or nothing for 202.
    answers: Vec<Option<String>>,
}

#[derive(Debug)]
struct Sender {
    name: String,
    issuer: String,
    push_token: String,
    key: Key,
    companion: u16,
    state: Mutex<State>,
}

/// The API, on loopback.
#[derive(Debug)]
pub struct StreamApi {
    server: Server,
    sender: Arc<Sender>,
}

impl StreamApi {
    /// The API of `transmitter`, which pushes to the companion on this port.
    #[must_use]
    pub fn start(transmitter: &Transmitter, companion: u16) -> Self {
        let state = State {
            verification: Verification::Comes,
            status: "enabled",
            sent: 0,
            answers: Vec::new(),
        };
        let sender = Arc::new(Sender {
            name: transmitter.name.clone(),
            issuer: transmitter.issuer.clone(),
            push_token: transmitter.push_token.clone(),
            key: transmitter.key.clone(),
            companion,
            state: Mutex::new(state),
        });
        let answering = Arc::clone(&sender);
        let server = Server::start(move |request| answering.answer(request));
        Self { server, sender }
    }

    /// What makes the companion manage this stream: the end of its transmitter's section.
    #[must_use]
    pub fn section(&self) -> String {
        let (port, companion) = (self.server.port, self.sender.companion);
        format!(
            "gap_after_secs = 1\n\n[transmitters.stream]\n\
             metadata_url = \"http://127.0.0.1:{port}/.well-known/ssf-configuration\"\n\
             push_url = \"http://127.0.0.1:{companion}/v1/push/{}\"\nverify_every_secs = 1\n",
            self.sender.name
        )
    }

    /// Changes what becomes of verifications from now on.
    ///
    /// # Panics
    ///
    /// When a thread of the API has.
    pub fn behave(&self, verification: Verification) {
        self.sender.state.lock().unwrap().verification = verification;
    }

    /// Changes the stream's status, and says so (SSF 1.0 §8.1.5).
    ///
    /// # Panics
    ///
    /// When a thread of the API has, or the companion refuses the event.
    pub fn set_status(&self, status: &'static str) {
        self.sender.state.lock().unwrap().status = status;
        let refused = self.sender.send("stream-updated", &json!({ "status": status }));
        assert_eq!(refused, None, "stream-updated is accepted");
    }

    /// What the pushes of verifications were answered so far: a code of RFC 8935, or nothing for 202.
    ///
    /// # Panics
    ///
    /// When a thread of the API has.
    #[must_use]
    pub fn answers(&self) -> Vec<Option<String>> {
        self.sender.state.lock().unwrap().answers.clone()
    }
}

impl Sender {
    fn answer(self: &Arc<Self>, request: &Message) -> Answer {
        let base = format!("http://{}", request.header("host").unwrap_or_default());
        let json =
            |status, body: &Value| Answer::status(status, "application/json", body.to_string());
        let path = request.target().split('?').next().unwrap_or_default();
        let method = request.start.split(' ').next().unwrap_or_default();
        match (method, path) {
            ("GET", "/.well-known/ssf-configuration") => json(
                200,
                &json!({
                    "issuer": self.issuer, "spec_version": "1_0",
                    "delivery_methods_supported": ["urn:ietf:rfc:8935"],
                    "configuration_endpoint": format!("{base}/stream"),
                    "status_endpoint": format!("{base}/status"),
                    "verification_endpoint": format!("{base}/verify"),
                }),
            ),
            // The list, or the stream itself: nothing is there until it is created.
            ("GET", "/stream") if request.target().contains("stream_id") => {
                Answer::status(404, "text/plain", "")
            }
            ("GET", "/stream") => json(200, &json!([])),
            ("POST", "/stream") => {
                let wanted = request.json();
                json(
                    201,
                    &json!({
                        "stream_id": STREAM_ID, "iss": self.issuer, "aud": [AUDIENCE],
                        "delivery": wanted["delivery"], "events_requested": wanted["events_requested"],
                        "events_delivered": wanted["events_requested"],
                        "description": wanted["description"],
                    }),
                )
            }
            ("GET", "/status") => {
                let status = self.state.lock().unwrap().status;
                json(200, &json!({ "stream_id": STREAM_ID, "status": status }))
            }
            ("POST", "/verify") => {
                let (sender, asked) = (Arc::clone(self), request.json()["state"].clone());
                std::thread::spawn(move || sender.verify(&asked));
                Answer::Respond(204, Vec::new(), Vec::new())
            }
            _ => Answer::status(404, "text/plain", "nothing here"),
        }
    }

    fn verify(&self, asked: &Value) {
        let verification = self.state.lock().unwrap().verification;
        let state = match verification {
            Verification::Silent => return,
            Verification::Comes => asked.clone(),
            Verification::WrongState => json!("nobody-asked"),
        };
        let answer = self.send("verification", &json!({ "state": state }));
        self.state.lock().unwrap().answers.push(answer);
    }

    /// Pushes an event about the stream; the code that it was refused with.
    fn send(&self, event: &str, payload: &Value) -> Option<String> {
        let number = {
            let mut state = self.state.lock().unwrap();
            state.sent += 1;
            state.sent
        };
        let uri = format!("https://schemas.openid.net/secevent/ssf/event-type/{event}");
        let claims = json!({
            "iss": self.issuer, "aud": AUDIENCE, "iat": now(), "jti": format!("about-{number}"),
            "sub_id": { "format": "opaque", "id": STREAM_ID }, "events": { uri: payload },
        });
        let set = self.key.sign("secevent+jwt", &claims);
        let path = format!("/v1/push/{}", self.name);
        let request = Request::post(&path, "application/secevent+jwt", &set);
        let Ok(answer) = http::send(self.companion, &request.bearer(&self.push_token)) else {
            // Down: a transmitter would try again, this one asks to be asked again.
            return Some("no answer".to_owned());
        };
        let code = answer.json()["err"].as_str().map(str::to_owned);
        (answer.status() != 202).then(|| code.unwrap_or_default())
    }
}
