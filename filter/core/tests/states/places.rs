//! Tokens in a cookie or a header of their own: each issuer's in its place and nowhere else, one for each request.

#![expect(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use rescind_core::base64url;
use rescind_core::config::Config;
use rescind_core::place::Elsewhere;
use rescind_core::request::{Field, RequestView};
use rescind_core::subject::SubjectKind;
use rescind_core::thumbprint::Fingerprint;
use rescind_core::verdict::{Denial, Permit};
use serde_json::{Value, json};

use super::world::{AUDIENCE, ISSUER, START, World, claims, config, header, jwk, key, mint, with};

const IAP: &str = "https://iap.example.com";
const APP: &str = "https://app.example.com";
const WORKLOAD: &str = "spiffe://example.org/agent";

/// Issuers of whom each has its tokens in another place, all with one key.
fn gateway() -> Value {
    let mut config = config();
    let issuer = config["issuers"][0].clone();
    let other = |name: &str, place: Value| {
        let mut issuer = issuer.clone();
        issuer["issuer"] = json!(name);
        issuer["token_from"] = place;
        issuer
    };
    let point = workloads().verifying_key().to_sec1_bytes();
    let (x, y) = point.get(1..).unwrap().split_at(32);
    let bundle = json!({"keys": [{
        "kty": "EC", "crv": "P-256", "use": "jwt-svid", "kid": "k",
        "x": base64url::encode(x), "y": base64url::encode(y),
    }]});
    config["issuers"] = json!([
        issuer,
        other(IAP, json!({"header": "x-iap-jwt"})),
        other(APP, json!({"cookie": "session", "origins": ["https://www.example.com"]})),
        {
            "trust_domain": "example.org", "audiences": [AUDIENCE], "algorithms": ["ES256"],
            "keys": {"inline_bundle": bundle}, "token_from": {"cookie": "__Host-svid"},
        },
        {
            "txn_domain": AUDIENCE, "issuer": ISSUER, "algorithms": ["EdDSA"],
            "keys": {"inline": {"keys": [jwk("k1", &key(1))]}},
        },
    ]);
    config["routes"] = json!([
        {"path_prefix": "/public", "access": "public"},
        {"path_prefix": "/txn", "credentials": ["txn_token"]},
        {"path_prefix": "/svid", "credentials": ["jwt_svid"]},
    ]);
    config["proofs"] = json!({"origins": [AUDIENCE], "algorithms": ["EdDSA"]});
    config
}

fn workloads() -> SigningKey {
    SigningKey::from_slice(&[33; 32]).unwrap()
}

fn token_of(issuer: &str) -> String {
    mint(&header(), &with(claims(), "/iss", json!(issuer)), &key(1))
}

fn svid() -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": "k"});
    let claims = json!({"sub": WORKLOAD, "aud": [AUDIENCE], "iat": START - 60, "exp": START + 240});
    let input = format!("{}.{}", part(&header), part(&claims));
    let signature: Signature = workloads().sign(input.as_bytes());
    format!("{input}.{}", base64url::encode(&signature.to_bytes()))
}

/// A request, by its headers.
fn ask<T>(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    then: impl FnOnce(&RequestView<'_>) -> T,
) -> T {
    let config = Config::parse(gateway().to_string().as_bytes()).unwrap();
    let mut elsewhere = Elsewhere::default();
    for (name, value) in headers {
        elsewhere.add(&config.places, name.as_bytes(), value.as_bytes());
    }
    let field = |name: &str| {
        let values = headers.iter().filter(|(known, _)| *known == name);
        Field::from_values(values.map(|(_, value)| value.as_bytes()))
    };
    then(&RequestView {
        method: method.as_bytes(),
        path: path.as_bytes(),
        host: b"api.example.com",
        authorization: field("authorization"),
        elsewhere,
        proof: field("dpop"),
        txn_token: field("txn-token"),
        origin: field("origin"),
        fetch_site: field("sec-fetch-site"),
        ..RequestView::default()
    })
}

fn judge(world: &mut World, path: &str, headers: &[(&str, &str)]) -> Result<Permit, Denial> {
    ask("GET", path, headers, |request| world.judge(request))
}

fn told(world: &mut World, path: &str, headers: &[(&str, &str)]) -> (u16, &'static str) {
    match judge(world, path, headers) {
        Ok(_) => (200, "permit"),
        Err(denial) => (denial.status(), denial.reason()),
    }
}

/// Where a token can be put, and how.
const PLACES: [(&str, &str, &str); 4] = [
    ("Authorization", "authorization", "Bearer "),
    ("the header", "x-iap-jwt", ""),
    ("a cookie", "cookie", "theme=dark; session="),
    ("another cookie", "cookie", "theme=dark; __Host-svid="),
];

#[test]
fn each_issuers_tokens_count_in_their_place_and_in_no_other_new_or_known() {
    let tokens = [token_of(ISSUER), token_of(IAP), token_of(APP), svid()];
    for (own, token) in tokens.iter().enumerate() {
        let known = || {
            let mut world = World::synchronized(&gateway());
            let (_, name, before) = PLACES[own];
            let header = format!("{before}{token}");
            assert_eq!(told(&mut world, "/", &[(name, &header)]), (200, "permit"), "{own}");
            world
        };
        for (index, (place, name, before)) in PLACES.iter().enumerate() {
            let expected = if index == own { (200, "permit") } else { (401, "wrong_place") };
            let header = format!("{before}{token}");
            for (state, mut world) in [("new", World::synchronized(&gateway())), ("known", known())]
            {
                for again in 0..2 {
                    let found = told(&mut world, "/", &[(*name, &header)]);
                    assert_eq!(found, expected, "issuer {own}, {place}, {state}, {again}");
                }
                let (_, name, before) = PLACES[own];
                let good = format!("{before}{token}");
                let after = told(&mut world, "/", &[(name, &good)]);
                assert_eq!(after, (200, "permit"), "issuer {own} in its place afterwards");
            }
        }
    }
}

#[test]
fn a_request_has_one_token_in_one_place_whichever_they_are_and_however_good() {
    let (plain, iap, app) = (token_of(ISSUER), token_of(IAP), token_of(APP));
    let bearer = format!("Bearer {plain}");
    let session = format!("session={app}");
    let twice = format!("{session}; {session}");
    let both = format!("{session}; __Host-svid={}", svid());
    let mut world = World::synchronized(&gateway());
    for headers in [
        vec![("authorization", bearer.as_str()), ("x-iap-jwt", &iap)],
        vec![("authorization", &bearer), ("cookie", &session)],
        vec![("authorization", "Basic YTpi"), ("cookie", &session)],
        vec![("authorization", &bearer), ("authorization", &bearer)],
        vec![("x-iap-jwt", &iap), ("cookie", &session)],
        vec![("x-iap-jwt", &iap), ("x-iap-jwt", &iap)],
        vec![("cookie", &twice)],
        vec![("cookie", &session), ("cookie", &session)],
        vec![("cookie", &both)],
        vec![("x-iap-jwt", &format!("{iap},{iap}"))],
        vec![("x-iap-jwt", &format!("{iap}, {iap}"))],
    ] {
        let found = told(&mut world, "/", &headers);
        assert_eq!(found, (400, "multiple_credentials"), "{headers:?}");
    }
    let challenge = ask("GET", "/", &[("cookie", &twice)], |request| world.send(request)).0.2;
    let said = r#"Bearer realm="api", error="invalid_request", error_description="send one access token, in one place""#;
    assert_eq!(challenge.as_deref(), Some(said));
    // An empty one is none: a cookie that was taken back.
    let emptied = [("authorization", bearer.as_str()), ("cookie", "session="), ("x-iap-jwt", "")];
    assert_eq!(told(&mut world, "/", &emptied), (200, "permit"));
    assert_eq!(told(&mut world, "/", &emptied[1..]), (401, "no_credentials"));
}

#[test]
fn what_is_no_token_is_refused_and_what_only_looks_like_the_place_is_not_looked_at() {
    let (app, iap) = (token_of(APP), token_of(IAP));
    let mut world = World::synchronized(&gateway());
    for (headers, expected) in [
        ([("cookie", format!("session=\"{app}\""))], (400, "malformed_credentials")),
        ([("cookie", format!("session= {app}"))], (400, "malformed_credentials")),
        ([("cookie", format!("session={app} ; a=1"))], (400, "malformed_credentials")),
        ([("cookie", format!("session=Bearer {app}"))], (400, "malformed_credentials")),
        ([("x-iap-jwt", format!("Bearer {iap}"))], (400, "malformed_credentials")),
        ([("x-iap-jwt", format!(" {iap}"))], (400, "malformed_credentials")),
        ([("cookie", "session=a.b".to_owned())], (401, "malformed_token")),
        ([("cookie", format!("Session={app}"))], (401, "no_credentials")),
        ([("cookie", format!("session ={app}"))], (401, "no_credentials")),
        ([("cookie", format!("a=1, session={app}"))], (401, "no_credentials")),
        ([("cookie", format!("session%20={app}"))], (401, "no_credentials")),
        ([("cookie2", format!("session={app}"))], (401, "no_credentials")),
        ([("x_iap_jwt", iap.clone())], (401, "no_credentials")),
        ([("x-iap_jwt", iap.clone())], (401, "no_credentials")),
    ] {
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(told(&mut world, "/", &headers), expected, "{headers:?}");
    }
    let session = format!("session={app}");
    for path in ["/?access_token=a.b.c", "/?x=1&access%5Ftoken=a.b.c"] {
        let found = told(&mut world, path, &[("cookie", &session)]);
        assert_eq!(found, (400, "token_in_query"), "{path}");
    }
}

#[test]
fn a_route_that_asks_for_another_kind_does_not_look_and_nothing_of_it_reaches_the_service() {
    let config = Config::parse(gateway().to_string().as_bytes()).unwrap();
    let mut world = World::synchronized(&gateway());
    let txn = with(with(claims(), "/txn", json!("tx-1")), "/req_wl", json!("w"));
    let txn = with(txn, "/exp", json!(START + 200));
    let txn = mint(&json!({"alg": "EdDSA", "typ": "txntoken+jwt", "kid": "k1"}), &txn, &key(1));
    let forged = [("txn-token", txn.as_str()), ("cookie", "session=forged"), ("x-iap-jwt", "x")];
    let permit = judge(&mut world, "/txn", &forged).unwrap();
    assert_eq!(permit.withheld_places(&config), config.places);
    let permit = judge(&mut world, "/public", &forged).unwrap();
    assert!(permit.withheld_places(&config).is_empty(), "as with Authorization");
    let session = format!("session={}", token_of(APP));
    let permit = judge(&mut world, "/", &[("cookie", &session)]).unwrap();
    assert_eq!(permit.withheld_places(&config), config.places);
    let forwarding = with(gateway(), "/identity", json!({"forward_token": true}));
    let config = Config::parse(forwarding.to_string().as_bytes()).unwrap();
    assert!(permit.withheld_places(&config).is_empty());
    // A kind that the route does not accept is refused in its own place too.
    assert_eq!(told(&mut world, "/svid", &[("cookie", &session)]), (401, "wrong_credential"));
}

#[test]
fn a_revocation_reaches_a_token_in_a_cookie_as_any_other() {
    let mut world = World::synchronized(&gateway());
    let session = format!("session={}", token_of(APP));
    let get = |world: &mut World| told(world, "/", &[("cookie", &session)]);
    assert_eq!(get(&mut world), (200, "permit"));
    world.revoke_user(APP, "alice", START);
    assert_eq!(get(&mut world), (401, "revoked"));
    let svid = format!("__Host-svid={}", svid());
    assert_eq!(told(&mut world, "/", &[("cookie", &svid)]), (200, "permit"));
    world.revoke_of("spiffe://example.org", (SubjectKind::IssSub, WORKLOAD));
    assert_eq!(told(&mut world, "/", &[("cookie", &svid)]), (401, "revoked"));
}

#[test]
fn a_token_that_is_bound_to_a_key_cannot_be_proved_there_and_one_to_a_certificate_can() {
    let mut world = World::synchronized(&gateway());
    let bound = |cnf: Value| {
        let claims = with(with(claims(), "/iss", json!(APP)), "/cnf", cnf);
        format!("session={}", mint(&header(), &claims, &key(1)))
    };
    let thumbprint = Fingerprint::of(b"a key").to_base64url();
    let by_key = bound(json!({"jkt": thumbprint}));
    for headers in [vec![("cookie", by_key.as_str())], vec![("cookie", &by_key), ("dpop", "a.b.c")]]
    {
        for state in ["new", "known"] {
            let found = told(&mut world, "/", &headers);
            assert_eq!(found, (401, "sender_constrained"), "{state}");
        }
    }
    let certificate = Fingerprint::of(b"a certificate");
    let by_certificate = bound(json!({"x5t#S256": certificate.to_base64url()}));
    let get = |world: &mut World| told(world, "/", &[("cookie", &by_certificate)]);
    assert_eq!(get(&mut world), (401, "wrong_certificate"));
    world.certificate = Some(certificate.0.map(|byte| format!("{byte:02x}")).concat());
    assert_eq!(get(&mut world), (200, "permit"));
}

#[test]
fn a_page_of_another_origin_cannot_use_a_cookie_to_change_anything_and_a_header_is_no_cookie() {
    let mut world = World::synchronized(&gateway());
    let session = format!("session={}", token_of(APP));
    let svid = format!("__Host-svid={}", svid());
    let (iap, bearer) = (token_of(IAP), format!("Bearer {}", token_of(ISSUER)));
    let evil = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let ours = [("sec-fetch-site", "same-site"), ("origin", "https://www.example.com")];
    let mut status = |method: &str, token: (&str, &str), page: &[(&str, &str)]| {
        let headers = [&[token], page].concat();
        match ask(method, "/", &headers, |request| world.judge(request)) {
            Ok(_) => 200,
            Err(denial) => {
                assert_eq!(denial.reason(), "foreign_origin", "{method} {page:?}");
                assert!(denial.challenges(&Default::default()).is_empty());
                denial.status()
            }
        }
    };
    for (token, by_evil, by_ours) in [
        (("cookie", session.as_str()), 403, 200),
        // Not named for this one.
        (("cookie", &svid), 403, 403),
        (("x-iap-jwt", &iap), 200, 200),
        (("authorization", &bearer), 200, 200),
    ] {
        for (page, expected) in
            [(&evil[..], by_evil), (&evil[1..], by_evil), (&ours, by_ours), (&[], 200)]
        {
            assert_eq!(status("POST", token, page), expected, "{} {page:?}", token.0);
            assert_eq!(status("GET", token, page), 200, "{} {page:?}", token.0);
        }
    }
}

#[test]
fn where_no_issuers_tokens_are_in_authorization_nobody_looks_there_and_it_goes_no_further() {
    let mut gateway = gateway();
    let issuers = gateway["issuers"].as_array_mut().unwrap();
    issuers.remove(0);
    gateway["identity"] = json!({"forward_token": true});
    let config = Config::parse(gateway.to_string().as_bytes()).unwrap();
    let mut world = World::synchronized(&gateway);
    // What the proxy in front took is there still.
    let (basic, token) = ("Basic YTpi", token_of(IAP));
    let mut elsewhere = Elsewhere::default();
    elsewhere.add(&config.places, b"x-iap-jwt", token.as_bytes());
    let request = RequestView {
        method: b"GET",
        path: b"/",
        host: b"api.example.com",
        authorization: Field::One(basic.as_bytes()),
        elsewhere,
        ..RequestView::default()
    };
    let permit = world.judge(&request).unwrap();
    assert!(permit.withheld_places(&config).is_empty(), "it is forwarded, and was verified");
    assert!(permit.withheld(&config).any(|name| name == "authorization"), "and this was not");
    let bearer = format!("Bearer {token}");
    let elsewhere = Elsewhere::default();
    let request =
        RequestView { authorization: Field::One(bearer.as_bytes()), elsewhere, ..request };
    assert_eq!(world.judge(&request).unwrap_err().reason(), "no_credentials");
}
