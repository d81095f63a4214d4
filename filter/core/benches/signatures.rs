//! How long one signature check takes in software, ours beside the crate that does the same.
//!
//! Runs natively with `cargo bench`, and as wasm under Node, whose V8 is Envoy's: see `make bench`.
//! Rounds alternate between the two, and the fastest round of each counts: whatever else runs on
//! the machine only ever makes a round slower. Compare the last column, not the times.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]
#![expect(clippy::disallowed_types, reason = "what is measured is time")]
#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use rescind_core::crypto::{
    KnownAnswer, SignatureVerifier as _, SoftwareVerifier, known_answer_tests,
};
use rescind_core::jwk::KeyMaterial;
use rescind_core::jws::Algorithm;
use rsa::BoxedUint;
use sha2::Sha256;

/// The other RSA algorithms differ from these by their hash only.
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];

const ROUNDS: u32 = 60;

/// Checks in one round.
const CHECKS: u32 = 10;

fn main() {
    println!("| algorithm | Rescind | crate | crate / Rescind |\n|---|---|---|---|");
    for answer in known_answer_tests() {
        if !ALGORITHMS.contains(&answer.algorithm()) {
            continue;
        }
        let key = answer.key().unwrap();
        let (message, signature) = (answer.message(), answer.signature());
        let ours = || {
            assert!(SoftwareVerifier.verify(
                answer.algorithm(),
                black_box(&key),
                message,
                black_box(&signature)
            ));
        };
        let (mut our_best, mut peer_best) = (Duration::MAX, Duration::MAX);
        let peer = peer(answer);
        for _ in 0..ROUNDS {
            our_best = our_best.min(round(&ours));
            if let Some(peer) = &peer {
                peer_best = peer_best.min(round(peer));
            }
        }
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(CHECKS);
        let algorithm = answer.algorithm();
        match peer {
            Some(_) => println!(
                "| {algorithm} | {:.0} µs | {:.0} µs | {:.2} |",
                micros(our_best),
                micros(peer_best),
                peer_best.as_secs_f64() / our_best.as_secs_f64()
            ),
            None => println!("| {algorithm} | {:.0} µs | the same | |", micros(our_best)),
        }
    }
}

fn round(check: &dyn Fn()) -> Duration {
    let start = Instant::now();
    for _ in 0..CHECKS {
        check();
    }
    start.elapsed()
}

/// The same check by the crate that we do not use.
fn peer(answer: &KnownAnswer) -> Option<Box<dyn Fn()>> {
    let key = answer.key()?;
    let (message, signature) = (answer.message(), answer.signature());
    let KeyMaterial::Rsa { modulus, exponent } = key.material() else { return None };
    let key = rsa::PublicKey::new(
        BoxedUint::from_be_slice_vartime(modulus),
        BoxedUint::from_be_slice_vartime(exponent),
    )
    .ok()?;
    match answer.algorithm() {
        Algorithm::Rs256 => Some(Box::new(move || {
            key.pkcs1v15_verify::<Sha256>(message, black_box(&signature)).unwrap();
        })),
        Algorithm::Ps256 => Some(Box::new(move || {
            key.pss_verify::<Sha256>(message, black_box(&signature)).unwrap();
        })),
        _ => None,
    }
}
