//! Where tokens are besides `Authorization`.

use super::Check;
use crate::config::Issuer;
use crate::config::raw::RawPlace;
use crate::config::shape::join;
use crate::identity::IdentityHeaders;
use crate::json::excerpt;
use crate::place::{MAX_PLACES, Place, looks_like};

/// Headers that say something else, to the gate, to the gateway or to both sides of a connection.
const OTHERS: [&str; 27] = [
    "accept",
    "access-control-request-method",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "dpop",
    "expect",
    "host",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "origin",
    "referer",
    "sec-fetch-site",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "txn-token",
    "upgrade",
    "user-agent",
    "workload-identity-token",
    "workload-proof-token",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-request-id",
];

impl Check {
    /// The index of the place that `raw` says, one of `places`.
    pub(super) fn place(
        &mut self,
        raw: RawPlace,
        path: &str,
        places: &mut Vec<Place>,
    ) -> Option<usize> {
        let RawPlace { header, cookie, origins } = raw;
        if header.is_some() && origins.is_some() {
            let problem = "says nothing about headers: browsers send them for nobody else's page";
            self.add(&join(path, "origins"), problem, "remove it");
        }
        let place = match (header, cookie) {
            (Some(name), None) => Place::Header(self.place_header(&name, &join(path, "header"))?),
            (None, Some(name)) => {
                let at = join(path, "origins");
                let origins = match origins.as_deref() {
                    None => Some(Vec::new()),
                    Some([]) => self.wrong(&at, "is empty", "remove it, or name whose pages may"),
                    Some(origins) => self.origins(origins, &at),
                };
                let name = self.cookie_name(name, &join(path, "cookie"))?;
                Place::Cookie { name, origins: origins? }
            }
            (Some(_), Some(_)) => {
                let remedy = "remove one of them: an issuer's tokens are in one place";
                return self.wrong(path, "has both `header` and `cookie`", remedy);
            }
            (None, None) => {
                return self.wrong(path, "names no place", "set `header` or `cookie`");
            }
        };
        if let Some(index) = places.iter().position(|known| *known == place) {
            return Some(index);
        }
        if let Some(known) = places.iter().find(|known| is_taken_for(known, &place)) {
            let problem = match (known, &place) {
                (Place::Cookie { name: one, .. }, Place::Cookie { name: other, .. })
                    if one == other =>
                {
                    format!("has other `origins` for {place} than another issuer")
                }
                _ => format!("is {place}, and {known} is one that some service takes for it"),
            };
            return self.wrong(path, problem, "write the same, or choose another name");
        }
        if places.len() >= MAX_PLACES {
            let problem = format!("is one place too many, at most {MAX_PLACES} are looked at");
            return self.wrong(path, problem, "let several issuers use one place");
        }
        places.push(place);
        places.len().checked_sub(1)
    }

    fn place_header(&mut self, name: &str, path: &str) -> Option<String> {
        let lower = name.to_ascii_lowercase();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let shown = excerpt(name);
        if name.is_empty() || !name.bytes().all(is_name) {
            let problem = format!("`{shown}` is not a header name of letters, digits and hyphens");
            self.wrong(path, problem, "write the name alone, such as `x-goog-iap-jwt-assertion`")
        } else if lower == "cookie" {
            let remedy = "set `cookie` to the name of one instead of `header`";
            self.wrong(path, format!("`{shown}` has cookies"), remedy)
        } else if lower == "authorization" {
            self.wrong(path, format!("`{shown}` is where tokens are anyway"), "remove `token_from`")
        } else if OTHERS.contains(&lower.as_str()) {
            let problem = format!("`{shown}` has a meaning of its own");
            self.wrong(path, problem, "choose a header that has none")
        } else {
            Some(lower)
        }
    }

    /// RFC 6265 §4.1.1.
    fn cookie_name(&mut self, name: String, path: &str) -> Option<String> {
        let is_name = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            let problem = format!("`{}` is not the name of a cookie", excerpt(&name));
            return self.wrong(path, problem, "write the name alone, such as `__Host-session`");
        }
        Some(name)
    }

    /// Tokens in a header that says who calls would be taken away as a client's forgery.
    pub(super) fn refuse_reserved_places(
        &mut self,
        issuers: &[Issuer],
        places: &[Place],
        headers: &IdentityHeaders,
    ) {
        for (index, issuer) in issuers.iter().enumerate() {
            let place = issuer.token_from.and_then(|place| places.get(place));
            if let Some(Place::Header(name)) = place
                && headers.reserve(name.as_bytes())
            {
                let path = format!("issuers[{index}].token_from.header");
                let problem = format!("`{name}` is one of `identity.headers`");
                self.add(&path, problem, "give one of them another name");
            }
        }
    }
}

/// Whether somebody takes one place for the other.
fn is_taken_for(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Cookie { name: one, .. }, Place::Cookie { name: other, .. }) => {
            let looks = |one: &str, other: &str| looks_like(one.as_bytes(), other.as_bytes());
            looks(one, other) || looks(other, one)
        }
        _ => false,
    }
}
