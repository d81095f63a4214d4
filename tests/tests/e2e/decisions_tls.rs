//! Gateways that ask over TLS: the companion's certificate is what makes an answer believable.

use rescind_e2e::deciding::Deciding;
use rescind_e2e::http::{self, Request};
use rescind_e2e::wait;
use serde_json::{Value, json};

use crate::ext_authz::{self, BOTH};
use crate::nginx;
use crate::possession::Authority;

/// What the companion is called in its certificate.
const NAME: &str = "rescind.internal";

/// A companion that decides over TLS, with a certificate from `authority`.
fn site(form: &str, authority: &Authority) -> Deciding {
    let mut site = Deciding::start(form, json!({}));
    site.companion.kill();
    let (certificate, key) = authority.sign(NAME);
    site.companion.write("own.pem", &certificate.pem());
    site.companion.write("own.key.pem", &key.serialize_pem());
    let path = |name: &str| json!(site.folder.path().join(name).display().to_string());
    let section = format!(
        "[decisions]\ntls = {{ certificate_file = {}, key_file = {} }}\n",
        path("own.pem"),
        path("own.key.pem")
    );
    let configuration = site.companion.read("rescind.toml");
    assert_eq!(configuration.matches("[decisions]\n").count(), 1);
    site.companion.write("rescind.toml", &configuration.replace("[decisions]\n", &section));
    site.companion.run();
    site
}

/// Envoy's side of it: whose certificates it believes, and for which name.
fn upstream(authority: &Authority, name: &str) -> Value {
    json!({
        "name": "tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": NAME,
            "common_tls_context": { "validation_context": {
                "trusted_ca": { "inline_string": authority.certificate.pem() },
                "match_typed_subject_alt_names": [{ "san_type": "DNS", "matcher": { "exact": name } }],
            } },
        },
    })
}

/// The example, whose cluster of the companion has this for TLS.
fn with_tls(text: &str, tls: &Value) -> String {
    let cluster = "    - name: rescind\n";
    assert_eq!(text.matches(cluster).count(), 1);
    text.replace(cluster, &format!("{cluster}      transport_socket: {tls}\n"))
}

/// How many requests the companion let pass.
fn permitted(site: &Deciding) -> u64 {
    let page = site.companion.send(&Request::get("/metrics")).text();
    let name = "rescind_decisions_permitted_total ";
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
    value.unwrap_or_else(|| panic!("{name} in {page}"))
}

#[test]
fn an_envoy_that_asks_over_tls_believes_only_the_companion_that_its_authority_certified() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (form, example) in BOTH {
        let site = site(form, &authority);
        let token = site.issuer.token("alice");
        let asking = |tls: Option<&Value>| {
            ext_authz::start_changed(&site, example, |text| match tls {
                Some(tls) => with_tls(&text, tls),
                None => text,
            })
        };
        let envoy = asking(Some(&upstream(&authority, NAME)));
        wait::until_true("keys to be there", wait::SOON, || envoy.get("/orders", &token) == 200);
        let (served, passed) = (site.upstream.served(), permitted(&site));
        for (what, tls) in [
            ("another authority", Some(upstream(&other, NAME))),
            ("another name", Some(upstream(&authority, "other.internal"))),
            ("no TLS", None),
        ] {
            let envoy = asking(tls.as_ref());
            assert_eq!(envoy.get("/orders", &token), 503, "{form}: {what}");
        }
        assert_eq!((site.upstream.served(), permitted(&site)), (served, passed), "{form}");
        site.revoke("alice");
        assert_eq!(envoy.get("/orders", &token), 401, "{form}: the next request after the 202");
    }
}

#[test]
fn nginx_that_asks_over_tls_believes_only_the_companion_that_its_authority_certified() {
    let (authority, other) = (Authority::new(), Authority::new());
    let site = site("nginx", &authority);
    let token = site.issuer.token("alice");
    let asking = |authority: &Authority, name: &str| {
        site.companion.write("ca.pem", &authority.certificate.pem());
        let ca = site.folder.path().join("ca.pem");
        nginx::start_changed(&site, |text| {
            let plain = "proxy_pass http://rescind/v1/check;";
            assert_eq!(text.matches(plain).count(), 1);
            let tls = format!(
                "proxy_pass https://rescind/v1/check; proxy_ssl_verify on; proxy_ssl_name {name};\n\
                 proxy_ssl_server_name on; proxy_ssl_trusted_certificate {};",
                ca.display()
            );
            text.replace(plain, &tls)
        })
    };
    let request = Request::get("/orders").bearer(&token);
    {
        let nginx = asking(&authority, NAME);
        wait::until_true("keys to be there", wait::SOON, || nginx.send(&request).status() == 200);
    }
    let (served, passed) = (site.upstream.served(), permitted(&site));
    for (what, authority, name) in
        [("another authority", &other, NAME), ("another name", &authority, "other.internal")]
    {
        assert_eq!(asking(authority, name).send(&request).status(), 500, "{what}");
    }
    let plain = nginx::start_changed(&site, |text| text);
    assert_eq!(plain.send(&request).status(), 500, "no TLS");
    assert_eq!((site.upstream.served(), permitted(&site)), (served, passed));
}

#[test]
fn the_decisions_listener_with_tls_says_nothing_without_it() {
    let authority = Authority::new();
    let site = site("headers", &authority);
    let answer = http::send(site.port, &Request::get("/healthz"));
    assert!(answer.is_err(), "{answer:?}");
}
