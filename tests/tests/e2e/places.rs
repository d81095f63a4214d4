//! Tokens in a cookie or in a header of a proxy in front: taken from there and from nowhere else, and not passed on.

use rescind_e2e::envoy::Envoy;
use rescind_e2e::h2;
use rescind_e2e::http::{Message, Request};
use rescind_e2e::issuer::Issuer;
use rescind_e2e::process::Folder;
use rescind_e2e::site::{ISSUER, Site};
use rescind_e2e::wait;
use serde_json::{Value, json};

const HEADER: &str = "x-goog-iap-jwt-assertion";

/// A gateway with three issuers: one's tokens are in a cookie, one's in a header, one's in `Authorization`.
struct Front {
    site: Site,
    envoy: Envoy,
    _folder: Folder,
    proxy: Issuer,
    api: Issuer,
}

impl Front {
    fn start() -> Self {
        let site = Site::start();
        let proxy = Issuer::start("https://iap.example.com", "ES256");
        let api = Issuer::start("https://api-clients.example.com", "ES256");
        let mut bootstrap = site.bootstrap.clone();
        let issuers = bootstrap.filter["issuers"].as_array_mut().expect("an array");
        for (issuer, place) in [(&proxy, Some(json!({ "header": HEADER }))), (&api, None)] {
            let mut section = issuers[0].clone();
            section["issuer"] = json!(issuer.name);
            section["keys"] = json!({ "inline": issuer.key_set() });
            if let Some(place) = place {
                section["token_from"] = place;
            }
            issuers.push(section);
        }
        issuers[0]["token_from"] =
            json!({ "cookie": "session", "origins": ["https://www.example.com"] });
        let folder = Folder::new();
        let envoy = Envoy::start(&bootstrap, folder.path());
        let front = Self { site, envoy, _folder: folder, proxy, api };
        let token = front.api.token("warm-up");
        wait::until_true("the gateway to synchronize", wait::SOON, || {
            front.envoy.get("/orders", &token) == 200
        });
        front
    }

    fn session(&self, sub: &str) -> String {
        format!("session={}", self.site.issuer.token(sub))
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Message {
        let request = Request::get(path);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        self.envoy.send(&request)
    }
}

/// All values of a header that the service saw.
fn seen(message: &Message, name: &str) -> Vec<Value> {
    assert_eq!(message.status(), 200, "{}", message.text());
    let said = message.json();
    let headers = said["headers"].as_array().expect("the headers that the service saw");
    let named = headers.iter().filter(|header| header[0] == name);
    named.map(|header| header[1].clone()).collect()
}

#[test]
fn a_token_in_a_cookie_passes_is_not_passed_on_and_ends_with_its_revocation() {
    let front = Front::start();
    let session = front.session("alice");
    let token = session.strip_prefix("session=").expect("a cookie");
    for (cookies, left) in [
        (vec![session.clone()], vec![]),
        (vec![format!("theme=dark; {session}; a=\"b c\"")], vec!["theme=dark; a=\"b c\""]),
        (vec!["theme=dark".to_owned(), format!("{session}; lang=de")], vec!["theme=dark; lang=de"]),
        (vec![format!("{session}; Session=forged; session =forged; b=1")], vec!["b=1"]),
    ] {
        for round in ["new", "known"] {
            let headers: Vec<_> = cookies.iter().map(|value| ("cookie", value.as_str())).collect();
            let passed = front.get("/orders", &headers);
            assert_eq!(seen(&passed, "cookie"), left, "{headers:?} {round}");
            assert_eq!(seen(&passed, "x-rescind-subject"), ["alice"]);
            assert!(!passed.text().contains(token) && !passed.text().contains("forged"));
        }
    }
    // HTTP/2 may send each cookie by itself (RFC 9113 §8.2.3).
    let over_http_2 = |cookies: &[&str]| {
        let start = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "api.example.com"),
            (":path", "/orders"),
        ];
        let cookies = cookies.iter().map(|value| ("cookie", *value));
        let fields: Vec<_> = start.into_iter().chain(cookies).collect();
        let fields: Vec<(&[u8], &[u8])> =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let served = front.site.upstream.served();
        let end = h2::send(front.envoy.port, &fields).expect("envoy listens");
        (end, front.site.upstream.served() > served)
    };
    assert_eq!(over_http_2(&["theme=dark", &session, "a=1"]), (h2::End::Answered, true));
    assert!(!over_http_2(&["theme=dark", &session, &session]).1, "two of them");
    // On a public route nobody looks, as with Authorization.
    assert_eq!(seen(&front.get("/public", &[("cookie", "session=x")]), "cookie"), ["session=x"]);

    front.site.transmitter.revoke(front.site.companion.port, ISSUER, "alice");
    wait::until_true("the revocation to arrive", wait::SOON, || {
        front.get("/orders", &[("cookie", &session)]).status() == 401
    });
    let refused = front.get("/orders", &[("cookie", &session)]);
    assert!(refused.header("www-authenticate").is_some_and(|it| it.contains("invalid_token")));
}

#[test]
fn a_token_counts_in_its_issuers_place_and_in_no_other_and_a_request_has_one() {
    let front = Front::start();
    let tokens =
        [front.site.issuer.token("alice"), front.proxy.token("bob"), front.api.token("carol")];
    let [of_cookie, of_proxy, of_api] = &tokens;
    let places = [("cookie", "session="), (HEADER, ""), ("authorization", "Bearer ")];
    for _ in ["new", "known"] {
        for (owner, token) in tokens.iter().enumerate() {
            for (index, (name, before)) in places.iter().enumerate() {
                let answer = front.get("/orders", &[(*name, &format!("{before}{token}"))]);
                let expected = if index == owner { 200 } else { 401 };
                assert_eq!(answer.status(), expected, "the token of {owner} in {name}");
                if index == owner {
                    assert!(!answer.text().contains(token), "{name} reached the service");
                }
            }
        }
    }
    // Two rounds of three tokens, each in two wrong places.
    front.envoy.metric_reaches("rescind_denied_wrong_place", 12);
    let (cookie, bearer) = (format!("session={of_cookie}"), format!("Bearer {of_api}"));
    let served = front.site.upstream.served();
    for (headers, status) in [
        (vec![("cookie", cookie.as_str()), ("authorization", &bearer)], 400),
        (vec![(HEADER, of_proxy.as_str()), ("authorization", &bearer)], 400),
        (vec![(HEADER, of_proxy), ("cookie", &cookie)], 400),
        (vec![(HEADER, of_proxy), (HEADER, of_proxy)], 400),
        (vec![("cookie", &cookie), ("cookie", &cookie)], 400),
        (vec![("cookie", &format!("session=\"{of_cookie}\""))], 400),
        (vec![("X_Goog_Iap_Jwt_Assertion", of_proxy)], 401),
        (vec![("cookie", &format!("Session={of_cookie}"))], 401),
    ] {
        assert_eq!(front.get("/orders", &headers).status(), status, "{headers:?}");
    }
    let in_query = front.get(&format!("/orders?access_token={of_cookie}"), &[("cookie", &cookie)]);
    assert_eq!(in_query.status(), 400);
    assert_eq!(front.site.upstream.served(), served, "none of them reached the service");
    let beside = [("authorization", bearer.as_str()), ("X_Goog_Iap_Jwt_Assertion", "forged")];
    assert!(!front.get("/orders", &beside).text().contains("forged"));
}

#[test]
fn a_page_of_another_origin_cannot_use_a_users_cookie_to_change_anything_or_to_open_a_socket() {
    let front = Front::start();
    let session = front.session("alice");
    let send = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let request =
            Request::new(method, path).header("host", "api.example.com").header("cookie", &session);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        front.envoy.send(&request).status()
    };
    let evil = ("origin", "https://evil.example");
    let cross_site = ("sec-fetch-site", "cross-site");
    let socket = [("upgrade", "websocket"), ("connection", "upgrade"), evil];
    let served = front.site.upstream.served();
    for (method, path, headers) in [
        ("POST", "/orders", &[evil, cross_site][..]),
        ("POST", "/orders", &[evil]),
        ("POST", "/orders", &[("origin", "null")]),
        ("DELETE", "/orders", &[cross_site]),
        ("GET", "/socket", &socket),
    ] {
        assert_eq!(send(method, path, headers), 403, "{method} {headers:?}");
    }
    assert_eq!(front.site.upstream.served(), served);
    for (method, headers) in [
        ("GET", &[evil, cross_site][..]),
        ("POST", &[]),
        ("POST", &[("sec-fetch-site", "same-origin")]),
        ("POST", &[("origin", "https://api.example.com")]),
        ("POST", &[("origin", "https://www.example.com"), ("sec-fetch-site", "same-site")]),
    ] {
        assert_eq!(send(method, "/orders", headers), 200, "{method} {headers:?}");
    }
}
