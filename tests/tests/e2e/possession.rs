//! A stolen token that is bound to a key or a certificate: DPoP (RFC 9449) and mutual TLS (RFC 8705).

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rescind_e2e::envoy::Envoy;
use rescind_e2e::http::{self, Request};
use rescind_e2e::process::Folder;
use rescind_e2e::prover::{ORIGIN, Prover, base64url};
use rescind_e2e::site::{Plan, Site};
use rescind_e2e::{ports, wait};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

fn site(workers: u32, more: &Value) -> Site {
    let mut proofs = json!({"origins": [ORIGIN]});
    for (name, value) in more.as_object().expect("an object") {
        proofs[name] = value.clone();
    }
    let filter = json!({"proofs": proofs});
    Site::with(&Plan { workers, filter, ..Plan::default() })
}

fn bound_token(site: &Site, client: &Prover) -> String {
    site.issuer.token_with("agent", &json!({"cnf": {"jkt": client.thumbprint()}}))
}

fn get(token: &str, proof: &str) -> Request {
    Request::get("/orders?page=2")
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", proof)
}

#[test]
fn a_stolen_token_is_worth_nothing_without_its_key() {
    let site = site(1, &json!({}));
    let (client, thief) = (Prover::new(5), Prover::new(6));
    let token = bound_token(&site, &client);
    let passed = site.envoy.send(&get(&token, &client.proof("/orders", &token, None)));
    assert_eq!(passed.status(), 200, "{}", passed.text());
    let headers = passed.json()["headers"].to_string().to_ascii_lowercase();
    assert!(
        !headers.contains("dpop") && !headers.contains(&token.to_ascii_lowercase()),
        "{headers}"
    );

    assert_eq!(site.call(&token), 401, "as a bearer token");
    for (what, proof) in [
        ("by another key", thief.proof("/orders", &token, None)),
        ("for another path", client.proof("/payments", &token, None)),
        ("for another token", client.proof("/orders", &site.issuer.token("agent"), None)),
        ("no proof at all", token.clone()),
    ] {
        let refused = site.envoy.send(&get(&token, &proof));
        assert_eq!(refused.status(), 401, "{what}");
        let challenge = refused.header("www-authenticate").unwrap_or_default();
        assert!(
            challenge.starts_with("DPoP ") && challenge.contains("algs=\"ES256 EdDSA\""),
            "{what}: {challenge}"
        );
    }
    let plain = site.issuer.token("agent");
    let unbound = site.envoy.send(&get(&plain, &client.proof("/orders", &plain, None)));
    assert_eq!(unbound.status(), 401, "a token that is bound to nothing");
    assert_eq!(site.call(&plain), 200);
}

#[test]
fn a_proof_passes_once_whichever_worker_sees_it() {
    let site = site(2, &json!({}));
    let client = Prover::new(5);
    let token = bound_token(&site, &client);
    for _ in 0..10 {
        let request = get(&token, &client.proof("/orders", &token, None));
        // Each on a connection of its own, all at once: they spread over the workers.
        let passed = std::thread::scope(|scope| {
            let calls: Vec<_> =
                (0..8).map(|_| scope.spawn(|| site.envoy.send(&request).status())).collect();
            let answers = calls.into_iter().map(|call| call.join().expect("an answer"));
            answers.filter(|status| *status == 200).count()
        });
        assert_eq!(passed, 1);
    }
}

#[test]
fn a_client_gets_the_nonce_that_it_needs_and_passes_with_it() {
    let site = site(1, &json!({"nonce_key": "5a".repeat(32)}));
    let client = Prover::new(5);
    let token = bound_token(&site, &client);
    let refused = site.envoy.send(&get(&token, &client.proof("/orders", &token, None)));
    assert_eq!(refused.status(), 401);
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("error=\"use_dpop_nonce\""), "{challenge}");
    let nonce = refused.header("dpop-nonce").expect("a nonce");
    let proof = client.proof("/orders", &token, Some(nonce));
    assert_eq!(site.envoy.send(&get(&token, &proof)).status(), 200);
}

#[test]
fn a_revoked_agent_is_refused_although_it_has_its_key() {
    let site = site(1, &json!({}));
    let client = Prover::new(5);
    let token = bound_token(&site, &client);
    let call = || {
        let proof = client.proof("/orders", &token, None);
        site.envoy.send(&get(&token, &proof)).status()
    };
    assert_eq!(call(), 200);
    let bearer = site.issuer.token("agent");
    site.revoke("agent", &bearer);
    assert_eq!(call(), 401);
}

/// An authority, and what it signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: Certificate,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub(crate) fn sign(&self, name: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).expect("a certificate"), key)
    }

    /// Envoy's side of such connections: its own certificate, and any of a client's that is from here.
    pub(crate) fn server(&self) -> Value {
        let (own, own_key) = self.sign("127.0.0.1");
        json!({
            "name": "tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "tls_certificates": [{
                        "certificate_chain": {"inline_string": own.pem()},
                        "private_key": {"inline_string": own_key.serialize_pem()},
                    }],
                    "validation_context": {
                        "trusted_ca": {"inline_string": self.certificate.pem()},
                    },
                },
            },
        })
    }

    /// A connection to loopback, with this certificate if there is one.
    pub(crate) fn connect(
        &self,
        port: u16,
        client: Option<&(Certificate, KeyPair)>,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
                config.with_client_auth_cert(vec![certificate.der().clone()], key).expect("both")
            }
        };
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
        StreamOwned::new(
            connection,
            TcpStream::connect(("127.0.0.1", port)).expect("Envoy listens"),
        )
    }
}

#[test]
fn a_token_bound_to_a_certificate_passes_on_a_connection_with_it_and_on_no_other() {
    let site = Site::start();
    let authority = Authority::new();
    let folder = Folder::new();
    let ports = (ports::free(), ports::free());
    let envoy = Envoy::start_changed(&site.bootstrap, folder.path(), ports, |bootstrap| {
        bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"] =
            authority.server();
    });
    let (client, thief) = (authority.sign("client"), authority.sign("thief"));
    let digest = base64url(&Sha256::digest(client.0.der()));
    let bound = site.issuer.token_with("agent", &json!({"cnf": {"x5t#S256": digest}}));
    let plain = site.issuer.token("agent");
    let call = |token: &str, certificate| {
        let mut stream = authority.connect(envoy.port, certificate);
        let request = Request::get("/orders").bearer(token);
        let answer = http::exchange(&mut stream, envoy.port, &request).expect("an answer");
        answer.status()
    };
    wait::until_true("the second gateway to synchronize", wait::SOON, || call(&plain, None) == 200);
    assert_eq!(call(&bound, Some(&client)), 200);
    assert_eq!(call(&bound, Some(&thief)), 401, "with another certificate");
    assert_eq!(call(&bound, None), 401, "without one");
    assert_eq!(site.call(&bound), 401, "without TLS");
    let hex: String =
        Sha256::digest(client.0.der()).iter().map(|byte| format!("{byte:02x}")).collect();
    let forged = Request::get("/orders").bearer(&bound);
    let forged = forged.header("x-forwarded-client-cert", format!("Hash={hex}"));
    assert_eq!(site.envoy.send(&forged).status(), 401, "nobody trusts that header here");
}
