//! Keys, and tokens as their issuers make them.

use ed25519_dalek::{Signer as _, SigningKey};
use rescind_core::base64url;
use serde_json::{Value, json};

use super::{AUDIENCE, ISSUER, START};

/// A key of an issuer or of the companion, from one number.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// The key as a JWK.
pub(crate) fn jwk(kid: &str, key: &SigningKey) -> Value {
    let x = base64url::encode(key.verifying_key().as_bytes());
    json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": x})
}

/// The header of most tokens.
pub(crate) fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"})
}

/// The claims of most tokens: issued a minute before a world begins, for ten minutes.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "client_id": "app-7",
        "jti": "t-1",
        "iat": START - 60,
        "exp": START + 540,
        "scope": "read",
    })
}

/// A token as its issuer makes it.
pub(crate) fn mint(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let signature = base64url::encode(&key.sign(input.as_bytes()).to_bytes());
    format!("{input}.{signature}")
}

/// A good token.
pub(crate) fn good_token() -> String {
    mint(&header(), &claims(), &key(1))
}

/// A good token with one claim changed; `null` takes it away.
pub(crate) fn token_with(claim: &str, value: Value) -> String {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
        value => claims[claim] = value,
    }
    mint(&header(), &claims, &key(1))
}

/// A token signed with ES256, the same with the other of its two valid signatures, and the key.
pub(crate) fn ecdsa_token_and_twin(claims: &Value) -> (String, String, Value) {
    use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let point = key.verifying_key().to_sec1_bytes();
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "ec"});
    let input = format!("{}.{}", part(&header), part(claims));
    let signature: Signature = key.sign(input.as_bytes());
    let (r, s) = signature.split_scalars();
    let twin = Signature::from_scalars(r, -s).unwrap();
    let token =
        |signature: &Signature| format!("{input}.{}", base64url::encode(&signature.to_bytes()));
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "kid": "ec",
        "x": base64url::encode(&point[1..33]), "y": base64url::encode(&point[33..65]),
    });
    (token(&signature), token(&twin), jwk)
}
