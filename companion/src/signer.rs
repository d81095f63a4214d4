//! Makes the SETs that start here: `rescind revoke` and `POST /v1/signals`.
//!
//! They are real SETs (RFC 8417, SSF 1.0 §4) and go through the same checks as everybody else's.

use std::fmt;

use jwt_simple::prelude::*;
use serde_json::{Map, Value, json};

use rescind_core::time::UnixTime;

/// What a SET made here says.
#[derive(Clone, Debug)]
pub(crate) struct Statement<'a> {
    /// `iss`, and `aud` as well: such a SET is made for this receiver.
    pub(crate) issuer: &'a str,
    /// `jti`
    pub(crate) jti: &'a str,
    /// `iat`
    pub(crate) issued_at: UnixTime,
    /// The URI of the event type.
    pub(crate) event: &'a str,
    /// `sub_id`
    pub(crate) subject: &'a Value,
    /// `event_timestamp`; the time of issue if absent.
    pub(crate) event_timestamp: Option<u64>,
    /// `reason_admin`, in no particular language.
    pub(crate) reason: Option<&'a str>,
}

/// A key that signs SETs.
pub(crate) enum SetSigner {
    /// ECDSA on P-256.
    Es256(Box<ES256KeyPair>),
    /// Ed25519.
    EdDsa(Box<Ed25519KeyPair>),
}

impl SetSigner {
    /// Reads a private key in PKCS#8 PEM.
    pub(crate) fn from_pem(pem: &str) -> Option<Self> {
        if let Ok(key) = Ed25519KeyPair::from_pem(pem) {
            return Some(Self::EdDsa(Box::new(key)));
        }
        ES256KeyPair::from_pem(pem).ok().map(|key| Self::Es256(Box::new(key)))
    }

    /// The signed SET.
    pub(crate) fn sign(&self, statement: &Statement<'_>) -> Result<String, jwt_simple::Error> {
        let issued_at = statement.issued_at.secs();
        let mut event = Map::new();
        event.insert(
            "event_timestamp".to_owned(),
            json!(statement.event_timestamp.unwrap_or(issued_at)),
        );
        event.insert("initiating_entity".to_owned(), json!("admin"));
        if let Some(reason) = statement.reason {
            event.insert("reason_admin".to_owned(), json!({ "und": reason }));
        }
        let custom = json!({
            "sub_id": statement.subject,
            "events": { statement.event: event },
        });
        let mut claims = Claims::with_custom_claims(custom, Duration::from_secs(0))
            .with_issuer(statement.issuer)
            .with_audience(statement.issuer)
            .with_jwt_id(statement.jti);
        claims.issued_at = Some(Duration::from_secs(issued_at));
        // SSF 1.0 §4.1.7 forbids `exp`; a SET is a statement about the past.
        claims.expires_at = None;
        claims.invalid_before = None;
        let options = HeaderOptions {
            signature_type: Some("secevent+jwt".to_owned()),
            ..HeaderOptions::default()
        };
        match self {
            Self::Es256(key) => key.sign_with_options(claims, &options),
            Self::EdDsa(key) => key.sign_with_options(claims, &options),
        }
    }
}

impl SetSigner {
    /// The same key under this `kid`.
    pub(crate) fn named(self, key_id: &str) -> Self {
        match self {
            Self::Es256(key) => Self::Es256(Box::new(key.with_key_id(key_id))),
            Self::EdDsa(key) => Self::EdDsa(Box::new(key.with_key_id(key_id))),
        }
    }

    /// A client's assertion (RFC 7523 §2.2), signed.
    pub(crate) fn assertion(
        &self,
        claims: JWTClaims<NoCustomClaims>,
    ) -> Result<String, jwt_simple::Error> {
        match self {
            Self::Es256(key) => key.sign(claims),
            Self::EdDsa(key) => key.sign(claims),
        }
    }
}

impl fmt::Debug for SetSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Es256(_) => "SetSigner(ES256)",
            Self::EdDsa(_) => "SetSigner(EdDSA)",
        })
    }
}
