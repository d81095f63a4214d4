//! base64url as JOSE uses it (RFC 7515 §2): without padding, and in one spelling only.
//!
//! Refuses `=`, white space, the `+` and `/` of plain base64, and trailing bits that are not zero.
//! The last matters most: with them, one signed token would have several spellings, and whatever
//! compares tokens as text (a cache, a hash that another token is bound to) would take them for
//! different ones.
//!
//! Decoding is our own, since each new token is read through it: four characters at a time, each
//! looked up in a table that has its bits in their place already.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Why text is not base64url.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not canonical base64url without padding (RFC 7515 §2)")]
pub struct Base64UrlError;

/// The bytes that `text` stands for.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Base64UrlError> {
    let mut bytes = Vec::with_capacity(decoded_length(text));
    decode_onto(text, &mut bytes)?;
    Ok(bytes)
}

/// Appends the bytes that `text` stands for to `bytes`, of which nothing is to be used after an error.
pub(crate) fn decode_onto(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), Base64UrlError> {
    let start = bytes.len();
    bytes.resize(start.saturating_add(decoded_length(text)), 0);
    let (whole, last) = bytes.get_mut(start..).unwrap_or_default().as_chunks_mut::<3>();
    let (quads, rest) = text.as_chunks::<4>();
    let mut seen = 0;
    for ([first, second, third], [a, b, c, d]) in whole.iter_mut().zip(quads) {
        let bits = at(&FIRST, *a) | at(&SECOND, *b) | at(&THIRD, *c) | at(&FOURTH, *d);
        seen |= bits;
        [*first, *second, *third, _] = bits.to_le_bytes();
    }
    // What is missing counts as zero, and so must what is too much.
    let bits = match rest {
        [] => 0,
        [a, b] => at(&FIRST, *a) | at(&SECOND, *b),
        [a, b, c] => at(&FIRST, *a) | at(&SECOND, *b) | at(&THIRD, *c),
        _ => INVALID,
    };
    let mut left = bits.to_le_bytes().into_iter();
    for (to, from) in last.iter_mut().zip(left.by_ref()) {
        *to = from;
    }
    if seen & INVALID == 0 && left.all(|byte| byte == 0) { Ok(()) } else { Err(Base64UrlError) }
}

/// The one text that stands for `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// How many bytes `text` stands for, if it is base64url.
pub(crate) const fn decoded_length(text: &[u8]) -> usize {
    let length = text.len();
    // One character alone stands for none, and is refused.
    (length / 4).saturating_mul(3).saturating_add(match length % 4 {
        0 | 1 => 0,
        2 => 1,
        _ => 2,
    })
}

/// A bit that no three bytes have: some character is not of the alphabet.
const INVALID: u32 = 1 << 31;

/// For each character its six bits, as they lie in the three bytes of a group, the first byte lowest.
type Table = [u32; 256];

static FIRST: Table = table(0);
static SECOND: Table = table(1);
static THIRD: Table = table(2);
static FOURTH: Table = table(3);

fn at(table: &Table, character: u8) -> u32 {
    table.get(usize::from(character)).copied().unwrap_or(INVALID)
}

/// The table for characters at `place` of their groups.
const fn table(place: u32) -> Table {
    let mut table = [INVALID; 256];
    let mut rest = table.as_mut_slice();
    let mut character = 0_u8;
    while let Some((entry, more)) = rest.split_first_mut() {
        if let Some(value) = value(character) {
            // As bytes of a group: the first character's bits are the highest of the first byte.
            let [_, first, second, third] =
                (value << 18_u32.wrapping_sub(place.wrapping_mul(6))).to_be_bytes();
            *entry = u32::from_le_bytes([first, second, third, 0]);
        }
        character = character.wrapping_add(1);
        rest = more;
    }
    table
}

/// What a character stands for (RFC 4648 §5).
const fn value(character: u8) -> Option<u32> {
    let (first, offset) = match character {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'-' => (b'-', 62),
        b'_' => (b'_', 63),
        _ => return None,
    };
    let value = character.wrapping_sub(first).wrapping_add(offset);
    Some(u32::from_le_bytes([value, 0, 0, 0]))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_example_of_rfc_7515_appendix_c_is_reproduced() {
        let bytes = [3, 236, 255, 224, 193];
        assert_eq!(encode(&bytes), "A-z_4ME");
        assert_eq!(decode(b"A-z_4ME"), Ok(bytes.to_vec()));
    }

    #[test]
    fn every_length_comes_back_as_it_was() {
        for length in 0..70_u8 {
            let bytes: Vec<u8> = (0..length).map(|i| i.wrapping_mul(37) ^ 0xa5).collect();
            assert_eq!(decode(encode(&bytes).as_bytes()), Ok(bytes), "length {length}");
        }
    }

    /// What the crate accepts that we decoded with before.
    fn by_the_crate(text: &[u8]) -> Result<Vec<u8>, Base64UrlError> {
        URL_SAFE_NO_PAD.decode(text).map_err(|_| Base64UrlError)
    }

    #[test]
    fn every_byte_at_every_place_of_a_group_is_read_as_the_crate_reads_it() {
        for good in [&b"QUJD"[..], b"QUJDQQ", b"QUJDQUI", b"Q", b"", b"QUJDR"] {
            assert_eq!(decode(good), by_the_crate(good), "{good:?}");
            for place in 0..good.len() {
                for byte in 0..=255 {
                    let mut text = good.to_vec();
                    text[place] = byte;
                    assert_eq!(decode(&text), by_the_crate(&text), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_decoded_comes_after_what_is_there() {
        let mut bytes = b"{}".to_vec();
        decode_onto(b"A-z_4ME", &mut bytes).unwrap();
        assert_eq!(bytes, [b'{', b'}', 3, 236, 255, 224, 193]);
    }

    #[test]
    fn anything_but_the_one_spelling_is_refused() {
        for text in [
            "A-z_4ME=",
            "A-z_4ME==",
            "=",
            "A",
            "AAAAA", // padding, lengths of 1 modulo 4
            "A+z_4ME",
            "A-z/4ME", // the alphabet of plain base64
            "A-z_ 4ME",
            "A-z_\n4ME",
            "A-z_4ME\n",
            "\tA-z_4ME",
            "A-z_\r\n4ME", // white space
            "A-z_4MF",
            "A-z_4MG",
            "AB",
            "AAB",
            "_x", // trailing bits that are not zero
            "A-z_\u{e4}ME",
            "A-z_\0ME",
            "{\"a\":1}",
            "A.A",
        ] {
            assert_eq!(decode(text.as_bytes()), Err(Base64UrlError), "{text:?}");
        }
        assert_eq!(decode(b"A-z_4ME\xff"), Err(Base64UrlError));
    }
}
