#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::base64url;
use crate::jws::{DEFAULT_MAX_TOKEN_BYTES, Jws};

const RFC_7515_PAYLOAD: &str = concat!(
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290",
    "Ijp0cnVlfQ"
);

/// Whether the software accepts `token` with the key `jwk`.
fn accepts(jwk: &str, token: &str) -> bool {
    let key = PublicKey::parse(jwk.as_bytes()).unwrap();
    let jws = Jws::parse(token.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).unwrap();
    SoftwareVerifier.verify(jws.algorithm(), &key, jws.signing_input(), jws.signature())
}

fn answer(algorithm: Algorithm) -> KnownAnswer {
    *known_answer_tests().iter().find(|answer| answer.algorithm() == algorithm).unwrap()
}

/// Whether the software accepts `signature` where the known answer for `algorithm` is the right one.
fn accepts_instead(algorithm: Algorithm, signature: &[u8]) -> bool {
    let answer = answer(algorithm);
    SoftwareVerifier.verify(algorithm, &answer.key().unwrap(), answer.message(), signature)
}

#[test]
fn the_software_verifier_proves_itself_on_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let answers = known_answer_tests().iter().filter(|answer| answer.algorithm() == algorithm);
        let proofs: Vec<bool> = answers.map(|answer| answer.proves(&SoftwareVerifier)).collect();
        assert_eq!(proofs, [true], "{algorithm}");
    }
}

#[test]
fn a_verifier_that_always_agrees_or_always_refuses_proves_nothing() {
    struct Constant(bool);
    impl SignatureVerifier for Constant {
        fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
            self.0
        }
    }
    for answer in known_answer_tests() {
        assert!(!answer.proves(&Constant(true)) && !answer.proves(&Constant(false)));
    }
}

#[test]
fn the_rs256_example_of_rfc_7515_appendix_a_2_is_accepted() {
    let jwk = concat!(
        r#"{"kty":"RSA","e":"AQAB","n":""#,
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz",
        "P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6",
        "3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw",
        "Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW",
        r#"yuXpoQ"}"#
    );
    let signature = concat!(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt",
        "_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArL",
        "IARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7no",
        "OPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ",
        "Ge77Rw"
    );
    assert!(accepts(jwk, &format!("eyJhbGciOiJSUzI1NiJ9.{RFC_7515_PAYLOAD}.{signature}")));
    // RS384 in the header, the same signature.
    assert!(!accepts(jwk, &format!("eyJhbGciOiJSUzM4NCJ9.{RFC_7515_PAYLOAD}.{signature}")));
}

#[test]
fn the_es256_example_of_rfc_7515_appendix_a_3_is_accepted() {
    let jwk = concat!(
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#,
        r#""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#
    );
    let signature = concat!(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU",
        "1Q"
    );
    assert!(accepts(jwk, &format!("eyJhbGciOiJFUzI1NiJ9.{RFC_7515_PAYLOAD}.{signature}")));
    assert!(!accepts(jwk, &format!("eyJhbGciOiJFUzI1NiJ9.e30.{signature}")));
}

#[test]
fn the_ps384_example_of_rfc_7520_section_4_2_is_accepted() {
    let jwk = concat!(
        r#"{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","e":"AQAB","n":""#,
        "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZ",
        "QHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oB",
        "HqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVb",
        "b9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHd",
        r#"rNP5zw"}"#
    );
    let token = concat!(
        "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.",
        "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0",
        "ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5v",
        "IGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.",
        "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqH",
        "CdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn",
        "442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0",
        "n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-",
        "X72Eaw"
    );
    assert!(accepts(jwk, token));
}

#[test]
fn the_eddsa_example_of_rfc_8037_appendix_a_4_is_accepted() {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let token = concat!(
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0K",
        "Ag"
    );
    assert!(accepts(jwk, token));
}

#[test]
fn a_signature_is_refused_under_every_other_algorithm() {
    for right in known_answer_tests() {
        let key = right.key().unwrap();
        for algorithm in Algorithm::ALL {
            let accepted =
                SoftwareVerifier.verify(algorithm, &key, right.message(), &right.signature());
            assert_eq!(
                accepted,
                algorithm == right.algorithm(),
                "{} as {algorithm}",
                right.algorithm()
            );
        }
    }
}

#[test]
fn a_signature_with_any_byte_changed_is_refused() {
    for answer in known_answer_tests() {
        let good = answer.signature();
        for at in [0, 1, good.len() / 2 - 1, good.len() / 2, good.len() - 1] {
            let mut changed = good.clone();
            changed[at] ^= 0x80;
            assert!(!accepts_instead(answer.algorithm(), &changed), "{}", answer.algorithm());
        }
    }
}

#[test]
fn a_signature_of_another_length_is_refused() {
    for answer in known_answer_tests() {
        let good = answer.signature();
        let padded = [&[0][..], &good].concat();
        let trailed = [&good[..], &[0]].concat();
        for wrong in [&good[1..], &good[..good.len() - 1], &padded, &trailed, &[], &[0]] {
            assert!(!accepts_instead(answer.algorithm(), wrong), "{}", answer.algorithm());
        }
    }
}

#[test]
fn an_rsa_signature_not_below_the_modulus_is_refused() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let key = answer(algorithm).key().unwrap();
        let crate::jwk::KeyMaterial::Rsa { modulus, .. } = key.material() else { panic!("RSA") };
        assert!(!accepts_instead(algorithm, modulus));
        assert!(!accepts_instead(algorithm, &[0xff; 256]));
        assert!(!accepts_instead(algorithm, &[0; 256]));
        // One and minus one are their own powers.
        let mut one = vec![0; 256];
        one[255] = 1;
        assert!(!accepts_instead(algorithm, &one));
    }
}

/// The orders of the groups of P-256 and P-384, big-endian (FIPS 186-4 §D.1.2).
const ORDERS: [(Algorithm, &[u8]); 2] = [
    (
        Algorithm::Es256,
        &[
            0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2,
            0xfc, 0x63, 0x25, 0x51,
        ],
    ),
    (
        Algorithm::Es384,
        &[
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81,
            0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec,
            0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
        ],
    ),
];

/// `a - b`, big-endian, of the same length.
fn minus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut digits: Vec<u8> = std::iter::zip(a.iter().rev(), b.iter().rev())
        .map(|(a, b)| {
            let (digit, below) = a.overflowing_sub(*b);
            let (digit, still_below) = digit.overflowing_sub(u8::from(borrow));
            borrow = below || still_below;
            digit
        })
        .collect();
    digits.reverse();
    digits
}

#[test]
fn ecdsa_numbers_out_of_range_are_refused() {
    for (algorithm, n) in ORDERS {
        let good = answer(algorithm).signature();
        let (r, s) = good.split_at(good.len() / 2);
        let (zero, max) = (vec![0; r.len()], vec![0xff; r.len()]);
        for (r, s) in [
            (&zero[..], &zero[..]), // the "psychic" signature, CVE-2022-21449
            (&zero, s),
            (r, &zero),
            (n, s),
            (r, n),
            (n, n),
            (&zero, n),
            (n, &zero),
            (&max, &max),
        ] {
            assert!(!accepts_instead(algorithm, &[r, s].concat()), "{algorithm}");
        }
    }
}

#[test]
fn an_ecdsa_signature_has_a_twin_that_is_valid_too() {
    // No fault, but the reason why neither caches nor revocation may know a token by its bytes.
    for (algorithm, n) in ORDERS {
        let good = answer(algorithm).signature();
        let (r, s) = good.split_at(good.len() / 2);
        let twin = [r, &minus(n, s)].concat();
        assert_ne!(twin, good);
        assert!(accepts_instead(algorithm, &twin), "{algorithm}");
    }
}

#[test]
fn an_ecdsa_signature_in_asn1_is_refused() {
    let good = answer(Algorithm::Es256).signature();
    assert!(!accepts_instead(Algorithm::Es256, &ecdsa_raw_to_der(&good).unwrap()));
}

#[test]
fn an_ed25519_signature_with_a_non_canonical_number_is_refused() {
    let good = answer(Algorithm::EdDsa).signature();
    // S + L, which less strict implementations take for S.
    let l = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    let sum = std::iter::zip(&good[32..], l).map(|(s, l)| {
        let sum = u16::from(*s) + l + carry;
        carry = sum >> 8;
        u8::try_from(sum & 0xff).unwrap()
    });
    let twin: Vec<u8> = good[..32].iter().copied().chain(sum).collect();
    assert!(!accepts_instead(Algorithm::EdDsa, &twin));
}

#[test]
fn an_ed25519_key_of_small_order_signs_nothing() {
    // With the identity as key and as nonce, and zero as number, the plain equation holds for
    // every message.
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(!verify_ed25519(&identity, b"any", &signature));
}

#[test]
fn ed25519_for_pages_agrees_with_the_known_answer() {
    let answer = answer(Algorithm::EdDsa);
    let key = answer.key().unwrap();
    let crate::jwk::KeyMaterial::Ed25519(public) = key.material() else { panic!("Ed25519") };
    let good: [u8; 64] = answer.signature().try_into().unwrap();
    assert!(verify_ed25519(public, answer.message(), &good));
    assert!(!verify_ed25519(public, b"another", &good));
    assert!(!verify_ed25519(&[2; 32], answer.message(), &good));
}

#[test]
fn an_ecdsa_signature_becomes_asn1_with_the_shortest_numbers() {
    let raw = |r: &[u8], s: &[u8]| {
        let pad = |number: &[u8]| [vec![0; 32 - number.len()], number.to_vec()].concat();
        [pad(r), pad(s)].concat()
    };
    for (r, s, der) in [
        (&[1][..], &[0x7f][..], &[0x30, 6, 2, 1, 1, 2, 1, 0x7f][..]),
        (&[0x80], &[1, 0], &[0x30, 8, 2, 2, 0, 0x80, 2, 2, 1, 0]),
    ] {
        assert_eq!(ecdsa_raw_to_der(&raw(r, s)).as_deref(), Some(der));
    }
    let both_high = ecdsa_raw_to_der(&[0xff; 96]).unwrap();
    assert_eq!(both_high[..5], [0x30, 102, 2, 49, 0]);
    assert_eq!(both_high.len(), 104);
}

#[test]
fn what_is_no_ecdsa_signature_does_not_become_asn1() {
    for length in [0, 1, 63, 65, 95, 97, 132] {
        assert_eq!(ecdsa_raw_to_der(&vec![1; length]), None, "{length}");
    }
    let (zero, one) = ([0; 32], [1; 32]);
    for (r, s) in [(zero, zero), (zero, one), (one, zero)] {
        assert_eq!(ecdsa_raw_to_der(&[r, s].concat()), None);
    }
}

#[test]
fn sha256_of_abc_is_the_one_of_fips_180() {
    let hash = base64url::encode(&sha256(b"abc"));
    assert_eq!(hash, "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
}
