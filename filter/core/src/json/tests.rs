#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn read(text: &str) -> Result<Value<'_>, JsonError> {
    parse(text.as_bytes(), &Limits::TOKEN)
}

fn duplicate(name: &str) -> JsonError {
    JsonError::DuplicateMember { name: name.to_owned() }
}

#[test]
fn every_kind_of_value_is_read() {
    let value =
        read(r#" {"a":[null,true,-1,1,1.5,"x"],"b":{"c":"\u0064"},"":18446744073709551615} "#);
    let value = value.unwrap();
    let object = value.as_object().unwrap();
    assert_eq!(object.len(), 3);
    assert_eq!(
        object.get("a").unwrap().as_array().unwrap(),
        [
            Value::Null,
            Value::Bool(true),
            Value::Number(Number::Signed(-1)),
            Value::Number(Number::Unsigned(1)),
            Value::Number(Number::Float(1.5)),
            Value::String("x".into()),
        ]
    );
    let nested = object.get("b").and_then(Value::as_object).unwrap();
    assert_eq!(nested.get("c").and_then(Value::as_str), Some("d"));
    assert_eq!(object.get("").and_then(Value::as_u64), Some(u64::MAX));
    assert_eq!(object.get("A"), None);
}

#[test]
fn a_string_without_escapes_is_borrowed() {
    let value = read(r#"["plain","esc\n"]"#).unwrap();
    let [Value::String(plain), Value::String(escaped)] = value.as_array().unwrap() else {
        panic!("two strings: {value:?}");
    };
    assert!(matches!(plain, Cow::Borrowed("plain")));
    assert!(matches!(escaped, Cow::Owned(text) if text == "esc\n"));
}

#[test]
fn a_member_that_occurs_twice_is_refused_at_every_depth() {
    assert_eq!(read(r#"{"sub":"a","sub":"b"}"#), Err(duplicate("sub")));
    assert_eq!(read(r#"{"sub":"a","sub":"a"}"#), Err(duplicate("sub")));
    assert_eq!(read(r#"[[{"a":{"b":1,"c":2,"b":null}}]]"#), Err(duplicate("b")));
    assert_eq!(read(r#"{"":1,"":2}"#), Err(duplicate("")));
}

#[test]
fn a_member_that_occurs_twice_is_found_through_its_escapes() {
    assert_eq!(read(r#"{"sub":1,"\u0073ub":2}"#), Err(duplicate("sub")));
    assert_eq!(read(r#"{"\u0061lg":1,"alg":2}"#), Err(duplicate("alg")));
    assert_eq!(read(r#"{"\/":1,"/":2}"#), Err(duplicate("/")));
}

#[test]
fn names_that_differ_in_case_or_normal_form_are_different() {
    assert_eq!(read(r#"{"exp":1,"Exp":2,"EXP":3}"#).unwrap().as_object().unwrap().len(), 3);
    // é as one code point, and as e with a combining accent.
    assert_eq!(read("{\"\u{e9}\":1,\"e\u{301}\":2}").unwrap().as_object().unwrap().len(), 2);
}

#[test]
fn a_member_that_occurs_twice_is_found_in_objects_of_every_size() {
    for count in 1..=255_usize {
        for repeated in [0, count / 2, count - 1] {
            let mut members: Vec<String> = (0..count).map(|i| format!("\"m{i}\":{i}")).collect();
            members.push(format!("\"m{repeated}\":0"));
            let text = format!("{{{}}}", members.join(","));
            assert_eq!(read(&text), Err(duplicate(&format!("m{repeated}"))), "{count} members");
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    for (bytes, at) in [
        (&b"{\"a\":\"\xff\"}"[..], 6),
        (b"\xc0\xa2a\":1}", 0), // an overlong quotation mark
        (b"[\"\xe0\x80\xaf\"]", 2),
        (b"[\"\xed\xa0\x80\"]", 2),     // a surrogate written as UTF-8
        (b"[\"\xf4\x90\x80\x80\"]", 2), // past U+10FFFF
        (b"\xff\xfe[\0]\0", 0),
    ] {
        assert_eq!(parse(bytes, &Limits::TOKEN), Err(JsonError::NotUtf8 { at }), "{bytes:02x?}");
    }
}

#[test]
fn a_byte_order_mark_is_refused() {
    assert_eq!(read("\u{feff}{}"), Err(JsonError::ByteOrderMark));
    // UTF-16, as .NET once wrote it: not UTF-8, or a zero byte where a member should start.
    assert!(matches!(read("{\0}\0"), Err(JsonError::Syntax { .. })));
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "[1] 2",
        "{}{}",
        "{}\0",
        "nul",
        "NaN",
        "[Infinity]",
        "[+1]",
        "[01]",
        "[.5]",
        "[1.]",
        "[1e]",
        "[0x10]",
        "[1e400]",
        "[-1e999]",
        "// c\n{}",
        "[\"\n\"]",
        "[\"\\x\"]",
        "[\"\\u12\"]",
        "{\"a\"}",
        "{1:2}",
        "{null:1}",
        r#"["\ud800"]"#,
        r#"["\udc00"]"#,
        r#"["\ud800\ud800"]"#,
        r#"{"\ud800":1}"#,
        "\u{a0}{}",
    ] {
        assert!(matches!(read(text), Err(JsonError::Syntax { .. })), "{text:?}: {:?}", read(text));
    }
}

#[test]
fn a_pair_of_surrogates_is_one_character() {
    assert_eq!(read(r#""\ud83d\ude00""#).unwrap().as_str(), Some("\u{1f600}"));
}

#[test]
fn a_number_is_the_one_next_to_what_is_written() {
    // Where an inexact reader is two numbers beside it.
    let value = read("189087169160263792e54").unwrap();
    assert_eq!(value, Value::Number(Number::Float(1.890_871_691_602_637_8e71)));
}

#[test]
fn depth_is_refused_past_the_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(16)).is_ok());
    assert_eq!(read(&nested(17)), Err(JsonError::TooDeep { limit: 16 }));
    assert_eq!(read(&nested(10_000)), Err(JsonError::TooDeep { limit: 16 }));
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(read(&objects(16)).is_ok());
    assert_eq!(read(&objects(17)), Err(JsonError::TooDeep { limit: 16 }));
    assert_eq!(read(&"[".repeat(10_000)), Err(JsonError::TooDeep { limit: 16 }));
}

#[test]
fn members_are_refused_past_the_limit() {
    let object = |count: usize| {
        let members: Vec<String> = (0..count).map(|i| format!("\"m{i}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(read(&object(256)).unwrap().as_object().unwrap().len(), 256);
    assert_eq!(read(&object(257)), Err(JsonError::TooManyMembers { limit: 256 }));
    assert_eq!(read(&object(100_000)), Err(JsonError::TooManyMembers { limit: 256 }));
}

#[test]
fn elements_are_refused_past_the_limit() {
    let array = |count: usize| format!("[{}]", vec!["0"; count].join(","));
    assert_eq!(read(&array(1024)).unwrap().as_array().unwrap().len(), 1024);
    assert_eq!(read(&array(1025)), Err(JsonError::TooManyElements { limit: 1024 }));
}

#[test]
fn messages_show_a_bounded_excerpt_without_control_characters() {
    let name = "\u{7}".repeat(10_000);
    let text = format!("{{\"{0}\":1,\"{0}\":2}}", "\\u0007".repeat(10_000));
    let error = read(&text).unwrap_err();
    assert_eq!(error, duplicate(&excerpt(&name)));
    assert!(error.to_string().len() < 400, "{error}");
    assert!(!error.to_string().contains('\u{7}'));
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, &Limits::TOKEN);
        }

        #[test]
        fn everything_is_read_as_serde_json_reads_it(
            text in prop_oneof![
                r#"[\[\]{}:,"a-c0-9.\\ue+ \t-]{0,40}"#,
                r#"-?[0-9]{0,21}(\.[0-9]{0,3})?([eE][+-]?[0-9]{0,3})?"#,
                r#""(\\(u[0-9a-fA-Fx+]{4}|["\\/bfnrtx])|ud[89abcdef]00|[a-é\n]){0,4}""#,
            ],
        ) {
            if let Ok(Value::Number(Number::Float(value))) = read(&text) {
                prop_assert_eq!(text.trim().parse(), Ok(value));
            }
            match (read(&text), serde_json::from_str::<serde_json::Value>(&text)) {
                (Ok(value), Ok(expected)) => prop_assert!(agrees(&value, &expected), "{text:?}: {value:?}"),
                // Of these, serde_json keeps the last.
                (Err(JsonError::DuplicateMember { .. } | JsonError::TooDeep { .. }), _) => {}
                (ours, theirs) => prop_assert!(
                    ours.is_ok() == theirs.is_ok(), "{text:?}: {ours:?}, {theirs:?}"
                ),
            }
        }
    }

    fn agrees(value: &Value<'_>, expected: &serde_json::Value) -> bool {
        use serde_json::Value as Expected;
        match (value, expected) {
            (Value::Null, Expected::Null) => true,
            (Value::Bool(value), Expected::Bool(expected)) => value == expected,
            (Value::String(value), Expected::String(expected)) => value == expected,
            (Value::Number(Number::Unsigned(value)), expected) => expected.as_u64() == Some(*value),
            (Value::Number(Number::Signed(value)), expected) => expected.as_i64() == Some(*value),
            (Value::Number(Number::Float(value)), Expected::Number(expected)) => {
                // serde_json rounds the digits, one or two powers of ten and what it makes of them: five times at
                // most, each by half of a last place. What is exact is compared with Rust's own reading.
                expected.is_f64()
                    && expected
                        .as_f64()
                        .is_some_and(|expected| value.to_bits().abs_diff(expected.to_bits()) <= 5)
            }
            (Value::Array(values), Expected::Array(expected)) => {
                values.len() == expected.len()
                    && values.iter().zip(expected).all(|(value, expected)| agrees(value, expected))
            }
            (Value::Object(object), Expected::Object(expected)) => {
                object.len() == expected.len()
                    && object.iter().all(|(name, value)| {
                        expected.get(name).is_some_and(|expected| agrees(value, expected))
                    })
            }
            _ => false,
        }
    }
}
