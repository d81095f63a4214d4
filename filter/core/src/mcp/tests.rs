#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn headers<'a>(version: &'a str, method: &'a str, name: &'a str) -> McpHeaders<'a> {
    let field = |value: &'a str| match value {
        "" => Field::Absent,
        value => Field::One(value.as_bytes()),
    };
    McpHeaders { protocol_version: field(version), method: field(method), name: field(name) }
}

#[test]
fn a_request_of_the_newest_version_says_what_it_does() {
    for (method, name, read) in [
        ("tools/call", "get_weather", Some("get_weather")),
        ("tools/call", "=?base64?SGVsbG8sIOS4lueVjA==?=", Some("Hello, 世界")),
        ("resources/read", "file:///a b", Some("file:///a b")),
        ("prompts/get", "p", Some("p")),
        ("tools/list", "", None),
        ("notifications/initialized", "", None),
    ] {
        let found = McpRequest::parse(&headers("2026-07-28", method, name)).unwrap();
        assert_eq!((found.method, found.name.as_deref()), (Some(method), read), "{method}");
        assert_eq!(found.version, Version::V2026_07_28);
    }
}

#[test]
fn what_the_newest_version_needs_is_needed() {
    let missing = |header| McpError::Missing { header };
    for (method, name, error) in [
        ("", "get_weather", missing("Mcp-Method")),
        ("tools/call", "", missing("Mcp-Name")),
        ("prompts/get", "", missing("Mcp-Name")),
        ("resources/read", "", missing("Mcp-Name")),
        ("tools/call ", "a", McpError::MalformedMethod),
        ("tools\\call", "a", McpError::MalformedMethod),
        ("=?base64?dG9vbHMvY2FsbA==?=", "a", McpError::MalformedMethod),
        ("tools/c\u{e4}ll", "a", McpError::MalformedMethod),
    ] {
        let found = McpRequest::parse(&headers("2026-07-28", method, name));
        assert_eq!(found, Err(error), "{method:?} {name:?}");
    }
    let long = |length| "m".repeat(length);
    assert!(McpRequest::parse(&headers("2026-07-28", &long(MAX_METHOD_BYTES), "")).is_ok());
    let method = long(MAX_METHOD_BYTES + 1);
    let found = McpRequest::parse(&headers("2026-07-28", &method, ""));
    assert_eq!(found, Err(McpError::MalformedMethod));
}

#[test]
fn of_an_older_version_nothing_is_known_whatever_its_headers_say() {
    for version in ["", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let found = McpRequest::parse(&headers(version, "tools/list", "x")).unwrap();
        assert_eq!((found.method, found.name), (None, None), "{version}");
        assert!(!found.version.has_routing_headers());
    }
    for version in ["2026-07-29", "2025-11-25 ", "draft", "2026-07-28, 2025-11-25"] {
        let error = McpError::UnknownVersion { version: version.to_owned() };
        assert_eq!(McpRequest::parse(&headers(version, "a", "b")), Err(error));
    }
}

#[test]
fn a_header_that_was_sent_twice_is_refused() {
    let good = headers("2026-07-28", "tools/call", "a");
    for (headers, header) in [
        (McpHeaders { protocol_version: Field::Many, ..good }, "MCP-Protocol-Version"),
        (McpHeaders { method: Field::Many, ..good }, "Mcp-Method"),
        (McpHeaders { name: Field::Many, ..good }, "Mcp-Name"),
    ] {
        assert_eq!(McpRequest::parse(&headers), Err(McpError::Several { header }));
    }
}

fn decoded(value: &[u8]) -> Result<String, McpError> {
    name(value).map(Cow::into_owned)
}

#[test]
fn a_name_is_plain_or_in_base64_and_never_doubtful() {
    for (value, read) in [
        ("us-west1", "us-west1"),
        ("two words", "two words"),
        ("a?=", "a?="),
        ("=?utf-8?q?a?=", "=?utf-8?q?a?="),
        ("=?base64", "=?base64"),
        ("=?base64?IHBhZGRlZCA=?=", " padded "),
        ("=?base64?bGluZTEKbGluZTI=?=", "line1\nline2"),
        // A name that looks encoded is encoded once more, and decoded once only.
        ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?="),
    ] {
        assert_eq!(decoded(value.as_bytes()), Ok(read.to_owned()), "{value}");
        assert_eq!(decoded(encoded_name(read).as_bytes()), Ok(read.to_owned()), "{value}");
    }
    for value in [
        "=?base64?YQ?=",
        "=?base64?YQ=?=",
        "=?base64?YR==?=",
        "=?base64?YQ==",
        "=?base64?YQ==?=x",
        "=?base64?YQ==?= ",
        "=?base64??=",
        "=?base64?=",
        "=?base64?",
        "=?base64?%%%?=",
        "=?base64?_-_-?=",
        "=?base64?Y Q==?=",
        "=?base64?//8=?=",
        "=?BASE64?YQ==?=",
        "=?Base64?YQ==?=",
    ] {
        assert_eq!(decoded(value.as_bytes()), Err(McpError::MalformedName), "{value}");
    }
    for value in ["", " a", "a ", "a\tb", "a\nb", "a\0", "caf\u{e9}"] {
        assert_eq!(decoded(value.as_bytes()), Err(McpError::RawName), "{value:?}");
    }
    assert_eq!(decoded(b"a\xff"), Err(McpError::RawName));
}

#[test]
fn a_name_has_a_greatest_length_in_both_forms() {
    let plain = |length: usize| "n".repeat(length);
    let encoded = |length: usize| format!("=?base64?{}?=", STANDARD.encode(plain(length)));
    let length = MAX_NAME_BYTES + 1;
    for form in
        [plain, |length: usize| format!("=?base64?{}?=", STANDARD.encode("n".repeat(length)))]
    {
        assert!(decoded(form(MAX_NAME_BYTES).as_bytes()).is_ok());
        let found = decoded(form(length).as_bytes());
        assert_eq!(found, Err(McpError::NameTooLong { length }));
    }
    let found = decoded(encoded(1024 * 1024).as_bytes());
    assert!(matches!(found, Err(McpError::NameTooLong { .. })), "{found:?}");
}

#[test]
fn only_pages_that_are_allowed_may_call() {
    let allowed = ["https://app.example".to_owned(), "null".to_owned()];
    for (origin, may) in [
        (Field::Absent, true),
        (Field::One(&b"https://app.example"[..]), true),
        (Field::One(b"https://app.example:443"), false),
        (Field::One(b"http://app.example"), false),
        (Field::One(b"https://app.example.evil"), false),
        (Field::One(b"null"), false),
        (Field::One(b""), false),
        (Field::Many, false),
    ] {
        assert_eq!(may_call(origin, &allowed), may);
    }
    assert!(!may_call(Field::One(b"https://app.example"), &[]));
}

#[test]
fn a_header_counts_in_any_case_and_with_underscores() {
    let read = |headers: &[(&str, &'static str)]| {
        let mut read = McpHeaders::default();
        for (name, value) in headers {
            read.add(name.as_bytes(), value.as_bytes());
        }
        McpRequest::parse(&read).map(|read| read.name.map(Cow::into_owned))
    };
    let good =
        [("MCP-Protocol-Version", "2026-07-28"), ("mcp-method", "tools/call"), ("Mcp-Name", "a")];
    assert_eq!(read(&good), Ok(Some("a".to_owned())));
    let found = |headers: &[(&str, &'static str)]| {
        let field = |wanted: &str| {
            let of_name = |header: &&(&str, &'static str)| header.0.eq_ignore_ascii_case(wanted);
            let values = headers.iter().filter(of_name).map(|(_, value)| value.as_bytes());
            values.fold(Field::Absent, |field, value| field.joined(Field::One(value)))
        };
        McpRequest::parse(&McpHeaders::find(field)).map(|read| read.name.map(Cow::into_owned))
    };
    assert_eq!(found(&good), Ok(Some("a".to_owned())));
    // A server that takes one for the other would call b.
    for (name, header) in [
        ("mcp_name", "Mcp-Name"),
        ("Mcp_Name", "Mcp-Name"),
        ("mcp_method", "Mcp-Method"),
        ("mcp-protocol_version", "MCP-Protocol-Version"),
    ] {
        let twice = [good.as_slice(), &[(name, "b")]].concat();
        assert_eq!(read(&twice), Err(McpError::Several { header }), "{name}");
        assert_eq!(found(&twice), Err(McpError::Several { header }), "{name}");
    }
    let others = [good.as_slice(), &[("mcp-names", "b"), ("xmcp-name", "b"), ("mcp.name", "b")]];
    assert_eq!(read(&others.concat()), Ok(Some("a".to_owned())));
}
