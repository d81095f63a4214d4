//! Requests that no honest client sends. None passes, none traps the filter, none is told why.

use jwt_simple::reexports::ct_codecs::{Base64UrlSafeNoPadding, Decoder as _, Encoder as _};
use rescind_e2e::http::Request;
use rescind_e2e::issuer::{AUDIENCE, Key, now};
use rescind_e2e::site::{ISSUER, Plan, Site};
use serde_json::json;

#[test]
fn every_refusal_has_its_status_and_its_challenge() {
    let site = Site::start();
    let good = site.issuer.token("agent");
    let bearer = |token: &str| Request::get("/orders").bearer(token);
    let (error, none) = (|name: &str| Some(format!("error=\"{name}\"")), None::<String>);
    let cases = [
        ("no credentials", Request::get("/orders"), 401, none.clone()),
        (
            "another scheme",
            Request::get("/orders").header("authorization", "Basic YTpi"),
            401,
            none.clone(),
        ),
        ("two tokens", bearer(&good).bearer(&good), 400, error("invalid_request")),
        (
            "two tokens in one header",
            Request::get("/orders").header("authorization", format!("Bearer {good} {good}")),
            400,
            error("invalid_request"),
        ),
        (
            "no UTF-8",
            Request::get("/orders").header("authorization", b"Bearer \xff\xfe"),
            400,
            error("invalid_request"),
        ),
        (
            "a scheme without a token",
            Request::get("/orders").header("authorization", "Bearer "),
            400,
            error("invalid_request"),
        ),
        ("no JWT", bearer("abc"), 401, error("invalid_token")),
        (
            "a scope is missing",
            Request::get("/admin").bearer(&good),
            403,
            error("insufficient_scope"),
        ),
    ];
    for (name, request, status, challenge) in cases {
        let answer = site.envoy.send(&request);
        assert_eq!(answer.status(), status, "{name}");
        let header = answer.header("www-authenticate").unwrap_or_default();
        assert!(header.starts_with("Bearer"), "{name}: {header}");
        match challenge {
            Some(text) => assert!(header.contains(&text), "{name}: {header}"),
            None => assert!(!header.contains("error="), "{name}: {header}"),
        }
    }
    let admin = site.issuer.token_with("agent", &json!({ "scope": "read admin" }));
    assert_eq!(site.envoy.get("/admin", &admin), 200);
    assert_eq!(site.envoy.send(&Request::get("/public/page")).status(), 200);
    assert_eq!(site.call(&good), 200, "the filter lives");
    let forbidden = ["trap", "panicked", "unreachable"];
    let log = site.envoy.process.log();
    assert!(!forbidden.iter().any(|word| log.contains(word)), "{log}");
}

#[test]
fn every_invalid_token_gets_the_same_answer() {
    let site = Site::start();
    let with = |changes| site.issuer.token_with("agent", &changes);
    let revoked = site.issuer.token("revoked");
    site.revoke("revoked", &revoked);
    let good = site.issuer.token("agent");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}.{flipped}{}", &signature[1..]);
    let payload = good.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"at+jwt"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.");
    let claims = site.issuer.claims("agent");
    let stranger = Key::generate("ES256", "k1");
    let cases = [
        ("expired", with(json!({ "iat": now() - 900, "exp": now() - 300 }))),
        ("not yet valid", with(json!({ "nbf": now() + 300 }))),
        ("issued in the future", with(json!({ "iat": now() + 300, "exp": now() + 600 }))),
        ("another audience", with(json!({ "aud": "https://elsewhere.example.com" }))),
        ("no audience", with(json!({ "aud": null }))),
        ("another issuer", with(json!({ "iss": "https://elsewhere.example.com" }))),
        ("the issuer with a slash", with(json!({ "iss": format!("{ISSUER}/") }))),
        ("no expiry", with(json!({ "exp": null }))),
        ("an expiry in text", with(json!({ "exp": "9999999999" }))),
        ("no time of issue", with(json!({ "iat": null }))),
        ("no jti", with(json!({ "jti": null }))),
        ("a life too long", with(json!({ "exp": now() + 86_400 }))),
        ("a SET", with(json!({ "events": { "https://example.com/event": {} } }))),
        ("a SET by typ", site.issuer.key().sign("secevent+jwt", &claims)),
        ("an ID token", site.issuer.key().sign("JWT", &claims)),
        ("a stranger's key under a known kid", stranger.sign("at+jwt", &claims)),
        ("an unknown kid", Key::generate("ES256", "k9").sign("at+jwt", &claims)),
        ("an algorithm not allowed", Key::generate("EdDSA", "k1").sign("at+jwt", &claims)),
        ("bound to a key", with(json!({ "cnf": { "jkt": "abc" } }))),
        ("a forged signature", forged),
        ("no signature", unsigned),
        ("a part too many", format!("{good}.e30")),
        ("padding", format!("{good}=")),
        ("a token of 100 KB", with(json!({ "ballast": "x".repeat(40_000) }))),
        ("revoked", revoked),
    ];
    let mut answers = Vec::new();
    for (name, token) in &cases {
        let answer = site.answer(token);
        assert_eq!(answer.status(), 401, "{name}");
        let challenge = answer.header("www-authenticate").map(str::to_owned);
        answers.push((challenge, answer.body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0].0.as_ref().unwrap().contains("error=\"invalid_token\""));
    assert_eq!(site.call(&good), 200);
    let many = with(json!({ "aud": ["https://other.example.com", AUDIENCE] }));
    assert_eq!(site.call(&many), 200, "one of several audiences is enough");
}

#[test]
fn every_algorithm_works_end_to_end() {
    for algorithm in ["RS256", "ES256", "ES384", "EdDSA"] {
        let site = Site::with(&Plan { algorithm, ..Plan::default() });
        let token = site.issuer.token("agent");
        assert_eq!(site.call(&token), 200, "{algorithm}");
        site.revoke("agent", &token);
    }
}

#[test]
fn a_grpc_call_is_refused_with_a_grpc_status() {
    let site = Site::start();
    let call =
        || Request::new("POST", "/orders.Orders/List").header("content-type", "application/grpc");
    let revoked = site.issuer.token("revoked");
    site.revoke("revoked", &revoked);
    let admin = Request::new("POST", "/admin").header("content-type", "application/grpc");
    let cases = [
        (call(), "16"),
        (call().bearer(&revoked), "16"),
        (admin.bearer(&site.issuer.token("agent")), "7"),
    ];
    for (number, (request, status)) in cases.iter().enumerate() {
        let answer = site.envoy.send(request);
        assert_eq!(answer.status(), 200, "case {number}: gRPC errors travel in trailers");
        assert_eq!(answer.header("grpc-status"), Some(*status), "case {number}");
    }
    assert_eq!(site.envoy.send(&call().bearer(&site.issuer.token("agent"))).status(), 200);
}

#[test]
fn no_secret_stands_in_a_log() {
    let mut site = Site::start();
    let (good, revoked) = (site.issuer.token("agent"), site.issuer.token("revoked"));
    assert_eq!(site.call(&good), 200);
    site.revoke("revoked", &revoked);
    let bad_push = site.companion.send(
        &Request::post("/v1/push/idp", "application/secevent+jwt", "not.a.set")
            .bearer(&site.transmitter.push_token),
    );
    assert_eq!(bad_push.status(), 400);
    let secrets = [
        ("the good token's signature", good.rsplit('.').next().unwrap().to_owned()),
        ("the revoked token's signature", revoked.rsplit('.').next().unwrap().to_owned()),
        ("a token's payload", good.split('.').nth(1).unwrap().to_owned()),
        ("the gateway token", site.companion.read("gateway.token")),
        ("the operator token", site.companion.read("operator.token")),
        ("the push token", site.transmitter.push_token.clone()),
        ("the subject key", site.companion.read("subject.key")),
        ("the checksum key", site.companion.read("checksum.key")),
    ];
    let logs = [
        ("envoy", site.envoy.process.log()),
        ("companion", site.companion.process().log()),
        ("access log", format!("{:?}", site.envoy.access_log())),
    ];
    for (log, text) in &logs {
        assert!(!text.is_empty(), "{log} is empty, so it would prove nothing");
        for (name, secret) in &secrets {
            assert!(!text.contains(secret.as_str()), "{name} stands in the log of {log}");
        }
    }
}

/// The order of P-256's group (SP 800-186 §3.2.1.3).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The same token with the other of its two valid signatures, (r, n − s).
fn twin(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = Base64UrlSafeNoPadding::decode_to_vec(signature, None).unwrap();
    let mut borrow = 0;
    for (digit, order) in signature[32..].iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = difference.to_le_bytes()[0];
    }
    format!("{input}.{}", Base64UrlSafeNoPadding::encode_to_string(signature).unwrap())
}

#[test]
fn the_twin_of_a_token_is_revoked_with_it_known_or_not() {
    for workers in [1, 2] {
        let site = Site::with(&Plan { workers, ..Plan::default() });
        let token = site.issuer.token("agent");
        let (known, unknown) = (twin(&token), twin(&site.issuer.token("agent")));
        assert_ne!(known, token);
        assert_eq!((site.call(&token), site.call(&known)), (200, 200), "both are good signatures");
        site.revoke("agent", &token);
        assert_eq!((site.call(&known), site.call(&unknown)), (401, 401));
    }
}
