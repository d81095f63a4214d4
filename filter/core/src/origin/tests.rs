#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn origins() -> [Origin; 2] {
    ["https://api.example.com", "http://[::1]:8080"].map(|text| Origin::parse(text).unwrap())
}

fn names(uri: &str, path: &str) -> Result<bool, UriProblem> {
    names_target(uri, &origins(), path.as_bytes())
}

#[test]
fn an_address_is_compared_in_normal_form() {
    for (uri, path) in [
        ("https://api.example.com/a", "/a"),
        ("HTTPS://API.Example.COM/a", "/a"),
        ("https://api.example.com:443/a", "/a"),
        ("https://api.example.com:/a", "/a"),
        ("https://api.example.com", "/"),
        ("https://api.example.com/", "/"),
        ("https://api.example.com?x", "/"),
        ("https://api.example.com/%61/%c3%a9", "/a/%C3%A9"),
        ("https://api.example.com/a", "/%61"),
        ("https://api.example.com/a?b=c", "/a"),
        ("https://api.example.com/a?b=//../@", "/a"),
        ("https://api.example.com/a#b", "/a"),
        ("https://api.example.com/a;v=1", "/a;v=1"),
        ("http://[::1]:8080/a", "/a"),
    ] {
        assert_eq!(names(uri, path), Ok(true), "{uri} {path}");
    }
}

#[test]
fn another_place_is_another_place() {
    for (uri, path) in [
        ("https://api.example.com/a", "/b"),
        ("https://api.example.com/a", "/a/"),
        ("https://api.example.com/a", "/A"),
        ("https://api.example.com/a", "/a;v=1"),
        ("https://api.example.com/a%3Ab", "/a:b"),
        ("http://api.example.com/a", "/a"),
        ("https://api.example.com:444/a", "/a"),
        ("https://api.example.com:80/a", "/a"),
        ("https://api.example.com./a", "/a"),
        ("https://example.com/a", "/a"),
        ("https://api.example.com.evil.example/a", "/a"),
        ("http://[::1]/a", "/a"),
        ("http://[0:0:0:0:0:0:0:1]:8080/a", "/a"),
    ] {
        assert_eq!(names(uri, path), Ok(false), "{uri} {path}");
    }
    // What the request itself leaves open is nobody's address.
    assert_eq!(names("https://api.example.com/a", "/b/../a"), Ok(false));
}

#[test]
fn an_address_that_can_be_read_in_two_ways_is_refused() {
    use UriProblem::*;
    for (uri, problem) in [
        ("", Scheme),
        ("/a", Scheme),
        ("api.example.com/a", Scheme),
        ("//api.example.com/a", Scheme),
        ("https:/api.example.com/a", Scheme),
        ("https:api.example.com/a", Scheme),
        ("ftp://api.example.com/a", Scheme),
        (" https://api.example.com/a", Scheme),
        ("https ://api.example.com/a", Scheme),
        ("https://api.example.com@evil.example/a", UserInfo),
        ("https://evil.example@api.example.com/a", UserInfo),
        ("https://a:b@api.example.com/a", UserInfo),
        ("https:///a", Host),
        ("https://", Host),
        ("https://:443/a", Host),
        ("https://api%2eexample.com/a", Host),
        ("https://api.example.com\\a", Host),
        ("https://api.example.com /a", Host),
        ("https://api.exämple.com/a", Host),
        ("https://api.example.com,evil/a", Host),
        ("https://[::1/a", Host),
        ("https://[]/a", Host),
        ("https://[::1]x/a", Host),
        ("https://[fe80::1%25eth0]/a", Host),
        ("https://api.example.com:0443/a", Port),
        ("https://api.example.com:0/a", Port),
        ("https://api.example.com:+443/a", Port),
        ("https://api.example.com:65536/a", Port),
        ("https://api.example.com:443:443/a", Port),
        ("https://api.example.com:https/a", Port),
        ("https://api.example.com/a/../b", Path(PathProblem::DotSegment)),
        ("https://api.example.com/./a", Path(PathProblem::DotSegment)),
        ("https://api.example.com//a", Path(PathProblem::EmptySegment)),
        ("https://api.example.com/a%2fb", Path(PathProblem::ForbiddenEscape { byte: b'/' })),
        ("https://api.example.com/a%2e", Path(PathProblem::ForbiddenEscape { byte: b'.' })),
        ("https://api.example.com/a\\b", Path(PathProblem::Backslash)),
        ("https://api.example.com/a%", Path(PathProblem::MalformedEscape)),
        ("https://api.example.com/a b", Path(PathProblem::ForbiddenByte { byte: b' ' })),
    ] {
        assert_eq!(names(uri, "/a"), Err(problem), "{uri}");
    }
}

#[test]
fn the_longest_address_is_read_and_one_byte_more_is_not() {
    let path = format!("/{}", "a".repeat(MAX_URI_BYTES - "https://api.example.com/".len()));
    let uri = format!("https://api.example.com{path}");
    assert_eq!(names(&uri, &path), Ok(true));
    let problem = UriProblem::TooLong { length: MAX_URI_BYTES + 1 };
    assert_eq!(names(&format!("{uri}a"), &path), Err(problem));
}

#[test]
fn an_origin_in_a_configuration_is_an_origin_only() {
    for (text, normal) in [
        ("https://API.example.com:443", "https://api.example.com"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("http://api.example.com:80", "http://api.example.com"),
        ("http://api.example.com:443", "http://api.example.com:443"),
    ] {
        assert_eq!(Origin::parse(text).unwrap().as_str(), normal);
    }
    for text in
        ["https://api.example.com/", "https://api.example.com/a", "https://a?b", "https://a#"]
    {
        assert_eq!(Origin::parse(text), Err(UriProblem::NotAnOrigin), "{text}");
    }
}
