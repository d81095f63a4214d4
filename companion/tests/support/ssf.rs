//! A transmitter of SSF 1.0 in the manner of the OpenID conformance suite's: metadata, OAuth, one
//! stream, push or poll, RS256. Each test bends it where its module does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use jwt_simple::prelude::*;
use serde_json::{Value, json};

use super::peer::{Asked, Said};
use super::queue::Queue;
use super::{AUDIENCE, Companion, PUSH_TOKEN, agent, now, wait_until};

pub(crate) const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
pub(crate) const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";

/// RSA keys are slow to make: one for a test binary, and one that is nobody's.
static KEYS: OnceLock<[RS256KeyPair; 2]> = OnceLock::new();

fn keys() -> &'static [RS256KeyPair; 2] {
    KEYS.get_or_init(|| {
        ["rs-1", "rs-1"].map(|kid| RS256KeyPair::generate(2048).unwrap().with_key_id(kid))
    })
}

/// One transmitter.
pub(crate) struct Ssf {
    pub(crate) base: String,
    pub(crate) polled: bool,
    pub(crate) queue: Arc<Queue>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Answers 405 where the suite does under the interoperability profile.
    pub(crate) interop: bool,
    /// The stream, once it was created.
    pub(crate) stream: Option<Value>,
    pub(crate) status: String,
    /// Method and path of every call, in order.
    pub(crate) calls: Vec<String>,
    /// What pushes were answered: status and body.
    pub(crate) pushed: BTreeMap<String, (u16, String)>,
    /// Names another issuer in the stream's configuration.
    pub(crate) foreign: bool,
    /// Does not send the verifications that it is asked for.
    pub(crate) mute: bool,
    /// Sends these before a verification.
    pub(crate) before: Vec<(String, String)>,
    /// In place of the state asked for.
    pub(crate) wrong_state: bool,
    /// In place of the stream's id.
    pub(crate) wrong_subject: bool,
    /// Adds this to the stream's configuration.
    pub(crate) extra: Option<Value>,
    pub(crate) token_lifetime: u64,
    /// Access tokens with the moment at which they expire.
    pub(crate) tokens: Vec<(String, Instant)>,
    /// Calls with a token that had expired.
    pub(crate) late: usize,
    pub(crate) subjects: Vec<(String, Value)>,
    made: usize,
}

impl Ssf {
    pub(crate) fn start(polled: bool, interop: bool) -> Arc<Self> {
        let state = State {
            interop,
            status: "enabled".to_owned(),
            token_lifetime: 3600,
            ..State::default()
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let ssf = Arc::new(Self { base, polled, queue: Queue::new(), state: Mutex::new(state) });
        let answers = Arc::clone(&ssf);
        super::peer::serve_on(listener, None, Arc::new(move |asked| answers.answer(asked)));
        ssf
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How often `call` (method and path) was made.
    pub(crate) fn called(&self, call: &str) -> usize {
        self.state().calls.iter().filter(|made| made.starts_with(call)).count()
    }

    pub(crate) fn stream_id(&self) -> Option<String> {
        Some(self.state().stream.as_ref()?["stream_id"].as_str().unwrap().to_owned())
    }

    fn answer(self: &Arc<Self>, asked: &Asked) -> Said {
        if asked.path == "/poll" {
            if self.refuse(asked).is_some() {
                return unauthorized();
            }
            assert!(asked.query.starts_with("stream_id="), "the URL as it was given");
            return self.queue.answer(asked);
        }
        self.state().calls.push(format!("{} {}", asked.method, asked.path));
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/.well-known/ssf-configuration") => Said::json(200, &self.metadata()),
            ("GET", "/jwks") => Said::json(200, &jwks()),
            ("POST", "/token") => self.token(asked),
            _ => match self.refuse(asked) {
                Some(said) => said,
                None => self.api(asked),
            },
        }
    }

    fn metadata(&self) -> Value {
        let url = |path: &str| format!("{}{path}", self.base);
        json!({
            "issuer": self.base, "spec_version": "1_0", "jwks_uri": url("/jwks"),
            "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
            "configuration_endpoint": url("/stream"), "status_endpoint": url("/status"),
            "verification_endpoint": url("/verify"),
            "add_subject_endpoint": url("/subjects:add"),
            "remove_subject_endpoint": url("/subjects:remove"),
            "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6749" }],
        })
    }

    fn token(&self, asked: &Asked) -> Said {
        assert_eq!(asked.header("authorization"), Some("Basic cmVzY2luZDpzM2NyZXQ="));
        let mut state = self.state();
        let token = format!("access-{}", state.tokens.len());
        let expires = Instant::now() + std::time::Duration::from_secs(state.token_lifetime);
        state.tokens.push((token.clone(), expires));
        let lifetime = state.token_lifetime;
        let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": lifetime });
        Said::json(200, &body)
    }

    fn refuse(&self, asked: &Asked) -> Option<Said> {
        let mut state = self.state();
        let shown = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let known = state.tokens.iter().find(|(token, _)| Some(token.as_str()) == shown).cloned();
        match known {
            Some((_, expires)) if Instant::now() < expires => None,
            Some(_) => {
                state.late += 1;
                Some(unauthorized())
            }
            None => Some(unauthorized()),
        }
    }

    fn api(self: &Arc<Self>, asked: &Asked) -> Said {
        let (method, path) = (asked.method.as_str(), asked.path.as_str());
        let changes = matches!((method, path), ("PATCH" | "PUT", _) | ("POST", "/status"))
            || path.starts_with("/subjects");
        if self.state().interop && changes {
            return Said::empty(405);
        }
        let known = self.stream_id();
        let named = match method {
            "GET" | "DELETE" => asked.query.strip_prefix("stream_id=").map(str::to_owned),
            _ => asked.json()["stream_id"].as_str().map(str::to_owned),
        };
        if named.is_some() && named != known {
            return Said::empty(404);
        }
        match (method, path) {
            ("GET", "/stream") if named.is_some() => {
                Said::json(200, &self.state().stream.clone().unwrap())
            }
            ("GET", "/stream") => {
                let all: Vec<_> = self.state().stream.clone().into_iter().collect();
                Said::json(200, &json!(all))
            }
            ("POST", "/stream") if known.is_some() => Said::empty(409),
            ("POST", "/stream") => {
                let stream = self.made_of(&asked.json(), None);
                self.state().stream = Some(stream.clone());
                Said::json(201, &stream)
            }
            ("PATCH" | "PUT", "/stream") => {
                let stream = self.made_of(&asked.json(), known);
                self.state().stream = Some(stream.clone());
                Said::json(200, &stream)
            }
            ("DELETE", "/stream") => {
                self.state().stream = None;
                Said::empty(204)
            }
            ("GET", "/status") => {
                let status = self.state().status.clone();
                Said::json(200, &json!({ "stream_id": named, "status": status }))
            }
            ("POST", "/status") => {
                let body = asked.json();
                self.state().status = body["status"].as_str().unwrap().to_owned();
                Said::json(200, &body)
            }
            ("POST", "/verify") => {
                let state = asked.json()["state"].as_str().map(str::to_owned);
                let ssf = Arc::clone(self);
                std::thread::spawn(move || ssf.verify(state));
                Said::empty(204)
            }
            ("POST", path) if path.starts_with("/subjects:") => {
                let subject = (path.to_owned(), asked.json()["subject"].clone());
                self.state().subjects.push(subject);
                Said::empty(if path.ends_with("add") { 200 } else { 204 })
            }
            _ => Said::empty(404),
        }
    }

    fn made_of(&self, wanted: &Value, id: Option<String>) -> Value {
        let mut state = self.state();
        state.made += 1;
        let id = id.unwrap_or_else(|| format!("stream-{}", state.made));
        let mut delivery = wanted["delivery"].clone();
        if self.polled {
            assert_eq!(delivery["method"], "urn:ietf:rfc:8936");
            delivery["endpoint_url"] = json!(format!("{}/poll?stream_id={id}", self.base));
        } else {
            assert_eq!(delivery["method"], "urn:ietf:rfc:8935");
            assert_eq!(delivery["authorization_header"], format!("Bearer {PUSH_TOKEN}"));
        }
        let issuer = if state.foreign { "https://other.example.com" } else { &self.base };
        let mut stream = json!({
            "stream_id": id, "iss": issuer, "aud": [AUDIENCE], "delivery": delivery,
            "events_requested": wanted["events_requested"],
            "events_delivered": wanted["events_requested"],
            "description": wanted["description"],
        });
        if let Some(extra) = state.extra.as_ref().and_then(Value::as_object) {
            stream.as_object_mut().unwrap().extend(extra.clone());
        }
        stream
    }

    fn verify(&self, asked: Option<String>) {
        let before = std::mem::take(&mut self.state().before);
        for (jti, set) in before {
            self.send(&jti, set);
        }
        let (id, jti, state) = {
            let mut state = self.state();
            state.made += 1;
            let jti = format!("verification-{}", state.made);
            if state.mute {
                return;
            }
            let id = if state.wrong_subject { Some("other-stream".to_owned()) } else { None };
            let asked = if state.wrong_state { Some("wrong".to_owned()) } else { asked };
            (id, jti, asked)
        };
        self.send_verification(&jti, id, state);
    }

    pub(crate) fn send_verification(&self, jti: &str, id: Option<String>, state: Option<String>) {
        let event = state.map_or_else(|| json!({}), |state| json!({ "state": state }));
        let id = id.or_else(|| self.stream_id()).unwrap_or_default();
        let subject = json!({ "format": "opaque", "id": id });
        let changes =
            json!({ "sub_id": subject, "events": { format!("{SSF}verification"): event } });
        self.send(jti, self.set(jti, &changes));
    }

    /// A SET of this transmitter, with the claims of `changes` in place of the usual ones.
    pub(crate) fn set(&self, jti: &str, changes: &Value) -> String {
        self.signed_by(&keys()[0], jti, changes)
    }

    /// The same, signed with a key that is not published.
    pub(crate) fn forged(&self, jti: &str) -> String {
        self.signed_by(&keys()[1], jti, &json!({}))
    }

    /// The same, under a `kid` that is not published.
    pub(crate) fn unknown_kid(&self, jti: &str) -> String {
        self.signed_by(&keys()[0].clone().with_key_id("rs-2"), jti, &json!({}))
    }

    fn signed_by(&self, key: &RS256KeyPair, jti: &str, changes: &Value) -> String {
        let mut claims = json!({
            "iss": self.base, "aud": AUDIENCE, "iat": now(), "jti": jti,
            "sub_id": { "format": "iss_sub", "iss": self.base, "sub": jti },
            "events": { format!("{CAEP}session-revoked"): { "event_timestamp": now() } },
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let mut custom = Claims::with_custom_claims(claims, std::time::Duration::ZERO.into());
        (custom.issued_at, custom.expires_at, custom.invalid_before) = (None, None, None);
        let typ = Some("secevent+jwt".to_owned());
        let options = HeaderOptions { signature_type: typ, ..HeaderOptions::default() };
        key.sign_with_options(custom, &options).unwrap()
    }

    /// Delivers a SET as the stream has it: pushed once, or put into the queue.
    pub(crate) fn send(&self, jti: &str, set: String) {
        if self.polled {
            self.queue.put(jti, set);
            return;
        }
        let delivery = match &self.state().stream {
            Some(stream) => stream["delivery"].clone(),
            None => return,
        };
        let request = agent().post(delivery["endpoint_url"].as_str().unwrap());
        let header = delivery["authorization_header"].as_str().unwrap();
        let request = request.header("authorization", header);
        let sent = request.content_type("application/secevent+jwt").send(set);
        let Ok(answer) = sent.map(super::answer) else { return };
        let body = String::from_utf8(answer.body).unwrap();
        self.state().pushed.insert(jti.to_owned(), (answer.status, body));
    }

    /// The code that the SET was refused with, or nothing if it was accepted; waits for either.
    pub(crate) fn outcome(&self, jti: &str) -> Option<String> {
        let outcome = || {
            if self.polled {
                let refused = self.queue.errors().get(jti).map(|error| {
                    assert!(error["description"].is_string(), "{error}");
                    Some(error["err"].as_str().unwrap().to_owned())
                });
                let acked = self.queue.acked().iter().any(|acked| acked == jti);
                return refused.or_else(|| acked.then_some(None));
            }
            let (status, body) = self.state().pushed.get(jti)?.clone();
            if status == 202 {
                assert_eq!(body, "");
                return Some(None);
            }
            assert_eq!(status, 400, "{body}");
            let error: Value = serde_json::from_str(&body).unwrap();
            assert!(error["description"].is_string(), "{error}");
            Some(Some(error["err"].as_str().unwrap().to_owned()))
        };
        wait_until(&format!("{jti} was never answered"), || outcome().is_some());
        outcome().unwrap()
    }

    /// A companion that is to have a stream here; not started.
    pub(crate) fn receiver(&self, more: &str) -> Companion {
        let companion = Companion::prepared();
        companion.directory.write("client.secret", "s3cret");
        let delivery = if self.polled {
            "delivery = \"poll\"".to_owned()
        } else {
            "push_token_file = \"idp.push.token\"".to_owned()
        };
        let push_url = if self.polled {
            String::new()
        } else {
            format!("push_url = \"{}\"", companion.url("/v1/push/idp"))
        };
        let base = &self.base;
        let usual = super::configuration(companion.port);
        let (usual, _) = usual.split_once("[[transmitters]]").unwrap();
        let transmitter = format!(
            "[[transmitters]]\nname = \"idp\"\nissuer = \"{base}\"\naudiences = [\"{AUDIENCE}\"]\n\
             {delivery}\nalgorithms = [\"RS256\"]\n\
             authority_issuers = [\"{base}\"]\ngap_after_secs = 2\n\
             [transmitters.oauth]\ntoken_url = \"{base}/token\"\nclient_id = \"rescind\"\n\
             client_secret_file = \"client.secret\"\nscope = \"ssf.manage\"\n\
             [transmitters.stream]\n{push_url}\n{more}\n"
        );
        companion.directory.write("rescind.toml", &format!("{usual}{transmitter}"));
        companion
    }
}

fn unauthorized() -> Said {
    Said::empty(401).with("www-authenticate", "Bearer error=\"invalid_token\"")
}

fn jwks() -> Value {
    let components = keys()[0].public_key().to_components();
    let encode = |bytes: &[u8]| rescind_core::base64url::encode(bytes);
    json!({ "keys": [{
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "rs-1",
        "n": encode(&components.n), "e": encode(&components.e),
    }]})
}

/// The stream as `rescind streams` shows it.
pub(crate) fn shown(companion: &Companion) -> Value {
    let output = companion.run(&["streams", "show", "idp", "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs `rescind streams` with these arguments, which must succeed.
pub(crate) fn streams(companion: &Companion, arguments: &[&str]) -> String {
    let output = companion.run(&[&["streams"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
