#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::base64url;
use crate::json::{self, Limits};

const GOOD: &str = r#"{"iat":1000,"exp":1300,"aud":"trust.example","txn":"t1","sub":"alice",
    "scope":"trade.stocks","req_wl":"apigateway.trust.example","iss":"https://tts.example",
    "tctx":{"ticker":"MSFT","n":[1]},"rctx":{"req_ip":"69.1.1.1"},"jti":"j",
    "act":{"sub":"agent-7","act":{"sub":"planner"}}}"#;

fn with<T>(payload: &str, see: impl FnOnce(Result<TxnToken<'_>, TxnTokenError>) -> T) -> T {
    let payload = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
    see(TxnToken::parse(&payload, "https://service"))
}

/// The good claims with `claim` replaced by `value`, or removed.
fn changed(claim: &str, value: Option<&str>) -> String {
    let mut claims: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(GOOD).unwrap();
    claims.remove(claim);
    if let Some(value) = value {
        claims.insert(claim.to_owned(), serde_json::from_str(value).unwrap());
    }
    serde_json::Value::Object(claims).to_string()
}

fn refusal(claim: &str, value: Option<&str>) -> TxnTokenError {
    with(&changed(claim, value), |token| token.unwrap_err())
}

const RULES: TxnTokenRules<'static> = TxnTokenRules {
    trust_domain: "trust.example",
    issuer: None,
    lifetime: LifetimeRules { leeway: Duration::from_secs(30), max_lifetime: DEFAULT_MAX_LIFETIME },
};

#[test]
fn the_claims_of_a_txn_token_are_read() {
    with(GOOD, |token| {
        let token = token.unwrap();
        assert_eq!((token.aud, token.txn, token.sub), ("trust.example", "t1", "alice"));
        assert_eq!(token.req_wl, "apigateway.trust.example");
        let claims = &token.claims;
        assert_eq!((claims.scope.as_slice(), claims.jti), (&["trade.stocks"][..], Some("j")));
        assert_eq!(claims.iss, "https://service");
        assert_eq!(token.iss, Some("https://tts.example"));
        assert!(token.tctx.unwrap().contains("ticker") && token.rctx.unwrap().contains("req_ip"));
        let names: Vec<&str> = token.claims.act.iter().map(|actor| actor.sub).collect();
        assert_eq!(names, ["agent-7", "planner"]);
        assert_eq!((token.iat, token.times.exp.secs()), (UnixTime::from_secs(1000), 1300));
        assert_eq!(token.check(&RULES, UnixTime::from_secs(1000)), Ok(()));
        assert!(!format!("{token:?}").contains("alice"));
    });
}

#[test]
fn every_required_claim_is_required_and_iss_contexts_and_actors_are_not() {
    for claim in ["iat", "exp", "aud", "txn", "sub", "scope", "req_wl"] {
        let name = ["iat", "exp", "aud", "txn", "sub", "scope", "req_wl"]
            .into_iter()
            .find(|name| *name == claim)
            .unwrap();
        let missing = TxnTokenError::Claims(ClaimsError::Missing { claim: name });
        assert_eq!(refusal(claim, None), missing);
    }
    for claim in ["iss", "tctx", "rctx", "act", "jti"] {
        assert!(with(&changed(claim, None), |token| token.is_ok()), "{claim}");
    }
}

#[test]
fn claims_of_another_type_or_empty_are_refused() {
    for (claim, value) in [
        ("iat", "\"1000\""),
        ("iat", "-1"),
        ("iat", "null"),
        ("exp", "[1300]"),
        ("exp", "1e300"),
        ("aud", "{}"),
        ("aud", "[]"),
        ("aud", "\"\""),
        ("txn", "\"\""),
        ("txn", "7"),
        ("sub", "\"\""),
        ("sub", "{\"format\":\"email\"}"),
        ("scope", "[\"a\"]"),
        ("scope", "\"\""),
        ("scope", "\"  \""),
        ("req_wl", "[\"a\"]"),
        ("req_wl", "{}"),
        ("tctx", "\"text\""),
        ("tctx", "null"),
        ("rctx", "[]"),
        ("iss", "1"),
        ("act", "\"agent\""),
        ("act", "{\"iss\":\"i\"}"),
    ] {
        let error = refusal(claim, Some(value));
        assert!(matches!(error, TxnTokenError::Claims(_)), "{claim} = {value}: {error}");
    }
    let event = refusal("events", Some("{}"));
    assert_eq!(event, TxnTokenError::SecurityEventToken);
}

#[test]
fn a_chain_of_actors_has_a_greatest_depth() {
    let chain = |depth: usize| {
        let inner = "{\"sub\":\"a\"".to_owned() + &",\"act\":{\"sub\":\"a\"".repeat(depth - 1);
        inner + &"}".repeat(depth)
    };
    let good = with(&changed("act", Some(&chain(8))), |token| token.unwrap().claims.act.len());
    assert_eq!(good, 8);
    let error = refusal("act", Some(&chain(9)));
    assert_eq!(error, TxnTokenError::Claims(ClaimsError::TooManyActors));
}

#[test]
fn a_txn_token_is_for_exactly_one_trust_domain() {
    let one = changed("aud", Some(r#"["trust.example"]"#));
    assert!(with(&one, |token| token.unwrap().check(&RULES, UnixTime::from_secs(1000)).is_ok()));
    let two = refusal("aud", Some(r#"["trust.example","other.example"]"#));
    assert_eq!(two, TxnTokenError::SeveralAudiences { count: 2 });
    for other in ["Trust.example", "trust.example/", "https://trust.example", "example"] {
        let payload = changed("aud", Some(&format!("\"{other}\"")));
        let error = TxnTokenError::Audience {
            audience: other.to_owned(),
            expected: "trust.example".to_owned(),
        };
        let found = with(&payload, |token| token.unwrap().check(&RULES, UnixTime::from_secs(1000)));
        assert_eq!(found, Err(error));
    }
}

#[test]
fn an_issuer_is_compared_only_if_both_sides_name_one() {
    let at = UnixTime::from_secs(1000);
    let rules = TxnTokenRules { issuer: Some("https://tts.example"), ..RULES };
    assert_eq!(with(GOOD, |token| token.unwrap().check(&rules, at)), Ok(()));
    let without = changed("iss", None);
    assert_eq!(with(&without, |token| token.unwrap().check(&rules, at)), Ok(()));
    let other = TxnTokenRules { issuer: Some("https://tts.example/"), ..RULES };
    let error = TxnTokenError::Issuer {
        issuer: "https://tts.example".to_owned(),
        expected: "https://tts.example/".to_owned(),
    };
    assert_eq!(with(GOOD, |token| token.unwrap().check(&other, at)), Err(error));
}

#[test]
fn a_txn_token_is_good_for_minutes_only() {
    let check = |payload: &str, now| {
        with(payload, |token| token.unwrap().check(&RULES, UnixTime::from_secs(now)).is_ok())
    };
    for (now, is_good) in [(969, false), (970, true), (1329, true), (1330, false)] {
        assert_eq!(check(GOOD, now), is_good, "{now}");
    }
    assert!(!check(&changed("exp", Some("1301")), 1000), "lives 301 s");
    assert!(!check(&changed("nbf", Some("1100")), 1000));
}

#[test]
fn only_the_type_of_a_txn_token_is_one() {
    let header = |header: &str| {
        let [header, payload] = [header, "{}"].map(|part| base64url::encode(part.as_bytes()));
        let token = format!("{header}.{payload}.c2lnbmF0dXJl");
        check_header(&Jws::parse(token.as_bytes(), 8192).unwrap())
    };
    for typ in ["txntoken+jwt", "TxnToken+JWT", "application/txntoken+jwt"] {
        assert_eq!(header(&format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#)), Ok(()));
    }
    let none = TxnTokenError::Type { typ: None };
    assert_eq!(none.to_string(), "typ is missing, a Txn-Token has `txntoken+jwt`");
    assert_eq!(header(r#"{"alg":"ES256"}"#), Err(none));
    let others = ["JWT", "at+jwt", "txn_token", "wit+jwt", "dpop+jwt", "secevent+jwt", "JOSE"];
    for typ in others {
        let error = TxnTokenError::Type { typ: Some(typ.to_owned()) };
        assert_eq!(header(&format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#)), Err(error));
    }
}
