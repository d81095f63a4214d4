//! The credentials of a request, and what becomes of them while it waits.
//!
//! A host that lets a paused request go on by mistake must not take a credential to the service that nobody has checked.
//! So they are taken out before the pause, and come back with a permit only. Of a header with cookies, one of which is a
//! token, all are taken out.

use std::borrow::Cow;

use rescind_core::config::Config;
use rescind_core::credential::{AUTHORIZATION, DPOP, TXN_TOKEN, WORKLOAD_PROOF, WORKLOAD_TOKEN};
use rescind_core::place::{COOKIE, Place};
use rescind_core::request::{Field, RequestView};

use crate::host::{self, Status};

/// What the service sees instead of a credential if a request should reach it that must not.
pub(crate) const POISON: &[u8] = b"Rescind refused";

/// What the credentials' headers said before they were overwritten.
#[derive(Default)]
pub(crate) struct Withheld {
    values: Vec<(Cow<'static, str>, Vec<u8>)>,
}

impl Withheld {
    /// The credentials of a request, in `Authorization` and wherever else `config` has them. `cookies` are the values of
    /// its `cookie` headers.
    pub(crate) fn of(view: &RequestView<'_>, config: &Config, cookies: &[&[u8]]) -> Self {
        let slots = config.has_slots();
        let names = [AUTHORIZATION, TXN_TOKEN, WORKLOAD_TOKEN, WORKLOAD_PROOF];
        let names = names.into_iter().filter(|name| slots || *name == AUTHORIZATION);
        let fields = names.map(|name| (Cow::Borrowed(name), credential(view, name)));
        let elsewhere = config.places.iter().zip(view.elsewhere.fields());
        let headers = elsewhere.filter_map(|(place, field)| match place {
            Place::Header(name) => Some((Cow::Owned(name.clone()), field)),
            Place::Cookie { .. } => None,
        });
        let values = fields.chain(headers).filter_map(|(name, field)| match field {
            Field::One(value) => Some((name, value.to_vec())),
            Field::Absent | Field::Many => None,
        });
        let mut values: Vec<_> = values.collect();
        if view.elsewhere.has_cookies(&config.places) {
            values.push((Cow::Borrowed(COOKIE), cookies.join(&b"; "[..])));
        }
        Self { values }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Overwrites them; if the host does not do it for all, none is.
    pub(crate) fn take_out(&self) -> Result<(), Taking> {
        for (name, _) in &self.values {
            if host::set_header(name.as_bytes(), POISON).is_err() {
                return match self.put_back(|_| true) {
                    Ok(()) => Err(Taking::Refused),
                    Err(status) => Err(Taking::HalfDone(status)),
                };
            }
        }
        Ok(())
    }

    /// Restores those that `is_kept` names.
    pub(crate) fn put_back(&self, is_kept: impl Fn(&str) -> bool) -> Result<(), Status> {
        let kept = self.values.iter().filter(|(name, _)| is_kept(name));
        kept.into_iter().try_for_each(|(name, value)| host::set_header(name.as_bytes(), value))
    }

    /// Shows them in `view` and `cookies`, where the request has something else.
    pub(crate) fn show<'a>(
        &'a self,
        config: &Config,
        view: &mut RequestView<'a>,
        cookies: &mut Vec<&'a [u8]>,
    ) {
        for (name, value) in &self.values {
            let field = match name.as_ref() {
                AUTHORIZATION => &mut view.authorization,
                TXN_TOKEN => &mut view.txn_token,
                WORKLOAD_TOKEN => &mut view.workload_token,
                WORKLOAD_PROOF => &mut view.workload_proof,
                elsewhere => {
                    view.elsewhere.replace(&config.places, elsewhere, value);
                    if elsewhere == COOKIE {
                        *cookies = vec![value];
                    }
                    continue;
                }
            };
            *field = Field::One(value);
        }
    }
}

/// Why credentials could not be taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taking {
    /// The host does not overwrite headers; they are as they were.
    Refused,
    /// The host does not overwrite them any more.
    HalfDone(Status),
}

/// Names only.
impl std::fmt::Debug for Withheld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.values.iter().map(|(name, _)| name)).finish()
    }
}

/// The credential in the header `name`.
pub(crate) fn credential<'a>(view: &RequestView<'a>, name: &str) -> Field<'a> {
    match name {
        AUTHORIZATION => view.authorization,
        DPOP => view.proof,
        TXN_TOKEN => view.txn_token,
        WORKLOAD_TOKEN => view.workload_token,
        WORKLOAD_PROOF => view.workload_proof,
        _ => Field::Absent,
    }
}

#[cfg(test)]
mod tests {
    use rescind_core::place::Elsewhere;

    use super::*;
    use crate::host::fake;

    const CONFIG: &[u8] = br#"{
        "issuers": [
            {"issuer": "https://app.example.com", "audiences": ["a"], "algorithms": ["EdDSA"],
             "keys": {"url": "https://idp.example.com/1", "cluster": "idp"}, "token_from": {"cookie": "session"}},
            {"issuer": "https://iap.example.com", "audiences": ["a"], "algorithms": ["EdDSA"],
             "keys": {"url": "https://idp.example.com/2", "cluster": "idp"}, "token_from": {"header": "x-iap-jwt"}}
        ],
        "revocation": {
            "cluster": "rescind", "authority": "rescind.example.com", "gateway_name": "edge-1", "gateway_token": "t",
            "feed_key": "hOfYkO_wHdl6bMfnnIIg7jctGHLRZaershnVqpoo2W0",
            "subject_key": "00112233445566778899aabbccddeeff", "checksum_key": "ffeeddccbbaa99887766554433221100"
        }
    }"#;

    fn view<'a>(config: &Config, headers: &[(&str, &'a [u8])]) -> RequestView<'a> {
        let mut elsewhere = Elsewhere::default();
        for (name, value) in headers {
            elsewhere.add(&config.places, name.as_bytes(), value);
        }
        RequestView { authorization: Field::One(b"Bearer x"), elsewhere, ..RequestView::default() }
    }

    #[test]
    fn tokens_are_overwritten_in_every_place_and_come_back_as_they_were() {
        let config = Config::parse(CONFIG).unwrap();
        let cookies: [&[u8]; 2] = [b"a=1; session=s", b"b=2"];
        let [first, second] = cookies.map(|value| ("cookie", value));
        let request = view(&config, &[first, second, ("x-iap-jwt", b"t")]);
        let withheld = Withheld::of(&request, &config, &cookies);
        assert_eq!(format!("{withheld:?}"), r#"["authorization", "x-iap-jwt", "cookie"]"#);
        fake::reset();
        withheld.take_out().unwrap();
        let set = fake::with(|host| std::mem::take(&mut host.set));
        assert_eq!(set.len(), 3);
        assert!(set.iter().all(|(_, value)| value == POISON), "{set:?}");
        // The host shows what was set; the gate sees what was sent.
        let mut paused = view(&config, &[("cookie", POISON), ("x-iap-jwt", POISON)]);
        let mut cookies = vec![POISON];
        withheld.show(&config, &mut paused, &mut cookies);
        let fields: Vec<_> = paused.elsewhere.fields().take(2).collect();
        assert_eq!(fields, [Field::One(b"s"), Field::One(b"t")]);
        assert_eq!(cookies, [b"a=1; session=s; b=2"]);
        withheld.put_back(|name| name != "x-iap-jwt").unwrap();
        let back = fake::with(|host| std::mem::take(&mut host.set));
        let expected = [("authorization", "Bearer x"), ("cookie", "a=1; session=s; b=2")];
        let bytes =
            |(name, value): (&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert_eq!(back, expected.map(bytes));
    }

    #[test]
    fn cookies_without_a_token_stay_where_they_are() {
        let config = Config::parse(CONFIG).unwrap();
        let request = view(&config, &[("cookie", b"a=1")]);
        let withheld = Withheld::of(&request, &config, &[b"a=1"]);
        assert_eq!(format!("{withheld:?}"), r#"["authorization"]"#);
    }
}
