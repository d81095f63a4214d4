//! Bundles and discovery, the other sources of keys.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn keys(value: Value) -> Result<KeySource, String> {
    let is_bundle = ["bundle_url", "inline_bundle"].iter().any(|name| value.get(*name).is_some());
    let mut config = with("/issuers/0/keys", value);
    if is_bundle {
        config["issuers"][0].as_object_mut().unwrap().remove("issuer");
        config["issuers"][0]["trust_domain"] = json!("example.org");
    }
    let config = parse(&config)?;
    Ok(config.issuers.first().unwrap().keys.clone())
}

fn url(cluster: &str, authority: &str, path: &str, secs: u64) -> JwksUrl {
    JwksUrl {
        cluster: cluster.to_owned(),
        authority: authority.to_owned(),
        path: path.to_owned(),
        refresh: Duration::from_secs(secs),
    }
}

#[test]
fn a_bundle_comes_from_a_url_or_from_the_configuration() {
    let fetched = json!({"bundle_url": "https://spire.example:8443/b?x", "cluster": "spire"});
    let KeySource::Bundle(found) = keys(fetched).unwrap() else { panic!() };
    assert_eq!(found, url("spire", "spire.example:8443", "/b?x", 300));
    // As Envoy hands numbers on.
    let inline = json!({"inline_bundle": {"keys": [], "spiffe_sequence": 7.0}});
    let KeySource::InlineBundle(bundle) = keys(inline).unwrap() else { panic!() };
    assert!(bundle.revokes_domain());
}

#[test]
fn discovery_asks_the_issuers_own_host_for_both_unless_told_otherwise() {
    let near =
        json!({"discovery": "oauth-authorization-server", "cluster": "idp", "refresh_secs": 60});
    let KeySource::Discovered(found) = keys(near).unwrap() else { panic!() };
    let expected = Discovery {
        metadata: url("idp", "idp.example.com", "/.well-known/oauth-authorization-server", 60),
        jwks_cluster: "idp".to_owned(),
        jwks_authority: "idp.example.com".to_owned(),
    };
    assert_eq!(found, expected);
    let far = json!({
        "discovery": "openid-configuration", "cluster": "idp",
        "jwks_authority": "keys.example.com", "jwks_cluster": "keys",
    });
    let KeySource::Discovered(found) = keys(far).unwrap() else { panic!() };
    let expected = Discovery {
        metadata: url("idp", "idp.example.com", "/.well-known/openid-configuration", 300),
        jwks_cluster: "keys".to_owned(),
        jwks_authority: "keys.example.com".to_owned(),
    };
    assert_eq!(found, expected);
}

#[test]
fn other_sources_are_refused_for_these_reasons() {
    for (value, expected) in [
        (
            json!({"bundle_url": "http://spire.example/b", "cluster": "x"}),
            "`issuers[0].keys.bundle_url`: does not start with `https://`; write it as `https://host/path`",
        ),
        (
            json!({"bundle_url": "https://a/b"}),
            "`issuers[0].keys.cluster`: is missing; name a cluster of the gateway",
        ),
        (
            json!({"bundle_url": "https://a/b", "inline_bundle": {"keys": []}, "cluster": "x"}),
            "`issuers[0].keys`: has both `inline_bundle` and `bundle_url`; remove one of them",
        ),
        (
            json!({"inline_bundle": {}}),
            "`issuers[0].keys.inline_bundle`: bundle has no array `keys`; set it to the bundle of the trust domain",
        ),
        (
            json!({"inline_bundle": {"keys": []}, "refresh_secs": 60}),
            "`issuers[0].keys.refresh_secs`: belongs to `url`; remove it",
        ),
        (
            json!({"discovery": "openid", "cluster": "x"}),
            "`issuers[0].keys.discovery`: `openid` is not a choice; choose `oauth-authorization-server` or `openid-configuration`",
        ),
        (
            json!({"url": "https://a/b", "cluster": "x", "jwks_authority": "b"}),
            "`issuers[0].keys.jwks_authority`: belongs to `discovery`; remove it",
        ),
    ] {
        assert_eq!(keys(value.clone()).unwrap_err(), expected, "{value}");
    }
    let mut config = with("/issuers/0/issuer", json!("http://idp.example.com"));
    config["issuers"][0]["keys"] = json!({"discovery": "openid-configuration", "cluster": "x"});
    let expected = "`issuers[0].keys.discovery`: issuer does not start with `https://`; discovery needs an https URL as `issuer`; else set `url`";
    assert_eq!(parse(&config).unwrap_err(), expected);
}

#[test]
fn trust_domains_are_refused_for_these_reasons() {
    let bundle = json!({"inline_bundle": {"keys": []}});
    for (issuer, expected) in [
        (
            json!({"issuer": "i", "trust_domain": "example.org", "keys": bundle}),
            "`issuers[0]`: has both `issuer` and `trust_domain`; remove one of them: make an entry for each",
        ),
        (
            json!({"trust_domain": "spiffe://example.org", "keys": bundle}),
            "`issuers[0].trust_domain`: byte 0x3a may not be in a trust domain; write the bare name, such as `example.org`",
        ),
        (
            json!({"trust_domain": "example.org", "keys": {"inline": key_set()}}),
            "`issuers[0].keys`: is no bundle, which a trust domain's keys come in; set `bundle_url` and `cluster`, or `inline_bundle`",
        ),
        (
            json!({"issuer": "i", "keys": bundle}),
            "`issuers[0].keys`: is the bundle of a trust domain; set `trust_domain` instead of `issuer`",
        ),
        (
            json!({"trust_domain": "example.org", "keys": bundle, "types": ["JWT"]}),
            "`issuers[0].types`: says nothing about JWT-SVIDs: their `typ` is `JWT`, `JOSE` or absent; remove it",
        ),
        (
            json!({"trust_domain": "example.org", "keys": bundle, "algorithms": ["ES256", "EdDSA"]}),
            "`issuers[0].algorithms[1]`: no SVID is signed with EdDSA; remove it",
        ),
    ] {
        let mut full = json!({"audiences": ["a"], "algorithms": ["ES256"]});
        for (name, value) in issuer.as_object().unwrap() {
            full[name] = value.clone();
        }
        assert_eq!(parse(&with("/issuers/0", full)).unwrap_err(), expected, "{issuer}");
    }
    let domain = json!({
        "trust_domain": "example.org", "audiences": ["a"], "algorithms": ["ES256"], "keys": bundle,
    });
    let twice = parse(&with("/issuers", json!([domain, domain]))).unwrap_err();
    assert_eq!(twice, "`issuers[1].trust_domain`: is configured twice; merge the two entries");
}
