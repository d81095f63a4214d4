//! Configuration errors are found before anything serves, all at once, with the remedy.

use std::process::Command;

use rescind_e2e::envoy::Envoy;
use rescind_e2e::site::Site;
use rescind_e2e::tools;
use serde_json::json;

#[test]
fn envoy_validate_accepts_a_good_configuration_and_names_every_problem_of_a_bad_one() {
    let site = Site::start();
    let (status, text) = Envoy::validate(&site.bootstrap);
    assert!(status.success(), "{text}");

    let mut bad = site.bootstrap.clone();
    bad.filter["issuers"][0]["algorithms"] = json!(["none"]);
    bad.filter["revocation"]["max_staleness_secs"] = json!(0);
    bad.filter["revocation"]["feed_key"] = json!("short");
    bad.filter["revocation"]["colour"] = json!("blue");
    let (status, text) = Envoy::validate(&bad);
    assert!(!status.success());
    for named in ["algorithms", "max_staleness_secs", "feed_key", "colour"] {
        assert!(text.contains(named), "{named} is not named in:\n{text}");
    }
    let secret = site.companion.read("gateway.token");
    assert!(!text.contains(&secret), "an error message shows a secret");
}

#[test]
fn a_bad_update_of_a_companions_file_exits_with_64_and_names_every_problem() {
    let mut site = Site::start();
    site.companion.kill();
    let good = site.companion.read("rescind.toml");
    let bad = good
        .replace("retention_secs = 86400", "retention_secs = 0")
        .replace("algorithms = [\"ES256\"]", "algorithms = [\"none\"]")
        .replace("[operator]", "colour = \"blue\"\n\n[operator]");
    site.companion.write("rescind.toml", &bad);
    let output = site.companion.cli(&["serve"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{text}");
    for named in ["retention_secs", "algorithms", "colour"] {
        assert!(text.contains(named), "{named} is not named in:\n{text}");
    }
    site.companion.write("rescind.toml", "no toml at all [");
    assert_eq!(site.companion.cli(&["serve"]).status.code(), Some(64));
}

#[test]
fn the_command_line_explains_itself() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["revoke", "--help"]] {
        let output = Command::new(tools::companion()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
    let output = Command::new(tools::companion()).arg("--no-such-flag").output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn the_example_for_envoy_loads() {
    let folder = tools::repository().join("examples/envoy");
    let file = std::fs::read_dir(&folder)
        .expect("examples/envoy")
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .expect("an Envoy bootstrap in YAML");
    // The example names the module as an operator would install it; here it is where make put it.
    let text = std::fs::read_to_string(&file).unwrap();
    let module = text
        .lines()
        .find_map(|line| line.split_once("local: { filename: ")?.1.split_once(" }"))
        .map(|(name, _)| name.to_owned())
        .expect("the example loads the module from a file");
    let scratch = rescind_e2e::process::Folder::new();
    let copy = scratch.path().join("envoy.yaml");
    let wasm = tools::wasm().display().to_string();
    std::fs::write(&copy, text.replace(&module, &wasm)).unwrap();
    let (status, output) = Envoy::validate_file(&copy);
    assert!(status.success(), "{output}");
}
