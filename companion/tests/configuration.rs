//! Wrong configurations: status 64, every problem at once, each with key, what is wrong and remedy.

mod support;

use support::{Companion, rescind};

fn complaints(companion: &Companion, configuration: &str) -> String {
    companion.directory.write("wrong.toml", configuration);
    let output = rescind(&companion.directory.0, &["serve", "--check", "--config", "wrong.toml"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}\n{configuration}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn each_wrong_value_is_named_with_what_is_wrong_and_the_remedy() {
    let companion = Companion::prepared();
    companion.directory.write("short", "abc");
    companion.directory.write("spaced", "a token with spaces in it");
    companion.directory.write("empty.jwks", "{\"keys\": []}");
    let right = support::configuration(companion.port);
    let cases: [(&str, &str, &[&str]); 41] = [
        ("listen = \"127.0.0.1:", "listen = \"nowhere:", &["`server.listen`", "not an address"]),
        ("[journal]\npath = \"rescind.redb\"", "", &["`journal`: is missing; add `[journal]`"]),
        ("path = \"rescind.redb\"", "path = 3", &["`journal.path`: is integer, not a string"]),
        ("path = \"rescind.redb\"", "", &["`journal.path`: is missing"]),
        (
            "path = \"rescind.redb\"",
            "path = \"x\"\naudit_retention_days = 30",
            &["`journal.audit_retention_days`: is 30, allowed are 31 to 3650"],
        ),
        (
            "path = \"rescind.redb\"",
            "path = \"x\"\naudit_retention_days = 3651",
            &["`journal.audit_retention_days`: is 3651"],
        ),
        ("\"set.key.pem\"", "\"feed.pem\"", &["`identity.signing_key_file`: cannot read"]),
        ("\"set.key.pem\"", "\"short\"", &["holds neither an ES256 nor an Ed25519 private key"]),
        ("\"feed.key.pem\"", "\"set.key.pem\"", &["`feed.signing_key_file`: holds no Ed25519"]),
        ("\"subject.key\"", "\"short\"", &["`feed.subject_key_file`", "32 hex digits"]),
        ("= 86400", "= 59", &["`feed.retention_secs`: is 59, allowed are 60 to 7776000"]),
        ("= 86400", "= 7776001", &["`feed.retention_secs`: is 7776001"]),
        ("name = \"edge-1\"", "name = \"edge 1\"", &["`gateways[0].name`", "is not a name"]),
        ("\"gateway.token\"", "\"short\"", &["`gateways[0].token_file`", "at least 16 characters"]),
        ("\"gateway.token\"", "\"spaced\"", &["cannot stand in an Authorization header"]),
        ("issuer = \"https://idp.example.com\"", "", &["`transmitters[0].issuer`: is missing"]),
        ("[\"ES256\"]", "[\"HS256\"]", &["`transmitters[0].algorithms`: `HS256` is not supported"]),
        ("[\"ES256\"]", "[]", &["`transmitters[0].algorithms`: is empty"]),
        ("\"idp.jwks.json\"", "\"empty.jwks\"", &["`transmitters[0].jwks_file`", "none of the 0"]),
        ("jwks_file = \"idp.jwks.json\"", "jwks_url = \"http://idp/\"", &["not an https URL"]),
        (
            "algorithms = [",
            "profile = \"auto\"\nalgorithms = [",
            &["`transmitters[0].profile`: `auto` is not known", "strict, legacy-subject, okta"],
        ),
        (
            "algorithms = [",
            "authority_events = [\"session-ended\"]\nalgorithms = [",
            &["`transmitters[0].authority_events`: `session-ended` is not known"],
        ),
        (
            "algorithms = [",
            "authority_formats = [\"mail\"]\nalgorithms = [",
            &["`transmitters[0].authority_formats`: `mail` is not known", "email, iss_sub"],
        ),
        (
            "algorithms = [",
            "authority_trust_domains = [\"spiffe://a.b\"]\nalgorithms = [",
            &["`transmitters[0].authority_trust_domains`: `spiffe://a.b` is not known"],
        ),
        (
            "algorithms = [",
            "authority_tenants = []\nalgorithms = [",
            &["`transmitters[0].authority_tenants`: is empty"],
        ),
        ("jwks_file =", "keys_file =", &["it is called `jwks_file`"]),
        (
            "push_token_file = \"idp.push.token\"",
            "delivery = \"pull\"",
            &["`transmitters[0].delivery`: `pull` is not known"],
        ),
        (
            "push_token_file = \"idp.push.token\"",
            "delivery = \"poll\"",
            &["`transmitters[0].poll_url`: is missing"],
        ),
        (
            "push_token_file = \"idp.push.token\"",
            "delivery = \"poll\"\npoll_url = \"http://idp.example.com/poll\"",
            &["`transmitters[0].poll_url`: `http://idp.example.com/poll` is not an https URL"],
        ),
        (
            "push_token_file = \"idp.push.token\"",
            "delivery = \"poll\"\npoll_url = \"https://a/\"\npoll_max_events = 0",
            &["`transmitters[0].poll_max_events`: is 0, allowed are 1 to 1000"],
        ),
        (
            "push_token_file = \"idp.push.token\"",
            "delivery = \"poll\"\npoll_url = \"https://a/\"\npoll_wait_secs = 601",
            &["`transmitters[0].poll_wait_secs`: is 601, allowed are 1 to 600"],
        ),
        (
            "algorithms = [",
            "ca_file = \"short\"\nalgorithms = [",
            &["`transmitters[0].ca_file`: holds no PEM certificate"],
        ),
        (
            "algorithms = [",
            "authorization_token_file = \"none\"\nalgorithms = [",
            &["`transmitters[0].authorization_token_file`: cannot read"],
        ),
        (
            "algorithms = [",
            "oauth = { token_url = \"https://a/\", client_id = \"a\", client_authentication = \"none\" }\nalgorithms = [",
            &["`transmitters[0].oauth.client_authentication`: `none` is not known"],
        ),
        (
            "algorithms = [",
            "oauth = { token_url = \"https://a/\", client_id = \"a\", client_authentication = \"private_key_jwt\", client_key_file = \"short\" }\nalgorithms = [",
            &["`transmitters[0].oauth.client_key_file`: holds neither an ES256 nor an Ed25519"],
        ),
        (
            "algorithms = [",
            "oauth = { token_url = \"https://a/\", client_id = \"a\", client_authentication = \"client_secret_jwt\", client_secret_file = \"short\" }\nalgorithms = [",
            &["`transmitters[0].oauth.client_secret_file`: holds fewer than 32 bytes"],
        ),
        (
            "algorithms = [",
            "jwks_url = \"https://a/\"\nalgorithms = [",
            &["`transmitters[0].jwks_file`: stands beside `jwks_url`"],
        ),
        (
            "algorithms = [",
            "stream = {}\nalgorithms = [",
            &["`transmitters[0].stream.push_url`: is missing"],
        ),
        (
            "algorithms = [",
            "stream = { push_url = \"https://a/\", events = [\"session-ended\"] }\nalgorithms = [",
            &["`transmitters[0].stream.events`: `session-ended` is not known"],
        ),
        (
            "algorithms = [",
            "gap_after_secs = 0\nalgorithms = [",
            &["`transmitters[0].gap_after_secs`: is 0, allowed are 1 to 86400"],
        ),
        ("[journal]", "[journal", &["is not TOML"]),
    ];
    for (from, to, expected) in cases {
        assert!(right.contains(from), "{from}");
        let text = complaints(&companion, &right.replacen(from, to, 1));
        for part in expected {
            assert!(text.contains(part), "{from} -> {to}:\n{text}\nlacks {part}");
        }
        assert!(text.contains("; "), "a remedy: {text}");
    }
}

#[test]
fn keys_may_be_left_to_the_metadata_of_an_issuer_that_is_an_https_url() {
    let companion = Companion::prepared();
    let without =
        support::configuration(companion.port).replace("jwks_file = \"idp.jwks.json\"", "");
    companion.directory.write("rescind.toml", &without);
    let output = companion.run(&["serve", "--check"]);
    assert!(output.status.success(), "{output:?}");
    let issuer = format!("name = \"idp\"\nissuer = \"{}\"", support::IDP);
    assert!(without.contains(&issuer));
    let urn = without.replace(&issuer, "name = \"idp\"\nissuer = \"urn:example:idp\"");
    let text = complaints(&companion, &urn);
    assert!(text.contains("`transmitters[0].jwks_file`: is missing, and `issuer` is no"), "{text}");
}

#[test]
fn all_problems_are_told_at_once() {
    let companion = Companion::prepared();
    let wrong = support::configuration(companion.port)
        .replace("listen =", "lissten =")
        .replace("retention_secs = 86400", "retention_secs = 1")
        .replace("audiences =", "audience =")
        .replace("[operator]", "[operators]");
    let text = complaints(&companion, &wrong);
    for key in [
        "`server.listen`: is missing",
        "`server.lissten`: is not a known key; remove it, or use one of: listen, tls",
        "`feed.retention_secs`",
        "`transmitters[0].audiences`: is missing",
        "`transmitters[0].audience`",
        "`operators`: is not a known key",
    ] {
        assert!(text.contains(key), "{text}\nlacks {key}");
    }
    assert!(text.starts_with("Invalid configuration (6 problems)\n"), "{text}");
}

#[test]
fn a_right_configuration_passes_the_check_and_a_missing_one_is_64() {
    let companion = Companion::prepared();
    assert_eq!(companion.run(&["serve", "--check"]).status.code(), Some(0));
    assert_eq!(companion.run(&["serve", "--config", "none.toml"]).status.code(), Some(64));
    assert_eq!(companion.run(&["status", "--config", "none.toml"]).status.code(), Some(64));
}
