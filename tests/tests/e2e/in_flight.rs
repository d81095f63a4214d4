//! What passed and is open when its token is revoked.

use std::time::Duration;

use rescind_e2e::h2;
use rescind_e2e::http::{Open, Request};
use rescind_e2e::site::{ISSUER, Plan, Site};
use rescind_e2e::wait;
use serde_json::json;

/// What is promised: from the signal until nothing passes any more in either direction. Envoy ends a client's
/// connection of HTTP/1.1 later by its own `delayed_close_timeout`, a second by default.
const CUT_WITHIN: Duration = Duration::from_secs(1);

fn plan() -> Plan {
    let routes = json!([
        { "path": "/orders" },
        { "path": "/events", "methods": ["PUT"], "in_flight": "finish" },
        { "path_prefix": "/", "in_flight": "cut" },
    ]);
    Plan { workers: 2, filter: json!({ "routes": routes }), ..Plan::default() }
}

fn events(site: &Site, request: Request, token: &str) -> Open {
    let mut open = Open::begin(site.envoy.port, &request.bearer(token)).unwrap();
    assert_eq!(open.head.status(), 200);
    open.until("hello").unwrap();
    open
}

/// Revokes the agent's tokens, and sees the upstream's ends of all of its streams end.
fn revoke(site: &Site, streams: &[(&str, usize)]) {
    site.transmitter.revoke(site.companion.port, ISSUER, "agent");
    let took = wait::until_true("the end of the streams", wait::SOON, || {
        streams.iter().all(|(target, count)| site.upstream.streams(target) == (*count, 0))
    });
    assert!(took < CUT_WITHIN, "{took:?}");
}

fn call_grpc(connection: &mut h2::Connection, path: &str, token: &str) -> u32 {
    let authorization = format!("Bearer {token}");
    let headers: [(&[u8], &[u8]); 7] = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.as_bytes()),
        (b":authority", b"api.example.com"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        (b"authorization", authorization.as_bytes()),
    ];
    connection.request(&headers).unwrap()
}

#[test]
fn a_revocation_ends_an_idle_stream_of_events_within_a_second_and_no_other() {
    let site = Site::with(&plan());
    let (agent, other) = (site.issuer.token("agent"), site.issuer.token("other"));
    let get = |target: &str, token: &str| events(&site, Request::get(target), token);
    // Fresh connections, so that both workers have some of them.
    let mut cut: Vec<Open> = (0..8).map(|_| get("/events?agent", &agent)).collect();
    let mut others: Vec<Open> = (0..4).map(|_| get("/events?other", &other)).collect();
    let finish = Request::new("PUT", "/events?finish");
    let mut finishes = events(&site, finish, &agent);
    site.envoy.metric_reaches("rescind_streams_watched", 12);

    revoke(&site, &[("/events?agent", 8)]);
    wait::until_true("the clients' ends", wait::SOON, || cut.iter_mut().all(Open::has_ended));

    let refused = site.answer(&agent);
    assert_eq!(refused.status(), 401);
    wait::throughout("other streams go on", Duration::from_secs(2), || {
        !others.iter_mut().any(Open::has_ended) && !finishes.has_ended()
    });
    assert_eq!(site.upstream.streams("/events?other"), (0, 4));
    assert_eq!(site.upstream.streams("/events?finish"), (0, 1));

    site.envoy.metric_reaches("rescind_streams_cut", 8);
    wait::until_true("the gauge", wait::SOON, || site.envoy.metric("rescind_streams_watched") == 4);
    let of = |path: &str| {
        let path = path.to_owned();
        site.envoy.logged("the access log", move |line| {
            line["path"] == json!(path) && line["reason"] == "revoked"
        })
    };
    let (stream, request) = (of("/events?agent"), of("/orders"));
    assert_eq!(stream["signal"], request["signal"], "from the stream to the signal");
    assert_eq!(stream["signal"].as_str().map(str::len), Some(32));
}

#[test]
fn a_revocation_ends_a_websocket_and_a_grpc_call_and_answers_a_request_that_waits() {
    let site = Site::with(&plan());
    let token = site.issuer.token("agent");
    let upgrade = Request::get("/socket")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .bearer(&token);
    let mut socket = Open::begin(site.envoy.port, &upgrade).unwrap();
    assert_eq!(socket.head.status(), 101);
    socket.send(b"ping").unwrap();
    socket.until("ping").unwrap();

    let mut grpc = h2::Connection::open(site.envoy.port).unwrap();
    call_grpc(&mut grpc, "/events?grpc", &token);
    assert_eq!(grpc.event().unwrap(), (1, h2::Event::Headers));
    assert_eq!(grpc.event().unwrap(), (1, h2::Event::Data));

    std::thread::scope(|scope| {
        let late = scope.spawn(|| site.envoy.send(&Request::get("/late").bearer(&token)));
        site.envoy.metric_reaches("rescind_streams_watched", 3);
        revoke(&site, &[("/socket", 1), ("/events?grpc", 1)]);
        assert!(matches!(grpc.event().unwrap(), (1, h2::Event::Reset(_))));
        let late = late.join().unwrap();
        assert_eq!(late.status(), 401);
        assert!(late.header("www-authenticate").is_some());
    });
    wait::until_true("the socket's end", wait::SOON, || socket.has_ended());
    site.envoy.metric_reaches("rescind_streams_cut", 3);
}

#[test]
fn hundreds_of_streams_of_one_connection_end_together_and_its_others_go_on() {
    const STREAMS: usize = 300;
    let site = Site::with(&plan());
    let (agent, other) = (site.issuer.token("agent"), site.issuer.token("other"));
    let mut connection = h2::Connection::open(site.envoy.port).unwrap();
    let kept = call_grpc(&mut connection, "/events?other", &other);
    for _ in 0..STREAMS {
        call_grpc(&mut connection, "/events?agent", &agent);
    }
    let mut begun = 0;
    while begun <= STREAMS {
        let (_, event) = connection.event().unwrap();
        assert!(matches!(event, h2::Event::Headers | h2::Event::Data), "{event:?}");
        begun += usize::from(event == h2::Event::Data);
    }
    revoke(&site, &[("/events?agent", STREAMS)]);
    for _ in 0..STREAMS {
        let (stream, event) = connection.event().unwrap();
        assert!(matches!(event, h2::Event::Reset(_)), "{event:?}");
        assert_ne!(stream, kept);
    }
    assert_eq!(site.upstream.streams("/events?other"), (0, 1));
    let last = call_grpc(&mut connection, "/orders", &other);
    assert_eq!(connection.event().unwrap(), (last, h2::Event::Headers));
}
