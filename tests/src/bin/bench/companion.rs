//! The companion by itself with a million live records: how fast they are imported, how long it takes
//! to start with them, what memory they take, and how soon a thousand followers have one SET.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rescind_e2e::companion::Companion;
use rescind_e2e::cpu;
use rescind_e2e::process::Folder;
use rescind_e2e::transmitter::Transmitter;

use crate::setup::{self, ISSUER};
use crate::{followers, ingest};

/// Live records.
const RECORDS: usize = 1_000_000;

/// Measures it all on a companion of its own; returns lines for the report.
pub(crate) fn measure() -> io::Result<String> {
    let folder = Folder::new();
    let transmitter = Transmitter::new("idp", ISSUER);
    let mut companion = Companion::prepare(folder.path(), &[&transmitter], &[ISSUER]);
    let list = setup::list(folder.path(), RECORDS)?;
    let start = Instant::now();
    setup::import(&companion, &list);
    let imported = start.elapsed();
    let start = Instant::now();
    companion.run();
    let ready = start.elapsed();
    let started = cpu::used(companion.process().id(), "");
    let after_start = companion.process().resident_kib();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, companion.port));
    let mut text = format!(
        "companion, {RECORDS} live records:\n\
         - imported in {:.1} s ({:.0} a second), ready {:.2} s after its start ({:.2} core·s), \
         {} MiB resident\n",
        imported.as_secs_f64(),
        rate(RECORDS, imported),
        ready.as_secs_f64(),
        started.as_secs_f64(),
        after_start / 1024,
    );
    let pid = companion.process().id();
    let _infallible = writeln!(text, "- {}", followers::measure(&companion, &transmitter, pid)?);
    let _infallible = writeln!(text, "- {}", ingest::measure(address, &transmitter)?);
    let at_end = companion.process().resident_kib() / 1024;
    let _infallible = write!(text, "- {at_end} MiB resident in the end");
    Ok(text)
}

/// So many a second.
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64()
}
