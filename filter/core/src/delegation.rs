//! Who may act for a subject: `may_act` (RFC 8693 §4.4).
//!
//! `act`, who *does* act, is read with the other claims ([`crate::claims::Actor`]): bounded, the
//! present actor first. `may_act` is a permission that the party who exchanges tokens enforces; the
//! gate reads it strictly, so that a broken one is no permission, and can compare it with an actor.

use crate::claims::{self, Actor, ClaimsError};
use crate::json::{Object, Value};

/// The one party that may become the actor. Every member that is there must match.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MayAct<'a> {
    /// Who names it; without it, the token's issuer does.
    pub iss: Option<&'a str>,
    /// Its name.
    pub sub: Option<&'a str>,
    /// The same as a client's name.
    pub client_id: Option<&'a str>,
}

impl<'a> MayAct<'a> {
    /// Reads `may_act` of a token's payload, if it is there. At least one member must name
    /// somebody.
    pub fn find(payload: &'a Object<'a>) -> Result<Option<Self>, ClaimsError> {
        let Some(value) = payload.get("may_act") else { return Ok(None) };
        let Value::Object(party) = value else {
            let kind = value.kind();
            return Err(ClaimsError::WrongType { claim: "may_act", expected: "an object", kind });
        };
        let may_act = Self {
            iss: claims::member(party, "iss", "may_act.iss")?,
            sub: claims::member(party, "sub", "may_act.sub")?,
            client_id: claims::member(party, "client_id", "may_act.client_id")?,
        };
        // Without a name, everybody of an issuer, or everybody at all, would be permitted.
        if may_act.sub.is_none() && may_act.client_id.is_none() {
            return Err(ClaimsError::Missing { claim: "may_act.sub" });
        }
        Ok(Some(may_act))
    }

    /// Whether `actor` is that party, in a token of `issuer`.
    #[must_use]
    pub fn permits(&self, actor: &Actor<'_>, issuer: &str) -> bool {
        let is_named = |name: Option<&str>| name.is_none_or(|name| name == actor.sub);
        is_named(self.sub)
            && is_named(self.client_id)
            && self.iss.unwrap_or(issuer) == actor.iss.unwrap_or(issuer)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::json::{self, Limits};

    fn find<T>(payload: &str, see: impl FnOnce(Result<Option<MayAct<'_>>, ClaimsError>) -> T) -> T {
        let value = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
        see(MayAct::find(value.as_object().unwrap()))
    }

    fn permits(may_act: &str, iss: Option<&str>, sub: &str) -> bool {
        let payload = format!(r#"{{"may_act":{may_act}}}"#);
        find(&payload, |found| found.unwrap().unwrap().permits(&Actor { iss, sub }, "https://idp"))
    }

    #[test]
    fn a_party_is_permitted_if_every_member_matches() {
        let named = r#"{"sub":"agent-7"}"#;
        assert!(permits(named, None, "agent-7"));
        assert!(permits(named, Some("https://idp"), "agent-7"));
        assert!(!permits(named, Some("https://other"), "agent-7"), "another issuer's agent-7");
        assert!(!permits(named, None, "agent-70"));
        assert!(!permits(named, None, "Agent-7"));
        let foreign = r#"{"iss":"https://agents","sub":"agent-7","email":"a@b"}"#;
        assert!(permits(foreign, Some("https://agents"), "agent-7"));
        assert!(!permits(foreign, None, "agent-7"));
        assert!(permits(r#"{"client_id":"app"}"#, None, "app"));
        assert!(!permits(r#"{"client_id":"app","sub":"other"}"#, None, "app"));
    }

    #[test]
    fn a_permission_for_nobody_in_particular_or_of_another_form_is_refused() {
        find("{}", |found| assert_eq!(found, Ok(None)));
        let missing = ClaimsError::Missing { claim: "may_act.sub" };
        for empty in ["{}", r#"{"iss":"https://idp"}"#, r#"{"Sub":"a"}"#] {
            let payload = format!(r#"{{"may_act":{empty}}}"#);
            assert_eq!(find(&payload, |found| found.unwrap_err()), missing, "{empty}");
        }
        for (value, kind) in
            [("null", "null"), ("\"a\"", "a string"), ("[{\"sub\":\"a\"}]", "an array")]
        {
            let error = ClaimsError::WrongType { claim: "may_act", expected: "an object", kind };
            let payload = format!(r#"{{"may_act":{value}}}"#);
            assert_eq!(find(&payload, |found| found.unwrap_err()), error);
        }
        for (member, error) in [
            (r#""sub":"""#, ClaimsError::Empty { claim: "may_act.sub" }),
            (
                r#""sub":["a"]"#,
                ClaimsError::WrongType {
                    claim: "may_act.sub",
                    expected: "a string",
                    kind: "an array",
                },
            ),
        ] {
            let payload = format!(r#"{{"may_act":{{{member}}}}}"#);
            assert_eq!(find(&payload, |found| found.unwrap_err()), error);
        }
    }
}
