//! Credentials in their places: which kind counts where, alone and together, and by what each can be revoked.
//!
//! One key has signed everything here, and it is everybody's: what keeps the kinds apart is never that a signature
//! happens to be somebody else's.

#![expect(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use rescind_core::base64url;
use rescind_core::json::Limits;
use rescind_core::request::{Field, RequestView};
use rescind_core::subject::SubjectKind;
use rescind_core::thumbprint::Fingerprint;
use rescind_core::verdict::{Denial, Permit};
use serde_json::{Value, json};

use super::world::{AUDIENCE, ISSUER, START, World, config, with};

const WORKLOAD: &str = "spiffe://example.org/agent/planner";
const SERVICE: &str = "https://tts.example.com";
/// The trust domain of Txn-Tokens: called as access tokens' audience is, so that one `aud` fits both.
const DOMAIN: &str = AUDIENCE;

fn signer(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

fn jwk(key: &SigningKey) -> Value {
    let point = key.verifying_key().to_sec1_bytes();
    let (x, y) = point.get(1..).unwrap().split_at(32);
    json!({
        "kty": "EC", "crv": "P-256", "kid": "k",
        "x": base64url::encode(x), "y": base64url::encode(y),
    })
}

fn everybodys() -> SigningKey {
    signer(31)
}

fn workloads() -> SigningKey {
    signer(32)
}

pub(super) fn gateway() -> Value {
    let key = |purpose: &str| {
        let mut key = jwk(&everybodys());
        key["use"] = json!(purpose);
        key
    };
    let mut config = config();
    config["issuers"] = json!([
        {
            "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": ["ES256"],
            "keys": {"inline": {"keys": [key("sig")]}},
        },
        {
            "trust_domain": "example.org", "audiences": [AUDIENCE], "algorithms": ["ES256"],
            "keys": {"inline_bundle": {"keys": [key("jwt-svid"), key("wit-svid")]}},
        },
        {
            "txn_domain": DOMAIN, "issuer": SERVICE, "algorithms": ["ES256"],
            "keys": {"inline": {"keys": [key("sig")]}},
        },
    ]);
    config["routes"] = json!([
        {"path_prefix": "/public", "access": "public"},
        {"path_prefix": "/any",
         "credentials": ["access_token", "jwt_svid", "txn_token", "workload_token"]},
        {"path_prefix": "/both", "credentials": ["access_token+txn_token"]},
        {"path_prefix": "/call", "credentials": ["txn_token+workload_token"], "scopes": ["read"]},
        {"path_prefix": "/human", "credentials": ["access_token"]},
        {"path_prefix": "/mixed", "credentials": ["access_token", "jwt_svid+txn_token"]},
    ]);
    config["proofs"] = json!({"origins": [AUDIENCE], "algorithms": ["ES256"]});
    config
}

fn sign(typ: Option<&str>, claims: &Value, key: &SigningKey) -> String {
    let mut header = json!({"alg": "ES256", "kid": "k"});
    if let Some(typ) = typ {
        header["typ"] = json!(typ);
    }
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let input = format!("{}.{}", part(&header), part(claims));
    let signature: Signature = key.sign(input.as_bytes());
    format!("{input}.{}", base64url::encode(&signature.to_bytes()))
}

/// The claims of an access token, and of a Txn-Token as well.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": WORKLOAD, "aud": AUDIENCE, "client_id": "app-7", "jti": "t-1",
        "iat": START - 60, "exp": START + 200, "scope": "read", "txn": "tx-1",
        "req_wl": "spiffe://example.org/gateway",
    })
}

fn without(mut claims: Value, names: &[&str]) -> Value {
    for name in names {
        claims.as_object_mut().unwrap().remove(*name);
    }
    claims
}

fn access_token() -> String {
    sign(Some("at+jwt"), &claims(), &everybodys())
}

fn svid() -> String {
    sign(Some("JWT"), &without(claims(), &["iss"]), &everybodys())
}

pub(super) fn txn_token() -> String {
    sign(Some("txntoken+jwt"), &without(claims(), &["iss"]), &everybodys())
}

fn wit_claims() -> Value {
    let mut key = jwk(&workloads());
    key["alg"] = json!("ES256");
    with(without(claims(), &["aud"]), "/cnf", json!({"jwk": key}))
}

fn wit() -> String {
    sign(Some("wit+jwt"), &wit_claims(), &everybodys())
}

/// What a proof says that covers these tokens, for `/any` and below.
fn proof_claims(path: &str, wit: &str, jti: &str) -> Value {
    json!({
        "aud": format!("{AUDIENCE}{path}"), "iat": START, "exp": START + 30, "jti": jti,
        "wth": Fingerprint::of(wit.as_bytes()).to_base64url(),
    })
}

fn proof(path: &str, wit: &str, jti: &str) -> String {
    sign(Some("wpt+jwt"), &proof_claims(path, wit, jti), &workloads())
}

/// What a request brings.
#[derive(Clone, Default)]
pub(super) struct Brought {
    pub(super) bearer: Option<String>,
    pub(super) txn: Option<String>,
    pub(super) wit: Option<String>,
    pub(super) proof: Option<String>,
}

impl Brought {
    pub(super) fn send(&self, world: &mut World, path: &str) -> Result<Permit, Denial> {
        fn field(text: &Option<String>) -> Field<'_> {
            text.as_ref().map_or(Field::Absent, |text| Field::One(text.as_bytes()))
        }
        let bearer = self.bearer.as_ref().map(|token| format!("Bearer {token}"));
        world.judge(&RequestView {
            method: b"GET",
            path: path.as_bytes(),
            host: b"api.example.com",
            authorization: field(&bearer),
            txn_token: field(&self.txn),
            workload_token: field(&self.wit),
            workload_proof: field(&self.proof),
            ..RequestView::default()
        })
    }

    fn told(&self, world: &mut World, path: &str) -> (u16, &'static str) {
        match self.send(world, path) {
            Ok(_) => (200, "permit"),
            Err(denial) => (denial.status(), denial.reason()),
        }
    }
}

fn bearer(token: String) -> Brought {
    Brought { bearer: Some(token), ..Brought::default() }
}

fn txn(token: String) -> Brought {
    Brought { txn: Some(token), ..Brought::default() }
}

pub(super) fn workload(path: &str, jti: &str) -> Brought {
    let proof = proof(path, &wit(), jti);
    Brought { wit: Some(wit()), proof: Some(proof), ..Brought::default() }
}

/// A way to bring a token of any kind in one place, and the status of those that do not belong there.
type Place = (&'static str, fn(String) -> Brought, u16);

#[test]
fn each_kind_of_token_counts_in_its_own_place_and_in_no_other() {
    let (key, of_workload) = (everybodys(), workloads());
    let events = with(claims(), "/events", json!({"https://example.com/event": {}}));
    let kinds = [
        ("access token", access_token()),
        ("ID token", sign(Some("JWT"), &claims(), &key)),
        ("token without typ", sign(None, &claims(), &key)),
        ("JWT-SVID", svid()),
        ("Txn-Token", txn_token()),
        (
            "Txn-Token with iss",
            sign(Some("txntoken+jwt"), &with(claims(), "/iss", json!(SERVICE)), &key),
        ),
        ("WIT", wit()),
        ("WPT", proof("/any", &wit(), "table")),
        ("WPT by everybody's key", sign(Some("wpt+jwt"), &proof_claims("/any", &wit(), "x"), &key)),
        ("DPoP proof", sign(Some("dpop+jwt"), &claims(), &of_workload)),
        ("SET", sign(Some("secevent+jwt"), &events, &key)),
        ("access token with events", sign(Some("at+jwt"), &events, &key)),
        ("Txn-Token with events", sign(Some("txntoken+jwt"), &events, &key)),
        ("status list", sign(Some("statuslist+jwt"), &claims(), &key)),
        ("ID-JAG", sign(Some("oauth-id-jag+jwt"), &claims(), &key)),
    ];
    let places: [Place; 4] = [
        ("Authorization", bearer, 401),
        ("Txn-Token", txn, 401),
        (
            "Workload-Identity-Token",
            |token| {
                let proof = Some(proof("/any", &token, "of the table"));
                Brought { wit: Some(token), proof, ..Brought::default() }
            },
            400,
        ),
        (
            "Workload-Proof-Token",
            |token| Brought { wit: Some(wit()), proof: Some(token), ..Brought::default() },
            400,
        ),
    ];
    let belong = [
        ("access token", "Authorization"),
        ("JWT-SVID", "Authorization"),
        ("Txn-Token", "Txn-Token"),
        ("Txn-Token with iss", "Txn-Token"),
        ("WIT", "Workload-Identity-Token"),
        ("WPT", "Workload-Proof-Token"),
    ];
    let all_known = || {
        let mut world = World::synchronized(&gateway());
        for good in
            [bearer(access_token()), bearer(svid()), txn(txn_token()), workload("/any", "0")]
        {
            assert_eq!(good.told(&mut world, "/any"), (200, "permit"));
        }
        world
    };
    for (kind, token) in &kinds {
        for (place, bring, status) in &places {
            let expected = if belong.contains(&(kind, place)) { 200 } else { *status };
            for (state, mut world) in
                [("new", World::synchronized(&gateway())), ("known elsewhere", all_known())]
            {
                let (status, reason) = bring(token.clone()).told(&mut world, "/any");
                assert_eq!(status, expected, "{kind} in {place}, {state}: {reason}");
            }
        }
    }
}

#[test]
fn a_route_gets_one_of_its_combinations_whole_or_says_what_is_missing() {
    let both = Brought { txn: Some(txn_token()), ..bearer(access_token()) };
    let svid_and_txn = Brought { txn: Some(txn_token()), ..bearer(svid()) };
    for (path, brought, expected) in [
        ("/both", both.clone(), (200, "permit")),
        ("/both", bearer(access_token()), (401, "missing_credential")),
        ("/both", txn(txn_token()), (401, "no_credentials")),
        ("/both", Brought::default(), (401, "no_credentials")),
        // A token of the other kind in the same place is not what is asked for.
        ("/both", svid_and_txn.clone(), (401, "wrong_credential")),
        ("/human", bearer(access_token()), (200, "permit")),
        ("/human", bearer(svid()), (401, "wrong_credential")),
        ("/mixed", bearer(access_token()), (200, "permit")),
        ("/mixed", bearer(svid()), (401, "missing_credential")),
        ("/mixed", svid_and_txn, (200, "permit")),
        ("/call", txn(txn_token()), (400, "missing_credential")),
        ("/call", workload("/call", "1"), (401, "missing_credential")),
        ("/other", both, (200, "permit")),
        ("/other", txn(txn_token()), (401, "no_credentials")),
        ("/public", Brought::default(), (200, "permit")),
    ] {
        let mut world = World::synchronized(&gateway());
        for round in ["new", "known"] {
            assert_eq!(brought.told(&mut world, path), expected, "{path} {round}");
        }
    }
}

#[test]
fn a_forged_credential_beside_a_good_one_is_refused_wherever_the_route_accepts_it() {
    let forged = sign(Some("txntoken+jwt"), &without(claims(), &["iss"]), &signer(33));
    let mut world = World::synchronized(&gateway());
    let with_forged = Brought { txn: Some(forged.clone()), ..bearer(access_token()) };
    assert_eq!(with_forged.told(&mut world, "/any"), (401, "bad_signature"));
    let forged_bearer =
        Brought { txn: Some(txn_token()), ..bearer(sign(Some("at+jwt"), &claims(), &signer(33))) };
    assert_eq!(forged_bearer.told(&mut world, "/any"), (401, "bad_signature"));
    let unproved = Brought { wit: Some(wit()), ..bearer(access_token()) };
    assert_eq!(unproved.told(&mut world, "/any"), (400, "invalid_wpt"));
    let proof_alone = Brought { proof: Some(proof("/any", &wit(), "1")), ..bearer(access_token()) };
    assert_eq!(proof_alone.told(&mut world, "/any"), (400, "missing_credential"));
    // Where it is not accepted it is not looked at, and not among what was verified.
    let permit = with_forged.send(&mut world, "/human").unwrap();
    assert_eq!(format!("{:?}", permit.verified()), "SlotSet(access_token)");
}

#[test]
fn two_headers_of_one_name_are_refused_in_every_place() {
    let mut world = World::synchronized(&gateway());
    let request = |change: fn(&mut RequestView<'static>)| {
        let path = b"/any".as_slice();
        let mut request = RequestView { method: b"GET", path, ..RequestView::default() };
        change(&mut request);
        request
    };
    let doubled: [fn(&mut RequestView<'static>); 4] = [
        |request| request.txn_token = Field::Many,
        |request| request.workload_token = Field::Many,
        |request| request.authorization = Field::Many,
        |request| {
            request.workload_token = Field::One(b"x.y.z");
            request.workload_proof = Field::Many;
        },
    ];
    for change in doubled {
        let denial = world.judge(&request(change)).unwrap_err();
        assert_eq!(denial.status(), 400, "{denial}");
    }
}

#[test]
fn the_first_credential_says_who_calls_and_the_others_say_what_only_they_know() {
    let mut world = World::synchronized(&gateway());
    let headers = |permit: &Permit| {
        permit.headers().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    let all = Brought {
        bearer: Some(sign(Some("at+jwt"), &with(claims(), "/sub", json!("alice")), &everybodys())),
        txn: Some(txn_token()),
        ..workload("/any", "1")
    };
    let covering = |brought: &Brought, jti: &str| {
        let mut said = proof_claims("/any", &wit(), jti);
        let digest = |token: &String| json!(Fingerprint::of(token.as_bytes()).to_base64url());
        said["ath"] = brought.bearer.as_ref().map(digest).unwrap_or_default();
        said["tth"] = brought.txn.as_ref().map(digest).unwrap_or_default();
        let said = match brought.bearer {
            Some(_) => said,
            None => without(said, &["ath"]),
        };
        Brought { proof: Some(sign(Some("wpt+jwt"), &said, &workloads())), ..brought.clone() }
    };
    let permit = covering(&all, "2").send(&mut world, "/any").unwrap();
    assert_eq!(permit.subject(), Some("alice"));
    assert_eq!(
        headers(&permit),
        [
            "x-rescind-subject: alice".to_owned(),
            format!("x-rescind-issuer: {ISSUER}"),
            "x-rescind-client: app-7".to_owned(),
            "x-rescind-scope: read".to_owned(),
            "x-rescind-transaction: tx-1".to_owned(),
            format!("x-rescind-workload: {WORKLOAD}"),
        ]
    );
    let call = covering(&Brought { bearer: None, ..all }, "3");
    let permit = call.send(&mut world, "/any").unwrap();
    assert_eq!((permit.subject(), permit.issuer()), (Some(WORKLOAD), Some(SERVICE)));
    assert!(headers(&permit).contains(&"x-rescind-transaction: tx-1".to_owned()));
    let permit = workload("/any", "4").send(&mut world, "/any").unwrap();
    assert_eq!((permit.subject(), permit.issuer()), (Some(WORKLOAD), Some("spiffe://example.org")));
    assert!(headers(&permit).contains(&format!("x-rescind-workload: {WORKLOAD}")));
}

#[test]
fn a_workloads_proof_covers_the_tokens_of_the_request_and_passes_once() {
    let mut world = World::synchronized(&gateway());
    let good = workload("/any", "once");
    assert_eq!(good.told(&mut world, "/any?query=1"), (200, "permit"));
    assert_eq!(good.told(&mut world, "/any"), (400, "proof_replayed"));
    let claims = proof_claims("/any", &wit(), "x");
    let digest = |token: String| json!(Fingerprint::of(token.as_bytes()).to_base64url());
    for (name, claims, bearer) in [
        ("another path", with(claims.clone(), "/aud", json!(format!("{AUDIENCE}/other"))), None),
        ("another host", with(claims.clone(), "/aud", json!("https://evil.example.com/any")), None),
        ("another token", with(claims.clone(), "/wth", digest(access_token())), None),
        ("no ath", claims.clone(), Some(access_token())),
        ("another ath", with(claims.clone(), "/ath", digest(svid())), Some(access_token())),
        ("ath of nothing", with(claims.clone(), "/ath", digest(svid())), None),
        ("tth of nothing", with(claims.clone(), "/tth", digest(txn_token())), None),
        ("too long", with(claims.clone(), "/exp", json!(START + 61)), None),
        ("over", with(claims, "/exp", json!(START - 11)), None),
    ] {
        let proof = sign(Some("wpt+jwt"), &claims, &workloads());
        let brought = Brought { bearer, wit: Some(wit()), proof: Some(proof), txn: None };
        assert_eq!(brought.told(&mut world, "/any"), (400, "invalid_wpt"), "{name}");
    }
    let by_another = sign(Some("wpt+jwt"), &proof_claims("/any", &wit(), "y"), &signer(34));
    let stolen = Brought { wit: Some(wit()), proof: Some(by_another), ..Brought::default() };
    assert_eq!(stolen.told(&mut world, "/any"), (400, "invalid_wpt"));
}

#[test]
fn a_refused_request_does_not_use_up_its_proof() {
    let mut world = World::synchronized(&gateway());
    let workload = workload("/call", "kept");
    assert_eq!(workload.told(&mut world, "/call"), (401, "missing_credential"));
    let tth = json!(Fingerprint::of(txn_token().as_bytes()).to_base64url());
    let said = with(proof_claims("/call", &wit(), "kept"), "/tth", tth);
    let proof = Some(sign(Some("wpt+jwt"), &said, &workloads()));
    let whole = Brought { txn: Some(txn_token()), proof, ..workload };
    assert_eq!(whole.told(&mut world, "/call"), (200, "permit"));
}

/// A kind of subject and its name, and what it reaches: access token, Txn-Token, workload's token.
type Reach<'a> = ((SubjectKind, &'a str, &'a str), [bool; 3]);

#[test]
fn each_credential_is_revoked_by_whatever_it_names() {
    let jwk = jwk(&workloads()).to_string();
    let jwk = rescind_core::json::parse(jwk.as_bytes(), &Limits::TOKEN).unwrap();
    let thumbprint = Fingerprint::of_jwk(jwk.as_object().unwrap()).unwrap();
    let key_uri = format!("urn:ietf:params:oauth:jwk-thumbprint:sha-256:{thumbprint}");
    const OF_DOMAIN: &str = "spiffe://example.org";
    let reaches: [Reach<'_>; 9] = [
        ((SubjectKind::IssSub, ISSUER, WORKLOAD), [true, false, false]),
        ((SubjectKind::Session, SERVICE, "tx-1"), [false, true, false]),
        ((SubjectKind::Session, ISSUER, "tx-1"), [false, false, false]),
        ((SubjectKind::Application, SERVICE, "spiffe://example.org/gateway"), [false, true, false]),
        ((SubjectKind::Uri, SERVICE, "spiffe://example.org/agent"), [false, true, false]),
        ((SubjectKind::Uri, OF_DOMAIN, "spiffe://example.org/agent"), [false, false, true]),
        ((SubjectKind::Uri, OF_DOMAIN, &key_uri), [false, false, true]),
        ((SubjectKind::JwtId, SERVICE, "t-1"), [false, true, false]),
        ((SubjectKind::Application, ISSUER, "app-7"), [true, false, false]),
    ];
    for ((kind, issuer, name), reach) in reaches {
        let mut world = World::synchronized(&gateway());
        for known in [false, true] {
            if known {
                world.revoke_of(issuer, (kind, name));
            }
            let jti = if known { "after" } else { "before" };
            let brought = [bearer(access_token()), txn(txn_token()), workload("/any", jti)];
            for ((brought, reached), status) in brought.iter().zip(reach).zip([401, 401, 400]) {
                let expected = if known && reached { (status, "revoked") } else { (200, "permit") };
                assert_eq!(brought.told(&mut world, "/any"), expected, "{kind:?} {issuer} {name}");
            }
        }
    }
}

#[test]
fn a_token_that_is_bound_to_a_key_is_revoked_by_its_thumbprint() {
    let digest = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    for (cnf, uri) in [
        (
            json!({"jkt": digest}),
            "urn:ietf:params:oauth:jwk-thumbprint:sha-256:0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
        ),
        (json!({"x5t#S256": digest}), "ni:///sha-256;0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
    ] {
        let mut world = World::synchronized(&gateway());
        let token = sign(Some("at+jwt"), &with(claims(), "/cnf", cnf), &everybodys());
        let before = bearer(token.clone()).told(&mut world, "/human").1;
        assert!(["sender_constrained", "wrong_certificate"].contains(&before), "{before}");
        world.revoke_of(ISSUER, (SubjectKind::Uri, uri));
        assert_eq!(bearer(token).told(&mut world, "/human"), (401, "revoked"), "{uri}");
    }
}

#[test]
fn a_txn_token_that_breaks_a_rule_is_refused() {
    let claims = || without(claims(), &["iss"]);
    for (name, claims, reason) in [
        ("another domain", with(claims(), "/aud", json!("other.example")), "wrong_audience"),
        ("two domains", with(claims(), "/aud", json!([DOMAIN, "b"])), "wrong_audience"),
        ("no domain", without(claims(), &["aud"]), "wrong_audience"),
        ("another service", with(claims(), "/iss", json!(ISSUER)), "unknown_issuer"),
        ("no txn", without(claims(), &["txn"]), "malformed_claims"),
        ("no req_wl", without(claims(), &["req_wl"]), "malformed_claims"),
        ("no scope", without(claims(), &["scope"]), "malformed_claims"),
        ("no iat", without(claims(), &["iat"]), "malformed_claims"),
        ("from the future", with(claims(), "/iat", json!(START + 31)), "issued_in_the_future"),
        ("over", with(claims(), "/exp", json!(START - 30)), "expired"),
        ("longer than minutes", with(claims(), "/exp", json!(START + 241)), "lifetime_too_long"),
        ("bound", with(claims(), "/cnf", json!({"jkt": "x"})), "unknown_confirmation"),
    ] {
        let mut world = World::synchronized(&gateway());
        let token = sign(Some("txntoken+jwt"), &claims, &everybodys());
        assert_eq!(txn(token).told(&mut world, "/any"), (401, reason), "{name}");
    }
}
