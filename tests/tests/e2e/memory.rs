//! What one VM of the filter takes at most. Every worker of every gateway has one.

use std::process::Command;

use rescind_e2e::tools;
use serde_json::Value;

/// For 50 issuers with key sets of 64 KiB, a table of a million records, and full caches, also that of forged tokens.
const MAX_VM_BYTES: u64 = 32 * 1024 * 1024;

#[test]
fn a_vm_with_50_full_key_sets_and_full_caches_stays_within_32_mib() {
    let output = Command::new("node")
        .arg(tools::repository().join("tests/memory/vm.mjs"))
        .arg(tools::wasm())
        .output()
        .expect("node starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let figures: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let figures = figures.as_object().expect("an object");
    assert_eq!(figures.len(), 8, "{figures:?}");
    for (step, bytes) in figures {
        let bytes = bytes.as_u64().expect("a number of bytes");
        assert!(bytes <= MAX_VM_BYTES, "{bytes} bytes at the step `{step}`: {figures:?}");
    }
}
