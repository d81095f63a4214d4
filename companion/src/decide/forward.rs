//! A verdict as the answer to a gateway that asks before it forwards a request.
//!
//! | form | a permit | a refusal |
//! |---|---|---|
//! | `headers` | 200, identity headers | its status, challenge and body |
//! | `nginx` | 200, identity headers | 401 if it is one, else 403; what it is stands in `X-Rescind-Status` |
//! | `traefik` | 200, identity headers | its status, challenge and body |
//! | `envoy` | 200, identity headers, and which of the client's to remove | its status, challenge and body |
//!
//! A permit has, beside identity headers, the credentials that the service may see (with
//! `forward_token`, or on a public route): a gateway sets all of them from the answer, and what the
//! answer does not have does not reach the service. Envoy is told what to remove instead.
//!
//! nginx takes every status but 2xx, 401 and 403 for a failure of its own (500). A configuration can
//! turn `X-Rescind-Status` into the client's status; without that, 400 and 503 are seen as 403.
//!
//! Why a request was refused is told to gateways only, and only where they do not pass it on:
//! `X-Rescind-Reason` and `X-Rescind-Signal` are for `nginx` and `headers`. Traefik and Envoy hand
//! the answer to the client, who must not learn more of a token than that it is not valid.

use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use rescind_core::config::{Challenge, Config};
use rescind_core::credential::{DPOP, SHADOWS, TXN_TOKEN, WORKLOAD_PROOF, WORKLOAD_TOKEN};
use rescind_core::request::{Field, RequestView};
use rescind_core::verdict::{Denial, Permit};

use super::form::Forward;
use crate::reply::{self, Reply};

const STATUS: HeaderName = HeaderName::from_static("x-rescind-status");
const REASON: HeaderName = HeaderName::from_static("x-rescind-reason");
const SIGNAL: HeaderName = HeaderName::from_static("x-rescind-signal");
/// Envoy removes what is named here from the request that it forwards.
const REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// The answer to `request`, which may pass.
pub(crate) fn permitted(
    form: Forward,
    permit: &Permit,
    request: &RequestView<'_>,
    config: &Config,
) -> Reply {
    let mut reply = Response::new(Full::default());
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in permit.headers() {
        let name = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) else {
            // The configuration allows no such name, the core makes no such value.
            return reply::unavailable("an identity header cannot be sent");
        };
        headers.insert(name, value);
    }
    if form != Forward::Envoy {
        for (name, value) in passed_on(permit, request, config) {
            let Ok(value) = HeaderValue::from_bytes(value) else {
                return reply::unavailable("a credential cannot be sent");
            };
            headers.insert(HeaderName::from_static(name), value);
        }
    } else {
        let Ok(value) = HeaderValue::from_str(&removed(permit, config).join(",")) else {
            return reply::unavailable("an identity header cannot be sent");
        };
        headers.insert(REMOVE, value);
    }
    reply
}

/// The credentials that the service may see: gateways that take its headers from the answer pass on
/// these and no others.
fn passed_on<'r>(
    permit: &Permit,
    request: &RequestView<'r>,
    config: &Config,
) -> impl Iterator<Item = (&'static str, &'r [u8])> {
    let withheld: Vec<_> = permit.withheld(config).collect();
    let credentials = [
        ("authorization", request.authorization),
        (DPOP, request.proof),
        (TXN_TOKEN, request.txn_token),
        (WORKLOAD_TOKEN, request.workload_token),
        (WORKLOAD_PROOF, request.workload_proof),
    ];
    credentials.into_iter().filter_map(move |(name, field)| match field {
        Field::One(value) if !withheld.contains(&name) => Some((name, value)),
        // Of two the service could take another one than was looked at.
        Field::One(_) | Field::Many | Field::Absent => None,
    })
}

/// The headers that a client may not send, or the service may not see, and that the permit does not
/// set.
pub(crate) fn removed(permit: &Permit, config: &Config) -> Vec<String> {
    let is_set = |name: &String| permit.headers().any(|(set, _)| set == name.as_str());
    let mut names = config.identity.headers.spellings();
    names.retain(|name| !is_set(name));
    names.extend(permit.withheld(config).map(str::to_owned));
    if config.has_slots() {
        names.extend(SHADOWS.map(str::to_owned));
    }
    names
}

/// The answer to a request that is refused.
pub(crate) fn refused(form: Forward, denial: &Denial, challenge: &Challenge) -> Reply {
    let response = denial.response(challenge);
    let mut reply = Response::new(Full::from(response.body));
    // Of the core's statuses each is one; in doubt no.
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::FORBIDDEN);
    *reply.status_mut() = match (form, status) {
        (Forward::Nginx, StatusCode::UNAUTHORIZED) => StatusCode::UNAUTHORIZED,
        (Forward::Nginx, _) => StatusCode::FORBIDDEN,
        (Forward::Headers | Forward::Traefik | Forward::Envoy, status) => status,
    };
    let headers = reply.headers_mut();
    for (name, value) in &response.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    if matches!(form, Forward::Nginx | Forward::Headers) {
        headers.insert(STATUS, HeaderValue::from(status.as_u16()));
        headers.insert(REASON, HeaderValue::from_static(denial.reason()));
        if let Some(Ok(signal)) =
            denial.signal().map(|signal| HeaderValue::from_str(&signal.to_string()))
        {
            headers.insert(SIGNAL, signal);
        }
    }
    reply
}

#[cfg(test)]
mod tests {
    use rescind_core::credential::CredentialError;

    use super::*;

    fn challenge() -> Challenge {
        Challenge { dpop_algorithms: "ES256".to_owned(), ..Challenge::default() }
    }

    fn absent() -> Denial {
        Denial::Credential { error: CredentialError::Absent, scopes: Vec::new() }
    }

    #[test]
    fn nginx_hears_401_or_403_and_what_else_it_is_beside() {
        let malformed = Denial::Credential { error: CredentialError::Multiple, scopes: Vec::new() };
        for (denial, status, shown, meant) in [
            (absent(), 401, 401, "401"),
            (malformed, 400, 403, "400"),
            (Denial::NeverSynchronized, 503, 403, "503"),
        ] {
            let nginx = refused(Forward::Nginx, &denial, &challenge());
            assert_eq!(nginx.status(), shown, "{denial}");
            assert_eq!(nginx.headers()[STATUS], meant, "{denial}");
            for form in [Forward::Headers, Forward::Traefik, Forward::Envoy] {
                assert_eq!(refused(form, &denial, &challenge()).status(), status, "{denial}");
            }
        }
    }

    #[test]
    fn all_challenges_are_sent_and_no_client_is_told_the_reason() {
        for form in Forward::ALL {
            let reply = refused(form, &absent(), &challenge());
            let challenges = reply.headers().get_all(header::WWW_AUTHENTICATE);
            assert_eq!(challenges.iter().count(), 2, "{form:?}");
            let told = reply.headers().contains_key(REASON);
            assert_eq!(told, matches!(form, Forward::Nginx | Forward::Headers), "{form:?}");
        }
    }
}
