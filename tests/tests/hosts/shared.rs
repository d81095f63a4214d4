//! Shared data that is full, torn, or written by somebody else.

use rescind_e2e::site::Plan;

use crate::host::{Behaviour, Outcome};
use crate::installation::{Installation, LATER, call, is_forwarded};

const WITH_SHARED_DATA: [Behaviour; 2] = [Behaviour::Envoy, Behaviour::Kong];

/// What `examples/kong` says that a zone needs: this, and the bytes below for each live record.
const ZONE_BYTES: usize = 256 * 1024;
const ZONE_BYTES_PER_RECORD: usize = 512;

#[test]
fn values_that_a_neighbour_changed_or_the_host_tore_let_no_revoked_token_pass() {
    let site = Installation::start();
    for behaviour in WITH_SHARED_DATA {
        let sub = format!("agent-{behaviour:?}");
        let (token, other) = (site.issuer.token(&sub), site.issuer.token("other"));
        let mut gateway = site.synchronized(behaviour, 2);
        site.revoke(&sub);
        gateway.turn(2);
        assert_eq!(gateway.send(0, &call(&token)), Outcome::Answered(401));
        for _ in 0..20 {
            gateway.shared().torn = true;
            for worker in 0..2 {
                let outcome = gateway.send(worker, &call(&token));
                assert!(matches!(outcome, Outcome::Answered(401 | 503)), "{outcome:?}");
            }
        }
        let spoilers: [fn(&mut Vec<u8>); 4] = [
            |value| value.clear(),
            |value| value.fill(0),
            |value| value.truncate(value.len() / 2),
            |value| value.iter_mut().for_each(|byte| *byte ^= 1),
        ];
        for spoil in spoilers {
            gateway.shared().spoil(|_, value| spoil(value));
            for worker in 0..2 {
                let outcome = gateway.send(worker, &call(&token));
                assert!(matches!(outcome, Outcome::Answered(401 | 503)), "{outcome:?}");
            }
            gateway.turn(3);
            gateway.advance(LATER);
            gateway.turn(6);
            assert_eq!(gateway.send(1, &call(&token)), Outcome::Answered(401), "{behaviour:?}");
            let outcome = gateway.send(1, &call(&other));
            assert!(is_forwarded(&outcome), "{behaviour:?}: {outcome:?}");
        }
    }
}

#[test]
fn a_zone_of_the_size_that_the_example_says_is_large_enough() {
    const RECORDS: usize = 300;
    let site = Installation::start();
    let mut gateway = site.gateway(Behaviour::Kong, 2, &Plan::default());
    gateway.shared().capacity = Some(ZONE_BYTES + RECORDS * ZONE_BYTES_PER_RECORD);
    gateway.turn(4);
    let token = site.issuer.token("agent-0");
    for number in 0..RECORDS {
        site.revoke(&format!("agent-{number}"));
    }
    gateway.turn(6);
    assert_eq!(gateway.send(0, &call(&token)), Outcome::Answered(401));
    let shared = gateway.shared();
    let (size, keys) = (shared.size(), shared.keys());
    assert!(size > RECORDS * 20, "{RECORDS} records in {size} bytes, {keys} keys");
}
