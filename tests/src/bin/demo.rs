//! `make demo`: the main job in a real Envoy, told step by step. Fails if a step is not as told.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rescind_e2e::http::{Message, Request};
use rescind_e2e::issuer::now;
use rescind_e2e::site::{ISSUER, Plan, Site};
use rescind_e2e::transmitter::{SESSION_REVOKED, iss_sub};
use rescind_e2e::wait;
use serde_json::json;

/// Short, so that the audience need not wait for staleness; a real gateway takes a minute or so.
const MAX_STALENESS_SECS: u64 = 3;

const AGENT: &str = "agent-7";

fn main() -> ExitCode {
    let story = Story::new();
    match tell(&story) {
        Ok(site) => {
            story.say(&story.green("Everything happened as told."));
            if std::env::var("KEEP").is_ok_and(|keep| !keep.is_empty() && keep != "0") {
                keep_running(&story, &site);
            }
            ExitCode::SUCCESS
        }
        Err(fault) => {
            story.say(&story.red(&format!("NOT AS TOLD: {fault}")));
            ExitCode::FAILURE
        }
    }
}

fn tell(story: &Story) -> Result<Site, String> {
    story.chapter("An issuer, an API, the companion, and an Envoy with rescind.wasm");
    let started = Instant::now();
    let plan = Plan {
        fetch_keys: true,
        revocation: json!({ "max_staleness_secs": MAX_STALENESS_SECS, "wait_secs": 1 }),
        ..Plan::default()
    };
    let mut site = Site::with(&plan);
    story.say(&format!("all up and synchronized after {} ms", started.elapsed().as_millis()));

    story.chapter("An agent calls the API with a signed access token");
    let token = site.issuer.token(AGENT);
    let answer = site.answer(&token);
    story.exchange("GET /orders", &answer);
    story.expect(answer.status(), 200)?;
    let headers = answer.json()["headers"].to_string();
    if !headers.contains("x-rescind-subject") {
        return Err(format!("the API was not told who calls: {headers}"));
    }
    story.say(&format!("the API was told who calls: x-rescind-subject: {AGENT}"));

    story.chapter("The agent misbehaves: its identity provider pushes a session-revoked SET");
    let refused_after = revoke(story, &mut site, &token)?;
    story.say(&story.green(&format!(
        "{:.1} ms from `202 Accepted` to the first refused call",
        refused_after.as_secs_f64() * 1000.0
    )));

    story.chapter("The same agent signs in again: a new token passes");
    let fresh = wait::until("a fresh token to pass", wait::SOON, || {
        let token = site.issuer.token(AGENT);
        (site.call(&token) == 200).then_some(token)
    });
    story.say("the new token: 200; only tokens issued up to the event's second are refused");
    story.expect(site.call(&token), 401)?;
    story.say("the old token: still 401");

    story.chapter("The companion dies");
    site.companion.kill();
    story.expect(site.call(&fresh), 200)?;
    story.say("the gateway goes on with what it knows: 200");
    let took = site.reaches("the gateway to go stale", &fresh, 503);
    let answer = site.answer(&fresh);
    story.say(&format!("no word for {:.1} s: stale, and on_stale is deny", took.as_secs_f64()));
    story.exchange("GET /orders", &answer);
    if answer.header("retry-after").is_none() {
        return Err("a 503 without Retry-After".to_owned());
    }

    story.chapter("The companion is back");
    site.companion.run();
    let took = site.reaches("the gateway to recover", &fresh, 200);
    story.say(&format!("recovered after {} ms: 200", took.as_millis()));
    story.expect(site.call(&token), 401)?;
    story.say("and what was revoked is still revoked: 401");
    Ok(site)
}

fn revoke(story: &Story, site: &mut Site, token: &str) -> Result<Duration, String> {
    let transmitter = &site.transmitter;
    let payload = json!({ "event_timestamp": now(), "reason_admin": { "en": "exfiltration" } });
    let claims = transmitter.claims(SESSION_REVOKED, &iss_sub(ISSUER, AGENT), &payload);
    let set = transmitter.sign(&claims);
    story.say(&story.dim(&format!(
        "curl -i http://127.0.0.1:{}/v1/push/{} \\\n    -H 'Authorization: Bearer $PUSH_TOKEN' \
         -H 'Content-Type: application/secevent+jwt' \\\n    -d {}…",
        site.companion.port,
        transmitter.name,
        set.get(..60).unwrap_or_default()
    )));
    story.say(&story.dim(&format!("the SET says: {claims}")));
    let answer = transmitter.push(site.companion.port, &set);
    let accepted = Instant::now();
    story.expect(answer.status(), 202)?;
    let mut client = site.envoy.client();
    let request = Request::get("/orders").bearer(token);
    let answer = wait::until("the refusal", wait::SOON, || {
        client.send(&request).ok().filter(|answer| answer.status() != 200)
    });
    let took = accepted.elapsed();
    story.exchange("GET /orders", &answer);
    story.expect(answer.status(), 401)?;
    match answer.header("www-authenticate") {
        Some(challenge) if challenge.contains("invalid_token") => Ok(took),
        other => Err(format!("the challenge is {other:?}")),
    }
}

fn keep_running(story: &Story, site: &Site) {
    let (gateway, companion) = (site.envoy.port, site.companion.port);
    let (issuer, admin, folder) = (site.issuer.port(), site.envoy.admin, site.folder.path());
    let folder = folder.display();
    let rescind = rescind_e2e::tools::companion();
    let rescind = rescind.display();
    story.chapter("Still running; things to try (end with Ctrl-C)");
    story.say(&format!(
        "TOKEN=$(curl -s http://127.0.0.1:{issuer}/token/alice)      # a fresh token for alice\n  \
         curl -i http://127.0.0.1:{gateway}/orders -H \"Authorization: Bearer $TOKEN\"\n  \
         curl -i http://127.0.0.1:{gateway}/orders                 # no token\n  \
         curl -i http://127.0.0.1:{gateway}/public                 # a public route\n  \
         {rescind} revoke --user {ISSUER} alice --config {folder}/rescind.toml\n  \
         {rescind} status --config {folder}/rescind.toml\n  \
         curl -s http://127.0.0.1:{companion}/metrics\n  \
         curl -s 'http://127.0.0.1:{admin}/stats?filter=rescind'\n  \
         tail -f {folder}/access.log"
    ));
    loop {
        std::thread::park();
    }
}

/// Prints, in colour on a terminal.
struct Story {
    coloured: bool,
    started: Instant,
}

impl Story {
    fn new() -> Self {
        Self { coloured: std::io::stdout().is_terminal(), started: Instant::now() }
    }

    fn chapter(&self, title: &str) {
        let time = self.started.elapsed().as_secs_f64();
        self.say(&format!("\n{} {}", self.dim(&format!("[{time:4.1} s]")), self.paint("1", title)));
    }

    fn say(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A closed pipe must not end the demo before it has cleaned up.
        drop(writeln!(out, "  {text}").and_then(|()| out.flush()));
    }

    fn exchange(&self, request: &str, answer: &Message) {
        let status = answer.status().to_string();
        let status = if answer.status() < 400 { self.green(&status) } else { self.red(&status) };
        self.say(&format!("{request} → {status}"));
        for name in ["www-authenticate", "retry-after"] {
            if let Some(value) = answer.header(name) {
                self.say(&format!("  {name}: {value}"));
            }
        }
    }

    fn expect(&self, status: u16, expected: u16) -> Result<(), String> {
        if status == expected {
            return Ok(());
        }
        Err(format!("status {status}, expected {expected}"))
    }

    fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }

    fn red(&self, text: &str) -> String {
        self.paint("31", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
