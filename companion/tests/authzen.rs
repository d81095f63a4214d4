//! Decisions by the OpenID AuthZEN Authorization API 1.0.

mod support;

use serde_json::{Value, json};
use support::gate::{Deciding, secret};
use support::{IDP, SESSION_REVOKED, now};

const ONE: &str = "/access/v1/evaluation";
const SEVERAL: &str = "/access/v1/evaluations";

fn question(sub: &str, path: &str, token: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": sub },
        "action": { "name": "GET" },
        "resource": { "type": "route", "id": path, "properties": { "host": "api.example.com" } },
        "context": { "access_token": token, "anything": ["else"] },
    })
}

fn ask(site: &Deciding, question: &Value) -> Value {
    let answer = site.post(ONE, &question.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

#[test]
fn a_request_with_a_good_token_is_permitted_and_who_calls_is_told() {
    let site = Deciding::started(&["authzen"]);
    let token = site.token("alice");
    let mut answer = ask(&site, &question("alice", "/orders?a=b", &token));
    let removed = answer["context"]["remove"].take();
    let removed: Vec<&str> = removed.as_array().unwrap().iter().flat_map(Value::as_str).collect();
    for (name, expected) in
        [("authorization", true), ("x_rescind_subject", true), ("x-rescind-subject", false)]
    {
        assert_eq!(removed.contains(&name), expected, "{name} in {removed:?}");
    }
    let context = json!({
        "subject": "alice", "issuer": IDP, "remove": null,
        "headers": {
            "x-rescind-subject": "alice", "x-rescind-issuer": IDP,
            "x-rescind-client": "app", "x-rescind-scope": "read",
        },
    });
    assert_eq!(answer, json!({ "decision": true, "context": context }));
    for (asked, reason, status) in [
        (question("alice", "/admin", &token), "insufficient_scope", 403),
        (question("alice", "/a/..%2fb", &token), "ambiguous_path", 400),
        (question("alice", "/orders", "e30.e30.e30"), "malformed_token", 401),
    ] {
        let answer = ask(&site, &asked);
        assert_eq!(answer["decision"], false);
        assert_eq!(answer["context"]["reason"], reason);
        assert_eq!(answer["context"]["response"]["status"], status, "{answer}");
    }
    let mut without = question("alice", "/orders", &token);
    without["context"] = json!({});
    let answer = ask(&site, &without);
    assert_eq!(answer["context"]["reason"], "no_credentials");
    assert_eq!(answer["context"]["response"]["headers"]["www-authenticate"], "Bearer");
}

#[test]
fn the_subject_must_be_the_tokens_unless_the_caller_does_not_read_tokens() {
    let site = Deciding::started(&["authzen"]);
    let mut asked = question("bob", "/orders", &site.token("alice"));
    let answer = ask(&site, &asked);
    let expected = json!({ "decision": false, "context": { "reason": "another_subject" } });
    assert_eq!(answer, expected);
    asked["subject"] = json!({ "type": "access_token", "id": "request-17" });
    assert_eq!(ask(&site, &asked)["decision"], true);
}

#[test]
fn a_signal_is_in_force_with_the_next_evaluation_and_named() {
    let site = Deciding::started(&["authzen"]);
    let asked = question("alice", "/orders", &site.token("alice"));
    assert_eq!(ask(&site, &asked)["decision"], true);
    assert_eq!(
        site.companion.push(&site.companion.transmitter.set("alice", &json!({}))).status,
        202
    );
    let answer = ask(&site, &asked);
    assert_eq!(answer["decision"], false);
    assert_eq!(answer["context"]["reason"], "revoked");
    assert_eq!(answer["context"]["signal"].as_str().map(str::len), Some(32));
}

#[test]
fn several_evaluations_take_what_they_lack_from_the_call_and_stop_where_they_should() {
    let site = Deciding::started(&["authzen"]);
    let mut call = question("alice", "/orders", &site.token("alice"));
    let route = |path: &str| json!({ "resource": { "type": "route", "id": path } });
    call["evaluations"] = json!([
        {}, route("/admin"), route("/other"), { "action": { "name": 7 } },
        { "context": {}, "resource": { "type": "route", "id": "/public" } },
    ]);
    for (semantic, expected) in [
        (json!(null), json!([true, false, true, false, true])),
        (json!("execute_all"), json!([true, false, true, false, true])),
        (json!("deny_on_first_deny"), json!([true, false])),
        (json!("permit_on_first_permit"), json!([true])),
    ] {
        call["options"] = match semantic {
            Value::Null => json!({}),
            semantic => json!({ "evaluations_semantic": semantic }),
        };
        let answer = site.post(SEVERAL, &call.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        let decisions = answer["evaluations"].as_array().unwrap();
        let decisions: Vec<_> = decisions.iter().map(|one| one["decision"].clone()).collect();
        assert_eq!(json!(decisions), expected, "{answer}");
        if let Some(wrong) = answer["evaluations"].get(3) {
            let error = json!({
                "status": 400, "message": "`action.name` is a number, not a string",
            });
            assert_eq!(wrong["context"]["error"], error);
        }
    }
    call["evaluations"] = json!([]);
    let answer = site.post(SEVERAL, &call.to_string()).json();
    assert_eq!(answer["decision"], true, "without evaluations, one: {answer}");
}

#[test]
fn of_evaluations_32_are_answered_and_33_are_not() {
    let site = Deciding::started(&["authzen"]);
    let mut call = question("alice", "/orders", &site.token("alice"));
    for (count, status) in [(32, 200), (33, 400)] {
        call["evaluations"] = json!(vec![json!({}); count]);
        let answer = site.post(SEVERAL, &call.to_string());
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[test]
fn what_a_signal_said_of_a_verified_token_is_told_without_the_token() {
    let site = Deciding::started(&["authzen"]);
    let ask_about = |claims: &Value| {
        let asked = json!({
            "subject": { "type": "user", "id": "alice" },
            "action": { "name": "use" },
            "resource": { "type": "verified_token", "id": "any", "properties": claims },
        });
        let answer = ask(&site, &asked);
        (answer["decision"].as_bool().unwrap(), answer["context"]["reason"].clone())
    };
    let claims = Deciding::claims("alice");
    assert_eq!(ask_about(&claims), (true, json!(null)));
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let without = {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove("iat");
        claims
    };
    for (claims, reason) in [
        (with("iss", json!("https://other.example.com")), "unknown_issuer"),
        (with("iat", json!(now() + 3600)), "issued_in_the_future"),
        (with("iat", json!(now() - 90_000)), "older_than_retention"),
        (without, "missing_claim"),
    ] {
        assert_eq!(ask_about(&claims), (false, json!(reason)));
    }
    let session = with("sid", json!("session-1"));
    assert_eq!(ask_about(&session), (true, json!(null)));
    let subject =
        json!({ "format": "complex", "session": { "format": "opaque", "id": "session-1" } });
    let event = json!({ SESSION_REVOKED: { "event_timestamp": now() } });
    let set = site.companion.transmitter.set("s", &json!({ "sub_id": subject, "events": event }));
    assert_eq!(site.companion.push(&set).status, 202);
    assert_eq!(ask_about(&session), (false, json!("revoked")));
    assert_eq!(ask_about(&claims), (true, json!(null)), "another session");
    assert_eq!(
        site.companion.push(&site.companion.transmitter.set("alice", &json!({}))).status,
        202
    );
    assert_eq!(ask_about(&claims), (false, json!("revoked")));
    assert_eq!(ask_about(&with("iat", json!(now() + 5))), (true, json!(null)), "a later token");
}

#[test]
fn the_page_that_calls_is_what_the_context_says() {
    let routes = json!([{ "path": "/orders", "origins": ["https://app.example.com"] }]);
    let mut site = Deciding::prepared(&["authzen"], &json!({ "routes": routes }));
    site.companion.start();
    let mut asked = question("alice", "/orders", &site.token("alice"));
    assert_eq!(ask(&site, &asked)["decision"], true, "no page");
    for (origin, permitted) in [
        ("https://app.example.com", true),
        ("https://other.example.com", false),
        ("https://app.example.com.evil.example", false),
        ("null", false),
        ("", false),
    ] {
        asked["context"]["origin"] = json!(origin);
        let answer = ask(&site, &asked);
        let status = (!permitted).then_some(403);
        let found = (&answer["decision"], answer["context"]["response"]["status"].as_u64());
        assert_eq!(found, (&json!(permitted), status), "{origin}: {answer}");
    }
    asked["context"]["origin"] = json!(["https://app.example.com"]);
    assert_eq!(site.post(ONE, &asked.to_string()).status, 400);
}

/// A site with tools that ask for different things.
fn with_tools() -> Deciding {
    let routes = json!([
        { "path": "/mcp", "mcp": { "methods": ["tools/call"], "names": ["transfer_*"] },
          "scopes": ["pay"] },
        { "path": "/mcp", "mcp": { "methods": ["tools/call"] }, "scopes": ["read"] },
        { "path": "/mcp", "mcp": { "methods": ["resources/*"], "names": ["file:///etc/*"] },
          "scopes": ["admin"] },
        { "path": "/mcp", "mcp": { "older_versions": true }, "scopes": ["pay", "admin"] },
        { "path": "/mcp" },
    ]);
    let mut site = Deciding::prepared(&["authzen"], &json!({ "routes": routes }));
    site.companion.start();
    site
}

fn message(method: &str, kind: &str, id: &str, token: &str) -> Value {
    json!({
        "subject": { "type": "identity", "id": "alice" },
        "action": { "name": method },
        "resource": { "type": kind, "id": id },
        "context": {
            "agent": "app", "access_token": token, "path": "/mcp", "host": "api.example.com",
        },
    })
}

#[test]
fn a_message_of_mcp_is_decided_by_what_it_does() {
    let site = with_tools();
    let token = site.token("alice");
    for (method, kind, id, reason) in [
        ("tools/call", "tool", "get_weather", None),
        ("tools/call", "tool", "transfer_money", Some("insufficient_scope")),
        // This is its name, whatever a header of the kind would mean.
        ("tools/call", "tool", "=?base64?dHJhbnNmZXJfbW9uZXk=?=", None),
        ("resources/read", "resource", "file:///tmp/a", None),
        ("resources/read", "resource", "file:///etc/passwd", Some("insufficient_scope")),
        ("resources/subscribe", "resource", "file:///etc/passwd", Some("insufficient_scope")),
        ("prompts/get", "prompt", "größer", None),
        ("tools/list", "mcp_server", "https://api.example.com/mcp", None),
        ("tools/list", "mcp_server", "the server", None),
    ] {
        let answer = ask(&site, &message(method, kind, id, &token));
        let expected = (reason.is_none(), reason);
        let found = (answer["decision"] == true, answer["context"]["reason"].as_str());
        assert_eq!(found, expected, "{method} {id}: {answer}");
    }
    // A request that does not say what it does is one of the versions that cannot.
    let mut silent = question("alice", "/mcp", &token);
    silent["action"]["name"] = json!("POST");
    assert_eq!(ask(&site, &silent)["context"]["reason"], "insufficient_scope");
    let mut of_another = message("tools/call", "tool", "get_weather", &token);
    of_another["subject"]["id"] = json!("bob");
    assert_eq!(ask(&site, &of_another)["context"]["reason"], "another_subject");
    assert_eq!(
        site.companion.push(&site.companion.transmitter.set("alice", &json!({}))).status,
        202
    );
    let answer = ask(&site, &message("tools/call", "tool", "get_weather", &token));
    assert_eq!(answer["context"]["reason"], "revoked");
}

#[test]
fn several_messages_of_mcp_share_what_the_call_says_of_caller_and_server() {
    let site = with_tools();
    let mut call = message("tools/call", "tool", "get_weather", &site.token("alice"));
    let tool = |name: &str| json!({ "resource": { "type": "tool", "id": name } });
    call["evaluations"] = json!([{}, tool("transfer_money"), tool("a"), { "context": {} }]);
    let answer = site.post(SEVERAL, &call.to_string()).json();
    let decisions = answer["evaluations"].as_array().unwrap().iter().map(|one| &one["decision"]);
    assert_eq!(json!(decisions.collect::<Vec<_>>()), json!([true, false, true, false]));
    let error = &answer["evaluations"][3]["context"]["error"]["message"];
    assert_eq!(error, "`context.path` is missing");
}

#[test]
fn a_message_of_mcp_that_contradicts_itself_is_400_and_says_where() {
    let site = with_tools();
    let token = site.token("alice");
    let right = message("tools/call", "tool", "get_weather", &token);
    let server = message("tools/list", "mcp_server", "https://api.example.com/mcp", &token);
    let with = |question: &Value, path: &str, value: Value| {
        let mut question = question.clone();
        *question.pointer_mut(path).unwrap() = value;
        question
    };
    let path_missing = with(&right, "/context", json!({ "access_token": token }));
    let moved = json!({ "type": "tool", "id": "a", "properties": { "host": "b.example.com" } });
    for (asked, part) in [
        (
            with(&right, "/resource/type", json!("prompt")),
            "`resource.type` is `prompt`, but `action.name` says that it is `tool`",
        ),
        (with(&right, "/resource/type", json!("mcp_server")), "says that it is `tool`"),
        (with(&right, "/action/name", json!("tools/list")), "says that it is `mcp_server`"),
        (with(&right, "/action/name", json!("tools call")), "says that it is `mcp_server`"),
        (with(&server, "/action/name", json!("tools list")), "Mcp-Method is malformed"),
        (with(&right, "/resource/id", json!("")), "cannot be MCP's"),
        (with(&right, "/resource/id", json!("x".repeat(2049))), "at most 2048 are allowed"),
        (path_missing, "`context.path` is missing"),
        (with(&right, "/context/path", json!(7)), "`context.path` is a number"),
        (with(&right, "/resource", moved), "`resource.properties.host` and `context.host` are two"),
        (
            with(&server, "/resource/id", json!("https://b.example.com/mcp")),
            "`resource.id` and `context.host` are two",
        ),
    ] {
        let answer = site.post(ONE, &asked.to_string());
        let said = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.status, 400, "{asked}\n{said}");
        assert!(said.contains(part), "{said} lacks {part}");
    }
}

#[test]
fn a_call_that_cannot_be_read_is_400_and_says_why() {
    let site = Deciding::started(&["authzen"]);
    let right = question("alice", "/orders", &site.token("alice")).to_string();
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(64 * 1024));
    for (body, status, part) in [
        ("", 400, "not JSON at line 1"),
        ("[]", 400, "`the body` is an array, not an object"),
        ("{}", 400, "`subject` is missing"),
        (&right.replace("\"user\"", "7"), 400, "`subject.type` is a number, not a string"),
        (&right.replace("\"route\"", "\"file\""), 400, "`resource.type` is none of `route`"),
        (&right.replace("\"name\"", "\"nome\""), 400, "`action.name` is missing"),
        (&right.replace("GET", "tools/call"), 400, "`action.name` is no method of HTTP"),
        (
            &right.replace("\"access_token\":", "\"dpop\":7,\"access_token\":"),
            400,
            "`context.dpop`",
        ),
        (&right.replacen('{', "{\"subject\":{},", 1), 400, "`subject` occurs twice"),
        (&right.replacen('{', "{\"evaluations\":{},", 1), 400, "`evaluations` is an object"),
        (
            &right.replacen(
                '{',
                "{\"options\":{\"evaluations_semantic\":\"all\"},\"evaluations\":[{}],",
                1,
            ),
            400,
            "`options.evaluations_semantic` is not known",
        ),
        (&long, 413, "longer than 64 KiB"),
    ] {
        let answer = site.post(SEVERAL, body);
        let said = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.status, status, "{body}\n{said}");
        assert!(said.contains(part), "{said} lacks {part}");
    }
    let token = ("authorization", format!("Bearer {}", secret("authzen")));
    let text = ("content-type", "text/plain".to_owned());
    assert_eq!(site.post_with(ONE, &[token, text], &right).status, 400);
}

#[test]
fn callers_show_their_token_and_get_their_request_id_back() {
    let site = Deciding::started(&["authzen", "headers"]);
    let body = question("alice", "/orders", &site.token("alice")).to_string();
    let json_type = ("content-type", "application/json".to_owned());
    for (shown, status) in [
        (Some(secret("authzen")), 200),
        (Some(secret("headers")), 401),
        (Some("wrong".to_owned()), 401),
        (None, 401),
    ] {
        for (id, echoed) in [("i".repeat(256), true), ("i".repeat(257), false)] {
            let mut headers = vec![json_type.clone(), ("x-request-id", id.clone())];
            headers.extend(shown.iter().map(|token| ("authorization", format!("Bearer {token}"))));
            let answer = site.post_with(ONE, &headers, &body);
            assert_eq!(answer.status, status, "{answer:?}");
            assert_eq!(answer.header("x-request-id") == Some(&id), echoed, "{answer:?}");
        }
    }
    let bearer = format!("Bearer {}", secret("authzen"));
    assert_eq!(site.call("GET", ONE, &[("authorization", &bearer)]).status, 405);
    let check = [("x-rescind-caller", secret("authzen"))];
    let check = check.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(site.call("GET", "/v1/check", &check).status, 503, "not this caller's form");
}

#[test]
fn the_metadata_name_the_endpoints_if_the_url_is_configured() {
    let metadata = "/.well-known/authzen-configuration";
    let mut site = Deciding::prepared(&["authzen"], &json!({}));
    site.companion.start();
    assert_eq!(site.call("GET", metadata, &[]).status, 404);
    let mut site = Deciding::prepared(&["authzen"], &json!({}));
    let files = &site.companion.directory;
    let text = files.read("rescind.toml");
    let url = "threads = 2\nurl = \"https://pdp.example.com\"";
    files.write("rescind.toml", &text.replace("threads = 2", url));
    site.companion.start();
    let answer = site.call("GET", metadata, &[]);
    assert_eq!(
        answer.json(),
        json!({
            "policy_decision_point": "https://pdp.example.com",
            "access_evaluation_endpoint": "https://pdp.example.com/access/v1/evaluation",
            "access_evaluations_endpoint": "https://pdp.example.com/access/v1/evaluations",
        })
    );
}
