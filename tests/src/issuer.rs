//! The identity provider: mints access tokens (RFC 9068) and serves its key set, well or badly.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use jwt_simple::common::HeaderOptions;
use jwt_simple::prelude::{
    ECDSAP256KeyPairLike, ECDSAP384KeyPairLike, ES256KeyPair, ES384KeyPair, Ed25519KeyPair,
    EdDSAKeyPairLike, JWTClaims, RS256KeyPair, RSAKeyPairLike,
};
use serde_json::{Map, Value, json};

use crate::http::{Answer, Server};

/// The audience of every token, unless a test says otherwise.
pub const AUDIENCE: &str = "https://api.example.com";

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

/// A signing key of some algorithm, with its `kid`.
#[derive(Clone)]
#[non_exhaustive]
pub enum Key {
    /// ECDSA on P-256.
    Es256(Arc<ES256KeyPair>),
    /// ECDSA on P-384.
    Es384(Arc<ES384KeyPair>),
    /// Ed25519.
    EdDsa(Arc<Ed25519KeyPair>),
    /// RSA PKCS#1, 2048 bits.
    Rs256(Arc<RS256KeyPair>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(..)")
    }
}

impl Key {
    /// A new key for an algorithm's JOSE name.
    ///
    /// # Panics
    ///
    /// For an algorithm that no test needs.
    #[must_use]
    pub fn generate(algorithm: &str, kid: &str) -> Self {
        match algorithm {
            "ES256" => Self::Es256(Arc::new(ES256KeyPair::generate().with_key_id(kid))),
            "ES384" => Self::Es384(Arc::new(ES384KeyPair::generate().with_key_id(kid))),
            "EdDSA" => Self::EdDsa(Arc::new(Ed25519KeyPair::generate().with_key_id(kid))),
            "RS256" => {
                let pair = RS256KeyPair::generate(2048).expect("an RSA key");
                Self::Rs256(Arc::new(pair.with_key_id(kid)))
            }
            other => panic!("no key for {other}"),
        }
    }

    /// The public key as a JWK.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let text = match self {
            Self::Es256(pair) => pair.public_key().to_jwk(),
            Self::Es384(pair) => pair.public_key().to_jwk(),
            Self::EdDsa(pair) => pair.public_key().to_jwk(),
            Self::Rs256(pair) => pair.public_key().to_jwk(),
        };
        let mut jwk: Value = serde_json::from_str(&text).expect("a JWK is JSON");
        if let Some(kid) = self.kid() {
            jwk["kid"] = json!(kid);
        }
        jwk
    }

    /// The public key as a `SubjectPublicKeyInfo` in DER (RFC 5280 §4.1).
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        match self {
            Self::Es256(pair) => pair.public_key().to_der().expect("a key"),
            Self::Es384(pair) => pair.public_key().to_der().expect("a key"),
            Self::EdDsa(pair) => pair.public_key().to_der(),
            Self::Rs256(pair) => pair.public_key().to_der().expect("a key"),
        }
    }

    fn kid(&self) -> Option<&str> {
        match self {
            Self::Es256(pair) => pair.key_id().as_deref(),
            Self::Es384(pair) => pair.key_id().as_deref(),
            Self::EdDsa(pair) => pair.key_id().as_deref(),
            Self::Rs256(pair) => pair.key_id().as_deref(),
        }
    }

    /// Signs claims exactly as they are under this `typ`.
    #[must_use]
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        let header = HeaderOptions { signature_type: Some(typ.to_owned()), content_type: None };
        let custom: Map<String, Value> = claims.as_object().expect("claims").clone();
        let claims = JWTClaims {
            issued_at: None,
            expires_at: None,
            invalid_before: None,
            issuer: None,
            subject: None,
            audiences: None,
            jwt_id: None,
            nonce: None,
            custom,
        };
        match self {
            Self::Es256(pair) => pair.sign_with_options(claims, &header),
            Self::Es384(pair) => pair.sign_with_options(claims, &header),
            Self::EdDsa(pair) => pair.sign_with_options(claims, &header),
            Self::Rs256(pair) => pair.sign_with_options(claims, &header),
        }
        .expect("a signature")
    }
}

/// How the issuer's key set endpoint behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Endpoint {
    /// Serves the current keys.
    Honest,
    /// Answers this status.
    Failing(u16),
    /// Answers 200 with this body.
    Saying(String),
    /// Answers whatever this is.
    Answering(Answer),
    /// Never answers.
    Stalling,
}

#[derive(Debug)]
struct State {
    keys: Vec<Key>,
    endpoint: Endpoint,
}

/// An issuer with a key set endpoint on loopback.
#[derive(Debug)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub name: String,
    state: Arc<Mutex<State>>,
    fetches: Arc<AtomicU64>,
    minted: AtomicU64,
    server: Server,
}

impl Issuer {
    /// An issuer with one key, `kid` = `k1`.
    #[must_use]
    pub fn start(name: &str, algorithm: &str) -> Self {
        let keys = vec![Key::generate(algorithm, "k1")];
        let state = Arc::new(Mutex::new(State { keys, endpoint: Endpoint::Honest }));
        let fetches = Arc::new(AtomicU64::new(0));
        let (shared, count) = (Arc::clone(&state), Arc::clone(&fetches));
        let iss = name.to_owned();
        let server = Server::start(move |request| {
            let state = shared.lock().unwrap();
            if let Some(sub) = request.target().strip_prefix("/token/") {
                let token = state.keys[0].sign("at+jwt", &access_token(&iss, sub, "by-hand"));
                return Answer::ok("text/plain", token);
            }
            count.fetch_add(1, Ordering::Relaxed);
            match &state.endpoint {
                Endpoint::Honest => Answer::ok("application/jwk-set+json", key_set(&state.keys)),
                Endpoint::Failing(status) => Answer::status(*status, "text/plain", "no"),
                Endpoint::Saying(body) => Answer::ok("application/json", body.as_str()),
                Endpoint::Answering(answer) => answer.clone(),
                Endpoint::Stalling => Answer::Stall,
            }
        });
        Self { name: name.to_owned(), state, fetches, minted: AtomicU64::new(0), server }
    }

    /// Where the key set is served (any path but `/token/SUB`, which mints a token for people).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The key set as it is now.
    #[must_use]
    pub fn key_set(&self) -> Value {
        serde_json::from_str(&key_set(&self.state.lock().unwrap().keys)).expect("JSON")
    }

    /// How often the key set was asked for.
    #[must_use]
    pub fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::Relaxed)
    }

    /// Changes how the endpoint behaves.
    pub fn behave(&self, endpoint: Endpoint) {
        self.state.lock().unwrap().endpoint = endpoint;
    }

    /// Signs with this key from now on; the endpoint then serves only it.
    pub fn rotate(&self, key: Key) {
        self.state.lock().unwrap().keys = vec![key];
    }

    /// The current signing key.
    #[must_use]
    pub fn key(&self) -> Key {
        self.state.lock().unwrap().keys[0].clone()
    }

    /// The claims of a good access token for `sub`, issued now and living for ten minutes.
    #[must_use]
    pub fn claims(&self, sub: &str) -> Value {
        let number = self.minted.fetch_add(1, Ordering::Relaxed);
        access_token(&self.name, sub, &format!("{sub}-{number}"))
    }

    /// A good access token for `sub`.
    #[must_use]
    pub fn token(&self, sub: &str) -> String {
        self.sign(&self.claims(sub))
    }

    /// A token for `sub` with claims added or replaced; a null removes one.
    #[must_use]
    pub fn token_with(&self, sub: &str, changes: &Value) -> String {
        let mut claims = self.claims(sub);
        for (name, value) in changes.as_object().expect("an object") {
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        self.sign(&claims)
    }

    /// Signs claims as an access token.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.key().sign("at+jwt", claims)
    }
}

fn access_token(iss: &str, sub: &str, jti: &str) -> Value {
    json!({
        "iss": iss,
        "sub": sub,
        "aud": AUDIENCE,
        "client_id": "agent-runner",
        "iat": now(),
        "exp": now() + 600,
        "jti": jti,
        "scope": "read",
    })
}

fn key_set(keys: &[Key]) -> String {
    json!({ "keys": keys.iter().map(Key::jwk).collect::<Vec<_>>() }).to_string()
}
