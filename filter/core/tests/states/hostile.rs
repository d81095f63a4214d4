//! Hostile tokens at the gate, in the order of the catalogue of known attacks (RFC 8725, and what was
//! found in JWT libraries since): each is refused for its own reason, so that a check that vanishes
//! is missed here even where a later one would refuse the token as well.
//!
//! Attacks with keys and signatures of other implementations are in `tests/hostile_tokens.rs`, those
//! on paths in `tests/paths.rs`, on the feed in the tests of the replica, and those that depend on
//! the gateway among the end-to-end tests.

use ed25519_dalek::Signer as _;
use rescind_core::base64url;
use rescind_core::subject::SubjectKind;
use serde_json::{Value, json};

use super::world::{
    AUDIENCE, ISSUER, START, World, claims, config, good_token, header, key, mint, token_with, with,
};
use super::{PERMIT, answer};

/// A token of exactly these texts, whatever they are, signed by the issuer's key.
pub(super) fn raw(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let input =
        format!("{}.{}", base64url::encode(header.as_ref()), base64url::encode(payload.as_ref()));
    let signature = key(1).sign(input.as_bytes()).to_bytes();
    format!("{input}.{}", base64url::encode(&signature))
}

/// A good token with this text in place of the claim's value.
pub(super) fn raw_claim(name: &str, value: &str) -> String {
    let marked = with(claims(), &format!("/{name}"), json!("here"));
    raw(header().to_string(), marked.to_string().replace("\"here\"", value))
}

/// The same in its header.
pub(super) fn raw_header(name: &str, value: &str) -> String {
    let marked = with(header(), &format!("/{name}"), json!("here"));
    raw(marked.to_string().replace("\"here\"", value), claims().to_string())
}

/// What becomes of each token, in a world of its own, and again when it is known there.
pub(super) fn expect(config: &Value, rows: &[(&str, String, &str)]) {
    for (what, token, reason) in rows {
        let mut world = World::synchronized(config);
        assert_eq!(world.get("/", Some(token)).1, *reason, "{what}");
        assert_eq!(world.get("/", Some(token)).1, *reason, "{what}, the second time");
        assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT), "after {what}");
    }
}

#[test]
fn an_algorithm_is_named_exactly_or_the_token_is_none() {
    let names = ["none", "None", "nOnE", "NONE", "", "eddsa", "EdDSA ", "HS256", "ES256K", "RS1"];
    let mut rows: Vec<_> = names
        .map(|name| (name, raw_header("alg", &json!(name).to_string()), "malformed_token"))
        .to_vec();
    for value in ["null", "[\"EdDSA\"]", "7", "{}", "true"] {
        rows.push((value, raw_header("alg", value), "malformed_token"));
    }
    let missing = raw(r#"{"typ":"at+jwt","kid":"k1"}"#, claims().to_string());
    rows.push(("missing", missing, "malformed_token"));
    rows.push(("in another case", raw_header("ALG", "\"none\""), "permit"));
    expect(&config(), &rows);
}

#[test]
fn an_extension_that_is_called_critical_is_refused_whatever_it_is() {
    let mut rows = Vec::new();
    for value in ["[\"exp\"]", "[]", "\"exp\"", "{}", "null", "[\"nothing\"]", "[\"alg\"]", "[7]"] {
        rows.push((value, raw_header("crit", value), "malformed_token"));
    }
    let unencoded = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","b64":false,"crit":["b64"]}"#;
    rows.push((
        "b64, said to be critical",
        raw(unencoded, claims().to_string()),
        "malformed_token",
    ));
    rows.push(("b64, not said to be critical", raw_header("b64", "false"), "malformed_token"));
    rows.push(("b64 true", raw_header("b64", "true"), "malformed_token"));
    rows.push(("an encryption", raw_header("enc", "\"A128GCM\""), "malformed_token"));
    expect(&config(), &rows);
}

#[test]
fn a_kid_is_the_name_of_a_key_and_nothing_else() {
    let unknown = [
        "../../../../dev/null",
        "/proc/self/environ",
        "k1' OR '1'='1",
        "k1;DROP TABLE keys",
        "k1|/bin/true",
        "https://evil.example.com/jwks.json",
        "k1\u{0}",
        "K1",
        " k1",
        "k1 ",
        "",
        "\u{0}",
    ];
    let mut rows: Vec<_> = unknown
        .map(|kid| (kid, raw_header("kid", &json!(kid).to_string()), "unknown_key"))
        .to_vec();
    let long = |length| json!("k".repeat(length)).to_string();
    rows.push(("the longest", raw_header("kid", &long(256)), "unknown_key"));
    rows.push(("one byte longer", raw_header("kid", &long(257)), "malformed_token"));
    rows.push(("a megabyte", raw_header("kid", &long(1 << 20)), "malformed_token"));
    for value in ["1", "[\"k1\"]", "null", "{\"k1\":1}"] {
        rows.push((value, raw_header("kid", value), "malformed_token"));
    }
    rows.push(("with an escape", raw_header("kid", r#""\u006b1""#), "permit"));
    expect(&config(), &rows);
}

#[test]
fn a_claim_in_another_case_is_another_claim() {
    let renamed = |name: &str, other: &str| {
        let payload = claims().to_string().replace(&format!("\"{name}\""), &format!("\"{other}\""));
        raw(header().to_string(), payload)
    };
    let rows = [
        ("Iss", renamed("iss", "Iss"), "unknown_issuer"),
        ("SUB", renamed("sub", "SUB"), "missing_claim"),
        ("Aud", renamed("aud", "Aud"), "missing_claim"),
        ("Exp", renamed("exp", "Exp"), "missing_claim"),
        ("IAT", renamed("iat", "IAT"), "missing_claim"),
        ("a long s, which folds to s", renamed("sub", "\u{17f}ub"), "missing_claim"),
    ];
    expect(&config(), &rows);
}

#[test]
fn a_time_is_a_number_of_seconds_or_the_token_is_refused() {
    for claim in ["exp", "nbf", "iat"] {
        let malformed = [
            "\"1800000100\"",
            "\"\"",
            "-1",
            "-1e9",
            "1e300",
            "9007199254740993",
            "[1800000100]",
            "{}",
            "null",
            "true",
        ];
        let mut rows: Vec<_> =
            malformed.map(|value| (value, raw_claim(claim, value), "malformed_claims")).to_vec();
        for value in ["1e400", "0x6b49d200", "01800000100", "1800000100.", "+1", "NaN", "Infinity"]
        {
            rows.push((value, raw_claim(claim, value), "malformed_payload"));
        }
        expect(&config(), &rows);
    }
    let rows = [
        ("exp with a fraction", raw_claim("exp", &format!("{}.75", START + 100)), "permit"),
        ("exp with an exponent", raw_claim("exp", "1.8000001e9"), "permit"),
        ("exp missing", token_with("exp", Value::Null), "missing_claim"),
        ("iat missing", token_with("iat", Value::Null), "missing_claim"),
        ("exp zero", raw_claim("exp", "0"), "expired"),
    ];
    expect(&config(), &rows);
}

#[test]
fn an_audience_is_a_text_or_a_list_of_texts() {
    let ours = json!(AUDIENCE).to_string();
    let rows = [
        ("a list in the list", raw_claim("aud", &format!("[[{ours}]]")), "malformed_claims"),
        ("a number beside ours", raw_claim("aud", &format!("[{ours},7]")), "malformed_claims"),
        ("a number", raw_claim("aud", "7"), "malformed_claims"),
        ("an object", raw_claim("aud", &format!("{{{ours}:true}}")), "malformed_claims"),
        ("null", raw_claim("aud", "null"), "malformed_claims"),
        ("nobody", raw_claim("aud", "[]"), "malformed_claims"),
        (
            "ours and more in one text",
            raw_claim("aud", &ours.replace(".com", ".com x")),
            "wrong_audience",
        ),
        ("ours in upper case", raw_claim("aud", &ours.to_uppercase()), "wrong_audience"),
        ("the start of ours", raw_claim("aud", &ours.replace(".com", "")), "wrong_audience"),
        ("ours, twice", raw_claim("aud", &format!("[{ours},{ours}]")), "permit"),
    ];
    expect(&config(), &rows);
}

#[test]
fn an_issuer_that_only_looks_like_ours_is_unknown() {
    let rows: Vec<_> = [
        format!("{ISSUER}/"),
        format!("{ISSUER}?"),
        format!("{ISSUER}#"),
        format!(" {ISSUER}"),
        format!("{ISSUER} "),
        format!("{ISSUER}\u{0}"),
        format!("{ISSUER}:443"),
        format!("{ISSUER}."),
        ISSUER.to_uppercase(),
        ISSUER.replace("idp", "IDP"),
        ISSUER.replace("https", "http"),
        ISSUER.replace("idp", "\u{456}dp"),
        ISSUER.replace("idp", "i\u{200b}dp"),
        ISSUER.replace("//", "//evil.example.com@"),
        ISSUER.replace("example", "%65xample"),
    ]
    .into_iter()
    .map(|iss| ("another issuer", token_with("iss", json!(iss)), "unknown_issuer"))
    .collect();
    expect(&config(), &rows);
    // Escapes within JSON are another spelling of the same text.
    let escaped = format!("\"{}\"", ISSUER.replace('/', "\\/").replace('p', "\\u0070"));
    expect(&config(), &[("the same, escaped", raw_claim("iss", &escaped), "permit")]);
}

#[test]
fn a_subject_that_only_looks_like_another_is_another() {
    let composed = "zo\u{eb}";
    let alike = ["zoe\u{308}", "zo\u{eb}\u{200b}", "\u{202e}zo\u{eb}", "Zo\u{eb}", "zo\u{eb} "];
    let mut world = World::synchronized(&config());
    world.revoke_user(ISSUER, composed, START);
    let of = |sub: &str| token_with("sub", json!(sub));
    assert_eq!(world.get("/", Some(&of(composed))).1, "revoked");
    let mut told = vec![composed.to_owned()];
    for sub in alike {
        let permit = world.permit("/", &of(sub));
        told.push(permit.headers().next().unwrap().1.to_owned());
        assert!(told.last().unwrap().is_ascii(), "what the service reads cannot mislead it");
    }
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 1 + alike.len(), "no two subjects are told as one");
}

#[test]
fn no_other_kind_of_token_is_an_access_token() {
    let typ = |typ: &str| mint(&with(header(), "/typ", json!(typ)), &claims(), &key(1));
    let mut rows = Vec::new();
    for other in [
        "JWT",
        "jwt",
        "JOSE",
        "txntoken+jwt",
        "dpop+jwt",
        "wit+jwt",
        "wpt+jwt",
        "statuslist+jwt",
        "oauth-id-jag+jwt",
        "logout+jwt",
        "id_token+jwt",
        "application/jwt",
        "at",
        "at+jwt ",
        "at+jwt;v=1",
        "x/at+jwt",
        "application/x/at+jwt",
        "at+jwt\u{0}",
        "",
    ] {
        rows.push((other, typ(other), "wrong_type"));
    }
    for set in ["secevent+jwt", "application/secevent+jwt", "SecEvent+JWT"] {
        rows.push((set, typ(set), "security_event_token"));
    }
    for same in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        rows.push((same, typ(same), "permit"));
    }
    for value in ["null", "7", "[\"at+jwt\"]"] {
        rows.push((value, raw_header("typ", value), "malformed_token"));
    }
    rows.push(("events", token_with("events", json!({"https://x": {}})), "security_event_token"));
    rows.push(("events, null", raw_claim("events", "null"), "security_event_token"));
    expect(&config(), &rows);
}

#[test]
fn a_token_that_is_bound_to_anything_is_no_bearer_token() {
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    for (cnf, reason) in [
        (json!({ "jkt": thumbprint }), "sender_constrained"),
        (json!({ "x5t#S256": thumbprint }), "wrong_certificate"),
        (json!({ "jwk": { "kty": "OKP" } }), "unknown_confirmation"),
        (json!({ "kid": "k1" }), "unknown_confirmation"),
        (json!({ "unheard-of": 1 }), "unknown_confirmation"),
        (json!({}), "unknown_confirmation"),
    ] {
        expect(&config(), &[("bound", token_with("cnf", cnf), reason)]);
    }
    for cnf in [json!(thumbprint), json!([]), json!(7)] {
        expect(&config(), &[("no object", token_with("cnf", cnf), "malformed_claims")]);
    }
}

#[test]
fn a_token_of_its_subjects_twin_in_another_issuer_stays_its_own() {
    let second = json!({
        "issuer": "https://evil.example.com",
        "audiences": [AUDIENCE],
        "algorithms": ["EdDSA"],
        "keys": {"inline": {"keys": [super::jwk("k1", &key(2))]}},
    });
    let mut both = config();
    both["issuers"].as_array_mut().unwrap().push(second);
    let mut world = World::synchronized(&both);
    // The same kid in both sets: each key speaks for its own issuer.
    let theirs = |iss: &str| mint(&header(), &with(claims(), "/iss", json!(iss)), &key(2));
    assert_eq!(world.get("/", Some(&theirs(ISSUER))).1, "bad_signature");
    assert_eq!(world.get("/", Some(&theirs("https://evil.example.com"))), answer(PERMIT));
    // The same sub, too.
    world.revoke((SubjectKind::IssSub, "alice"), &[]);
    assert_eq!(world.get("/", Some(&good_token())).1, "revoked");
    assert_eq!(world.get("/", Some(&theirs("https://evil.example.com"))), answer(PERMIT));
}
