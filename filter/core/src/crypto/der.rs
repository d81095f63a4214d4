//! The four ASN.1 types in DER (X.690) that public keys and ECDSA signatures consist of. Writing
//! only.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// A SEQUENCE around `content`, which is encoded already.
pub(crate) fn sequence(content: &[u8]) -> Vec<u8> {
    tagged(SEQUENCE, &[], content)
}

/// A BIT STRING of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tagged(BIT_STRING, &[0], bytes)
}

/// A non-negative INTEGER from its big-endian bytes: no leading zeros, but one where the first bit
/// would be a sign.
pub(crate) fn unsigned(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = number.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if number.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    tagged(INTEGER, sign, number)
}

fn tagged(tag: u8, prefix: &[u8], content: &[u8]) -> Vec<u8> {
    let length = prefix.len().saturating_add(content.len());
    let mut encoded = Vec::with_capacity(length.saturating_add(6));
    encoded.push(tag);
    push_length(&mut encoded, length);
    encoded.extend_from_slice(prefix);
    encoded.extend_from_slice(content);
    encoded
}

/// The length: in one byte below 128, else after a byte that says how many bytes it takes.
fn push_length(encoded: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => encoded.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let significant = bytes.iter().skip_while(|byte| **byte == 0);
            let count = u8::try_from(significant.clone().count()).unwrap_or(u8::MAX);
            encoded.push(0x80 | count);
            encoded.extend(significant);
        }
    }
}
