//! Who may act for a subject: `may_act` (RFC 8693 §4.4).
//!
//! `act`, who *does* act, is read with the other claims ([`crate::claims::Actor`]): bounded, the
//! present actor first. `may_act` says who may get a token in which it does. That is for the party that
//! exchanges tokens to enforce, which knows who asks; a gateway knows who came. So **the gate allows nothing because
//! of `may_act`**, and refuses nobody whom it does not name: a token with both claims was exchanged already, and its
//! `may_act` is about the next exchange.
//!
//! What the gate does with it: it reads it as strictly as every other claim, tells the service who is named where
//! [`crate::identity::IdentityHeaders`] say so, and takes a signal about that party for one about the token where
//! [`crate::mapping::Mapping`] says so.

use crate::claims::{self, ClaimsError};
use crate::json::{Object, Value};

/// The one party that may become the actor; everything that is there names it together.
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
    /// somebody; what else is said about the party counts for nothing.
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
        // Without a name it would be everybody of an issuer, or everybody at all.
        if may_act.sub.is_none() && may_act.client_id.is_none() {
            return Err(ClaimsError::Missing { claim: "may_act.sub" });
        }
        Ok(Some(may_act))
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

    #[test]
    fn the_party_is_what_names_it_and_whatever_else_is_said_about_it_counts_for_nothing() {
        let party = |iss, sub, client_id| Ok(Some(MayAct { iss, sub, client_id }));
        for (claim, expected) in [
            (r#"{"sub":"agent-7"}"#, party(None, Some("agent-7"), None)),
            (r#"{"client_id":"app"}"#, party(None, None, Some("app"))),
            (
                r#"{"iss":"https://agents","sub":"agent-7","client_id":"app"}"#,
                party(Some("https://agents"), Some("agent-7"), Some("app")),
            ),
            // RFC 8693 §4.4: such members mean nothing here.
            (
                r#"{"sub":"agent-7","email":1,"exp":"never","aud":[],"may_act":{}}"#,
                party(None, Some("agent-7"), None),
            ),
        ] {
            let payload = format!(r#"{{"may_act":{claim}}}"#);
            find(&payload, |found| assert_eq!(found, expected, "{claim}"));
        }
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
