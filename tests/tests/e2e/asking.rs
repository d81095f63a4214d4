//! The examples for gateways that ask and do not run here: their files are well-formed and ask what
//! the companion answers. The function for AWS runs here, under Node, beside a real companion.

use std::path::PathBuf;
use std::process::{Command, Output};

use rescind_e2e::companion::Companion;
use rescind_e2e::deciding::{Deciding, secret};
use rescind_e2e::process::Folder;
use rescind_e2e::{tools, wait};
use serde_json::{Value, json};

fn example(file: &str) -> PathBuf {
    tools::repository().join("examples").join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(example(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What a file of YAML says; anything that is wrong with it fails the test.
fn yaml(file: &str) -> Value {
    let module = tools::schemas().join("yaml/dist/index.js");
    let script = format!(
        "import({:?}).then(({{ default: yaml }}) => {{ const text = require('fs')\
         .readFileSync(process.argv[1], 'utf8'); console.log(JSON.stringify(yaml.parse(text))); }})",
        module.display().to_string(),
    );
    let output = run(Command::new("node").args(["-e", &script]).arg(example(file)));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_example_for_a_gateway_that_asks_is_well_formed() {
    for file in
        ["aws-lambda-authorizer/template.yaml", "kong-http/kong.yml", "traefik/dynamic.yaml"]
    {
        assert!(yaml(file).is_object(), "{file}");
    }
    let policies = std::fs::read_dir(example("apigee/policies")).unwrap();
    let mut names: Vec<String> =
        policies.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    let policies = names.iter().map(|name| format!("apigee/policies/{name}"));
    let others = ["apigee/sharedflow.xml", "azure-apim/policy.xml"].map(str::to_owned);
    for file in policies.chain(others) {
        let script = "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])";
        run(Command::new("python3").args(["-c", script]).arg(example(&file)));
    }
    // The flow names its policies, and all of them.
    let flow = text("apigee/sharedflow.xml");
    for name in names {
        let name = name.strip_suffix(".xml").unwrap();
        assert_eq!(flow.matches(&format!("<Name>{name}</Name>")).count(), 1, "{name}");
        assert!(text(&format!("apigee/policies/{name}.xml")).contains(&format!("name=\"{name}\"")));
    }
}

#[test]
fn every_example_for_a_gateway_that_asks_sends_what_its_form_reads_and_takes_the_token_away() {
    let original = ["X-Original-Method", "X-Original-URI", "X-Original-Host"];
    let apigee = ["AM-RescindQuestion", "AM-RescindIdentity", "SC-Rescind", "RF-RescindRefused"]
        .map(|policy| text(&format!("apigee/policies/{policy}.xml")))
        .concat();
    for (name, text, headers) in [
        ("kong-http", text("kong-http/kong.yml"), &original[..]),
        ("azure-apim", text("azure-apim/policy.xml"), &original),
        ("apigee", apigee, &original),
        ("nginx", text("nginx/nginx.conf"), &original),
        ("traefik", text("traefik/dynamic.yaml"), &["trustForwardHeader: false"]),
    ] {
        let common = ["X-Rescind-Caller", "/v1/check", "Authorization", "DPoP"];
        for part in headers.iter().chain(&common) {
            assert!(text.contains(part), "{name} lacks {part}");
        }
        for fact in ["Subject", "Issuer", "Client", "Scope", "Actor"] {
            assert!(text.contains(&format!("X-Rescind-{fact}")), "{name} lacks {fact}");
        }
    }
    let traefik = yaml("traefik/dynamic.yaml");
    let middlewares = &traefik["http"]["middlewares"];
    let set = middlewares["rescind"]["forwardAuth"]["authResponseHeaders"].as_array().unwrap();
    let set: Vec<String> =
        set.iter().map(|name| name.as_str().unwrap().to_ascii_lowercase()).collect();
    for fact in ["subject", "issuer", "client", "scope", "actor"] {
        for (first, second) in [("-", "-"), ("-", "_"), ("_", "-"), ("_", "_")] {
            let name = format!("x{first}rescind{second}{fact}");
            assert!(set.contains(&name), "traefik lets `{name}` of a client through");
        }
    }
    assert!(set.contains(&"authorization".to_owned()));
}

#[test]
fn the_functions_of_the_lambda_authorizer_refuse_from_the_signal_on_and_when_nobody_answers() {
    let routes = json!([
        { "path_prefix": "/admin", "scopes": ["admin"] },
        { "path_prefix": "/pages", "origins": ["https://app.example.com"] },
        { "path_prefix": "/" },
    ]);
    let mut site = Deciding::start("authzen", json!({ "routes": routes }));
    let port = site.port;
    let call_from = |origin: Option<&str>, path: &str, authorization: &str| {
        let mut headers = json!({ "authorization": authorization });
        if let Some(origin) = origin {
            headers["origin"] = json!(origin);
        }
        let event = json!({
            "version": "2.0", "rawPath": path, "rawQueryString": "a=b",
            "headers": headers,
            "requestContext": {
                "requestId": "request-1", "domainName": "api.example.com",
                "http": { "method": "GET", "path": path },
            },
        });
        let script = format!(
            "import({:?}).then((module) => module.handler({event})).then(\
             (answer) => process.stdout.write('\\n' + JSON.stringify(answer)), \
             (error) => process.stdout.write('\\n' + JSON.stringify(error.message)))",
            example("aws-lambda-authorizer/authorizer.mjs").display().to_string(),
        );
        let mut node = Command::new("node");
        node.args(["-e", &script]).env("RESCIND_URL", format!("http://127.0.0.1:{port}"));
        let output = run(node.env("RESCIND_TOKEN", secret()));
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str::<Value>(text.lines().last().unwrap()).unwrap()
    };
    let call = |path: &str, authorization: &str| call_from(None, path, authorization);
    let good = format!("Bearer {}", site.issuer.token("alice"));
    let permitted = json!({
        "isAuthorized": true, "context": { "subject": "alice", "issuer": site.issuer.name },
    });
    wait::until_true("keys to be there", wait::SOON, || call("/orders", &good) == permitted);
    assert_eq!(call("/admin", &good), json!({ "isAuthorized": false }));
    for (origin, answer) in [
        (None, &permitted),
        (Some("https://app.example.com"), &permitted),
        (Some("https://evil.example"), &json!({ "isAuthorized": false })),
        // Two, as API Gateway joins them.
        (Some("https://app.example.com,https://evil.example"), &json!({ "isAuthorized": false })),
        (Some(""), &json!({ "isAuthorized": false })),
    ] {
        assert_eq!(&call_from(origin, "/pages/1", &good), answer, "{origin:?}");
    }
    assert_eq!(call("/orders", &format!("{good},{good}")), json!("Unauthorized"));
    assert_eq!(call("/orders", ""), json!("Unauthorized"));
    site.revoke("alice");
    assert_eq!(call("/orders", &good), json!("Unauthorized"));
    site.companion.kill();
    let failed = call("/orders", &good);
    assert!(failed.is_string() && failed != "Unauthorized", "{failed}");
}

#[test]
fn the_companion_accepts_the_examples_with_its_own_keys() {
    let folder = Folder::new();
    let companion = Companion::prepare(folder.path(), &[], &["https://idp.example.com"]);
    let mut gate: Value = serde_json::from_str(&text("nginx/gate.json")).unwrap();
    gate["revocation"]["feed_key"] = json!(companion.feed_key());
    gate["revocation"]["subject_key"] = json!(companion.read("subject.key"));
    companion.write("gate.json", &gate.to_string());
    companion.write("nginx.token", &secret());
    let toml = companion.read("rescind.toml") + "\n" + &text("nginx/decisions.toml");
    for form in ["nginx", "headers", "traefik", "envoy", "envoy-grpc", "authzen"] {
        let form = format!("form = \"{form}\"");
        companion.write("rescind.toml", &toml.replace("form = \"nginx\"", &form));
        let output = companion.cli(&["serve", "--check"]);
        assert!(output.status.success(), "{form}: {output:?}");
    }
}
