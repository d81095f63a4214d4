//! One request: shows it to the gate and carries out the verdict.
//!
//! **Permitted**: what only the gate may say is taken out of the request, in every spelling, then
//! said by the gate. If the host does not do that, the request is refused. **Refused**: answered
//! here; if the host does not do that either, the request is stopped without an answer. There is no
//! path on which a request without a permit goes on. A body that has to say what the headers said follows them only when
//! it is whole and does: see [`crate::bodies`].
//!
//! **Waiting** for news, where no timer brings them: the credential is overwritten before the request is paused, so
//! that a host that lets it go on by mistake does not take it to the service; it comes back with a permit only.
//!
//! A request that passes costs one call for its headers, one for each identity header and property,
//! and those that the gate makes to read shared data. On Envoy a property is read only for tokens that are bound to a
//! certificate.

use rescind_core::config::{Challenge, Config};
use rescind_core::credential::{AUTHORIZATION, is_shadow};
use rescind_core::place::{self, COOKIE, Place};
use rescind_core::request::{Field, RequestView};
use rescind_core::resource_metadata::MetadataAnswer;
use rescind_core::verdict::{Denial, Permit};

use crate::bodies::Judged;
use crate::family::Family;
use crate::filter_state;
use crate::host::{self, Action, Map, Status};
use crate::pairs::{self, Pairs};
use crate::withheld::{POISON, Taking, Withheld, credential};
use crate::worker::{Waiting, Worker};

/// Lets the host choose the gRPC status.
const NO_GRPC_STATUS: i32 = -1;

/// Decides about the present request; without a worker there is no valid configuration.
pub(crate) fn handle(worker: Option<&mut Worker>, request: u32, ends: bool) -> Action {
    match worker {
        Some(worker) => judge(worker, Wait::Allowed { request, ends }),
        None => {
            let content_type = host::header(Map::Request, "content-type");
            refuse(None, &Denial::NotConfigured, content_type.is_ok_and(|value| is_grpc(&value)))
        }
    }
}

/// Decides about a request that has waited.
pub(crate) fn resume(worker: &mut Worker, waiting: &Waiting) {
    if judge(worker, Wait::Over(waiting)) == Action::Continue {
        // A host that does not do it holds the request until it times out.
        let _ = host::continue_request();
    }
}

/// Whether a request may wait for news.
#[derive(Clone, Copy)]
enum Wait<'a> {
    /// It may: this one; whether its headers are all there is of it.
    Allowed { request: u32, ends: bool },
    /// It has.
    Over(&'a Waiting),
}

fn judge(worker: &mut Worker, wait: Wait<'_>) -> Action {
    let family = worker.family();
    let unreadable = |what, status: Status| Denial::Unreadable { what, status: status.0 };
    if !family.has_authority()
        && let Err(status) = host::header(Map::Request, "host")
    {
        // Without it APISIX's worker crashes when it shows all headers.
        return refuse(Some(worker), &unreadable("the header `host`", status), false);
    }
    let headers = match host::headers(Map::Request) {
        Ok(headers) => headers,
        Err(status) => return refuse(Some(worker), &unreadable("the headers", status), false),
    };
    #[cfg(feature = "vectors")]
    if let Some(action) = crate::vectors::answer(&headers) {
        return action;
    }
    let path = match family.has_raw_path() {
        true => None,
        false => match host::property("request\0path") {
            Ok(path) => Some(path),
            Err(status) => return refuse(Some(worker), &unreadable("the path", status), false),
        },
    };
    let config = worker.config();
    let is_reserved = |name: &[u8]| {
        config.identity.headers.reserve(name)
            || (config.has_slots() && is_shadow(name))
            || place::is_shadow(&config.places, name)
    };
    let Some(Headers { mut view, mut cookies, reserved, count }) =
        Headers::read(&headers, family.has_authority(), &config.places, is_reserved)
    else {
        // Status 0: the host did answer.
        let denial = Denial::Unreadable { what: "headers of the ABI's form", status: 0 };
        return refuse(Some(worker), &denial, false);
    };
    if family.cuts_headers_at(count) {
        let denial = Denial::Unreadable { what: "more than 100 headers", status: 0 };
        return refuse(Some(worker), &denial, view.grpc);
    }
    view.path = path.as_deref().unwrap_or(view.path);
    if let Some(answer) = worker.config().metadata(&view) {
        return tell(&answer);
    }
    match wait {
        Wait::Over(waiting) => waiting.credentials.show(worker.config(), &mut view, &mut cookies),
        Wait::Allowed { request, .. } => {
            if let Some(action) = pause(worker, request, &view, &cookies) {
                return action;
            }
        }
    }
    let verdict = worker.decide(&view).and_then(|mut permit| {
        let (request, ends, withheld) = match wait {
            // Only hosts that hold no bodies let requests wait.
            Wait::Over(waiting) => (waiting.request, true, Some(&waiting.credentials)),
            Wait::Allowed { request, ends } => (request, ends, None),
        };
        forward((&permit, &view), (&reserved, &cookies), withheld, worker)?;
        worker.hold(request, &mut permit, ends)?;
        worker.watch(request, &mut permit);
        Ok(())
    });
    match verdict {
        Ok(()) => Action::Continue,
        Err(denial) => {
            let challenge = worker.config().challenge_to(&view);
            // Whose token it was, if that is known: a host that cannot take it still gets the answer.
            let _ = filter_state::caller(worker.caller(), worker.config());
            refuse_with(Some(worker), &denial, view.grpc, &challenge)
        }
    }
}

/// What becomes of a body, if it is one that is to be verified. Whether its request is gRPC the host knows.
pub(crate) fn body(
    worker: &mut Worker,
    request: u32,
    size: Option<usize>,
    is_whole: bool,
) -> Option<Action> {
    match worker.judge_body(request, size, is_whole) {
        Judged::Unasked => None,
        Judged::Good => Some(Action::Continue),
        Judged::Held => Some(Action::Pause),
        Judged::Refused(denial) => {
            // Nothing else may be done with a body that could not even be answered.
            let _ = refuse(Some(worker), &denial, false);
            Some(Action::Pause)
        }
    }
}

/// Lets the request wait for news, if it should; what to do, if it is not to be decided now.
fn pause(
    worker: &mut Worker,
    request: u32,
    view: &RequestView<'_>,
    cookies: &[&[u8]],
) -> Option<Action> {
    if !worker.has_question(view) {
        return None;
    }
    let credentials = Withheld::of(view, worker.config(), cookies);
    let denial =
        |status: Status| Denial::Unreadable { what: "a way to set a header", status: status.0 };
    // Before the question: with one under way nothing can be answered on APISIX.
    match credentials.take_out() {
        Ok(()) if credentials.is_empty() => return None,
        Ok(()) => {}
        Err(Taking::Refused) => return None,
        Err(Taking::HalfDone(status)) => {
            return Some(refuse(Some(worker), &denial(status), view.grpc));
        }
    }
    let Err(credentials) = worker.ask(request, credentials) else { return Some(Action::Pause) };
    match credentials.put_back(|_| true) {
        Ok(()) => None,
        Err(status) => Some(refuse(Some(worker), &denial(status), view.grpc)),
    }
}

/// Answers a question that needs no token.
fn tell(answer: &MetadataAnswer<'_>) -> Action {
    let headers =
        answer.headers.iter().fold(Pairs::new(), |pairs, (name, value)| pairs.with(name, value));
    match host::send_response(answer.status, "", &headers, answer.body, NO_GRPC_STATUS) {
        Ok(()) => Action::Pause,
        Err(_) => Action::Fail,
    }
}

/// A request's headers, in the host's bytes.
struct Headers<'a> {
    view: RequestView<'a>,
    /// The values of those with cookies, where some cookie can be a token.
    cookies: Vec<&'a [u8]>,
    /// Those that a client must not send.
    reserved: Vec<&'a [u8]>,
    /// How many there are, pseudo-headers included.
    count: u32,
}

impl<'a> Headers<'a> {
    /// Reads `map`, and what is in `places`. Where `:authority` is not what the client asked for, only the header `host`
    /// counts.
    fn read(
        map: &'a [u8],
        has_authority: bool,
        places: &[Place],
        is_reserved: impl Fn(&[u8]) -> bool,
    ) -> Option<Self> {
        let mut view = RequestView::default();
        let (mut reserved, mut host, mut authority) = (Vec::new(), None, None);
        let mut announced = Field::Absent;
        let has_cookies = places.iter().any(|place| place.header() == COOKIE);
        let (mut cookies, mut count) = (Vec::new(), 0_u32);
        pairs::for_each(map, |name, value| {
            count = count.saturating_add(1);
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            #[cfg(all(feature = "trap", target_arch = "wasm32"))]
            if is("x-rescind-trap") {
                core::arch::wasm32::unreachable()
            }
            // By length first: most headers are none of these.
            match name.len() {
                4 if is("host") => host = Some(only(host, value)),
                4 if is("dpop") => view.proof = one_more(view.proof, value),
                5 if is(":path") => view.path = value,
                6 if is("origin") => view.origin = one_more(view.origin, value),
                6 if has_cookies && is(COOKIE) => cookies.push(value),
                7 if is(":method") => view.method = value,
                7 if is("upgrade") => view.upgrades = true,
                9 if is("txn-token") => view.txn_token = one_more(view.txn_token, value),
                10 if is(":authority") => authority = Some(only(authority, value)),
                12 if is("content-type") => {
                    view.grpc |= is_grpc(value);
                    view.content.media_type = one_more(view.content.media_type, value);
                }
                13 if is("authorization") => {
                    view.authorization = one_more(view.authorization, value);
                }
                14 if is("sec-fetch-site") => view.fetch_site = one_more(view.fetch_site, value),
                16 if is("content-encoding") => {
                    view.content.encoding = one_more(view.content.encoding, value);
                }
                20 if is("workload-proof-token") => {
                    view.workload_proof = one_more(view.workload_proof, value);
                }
                // Over HTTP/2 nothing else says so (RFC 8441 §5).
                21 if is("sec-websocket-version") => view.upgrades = true,
                23 if is("workload-identity-token") => {
                    view.workload_token = one_more(view.workload_token, value);
                }
                23 if is("x-forwarded-client-cert") => {
                    view.forwarded_certificate = one_more(view.forwarded_certificate, value);
                }
                29 if is("access-control-request-method") => {
                    announced = one_more(announced, value);
                }
                // Last: others are as long.
                8 | 10 | 20 => view.mcp.add(name, value),
                _ => {}
            }
            if !places.is_empty() {
                view.elsewhere.add(places, name, value);
            }
            if is_reserved(name) {
                reserved.push(name);
            }
        })?;
        view.host = match (host, authority) {
            (host, _) if !has_authority => host.unwrap_or(NO_HOST),
            (Some(host), Some(authority)) => only(Some(host), authority),
            (host, authority) => host.or(authority).unwrap_or_default(),
        };
        if let (b"OPTIONS", Field::One(_) | Field::Many, Field::One(method), Field::Absent) =
            (view.method, view.origin, announced, view.authorization)
            && view.elsewhere.token().is_none()
        {
            view.preflight = Some(method);
        }
        Some(Self { view, cookies, reserved, count })
    }
}

/// The field `before` with one value more.
const fn one_more<'a>(before: Field<'a>, value: &'a [u8]) -> Field<'a> {
    match before {
        Field::Absent => Field::One(value),
        Field::One(_) | Field::Many => Field::Many,
    }
}

/// Where a route depends on the host, a request with this one is refused: no host name has a comma.
const NO_HOST: &[u8] = b",";

/// `value` if it is the only one. Two different hosts are none.
fn only<'a>(before: Option<&'a [u8]>, value: &'a [u8]) -> &'a [u8] {
    match before {
        Some(before) if before != value => NO_HOST,
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
fn forward(
    (permit, view): (&Permit, &RequestView<'_>),
    (reserved, cookies): (&[&[u8]], &[&[u8]]),
    withheld: Option<&Withheld>,
    worker: &Worker,
) -> Result<(), Denial> {
    let (config, family): (&Config, Family) = (worker.config(), worker.family());
    let refused = |what| move |status: Status| Denial::Unreadable { what, status: status.0 };
    let (removing, setting) = ("a way to remove a header", "a way to set a header");
    if !family.removes_headers() && has_twins(reserved) {
        return Err(refused("a way to remove the second of two equal headers")(Status::NOT_FOUND));
    }
    for name in reserved {
        remove(name, family).map_err(refused(removing))?;
    }
    let places = permit.withheld_places(config);
    let elsewhere = places.iter().zip(view.elsewhere.fields());
    let headers = elsewhere.filter_map(|(place, field)| match place {
        Place::Header(name) => Some((name.as_str(), field)),
        Place::Cookie { .. } => None,
    });
    let credentials = permit.withheld(config).map(|name| (name, credential(view, name)));
    for (name, field) in credentials.chain(headers) {
        match field {
            Field::Absent => {}
            Field::Many if !family.removes_headers() => {
                return Err(refused(removing)(Status::NOT_FOUND));
            }
            Field::One(_) | Field::Many => {
                remove(name.as_bytes(), family).map_err(refused(removing))?;
            }
        }
    }
    if let Some(withheld) = withheld {
        let is_kept = |name: &str| {
            permit.withheld(config).all(|withheld| withheld != name)
                && (name == COOKIE || places.iter().all(|place| place.header() != name))
        };
        withheld.put_back(is_kept).map_err(refused(setting))?;
    }
    if view.elsewhere.has_shadows() || view.elsewhere.has_cookies(places) {
        let left = place::without(cookies.iter().copied(), &config.places, places);
        rewrite_cookies(cookies, &left, family).map_err(refused(removing))?;
    }
    // Adding is cheaper than replacing, but some hosts do not really remove headers.
    let set = if reserved.is_empty() { host::add_header } else { host::set_header };
    for (name, value) in permit.headers() {
        set(name.as_bytes(), value.as_bytes()).map_err(refused(setting))?;
    }
    // Later filters must not take this request for one without a subject.
    let failed = refused("a way to set filter state");
    filter_state::caller(permit.identity(), config).map_err(failed)
}

/// Takes a header out of the request, or leaves nothing of it but its name where that is all that can be done.
fn remove(name: &[u8], family: Family) -> Result<(), Status> {
    match family.removes_headers() {
        true => host::remove_header(name),
        false => host::set_header(name, b""),
    }
}

/// Leaves `left` of a request's `cookies`.
fn rewrite_cookies(cookies: &[&[u8]], left: &[u8], family: Family) -> Result<(), Status> {
    match (cookies, left) {
        ([_, _, ..], _) if !family.removes_headers() => Err(Status::NOT_FOUND),
        (_, []) => remove(COOKIE.as_bytes(), family),
        (_, left) => host::set_header(COOKIE.as_bytes(), left),
    }
}

/// Whether two of `names` are of one header.
fn has_twins(names: &[&[u8]]) -> bool {
    let mut rest = names;
    while let Some((name, others)) = rest.split_first() {
        if others.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return true;
        }
        rest = others;
    }
    false
}

/// Ends the open request `stream`. If its response has not begun, that is a refusal, else the stream is reset: Envoy
/// does either with a local response.
pub(crate) fn cut(stream: u32, denial: &Denial, config: &Config) -> Result<(), Status> {
    host::act_for(stream)?;
    filter_state::refusal(denial);
    // Whether it is gRPC the host knows.
    answer(denial, false, &config.challenge)
}

/// Sends the refusal.
fn answer(denial: &Denial, grpc: bool, challenge: &Challenge) -> Result<(), Status> {
    let response = denial.response(challenge);
    let mut headers = Pairs::new();
    for (name, value) in &response.headers {
        headers = headers.with(name, value);
    }
    let grpc_status = match grpc {
        true => i32::try_from(response.grpc_status).unwrap_or(NO_GRPC_STATUS),
        false => NO_GRPC_STATUS,
    };
    host::send_response(
        response.status,
        denial.reason(),
        &headers,
        response.body.as_bytes(),
        grpc_status,
    )
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
    let has_filter_state = worker.as_ref().is_none_or(|worker| worker.family().has_filter_state());
    let mut worker = worker;
    if let Some(worker) = worker.as_deref_mut() {
        worker.refused(denial);
    }
    if has_filter_state {
        filter_state::refusal(denial);
    }
    if answer(denial, grpc, challenge).is_ok() {
        return Action::Pause;
    }
    // Some hosts refuse a header or a status; all can say this.
    let places = worker.as_ref().map_or(&[][..], |worker| &worker.config().places);
    for name in places.iter().map(Place::header).chain([AUTHORIZATION]) {
        let _ = host::set_header(name.as_bytes(), POISON);
    }
    match host::send_response(503, "", &Pairs::new(), b"", NO_GRPC_STATUS) {
        Ok(()) => Action::Pause,
        Err(_) => Action::Fail,
    }
}

#[cfg(test)]
mod tests;
