//! The module as a file, and what the gateway does should it ever trap.

use rescind_e2e::http::Request;
use rescind_e2e::site::{Plan, Site};
use rescind_e2e::{tools, wait};
use wasmparser::{Parser, Payload, TypeRef};

/// The header that makes the test-only build trap.
const TRAP: &str = "x-rescind-trap";

/// Host functions that every supported host has with the same signature. Two are missing on purpose:
/// `proxy_get_log_level` and `proxy_get_metric` make APISIX run without the plugin.
const PROXY_ABI: &[&str] = &[
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_define_metric",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_send_local_response",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

/// What Rust's standard library may import from WASI; all hosts have these.
const WASI: &[&str] =
    &["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"];

/// The largest module in bytes: workers compile it at their start, and Istio's sidecars fetch it.
const MAX_MODULE_BYTES: u64 = 1_500_000;

#[test]
fn the_module_is_no_larger_than_its_budget() {
    let size = std::fs::metadata(tools::wasm()).unwrap().len();
    assert!(size <= MAX_MODULE_BYTES, "{size} bytes, at most {MAX_MODULE_BYTES} are allowed");
}

#[test]
fn the_module_imports_only_what_every_host_provides() {
    let module = std::fs::read(tools::wasm()).unwrap();
    let mut imports = 0;
    for payload in Parser::new(0).parse_all(&module) {
        let Payload::ImportSection(section) = payload.unwrap() else { continue };
        for import in section.into_imports() {
            let import = import.unwrap();
            assert!(matches!(import.ty, TypeRef::Func(_)), "{import:?}");
            let known = match import.module {
                "env" => PROXY_ABI,
                "wasi_snapshot_preview1" => WASI,
                other => panic!("imports from {other}"),
            };
            assert!(known.contains(&import.name), "{} is not everywhere", import.name);
            imports += 1;
        }
    }
    assert!(imports > 5, "only {imports} imports: was the right file read?");
}

#[test]
fn the_shipped_module_lacks_the_means_to_trap_it() {
    let module = std::fs::read(tools::wasm()).unwrap();
    assert!(!module.windows(TRAP.len()).any(|part| part == TRAP.as_bytes()));
    assert_ne!(module, std::fs::read(tools::trapping_wasm()).unwrap());
    let site = Site::start();
    let token = site.issuer.token("agent");
    let request = Request::get("/orders").bearer(&token).header(TRAP, "1");
    assert_eq!(site.envoy.send(&request).status(), 200);
}

#[test]
fn after_a_trap_the_gateway_refuses_reloads_and_still_knows_what_is_revoked() {
    for workers in [1, 2] {
        let wasm = Some(tools::trapping_wasm());
        let site = Site::with(&Plan { workers, wasm, ..Plan::default() });
        let (good, revoked) = (site.issuer.token("good"), site.issuer.token("revoked"));
        site.revoke("revoked", &revoked);
        let trap = Request::get("/orders").bearer(&good).header(TRAP, "1");
        assert_eq!(site.envoy.send(&trap).status(), 503, "the call that trapped it is refused");
        // While one worker is down it refuses; a revoked token never passes.
        let mut good_again = 0;
        wait::until_true("reload of every worker", wait::SOON, || {
            assert_ne!(site.call(&revoked), 200);
            good_again = if site.call(&good) == 200 { good_again + 1 } else { 0 };
            good_again >= 20 * workers
        });
        assert_eq!(site.call(&revoked), 401);
        let later = site.issuer.token("later");
        site.revoke("later", &later);
    }
}
