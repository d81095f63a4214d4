//! The numbers of a public key, and their form for other cryptography: SubjectPublicKeyInfo (RFC
//! 5280 §4.1.2.7).

use std::fmt;

use crate::crypto::der;
use crate::jws::Algorithm;

/// The numbers of a public key, in the forms that cryptographic libraries take.
#[derive(Clone, Eq, Hash, PartialEq)]
pub enum KeyMaterial {
    /// An RSA key: big-endian, without leading zeros.
    Rsa {
        /// `n`
        modulus: Vec<u8>,
        /// `e`
        exponent: Vec<u8>,
    },
    /// A point of P-256, uncompressed (SEC 1 §2.3.3).
    P256([u8; 65]),
    /// A point of P-384, uncompressed (SEC 1 §2.3.3).
    P384([u8; 97]),
    /// A point of Ed25519, compressed (RFC 8032 §5.1.2).
    Ed25519([u8; 32]),
}

/// `SEQUENCE { rsaEncryption, NULL }` (RFC 8017 §A.1).
const RSA_ALGORITHM: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// `SEQUENCE { id-ecPublicKey, secp256r1 }` (RFC 5480 §2.1.1).
const P256_ALGORITHM: [u8; 21] = [
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];

/// `SEQUENCE { id-ecPublicKey, secp384r1 }` (RFC 5480 §2.1.1).
const P384_ALGORITHM: [u8; 18] = [
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x22,
];

/// `SEQUENCE { id-Ed25519 }` (RFC 8410 §3).
const ED25519_ALGORITHM: [u8; 7] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];

impl KeyMaterial {
    /// Whether a key of this type can check a signature by `algorithm`.
    #[must_use]
    pub const fn fits(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => matches!(self, Self::Rsa { .. }),
            Algorithm::Es256 => matches!(self, Self::P256(_)),
            Algorithm::Es384 => matches!(self, Self::P384(_)),
            Algorithm::EdDsa => matches!(self, Self::Ed25519(_)),
        }
    }

    /// How many bytes a signature by this key has: exactly.
    #[must_use]
    pub const fn signature_bytes(&self) -> usize {
        match self {
            Self::Rsa { modulus, .. } => modulus.len(),
            Self::P256(_) | Self::Ed25519(_) => 64,
            Self::P384(_) => 96,
        }
    }

    /// The key as a DER-encoded SubjectPublicKeyInfo.
    #[must_use]
    pub fn to_spki_der(&self) -> Vec<u8> {
        match self {
            Self::Rsa { modulus, exponent } => {
                let numbers = [der::unsigned(modulus), der::unsigned(exponent)].concat();
                spki(&RSA_ALGORITHM, &der::sequence(&numbers))
            }
            Self::P256(point) => spki(&P256_ALGORITHM, point),
            Self::P384(point) => spki(&P384_ALGORITHM, point),
            Self::Ed25519(point) => spki(&ED25519_ALGORITHM, point),
        }
    }
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    der::sequence(&[algorithm, &der::bit_string(key)].concat())
}

/// Shows the type of the key; its numbers would only fill the log.
impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { modulus, .. } => write!(f, "Rsa({} bytes)", modulus.len()),
            Self::P256(_) => f.write_str("P256"),
            Self::P384(_) => f.write_str("P384"),
            Self::Ed25519(_) => f.write_str("Ed25519"),
        }
    }
}
