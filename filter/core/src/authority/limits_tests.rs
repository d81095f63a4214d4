//! What each limit lets through, and what not.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::json;

const A: &str = "https://a.example";

fn subject(text: &str) -> Subject {
    Subject::parse(&json::parse(text.as_bytes(), &json::Limits::TOKEN).unwrap()).unwrap()
}

fn list(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

fn outcome(limits: Limits, text: &str) -> Result<usize, AuthorityError> {
    let authority = Authority { issuers: vec![A.to_owned()], limits, ..Authority::default() };
    authority.targets(&subject(text), OpaqueRole::Principal).map(|targets| targets.len())
}

const EMAIL: &str = r#"{"format":"email","email":"al@example.com"}"#;
const ALIASES: &str = r#"{"format":"aliases","identifiers":[
    {"format":"email","email":"al@example.com"},{"format":"opaque","id":"al"}]}"#;
const COMPLEX: &str = r#"{"format":"complex","user":{"format":"email","email":"al@example.com"},
    "tenant":{"format":"opaque","id":"t1"}}"#;

#[test]
fn only_listed_formats_are_accepted_also_within_others() {
    let limits = |names: &[&str]| Limits { formats: list(names), ..Limits::default() };
    let refused = |format: &str| Err(AuthorityError::Format { format: format.to_owned() });
    assert_eq!(outcome(limits(&["email"]), EMAIL), Ok(1));
    assert_eq!(outcome(limits(&["iss_sub"]), EMAIL), refused("email"));
    assert_eq!(outcome(limits(&["email", "opaque"]), ALIASES), Ok(2));
    assert_eq!(outcome(limits(&["email"]), ALIASES), refused("opaque"));
    assert_eq!(outcome(limits(&["email", "opaque"]), COMPLEX), Ok(1));
    assert_eq!(outcome(limits(&["opaque"]), COMPLEX), refused("email"));
    assert_eq!(outcome(limits(&[]), EMAIL), refused("email"));
}

#[test]
fn a_spiffe_id_must_be_of_a_listed_trust_domain_wherever_it_stands() {
    let limits = |names: &[&str]| Limits { trust_domains: list(names), ..Limits::default() };
    let id = "spiffe://Example.org/agents/one";
    let uri = format!(r#"{{"format":"uri","uri":"{id}"}}"#);
    let sub = format!(r#"{{"format":"iss_sub","iss":"{A}","sub":"{id}"}}"#);
    let client =
        format!(r#"{{"format":"complex","application":{{"format":"opaque","id":"{id}"}}}}"#);
    for text in [&uri, &sub, &client] {
        assert_eq!(outcome(limits(&["example.org"]), text), Ok(1), "{text}");
        let refused = Err(AuthorityError::TrustDomain { domain: "example.org".to_owned() });
        assert_eq!(outcome(limits(&["example.com"]), text), refused, "{text}");
        assert_eq!(outcome(Limits::default(), text), Ok(1), "{text}");
    }
    assert_eq!(outcome(limits(&["example.com"]), EMAIL), Ok(1), "no SPIFFE ID");
}

#[test]
fn every_subject_must_name_a_listed_tenant() {
    let limits = |names: &[&str]| Limits { tenants: list(names), ..Limits::default() };
    assert_eq!(outcome(limits(&["t0", "t1"]), COMPLEX), Ok(1));
    assert_eq!(outcome(limits(&["t2"]), COMPLEX), Err(AuthorityError::Tenant));
    assert_eq!(outcome(limits(&["t1"]), EMAIL), Err(AuthorityError::Tenant));
    assert_eq!(outcome(limits(&["t1"]), ALIASES), Err(AuthorityError::Tenant));
}

#[test]
fn only_listed_events_are_permitted_and_every_refusal_is_a_denial() {
    let limits = Limits { events: list(&["session-revoked"]), ..Limits::default() };
    for event in crate::event::TABLE {
        let permitted = limits.event(event);
        assert_eq!(permitted.is_ok(), event.name == "session-revoked", "{}", event.name);
        assert!(permitted.err().is_none_or(|error| error.is_denial()));
        assert_eq!(Limits::default().event(event), Ok(()));
    }
    let (format, domain) = (String::new(), String::new());
    for error in [
        AuthorityError::Format { format },
        AuthorityError::TrustDomain { domain },
        AuthorityError::Tenant,
    ] {
        assert!(error.is_denial(), "{error}");
    }
}
