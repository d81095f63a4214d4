//! One Envoy with one worker and one listener: the configuration that all variants share.

use serde_json::{Value, json};

/// What stands between the listener and its direct response.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    /// The name in the report.
    pub(crate) name: String,
    /// The listener's port.
    pub(crate) port: u16,
    /// The HTTP filters before the router.
    pub(crate) filters: Vec<Value>,
}

/// A filter entry: `name` with `config` of protobuf type `kind`.
fn filter(name: &str, kind: &str, mut config: Value) -> Value {
    if let Some(object) = config.as_object_mut() {
        object.insert("@type".into(), json!(format!("type.googleapis.com/{kind}")));
    }
    json!({ "name": name, "typed_config": config })
}

/// Envoy's own `jwt_authn`, with `jwks` inline; `cached` turns its token cache on.
pub(crate) fn jwt_authn(issuer: &str, audience: &str, jwks: &Value, cached: bool) -> Value {
    let mut provider = json!({
        "issuer": issuer,
        "audiences": [audience],
        "local_jwks": { "inline_string": jwks.to_string() },
        "claim_to_headers": [{ "header_name": "x-rescind-subject", "claim_name": "sub" }],
        "require_expiration": true,
    });
    if cached && let Some(provider) = provider.as_object_mut() {
        provider.insert("jwt_cache_config".into(), json!({ "jwt_cache_size": 1000 }));
    }
    filter(
        "envoy.filters.http.jwt_authn",
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        json!({
            "providers": { "idp": provider },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "idp" } }],
        }),
    )
}

/// HTTP `ext_authz` to cluster `ext_authz` on `port`.
pub(crate) fn ext_authz(port: u16) -> Value {
    filter(
        "envoy.filters.http.ext_authz",
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        json!({
            "http_service": {
                "server_uri": {
                    "uri": format!("http://127.0.0.1:{port}"), "cluster": "ext_authz", "timeout": "2s",
                },
                "authorization_request": {
                    "allowed_headers": { "patterns": [{ "exact": "authorization" }] },
                },
            },
        }),
    )
}

/// Rescind, in the VM `vm_id`.
pub(crate) fn rescind(vm_id: &str, wasm: &str, config: &Value) -> Value {
    filter(
        "envoy.filters.http.wasm",
        "envoy.extensions.filters.http.wasm.v3.Wasm",
        json!({
            "config": {
                "name": "rescind",
                "root_id": "rescind",
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "vm_id": vm_id,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": wasm } },
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": config.to_string(),
                },
            },
        }),
    )
}

/// The bootstrap: `variant` as the listener, `clusters` as (name, port) on loopback.
pub(crate) fn bootstrap(admin: u16, variant: &Variant, clusters: &[(String, u16)]) -> Value {
    json!({
        "admin": { "address": address(admin) },
        "static_resources": {
            "listeners": [listener(variant)],
            "clusters": clusters.iter().map(|(name, port)| cluster(name, *port)).collect::<Vec<_>>(),
        },
    })
}

fn listener(variant: &Variant) -> Value {
    let mut filters = variant.filters.clone();
    filters.push(filter(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        json!({}),
    ));
    json!({
        "name": variant.name,
        "address": address(variant.port),
        "filter_chains": [{ "filters": [filter(
            "envoy.filters.network.http_connection_manager",
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            json!({
                "stat_prefix": variant.name,
                "http_filters": filters,
                "route_config": { "virtual_hosts": [{
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{
                        "match": { "prefix": "/" },
                        "direct_response": { "status": 200, "body": { "inline_string": "ok" } },
                    }],
                }] },
            }),
        )] }],
    })
}

fn cluster(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": address(port) } },
        ] }] },
    })
}

fn address(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}
