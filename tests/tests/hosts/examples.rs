//! The examples' configurations, as the module reads them.

use rescind_e2e::tools;
use serde_json::Value;

use crate::host::{Behaviour, Gateway};

/// What stands between the two comments: JSON, also where the rest is YAML.
fn configuration(path: &str) -> Value {
    let path = tools::repository().join("examples").join(path);
    let text = std::fs::read_to_string(&path).expect("an example");
    let (_, rest) = text.split_once("# rescind.wasm reads this: begin\n").expect("a beginning");
    let (json, _) = rest.split_once("# end\n").expect("an end");
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_module_accepts_the_configuration_of_every_example() {
    for (behaviour, path) in [
        (Behaviour::Envoy, "istio/wasmplugin.yaml"),
        (Behaviour::Envoy, "istio/trafficextension.yaml"),
        (Behaviour::Kong, "kong/kong.yml"),
        (Behaviour::Apisix, "apisix/apisix.yaml"),
    ] {
        let configuration = configuration(path);
        let mut gateway = Gateway::unconfigured(behaviour, 1, &[]);
        let accepted = gateway.workers[0].configure(&configuration);
        assert!(accepted, "{path}: {:#?}", gateway.workers[0].log());
    }
}

#[test]
fn where_there_is_no_filter_state_a_configuration_that_wants_it_is_refused_with_its_name() {
    let configuration = configuration("istio/wasmplugin.yaml");
    for behaviour in [Behaviour::Kong, Behaviour::Apisix] {
        let mut gateway = Gateway::unconfigured(behaviour, 1, &[]);
        assert!(!gateway.workers[0].configure(&configuration));
        let log = gateway.workers[0].log().concat();
        assert!(log.contains("identity.filter_state"), "{log}");
    }
}

#[test]
fn kongs_outline_of_a_configuration_fits_the_example() {
    let path = tools::repository().join("examples/kong/rescind.meta.json");
    let meta: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let schema = &meta["config_schema"];
    let example = configuration("kong/kong.yml");
    for (name, value) in example.as_object().unwrap() {
        let kind = if value.is_array() { "array" } else { "object" };
        assert_eq!(schema["properties"][name]["type"], kind, "{name}");
    }
    for name in schema["required"].as_array().unwrap() {
        assert!(example[name.as_str().unwrap()].is_object() || example["issuers"].is_array());
    }
}
