//! The table of names, the types and the documentation agree.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// The table in [`schema`] and the types in [`raw`] are two: this holds them together.
#[test]
fn the_reference_and_the_types_have_the_same_names() {
    fn compare(fields: &[schema::Field], path: &str) {
        for field in fields {
            let path = shape::join(path, field.name);
            match field.kind {
                schema::Kind::Object(below) => compare(below, &path),
                schema::Kind::Objects(below) => compare(below, &format!("{path}/0")),
                _ => {
                    let pointer = format!("/{}", path.replace('.', "/"));
                    assert!(
                        most().pointer(&pointer).is_some() || is_alternative(&pointer),
                        "{pointer}"
                    );
                }
            }
        }
    }
    /// Names that cannot stand beside others: `most` has them elsewhere.
    fn is_alternative(pointer: &str) -> bool {
        let elsewhere = match pointer {
            "/issuers/0/trust_domain" => "/issuers/2/trust_domain",
            "/issuers/0/txn_domain" => "/issuers/5/txn_domain",
            "/issuers/0/keys/url" => "/issuers/1/keys/url",
            "/issuers/0/keys/cluster" => "/issuers/1/keys/cluster",
            "/issuers/0/keys/refresh_secs" => "/issuers/1/keys/refresh_secs",
            "/issuers/0/keys/bundle_url" => "/issuers/2/keys/bundle_url",
            "/issuers/0/keys/inline_bundle" => "/issuers/3/keys/inline_bundle",
            "/issuers/0/keys/discovery" => "/issuers/4/keys/discovery",
            "/issuers/0/keys/jwks_authority" => "/issuers/4/keys/jwks_authority",
            "/issuers/0/keys/jwks_cluster" => "/issuers/4/keys/jwks_cluster",
            "/issuers/0/token_from/header" => "/issuers/1/token_from/header",
            "/routes/0/path" => "/routes/1/path",
            "/routes/0/credentials" => "/routes/1/credentials",
            "/routes/0/audiences" => "/routes/3/audiences",
            "/routes/0/origins" => "/routes/3/origins",
            "/routes/0/scopes" => "/routes/1/scopes",
            "/routes/0/acr_values" => "/routes/2/acr_values",
            "/routes/0/max_age_secs" => "/routes/2/max_age_secs",
            "/routes/0/compliant_device" => "/routes/2/compliant_device",
            "/routes/0/max_risk" => "/routes/2/max_risk",
            "/routes/0/min_assurance" => "/routes/2/min_assurance",
            "/routes/0/unchanged_claims" => "/routes/2/unchanged_claims",
            "/routes/0/on_gap" => "/routes/2/on_gap",
            "/routes/0/in_flight" => "/routes/2/in_flight",
            "/routes/0/cors_preflight" => "/routes/2/cors_preflight",
            "/routes/0/mcp/methods" => "/routes/3/mcp/methods",
            "/routes/0/mcp/verify_body" => "/routes/3/mcp/verify_body",
            "/routes/0/mcp/names" => "/routes/3/mcp/names",
            _ => return false,
        };
        most().pointer(elsewhere).is_some()
    }
    // Every name of the table is accepted by the types, because `most` has all and is accepted …
    compare(schema::CONFIG, "");
    serde_json::from_value::<raw::RawConfig>(most()).unwrap();
    // … and every name of the types is in the table: serde lists those it knows.
    for (pointer, fields) in objects(schema::CONFIG, String::new()) {
        let config = set(most(), &format!("{pointer}/no_such_name"), json!(0));
        let complaint = serde_json::from_value::<raw::RawConfig>(config).unwrap_err().to_string();
        let known = complaint
            .split("expected one of ")
            .nth(1)
            .or(complaint.split("expected ").nth(1))
            .unwrap();
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let ours: Vec<&str> = fields.iter().map(|field| field.name).collect();
        assert_eq!(known, ours, "{pointer}");
    }
}

fn objects(
    fields: &'static [schema::Field],
    pointer: String,
) -> Vec<(String, &'static [schema::Field])> {
    let below = fields.iter().flat_map(|field| match field.kind {
        schema::Kind::Object(below) => objects(below, format!("{pointer}/{}", field.name)),
        schema::Kind::Objects(below) => objects(below, format!("{pointer}/{}/0", field.name)),
        _ => Vec::new(),
    });
    let below: Vec<_> = below.collect();
    [vec![(pointer, fields)], below].concat()
}

#[test]
fn the_reference_has_a_row_for_every_name_and_no_secret() {
    let reference = reference();
    for row in [
        "| `issuers[].keys.refresh_secs` | number | 300 | How often it is fetched; from 10 on. An unknown `kid` fetches it sooner. A bundle's own `spiffe_refresh_hint` goes before, from 10 to 3600. |",
        "| `revocation.on_stale` | text | `deny` | After that: `deny` answers 503; `allow` goes on with the last known state. |",
        "| `routes[].path_prefix` | text |  | This path and all below it. Without `path` and `path_prefix`, all paths. |",
    ] {
        assert!(reference.lines().any(|line| line == row), "{row}\n{reference}");
    }
}

#[test]
fn the_defaults_of_the_reference_are_those_of_the_code() {
    let config = parse(&least()).unwrap();
    let default = |name: &str| {
        let start = format!("| `{name}` |");
        let row = reference().lines().find(|line| line.starts_with(&start)).unwrap().to_owned();
        row.split('|').nth(3).unwrap().trim().to_owned()
    };
    let issuer = &config.issuers[0];
    for (name, value) in [
        ("issuers[].leeway_secs", issuer.leeway.as_secs().to_string()),
        ("issuers[].max_token_lifetime_secs", issuer.max_token_lifetime.as_secs().to_string()),
        ("revocation.table", format!("`{}`", config.revocation.table)),
        ("revocation.max_staleness_secs", config.revocation.max_staleness.as_secs().to_string()),
        ("identity.filter_state", config.identity.filter_state.to_string()),
        ("identity.headers.subject", format!("`{}`", config.identity.headers.subject.unwrap())),
        ("identity.headers.client_id", format!("`{}`", config.identity.headers.client_id.unwrap())),
        ("limits.max_token_bytes", config.limits.max_token_bytes.to_string()),
        ("limits.token_cache_entries", config.limits.token_cache_entries.to_string()),
        ("limits.token_cache_bytes", config.limits.token_cache_bytes.to_string()),
        ("limits.max_mcp_body_bytes", config.limits.max_mcp_body_bytes.to_string()),
    ] {
        assert_eq!(default(name), value, "{name}");
    }
}
