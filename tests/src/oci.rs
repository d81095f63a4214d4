//! Container images as the OCI Image Layout 1.1 has them, made from files alone: no engine, no daemon.
//!
//! The same contents give the same bytes on every machine: entries are in the order of their names, every time is
//! 1970, and nothing of the machine is looked at. A digest can therefore be compared by whoever builds it again.
//!
//! The archive of an image is the layout, with the `manifest.json` that `docker load` and `crane push` read beside
//! the `index.json` that the others do: what Docker 25 and later writes itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

/// Of a manifest (OCI Image Manifest 1.1).
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Of a configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Of a layer: a compressed archive. The only kind of which Istio takes `plugin.wasm` (`pkg/wasm/imagefetcher.go`).
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// When everything in an image was made.
pub const CREATED: &str = "1970-01-01T00:00:00Z";

/// What a layer holds under a path; paths are relative to the root and have no dot segments.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A directory of this owner (user and group).
    Folder(u64),
    /// A file of root's with this mode.
    File(u32, Vec<u8>),
}

/// What makes an image. It has one layer.
#[derive(Clone, Debug)]
pub struct Image {
    /// Such as `rescind/filter`.
    pub name: String,
    /// Its tag.
    pub version: String,
    /// As Go calls it: `amd64`, `arm64`.
    pub architecture: String,
    /// How it runs: `config` of the OCI Image Configuration, labels excepted.
    pub run: Value,
    /// Annotations of the manifest and labels of the configuration.
    pub labels: BTreeMap<String, String>,
    /// The layer.
    pub entries: BTreeMap<String, Entry>,
}

impl Image {
    /// Writes the layout to `folder` (what was there is removed) and the archive beside it, as `FOLDER.tar`. Returns
    /// the manifest's digest: `sha256:` and 64 digits.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write(&self, folder: &Path) -> io::Result<String> {
        let files = self.files()?;
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        for (path, bytes) in &files.by_path {
            let file = folder.join(path);
            fs::create_dir_all(file.parent().unwrap_or(folder))?;
            fs::write(file, bytes)?;
        }
        let all =
            files.by_path.iter().map(|(path, bytes)| (path, Entry::File(0o644, bytes.clone())));
        let all = all.map(|(path, entry)| (path.clone(), entry)).collect();
        fs::write(folder.with_extension("tar"), archive(&all)?)?;
        Ok(files.manifest)
    }

    fn files(&self) -> io::Result<Files> {
        let mut files = Files::default();
        let contents = archive(&self.entries)?;
        let compressed = gzip(&contents)?;
        let layer = files.blob(LAYER, compressed);
        let mut run = self.run.clone();
        run["Labels"] = json!(self.labels);
        let configuration = json!({
            "created": CREATED,
            "architecture": self.architecture,
            "os": "linux",
            "config": run,
            // Of the contents, not of the compressed layer.
            "rootfs": { "type": "layers", "diff_ids": [digest(&contents)] },
            "history": [{ "created": CREATED, "created_by": "make image" }],
        });
        let configuration = files.blob(CONFIG, configuration.to_string().into_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": configuration,
            "layers": [layer],
            "annotations": self.labels,
        });
        let mut manifest = files.blob(MANIFEST, manifest.to_string().into_bytes());
        files.manifest = manifest["digest"].as_str().unwrap_or_default().to_owned();
        let reference = format!("{}:{}", self.name, self.version);
        manifest["annotations"] = json!({
            "io.containerd.image.name": reference,
            "org.opencontainers.image.ref.name": self.version,
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [manifest],
        });
        let for_docker = json!([{
            "Config": blob_path(&configuration["digest"]),
            "RepoTags": [reference],
            "Layers": [blob_path(&layer["digest"])],
        }]);
        for (name, value) in [
            ("oci-layout", json!({ "imageLayoutVersion": "1.0.0" })),
            ("index.json", index),
            ("manifest.json", for_docker),
        ] {
            files.by_path.insert(name.to_owned(), value.to_string().into_bytes());
        }
        Ok(files)
    }
}

/// The files of a layout.
#[derive(Default)]
struct Files {
    by_path: BTreeMap<String, Vec<u8>>,
    manifest: String,
}

impl Files {
    /// Adds a blob and describes it.
    fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let descriptor = json!({
            "mediaType": media_type, "digest": digest(&bytes), "size": bytes.len(),
        });
        self.by_path.insert(blob_path(&descriptor["digest"]), bytes);
        descriptor
    }
}

/// `sha256:` and the digest in lower-case hex.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256:{digits}")
}

/// Where a layout keeps what has this digest.
fn blob_path(digest: &Value) -> String {
    format!("blobs/{}", digest.as_str().unwrap_or_default().replace(':', "/"))
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // The header has neither a name nor a time, and 255 for the operating system: RFC 1952 §2.3.1.
    let mut writer = GzBuilder::new().write(Vec::new(), Compression::best());
    io::Write::write_all(&mut writer, bytes)?;
    writer.finish()
}

/// Entries as a POSIX archive (ustar), with the folders that they are in.
fn archive(entries: &BTreeMap<String, Entry>) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut known = BTreeSet::new();
    for (path, entry) in entries {
        for (end, _) in path.match_indices('/') {
            let folder = path.get(..end).unwrap_or_default();
            if !entries.contains_key(folder) && known.insert(folder) {
                append(&mut archive, folder, &Entry::Folder(0))?;
            }
        }
        append(&mut archive, path, entry)?;
    }
    archive.into_inner()
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, entry: &Entry) -> io::Result<()> {
    let (kind, owner, mode, bytes) = match entry {
        Entry::Folder(owner) => (EntryType::Directory, *owner, 0o755, &[][..]),
        Entry::File(mode, bytes) => (EntryType::Regular, 0, *mode, bytes.as_slice()),
    };
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_path(if kind == EntryType::Directory {
        format!("{path}/")
    } else {
        path.to_owned()
    })?;
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    archive.append(&header, bytes)
}
