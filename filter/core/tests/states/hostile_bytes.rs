//! Hostile tokens at the gate, continued: what is wrong with their bytes.

use rescind_core::base64url;
use serde_json::json;

use super::hostile::{expect, raw, raw_claim, raw_header};
use super::world::{claims, config, good_token, header, token_with, with};

#[test]
fn a_member_that_occurs_twice_makes_no_token() {
    let payload = claims().to_string();
    let twice = |member: &str| payload.replacen('{', &format!("{{{member},"), 1);
    let header = header().to_string();
    let header_twice = |member: &str| header.replacen('{', &format!("{{{member},"), 1);
    let rows: Vec<_> = [
        ("sub, the same", twice(r#""sub":"alice""#)),
        ("sub, another", twice(r#""sub":"root""#)),
        ("sub, with an escape", twice(r#""\u0073ub":"root""#)),
        ("exp, later", twice(r#""exp":99999999999"#)),
        ("nested, in act", twice(r#""act":{"sub":"a","sub":"b"}"#)),
        ("nested, in what nobody reads", twice(r#""x":{"y":[{"a":1,"\u0061":2}]}"#)),
    ]
    .into_iter()
    .map(|(what, payload)| (what, raw(&header, payload), "malformed_payload"))
    .collect();
    expect(&config(), &rows);
    let rows: Vec<_> = [
        ("alg, another before", header_twice(r#""alg":"none""#)),
        ("alg, with an escape", header_twice(r#""\u0061lg":"EdDSA""#)),
        ("kid", header_twice(r#""kid":"k1""#)),
        ("typ", header_twice(r#""typ":"at+jwt""#)),
        ("nested", header_twice(r#""jwk":{"x":1,"x":2}"#)),
    ]
    .into_iter()
    .map(|(what, header)| (what, raw(header, &payload), "malformed_token"))
    .collect();
    expect(&config(), &rows);
}

#[test]
fn text_that_is_no_unicode_makes_no_token() {
    let (start, end) = (br#"{"iss":""#.as_slice(), br#"","sub":"a"}"#.as_slice());
    let bytes = |middle: &[u8]| raw(header().to_string(), [start, middle, end].concat());
    let rows = [
        ("a lone high surrogate", raw_claim("sub", r#""\ud800""#), "malformed_payload"),
        ("a lone low surrogate", raw_claim("sub", r#""\udc00x""#), "malformed_payload"),
        (
            "surrogates in the wrong order",
            raw_claim("sub", r#""\udc00\ud800""#),
            "malformed_payload",
        ),
        ("a pair", raw_claim("sub", r#""\ud83d\ude00""#), "permit"),
        ("an overlong slash", bytes(b"\xc0\xaf"), "malformed_payload"),
        ("a surrogate in UTF-8", bytes(b"\xed\xa0\x80"), "malformed_payload"),
        ("beyond Unicode", bytes(b"\xf4\x90\x80\x80"), "malformed_payload"),
        ("half a character", bytes(b"\xe2\x82"), "malformed_payload"),
        ("Latin-1", bytes(b"zo\xeb"), "malformed_payload"),
        ("a line end in a text", bytes(b"a\nb"), "malformed_payload"),
        (
            "a mark before the payload",
            raw(header().to_string(), format!("\u{feff}{}", claims())),
            "malformed_payload",
        ),
        (
            "a mark before the header",
            raw(format!("\u{feff}{}", header()), claims().to_string()),
            "malformed_token",
        ),
        ("UTF-16", raw(header().to_string(), utf16(&claims().to_string())), "malformed_payload"),
        (
            "something after it",
            raw(header().to_string(), format!("{} x", claims())),
            "malformed_payload",
        ),
        (
            "two objects",
            raw(header().to_string(), format!("{0}{0}", claims())),
            "malformed_payload",
        ),
    ];
    expect(&config(), &rows);
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn base64url_has_one_spelling() {
    let good = good_token();
    let [head, body, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    // The signature's 64 bytes leave four bits of its last letter unused.
    let (most, last) = signature.split_at(signature.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    let alike = alphabet.get(place + 1..place + 2).unwrap();
    let mut rows = vec![
        ("padding", format!("{good}=="), "malformed_token"),
        ("padding in the header", format!("{head}=.{body}.{signature}"), "malformed_token"),
        ("unused bits", format!("{head}.{body}.{most}{alike}"), "malformed_token"),
        ("a letter too many", format!("{good}A"), "bad_signature"),
        ("a tilde", format!("{head}.{body}.~{signature}"), "malformed_token"),
        ("a blank within", format!("{head}.{body}. {signature}"), "malformed_credentials"),
        ("a line end within", format!("{head}.{body}.{most}\n{last}"), "malformed_credentials"),
        ("a line end after it", format!("{good}\r\n"), "malformed_credentials"),
        ("a NUL after it", format!("{good}\0"), "malformed_credentials"),
        ("an escape", format!("{head}%2E{body}.{signature}"), "malformed_credentials"),
    ];
    // A token of which the other alphabet writes some letters differently.
    let other = (0..).map(|number| token_with("jti", json!(format!("t-{number}"))));
    let other = other.into_iter().find(|token| token.contains(['-', '_'])).unwrap();
    rows.push(("itself", other.clone(), "permit"));
    rows.push(("in base64", other.replace('-', "+").replace('_', "/"), "malformed_token"));
    expect(&config(), &rows);
}

#[test]
fn a_token_has_three_parts_and_none_is_empty() {
    let good = good_token();
    let [head, body, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let flattened = json!({ "protected": head, "payload": body, "signature": signature });
    let general =
        json!({ "payload": body, "signatures": [{ "protected": head, "signature": signature }] });
    let rows = [
        ("one part", head.to_owned(), "malformed_token"),
        ("two parts", format!("{head}.{body}"), "malformed_token"),
        ("four parts", format!("{good}.{signature}"), "malformed_token"),
        (
            "five parts, as encryption has",
            format!("{head}.{signature}.{body}.{body}.{signature}"),
            "malformed_token",
        ),
        ("no header", format!(".{body}.{signature}"), "malformed_token"),
        ("no payload", format!("{head}..{signature}"), "malformed_token"),
        ("no signature", format!("{head}.{body}."), "malformed_token"),
        ("dots only", "..".to_owned(), "malformed_token"),
        ("a dot before", format!(".{good}"), "malformed_token"),
        ("a dot after", format!("{good}."), "malformed_token"),
        ("JSON serialization, flattened", flattened.to_string(), "malformed_credentials"),
        ("JSON serialization, general", general.to_string(), "malformed_credentials"),
    ];
    expect(&config(), &rows);
}

#[test]
fn an_ed25519_signature_has_one_form() {
    let good = good_token();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let signature = base64url::decode(signature.as_bytes()).unwrap();
    // The group's order, little-endian (RFC 8032 §5.1): added to S, the equation holds as before.
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let mut malleated = signature.clone();
    let mut carry = 0;
    for (place, byte) in malleated[32..].iter_mut().enumerate() {
        let digit = u16::from_str_radix(order.get(2 * place..2 * place + 2).unwrap(), 16).unwrap();
        let sum = u16::from(*byte) + digit + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let token = |signature: &[u8]| format!("{input}.{}", base64url::encode(signature));
    let rows = [
        ("S plus the order", token(&malleated), "bad_signature"),
        ("zeros", token(&[0; 64]), "bad_signature"),
        (
            "the neutral element and zero",
            token(&[&[1], [0; 63].as_slice()].concat()),
            "bad_signature",
        ),
        ("a byte less", token(&signature[..63]), "bad_signature"),
        ("a byte more", token(&[signature.as_slice(), &[0]].concat()), "bad_signature"),
        ("twice", token(&[signature.as_slice(), &signature].concat()), "bad_signature"),
    ];
    expect(&config(), &rows);
}

#[test]
fn a_bomb_of_a_token_is_refused_within_its_budget() {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let members = |count: usize| {
        let members: Vec<_> = (0..count).map(|number| format!("\"{number}\":1")).collect();
        format!("{{{}}}", members.join(","))
    };
    let actors = |count: usize| {
        (0..count).fold(json!({"sub": "a"}), |act, _| json!({"sub": "a", "act": act}))
    };
    let kib = |kib: usize| token_with("ballast", json!("x".repeat(kib * 1024)));
    expect(
        &config(),
        &[
            ("64 KiB", kib(48), "malformed_token"),
            ("8 KiB", kib(6), "malformed_token"),
            (
                "a header of 2 KiB",
                raw_header("x", &json!("x".repeat(2048)).to_string()),
                "malformed_token",
            ),
        ],
    );
    let roomy = with(config(), "/limits", json!({"max_token_bytes": 65536}));
    expect(
        &roomy,
        &[
            ("10,000 levels", raw_claim("x", &deep(10_000)), "malformed_payload"),
            ("10,000 levels in the header", raw_header("x", &deep(900)), "malformed_token"),
            ("5,000 members", raw_claim("x", &members(5_000)), "malformed_payload"),
            (
                "5,000 elements",
                raw_claim("x", &format!("[1{}]", ",1".repeat(4_999))),
                "malformed_payload",
            ),
            ("1,000 actors", token_with("act", actors(1_000)), "malformed_payload"),
            ("nine actors", token_with("act", actors(8)), "malformed_claims"),
            ("eight actors", token_with("act", actors(7)), "permit"),
        ],
    );
}
