//! What is read as a token's place, and what is left of it.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn cookie(name: &str) -> Place {
    Place::Cookie { name: name.to_owned(), origins: Vec::new() }
}

fn places() -> Vec<Place> {
    vec![Place::Header("x-iap-jwt".to_owned()), cookie("session"), cookie("__Host-jwt")]
}

fn found<'a>(headers: &[(&str, &'a [u8])]) -> Elsewhere<'a> {
    let mut elsewhere = Elsewhere::default();
    for (name, value) in headers {
        elsewhere.add(&places(), name.as_bytes(), value);
    }
    elsewhere
}

fn cookies(value: &str) -> Elsewhere<'_> {
    found(&[("cookie", value.as_bytes())])
}

/// What is left of one header with cookies without shadows and, if they are withheld, tokens.
fn left(value: &str, is_withheld: bool) -> String {
    let withheld = if is_withheld { places() } else { Vec::new() };
    let left = without([value.as_bytes()], &places(), &withheld);
    String::from_utf8(left).unwrap()
}

#[test]
fn a_cookie_is_found_among_others_and_the_others_stay_as_they_are() {
    for (header, others) in [
        ("session=a.b.c", ""),
        ("session=a.b.c; theme=dark", "theme=dark"),
        ("theme=dark; session=a.b.c", "theme=dark"),
        ("a=\"1 2\"; session=a.b.c; b==; c", "a=\"1 2\"; b==; c"),
        ("a=1;session=a.b.c;b=2", "a=1; b=2"),
        ("mysession=1; session=a.b.c; session2=2; sessio=3", "mysession=1; session2=2; sessio=3"),
        ("a=session; session=a.b.c; b=session=x", "a=session; b=session=x"),
    ] {
        let elsewhere = cookies(header);
        assert_eq!(elsewhere.token(), Some((1, Field::One(b"a.b.c"))), "{header}");
        assert!(elsewhere.has_cookies(&places()) && !elsewhere.has_shadows(), "{header}");
        assert_eq!(left(header, true), others, "{header}");
    }
}

#[test]
fn a_cookie_may_come_in_a_header_of_its_own_and_all_that_is_left_becomes_one() {
    let headers: [&[u8]; 4] = [b"a=1", b"session=x", b"b=2; session=y; c=3", b"d=4"];
    assert_eq!(found(&[("Cookie", headers[1]), ("cookie", headers[0])]).token().unwrap().0, 1);
    let all = headers.map(|value| ("cookie", value));
    assert_eq!(found(&all).token(), Some((1, Field::Many)));
    let places = places();
    assert_eq!(without(headers, &places, &places), b"a=1; b=2; c=3; d=4");
    assert_eq!(without(headers, &places, &[]), b"a=1; session=x; b=2; session=y; c=3; d=4");
}

#[test]
fn two_tokens_are_many_wherever_they_are() {
    let jwt = ("x-iap-jwt", &b"a"[..]);
    for headers in [
        vec![jwt, jwt],
        vec![jwt, ("X-IAP-JWT", b"b")],
        vec![jwt, ("cookie", b"session=a")],
        vec![("cookie", b"session=a; session=a")],
        vec![("cookie", b"session=; session=a")],
        vec![("cookie", b"session=a"), ("cookie", b"session=b")],
        vec![("cookie", b"session=a; __Host-jwt=b")],
    ] {
        let token = found(&headers).token();
        assert!(matches!(token, Some((_, Field::Many))), "{headers:?} {token:?}");
    }
}

#[test]
fn an_empty_value_is_no_token_and_goes_no_further_either() {
    for headers in [[("x-iap-jwt", &b""[..])], [("cookie", b"session=; a=1")]] {
        assert_eq!(found(&headers).token(), None, "{headers:?}");
    }
    assert_eq!(left("session=; a=1", true), "a=1");
    assert_eq!(found(&[("cookie", b"session="), ("x-iap-jwt", b"a")]).token().unwrap().0, 0);
}

#[test]
fn what_some_service_takes_for_the_cookie_is_not_looked_at_and_never_stays() {
    for shadow in [
        "Session=x",
        "SESSION=x",
        "session =x",
        "session\t=x",
        "  session=x",
        "\tsession=x",
        "\u{a0}session=x",
        "\u{2000}session=x",
        "\"session\"=x",
        "session",
        "session[0]=x",
        "session[]=x",
        "a=1, session=x",
        "a=1,SESSION=x",
        "__host-jwt=x",
        "..Host-jwt=x",
        "[_Host-jwt=x",
        "_ Host-jwt=x",
    ] {
        for (header, token) in [
            (shadow.to_owned(), None),
            (format!("session=good; {shadow}"), Some((1, Field::One(&b"good"[..])))),
            (format!("{shadow}; session=good"), Some((1, Field::One(&b"good"[..])))),
        ] {
            let elsewhere = cookies(&header);
            assert_eq!(elsewhere.token(), token, "{header}");
            assert!(elsewhere.has_shadows() && elsewhere.has_cookies(&[]), "{header}");
            let stays = token.map_or("", |_| "session=good");
            assert_eq!(left(&header, false), stays, "{header}");
            assert_eq!(left(&header, true), "", "{header}");
        }
    }
    // Nobody takes these for it.
    for other in
        ["session2=x", "asession=x", "sessio=x", "ses.sion=x", "a=session", "a=\"session\""]
    {
        assert!(!cookies(other).has_shadows(), "{other}");
        assert_eq!(left(other, true), other, "{other}");
    }
}

#[test]
fn a_value_is_taken_as_it_stands_and_no_token_has_quotes_or_blanks() {
    for value in ["\"a.b.c\"", "a.b.c ", " a.b.c", "a b", "a,b", "a=b"] {
        let header = format!("session={value}; a=1");
        assert_eq!(cookies(&header).token(), Some((1, Field::One(value.as_bytes()))), "{header}");
    }
}

#[test]
fn other_spellings_of_a_header_are_its_shadows_and_the_header_itself_is_none() {
    for name in ["x_iap_jwt", "x-iap_jwt", "X_IAP-jwt"] {
        assert!(is_shadow(&places(), name.as_bytes()), "{name}");
        assert_eq!(found(&[(name, b"a")]).token(), None, "{name}");
    }
    for name in ["x-iap-jwt", "X-IAP-JWT", "x.iap.jwt", "x-iap-jwt2", "x_iap", "cookie", ""] {
        assert!(!is_shadow(&places(), name.as_bytes()), "{name}");
    }
}

#[test]
fn what_was_overwritten_is_seen_again_as_it_was() {
    let mut elsewhere = found(&[("x-iap-jwt", b"poison"), ("cookie", b"poison")]);
    elsewhere.replace(&places(), "x-iap-jwt", b"a");
    assert_eq!(elsewhere.token(), Some((0, Field::One(b"a"))));
    elsewhere.replace(&places(), "cookie", b"session=b; session=c");
    assert_eq!(elsewhere.fields().nth(1), Some(Field::Many));
    elsewhere.replace(&places(), "cookie", b"session=b");
    assert_eq!(elsewhere.fields().nth(1), Some(Field::One(b"b")));
}

#[test]
fn a_page_of_another_origin_may_look_and_not_touch() {
    let trusted = [Origin::parse("https://app.example.com").unwrap()];
    for (site, origin, foreign) in [
        ("same-origin", "https://api.example.com", false),
        ("same-origin", "null", false),
        ("none", "", false),
        ("same-site", "https://app.example.com", false),
        ("same-site", "https://other.example.com", true),
        ("cross-site", "https://evil.example", true),
        ("cross-site", "https://api.example.com", true),
        ("cross-site", "", true),
        ("Same-Origin", "", true),
        ("", "https://api.example.com", false),
        ("", "http://API.example.com", false),
        ("", "https://app.example.com", false),
        ("", "http://app.example.com", true),
        ("", "https://app.example.com:8443", true),
        ("", "https://api.example.com:8443", true),
        ("", "https://api.example.com.evil.example", true),
        ("", "https://evil.example", true),
        ("", "api.example.com", true),
        ("", "null", true),
        ("", "", false),
    ] {
        let field = |text: &'static str| match text {
            "" => Field::Absent,
            text => Field::One(text.as_bytes()),
        };
        let request = RequestView {
            host: b"api.example.com",
            origin: field(origin),
            fetch_site: field(site),
            ..RequestView::default()
        };
        for (method, upgrades, safe) in [
            ("GET", false, true),
            ("HEAD", false, true),
            ("OPTIONS", false, true),
            ("GET", true, false),
            ("POST", false, false),
            ("DELETE", false, false),
            ("get", false, false),
            ("", false, false),
        ] {
            let request = RequestView { method: method.as_bytes(), upgrades, ..request };
            let expected = foreign && !safe;
            assert_eq!(is_foreign(&request, &trusted), expected, "{method} {site} {origin}");
        }
        for twice in [
            RequestView { fetch_site: Field::Many, method: b"POST", ..request },
            RequestView {
                origin: Field::Many,
                fetch_site: Field::Absent,
                method: b"POST",
                ..request
            },
        ] {
            let known = origin == "https://app.example.com" && twice.origin != Field::Many;
            assert_eq!(is_foreign(&twice, &trusted), !known, "{site} {origin}");
        }
    }
    let nobodys =
        RequestView { method: b"POST", origin: Field::One(b"https://"), ..RequestView::default() };
    assert!(is_foreign(&nobodys, &[]), "no host is nobody's");
}

#[test]
fn nothing_that_is_printed_holds_a_token() {
    let shown = format!("{:?}", cookies("session=secret"));
    assert!(!shown.contains("secret"), "{shown}");
}
