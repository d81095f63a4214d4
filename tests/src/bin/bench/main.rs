//! `make bench`: what a request costs, with and without Rescind, in one run.
//!
//! Every variant has an Envoy of its own with one worker; the rounds go through all variants
//! in turn, so that a machine that slows down slows all of them. The figure is the processor time of
//! the whole Envoy process per request, from `/proc`. Ratios are what to compare; values depend on the
//! machine. A second part measures the time from the companion's `202` to the first refusal, a third
//! the companion by itself: `bench companion` does only that, `bench decisions` only its decisions. With names of
//! variants as arguments, only those are measured.

mod authz;
mod companion;
mod decisions;
mod envoy;
mod followers;
mod garbage;
mod ingest;
mod report;
mod setup;
mod signals;

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use rescind_e2e::{cpu, load};

use self::report::{Row, Sample};

/// Interleaved rounds; the median is reported.
const ROUNDS: usize = 7;

/// Requests per variant and round: enough for the processor clock, short enough for many rounds.
const REQUESTS: usize = 12_000;

/// Requests before the first round: caches are full then, every request is seen to be let through, and the gateway's VM
/// has compiled for speed what each request runs. It counts calls for that, and a gateway makes as many in a minute.
const WARM_UP: usize = 16_000;

/// Connections of the load generator.
const CONNECTIONS: usize = 8;

/// Requests measured one by one for the latency columns.
const LATENCY_REQUESTS: usize = 2_000;

/// Signals in the latency measurement.
const SIGNALS: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let does = |part: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == part);
    if does("decisions") {
        writeln!(out, "{}", decisions::measure()?)?;
    }
    if does("companion") {
        writeln!(out, "{}", companion::measure()?)?;
    }
    if let [part] = wanted.as_slice()
        && matches!(part.as_str(), "companion" | "decisions")
    {
        return Ok(());
    }
    let setup = setup::Setup::start(&wanted);
    let mut rows: Vec<Row> = setup
        .runs
        .iter()
        .map(|run| Row {
            name: run.name.clone(),
            samples: Vec::new(),
            latency: (Duration::ZERO, Duration::ZERO),
        })
        .collect();
    for run in &setup.runs {
        load::run(run.address, CONNECTIONS, &run.requests(WARM_UP), 0, WARM_UP, 200)
            .map_err(|error| format!("{}: {error}", run.name))?;
    }
    for round in 0..ROUNDS {
        for (run, row) in setup.runs.iter().zip(&mut rows) {
            row.samples.push(sample(&setup, run, round, REQUESTS)?);
        }
        writeln!(out, "round {} of {ROUNDS}", round.saturating_add(1))?;
    }
    for (run, row) in setup.runs.iter().zip(&mut rows) {
        let taken =
            load::latencies(run.address, &run.requests(LATENCY_REQUESTS), LATENCY_REQUESTS, 200)?;
        row.latency = (report::quantile(&taken, 50), report::quantile(&taken, 99));
    }
    writeln!(out, "\n{}", report::table(&rows))?;
    if !wanted.is_empty() {
        return Ok(());
    }
    for name in ["rescind, token seen before", "rescind, token seen before, 1 M records"] {
        let ready = setup.run(name).ready;
        writeln!(out, "{name}: synchronized {:.1} s after Envoy's start", ready.as_secs_f64())?;
    }
    writeln!(out, "{}", garbage::measure(&setup)?)?;
    writeln!(out, "{}", signals::measure(&setup, SIGNALS)?)?;
    Ok(())
}

fn sample(
    setup: &setup::Setup,
    run: &setup::Run,
    round: usize,
    count: usize,
) -> Result<Sample, Box<dyn Error>> {
    let (first, requests) = (round.saturating_mul(count), run.requests(count));
    let gateway = || cpu::used(run.pid(), "");
    let server = || cpu::used(std::process::id(), authz::THREAD);
    let (gateway_before, server_before) = (gateway(), server());
    let load = || load::run(run.address, CONNECTIONS, &requests, first, count, 200);
    let done = if run.signals { ingest::beside_signals(setup, load) } else { load() };
    done.map_err(|error| format!("{}: {error}", run.name))?;
    let count = u32::try_from(count)?;
    let per_request = |after: Duration, before: Duration| {
        after.saturating_sub(before).checked_div(count).unwrap_or_default()
    };
    Ok(Sample {
        gateway: per_request(gateway(), gateway_before),
        server: per_request(server(), server_before),
    })
}
