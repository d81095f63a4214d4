//! Bodies that say something else than their headers, to any reader.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::json;

use super::*;
use crate::mcp::McpHeaders;

fn announced(method: &str, name: &str) -> Announced {
    let name = if name.is_empty() { Field::Absent } else { Field::One(name.as_bytes()) };
    let headers = McpHeaders {
        protocol_version: Field::One(b"2026-07-28"),
        method: Field::One(method.as_bytes()),
        name,
    };
    Announced::by(&McpRequest::parse(&headers).unwrap()).unwrap()
}

fn check(method: &str, name: &str, body: &str) -> Result<(), BodyError> {
    announced(method, name).check(body.as_bytes())
}

fn message(method: &str, params: &serde_json::Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

fn complaint(method: &str, name: &str, body: &str) -> String {
    check(method, name, body).unwrap_err().to_string()
}

#[test]
fn a_body_that_says_what_its_headers_say_passes() {
    let arguments = json!({"amount": 5, "deep": [[{"name": "x", "Name": "y"}]]});
    for (method, name, params) in [
        ("tools/call", "pay", json!({"name": "pay", "arguments": arguments})),
        ("tools/call", "=?base64?cGF5?=", json!({"name": "pay"})),
        ("tools/call", "=?base64?w7xiZXI=?=", json!({"name": "über"})),
        ("prompts/get", "greet", json!({"name": "greet", "uri": "elsewhere"})),
        ("resources/read", "file:///a", json!({"uri": "file:///a", "name": "elsewhere"})),
        ("tasks/cancel", "t-1", json!({"taskId": "t-1"})),
        ("tasks/get", "", json!({"taskId": "t-1"})),
        ("tools/list", "", json!({"cursor": "c"})),
        ("tools/list", "", json!({"_meta": {VERSION: "2026-07-28", "x": 1}})),
        ("x/rename", "a", json!({"name": "a"})),
        ("x/move", "a", json!({"uri": "a"})),
    ] {
        assert_eq!(check(method, name, &message(method, &params)), Ok(()), "{method} {name}");
    }
    for body in [
        r#"{"method":"tools/list"}"#,
        " \r\n\t{\"method\" : \"tools/list\" , \"jsonrpc\":\"2.0\"}\n",
        r#"{"\u006dethod":"tools\/list"}"#,
    ] {
        assert_eq!(check("tools/list", "", body), Ok(()), "{body}");
    }
}

#[test]
fn a_body_that_does_something_else_is_refused() {
    let call = |name: serde_json::Value| message("tools/call", &json!({"name": name}));
    for (method, name, body, expected) in [
        (
            "tools/list",
            "",
            call(json!("transfer")),
            "Mcp-Method is `tools/list`, the body has `tools/call`",
        ),
        (
            "tools/call",
            "weather",
            call(json!("transfer")),
            "Mcp-Name is `weather`, the body has `transfer`",
        ),
        (
            "tools/call",
            "weather",
            message("tools/call", &json!({"uri": "weather"})),
            "Mcp-Name is `weather`, the body has none",
        ),
        (
            "tools/call",
            "weather",
            message("tools/call", &json!({"arguments": {"name": "weather"}})),
            "Mcp-Name is `weather`, the body has none",
        ),
        (
            "tools/call",
            "weather",
            r#"{"method":"tools/call","name":"weather"}"#.to_owned(),
            "Mcp-Name is `weather`, the body has none",
        ),
        ("tools/call", "7", call(json!(7)), "Mcp-Name is `7`, the body has `a number`"),
        (
            "tools/call",
            "weather",
            call(json!("Weather")),
            "Mcp-Name is `weather`, the body has `Weather`",
        ),
        (
            "tools/call",
            "weather",
            call(json!("weather ")),
            "Mcp-Name is `weather`, the body has `weather `",
        ),
        (
            "tools/call",
            "=?base64?dHJhbnNmZXI=?=",
            call(json!("=?base64?dHJhbnNmZXI=?=")),
            "Mcp-Name is `transfer`, the body has `=?base64?dHJhbnNmZXI=?=`",
        ),
        (
            "resources/read",
            "file:///a",
            message("resources/read", &json!({"uri": "file:///b", "name": "file:///a"})),
            "Mcp-Name is `file:///a`, the body has `file:///b`",
        ),
        (
            "x/rename",
            "a",
            message("x/rename", &json!({"name": "b", "uri": "a"})),
            "Mcp-Name is `a`, the body has `b`",
        ),
        (
            "tools/list",
            "",
            message("tools/list", &json!({"_meta": {VERSION: "2025-11-25"}})),
            "MCP-Protocol-Version is `2026-07-28`, the body has `2025-11-25`",
        ),
        (
            "tools/list",
            "",
            message("tools/list", &json!({"_meta": {VERSION: 20_260_728}})),
            "MCP-Protocol-Version is `2026-07-28`, the body has `a number`",
        ),
    ] {
        assert_eq!(complaint(method, name, &body), expected, "{body}");
    }
}

#[test]
fn what_is_not_one_message_is_refused() {
    let list = r#"{"method":"tools/list"}"#;
    for (body, expected) in [
        (String::new(), "body: not JSON at line 1, column 0"),
        ("{".to_owned(), "body: not JSON at line 1, column 1"),
        (format!("{list}{list}"), "body: not JSON at line 1, column 24"),
        (format!("{list}\n{list}"), "body: not JSON at line 2, column 1"),
        (format!("\u{feff}{list}"), "body: starts with a byte order mark"),
        (format!("[{list}]"), "the body is an array, not an object"),
        ("[]".to_owned(), "the body is an array, not an object"),
        ("null".to_owned(), "the body is null, not an object"),
        ("{}".to_owned(), "`method` is absent, not a string"),
        (r#"{"result":{},"id":1}"#.to_owned(), "`method` is absent, not a string"),
        (r#"{"method":["tools/list"]}"#.to_owned(), "`method` is an array, not a string"),
        (
            r#"{"method":"tools/list","params":[]}"#.to_owned(),
            "`params` is an array, not an object",
        ),
        (r#"{"method":"tools/list","params":null}"#.to_owned(), "`params` is null, not an object"),
        (
            r#"{"method":"tools/list","params":{"_meta":7}}"#.to_owned(),
            "`params._meta` is a number, not an object",
        ),
        (
            r#"{"method":"tools/list",/* */"method":"tools/call"}"#.to_owned(),
            "body: not JSON at line 1, column 24",
        ),
    ] {
        assert_eq!(complaint("tools/list", "", &body), expected, "{body}");
    }
    let found = announced("tools/list", "").check(b"{\"method\":\"tools/list\xff\"}");
    assert_eq!(found, Err(BodyError::Json(JsonError::NotUtf8 { at: 21 })));
    let utf16: Vec<u8> = list.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(announced("tools/list", "").check(&utf16).is_err());
}

#[test]
fn a_member_that_another_reader_takes_for_a_second_one_is_refused() {
    for (body, expected) in [
        (
            r#"{"method":"tools/call","method":"tools/list","params":{"name":"a"}}"#,
            "body: member `method` occurs twice in one object",
        ),
        (
            r#"{"method":"tools/call","\u006dethod":"x","params":{"name":"a"}}"#,
            "body: member `method` occurs twice in one object",
        ),
        (
            r#"{"method":"tools/call","params":{"name":"a","n\u0061me":"b"}}"#,
            "body: member `name` occurs twice in one object",
        ),
        (
            r#"{"method":"tools/call","Method":"tools/list","params":{"name":"a"}}"#,
            "member `Method` can be taken for `method`",
        ),
        (
            r#"{"METHOD":"tools/list","method":"tools/call","params":{"name":"a"}}"#,
            "member `METHOD` can be taken for `method`",
        ),
        (
            r#"{"method":"tools/call","params":{"name":"a"},"param\u017f":{"name":"b"}}"#,
            "member `paramſ` can be taken for `params`",
        ),
        (
            r#"{"method":"tools/call","params":{"name":"a","Name":"b"}}"#,
            "member `Name` can be taken for `name`",
        ),
        (
            r#"{"method":"tools/call","params":{"name":"a","name\u0000":"b"}}"#,
            "member `name\\0` can be taken for `name`",
        ),
        (
            r#"{"method":"tools/call","params":{"name":"a","_META":{}}}"#,
            "member `_META` can be taken for `_meta`",
        ),
    ] {
        assert_eq!(complaint("tools/call", "a", body), expected, "{body}");
    }
    let body = r#"{"method":"tasks/get","params":{"taskId":"a","ta\u017f\u212aID":"b"}}"#;
    assert_eq!(
        complaint("tasks/get", "a", body),
        "member `taſ\u{212a}ID` can be taken for `taskId`"
    );
}

#[test]
fn a_body_is_plain_json_in_utf_8() {
    let json = Field::One(&b"application/json"[..]);
    for (media_type, good) in [
        ("application/json", true),
        ("Application/JSON ; charset=UTF-8", true),
        ("application/json;charset=\"utf-8\"", true),
        ("application/json; charset=utf-7", false),
        ("application/json; charset=utf-16", false),
        ("application/json; charset=utf-8; charset=utf-7", false),
        ("application/json; x=1", false),
        ("application/json; ", false),
        ("application/json, text/plain", false),
        ("application/json-seq", false),
        ("text/json", false),
        ("", false),
    ] {
        let content =
            Content { media_type: Field::One(media_type.as_bytes()), ..Content::default() };
        assert_eq!(content.check().is_ok(), good, "{media_type}");
    }
    for media_type in [Field::Absent, Field::Many, Field::One(b"application/json\xff")] {
        let content = Content { media_type, ..Content::default() };
        assert_eq!(content.check(), Err(BodyError::MediaType));
    }
    for (encoding, good) in [
        (Field::Absent, true),
        (Field::One(&b"identity"[..]), true),
        (Field::One(b"gzip"), false),
        (Field::One(b"identity, gzip"), false),
        (Field::One(b""), false),
        (Field::Many, false),
    ] {
        let content = Content { media_type: json, encoding };
        assert_eq!(content.check().is_ok(), good, "{encoding:?}");
    }
}

#[test]
fn what_is_read_of_a_body_is_limited() {
    let body = |params: String| format!(r#"{{"method":"tools/list","params":{params}}}"#);
    let nested =
        |depth: usize| body(format!(r#"{{"x":{}0{}}}"#, "[".repeat(depth), "]".repeat(depth)));
    assert_eq!(check("tools/list", "", &nested(62)), Ok(()));
    let too_deep = Err(BodyError::Json(JsonError::TooDeep { limit: 64 }));
    assert_eq!(check("tools/list", "", &nested(63)), too_deep);
    assert_eq!(check("tools/list", "", &nested(100_000)), too_deep);
    let list = |count: usize| body(format!(r#"{{"x":[{}]}}"#, vec!["0"; count].join(",")));
    assert_eq!(check("tools/list", "", &list(65_536)), Ok(()));
    let too_many = Err(BodyError::Json(JsonError::TooManyElements { limit: 65_536 }));
    assert_eq!(check("tools/list", "", &list(65_537)), too_many);
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!(r#""{number}":0"#)).collect();
        body(format!("{{{}}}", members.join(",")))
    };
    assert_eq!(check("tools/list", "", &members(4096)), Ok(()));
    let too_many = Err(BodyError::Json(JsonError::TooManyMembers { limit: 4096 }));
    assert_eq!(check("tools/list", "", &members(4097)), too_many);
}
