//! A signature that was found bad is not checked again.
//!
//! The same forged token comes again and again: from a client that cannot do otherwise, more often than from an
//! attacker. Its signature costs as much as that of a good one, and a good one is checked once.
//!
//! **What is remembered never becomes false**: that this key has not made this signature over these bytes. It is no
//! verdict on a token. Everything else about one is looked at each time as if it were new (what kind it is, whose, which
//! keys its issuer has now), and so is refused with the same words and wishes for new keys as before. A key that has
//! come since is asked, so nothing here has to be forgotten when keys change.
//!
//! **Only a hash is kept**, whatever a token's size: 128 bits of SipHash under this worker's secret. A good token
//! is refused if its hash meets one that is remembered, which for the 2^11 of them happens to one in 2^117; and without
//! the secret, nobody can look for one that does.
//!
//! **Apart from the verified tokens**, so that no flood of forged ones drives those out. As long as nothing was
//! forged, a good token costs nothing more; and a flood in which no token comes twice costs a hash for each.
//!
//! Not for proofs: each is new.

use std::cell::RefCell;
use std::hash::Hash as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::cache::TokenCache;
use crate::crypto::{SignatureVerifier, signature_fits};
use crate::jwk::PublicKey;
use crate::jws::Algorithm;
use crate::metrics::{Counters, Id};

/// At most this many, which take 300 KB: enough for each client of a busy worker to have a token that is no good, and a
/// hundredth of what a worker's module may take.
const MAX_FORGERIES: usize = 2048;

/// Which signatures were found bad.
#[derive(Debug)]
pub(super) struct Forgeries {
    known: TokenCache<()>,
    secret: [u64; 2],
}

/// A verifier that is not asked about a known forgery.
pub(super) struct Sparing<'a> {
    verifier: &'a dyn SignatureVerifier,
    memory: RefCell<(&'a mut Forgeries, &'a mut Counters)>,
}

impl Forgeries {
    /// None yet. `secret` is random.
    pub(super) fn new(secret: [u64; 2]) -> Self {
        // All entries are of one size: it is enough to count them.
        Self { known: TokenCache::new(MAX_FORGERIES, usize::MAX, secret), secret }
    }

    /// What stands between `verifier` and those who ask about tokens.
    pub(super) const fn spare<'a>(
        &'a mut self,
        verifier: &'a dyn SignatureVerifier,
        counters: &'a mut Counters,
    ) -> Sparing<'a> {
        Sparing { verifier, memory: RefCell::new((self, counters)) }
    }

    /// Everything that the answer of a verifier depends on.
    fn digest(
        &self,
        algorithm: Algorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> [u8; 16] {
        let [key0, key1] = self.secret;
        let mut hasher = SipHasher13::new_with_keys(key0, key1);
        (algorithm, key.material(), message, signature).hash(&mut hasher);
        hasher.finish128().as_bytes()
    }
}

impl SignatureVerifier for Sparing<'_> {
    fn verify(
        &self,
        algorithm: Algorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let check = || self.verifier.verify(algorithm, key, message, signature);
        // What cannot be a signature by this key costs nothing to refuse. Nobody asks while asking.
        let Ok(mut memory) = self.memory.try_borrow_mut() else { return check() };
        if !signature_fits(algorithm, key, signature) {
            return check();
        }
        let (forgeries, counters) = &mut *memory;
        let digest = |forgeries: &Forgeries| forgeries.digest(algorithm, key, message, signature);
        let looked_up = (!forgeries.known.is_empty()).then(|| digest(forgeries));
        if looked_up.is_some_and(|digest| forgeries.known.get(&digest).is_some()) {
            counters.add(Id::SignatureChecksSpared, 1);
            return false;
        }
        if check() {
            return true;
        }
        let digest = looked_up.unwrap_or_else(|| digest(forgeries));
        forgeries.known.insert(&digest, (), 0);
        false
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::crypto::known_answer_tests;
    use crate::metrics::TABLE;

    /// Finds those signatures good that begin with a one, and counts how often it was asked.
    #[derive(Default)]
    struct Asked(Cell<usize>);

    impl SignatureVerifier for Asked {
        fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], signature: &[u8]) -> bool {
            self.0.set(self.0.get().saturating_add(1));
            signature.first() == Some(&1)
        }
    }

    struct World {
        forgeries: Forgeries,
        counters: Counters,
        asked: Asked,
    }

    impl World {
        fn new() -> Self {
            let (forgeries, counters) = (Forgeries::new([1, 2]), Counters::new());
            Self { forgeries, counters, asked: Asked::default() }
        }

        fn verify(&mut self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
            self.verify_by(&key(algorithm), algorithm, message, signature)
        }

        fn verify_by(
            &mut self,
            key: &PublicKey,
            algorithm: Algorithm,
            message: &[u8],
            signature: &[u8],
        ) -> bool {
            let sparing = self.forgeries.spare(&self.asked, &mut self.counters);
            sparing.verify(algorithm, key, message, signature)
        }

        /// How often the verifier was asked since the last call, and how often it was spared.
        fn asked(&mut self) -> (usize, u64) {
            let mut spared = 0;
            self.counters.drain(|index, count| {
                assert_eq!(TABLE[index].name, "rescind_signature_checks_spared");
                spared = count;
            });
            (self.asked.0.take(), spared)
        }
    }

    fn key(algorithm: Algorithm) -> PublicKey {
        let answer = known_answer_tests().iter().find(|test| test.algorithm() == algorithm);
        answer.unwrap().key().unwrap()
    }

    /// Another P-256 key: that of RFC 7517 appendix A.1.
    fn another_key() -> PublicKey {
        let jwk = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
        PublicKey::parse(jwk.as_bytes()).unwrap()
    }

    #[test]
    fn a_bad_signature_is_checked_once_and_refused_as_often_as_it_comes() {
        let mut world = World::new();
        for _ in 0..5 {
            assert!(!world.verify(Algorithm::Es256, b"message", &[0; 64]));
        }
        assert_eq!(world.asked(), (1, 4));
    }

    #[test]
    fn a_good_signature_is_checked_as_often_as_somebody_asks() {
        let mut world = World::new();
        for _ in 0..2 {
            assert!(world.verify(Algorithm::Es256, b"message", &[1; 64]));
        }
        assert_eq!(world.asked(), (2, 0));
        assert!(world.forgeries.known.is_empty());
        // Also while a forgery of the same message is known.
        assert!(!world.verify(Algorithm::Es256, b"message", &[2; 64]));
        assert!(world.verify(Algorithm::Es256, b"message", &[1; 64]));
        assert_eq!(world.asked(), (2, 0));
    }

    #[test]
    fn whatever_differs_is_checked_for_itself() {
        use Algorithm::*;
        let mut world = World::new();
        let mut last = [0; 64];
        last[63] = 1;
        let cases: [(Algorithm, PublicKey, &[u8], Vec<u8>); 9] = [
            (Es256, key(Es256), b"message", vec![0; 64]),
            (Es256, key(Es256), b"Message", vec![0; 64]),
            (Es256, key(Es256), b"message\0", vec![0; 64]),
            (Es256, key(Es256), b"", vec![0; 64]),
            (Es256, key(Es256), b"message", last.to_vec()),
            (Es256, another_key(), b"message", vec![0; 64]),
            (EdDsa, key(EdDsa), b"message", vec![0; 64]),
            (Rs256, key(Rs256), b"message", vec![0; 256]),
            (Ps256, key(Rs256), b"message", vec![0; 256]),
        ];
        for round in 0..2 {
            for (algorithm, key, message, signature) in &cases {
                assert!(!world.verify_by(key, *algorithm, message, signature));
            }
            let expected = if round == 0 { (cases.len(), 0) } else { (0, 9) };
            assert_eq!(world.asked(), expected);
        }
        let mut other = World::new();
        other.forgeries.secret = [1, 3];
        let digest =
            |world: &World| world.forgeries.digest(Es256, &key(Es256), b"message", &[0; 64]);
        assert_ne!(digest(&world), digest(&other), "the secret counts");
    }

    #[test]
    fn what_has_the_length_of_no_signature_is_not_remembered() {
        let mut world = World::new();
        for length in [0, 63, 65, 96] {
            assert!(!world.verify(Algorithm::Es256, b"message", &vec![0; length]));
        }
        assert!(!world.verify_by(&key(Algorithm::EdDsa), Algorithm::Es256, b"message", &[0; 64]));
        assert!(world.forgeries.known.is_empty());
    }

    #[test]
    fn at_the_limit_all_are_known_and_one_more_forgets_the_older_half() {
        let mut world = World::new();
        let forge = |world: &mut World, number: usize| {
            assert!(!world.verify(Algorithm::Es256, &number.to_be_bytes(), &[0; 64]));
        };
        (0..MAX_FORGERIES).for_each(|number| forge(&mut world, number));
        assert_eq!(world.asked(), (MAX_FORGERIES, 0));
        assert_eq!(world.forgeries.known.len(), MAX_FORGERIES);
        forge(&mut world, MAX_FORGERIES);
        forge(&mut world, MAX_FORGERIES - 1);
        assert_eq!(world.asked(), (1, 1));
        assert_eq!(world.forgeries.known.len(), MAX_FORGERIES / 2 + 1);
        forge(&mut world, 0);
        assert_eq!(world.asked(), (1, 0));
        (0..3 * MAX_FORGERIES).for_each(|number| forge(&mut world, number));
        assert!(world.forgeries.known.len() <= MAX_FORGERIES);
        assert!(world.forgeries.known.bytes() < 300_000, "{}", world.forgeries.known.bytes());
    }
}
