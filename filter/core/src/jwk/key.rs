//! One public key (JWK, RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
//!
//! A [`PublicKey`] exists only if its numbers are sound: RSA within the sizes below, a point on its
//! curve, nothing private. It belongs to one algorithm if it says so (`alg`), else to those of its
//! type that the issuer allows.

use std::fmt;
use std::sync::OnceLock;

use crate::base64url;
use crate::crypto::SoftwareKey;
use crate::json::{self, JsonError, Limits, Object, Value, excerpt};
use crate::jws::{Algorithm, MAX_KID_BYTES};

use super::material::KeyMaterial;

/// The smallest RSA modulus (RFC 7518 §3.3).
pub(super) const MIN_MODULUS_BITS: usize = 2048;

/// The largest RSA modulus: checking a signature by a key of 16384 bits takes some milliseconds,
/// which is a way to stop a gateway.
pub(super) const MAX_MODULUS_BITS: usize = 8192;

/// The largest RSA exponent; each bit costs a multiplication, and real keys use 65537.
pub(super) const MAX_EXPONENT: u64 = 1 << 32;

/// Members that only a private or a shared key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"];

/// Why a key is not usable.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// Not strict JSON.
    #[error("{0}")]
    Json(JsonError),
    /// JSON, but no object.
    #[error("{kind}, not an object")]
    NotAnObject {
        /// What it is.
        kind: &'static str,
    },
    /// A private or shared key was published: its owner should replace it.
    #[error("has the private member `{member}`; a published private key must be replaced")]
    Private {
        /// Its first private member.
        member: &'static str,
    },
    /// A `use` other than `sig`, or `key_ops` without `verify`.
    #[error("is not for checking signatures (`{member}`)")]
    NotForSignatures {
        /// Which member says so.
        member: &'static str,
    },
    /// A type, curve or algorithm we do not know.
    #[error("`{member}` is `{value}`, which is not supported")]
    Unsupported {
        /// `kty`, `crv` or `alg`.
        member: &'static str,
        /// Its value, shortened.
        value: String,
    },
    /// An `alg` that keys of this type cannot have.
    #[error("`alg` is {algorithm}, which a key of this type cannot be used with")]
    AlgorithmMismatch {
        /// What it says.
        algorithm: Algorithm,
    },
    /// A member that is missing, of another type, or not of the form its definition asks for.
    #[error("`{member}` is missing or malformed")]
    Member {
        /// Its name.
        member: &'static str,
    },
    /// An RSA modulus outside the allowed sizes.
    #[error("RSA modulus has {bits} bits, allowed are {MIN_MODULUS_BITS} to {MAX_MODULUS_BITS}")]
    ModulusSize {
        /// Its size.
        bits: usize,
    },
    /// An RSA exponent that is even, below 3 or above 2^32.
    #[error("RSA exponent is not an odd number from 3 to {MAX_EXPONENT}")]
    Exponent,
    /// Numbers that are no key: an even modulus, a point off its curve or of small order.
    #[error("is not a valid key of its type")]
    Invalid,
}

/// A public key that can check signatures.
#[derive(Clone)]
pub struct PublicKey {
    kid: Option<Box<str>>,
    algorithm: Option<Algorithm>,
    material: KeyMaterial,
    software: SoftwareKey,
    spki: OnceLock<Box<[u8]>>,
}

impl PublicKey {
    /// Reads one key.
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        Self::from_json(&json::parse(text, &Limits::TOKEN).map_err(KeyError::Json)?)
    }

    /// Reads one key of a set.
    pub(crate) fn from_json(key: &Value<'_>) -> Result<Self, KeyError> {
        Self::from_json_for(key, "sig")
    }

    /// Reads one key of a set in which `use` says `purpose`, if it says anything.
    pub(crate) fn from_json_for(key: &Value<'_>, purpose: &str) -> Result<Self, KeyError> {
        let Value::Object(key) = key else {
            return Err(KeyError::NotAnObject { kind: key.kind() });
        };
        if let Some(member) = PRIVATE_MEMBERS.into_iter().find(|member| key.contains(member)) {
            return Err(KeyError::Private { member });
        }
        refuse_other_uses(key, purpose)?;
        let kid = optional(key, "kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err(KeyError::Member { member: "kid" });
        }
        let material = material(key)?;
        let algorithm = declared_algorithm(key, &material)?;
        let software = SoftwareKey::new(&material).ok_or(KeyError::Invalid)?;
        Ok(Self { kid: kid.map(Box::from), algorithm, material, software, spki: OnceLock::new() })
    }

    /// Its name within its set.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Its numbers.
    #[must_use]
    pub const fn material(&self) -> &KeyMaterial {
        &self.material
    }

    /// The key as a DER-encoded SubjectPublicKeyInfo. Made when first asked for, and kept: of thousands of keys few
    /// are ever used, and those for each new token.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        self.spki.get_or_init(|| self.material.to_spki_der().into_boxed_slice())
    }

    /// Whether this key may check a signature by `algorithm`: the one it declares, else any of its
    /// type.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        match self.algorithm {
            Some(declared) => declared == algorithm,
            None => self.material.fits(algorithm),
        }
    }

    /// Whether [`SoftwareVerifier`] checks the next signature by this key in a third of the time,
    /// since the key has verified one and there is room for its table: never true of RSA keys.
    ///
    /// [`SoftwareVerifier`]: crate::crypto::SoftwareVerifier
    #[must_use]
    pub fn is_known_to_software(&self) -> bool {
        self.software.is_known()
    }

    /// Tells the software that another verifier found a signature by this key good.
    pub fn note_verified(&self) {
        self.software.note_verified();
    }

    /// The key in the form that the software implementation takes.
    pub(crate) const fn software(&self) -> &SoftwareKey {
        &self.software
    }
}

impl Eq for PublicKey {}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid
            && self.algorithm == other.algorithm
            && self.material == other.material
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("material", &self.material)
            .finish_non_exhaustive()
    }
}

/// `use` and `key_ops` (RFC 7517 §4.2, §4.3), where they are present.
fn refuse_other_uses(key: &Object<'_>, purpose: &str) -> Result<(), KeyError> {
    if key.get("use").is_some_and(|value| value.as_str() != Some(purpose)) {
        return Err(KeyError::NotForSignatures { member: "use" });
    }
    let verifies = |operations: &Value<'_>| {
        let operations = operations.as_array().unwrap_or_default();
        operations.iter().any(|operation| operation.as_str() == Some("verify"))
    };
    if key.get("key_ops").is_some_and(|operations| !verifies(operations)) {
        return Err(KeyError::NotForSignatures { member: "key_ops" });
    }
    Ok(())
}

fn declared_algorithm(
    key: &Object<'_>,
    material: &KeyMaterial,
) -> Result<Option<Algorithm>, KeyError> {
    let Some(name) = optional(key, "alg")? else { return Ok(None) };
    let algorithm = Algorithm::from_name(name)
        .ok_or_else(|| KeyError::Unsupported { member: "alg", value: excerpt(name) })?;
    if !material.fits(algorithm) {
        return Err(KeyError::AlgorithmMismatch { algorithm });
    }
    Ok(Some(algorithm))
}

fn material(key: &Object<'_>) -> Result<KeyMaterial, KeyError> {
    match required(key, "kty")? {
        "RSA" => rsa(key),
        "EC" => match required(key, "crv")? {
            "P-256" => Ok(KeyMaterial::P256(point::<32, 65>(key)?)),
            "P-384" => Ok(KeyMaterial::P384(point::<48, 97>(key)?)),
            other => Err(KeyError::Unsupported { member: "crv", value: excerpt(other) }),
        },
        "OKP" => match required(key, "crv")? {
            "Ed25519" => Ok(KeyMaterial::Ed25519(octets(key, "x")?)),
            other => Err(KeyError::Unsupported { member: "crv", value: excerpt(other) }),
        },
        other => Err(KeyError::Unsupported { member: "kty", value: excerpt(other) }),
    }
}

fn rsa(key: &Object<'_>) -> Result<KeyMaterial, KeyError> {
    let modulus = number(key, "n")?;
    let bits = bit_length(&modulus);
    if !(MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits) {
        return Err(KeyError::ModulusSize { bits });
    }
    let exponent = number(key, "e")?;
    let padding = 8_usize.checked_sub(exponent.len()).ok_or(KeyError::Exponent)?;
    let mut wide = [0; 8];
    for (to, from) in wide.iter_mut().skip(padding).zip(&exponent) {
        *to = *from;
    }
    let value = u64::from_be_bytes(wide);
    if value & 1 == 0 || !(3..=MAX_EXPONENT).contains(&value) {
        return Err(KeyError::Exponent);
    }
    Ok(KeyMaterial::Rsa { modulus, exponent })
}

/// The point with coordinates of `SIZE` bytes each, in the uncompressed form of `FORM` = 2·`SIZE` +
/// 1 bytes.
fn point<const SIZE: usize, const FORM: usize>(key: &Object<'_>) -> Result<[u8; FORM], KeyError> {
    let x: [u8; SIZE] = octets(key, "x")?;
    let y: [u8; SIZE] = octets(key, "y")?;
    [&[4][..], &x, &y].concat().try_into().map_err(|_| KeyError::Invalid)
}

/// A member that is base64url of exactly `SIZE` bytes (RFC 7518 §6.2.1.2: coordinates keep their
/// leading zeros).
fn octets<const SIZE: usize>(
    key: &Object<'_>,
    member: &'static str,
) -> Result<[u8; SIZE], KeyError> {
    bytes(key, member)?.try_into().map_err(|_| KeyError::Member { member })
}

/// A member that is a positive number; leading zeros, which some issuers add, are dropped (RFC 7518
/// §2).
fn number(key: &Object<'_>, member: &'static str) -> Result<Vec<u8>, KeyError> {
    let bytes: Vec<u8> = bytes(key, member)?.into_iter().skip_while(|byte| *byte == 0).collect();
    if bytes.is_empty() { Err(KeyError::Member { member }) } else { Ok(bytes) }
}

fn bit_length(number: &[u8]) -> usize {
    let zeros = number.first().map_or(0, |first| first.leading_zeros());
    let zeros = usize::try_from(zeros).unwrap_or(0);
    number.len().saturating_mul(8).saturating_sub(zeros)
}

fn bytes(key: &Object<'_>, member: &'static str) -> Result<Vec<u8>, KeyError> {
    base64url::decode(required(key, member)?.as_bytes()).map_err(|_| KeyError::Member { member })
}

fn required<'k>(key: &'k Object<'_>, member: &'static str) -> Result<&'k str, KeyError> {
    optional(key, member)?.ok_or(KeyError::Member { member })
}

fn optional<'k>(key: &'k Object<'_>, member: &'static str) -> Result<Option<&'k str>, KeyError> {
    key.get(member).map(|value| value.as_str().ok_or(KeyError::Member { member })).transpose()
}
