//! Test-only: what this gateway's cryptography and the module's own say to one signature.
//!
//! A request with the header `x-rescind-vector` (algorithm, key as JWK, message and signature, the
//! last three in base64url, between dots) is answered with the verdicts of the host's function, of
//! the module's own code, and of both together as a token would be judged. The shipped module lacks
//! this.

use std::cell::OnceCell;

use rescind_core::base64url;
use rescind_core::crypto::{SignatureVerifier as _, SoftwareVerifier};
use rescind_core::jwk::PublicKey;
use rescind_core::jws::Algorithm;

use crate::host::{self, Action};
use crate::pairs::{self, Pairs};
use crate::verifier::{self, HostVerifier};

thread_local! {
    static VERIFIER: OnceCell<HostVerifier> = const { OnceCell::new() };
}

/// Answers the request if it has the header.
pub(crate) fn answer(headers: &[u8]) -> Option<Action> {
    let mut vector = None;
    pairs::for_each(headers, |name, value| {
        if name == b"x-rescind-vector" {
            vector = Some(value);
        }
    })?;
    let verdicts = verdicts(vector?).unwrap_or_else(|| "no vector".to_owned());
    let headers = Pairs::new().with("content-type", "text/plain");
    let _ = host::send_response(200, "", &headers, verdicts.as_bytes(), -1);
    Some(Action::Pause)
}

fn verdicts(vector: &[u8]) -> Option<String> {
    let mut parts = vector.split(|byte| *byte == b'.');
    let algorithm = Algorithm::from_name(std::str::from_utf8(parts.next()?).ok()?)?;
    let mut decoded = parts.map(|part| base64url::decode(part).ok());
    let key = PublicKey::parse(&decoded.next()??).ok()?;
    let (message, signature) = (decoded.next()??, decoded.next()??);
    let host = match verifier::ask(algorithm, &key, &message, &signature) {
        Ok(verdict) => verdict.to_string(),
        Err(status) => format!("status-{}", status.0),
    };
    let software = SoftwareVerifier.verify(algorithm, &key, &message, &signature);
    let together = VERIFIER.with(|verifier| {
        let verifier = verifier.get_or_init(HostVerifier::probe);
        verifier.verify(algorithm, &key, &message, &signature)
    });
    Some(format!("host {host}, module {software}, together {together}"))
}
