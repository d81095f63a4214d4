//! What Istio makes of a WasmPlugin or a TrafficExtension before Envoy sees it.
//!
//! After istiod 1.30 (`pilot/pkg/model/extensions.go`, `pilot/pkg/networking/core/extension`) and the agent beside each
//! Envoy, which fetches the module and removes its own environment variables (`pkg/wasm/convert.go`): a place in the
//! filter chain that names a resource of the extension discovery service, and that resource. Where Istio serves it
//! from the agent, here it is a file that Envoy watches.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::tools;

const TYPES: &str = "type.googleapis.com";
const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
const RBAC: &str = "envoy.extensions.filters.http.rbac.v3.RBAC";

/// The resources of a file in `examples/istio`.
///
/// # Panics
///
/// When it cannot be read.
#[must_use]
pub fn resources(file: &str) -> Vec<Value> {
    let output = node("read.mjs", &[&tools::repository().join("examples/istio").join(file)]);
    serde_json::from_str(&output).expect("an array of resources")
}

/// What the schemas say about files: a line for each resource or problem.
#[must_use]
pub fn check(files: &[&Path]) -> Vec<String> {
    node("check.mjs", files).lines().map(ToOwned::to_owned).collect()
}

fn node(script: &str, files: &[impl AsRef<Path>]) -> String {
    let mut command = Command::new("node");
    command.arg(tools::repository().join("tests/istio").join(script)).arg(tools::schemas());
    let output = command.args(files.iter().map(AsRef::as_ref)).output().expect("node");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The name of the resource that holds the filter.
#[must_use]
pub fn resource_name(resource: &Value) -> String {
    format!("extensions.istio.io/trafficextension/{}", plugin_name(resource))
}

fn plugin_name(resource: &Value) -> String {
    let [namespace, name] = ["namespace", "name"].map(|member| {
        resource["metadata"][member].as_str().expect("a resource has a name and a namespace")
    });
    format!("{namespace}.{name}")
}

/// The place in the filter chain.
#[must_use]
pub fn filter(resource: &Value, discovery: &Path) -> Value {
    json!({
        "name": resource_name(resource),
        "config_discovery": {
            "config_source": {
                "path_config_source": { "path": discovery },
                "initial_fetch_timeout": "0s",
                "resource_api_version": "V3",
            },
            // The agent puts a filter that refuses everything where it could not fetch the module.
            "type_urls": [format!("{TYPES}/{WASM}"), format!("{TYPES}/{RBAC}")],
        },
    })
}

/// The discovery file of a resource whose module the agent has put into `module`.
///
/// # Panics
///
/// When the resource has no such form.
#[must_use]
pub fn discovery(resource: &Value, module: &Path, version: u32) -> Value {
    let spec = &resource["spec"];
    // A WasmPlugin becomes a TrafficExtension; then all is the same.
    let wasm = spec.get("wasm").unwrap_or(spec);
    let policy = match wasm["failStrategy"].as_str() {
        None | Some("FAIL_CLOSE") => "FAIL_CLOSED",
        Some("FAIL_OPEN") => "FAIL_OPEN",
        Some("FAIL_RELOAD") => "FAIL_RELOAD",
        Some(other) => panic!("unknown: {other}"),
    };
    json!({
        "version_info": version.to_string(),
        "resources": [{
            "@type": format!("{TYPES}/envoy.config.core.v3.TypedExtensionConfig"),
            "name": resource_name(resource),
            "typed_config": {
                "@type": format!("{TYPES}/{WASM}"),
                "config": {
                    "name": plugin_name(resource),
                    "root_id": wasm["pluginName"],
                    "failure_policy": policy,
                    "configuration": {
                        "@type": format!("{TYPES}/google.protobuf.StringValue"),
                        "value": through_struct(&wasm["pluginConfig"]).to_string(),
                    },
                    // No vm_id: all plugins of a proxy share one.
                    "vm_config": {
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": module } },
                    },
                },
            },
        }],
    })
}

/// A configuration after its way through `google.protobuf.Struct`, which knows numbers only as doubles.
fn through_struct(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let double = number.as_f64().expect("a double");
            // Go's protojson writes what is whole without a point.
            if double.fract() == 0.0 && double.abs() < 1e21 {
                serde_json::from_str(&format!("{double:.0}")).expect("a number")
            } else {
                json!(double)
            }
        }
        Value::Array(items) => items.iter().map(through_struct).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), through_struct(value)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// What Istio makes of an AuthorizationPolicy that refuses by one header's values
/// (`pilot/pkg/security/authz/model`).
///
/// # Panics
///
/// When the resource is another kind of policy.
#[must_use]
pub fn header_policy(resource: &Value) -> Value {
    let (spec, metadata) = (&resource["spec"], &resource["metadata"]);
    let condition = &spec["rules"][0]["when"][0];
    let key = condition["key"].as_str().expect("a condition");
    let header = key.strip_prefix("request.headers[").and_then(|key| key.strip_suffix(']'));
    let header = header.expect("a condition on a header");
    let matches: Vec<_> = condition["values"]
        .as_array()
        .expect("values")
        .iter()
        .map(|value| json!({ "header": { "name": header, "string_match": { "exact": value } } }))
        .collect();
    let text = |member: &str| metadata[member].as_str().unwrap_or_default().to_owned();
    let name = format!("ns[{}]-policy[{}]-rule[0]", text("namespace"), text("name"));
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": format!("{TYPES}/{RBAC}"),
            "rules": {
                "action": spec["action"],
                "policies": { name: {
                    "permissions": [{ "and_rules": { "rules": [{ "any": true }] } }],
                    "principals": [{ "and_ids": { "ids": [{ "or_ids": { "ids": matches } }] } }],
                } },
            },
        },
    })
}
