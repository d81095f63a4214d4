//! A companion that decides: its gate's configuration, access tokens, and callers.

use jwt_simple::prelude::*;
use serde_json::{Value, json};

use super::{Answer, Companion, IDP, agent, answer, configuration, free_port, now};

pub(crate) const API: &str = "https://api.example.com";
/// The secret of a caller, by its form.
pub(crate) fn secret(form: &str) -> String {
    format!("secret-of-the-caller-{form}")
}

/// A companion with `[decisions]` and a caller for each form.
pub(crate) struct Deciding {
    pub(crate) companion: Companion,
    pub(crate) port: u16,
    key: ES256KeyPair,
}

impl Deciding {
    /// The files, with members of the gate's configuration replaced by `changes`.
    pub(crate) fn prepared(forms: &[&str], changes: &Value) -> Self {
        let companion = Companion::prepared();
        let (port, key) = (free_port(), ES256KeyPair::generate().with_key_id("at-1"));
        let deciding = Self { companion, port, key };
        let gate = deciding.gate(changes);
        deciding.companion.directory.write("gate.json", &gate.to_string());
        let mut text = configuration(deciding.companion.port);
        text += &format!(
            "[decisions]\nlisten = \"127.0.0.1:{port}\"\ngate_file = \"gate.json\"\nthreads = 2\n"
        );
        for form in forms {
            deciding.companion.directory.write(&format!("{form}.token"), &secret(form));
            text += &format!(
                "[[decisions.callers]]\nname = \"{form}\"\nform = \"{form}\"\n\
                 token_file = \"{form}.token\"\n"
            );
        }
        deciding.companion.directory.write("rescind.toml", &text);
        deciding
    }

    pub(crate) fn started(forms: &[&str]) -> Self {
        let mut deciding = Self::prepared(forms, &json!({}));
        deciding.companion.start();
        deciding
    }

    pub(crate) fn jwks(&self) -> Value {
        let mut jwk: Value = serde_json::from_str(&self.key.public_key().to_jwk()).unwrap();
        jwk["kid"] = json!("at-1");
        json!({ "keys": [jwk] })
    }

    fn gate(&self, changes: &Value) -> Value {
        let files = &self.companion.directory;
        let mut gate = json!({
            "issuers": [{
                "issuer": IDP, "audiences": [API], "algorithms": ["ES256"],
                "keys": { "inline": self.jwks() },
            }],
            "routes": [
                { "path_prefix": "/public", "access": "public" },
                { "path_prefix": "/admin", "scopes": ["admin"] },
            ],
            "revocation": {
                "cluster": "rescind", "authority": "rescind.example.com",
                "gateway_name": "edge-1", "gateway_token": files.read("gateway.token"),
                "feed_key": rescind_core::base64url::encode(&self.companion.feed_key().0),
                "subject_key": files.read("subject.key"),
                "checksum_key": files.read("checksum.key"),
            },
        });
        for (name, value) in changes.as_object().unwrap() {
            gate[name] = value.clone();
        }
        gate
    }

    /// The claims of an access token for `sub`, issued now.
    pub(crate) fn claims(sub: &str) -> Value {
        json!({
            "iss": IDP, "sub": sub, "aud": API, "client_id": "app", "scope": "read",
            "iat": now(), "exp": now() + 600, "jti": format!("{sub}-{}", now()),
        })
    }

    /// An access token for `sub`, issued now.
    pub(crate) fn token(&self, sub: &str) -> String {
        let claims = Self::claims(sub);
        let mut custom = Claims::with_custom_claims(claims, Duration::from_secs(0));
        (custom.issued_at, custom.expires_at, custom.invalid_before) = (None, None, None);
        let typ = Some("at+jwt".to_owned());
        let options = HeaderOptions { signature_type: typ, ..HeaderOptions::default() };
        self.key.sign_with_options(custom, &options).unwrap()
    }

    /// Calls the decisions' listener.
    pub(crate) fn call(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(agent().run(request.body(()).unwrap()).unwrap())
    }

    /// Asks about `GET path` as a gateway of the form `headers` or `nginx` does.
    pub(crate) fn ask(&self, form: &str, path: &str, token: Option<&str>) -> Answer {
        let (secret, bearer) = (secret(form), format!("Bearer {}", token.unwrap_or_default()));
        let mut headers = vec![
            ("x-rescind-caller", secret.as_str()),
            ("x-original-method", "GET"),
            ("x-original-uri", path),
            ("x-original-host", "api.example.com"),
        ];
        if token.is_some() {
            headers.push(("authorization", &bearer));
        }
        self.call("GET", "/v1/check", &headers)
    }

    /// Posts a call of AuthZEN, with the caller's token.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        let headers = [
            ("authorization", format!("Bearer {}", secret("authzen"))),
            ("content-type", "application/json".to_owned()),
        ];
        self.post_with(path, &headers, body)
    }

    pub(crate) fn post_with(&self, path: &str, headers: &[(&str, String)], body: &str) -> Answer {
        let mut request = agent().post(format!("http://127.0.0.1:{}{path}", self.port));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        answer(request.send(body).unwrap())
    }
}
