//! A disk that is full, and directories and files that cannot be written, against the real binary.
//!
//! A full disk is a limit on the size of files (`RLIMIT_FSIZE`), set and lifted from outside with
//! util-linux's `prlimit`: it needs neither root nor a mount, and fails in the middle of writes as
//! a full disk does. `SIGXFSZ` is ignored, so that the write fails instead of the process.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use serde_json::json;
use support::{Companion, IDP, wait_until};

/// The shell's name for the signal is the same everywhere.
const NO_XFSZ: [&str; 3] = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];

fn limit_files(companion: &Companion, bytes: &str) {
    let pid = companion.pid().to_string();
    let status =
        Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
    assert!(status.unwrap().success());
}

fn has(companion: &Companion, jti: &str) -> bool {
    let signal = rescind_core::set::signal_id(IDP, jti);
    companion.page("").records.iter().any(|record| record.fact.signal == signal)
}

#[test]
fn a_full_disk_is_503_with_retry_after_and_loses_nothing() {
    let mut companion = Companion::prepared();
    companion.start_with(&NO_XFSZ);
    assert_eq!(companion.push(&companion.transmitter.set("before", &json!({}))).status, 202);
    let size = std::fs::metadata(companion.directory.0.join("rescind.redb")).unwrap().len();
    limit_files(&companion, &size.to_string());
    // Reasons of 20 KiB fill the room that the file has.
    let text = "x".repeat(20_000);
    let event = json!({ support::SESSION_REVOKED: { "reason_admin": { "en": text } } });
    let mut accepted = vec!["before".to_owned()];
    let mut refused = Vec::new();
    for number in 0..400 {
        let jti = format!("full-{number}");
        let answer = companion.push(&companion.transmitter.set(&jti, &json!({ "events": event })));
        match answer.status {
            202 => accepted.push(jti),
            503 => {
                assert_eq!(answer.header("retry-after"), Some("5"), "{answer:?}");
                refused.push(jti);
            }
            other => panic!("{other}: {answer:?}"),
        }
        if refused.len() == 3 {
            break;
        }
    }
    assert_eq!(refused.len(), 3, "the disk was never full");
    assert_eq!(companion.get("/readyz", "").status, 200, "gateways are served as before");
    assert!(companion.directory.read("log").contains("journal: cannot be written"));
    limit_files(&companion, "unlimited");
    for jti in &refused {
        let set = companion.transmitter.set(jti, &json!({ "events": event }));
        wait_until("it never recovers", || companion.push(&set).status == 202);
    }
    accepted.extend(refused);
    for jti in &accepted {
        assert!(has(&companion, jti), "{jti} is not in the feed");
    }
    let before = companion.page("");
    companion.sigkill();
    companion.start();
    let after = companion.page("");
    assert_eq!((after.log, after.to, &after.records), (before.log, before.to, &before.records));
    let sequences = u64::try_from(accepted.len()).unwrap();
    assert_eq!(after.to, sequences, "each once, without holes");
}

#[test]
fn a_companion_started_on_a_full_disk_says_so_and_leaves_the_journal_as_it_was() {
    let mut companion = Companion::started();
    assert_eq!(companion.push(&companion.transmitter.set("one", &json!({}))).status, 202);
    companion.sigkill();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" serve 2>&1 | cat"])
        .arg(env!("CARGO_BIN_EXE_rescind"))
        .current_dir(&companion.directory.0)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("rescind.redb") && text.contains("too large"), "{text}");
    companion.start();
    assert!(has(&companion, "one"));
}

#[test]
fn a_journal_with_a_flipped_byte_is_not_served_and_what_is_good_of_it_is_recovered() {
    let mut companion = Companion::started();
    for jti in ["one", "two", "three"] {
        let text = format!("reason-of-{jti}").repeat(40);
        let event = json!({ support::SESSION_REVOKED: { "reason_admin": { "en": text } } });
        let set = companion.transmitter.set(jti, &json!({ "events": event }));
        assert_eq!(companion.push(&set).status, 202);
    }
    assert_eq!(companion.terminate(), Some(0));
    let path = companion.directory.0.join("rescind.redb");
    let good = std::fs::read(&path).unwrap();
    let mut bytes = good.clone();
    // Somewhere in the text of the second SET, in every copy of it that the file has.
    let text = rescind_core::base64url::encode("reason-of-two".repeat(12).as_bytes());
    let text = text.as_bytes().get(8..64).unwrap();
    let found: Vec<_> = (0..bytes.len() - text.len())
        .filter(|at| bytes.get(*at..*at + text.len()) == Some(text))
        .collect();
    assert!(!found.is_empty());
    for at in found {
        *bytes.get_mut(at).unwrap() ^= 1;
    }
    std::fs::write(&path, &bytes).unwrap();
    let refused = companion.run(&["serve"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("is damaged") && said.contains("rescind recover"), "{said}");
    let recovered = companion.run(&["recover", "--out", "saved.redb"]);
    let said = String::from_utf8(recovered.stdout).unwrap();
    assert!(said.contains("saved 2 entries") && said.contains("entry 2: damaged"), "{said}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "the damaged file is as it was");
    std::fs::rename(companion.directory.0.join("saved.redb"), &path).unwrap();
    companion.start();
    assert!(has(&companion, "one") && has(&companion, "three") && !has(&companion, "two"));
}

/// Root may write everywhere, so the companion runs as somebody else.
fn serve_unprivileged(companion: &Companion) -> Output {
    let binary = env!("CARGO_BIN_EXE_rescind");
    let is_root = std::fs::metadata("/proc/self")
        .is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0);
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
        // The target directory may be nobody's to enter.
        let copy = companion.directory.0.join("rescind");
        // By a process of its own: while a file of ours is open for writing, a process that another
        // test starts just now inherits it, and until it has its own program, the file is busy.
        assert!(Command::new("cp").arg(binary).arg(&copy).status().unwrap().success());
        command.arg(copy);
        command
    } else {
        Command::new(binary)
    };
    command.arg("serve").current_dir(&companion.directory.0).output().unwrap()
}

fn allow(companion: &Companion, directory: u32, files: u32) {
    for entry in std::fs::read_dir(&companion.directory.0).unwrap() {
        let path = entry.unwrap().path();
        let mode = if path.ends_with("rescind") { 0o755 } else { files };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mode = std::fs::Permissions::from_mode(directory);
    std::fs::set_permissions(&companion.directory.0, mode).unwrap();
}

#[test]
fn a_directory_or_a_journal_that_cannot_be_written_is_an_error_that_names_the_file() {
    let companion = Companion::prepared();
    allow(&companion, 0o555, 0o444);
    let directory = serve_unprivileged(&companion);
    allow(&companion, 0o755, 0o644);
    companion.directory.write("rescind.redb", "");
    allow(&companion, 0o555, 0o444);
    let journal = serve_unprivileged(&companion);
    allow(&companion, 0o755, 0o644);
    for output in [directory, journal] {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("rescind.redb") && text.contains("ermission denied"), "{text}");
    }
}
