//! `rescind keygen`: the keys and tokens of a new installation, each in its own file.
//!
//! Files that exist are kept: a second run adds what is missing and breaks nothing. Secrets are
//! readable by their owner only, and none is printed; the public feed key is, because gateways pin
//! it.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jwt_simple::prelude::*;
use ring::signature::KeyPair as _;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

use crate::secret::to_hex;

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeygenError {
    /// The file system refuses.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No random bytes, or a key that does not encode.
    #[error("no key could be made: {0}")]
    Key(String),
    /// An existing key file that holds something else.
    #[error("`{}` holds no Ed25519 private key", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
}

/// Makes what is missing in `directory` and says what there is.
pub(crate) fn keygen(directory: &Path) -> Result<String, KeygenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| KeygenError::Io { path, source }
    };
    let key = |error: jwt_simple::Error| KeygenError::Key(error.to_string());
    std::fs::create_dir_all(directory).map_err(io(directory))?;
    let feed_pem = Ed25519KeyPair::generate().to_pem();
    let set_pem = ES256KeyPair::generate().to_pem().map_err(key)?;
    let files = [
        ("feed.key.pem", feed_pem),
        ("set.key.pem", set_pem),
        ("subject.key", random_hex::<16>()?),
        ("checksum.key", random_hex::<16>()?),
        ("gateway.token", random_token()?),
        ("operator.token", random_token()?),
    ];
    let mut text = String::new();
    for (name, content) in files {
        let path = directory.join(name);
        let written = write_new(&path, &content).map_err(io(&path))?;
        let what = if written { "made" } else { "kept" };
        text.push_str(&format!("{what} {}\n", path.display()));
    }
    let path = directory.join("feed.key.pem");
    let pem = std::fs::read(&path).map_err(io(&path))?;
    let public = public_key(&pem).ok_or(KeygenError::NotAKey { path })?;
    text.push_str(&format!("feed_key {public}\n"));
    Ok(text)
}

/// The public key, as base64url, of an Ed25519 private key in PKCS#8 PEM.
fn public_key(pem: &[u8]) -> Option<String> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
    let pair =
        ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).ok()?;
    Some(rescind_core::base64url::encode(pair.public_key().as_ref()))
}

fn random<const N: usize>() -> Result<[u8; N], KeygenError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeygenError::Key(error.to_string()))?;
    Ok(bytes)
}

fn random_hex<const N: usize>() -> Result<String, KeygenError> {
    Ok(format!("{}\n", to_hex(&random::<N>()?)))
}

fn random_token() -> Result<String, KeygenError> {
    Ok(format!("{}\n", rescind_core::base64url::encode(&random::<32>()?)))
}

/// Writes a file that did not exist, for its owner only.
fn write_new(path: &Path, content: &str) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
