//! Who calls, as the service behind the gateway is told.
//!
//! The service trusts these headers, so the client must not be able to send them.
//! [`IdentityHeaders`] knows their names in every spelling that a service might take for them: any
//! case, and `_` for `-`, because CGI and WSGI map both to one variable. They are removed from
//! every request that passes, also on public routes, before the gate's own are set.
//!
//! Values come from an issuer, but a header has its own rules: whatever is not printable ASCII, a
//! blank or `%` is percent-encoded, so that no subject can start a second header, and no two
//! subjects look the same.
//!
//! This module refuses to pass on anything that was not in a verified token.

use std::fmt::Write;
use std::sync::Arc;

use crate::claims::{Actor, Claims};
use crate::delegation::MayAct;
use crate::slots::Slot;

/// A reserved name may have at most this many hyphens: each of them doubles the number of spellings
/// to remove.
pub const MAX_HYPHENS: usize = 4;

/// Which facts go into which headers. Names are in lower case and distinct in all their spellings.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdentityHeaders {
    /// For `sub`.
    pub subject: Option<Arc<str>>,
    /// For `iss`.
    pub issuer: Option<Arc<str>>,
    /// For `client_id`, else `azp`.
    pub client_id: Option<Arc<str>>,
    /// For `scope`.
    pub scope: Option<Arc<str>>,
    /// For the `sub` of the present actor (RFC 8693 §4.1).
    pub actor: Option<Arc<str>>,
    /// For `may_act`: who may become an actor (RFC 8693 §4.4).
    pub may_act: Option<Arc<str>>,
    /// For the `txn` of a Txn-Token.
    pub transaction: Option<Arc<str>>,
    /// For the `sub` of a workload identity token.
    pub workload: Option<Arc<str>>,
}

/// A verified caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    issuer: String,
    subject: String,
    /// Thousands of tokens are remembered, and all have the same names.
    headers: Vec<(Arc<str>, String)>,
    /// Who acts for the subject, as an audit names them.
    actors: String,
    /// Who may become an actor; empty if nobody is named.
    may_act: Box<str>,
    /// How many of the headers say who calls; the rest says what only this kind of credential says.
    common: usize,
}

impl IdentityHeaders {
    /// Whether a client must not send the header `name`.
    #[must_use]
    pub fn reserve(&self, name: &[u8]) -> bool {
        self.names().any(|reserved| {
            reserved.len() == name.len()
                && reserved.bytes().zip(name).all(|(reserved, byte)| {
                    reserved == byte.to_ascii_lowercase() || (reserved == b'-' && *byte == b'_')
                })
        })
    }

    /// All spellings of all reserved names, in lower case: for hosts that can only remove a header
    /// by its name.
    #[must_use]
    pub fn spellings(&self) -> Vec<String> {
        let mut spellings = Vec::new();
        for name in self.names() {
            let mut parts = name.split('-');
            let mut variants = vec![parts.next().unwrap_or_default().to_owned()];
            for part in parts {
                let longer =
                    |separator| variants.iter().map(move |v| format!("{v}{separator}{part}"));
                variants = longer('-').chain(longer('_')).collect();
            }
            spellings.extend(variants);
        }
        spellings
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let Self { subject, issuer, client_id, scope, actor, may_act, transaction, workload } =
            self;
        [subject, issuer, client_id, scope, actor, may_act, transaction, workload]
            .into_iter()
            .filter_map(Option::as_deref)
    }
}

impl Identity {
    /// Who `claims` of a token in `slot`, which were verified, speak of; `subject` is their `sub`.
    pub(crate) fn new(
        slot: Slot,
        claims: &Claims<'_>,
        subject: &str,
        names: &IdentityHeaders,
    ) -> Self {
        let own = match slot {
            Slot::AccessToken | Slot::JwtSvid => None,
            Slot::TxnToken => names.transaction.as_ref().zip(claims.txn),
            Slot::WorkloadToken => names.workload.as_ref().zip(Some(subject)),
        };
        let mut headers = Vec::with_capacity(names.names().count());
        let mut add = |name: &Option<Arc<str>>, text: Option<&str>| {
            if let (Some(name), Some(text)) = (name, text) {
                headers.push((Arc::clone(name), header_value(text)));
            }
        };
        add(&names.subject, Some(subject));
        add(&names.issuer, Some(claims.iss));
        add(&names.client_id, claims.client_id.or(claims.azp));
        if let (Some(name), [_, ..]) = (&names.scope, claims.scope.as_slice()) {
            headers.push((Arc::clone(name), scope_value(&claims.scope)));
        }
        if let (Some(name), Some(actor)) = (&names.actor, claims.act.first()) {
            headers.push((Arc::clone(name), header_value(actor.sub)));
        }
        let may_act: Box<str> = claims.may_act.as_ref().map(may_act).unwrap_or_default().into();
        if let (Some(name), false) = (&names.may_act, may_act.is_empty()) {
            headers.push((Arc::clone(name), may_act.to_string()));
        }
        let common = headers.len();
        headers.extend(own.map(|(name, value)| (Arc::clone(name), header_value(value))));
        Self {
            issuer: claims.iss.to_owned(),
            subject: subject.to_owned(),
            headers,
            actors: actors(&claims.act),
            may_act,
            common,
        }
    }

    /// Names and values, to be set on the request.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (&**name, value.as_str()))
    }

    /// Those of them that are to be set if another credential says who calls.
    pub fn own_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers().skip(self.common)
    }

    /// `sub`, as it was written.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// `iss`, as it was written.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Everybody who acts for the subject (RFC 8693 §4.1), the present actor first, with commas between: `sub` in the
    /// form of a header's value, after its issuer and a blank where the token names one. Empty if nobody does.
    #[must_use]
    pub fn actors(&self) -> &str {
        &self.actors
    }

    /// The party that may become an actor (RFC 8693 §4.4) as its issuer names it: `iss=`, `sub=` and `client_id=`, those
    /// that are there, each with its value in the form of a header's, and blanks between. Empty if the token names none.
    #[must_use]
    pub fn may_act(&self) -> &str {
        &self.may_act
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        // What an allocator keeps of each value for itself.
        const OWN: usize = 16;
        let headers = self.headers.iter().map(|(_, value)| {
            value.len().saturating_add(size_of::<(Arc<str>, String)>()).saturating_add(OWN)
        });
        headers
            .fold(size_of::<Self>(), usize::saturating_add)
            .saturating_add(self.issuer.len())
            .saturating_add(self.subject.len())
            .saturating_add(self.actors.len())
            .saturating_add(self.may_act.len())
    }
}

fn actors(chain: &[Actor<'_>]) -> String {
    let mut text = String::new();
    for actor in chain {
        if !text.is_empty() {
            text.push(',');
        }
        if let Some(iss) = actor.iss {
            text.push_str(&header_value(iss).replace(',', "%2C"));
            text.push(' ');
        }
        text.push_str(&header_value(actor.sub).replace(',', "%2C"));
    }
    text
}

/// One party in as many words as name it: no value has a blank, so each word ends where it seems to.
fn may_act(party: &MayAct<'_>) -> String {
    let mut text = String::new();
    let MayAct { iss, sub, client_id } = party;
    for (name, value) in [("iss=", iss), ("sub=", sub), ("client_id=", client_id)] {
        let Some(value) = value else { continue };
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(name);
        push_value(&mut text, value);
    }
    text
}

/// `text` with everything percent-encoded that a header cannot carry unchanged.
fn header_value(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    push_value(&mut value, text);
    value
}

/// The names with blanks between them.
fn scope_value(scope: &[&str]) -> String {
    let length = scope.iter().map(|name| name.len().saturating_add(1));
    let mut value = String::with_capacity(length.fold(0, usize::saturating_add));
    for name in scope {
        if !value.is_empty() {
            value.push(' ');
        }
        push_value(&mut value, name);
    }
    value
}

fn push_value(value: &mut String, text: &str) {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%';
    if text.bytes().all(is_plain) {
        return value.push_str(text);
    }
    for byte in text.bytes() {
        if is_plain(byte) {
            value.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::json::{self, Limits};

    fn names() -> IdentityHeaders {
        let name = |name: &str| Some(format!("x-rescind-{name}").into());
        IdentityHeaders {
            subject: name("subject"),
            issuer: name("issuer"),
            client_id: name("client"),
            scope: name("scope"),
            actor: name("actor"),
            may_act: name("may-act"),
            transaction: name("transaction"),
            workload: name("workload"),
        }
    }

    fn headers(payload: &str) -> Vec<(String, String)> {
        let value = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
        let claims = Claims::parse(&value).unwrap();
        let identity = Identity::new(Slot::AccessToken, &claims, claims.sub.unwrap(), &names());
        identity.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn every_spelling_of_a_reserved_name_is_reserved() {
        for name in
            ["x-rescind-subject", "X-Rescind-Subject", "x_rescind_subject", "X-rescind_ACTOR"]
        {
            assert!(names().reserve(name.as_bytes()), "{name}");
        }
        for name in ["", "x-rescind", "x-rescind-subjec", "x-rescind-subject2", "x.rescind.subject"]
        {
            assert!(!names().reserve(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn spellings_are_complete_and_all_reserved() {
        let spellings = names().spellings();
        assert_eq!(spellings.len(), 7 * 4 + 8);
        assert!(spellings.iter().all(|name| names().reserve(name.as_bytes())));
        for name in ["x-rescind-scope", "x_rescind-scope", "x-rescind_scope", "x_rescind_scope"] {
            assert!(spellings.iter().any(|spelling| spelling == name), "{name}");
        }
        assert!(IdentityHeaders::default().spellings().is_empty());
    }

    #[test]
    fn what_the_token_says_goes_into_the_configured_headers() {
        let payload = r#"{"iss":"https://idp","sub":"alice","client_id":"app","azp":"other",
            "scope":"read write","act":{"sub":"agent-7","act":{"sub":"agent-1"}}}"#;
        let pairs = headers(payload);
        let expected = [
            ("x-rescind-subject", "alice"),
            ("x-rescind-issuer", "https://idp"),
            ("x-rescind-client", "app"),
            ("x-rescind-scope", "read write"),
            ("x-rescind-actor", "agent-7"),
        ];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_the_token_does_not_say_is_not_sent() {
        let names: Vec<String> =
            headers(r#"{"iss":"i","sub":"s"}"#).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["x-rescind-subject", "x-rescind-issuer"]);
    }

    #[test]
    fn an_audit_can_tell_all_actors_apart() {
        let actors = |act: &str| {
            let payload = format!(r#"{{"iss":"i","sub":"s","act":{act}}}"#);
            let value = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
            let claims = Claims::parse(&value).unwrap();
            Identity::new(Slot::AccessToken, &claims, "s", &names()).actors().to_owned()
        };
        let chain = r#"{"sub":"agent-7","act":{"iss":"https://other","sub":"a,b c"}}"#;
        assert_eq!(actors(chain), "agent-7,https://other a%2Cb%20c");
        assert_eq!(actors(r#"{"sub":"agent-7"}"#), "agent-7");
        let value = json::parse(br#"{"iss":"i","sub":"s"}"#, &Limits::TOKEN).unwrap();
        let claims = Claims::parse(&value).unwrap();
        assert_eq!(Identity::new(Slot::AccessToken, &claims, "s", &names()).actors(), "");
    }

    #[test]
    fn who_may_act_is_told_so_that_each_word_can_mean_one_thing_only() {
        for (party, told) in [
            (r#"{"sub":"agent-7"}"#, "sub=agent-7"),
            (r#"{"client_id":"app"}"#, "client_id=app"),
            (r#"{"sub":"a","iss":"https://agents","email":"a@b"}"#, "iss=https://agents sub=a"),
            (r#"{"sub":"a client_id=b"}"#, "sub=a%20client_id=b"),
            (r#"{"sub":"a","client_id":"b=c,d"}"#, "sub=a client_id=b=c,d"),
            (r#"{"sub":"a\r\nx-admin: 1"}"#, "sub=a%0D%0Ax-admin:%201"),
        ] {
            let payload = format!(r#"{{"iss":"i","sub":"s","may_act":{party}}}"#);
            let header = headers(&payload).pop().unwrap();
            assert_eq!(header, ("x-rescind-may-act".to_owned(), told.to_owned()));
        }
    }

    #[test]
    fn who_may_act_is_nobody_who_acts_and_who_acts_need_not_be_allowed_to() {
        let payload =
            r#"{"iss":"i","sub":"s","act":{"sub":"agent-1"},"may_act":{"sub":"agent-7"}}"#;
        let value = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
        let claims = Claims::parse(&value).unwrap();
        let identity = Identity::new(Slot::AccessToken, &claims, "s", &IdentityHeaders::default());
        assert_eq!((identity.actors(), identity.may_act()), ("agent-1", "sub=agent-7"));
        assert_eq!((identity.subject(), identity.headers().count()), ("s", 0));
    }

    #[test]
    fn no_value_can_leave_its_header_or_look_like_another() {
        for (subject, value) in [
            ("alice\\r\\nx-admin: 1", "alice%0D%0Ax-admin:%201"),
            ("alice\\u0000", "alice%00"),
            (" alice", "%20alice"),
            ("alice%20", "alice%2520"),
            ("zo\u{eb}", "zo%C3%AB"),
            ("auth0|5f7", "auth0|5f7"),
        ] {
            let payload = format!(r#"{{"iss":"i","sub":"{subject}"}}"#);
            assert_eq!(headers(&payload).first().unwrap().1, value, "{subject}");
        }
    }
}
