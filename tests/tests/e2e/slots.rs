//! The other credentials of an agent's call: its Txn-Token, and the proof of the workload that sends it.

use rescind_e2e::envoy::Envoy;
use rescind_e2e::http::{Message, Request};
use rescind_e2e::issuer::{Key, now};
use rescind_e2e::process::Folder;
use rescind_e2e::site::{ISSUER, Site};
use rescind_e2e::transmitter::SESSION_REVOKED;
use rescind_e2e::wait;
use serde_json::{Value, json};

use rescind_e2e::prover::digest;

const ORIGIN: &str = "https://api.example.com";
const WORKLOAD: &str = "spiffe://example.org/agents/research/7";

/// A gateway that asks for a token service's and a workload's word, and who can give them.
struct Mesh {
    site: Site,
    envoy: Envoy,
    _folder: Folder,
    domain: Key,
    service: Key,
    workload: Key,
}

impl Mesh {
    fn start() -> Self {
        let site = Site::start();
        let key = |kid: &str| Key::generate("ES256", kid);
        let (domain, service, workload) = (key("domain"), key("service"), key("workload"));
        let mut of_domain = domain.jwk();
        of_domain["use"] = json!("wit-svid");
        let mut bootstrap = site.bootstrap.clone();
        let issuers = bootstrap.filter["issuers"].as_array_mut().expect("an array");
        issuers.push(json!({
            "trust_domain": "example.org", "audiences": [ORIGIN], "algorithms": ["ES256"],
            "keys": {"inline_bundle": {"keys": [of_domain], "spiffe_sequence": 1}},
        }));
        issuers.push(json!({
            "txn_domain": "trust.example.org", "issuer": ISSUER, "algorithms": ["ES256"],
            "keys": {"inline": {"keys": [service.jwk()]}},
        }));
        bootstrap.filter["routes"] = json!([
            {"path_prefix": "/public", "access": "public"},
            {"path_prefix": "/call", "credentials": ["txn_token+workload_token"]},
            {"path_prefix": "/agent", "credentials": ["access_token+txn_token"]},
        ]);
        bootstrap.filter["proofs"] = json!({"origins": [ORIGIN]});
        let folder = Folder::new();
        let envoy = Envoy::start(&bootstrap, folder.path());
        let mesh = Self { site, envoy, _folder: folder, domain, service, workload };
        let token = mesh.site.issuer.token("warm-up");
        wait::until_true("the gateway to synchronize", wait::SOON, || {
            mesh.envoy.get("/orders", &token) == 200
        });
        mesh
    }

    fn txn_token(&self, txn: &str) -> String {
        let claims = json!({
            "iat": now(), "exp": now() + 60, "aud": "trust.example.org", "txn": txn, "sub": "alice",
            "scope": "orders.read", "req_wl": "spiffe://example.org/gateway",
        });
        self.service.sign("txntoken+jwt", &claims)
    }

    fn wit(&self) -> String {
        let mut key = self.workload.jwk();
        key["alg"] = json!("ES256");
        let claims =
            json!({"sub": WORKLOAD, "iat": now(), "exp": now() + 300, "cnf": {"jwk": key}});
        self.domain.sign("wit+jwt", &claims)
    }

    fn proof(path: &str, jti: &str, key: &Key, wit: &str, txn_token: &str) -> String {
        let claims = json!({
            "aud": format!("{ORIGIN}{path}"), "exp": now() + 30, "jti": jti,
            "wth": digest(wit), "tth": digest(txn_token),
        });
        key.sign("wpt+jwt", &claims)
    }

    fn call(&self, txn_token: &str, wit: &str, proof: &str) -> Message {
        let request = Request::get("/call/tool?x=1")
            .header("txn-token", txn_token)
            .header("workload-identity-token", wit)
            .header("workload-proof-token", proof);
        self.envoy.send(&request)
    }
}

fn seen(message: &Message, name: &str) -> Option<Value> {
    let said = message.json();
    let headers = said["headers"].as_array().expect("the headers that the service saw");
    headers.iter().find(|header| header[0] == name).map(|header| header[1].clone())
}

#[test]
fn a_workloads_call_passes_with_its_transaction_and_its_proof_and_nobody_else_can_make_it() {
    let mesh = Mesh::start();
    let (txn_token, wit) = (mesh.txn_token("tx-1"), mesh.wit());
    let proof = Mesh::proof("/call/tool", "p-1", &mesh.workload, &wit, &txn_token);
    let passed = mesh.call(&txn_token, &wit, &proof);
    assert_eq!(passed.status(), 200, "{}", passed.text());
    // The transaction goes on as it is, the proof ends here, and the service is told what was found.
    assert_eq!(seen(&passed, "txn-token"), Some(json!(txn_token)));
    assert_eq!(seen(&passed, "workload-identity-token"), None);
    assert_eq!(seen(&passed, "workload-proof-token"), None);
    assert_eq!(seen(&passed, "x-rescind-subject"), Some(json!("alice")));
    assert_eq!(seen(&passed, "x-rescind-transaction"), Some(json!("tx-1")));
    assert_eq!(seen(&passed, "x-rescind-workload"), Some(json!(WORKLOAD)));

    assert_eq!(mesh.call(&txn_token, &wit, &proof).status(), 400, "the same proof again");
    let thief = Key::generate("ES256", "workload");
    let other = mesh.txn_token("tx-2");
    for (what, proof) in [
        ("by another key", Mesh::proof("/call/tool", "p-2", &thief, &wit, &txn_token)),
        ("for another path", Mesh::proof("/call/b", "p-3", &mesh.workload, &wit, &txn_token)),
        ("for another call", Mesh::proof("/call/tool", "p-4", &mesh.workload, &wit, &other)),
        ("not a proof", wit.clone()),
    ] {
        let refused = mesh.call(&txn_token, &wit, &proof);
        assert_eq!((refused.status(), refused.header("www-authenticate")), (400, None), "{what}");
    }
    let without_proof = Request::get("/call/tool")
        .header("txn-token", &txn_token)
        .header("workload-identity-token", &wit);
    assert_eq!(mesh.envoy.send(&without_proof).status(), 400);
}

#[test]
fn no_token_passes_in_the_place_of_another_kind_and_none_goes_on_unchecked() {
    let mesh = Mesh::start();
    let (access_token, txn_token) = (mesh.site.issuer.token("agent"), mesh.txn_token("tx-1"));
    let send = |path: &str, bearer: &str, txn: &str| {
        mesh.envoy.send(&Request::get(path).bearer(bearer).header("txn-token", txn))
    };
    assert_eq!(send("/agent", &access_token, &txn_token).status(), 200);
    for (what, bearer, txn) in [
        ("both swapped", &txn_token, &access_token),
        ("a Txn-Token for an access token", &txn_token, &txn_token),
        ("an access token for a Txn-Token", &access_token, &access_token),
        ("a workload's token for an access token", &mesh.wit(), &txn_token),
    ] {
        assert_eq!(send("/agent", bearer, txn).status(), 401, "{what}");
    }
    assert_eq!(mesh.envoy.get("/agent", &access_token), 401, "without its Txn-Token");
    // Where a route does not look at it, the service does not see it.
    for (path, bearer) in [("/orders", Some(&access_token)), ("/public", None)] {
        let mut request = Request::get(path)
            .header("txn-token", "forged")
            .header("Txn_Token", "forged")
            .header("workload-identity-token", "forged")
            .header("x-rescind-workload", "forged");
        if let Some(token) = bearer {
            request = request.bearer(token);
        }
        let passed = mesh.envoy.send(&request);
        assert_eq!(passed.status(), 200, "{path}");
        assert!(!passed.text().contains("forged"), "{path}: {}", passed.text());
    }
}

#[test]
fn one_signal_ends_a_transaction_and_leaves_the_users_other_calls_alone() {
    let mesh = Mesh::start();
    let (stopped, other) = (mesh.txn_token("tx-stop"), mesh.txn_token("tx-other"));
    let access_token = mesh.site.issuer.token("agent");
    let status = |txn: &str| {
        let request = Request::get("/agent").bearer(&access_token).header("txn-token", txn);
        mesh.envoy.send(&request).status()
    };
    assert_eq!((status(&stopped), status(&other)), (200, 200));
    let transaction = json!({"format": "opaque", "id": "tx-stop"});
    mesh.site.transmitter.signal(mesh.site.companion.port, SESSION_REVOKED, &transaction);
    wait::until_true("the signal to reach the transaction", wait::SOON, || status(&stopped) == 401);
    assert_eq!(status(&other), 200);
    assert_eq!(mesh.envoy.get("/orders", &access_token), 200);
}
