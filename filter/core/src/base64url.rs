//! base64url as JOSE uses it (RFC 7515 §2): without padding, and in one spelling only.
//!
//! Refuses `=`, white space, the `+` and `/` of plain base64, and trailing bits that are not zero.
//! The last matters most: with them, one signed token would have several spellings, and whatever
//! compares tokens as text (a cache, a hash that another token is bound to) would take them for
//! different ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Why text is not base64url.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not canonical base64url without padding (RFC 7515 §2)")]
pub struct Base64UrlError;

/// The bytes that `text` stands for.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Base64UrlError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Base64UrlError)
}

/// The one text that stands for `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
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
