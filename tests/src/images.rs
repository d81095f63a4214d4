//! The two images of a release: the filter as Istio loads it, and the companion.
//!
//! Nothing that changes without the program, such as a time or a commit, is in them: whoever builds the same
//! sources with the same compiler gets the same digests.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::elf;
use crate::oci::{Entry, Image};

/// Who the companion runs as: a user that no host has, by the custom of images without a shell.
pub const USER: u64 = 65_532;
/// Where the companion listens in `examples/istio`.
pub const PORT: &str = "8443/tcp";

/// An image that was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Built {
    /// Its name and tag.
    pub reference: String,
    /// Of its manifest: `sha256:` and 64 digits.
    pub digest: String,
}

/// Writes the images `filter` and `companion` into `folder`, each as a layout and as an archive.
///
/// # Errors
///
/// What the file system says, or that a program is not what an image needs.
pub fn write(folder: &Path, wasm: &Path, companion: &Path) -> io::Result<[Built; 2]> {
    let images = [filter(read(wasm)?)?, self::companion(read(companion)?)?];
    let [filter, companion] = &images;
    Ok([built(filter, &folder.join("filter"))?, built(companion, &folder.join("companion"))?])
}

fn built(image: &Image, folder: &Path) -> io::Result<Built> {
    let digest = image.write(folder)?;
    Ok(Built { reference: format!("{}:{}", image.name, image.version), digest })
}

/// The *compat* variant of the Wasm Image Specification: an ordinary image with one file. Istio's other variant is an
/// artifact that neither `docker` nor older registries take.
fn filter(module: Vec<u8>) -> io::Result<Image> {
    if !module.starts_with(b"\0asm") {
        return Err(unfit("the filter is not a WebAssembly module"));
    }
    // An engine refuses to load an image of another system, and Istio does not look at it.
    let platform = "amd64";
    let entries = BTreeMap::from([("plugin.wasm".to_owned(), Entry::File(0o644, module))]);
    let description = "Continuous authorization: the Proxy-Wasm filter";
    Ok(image("filter", description, platform, json!({}), entries))
}

/// One static program, and the folders that it is given: nothing else that could be attacked or need an update.
fn companion(program: Vec<u8>) -> io::Result<Image> {
    let platform = elf::architecture_of_static(&program)
        .map_err(|fault| unfit(&format!("the companion {fault}")))?;
    let entries = BTreeMap::from([
        ("rescind".to_owned(), Entry::File(0o755, program)),
        ("etc/rescind".to_owned(), Entry::Folder(0)),
        // A fresh volume takes its owner from here.
        ("var/lib/rescind".to_owned(), Entry::Folder(USER)),
    ]);
    let run = json!({
        "User": format!("{USER}:{USER}"),
        "ExposedPorts": { PORT: {} },
        "Entrypoint": ["/rescind"],
        "Cmd": ["serve", "--config", "/etc/rescind/rescind.toml"],
        "WorkingDir": "/var/lib/rescind",
        "StopSignal": "SIGTERM",
    });
    let description = "Continuous authorization: receives signals and feeds gateways";
    Ok(image("companion", description, platform, run, entries))
}

fn image(
    name: &str,
    description: &str,
    platform: &str,
    run: Value,
    entries: BTreeMap<String, Entry>,
) -> Image {
    let version = env!("CARGO_PKG_VERSION");
    let labels = [
        ("description", description),
        ("licenses", "Apache-2.0"),
        ("title", &format!("rescind {name}")),
        ("version", version),
    ];
    Image {
        name: format!("rescind/{name}"),
        version: version.to_owned(),
        architecture: platform.to_owned(),
        run,
        labels: labels
            .map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()))
            .into(),
        entries,
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn unfit(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
