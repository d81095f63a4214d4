//! OAuth 2.0 client credentials (RFC 6749 §4.4): the form to send and what to make of the answer.
//!
//! The client proves itself by `client_secret_basic` or `client_secret_post` (RFC 6749 §2.3.1), or by
//! an assertion (RFC 7523 §2.2, OpenID Connect Core §9): `client_secret_jwt` with the secret as key
//! (HS256), or `private_key_jwt` with an ES256 or Ed25519 key. RSA is not offered: the library's
//! private-key operations leak by timing (RUSTSEC-2023-0071).

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jwt_simple::prelude::{Audiences, Claims, HS256Key, JWTClaims, MACLike as _, NoCustomClaims};
use rescind_core::base64url;
use rescind_core::json::{self, Limits, Value};
use rescind_core::time::UnixTime;

use crate::secret::to_hex;
use crate::signer::SetSigner;

/// The media type of the request.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
/// For one request.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer; access tokens with many groups have some KiB.
pub(crate) const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// The longest access token; what is longer fits into no request header.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The lifetime of a token whose answer names none (RFC 6749 §5.1 only recommends it).
const UNSTATED_LIFETIME: Duration = Duration::from_secs(300);
/// A token is renewed this much before its end, or a third of its lifetime if that is shorter: the
/// conformance suite's tokens live for 20 s.
const RENEW_AHEAD: Duration = Duration::from_secs(60);
/// What a log line repeats of an `error`; the registered ones have at most 25 characters.
const MAX_EXCERPT_CHARS: usize = 64;
/// How long an assertion may be used.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);
/// The shortest secret that may sign: as long as the hash of HS256 (RFC 7518 §3.2).
pub(crate) const MIN_HMAC_SECRET_BYTES: usize = 32;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How the client proves itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ClientProof {
    /// The secret in this file, as user and password.
    SecretBasic(PathBuf),
    /// The secret in this file, in the form.
    SecretPost(PathBuf),
    /// A JWT signed with the secret in this file.
    SecretJwt {
        /// The file.
        secret_file: PathBuf,
        /// `aud` of the assertion: the token endpoint, or what the server wants instead.
        audience: String,
    },
    /// A JWT signed with the private key in this PEM file.
    PrivateKeyJwt {
        /// The file.
        key_file: PathBuf,
        /// `kid` of the assertion, if the server needs one.
        key_id: Option<String>,
        /// `aud` of the assertion: the token endpoint, or what the server wants instead.
        audience: String,
    },
}

/// A client of an authorization server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Client {
    /// The token endpoint.
    pub(crate) token_url: String,
    /// `client_id`
    pub(crate) client_id: String,
    /// How it proves itself.
    pub(crate) proof: ClientProof,
    /// `scope`, if one is asked for.
    pub(crate) scope: Option<String>,
}

/// An access token.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Granted {
    token: String,
    renew_at: UnixTime,
}

/// Why there is no access token.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum OAuthError {
    /// The assertion could not be made.
    #[error("the client's assertion cannot be signed: {0}")]
    Assertion(String),
    /// The private key's file holds something else.
    #[error("`{}` holds neither an ES256 nor an Ed25519 private key", _0.display())]
    NotAKey(PathBuf),
    /// The server says no.
    #[error("the authorization server answered {status}: {error}")]
    Denied {
        /// The status.
        status: u16,
        /// `error` of RFC 6749 §5.2, shortened.
        error: String,
    },
    /// The answer is no token.
    #[error("the authorization server's answer {0}")]
    Answer(&'static str),
}

impl Client {
    /// The file with the secret or the key.
    pub(crate) fn secret_file(&self) -> &Path {
        match &self.proof {
            ClientProof::SecretBasic(path) | ClientProof::SecretPost(path) => path,
            ClientProof::SecretJwt { secret_file, .. } => secret_file,
            ClientProof::PrivateKeyJwt { key_file, .. } => key_file,
        }
    }

    /// The form, and the value of `Authorization`. `secret` is the content of the file.
    pub(crate) fn request(
        &self,
        secret: &str,
        nonce: [u8; 16],
        now: UnixTime,
    ) -> Result<(String, Option<String>), OAuthError> {
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        if let Some(scope) = &self.scope {
            form.push(("scope", scope.clone()));
        }
        let secret = secret.trim();
        let mut authorization = None;
        match &self.proof {
            ClientProof::SecretBasic(_) => {
                let pair = format!("{}:{}", encoded(&self.client_id), encoded(secret));
                authorization = Some(format!("Basic {}", base64(pair.as_bytes())));
            }
            ClientProof::SecretPost(_) => {
                form.push(("client_id", self.client_id.clone()));
                form.push(("client_secret", secret.to_owned()));
            }
            ClientProof::SecretJwt { audience, .. } => {
                let assertion = HS256Key::from_bytes(secret.as_bytes())
                    .authenticate(assertion(&self.client_id, audience, nonce, now))
                    .map_err(|error| OAuthError::Assertion(error.to_string()))?;
                form.extend(self.asserted(assertion));
            }
            ClientProof::PrivateKeyJwt { key_file, key_id, audience } => {
                let signer = SetSigner::from_pem(secret)
                    .ok_or_else(|| OAuthError::NotAKey(key_file.clone()))?;
                let signer = match key_id {
                    Some(key_id) => signer.named(key_id),
                    None => signer,
                };
                let assertion = signer
                    .assertion(assertion(&self.client_id, audience, nonce, now))
                    .map_err(|error| OAuthError::Assertion(error.to_string()))?;
                form.extend(self.asserted(assertion));
            }
        }
        let form: Vec<_> =
            form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        Ok((form.join("&"), authorization))
    }

    fn asserted(&self, assertion: String) -> [(&'static str, String); 3] {
        [
            ("client_id", self.client_id.clone()),
            ("client_assertion_type", ASSERTION_TYPE.to_owned()),
            ("client_assertion", assertion),
        ]
    }
}

fn assertion(
    client_id: &str,
    audience: &str,
    nonce: [u8; 16],
    now: UnixTime,
) -> JWTClaims<NoCustomClaims> {
    let seconds = |at: UnixTime| jwt_simple::prelude::Duration::from_secs(at.secs());
    let lifetime = jwt_simple::prelude::Duration::from_secs(ASSERTION_LIFETIME.as_secs());
    let mut claims = Claims::create(lifetime)
        .with_issuer(client_id)
        .with_subject(client_id)
        .with_jwt_id(to_hex(&nonce));
    claims.audiences = Some(Audiences::AsString(audience.to_owned()));
    claims.issued_at = Some(seconds(now));
    claims.expires_at = Some(seconds(now.plus(ASSERTION_LIFETIME)));
    claims.invalid_before = None;
    claims
}

/// Reads the answer to a question asked at `now` (RFC 6749 §5).
pub(crate) fn granted(status: u16, body: &[u8], now: UnixTime) -> Result<Granted, OAuthError> {
    let value = json::parse(body, &Limits::TOKEN).ok();
    let members = value.as_ref().and_then(Value::as_object);
    let text = |name: &str| members.and_then(|members| members.get(name)?.as_str());
    if status != 200 {
        let error = text("error").map_or_else(|| "no `error`".to_owned(), excerpt);
        return Err(OAuthError::Denied { status, error });
    }
    let token = text("access_token").ok_or(OAuthError::Answer("has no `access_token`"))?;
    let fits = (1..=MAX_TOKEN_BYTES).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        return Err(OAuthError::Answer("has an `access_token` that fits into no header"));
    }
    if text("token_type").is_some_and(|found| !found.eq_ignore_ascii_case("Bearer")) {
        return Err(OAuthError::Answer("has a `token_type` other than Bearer"));
    }
    let stated = members.and_then(|members| members.get("expires_in")?.as_u64());
    let lifetime = stated.map_or(UNSTATED_LIFETIME, Duration::from_secs);
    let ahead = RENEW_AHEAD.min(lifetime.checked_div(3).unwrap_or_default());
    Ok(Granted { token: token.to_owned(), renew_at: now.plus(lifetime).minus(ahead) })
}

impl Granted {
    /// Whether it need not be renewed yet.
    pub(crate) fn is_good(&self, now: UnixTime) -> bool {
        now < self.renew_at
    }

    /// The value of `Authorization` (RFC 6750 §2.1).
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Granted(renewed at {})", self.renew_at)
    }
}

/// The start of a stranger's text, for a log line.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(MAX_EXCERPT_CHARS).flat_map(char::escape_debug).collect()
}

/// As a value of a form: everything but RFC 3986's unreserved characters is escaped.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// The alphabet of RFC 4648 §4, padded.
fn base64(bytes: &[u8]) -> String {
    let mut text = base64url::encode(bytes).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

#[cfg(test)]
mod tests {
    use jwt_simple::prelude::{
        Duration, ECDSAP256PublicKeyLike as _, ES256KeyPair, NoCustomClaims, VerificationOptions,
    };

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn client(proof: ClientProof, scope: Option<&str>) -> Client {
        Client {
            token_url: "https://as.example/token".to_owned(),
            client_id: "rescind:1".to_owned(),
            proof,
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn a_secret_goes_into_the_header_or_into_the_form_and_is_escaped() {
        let file = PathBuf::from("secret");
        let basic = client(ClientProof::SecretBasic(file.clone()), Some("ssf.manage ssf.read"));
        let (form, authorization) = basic.request("p+ss w/rd\n", [0; 16], NOW).unwrap();
        assert_eq!(form, "grant_type=client_credentials&scope=ssf.manage%20ssf.read");
        // rescind%3A1:p%2Bss%20w%2Frd
        let expected = "Basic cmVzY2luZCUzQTE6cCUyQnNzJTIwdyUyRnJk";
        assert_eq!(authorization.as_deref(), Some(expected));
        let (form, authorization) =
            client(ClientProof::SecretPost(file), None).request("s&=", [0; 16], NOW).unwrap();
        let expected = "grant_type=client_credentials&client_id=rescind%3A1&client_secret=s%26%3D";
        assert_eq!((form.as_str(), authorization), (expected, None));
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn client_secret_jwt_is_an_assertion_that_the_secret_verifies() {
        let (secret, audience) =
            ("0123456789abcdef0123456789abcdef", "https://as.example".to_owned());
        let secret_file = PathBuf::from("secret");
        let client = client(ClientProof::SecretJwt { secret_file, audience }, None);
        let (form, authorization) =
            client.request(&format!("{secret}\n"), [0xab; 16], NOW).unwrap();
        assert_eq!(authorization, None);
        assert!(!form.contains(secret) && form.contains("&client_id=rescind%3A1&"), "{form}");
        let assertion = form.rsplit_once("client_assertion=").unwrap().1;
        let options = VerificationOptions {
            artificial_time: Some(Duration::from_secs(NOW.secs())),
            ..VerificationOptions::default()
        };
        let key = HS256Key::from_bytes(secret.as_bytes());
        let claims = key.verify_token::<NoCustomClaims>(assertion, Some(options)).unwrap();
        assert_eq!(
            (&claims.issuer, claims.subject.as_deref()),
            (&claims.subject, Some("rescind:1"))
        );
        assert_eq!(claims.audiences, Some(Audiences::AsString("https://as.example".to_owned())));
        assert_eq!(claims.jwt_id, Some("ab".repeat(16)));
    }

    #[test]
    fn private_key_jwt_is_an_assertion_that_the_public_key_verifies() {
        let key = ES256KeyPair::generate();
        let (key_file, key_id) = (PathBuf::from("key"), Some("k1".to_owned()));
        let audience = "https://as.example/token".to_owned();
        let client = client(ClientProof::PrivateKeyJwt { key_file, key_id, audience }, None);
        let (form, authorization) =
            client.request(&key.to_pem().unwrap(), [0xab; 16], NOW).unwrap();
        assert_eq!(authorization, None);
        assert!(form.contains("&client_id=rescind%3A1&"), "{form}");
        let expected = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        assert!(form.contains(expected), "{form}");
        let assertion = form.rsplit_once("client_assertion=").unwrap().1;
        let options = VerificationOptions {
            artificial_time: Some(Duration::from_secs(NOW.secs())),
            required_key_id: Some("k1".to_owned()),
            ..VerificationOptions::default()
        };
        let claims =
            key.public_key().verify_token::<NoCustomClaims>(assertion, Some(options)).unwrap();
        assert_eq!(claims.issuer.as_deref(), Some("rescind:1"));
        assert_eq!(claims.subject, claims.issuer);
        assert_eq!(claims.jwt_id, Some("ab".repeat(16)));
        assert_eq!(
            claims.audiences,
            Some(Audiences::AsString("https://as.example/token".to_owned()))
        );
        assert_eq!(claims.expires_at, Some(Duration::from_secs(NOW.secs() + 60)));
        let wrong = client.request("nothing", [0; 16], NOW);
        assert_eq!(wrong, Err(OAuthError::NotAKey(PathBuf::from("key"))));
    }

    #[test]
    fn a_token_is_renewed_before_it_expires() {
        for (lifetime, good_for) in [("3600", 3540), ("20", 14), ("180", 120), ("0", 0)] {
            let body = format!("{{\"access_token\":\"t\",\"expires_in\":{lifetime}}}");
            let granted = granted(200, body.as_bytes(), NOW).unwrap();
            let at = |seconds| NOW.plus(std::time::Duration::from_secs(seconds));
            assert!(!granted.is_good(at(good_for)), "{lifetime}");
            assert!(good_for == 0 || granted.is_good(at(good_for - 1)), "{lifetime}");
        }
        let unstated = granted(200, b"{\"access_token\":\"t\",\"token_type\":\"bearer\"}", NOW);
        assert!(unstated.unwrap().is_good(NOW.plus(std::time::Duration::from_secs(239))));
    }

    #[test]
    fn an_answer_without_a_usable_token_says_why() {
        let long = |length| format!("{{\"access_token\":\"{}\"}}", "t".repeat(length));
        assert!(granted(200, long(MAX_TOKEN_BYTES).as_bytes(), NOW).is_ok());
        for (status, body, text) in [
            (401, "{\"error\":\"invalid_client\"}", "answered 401: invalid_client"),
            (500, "<html>", "answered 500: no `error`"),
            (200, "{}", "has no `access_token`"),
            (200, "{\"access_token\":\"a b\"}", "fits into no header"),
            (200, &long(MAX_TOKEN_BYTES + 1), "fits into no header"),
            (200, "{\"access_token\":\"a\",\"token_type\":\"DPoP\"}", "other than Bearer"),
        ] {
            let error = granted(status, body.as_bytes(), NOW).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_token_shows_nothing() {
        let granted = granted(200, b"{\"access_token\":\"secret\"}", NOW).unwrap();
        assert!(!format!("{granted:?}").contains("secret"));
        assert_eq!(granted.header(), "Bearer secret");
    }
}
