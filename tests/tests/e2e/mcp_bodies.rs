//! Bodies of MCP requests, which have to say what their headers said before a service gets them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rescind_e2e::envoy::Envoy;
use rescind_e2e::h2;
use rescind_e2e::http::{self, Message, Request};
use rescind_e2e::ports;
use rescind_e2e::process::Folder;
use rescind_e2e::site::{Plan, Site};
use rescind_e2e::wait;
use serde_json::{Value, json};

/// What a lying body has in it: the service must never have been sent it.
const MARK: &str = "transfer_money";

/// What every body has in it.
const BODY: &str = "jsonrpc";

/// A service that keeps every byte that it was sent.
struct Recorder {
    port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", ports::free())).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                std::thread::spawn(move || record(stream, &all));
            }
        });
        Self { port, seen }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

/// Answers each request when it is whole.
fn record(mut stream: TcpStream, all: &Mutex<Vec<u8>>) {
    let (mut request, mut piece) = (Vec::new(), [0; 16 * 1024]);
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        all.lock().unwrap().extend(&piece[..count]);
        request.extend(&piece[..count]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let is_whole = match length {
            Some(length) => body.len() >= length.parse::<usize>().unwrap(),
            None if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
            None => true,
        };
        if is_whole {
            request.clear();
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    }
}

/// A gateway that verifies bodies, and the service behind it.
struct Setting {
    site: Site,
    envoy: Envoy,
    recorder: Recorder,
    token: String,
    _folder: Folder,
}

impl Setting {
    fn start(change: impl FnOnce(&mut Value)) -> Self {
        let routes = json!([
            // Headers that lie choose this one.
            { "path": "/mcp", "mcp": { "methods": ["tools/list"] } },
            { "path": "/mcp", "mcp": { "methods": ["tools/call"], "names": ["transfer_*"] }, "scopes": ["pay"] },
            { "path": "/mcp", "mcp": { "verify_body": true } },
            { "path": "/unread", "mcp": {} },
        ]);
        let filter = json!({ "routes": routes, "limits": { "max_mcp_body_bytes": 200_000 } });
        let site = Site::with(&Plan { filter, ..Plan::default() });
        let recorder = Recorder::start();
        let mut bootstrap = site.bootstrap.clone();
        bootstrap.clusters[0].1 = recorder.port;
        let folder = Folder::new();
        let ports = (ports::free(), ports::free());
        let envoy = Envoy::start_changed(&bootstrap, folder.path(), ports, change);
        let token = site.issuer.token("agent");
        wait::until_true("the gateway to synchronize", wait::SOON, || {
            envoy.get("/unasked", &token) == 200
        });
        recorder.forget();
        Self { site, envoy, recorder, token, _folder: folder }
    }

    fn request(&self, path: &str, method: &str, name: &str, body: &str) -> Request {
        let request = Request::post(path, "application/json", body)
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", method)
            .bearer(&self.token);
        if name.is_empty() { request } else { request.header("Mcp-Name", name) }
    }

    fn send(&self, method: &str, name: &str, body: &str) -> Message {
        self.envoy.send(&self.request("/mcp", method, name, body))
    }

    /// The same over HTTP/2, with the body in pieces.
    fn send_in_frames(&self, name: &str, pieces: &[&[u8]], trailers: bool) -> h2::Event {
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "api.example.com"),
            (":path", "/mcp"),
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", name),
            ("authorization", &bearer),
        ]
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let trailer = [(&b"x-check"[..], &b"1"[..])];
        let trailers = if trailers { &trailer[..] } else { &[] };
        let mut connection = h2::Connection::open(self.envoy.port).unwrap();
        connection.request_with(&headers, pieces, trailers).unwrap();
        connection.event().unwrap().1
    }
}

fn call(tool: &str, filling: usize) -> String {
    let arguments = json!({ "filling": "x".repeat(filling) });
    let params = json!({ "arguments": arguments, "name": tool });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
}

/// A request whose body comes in chunks (RFC 9112 §7.1), with a trailer.
fn in_chunks(setting: &Setting, name: &str, pieces: &[&str]) -> Message {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {name}\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
        setting.token
    );
    let mut stream = TcpStream::connect(("127.0.0.1", setting.envoy.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    for piece in pieces {
        std::thread::sleep(Duration::from_millis(30));
        stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).unwrap();
    }
    stream.write_all(b"0\r\nx-check: 1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // Whatever ends it.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap_or("0").to_owned();
    Message { start: status, ..Message::default() }
}

#[test]
fn a_body_reaches_the_service_whole_if_it_says_what_its_headers_said() {
    let setting = Setting::start(|_| ());
    let recorder = &setting.recorder;
    let reached = |what: &str, body: &str| {
        let seen = recorder.text();
        // Chunks on the way to the service may be others than on the way here.
        let seen: String = match seen.contains("chunked") {
            true => seen.split("\r\n").collect(),
            false => seen,
        };
        assert!(seen.contains(body), "{what}: {} bytes", seen.len());
        recorder.forget();
    };
    for filling in [0, 20_000, 150_000] {
        let body = call("get_weather", filling);
        assert_eq!(setting.send("tools/call", "get_weather", &body).status(), 200, "{filling}");
        assert_eq!(setting.send("tools/call", "=?base64?Z2V0X3dlYXRoZXI=?=", &body).status(), 200);
        reached("at once", &body);
    }
    let body = call("get_weather", 30);
    let (first, rest) = body.split_at(20);
    let (second, third) = rest.split_at(30);
    let answer = in_chunks(&setting, "get_weather", &[first, second, third]);
    assert_eq!(answer.status(), 200);
    let pieces = [first, second, third].map(str::as_bytes);
    for (pieces, trailers) in [
        (&pieces[..], false),
        (&pieces[..], true),
        (&[pieces[0], pieces[1], pieces[2], &b""[..]], false),
        (&[body.as_bytes()], true),
    ] {
        recorder.forget();
        let event = setting.send_in_frames("get_weather", pieces, trailers);
        assert_eq!(event, h2::Event::Headers);
        let seen = recorder.text();
        assert!(seen.contains(third), "{seen}");
        assert!(seen.contains("get_weather") && seen.contains(BODY));
    }
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    assert_eq!(setting.send("tools/list", "", &list).status(), 200);
    assert_eq!(setting.envoy.metric("rescind_denied_mcp_body_differs"), 0);
}

#[test]
fn a_body_that_says_something_else_never_reaches_the_service() {
    let setting = Setting::start(|_| ());
    let (envoy, recorder) = (&setting.envoy, &setting.recorder);
    let lie = call(MARK, 0);
    let large = call(MARK, 150_000);
    let duplicate = lie.replace("\"name\"", "\"name\":\"get_weather\",\"name\"");
    let hidden = lie.replace("\"name\"", "\"name\":\"get_weather\",\"Name\"");
    let batch = format!("[{}]", call(MARK, 0));
    let two = format!("{}\n{lie}", call("get_weather", 0));
    for (method, name, body) in [
        ("tools/call", "get_weather", &*lie),
        ("tools/call", "get_weather", &large),
        ("tools/call", "get_weather", &duplicate),
        ("tools/call", "get_weather", &hidden),
        ("tools/call", "get_weather", &two),
        ("tools/call", "get_weather", &batch),
        ("tools/call", "get_weather", &lie[..lie.len() - 1]),
        // The route that these headers choose does not verify; another does.
        ("tools/list", "", &lie),
        ("tools/list", "", &batch),
    ] {
        let refused = setting.send(method, name, body);
        assert_eq!(refused.status(), 400, "{body}");
        assert_eq!(refused.text(), r#"{"error":"invalid_request"}"#);
    }
    let (first, rest) = lie.split_at(40);
    let (second, third) = rest.split_at(10);
    for pieces in [&[first, second, third][..], &[&lie]] {
        assert_eq!(in_chunks(&setting, "get_weather", pieces).status(), 400);
        let bytes: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        for trailers in [false, true] {
            let event = setting.send_in_frames("get_weather", &bytes, trailers);
            assert_eq!(event, h2::Event::Headers, "it is answered");
        }
    }
    // What is only a part of the body says what the headers said.
    let (good, tail) = (call("get_weather", 0), format!("{},{lie}]", call("get_weather", 0)));
    assert_eq!(in_chunks(&setting, "get_weather", &[&good, &lie]).status(), 400);
    assert_eq!(in_chunks(&setting, "get_weather", &["[", &tail]).status(), 400);
    assert_eq!(in_chunks(&setting, "get_weather", &[&lie, &good]).status(), 400);
    let seen = recorder.text();
    assert!(!seen.contains(MARK) && !seen.contains(BODY), "{seen}");
    envoy
        .logged("the reason", |line| line["reason"] == "mcp_body_differs" && line["status"] == 400);
    envoy.logged("the reason", |line| line["reason"] == "malformed_mcp_body");
    envoy.metric_reaches("rescind_denied_mcp_body_differs", 4);
    // The gateway goes on, and where no route verifies it is as before.
    assert_eq!(setting.send("tools/call", "get_weather", &call("get_weather", 0)).status(), 200);
    let unread = setting.request("/unread", "tools/call", "get_weather", &lie);
    assert_eq!(envoy.send(&unread).status(), 200);
    assert!(recorder.text().contains(MARK));
}

#[test]
fn a_body_that_cannot_be_read_is_refused() {
    let setting = Setting::start(|_| ());
    let (envoy, recorder) = (&setting.envoy, &setting.recorder);
    let long = call(MARK, 200_000);
    let longer = call(MARK, 3_000_000);
    let send =
        |body: &str| http::send(envoy.port, &setting.request("/mcp", "tools/call", MARK, body));
    let payer = setting.site.issuer.token_with("agent", &json!({ "scope": "pay" }));
    let as_payer = |request: Request| envoy.send(&request.bearer(&payer)).status();
    let base = |media_type: &str, body: &str| {
        Request::post("/mcp", media_type, body)
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", MARK)
    };
    assert_eq!(send(&long).unwrap().status(), 403, "who may not call is told so at once");
    assert_eq!(as_payer(base("application/json", &long)), 413);
    // It is refused before it has been read, and the connection may end while it is being sent.
    if let Ok(answer) = http::send(envoy.port, &base("application/json", &longer).bearer(&payer)) {
        assert_eq!(answer.status(), 413);
    }
    let body = call(MARK, 0);
    assert_eq!(as_payer(base("application/json", "")), 400);
    assert_eq!(as_payer(base("text/plain", &body)), 400);
    assert_eq!(as_payer(base("application/json; charset=utf-7", &body)), 400);
    assert_eq!(as_payer(base("application/json", &body).header("Content-Encoding", "gzip")), 400);
    let bytes: Vec<u8> = body.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let utf16 = String::from_utf8_lossy(&bytes).into_owned();
    assert_eq!(as_payer(base("application/json", &utf16)), 400);
    let seen = recorder.text();
    assert!(!seen.contains("filling") && !seen.contains(BODY), "{} bytes", seen.len());
    envoy.logged("the reason", |line| {
        line["reason"] == "mcp_body_too_long" && line["status"] == 413
    });
    assert_eq!(as_payer(base("application/json; charset=utf-8", &body)), 200);
    assert!(recorder.text().contains(BODY));
}

/// The service sees the headers at once, and of the body nothing before all of it is there. An option of Envoy's that
/// says when bodies are shown at all makes no difference: headers are never stopped for their body.
#[test]
fn a_body_that_comes_slowly_is_held_until_it_is_whole() {
    for stops_headers_only in [false, true] {
        body_comes_slowly(&Setting::start(|bootstrap| {
            let listener = &mut bootstrap["static_resources"]["listeners"][0];
            let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
            let plugin = &mut manager["http_filters"][0]["typed_config"]["config"];
            assert_eq!(plugin["name"], "rescind");
            plugin["allow_on_headers_stop_iteration"] = json!(stops_headers_only);
        }));
    }
}

fn body_comes_slowly(setting: &Setting) {
    let recorder = &setting.recorder;
    let body = call("get_weather", 0);
    let (first, rest) = body.split_at(body.len() - 1);
    let mut stream = TcpStream::connect(("127.0.0.1", setting.envoy.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: get_weather\r\n\
         content-length: {}\r\n\r\n",
        setting.token,
        body.len()
    );
    stream.write_all(format!("{head}{first}").as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(!recorder.text().contains(BODY), "{}", recorder.text());
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert!(recorder.text().contains(&body));
    recorder.forget();
    assert_eq!(setting.send("tools/call", "get_weather", &call(MARK, 0)).status(), 400);
    assert!(!recorder.text().contains(BODY), "{}", recorder.text());
}
