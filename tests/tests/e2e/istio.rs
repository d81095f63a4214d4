//! `examples/istio`: the resources against Istio's schemas, and in Envoy what Istio makes of them.

use std::fs;
use std::path::{Path, PathBuf};

use rescind_e2e::companion::Companion;
use rescind_e2e::envoy::{Bootstrap, Envoy};
use rescind_e2e::http::Request;
use rescind_e2e::issuer::Issuer;
use rescind_e2e::process::Folder;
use rescind_e2e::site::ISSUER;
use rescind_e2e::transmitter::Transmitter;
use rescind_e2e::upstream::Upstream;
use rescind_e2e::{istio, ports, tools, wait};
use serde_json::{Value, json};

const FILES: [&str; 4] =
    ["companion.yaml", "mesh.yaml", "trafficextension.yaml", "wasmplugin.yaml"];

fn example(file: &str) -> PathBuf {
    tools::repository().join("examples/istio").join(file)
}

#[test]
fn the_resources_for_istio_fit_the_schemas_of_its_api() {
    let files = FILES.map(example);
    let told = istio::check(&files.each_ref().map(PathBuf::as_path));
    assert_eq!(told.len(), 13, "{told:#?}");
    assert!(told.iter().all(|line| line.ends_with(": ok")), "{told:#?}");
}

#[test]
fn a_resource_with_a_slip_does_not_fit_its_schema() {
    let slips = [
        ("wasmplugin.yaml", "  url: oci", "  uri: oci", "/spec/uri is unknown"),
        ("wasmplugin.yaml", "  url: oci", "  uri: oci", "required {\"missingProperty\":\"url\"}"),
        ("wasmplugin.yaml", "FAIL_RELOAD\n", "FAIL_CLOSED\n", "/spec/failStrategy enum"),
        ("wasmplugin.yaml", "sha256: \"00", "sha256: \"0x", "/spec/sha256 pattern"),
        ("wasmplugin.yaml", "matchLabels", "matchLabel", "/spec/selector/matchLabel is unknown"),
        ("wasmplugin.yaml", "kind: Wasm", "kind: Wasn", "there is no WasnPlugin in"),
        ("trafficextension.yaml", "    pluginName", "    phase", "/spec/wasm/phase is unknown"),
        ("trafficextension.yaml", "  phase", "  pluginName", "/spec/pluginName is unknown"),
        ("trafficextension.yaml", "FAIL_RELOAD", "RELOAD", "/spec/failStrategy enum"),
        ("mesh.yaml", "mode: STRICT", "mode: STRIKT", "/spec/mtls/mode enum"),
        ("mesh.yaml", "{ principals:", "{ principal:", "/source/principal is unknown"),
        ("mesh.yaml", "number: 443", "port: 443", "/spec/ports/0/port is unknown"),
        (
            "companion.yaml",
            "readOnlyRoot",
            "readonlyRoot",
            "/securityContext/readonlyRootFilesystem",
        ),
        (
            "companion.yaml",
            "path: /readyz",
            "paht: /readyz",
            "/readinessProbe/httpGet/paht is unknown",
        ),
        ("companion.yaml", "minAvailable: 1", "minAvailable: []", "/spec/minAvailable"),
    ];
    let folder = Folder::new();
    for (file, sound, slip, problem) in slips {
        let text = fs::read_to_string(example(file)).unwrap();
        assert!(text.contains(sound), "{file}: {sound}");
        let changed = folder.path().join(file);
        fs::write(&changed, text.replacen(sound, slip, 1)).unwrap();
        let told = istio::check(&[&changed]);
        assert!(told.iter().any(|line| line.contains(problem)), "{slip}: {told:#?}");
    }
}

/// An ingress gateway as Istio configures it: clusters under Istio's names, the filter by discovery, and after it the
/// AuthorizationPolicy of the example.
struct Ingress {
    envoy: Envoy,
    resource: Value,
    discovery: PathBuf,
    companion: Companion,
    issuer: Issuer,
    transmitter: Transmitter,
    _upstream: Upstream,
    _folder: Folder,
}

impl Ingress {
    fn start(mut resource: Value) -> Self {
        let folder = Folder::new();
        let upstream = Upstream::start();
        let issuer = Issuer::start(ISSUER, "ES256");
        let transmitter = Transmitter::new("idp", ISSUER);
        let companion = Companion::start(folder.path(), &[&transmitter], &[ISSUER]);
        let own = &mut configuration(&mut resource)["revocation"];
        own["gateway_token"] = json!(companion.read("gateway.token"));
        own["feed_key"] = json!(companion.feed_key());
        own["subject_key"] = json!(companion.read("subject.key"));
        own["checksum_key"] = json!(companion.read("checksum.key"));

        let discovery = folder.path().join("extensions.json");
        write(&discovery, &resource, 1);
        let policies = istio::resources("mesh.yaml");
        let policy = policies.iter().find(|policy| policy["spec"]["action"] == "DENY").unwrap();
        let chain = [istio::filter(&resource, &discovery), istio::header_policy(policy)];
        let bootstrap = Bootstrap {
            clusters: vec![
                ("upstream".to_owned(), upstream.port()),
                ("outbound|8443||rescind.auth.svc.cluster.local".to_owned(), companion.port),
                ("outbound|443||idp.example.com".to_owned(), issuer.port()),
            ],
            ..Bootstrap::bare(upstream.port())
        };
        let ports = (ports::free(), ports::free());
        let envoy = Envoy::start_changed(&bootstrap, folder.path(), ports, |rendered| {
            let node = "router~127.0.0.1~istio-ingressgateway.istio-system~istio-system.svc";
            rendered["node"] =
                json!({ "id": node, "cluster": "istio-ingressgateway.istio-system" });
            let pointer = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
            let manager = rendered.pointer_mut(pointer).expect("a connection manager");
            let filters = manager["http_filters"].as_array_mut().expect("filters");
            filters.splice(0..0, chain);
        });
        let (_upstream, _folder) = (upstream, folder);
        Self { envoy, resource, discovery, companion, issuer, transmitter, _upstream, _folder }
    }

    fn reaches(&self, what: &str, path: &str, token: &str, status: u16) {
        wait::until_true(what, wait::SOON, || self.envoy.get(path, token) == status);
    }

    /// As istiod does when the resource changes.
    fn update(&mut self, version: u32, change: impl FnOnce(&mut Value)) {
        change(configuration(&mut self.resource));
        write(&self.discovery, &self.resource, version);
    }
}

fn configuration(resource: &mut Value) -> &mut Value {
    let spec = &mut resource["spec"];
    let wasm = if spec.get("wasm").is_some() { &mut spec["wasm"] } else { spec };
    &mut wasm["pluginConfig"]
}

/// Puts a discovery file in place at once, which is what Envoy watches for.
fn write(discovery: &Path, resource: &Value, version: u32) {
    let next = discovery.with_extension("next");
    fs::write(&next, istio::discovery(resource, &tools::wasm(), version).to_string()).unwrap();
    fs::rename(next, discovery).unwrap();
}

fn resource(file: &str) -> Value {
    let [resource] = <[Value; 1]>::try_from(istio::resources(file)).expect("one resource");
    resource
}

#[test]
fn what_istio_makes_of_either_resource_refuses_after_a_signal() {
    for file in ["wasmplugin.yaml", "trafficextension.yaml"] {
        let ingress = Ingress::start(resource(file));
        let token = ingress.issuer.token("agent");
        ingress.reaches("the gateway to synchronize", "/orders", &token, 200);
        assert_eq!(ingress.envoy.get("/orders", "no-token"), 401, "{file}");
        assert_eq!(ingress.envoy.get("/admin", &token), 403, "{file}: the route asks for a scope");
        let open = ingress.envoy.send(&Request::get("/healthz")).status();
        assert_eq!(open, 200, "{file}: the route is public");

        ingress.transmitter.revoke(ingress.companion.port, ISSUER, "agent");
        ingress.reaches("the revocation to arrive", "/orders", &token, 401);
        let refused = ingress.envoy.logged("the refusal", |line| line["reason"] == "revoked");
        assert!(refused["signal"].is_string(), "{file}: {refused}");
        assert_eq!(ingress.envoy.get("/orders", &ingress.issuer.token("bystander")), 200, "{file}");
    }
}

#[test]
fn an_authorization_policy_of_istio_sees_who_was_verified_and_not_who_is_claimed() {
    let ingress = Ingress::start(resource("wasmplugin.yaml"));
    let [robot, person] = ["nightly-report", "alice"].map(|sub| ingress.issuer.token(sub));
    ingress.reaches("the gateway to synchronize", "/orders", &person, 200);
    let call = |token: &str, claimed: &str| {
        let request = Request::get("/billing").bearer(token).header("x-rescind-subject", claimed);
        ingress.envoy.send(&request)
    };
    assert_eq!(call(&robot, "alice").status(), 403);
    assert_eq!(call(&person, "nightly-report").status(), 200);
    let refused = call(&robot, "alice");
    assert_eq!(refused.text(), "RBAC: access denied", "not by Rescind");
}

#[test]
fn a_changed_resource_takes_effect_without_forgetting_what_is_refused() {
    let mut ingress = Ingress::start(resource("wasmplugin.yaml"));
    let scope = json!({ "scope": "new" });
    let [good, revoked] = ["good", "revoked"].map(|sub| ingress.issuer.token_with(sub, &scope));
    let unscoped = ingress.issuer.token("good");
    ingress.reaches("the gateway to synchronize", "/orders", &unscoped, 200);
    ingress.transmitter.revoke(ingress.companion.port, ISSUER, "revoked");
    ingress.reaches("the revocation to arrive", "/orders", &revoked, 401);

    ingress.update(2, |filter| {
        filter["routes"] = json!([{ "path_prefix": "/", "scopes": ["new"] }]);
    });
    wait::until_true("the new routes", wait::SOON, || {
        assert_eq!(ingress.envoy.get("/orders", &revoked), 401);
        assert_eq!(ingress.envoy.get("/orders", &good), 200);
        ingress.envoy.get("/orders", &unscoped) == 403
    });
    assert_eq!(ingress.envoy.get("/orders", &revoked), 401);
    assert_eq!(ingress.envoy.get("/orders", &good), 200);
}
