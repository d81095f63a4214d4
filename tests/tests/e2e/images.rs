//! What `make image` makes, taken apart with nothing of what made it but the digests.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use rescind_e2e::images::{self, Built};
use rescind_e2e::process::Folder;
use rescind_e2e::{oci, tools, wait};
use serde_json::{Value, json};

/// An archive's entries: path, owner, mode, contents.
type Entries = Vec<(String, u64, u32, Vec<u8>)>;

fn build(folder: &Path) -> [Built; 2] {
    images::write(folder, &tools::wasm(), &tools::static_companion()).expect("images")
}

fn entries(archive: &[u8]) -> Entries {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.mtime().unwrap(), header.uid().ok()), (0, header.gid().ok()));
        let (owner, mode) = (header.uid().unwrap(), header.mode().unwrap());
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        (path, owner, mode, contents)
    });
    entries.collect()
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Reads what a descriptor describes, and checks that it does.
fn blob(layout: &Path, descriptor: &Value, media_type: &str) -> Vec<u8> {
    assert_eq!(descriptor["mediaType"], media_type);
    let digest = descriptor["digest"].as_str().unwrap();
    let bytes = fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
    assert_eq!(oci::digest(&bytes), digest);
    assert_eq!(descriptor["size"], bytes.len());
    bytes
}

/// The configuration and the layer of a layout with this manifest.
fn image(layout: &Path, expected: &str) -> (Value, Entries) {
    assert_eq!(json_file(&layout.join("oci-layout")), json!({"imageLayoutVersion": "1.0.0"}));
    let index = json_file(&layout.join("index.json"));
    let [descriptor] = index["manifests"].as_array().unwrap().as_slice() else {
        panic!("one manifest: {index}");
    };
    assert_eq!(descriptor["digest"], expected);
    let manifest = blob(layout, descriptor, "application/vnd.oci.image.manifest.v1+json");
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    // Istio looks for the kind in the manifest, not in who names it.
    assert_eq!(manifest["mediaType"], descriptor["mediaType"]);
    let configuration =
        blob(layout, &manifest["config"], "application/vnd.oci.image.config.v1+json");
    let configuration: Value = serde_json::from_slice(&configuration).unwrap();
    let [layer] = manifest["layers"].as_array().unwrap().as_slice() else {
        panic!("one layer: {manifest}");
    };
    let layer = blob(layout, layer, "application/vnd.oci.image.layer.v1.tar+gzip");
    let mut contents = Vec::new();
    GzDecoder::new(layer.as_slice()).read_to_end(&mut contents).unwrap();
    assert_eq!(configuration["rootfs"]["diff_ids"], json!([oci::digest(&contents)]));
    (configuration, entries(&contents))
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_image_of_the_filter_holds_the_shipped_module_where_istio_looks_for_it() {
    let folder = Folder::new();
    let [filter, _] = build(folder.path());
    assert_eq!(filter.reference, "rescind/filter:0.1.0");
    let (configuration, entries) = image(&folder.path().join("filter"), &filter.digest);
    let module = fs::read(tools::wasm()).unwrap();
    assert_eq!(entries, [("plugin.wasm".to_owned(), 0, 0o644, module)]);
    assert_eq!(configuration["os"], "linux");
}

#[test]
fn the_image_of_the_companion_starts_alone_and_not_as_root() {
    let folder = Folder::new();
    let [_, companion] = build(folder.path());
    let (configuration, entries) = image(&folder.path().join("companion"), &companion.digest);
    let shown: Vec<_> =
        entries.iter().map(|(path, owner, mode, _)| (path.as_str(), *owner, *mode)).collect();
    let folders = [("etc/", 0), ("etc/rescind/", 0)];
    let state = [("var/", 0), ("var/lib/", 0), ("var/lib/rescind/", 65_532)];
    let mut expected = folders.map(|(path, owner)| (path, owner, 0o755)).to_vec();
    expected.push(("rescind", 0, 0o755));
    expected.extend(state.map(|(path, owner)| (path, owner, 0o755)));
    assert_eq!(shown, expected);
    let config = &configuration["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["ExposedPorts"], json!({"8443/tcp": {}}));
    assert_eq!(config["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));

    let command = config["Entrypoint"][0].as_str().unwrap().trim_start_matches('/');
    let program = &entries.iter().find(|entry| entry.0 == command).expect("the entry point").3;
    let file = folder.path().join("unpacked");
    fs::write(&file, program).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    // Busy as long as a process that another test starts just now has inherited the file.
    let output = wait::until("the program to start", wait::SOON, || {
        Command::new(&file).arg("--version").env_clear().output().ok()
    });
    let version = format!("rescind {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), version, "{output:?}");
}

#[test]
fn building_images_twice_gives_the_same_bytes_and_what_was_there_is_gone() {
    let (one, two) = (Folder::new(), Folder::new());
    fs::create_dir_all(two.path().join("filter/blobs")).unwrap();
    fs::write(two.path().join("filter/blobs/old"), "old").unwrap();
    assert_eq!(build(one.path()), build(two.path()));
    let (one, two) = (files(one.path()), files(two.path()));
    let names = |files: &BTreeMap<PathBuf, _>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&two));
    assert!(one == two, "the same names, other bytes");
}

#[test]
fn an_archive_is_its_layout_and_says_to_docker_what_is_in_it() {
    let folder = Folder::new();
    for built in build(folder.path()) {
        let name = built.reference.split(['/', ':']).nth(1).unwrap();
        let layout = files(&folder.path().join(name));
        let archive = fs::read(folder.path().join(format!("{name}.tar"))).unwrap();
        let archived = entries(&archive).into_iter().filter(|entry| !entry.0.ends_with('/'));
        let archived: BTreeMap<_, _> =
            archived.map(|(path, _, _, contents)| (PathBuf::from(path), contents)).collect();
        assert!(archived == layout, "{name}");

        let listed = json_file(&folder.path().join(name).join("manifest.json"));
        assert_eq!(listed[0]["RepoTags"], json!([built.reference]));
        for path in [&listed[0]["Config"], &listed[0]["Layers"][0]] {
            assert!(layout.contains_key(Path::new(path.as_str().unwrap())), "{path}");
        }
    }
}

#[test]
fn what_could_not_run_in_an_image_is_refused_before_it_is_in_one() {
    let folder = Folder::new();
    let refused = |wasm: &Path, companion: &Path| {
        images::write(folder.path(), wasm, companion).unwrap_err().to_string()
    };
    let (wasm, companion) = (tools::wasm(), tools::static_companion());
    let swapped = refused(&companion, &wasm);
    assert_eq!(swapped, "the filter is not a WebAssembly module");
    let twice = refused(&wasm, &wasm);
    assert_eq!(twice, "the companion is not a 64-bit Linux program");
    // This test itself is linked to the C library.
    let dynamic = refused(&wasm, &std::env::current_exe().unwrap());
    assert_eq!(dynamic, "the companion needs a dynamic loader: build it for a musl target");
    let missing = refused(&wasm, Path::new("/nowhere/rescind"));
    assert!(missing.starts_with("/nowhere/rescind: "), "{missing}");
}
