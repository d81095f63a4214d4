//! The module as a file, and what the gateway does should it ever trap.

use rescind_e2e::http::Request;
use rescind_e2e::site::{Plan, Site};
use rescind_e2e::{tools, wait};

/// The header that makes the test-only build trap.
const TRAP: &str = "x-rescind-trap";

/// The largest module in bytes: workers compile it at their start, and Istio's sidecars fetch it.
const MAX_MODULE_BYTES: u64 = 1_500_000;

#[test]
fn the_module_is_no_larger_than_its_budget() {
    let size = std::fs::metadata(tools::wasm()).unwrap().len();
    assert!(size <= MAX_MODULE_BYTES, "{size} bytes, at most {MAX_MODULE_BYTES} are allowed");
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
