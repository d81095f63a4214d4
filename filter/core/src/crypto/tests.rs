#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn the_software_verifier_proves_itself_on_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let answers = known_answer_tests().iter().filter(|answer| answer.algorithm() == algorithm);
        let proofs: Vec<bool> = answers.map(|answer| answer.proves(&SoftwareVerifier)).collect();
        assert_eq!(proofs, [true], "{algorithm}");
    }
}
