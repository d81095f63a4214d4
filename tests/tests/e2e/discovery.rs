//! Keys found through an issuer's metadata (RFC 8414, OpenID Connect Discovery).

use std::sync::{Arc, Mutex};

use rescind_e2e::http::{Answer, Server};
use rescind_e2e::issuer::{AUDIENCE, Key, now};
use rescind_e2e::site::Site;
use rescind_e2e::wait;
use serde_json::{Value, json};

const NAME: &str = "https://login.example.com/tenant-1";

/// A server of documents, by path, that remembers what it was asked for.
struct Directory {
    documents: Arc<Mutex<Vec<(&'static str, Value)>>>,
    asked: Arc<Mutex<Vec<String>>>,
    server: Server,
}

impl Directory {
    fn start(documents: &[(&'static str, Value)]) -> Self {
        let documents = Arc::new(Mutex::new(documents.to_vec()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (shared, log) = (Arc::clone(&documents), Arc::clone(&asked));
        let server = Server::start(move |request| {
            log.lock().unwrap().push(request.target().to_owned());
            let documents = shared.lock().unwrap();
            match documents.iter().find(|(path, _)| *path == request.target()) {
                Some((_, document)) => Answer::ok("application/json", document.to_string()),
                None => Answer::status(404, "text/plain", "no"),
            }
        });
        Self { documents, asked, server }
    }

    fn serve(&self, documents: &[(&'static str, Value)]) {
        *self.documents.lock().unwrap() = documents.to_vec();
    }

    fn asked_for(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}

fn metadata(issuer: &str, jwks_uri: &str) -> Value {
    json!({ "issuer": issuer, "jwks_uri": jwks_uri, "response_types_supported": ["code"] })
}

fn section(kind: &str) -> Value {
    json!({
        "issuer": NAME,
        "audiences": [AUDIENCE],
        "algorithms": ["ES256"],
        "keys": { "discovery": kind, "cluster": "other", "refresh_secs": 10 },
    })
}

fn token(key: &Key) -> String {
    let claims = json!({
        "iss": NAME, "sub": "agent", "aud": AUDIENCE, "client_id": "runner", "jti": "d-1",
        "iat": now(), "exp": now() + 600,
    });
    key.sign("at+jwt", &claims)
}

const OAUTH: &str = "/.well-known/oauth-authorization-server/tenant-1";

#[test]
fn an_issuers_keys_are_found_through_its_metadata_and_followed() {
    let site = Site::start();
    let (old, new) = (Key::generate("ES256", "old"), Key::generate("ES256", "new"));
    let found = metadata(NAME, "https://login.example.com/keys?v=1");
    let documents =
        |path, key: &Key| [(path, found.clone()), ("/keys?v=1", json!({ "keys": [key.jwk()] }))];
    let directory = Directory::start(&documents(OAUTH, &old));
    let (_folder, envoy) =
        site.second_gateway(section("oauth-authorization-server"), directory.server.port);
    let (first, rotated) = (token(&old), token(&new));
    let status = |token: &str| envoy.get("/orders", token);
    wait::until_true("the keys", wait::SOON, || status(&first) == 200);
    assert_eq!(status(&rotated), 401);
    directory.serve(&documents(OAUTH, &new));
    wait::for_the_next_fetch("the rotation", || status(&rotated) == 200);
    assert_eq!(status(&first), 401);
    assert_eq!(directory.asked_for(OAUTH), 1, "metadata are good for an hour");

    let path = "/tenant-1/.well-known/openid-configuration";
    let directory = Directory::start(&documents(path, &old));
    let (_folder, envoy) =
        site.second_gateway(section("openid-configuration"), directory.server.port);
    wait::until_true("the keys", wait::SOON, || envoy.get("/orders", &first) == 200);
}

#[test]
fn metadata_of_somebody_else_or_that_lead_elsewhere_give_no_keys() {
    let site = Site::start();
    let key = Key::generate("ES256", "k");
    let documents = |metadata| [(OAUTH, metadata), ("/keys", json!({ "keys": [key.jwk()] }))];
    let uri = "https://login.example.com/keys";
    let wrong = [
        metadata("https://login.example.com/tenant-2", uri),
        metadata(NAME, "https://evil.example.com/keys"),
        metadata(NAME, "http://login.example.com/keys"),
        metadata(NAME, "https://login.example.com@evil.example.com/keys"),
    ];
    let directory = Directory::start(&documents(wrong[0].clone()));
    let (_folder, envoy) =
        site.second_gateway(section("oauth-authorization-server"), directory.server.port);
    let token = token(&key);
    for wrong in wrong {
        let asked = directory.asked_for(OAUTH);
        directory.serve(&documents(wrong.clone()));
        wait::for_the_next_fetch(&format!("{wrong} to be read"), || {
            directory.asked_for(OAUTH) > asked
        });
        assert_eq!(envoy.get("/orders", &token), 503, "{wrong}");
    }
    assert_eq!(directory.asked_for("/keys"), 0, "keys that nobody may ask for");
    directory.serve(&documents(metadata(NAME, uri)));
    wait::for_the_next_fetch("its own metadata", || envoy.get("/orders", &token) == 200);
}
