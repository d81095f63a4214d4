#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::base64url;
use crate::json::{self, Limits};

fn parts(id: &str) -> Result<(&str, &str), SpiffeIdError> {
    SpiffeId::parse(id).map(|id| (id.trust_domain(), id.path()))
}

#[test]
fn an_id_is_read_in_its_only_spelling() {
    for (id, trust_domain, path) in [
        ("spiffe://example.org/agents/research-7", "example.org", "/agents/research-7"),
        ("spiffe://example.org", "example.org", ""),
        ("spiffe://a/A", "a", "/A"),
        ("spiffe://1_2-3.x/a.b_c-D9", "1_2-3.x", "/a.b_c-D9"),
        ("spiffe://x/...", "x", "/..."),
        ("spiffe://10.0.0.1/x", "10.0.0.1", "/x"),
    ] {
        assert_eq!(parts(id), Ok((trust_domain, path)), "{id}");
        assert_eq!(SpiffeId::parse(id).unwrap().as_str(), id);
    }
}

#[test]
fn every_other_spelling_of_an_id_is_refused_for_its_reason() {
    use SpiffeIdError::*;
    let domain = |byte| TrustDomainByte { byte };
    let path = |byte| PathByte { byte };
    for (id, error) in [
        ("", Scheme),
        ("example.org/a", Scheme),
        ("SPIFFE://example.org/a", Scheme),
        ("Spiffe://example.org/a", Scheme),
        ("spiffe:/example.org/a", Scheme),
        (" spiffe://example.org/a", Scheme),
        ("https://example.org/a", Scheme),
        ("spiffe://", NoTrustDomain),
        ("spiffe:///a", NoTrustDomain),
        ("spiffe://Example.org/a", domain(b'E')),
        ("spiffe://user@example.org/a", domain(b'@')),
        ("spiffe://example.org:443/a", domain(b':')),
        ("spiffe://ex%61mple.org/a", domain(b'%')),
        ("spiffe://example.org?a", domain(b'?')),
        ("spiffe://example.org#a", domain(b'#')),
        ("spiffe://ex\u{e4}mple.org/a", domain(0xc3)),
        ("spiffe://[::1]/a", domain(b'[')),
        ("spiffe://example.org/a?b", path(b'?')),
        ("spiffe://example.org/a#b", path(b'#')),
        ("spiffe://example.org/a%2fb", path(b'%')),
        ("spiffe://example.org/a b", path(b' ')),
        ("spiffe://example.org/a\\b", path(b'\\')),
        ("spiffe://example.org/a:b", path(b':')),
        ("spiffe://example.org/\u{430}", path(0xd0)),
        ("spiffe://example.org/a\u{200b}", path(0xe2)),
        ("spiffe://example.org/a\0", path(0)),
        ("spiffe://example.org/", EmptySegment),
        ("spiffe://example.org/a/", EmptySegment),
        ("spiffe://example.org//a", EmptySegment),
        ("spiffe://example.org/a//b", EmptySegment),
        ("spiffe://example.org/.", DotSegment),
        ("spiffe://example.org/a/../b", DotSegment),
        ("spiffe://example.org/a/./b", DotSegment),
        ("spiffe://example.org/..", DotSegment),
    ] {
        assert_eq!(parts(id), Err(error), "{id:?}");
    }
}

#[test]
fn an_id_and_a_trust_domain_have_a_greatest_length() {
    let id = |length: usize| format!("spiffe://a/{}", "b".repeat(length - 11));
    assert!(SpiffeId::parse(&id(MAX_ID_BYTES)).is_ok());
    let length = MAX_ID_BYTES + 1;
    assert_eq!(SpiffeId::parse(&id(length)), Err(SpiffeIdError::TooLong { length }));
    let domain = |length: usize| "d".repeat(length);
    assert!(TrustDomain::parse(&domain(MAX_TRUST_DOMAIN_BYTES)).is_ok());
    let length = MAX_TRUST_DOMAIN_BYTES + 1;
    let error = SpiffeIdError::TrustDomainTooLong { length };
    assert_eq!(TrustDomain::parse(&domain(length)), Err(error));
}

#[test]
fn a_trust_domain_is_a_bare_name_and_owns_only_its_own_ids() {
    let domain = TrustDomain::parse("example.org").unwrap();
    assert_eq!((domain.as_str(), domain.to_string().as_str()), ("example.org", "example.org"));
    for (id, is_owned) in [
        ("spiffe://example.org/a", true),
        ("spiffe://example.org", true),
        ("spiffe://example.org.evil/a", false),
        ("spiffe://sub.example.org/a", false),
        ("spiffe://example.or/a", false),
    ] {
        assert_eq!(domain.owns(&SpiffeId::parse(id).unwrap()), is_owned, "{id}");
    }
    for name in ["", "Example.org", "spiffe://example.org", "example.org/", "a:1"] {
        assert!(TrustDomain::parse(name).is_err(), "{name}");
    }
}

fn header(text: &str) -> Result<(), SvidError> {
    let [header, payload] = [text, "{}"].map(|part| base64url::encode(part.as_bytes()));
    let token = format!("{header}.{payload}.c2lnbmF0dXJl");
    check_header(&Jws::parse(token.as_bytes(), 8192).unwrap())
}

#[test]
fn the_header_of_a_jwt_svid_has_its_algorithms_and_types_and_nothing_else() {
    for algorithm in Algorithm::ALL {
        let found = header(&format!(r#"{{"alg":"{algorithm}","kid":"k","typ":"JWT"}}"#));
        let expected = match algorithm {
            Algorithm::EdDsa => Err(SvidError::Algorithm { algorithm }),
            _ => Ok(()),
        };
        assert_eq!(found, expected);
    }
    for good in [r#"{"alg":"ES256"}"#, r#"{"alg":"ES256","typ":"JOSE"}"#] {
        assert_eq!(header(good), Ok(()));
    }
    let types = ["at+jwt", "jwt", "application/jwt", "wit+jwt", "txntoken+jwt", "secevent+jwt", ""];
    for typ in types {
        let found = header(&format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#));
        assert_eq!(found, Err(SvidError::Type { typ: typ.to_owned() }));
    }
    for member in ["jwk", "jku", "x5u", "x5c", "cty", "nonce", "Kid", "\\u006bid2"] {
        let found = header(&format!(r#"{{"alg":"ES256","{member}":"x"}}"#));
        assert_eq!(found, Err(SvidError::HeaderMember), "{member}");
    }
}

fn svid<T>(payload: &str, see: impl FnOnce(Result<JwtSvid<'_>, SvidError>) -> T) -> T {
    let payload = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
    see(JwtSvid::parse(&payload))
}

const SUB: &str = r#""sub":"spiffe://example.org/agent""#;

#[test]
fn the_claims_of_a_jwt_svid_are_read() {
    let payload = format!(r#"{{{SUB},"aud":["a","b"],"exp":2000,"iat":1000,"jti":"j","x":1}}"#);
    svid(&payload, |svid| {
        let svid = svid.unwrap();
        assert_eq!(svid.id.as_str(), "spiffe://example.org/agent");
        assert_eq!((svid.aud.as_slice(), svid.jti), (&["a", "b"][..], Some("j")));
        let at = UnixTime::from_secs;
        assert_eq!(svid.times, Times { exp: at(2000), iat: Some(at(1000)), nbf: None });
        assert_eq!((svid.issued_at(), svid.is_bound), (Some(at(1000)), false));
        assert!(svid.claim("x").is_some() && svid.claim("y").is_none());
    });
    let payload = format!(r#"{{{SUB},"aud":"a","exp":2000,"cnf":{{"jkt":"x"}}}}"#);
    svid(&payload, |svid| assert!(svid.unwrap().is_bound));
}

#[test]
fn claims_that_are_no_jwt_svids_are_refused() {
    let missing = |claim| SvidError::Claims(ClaimsError::Missing { claim });
    let id = SvidError::Subject;
    for (payload, error) in [
        ("{}".to_owned(), missing("sub")),
        (r#"{"sub":"alice","aud":"a","exp":1}"#.to_owned(), id(SpiffeIdError::Scheme)),
        (
            r#"{"sub":"spiffe://example.org/a/../b","aud":"a","exp":1}"#.to_owned(),
            id(SpiffeIdError::DotSegment),
        ),
        (r#"{"sub":"spiffe://example.org","aud":"a","exp":1}"#.to_owned(), SvidError::NoWorkload),
        (format!(r#"{{{SUB},"exp":1}}"#), missing("aud")),
        (format!(r#"{{{SUB},"aud":"a"}}"#), missing("exp")),
        (
            format!(r#"{{{SUB},"aud":[],"exp":1}}"#),
            SvidError::Claims(ClaimsError::Empty { claim: "aud" }),
        ),
        (
            format!(r#"{{{SUB},"aud":"a","exp":"1"}}"#),
            SvidError::Claims(ClaimsError::WrongType {
                claim: "exp",
                expected: "a number",
                kind: "a string",
            }),
        ),
        (format!(r#"{{{SUB},"aud":"a","exp":1,"events":{{}}}}"#), SvidError::SecurityEventToken),
        ("[]".to_owned(), SvidError::Claims(ClaimsError::NotAnObject { kind: "an array" })),
    ] {
        assert_eq!(svid(&payload, |svid| svid.unwrap_err()), error, "{payload}");
    }
}

#[test]
fn an_svid_is_accepted_only_by_its_own_domain_and_audience() {
    let payload = format!(r#"{{{SUB},"aud":["a","b"],"exp":2000}}"#);
    let domain = |name| TrustDomain::parse(name).unwrap();
    let audiences =
        |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    svid(&payload, |svid| {
        let svid = svid.unwrap();
        assert_eq!(svid.check(&domain("example.org"), &audiences(&["x", "b"])), Ok(()));
        let error = SvidError::ForeignTrustDomain {
            found: "example.org".to_owned(),
            expected: "example.com".to_owned(),
        };
        assert_eq!(svid.check(&domain("example.com"), &audiences(&["b"])), Err(error));
        let error = SvidError::Audience { audience: "a b".to_owned(), expected: "A".to_owned() };
        assert_eq!(svid.check(&domain("example.org"), &audiences(&["A"])), Err(error));
        assert!(svid.check(&domain("example.org"), &[]).is_err());
    });
}

#[test]
fn only_a_well_formed_id_chooses_keys() {
    let peek = |payload: &str| {
        let payload = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
        peek_id(&payload).map(|id| id.trust_domain().to_owned())
    };
    assert_eq!(peek(r#"{"sub":"spiffe://example.org/a"}"#), Some("example.org".to_owned()));
    for payload in [r#"{"sub":"spiffe://example.org:1/a"}"#, r#"{"sub":1}"#, "{}", "[]", "1"] {
        assert_eq!(peek(payload), None, "{payload}");
    }
}
