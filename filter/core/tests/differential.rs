//! The gate's verdict beside that of an independent library, joserfc, on the same tokens.
//!
//! `make differential` makes the tokens (`tests/differential/generate.py`) and runs this. Where the
//! two differ, [`DIFFERENCES`] says why, class by class; a difference that is not listed, one in the
//! other direction, and one that is listed but no longer there, fail.
#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

#[expect(dead_code, unused_imports, reason = "other tests use the rest of it")]
mod world;

use world::{World, config, with};

/// Fewer would compare little.
const LEAST_TOKENS: usize = 2_000;

/// Who refuses what the other accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Only {
    /// The gate refuses, joserfc accepts.
    Gate,
    /// joserfc refuses, the gate accepts.
    Joserfc,
}
use Only::{Gate, Joserfc};

/// All classes of tokens in which the verdicts differ, and why.
const DIFFERENCES: &[(&str, Only, &str)] = &[
    // Two parsers may read these in two ways, and the gate is not the last to read them.
    (
        "alg_twice",
        Gate,
        "RFC 7515 §4 lets a parser refuse a member that occurs twice; Python keeps the last",
    ),
    ("claim_twice", Gate, "the same for claims, RFC 7519 §4"),
    ("claim_twice_escaped", Gate, "names are compared after unescaping"),
    ("claim_twice_nested", Gate, "at every depth"),
    ("header_with_a_byte_order_mark", Gate, "RFC 8259 §8.1 forbids to send one; Python skips it"),
    ("payload_with_a_byte_order_mark", Gate, "the same"),
    ("payload_in_utf16", Gate, "RFC 8259 §8.1: JSON is UTF-8; Python guesses the encoding"),
    ("lone_surrogate", Gate, "an escape that stands for no character (RFC 8259 §8.2)"),
    ("not_a_number", Gate, "NaN and Infinity are not JSON; Python reads them"),
    ("number_too_great", Gate, "no `f64` holds 1e400; Python makes it infinite"),
    // Budgets.
    ("too_deep", Gate, "16 levels, see `json::Limits`"),
    ("too_many_members", Gate, "256 members in one object"),
    ("too_long", Gate, "8 KiB unless configured otherwise; joserfc reads 128,000 bytes"),
    ("header_large", Joserfc, "joserfc reads 512 bytes of header, the gate 2 KiB"),
    ("jti_too_long", Gate, "256 bytes, RFC 9449 §11.1"),
    ("act_too_deep", Gate, "8 actors, see `claims::MAX_ACTORS`"),
    // Extensions of JOSE.
    (
        "crit",
        Gate,
        "RFC 7515 §4.1.11: not empty, no standard names, nothing twice; joserfc asks only that the names are there",
    ),
    (
        "b64_true",
        Gate,
        "RFC 7797 without `crit`: nobody is obliged to understand it, so it is refused with either value",
    ),
    (
        "unknown_member",
        Joserfc,
        "RFC 7515 §4: members that are not understood are ignored; joserfc is strict",
    ),
    ("kid_missing", Joserfc, "the gate tries the issuer's keys that fit the algorithm, at most 8"),
    // Times: a fraction never makes a token live longer.
    ("exp_with_a_fraction", Gate, "`exp` is cut off to whole seconds"),
    ("exp_out_of_range", Gate, "beyond 2^53 not every implementation reads the same second"),
    ("iat_negative", Gate, "before 1970 nothing was issued"),
    (
        "exp_too_far_from_iat",
        Gate,
        "`max_token_lifetime_secs`: revocations are remembered for that long",
    ),
    ("iat_missing", Gate, "RFC 9068 §2.2, and without it no revocation could be compared"),
    // RFC 9068, which joserfc does not know.
    ("jti_missing", Gate, "RFC 9068 §2.2"),
    ("client_id_missing", Gate, "RFC 9068 §2.2"),
    ("client_id_no_string", Gate, "RFC 8693 §4.3: a string, and not an empty one"),
    ("scope_no_string", Gate, "RFC 8693 §4.2"),
    ("act_malformed", Gate, "RFC 8693 §4.1: an actor that cannot be named could not be revoked"),
    ("aud_with_an_empty_one", Gate, "a name with nothing in it names nobody"),
    (
        "typ_of_another_kind",
        Gate,
        "RFC 9068 §4: kinds of tokens are told apart by `typ` (RFC 8725 §3.11)",
    ),
    ("typ_of_an_event", Gate, "RFC 8417: an event is no access token"),
    ("event", Gate, "the same without the type"),
    ("bound_to_a_key", Gate, "RFC 9449 §7.2: worth nothing as a bearer's"),
];

#[derive(Debug, Default, Eq, PartialEq)]
struct Count {
    both_accept: usize,
    both_refuse: usize,
    only_gate_refuses: usize,
    only_joserfc_refuses: usize,
    /// Of the gate, for the tokens that only it refuses.
    reasons: BTreeSet<String>,
}

/// A gateway that is told what joserfc was told.
fn gateway(told: &Value) -> World {
    let issuer = json!({
        "issuer": told["issuer"],
        "audiences": [told["audience"]],
        "algorithms": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"],
        "leeway_secs": told["leeway"],
        "keys": {"inline": told["jwks"]},
    });
    assert_eq!(told["now"], json!(world::START));
    World::synchronized(&with(config(), "/issuers", json!([issuer])))
}

#[test]
#[ignore = "make differential: needs tokens that Python has made"]
fn the_gate_and_joserfc_agree_except_where_a_reason_is_known() {
    let path = std::env::var_os("RESCIND_DIFFERENTIAL").expect("the file that generate.py wrote");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut world = gateway(&lines.next().unwrap());
    let mut counts = BTreeMap::<String, Count>::new();
    let mut tokens = 0;
    for line in lines {
        let token = line["token"].as_str().unwrap();
        let (status, reason, _) = world.get("/", Some(token));
        let count = counts.entry(line["class"].as_str().unwrap().to_owned()).or_default();
        assert!(matches!(status, 200 | 400 | 401), "{status} {reason} {line}");
        match (status, line["theirs"].is_null()) {
            (200, true) => count.both_accept += 1,
            (200, false) => count.only_joserfc_refuses += 1,
            (_, true) => {
                count.only_gate_refuses += 1;
                count.reasons.insert(reason.to_owned());
            }
            (_, false) => count.both_refuse += 1,
        }
        tokens += 1;
    }
    assert!(tokens >= LEAST_TOKENS, "{tokens} tokens");
    let accepted: usize = counts.values().map(|count| count.both_accept).sum();
    assert!(accepted > 0 && counts["good"].both_refuse == 0, "{:?}", counts["good"]);
    let mut unexplained: Vec<String> =
        counts.iter().filter_map(|(class, count)| unexplained(class, count)).collect();
    let never_made = DIFFERENCES.iter().filter(|(class, ..)| !counts.contains_key(*class));
    unexplained.extend(never_made.map(|(class, ..)| format!("{class}: no such class")));
    assert!(unexplained.is_empty(), "\n{}", unexplained.join("\n"));
    let classes = counts.len();
    println!(
        "{tokens} tokens in {classes} classes, {accepted} accepted by both; {} differences",
        DIFFERENCES.len()
    );
}

/// What is not as [`DIFFERENCES`] says.
fn unexplained(class: &str, count: &Count) -> Option<String> {
    let known = DIFFERENCES.iter().find(|(name, ..)| *name == class).map(|(_, only, _)| *only);
    let found = match (count.only_gate_refuses, count.only_joserfc_refuses) {
        (0, 0) => None,
        (_, 0) => Some(Gate),
        (0, _) => Some(Joserfc),
        _ => return Some(format!("{class}: differs both ways, {count:?}")),
    };
    (found != known).then(|| format!("{class}: expected {known:?}, found {found:?}, {count:?}"))
}
