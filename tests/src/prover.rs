//! A client that proves that its token is its own (RFC 9449): jwt-simple cannot write the header of such proofs.

use std::sync::atomic::{AtomicU64, Ordering};

use jwt_simple::reexports::ct_codecs::{Base64UrlSafeNoPadding, Encoder as _};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::issuer::now;

/// What clients call the gateway: the start of each proof's `htu`.
pub const ORIGIN: &str = "https://api.example.com";

/// A client with a key of its own.
#[derive(Debug)]
pub struct Prover {
    key: SigningKey,
    proofs: AtomicU64,
}

impl Prover {
    /// One of some clients.
    #[must_use]
    pub fn new(number: u8) -> Self {
        let key = SigningKey::from_slice(&[number; 32]).expect("a key");
        Self { key, proofs: AtomicU64::new(0) }
    }

    /// What a token that is bound to the key says in `jkt` (RFC 7638 §3).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let (x, y) = self.coordinates();
        digest(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
    }

    /// A proof for a GET of `path` with `token`, never the same; with a nonce, if there is one.
    #[must_use]
    pub fn proof(&self, path: &str, token: &str, nonce: Option<&str>) -> String {
        let (x, y) = self.coordinates();
        let header = json!({
            "typ": "dpop+jwt", "alg": "ES256",
            "jwk": {"kty": "EC", "crv": "P-256", "x": x, "y": y},
        });
        let jti = format!("p-{}", self.proofs.fetch_add(1, Ordering::Relaxed));
        let mut claims = json!({
            "jti": jti, "htm": "GET", "htu": format!("{ORIGIN}{path}"), "iat": now(), "ath": digest(token),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(&claims));
        let signature: Signature = self.key.sign(input.as_bytes());
        format!("{input}.{}", base64url(&signature.to_bytes()))
    }

    fn coordinates(&self) -> (String, String) {
        let point = self.key.verifying_key().to_sec1_bytes();
        (base64url(&point[1..33]), base64url(&point[33..65]))
    }
}

/// `bytes` as JOSE writes them.
///
/// # Panics
///
/// Never.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    Base64UrlSafeNoPadding::encode_to_string(bytes).expect("base64url")
}

/// The SHA-256 digest of a token as another one names it (`ath` of RFC 9449 §4.2).
#[must_use]
pub fn digest(input: &str) -> String {
    base64url(&Sha256::digest(input.as_bytes()))
}
