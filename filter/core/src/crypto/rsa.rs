//! RSA signatures (RFC 8017): RSASSA-PKCS1-v1_5 and RSASSA-PSS, checking only.
//!
//! Own code, because a new token costs a gateway without fast cryptography of its own little else:
//! in WebAssembly it takes a fifth of the time of the crate `rsa`, with which its tests compare it.
//! The arithmetic is in [`super::modulus`].
//!
//! Refuses: a signature of any other length than the modulus, or not below it (§8.1.2 step 2, §8.2.2
//! step 2). A PKCS#1 encoding is never taken apart: the one right encoding is made and compared whole,
//! which leaves no room for garbage that a parser skips (Bleichenbacher 2006, CVE-2006-4339 and its
//! many repeats). A PSS salt is as long as the hash (RFC 7518 §3.5).

use sha2::{Digest, Sha256, Sha384, Sha512};

use super::modulus::Modulus;
use crate::jws::Algorithm;

#[cfg(test)]
mod tests;

/// What to keep of a public key, beside its modulus, to be ready to check signatures. A gateway with
/// many issuers holds thousands of keys and uses few of them: see [`Modulus::preparation`].
#[derive(Clone)]
pub(crate) struct RsaKey {
    preparation: Box<[u8]>,
    exponent: u64,
    /// Bits of the modulus.
    bits: usize,
}

impl RsaKey {
    /// Prepares a key from numbers in big-endian without leading zeros; `None` if the modulus is even
    /// or too long, or the exponent even or below 3.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let zeros = usize::try_from(modulus.first()?.leading_zeros()).ok()?;
        let bits = modulus.len().checked_mul(8)?.checked_sub(zeros)?;
        let exponent = exponent.iter().try_fold(0_u64, |number, byte| {
            number.checked_mul(256).map(|number| number | u64::from(*byte))
        })?;
        let odd = exponent >= 3 && exponent & 1 == 1;
        odd.then_some(Self { preparation: Modulus::new(modulus)?.preparation(), exponent, bits })
    }

    /// Whether `signature` is this key's over `message`; `false` for algorithms that are not RSA's.
    /// `modulus` is the one that it was made from.
    pub(crate) fn verify(
        &self,
        modulus: &[u8],
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let modulus = Modulus::prepared(modulus, &self.preparation);
        let encoded = modulus.and_then(|modulus| modulus.power(signature, self.exponent));
        let Some(encoded) = encoded else { return false };
        match algorithm {
            Algorithm::Rs256 => is_pkcs1(&encoded, &SHA256_INFO, &Sha256::digest(message)),
            Algorithm::Rs384 => is_pkcs1(&encoded, &SHA384_INFO, &Sha384::digest(message)),
            Algorithm::Rs512 => is_pkcs1(&encoded, &SHA512_INFO, &Sha512::digest(message)),
            Algorithm::Ps256 => is_pss::<Sha256>(&encoded, self.bits, message) == Some(true),
            Algorithm::Ps384 => is_pss::<Sha384>(&encoded, self.bits, message) == Some(true),
            Algorithm::Ps512 => is_pss::<Sha512>(&encoded, self.bits, message) == Some(true),
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => false,
        }
    }
}

/// What stands before a hash in a `DigestInfo` (§9.2 note 1): name of the function, length.
const SHA256_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
const SHA384_INFO: [u8; 19] = [
    0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05,
    0x00, 0x04, 0x30,
];
const SHA512_INFO: [u8; 19] = [
    0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05,
    0x00, 0x04, 0x40,
];

/// The last byte of an EMSA-PSS encoding (§9.1.1 step 12).
const TRAILER: u8 = 0xbc;

/// At least this many bytes of 0xff (§9.2 step 4).
const MIN_PADDING: usize = 8;

/// Whether `encoded` is EMSA-PKCS1-v1_5 (§9.2) of `hash`.
fn is_pkcs1(encoded: &[u8], info: &[u8], hash: &[u8]) -> bool {
    let used = info.len().saturating_add(hash.len()).saturating_add(3);
    match encoded.len().checked_sub(used) {
        Some(padding) if padding >= MIN_PADDING => {
            let padding = vec![0xff; padding];
            encoded == [&[0, 1], padding.as_slice(), &[0], info, hash].concat()
        }
        _ => false,
    }
}

/// Whether `encoded` is EMSA-PSS (§9.1.2) of `message`, for a modulus of `bits` bits; hash and mask
/// by `H`, salt as long as the hash. `None` where parts are missing.
fn is_pss<H: Digest>(encoded: &[u8], bits: usize, message: &[u8]) -> Option<bool> {
    let encoded_bits = bits.checked_sub(1)?;
    // With a modulus of 8k + 1 bits the encoding is one byte shorter than the modulus (§8.2.2 step
    // 2c), and that byte must be zero.
    let extra = encoded.len().checked_sub(encoded_bits.div_ceil(8))?;
    let (above, encoded) = encoded.split_at_checked(extra)?;
    let (trailer, encoded) = encoded.split_last()?;
    let hash_len = <H as Digest>::output_size();
    let (masked, hash) = encoded.split_at_checked(encoded.len().checked_sub(hash_len)?)?;
    // The bits of the first byte that belong to the encoding.
    let used = match encoded_bits % 8 {
        0 => u8::MAX,
        bits => (1_u8 << bits).wrapping_sub(1),
    };
    let unused_are_zero = masked.first()? & !used == 0;
    let mask = mgf1::<H>(hash, masked.len());
    let mut block: Vec<u8> = masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    *block.first_mut()? &= used;
    let (padding, salt) = block.split_at_checked(block.len().checked_sub(hash_len)?)?;
    let (separator, zeros) = padding.split_last()?;
    let expected = H::new()
        .chain_update([0; 8])
        .chain_update(H::digest(message))
        .chain_update(salt)
        .finalize();
    Some(
        above.iter().chain(zeros).all(|byte| *byte == 0)
            && *trailer == TRAILER
            && unused_are_zero
            && *separator == 1
            && hash == expected.as_slice(),
    )
}

/// As many bytes as are asked for from `seed` (§B.2.1).
fn mgf1<H: Digest>(seed: &[u8], len: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|counter| {
            H::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize()
        })
        .take(len)
        .collect()
}
