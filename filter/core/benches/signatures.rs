//! How long one signature check takes in software, ours beside the crates that do the same.
//!
//! Runs natively with `cargo bench`, and as wasm under Node, whose V8 is Envoy's: see `make bench`.
//! Rounds alternate between the two, and the fastest check of each counts: whatever else runs on
//! the machine only ever makes one slower. Compare the last column, not the times.
//!
//! "New key" is the first signature that a key checks, "known key" any later one: ours keeps a table
//! for keys that have checked a signature.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]
#![expect(clippy::disallowed_types, reason = "what is measured is time")]
#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use p256::ecdsa::signature::Verifier as _;
use rescind_core::crypto::{
    KnownAnswer, SignatureVerifier as _, SoftwareVerifier, known_answer_tests,
};
use rescind_core::jwk::{KeyMaterial, PublicKey};
use rescind_core::jws::Algorithm;
use rsa::BoxedUint;
use sha2::Sha256;

/// The other RSA algorithms differ from these by their hash only.
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];

const ROUNDS: u32 = 60;

/// Checks in one round.
const CHECKS: u16 = 10;

fn main() {
    println!("| algorithm | Rescind | the crate | crate / Rescind |\n|---|---|---|---|");
    for answer in known_answer_tests() {
        let algorithm = answer.algorithm();
        if !ALGORITHMS.contains(&algorithm) {
            continue;
        }
        let key = answer.key().unwrap();
        // What is made at the first use of an algorithm or of a key is none of this measurement.
        verify(answer, &key);
        verify(answer, &key);
        let peer = peer(answer);
        let mut best = [Duration::MAX; 3];
        for _ in 0..ROUNDS {
            let new_keys: Vec<PublicKey> = (0..CHECKS).map(|_| answer.key().unwrap()).collect();
            let measured = [
                round(|_| verify(answer, &key)),
                round(|check| verify(answer, new_keys.get(usize::from(check)).unwrap())),
                round(|_| peer()),
            ];
            for (best, measured) in best.iter_mut().zip(measured) {
                *best = measured.min(*best);
            }
        }
        let [known, new, peer] = best;
        print_row(&algorithm.to_string(), known, peer);
        if matches!(algorithm, Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa) {
            print_row(&format!("{algorithm}, new key"), new, peer);
        }
    }
}

fn print_row(name: &str, ours: Duration, peer: Duration) {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "| {name} | {:.0} µs | {:.0} µs | {:.2} |",
        micros(ours),
        micros(peer),
        peer.as_secs_f64() / ours.as_secs_f64()
    );
}

fn verify(answer: &KnownAnswer, key: &PublicKey) {
    assert!(SoftwareVerifier.verify(
        answer.algorithm(),
        black_box(key),
        answer.message(),
        black_box(&answer.signature())
    ));
}

/// The fastest of a few checks.
fn round(check: impl Fn(u16)) -> Duration {
    let time = |number| {
        let start = Instant::now();
        check(number);
        start.elapsed()
    };
    (0..CHECKS).map(time).min().unwrap()
}

/// The same check by the crate that we do not use.
fn peer(answer: &KnownAnswer) -> Box<dyn Fn()> {
    let key = answer.key().unwrap();
    let (message, signature) = (answer.message(), answer.signature());
    match key.material() {
        KeyMaterial::Rsa { modulus, exponent } => {
            let key = rsa::PublicKey::new(
                BoxedUint::from_be_slice_vartime(modulus),
                BoxedUint::from_be_slice_vartime(exponent),
            )
            .unwrap();
            let pss = answer.algorithm() == Algorithm::Ps256;
            Box::new(move || match pss {
                true => key.pss_verify::<Sha256>(message, black_box(&signature)).unwrap(),
                false => key.pkcs1v15_verify::<Sha256>(message, black_box(&signature)).unwrap(),
            })
        }
        KeyMaterial::P256(point) => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
            Box::new(move || {
                let signature = p256::ecdsa::Signature::from_slice(black_box(&signature)).unwrap();
                key.verify(message, &signature).unwrap();
            })
        }
        KeyMaterial::P384(point) => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
            Box::new(move || {
                let signature = p384::ecdsa::Signature::from_slice(black_box(&signature)).unwrap();
                key.verify(message, &signature).unwrap();
            })
        }
        KeyMaterial::Ed25519(point) => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(point).unwrap();
            let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
            Box::new(move || key.verify_strict(message, black_box(&signature)).unwrap())
        }
    }
}
