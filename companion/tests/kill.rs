//! SIGKILL at 200 random moments under load: what was acknowledged is there, and once.

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use rescind_core::record::SignalId;
use serde_json::json;
use support::{Companion, IDP, PUSH_TOKEN, wait_until};

const KILLS: usize = 200;

#[test]
fn no_acknowledged_set_is_lost_or_applied_twice_over_200_kills() {
    let mut companion = Companion::started();
    let acknowledged = Mutex::new(Vec::new());
    let (mut from, mut found) = (0, BTreeMap::new());
    for round in 0..KILLS {
        std::thread::scope(|scope| {
            for client in 0..4 {
                let (companion, acknowledged) = (&companion, &acknowledged);
                scope.spawn(move || {
                    for number in 0.. {
                        let jti = format!("{round}-{client}-{number}");
                        let set = companion.transmitter.set(&jti, &json!({}));
                        let media_type = "application/secevent+jwt";
                        match companion.push_as(PUSH_TOKEN, media_type, set.as_bytes()) {
                            Some(answer) if answer.status == 202 => {
                                acknowledged.lock().unwrap().push(jti);
                            }
                            _ => return,
                        }
                    }
                });
            }
            // In every second round after some were acknowledged, so that there is something to lose
            // however slow the machine is.
            let enough = acknowledged.lock().unwrap().len() + 3 * (round % 2);
            wait_until("nothing is acknowledged", || acknowledged.lock().unwrap().len() >= enough);
            let moment = getrandom::u32().unwrap() % 40;
            std::thread::sleep(Duration::from_millis(u64::from(moment)));
            companion.signal("KILL");
        });
        companion.sigkill();
        companion.start();
        // What came since the last restart; all of it is looked at again in the end.
        from = read(&companion, from, &mut found);
    }
    let mut again = BTreeMap::new();
    assert_eq!((read(&companion, 0, &mut again), &again), (from, &found));
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > KILLS, "too little was acknowledged to show anything");
    for jti in &acknowledged {
        let signal = rescind_core::set::signal_id(IDP, jti);
        assert_eq!(found.get(&signal), Some(&1), "{jti}");
    }
    assert!(found.values().all(|times| *times == 1));
    let sequences = u64::try_from(found.len()).unwrap();
    assert_eq!(from, sequences, "sequences without holes");
    println!("{} acknowledged, {sequences} kept, {KILLS} kills", acknowledged.len());
}

/// Counts the signals after `from`; returns where the log ends.
fn read(companion: &Companion, from: u64, found: &mut BTreeMap<SignalId, u32>) -> u64 {
    let log = companion.page("").log;
    let mut at = from;
    loop {
        let page = companion.page(&format!("after={log}.{at}"));
        assert_eq!(page.from, at, "the log goes on where it was");
        for record in &page.records {
            let times = found.entry(record.fact.signal).or_insert(0);
            *times = times.saturating_add(1);
        }
        at = page.to;
        if !page.more {
            return at;
        }
    }
}
