//! One request: shows it to the gate and carries out the verdict.
//!
//! **Permitted**: what only the gate may say is taken out of the request, in every spelling, then
//! said by the gate. If the host does not do that, the request is refused. **Refused**: answered
//! here; if the host does not do that either, the request is stopped without an answer. There is no
//! path on which a request without a permit goes on.
//!
//! A request that passes costs one call for its headers, one for each identity header and property,
//! and those that the gate makes to read shared data. No property is read.

use rescind_core::config::{Challenge, Config};
use rescind_core::request::{Field, RequestView};
use rescind_core::resource_metadata::MetadataAnswer;
use rescind_core::verdict::{Denial, Permit};

use crate::host::{self, Action, Map};
use crate::pairs::{self, Pairs};
use crate::worker::Worker;

/// Filter state for access logs and later filters; Envoy puts `wasm.` before each name.
const SUBJECT: &str = "rescind.sub";
const ISSUER: &str = "rescind.iss";
const REASON: &str = "rescind.reason";
const SIGNAL: &str = "rescind.signal";

/// What the service sees instead of a credential if a refused request should reach it after all.
const POISON: &[u8] = b"Rescind refused";

/// Lets the host choose the gRPC status.
const NO_GRPC_STATUS: i32 = -1;

/// Decides about the present request; without a worker there is no valid configuration.
pub(crate) fn handle(worker: Option<&mut Worker>) -> Action {
    let headers = match host::headers(Map::Request) {
        Ok(headers) => headers,
        Err(status) => {
            let denial = Denial::Unreadable { what: "the headers", status: status.0 };
            return refuse(worker, &denial, false);
        }
    };
    #[cfg(feature = "vectors")]
    if let Some(action) = crate::vectors::answer(&headers) {
        return action;
    }
    let Some(worker) = worker else {
        let grpc = Headers::read(&headers, |_| false).is_some_and(|headers| headers.view.grpc);
        return refuse(None, &Denial::NotConfigured, grpc);
    };
    let identity = &worker.config().identity;
    let Some(Headers { view, reserved }) =
        Headers::read(&headers, |name| identity.headers.reserve(name))
    else {
        // Status 0: the host did answer.
        return refuse(
            Some(worker),
            &Denial::Unreadable { what: "headers of the ABI's form", status: 0 },
            false,
        );
    };
    if let Some(answer) = worker.config().metadata(&view) {
        return tell(&answer);
    }
    let verdict = worker
        .decide(&view)
        .and_then(|permit| forward(&permit, &reserved, worker.config()).map(|()| permit));
    match verdict {
        Ok(_) => Action::Continue,
        Err(denial) => {
            let challenge = worker.config().challenge_to(&view);
            refuse_with(Some(worker), &denial, view.grpc, &challenge)
        }
    }
}

/// Answers a question that needs no token.
fn tell(answer: &MetadataAnswer<'_>) -> Action {
    let headers =
        answer.headers.iter().fold(Pairs::new(), |pairs, (name, value)| pairs.with(name, value));
    // If the host does not send it, the request waits until it times out: it has no permit.
    let _ = host::send_response(answer.status, "", &headers, answer.body, NO_GRPC_STATUS);
    Action::Pause
}

/// A request's headers, in the host's bytes.
struct Headers<'a> {
    view: RequestView<'a>,
    /// Those that a client must not send.
    reserved: Vec<&'a [u8]>,
}

impl<'a> Headers<'a> {
    fn read(map: &'a [u8], is_reserved: impl Fn(&[u8]) -> bool) -> Option<Self> {
        let mut view = RequestView {
            method: b"",
            path: b"",
            host: b"",
            authorization: Field::Absent,
            grpc: false,
            preflight: None,
        };
        let (mut reserved, mut host, mut authority) = (Vec::new(), None, None);
        let (mut has_origin, mut announced) = (false, Field::Absent);
        pairs::for_each(map, |name, value| {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            #[cfg(all(feature = "trap", target_arch = "wasm32"))]
            if is("x-rescind-trap") {
                core::arch::wasm32::unreachable()
            }
            // By length first: most headers are none of these.
            match name.len() {
                4 if is("host") => host = Some(only(host, value)),
                5 if is(":path") => view.path = value,
                6 if is("origin") => has_origin = true,
                7 if is(":method") => view.method = value,
                10 if is(":authority") => authority = Some(only(authority, value)),
                12 if is("content-type") => view.grpc |= is_grpc(value),
                13 if is("authorization") => {
                    view.authorization = one_more(view.authorization, value);
                }
                29 if is("access-control-request-method") => {
                    announced = one_more(announced, value);
                }
                _ => {}
            }
            if is_reserved(name) {
                reserved.push(name);
            }
        })?;
        view.host = match (host, authority) {
            (Some(host), Some(authority)) => only(Some(host), authority),
            (host, authority) => host.or(authority).unwrap_or_default(),
        };
        if let (b"OPTIONS", true, Field::One(method), Field::Absent) =
            (view.method, has_origin, announced, view.authorization)
        {
            view.preflight = Some(method);
        }
        Some(Self { view, reserved })
    }
}

/// The field `before` with one value more.
const fn one_more<'a>(before: Field<'a>, value: &'a [u8]) -> Field<'a> {
    match before {
        Field::Absent => Field::One(value),
        Field::One(_) | Field::Many => Field::Many,
    }
}

/// `value` if it is the only one. Two different hosts are none: no host name has a comma.
fn only<'a>(before: Option<&'a [u8]>, value: &'a [u8]) -> &'a [u8] {
    match before {
        Some(before) if before != value => b",",
        _ => value,
    }
}

/// As Envoy tells gRPC requests: `application/grpc`, alone or with a suffix.
fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    match content_type.split_at_checked(GRPC.len()) {
        Some((start, rest)) => {
            start.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';'))
        }
        None => false,
    }
}

/// Says what only the gate may say, instead of whoever sent the request.
fn forward(permit: &Permit, reserved: &[&[u8]], config: &Config) -> Result<(), Denial> {
    let refused = |what| move |status: host::Status| Denial::Unreadable { what, status: status.0 };
    for name in reserved {
        host::remove_header(name).map_err(refused("a way to remove a header"))?;
    }
    if permit.subject().is_some() && !config.identity.forward_token {
        host::remove_header(b"authorization").map_err(refused("a way to remove a header"))?;
    }
    // Adding is cheaper than replacing, but some hosts do not really remove headers.
    let set = if reserved.is_empty() { host::add_header } else { host::set_header };
    for (name, value) in permit.headers() {
        set(name.as_bytes(), value.as_bytes()).map_err(refused("a way to set a header"))?;
    }
    if let (true, Some(subject)) = (config.identity.filter_state, permit.subject()) {
        // Later filters must not take this request for one without a subject.
        let failed = refused("a way to set filter state");
        host::set_property(SUBJECT, subject.as_bytes()).map_err(failed)?;
        // With one issuer there is nothing to tell apart, and each property costs a tenth of the whole request.
        if let (true, Some(issuer)) = (config.issuers.len() > 1, permit.issuer()) {
            host::set_property(ISSUER, issuer.as_bytes()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Answers the request. Never lets it go on.
fn refuse(worker: Option<&mut Worker>, denial: &Denial, grpc: bool) -> Action {
    let challenge = worker.as_deref().map(|worker| worker.config().challenge.clone());
    refuse_with(worker, denial, grpc, &challenge.unwrap_or_default())
}

fn refuse_with(
    worker: Option<&mut Worker>,
    denial: &Denial,
    grpc: bool,
    challenge: &Challenge,
) -> Action {
    if let Some(worker) = worker {
        worker.refused(denial);
    }
    // For access logs. A host that cannot do it still gets the answer.
    let _ = host::set_property(REASON, denial.reason().as_bytes());
    if let Some(signal) = denial.signal() {
        let _ = host::set_property(SIGNAL, signal.to_string().as_bytes());
    }
    let response = denial.response(challenge);
    let mut headers = Pairs::new();
    for (name, value) in &response.headers {
        headers = headers.with(name, value);
    }
    let grpc_status = match grpc {
        true => i32::try_from(response.grpc_status).unwrap_or(NO_GRPC_STATUS),
        false => NO_GRPC_STATUS,
    };
    let sent = host::send_response(
        response.status,
        denial.reason(),
        &headers,
        response.body.as_bytes(),
        grpc_status,
    );
    if sent.is_err() {
        // Some hosts refuse a header or a status; all can say this. If not, the request waits until it times out.
        let _ = host::set_header(b"authorization", POISON);
        let _ = host::send_response(503, "", &Pairs::new(), b"", NO_GRPC_STATUS);
    }
    Action::Pause
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&str, &str)]) -> Vec<u8> {
        headers.iter().fold(Pairs::new(), |pairs, (name, value)| pairs.with(name, value)).bytes()
    }

    fn read(map: &[u8]) -> Headers<'_> {
        Headers::read(map, |name| name.starts_with(b"x-rescind")).unwrap()
    }

    #[test]
    fn a_request_is_read_as_it_came() {
        let map = map(&[
            (":method", "GET"),
            (":path", "/a?b"),
            (":authority", "api"),
            ("Authorization", "Bearer x"),
            ("x-rescind-subject", "root"),
        ]);
        let Headers { view, reserved } = read(&map);
        assert_eq!((view.method, view.path, view.host), (&b"GET"[..], &b"/a?b"[..], &b"api"[..]));
        assert!(view.authorization == Field::One(b"Bearer x"));
        assert!(!view.grpc);
        assert_eq!(reserved, [b"x-rescind-subject"]);
    }

    #[test]
    fn a_second_authorization_header_in_any_case_makes_many() {
        let map = map(&[("authorization", "Bearer a"), ("Authorization", "Bearer a")]);
        assert!(read(&map).view.authorization == Field::Many);
    }

    #[test]
    fn a_preflight_is_what_a_browser_sends_and_nothing_else() {
        let browser = [
            (":method", "OPTIONS"),
            ("origin", "https://app.example.com"),
            ("access-control-request-method", "PUT"),
        ];
        let preflight = |headers: &[(&str, &str)]| {
            let map = map(headers);
            read(&map).view.preflight.map(<[u8]>::to_vec)
        };
        assert_eq!(preflight(&browser), Some(b"PUT".to_vec()));
        for left_out in 0..browser.len() {
            let mut headers = browser.to_vec();
            headers.remove(left_out);
            assert_eq!(preflight(&headers), None, "without {:?}", browser[left_out]);
        }
        for more in [
            ("authorization", "Bearer x"),
            ("access-control-request-method", "PUT"),
            (":method", "GET"),
        ] {
            let headers = [browser.as_slice(), &[more]].concat();
            assert_eq!(preflight(&headers), None, "with {more:?}");
        }
    }

    #[test]
    fn hosts_that_differ_are_no_host() {
        for (headers, host) in [
            (&[("host", "a"), (":authority", "a")][..], "a"),
            (&[("host", "a"), (":authority", "b")], ","),
            (&[("host", "a"), ("host", "b")], ","),
            (&[("host", "a")], "a"),
            (&[], ""),
        ] {
            assert_eq!(read(&map(headers)).view.host, host.as_bytes(), "{headers:?}");
        }
    }

    #[test]
    fn grpc_is_told_by_its_content_type_as_envoy_does() {
        for (content_type, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC; a=b", true),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ] {
            let map = map(&[("content-type", content_type)]);
            assert_eq!(read(&map).view.grpc, grpc, "{content_type}");
        }
    }
}
