//! Which request is asked about: read from where the caller's form says, and from nowhere else.
//!
//! Gateways pass on what clients sent, so a client can send any of these headers too. The gateway
//! must overwrite them, which nginx and Traefik do as the examples configure them; and since the
//! form is the caller's, a client cannot have another header read instead. One that is absent or
//! there twice is a refusal, never a guess.

use hyper::Version;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use rescind_core::credential::{DPOP, TXN_TOKEN, WORKLOAD_PROOF, WORKLOAD_TOKEN};
use rescind_core::mcp::McpHeaders;
use rescind_core::mcp::body::Content;
use rescind_core::place::Elsewhere;
use rescind_core::request::{Field, RequestView};
use rescind_core::verdict::Denial;

use super::form::Forward;

/// Where forward-auth is asked; with [`Forward::Envoy`] the request's own path follows.
pub(crate) const CHECK: &str = "/v1/check";

/// The request that `call` asks about.
pub(crate) fn view(form: Forward, call: &Parts) -> Result<RequestView<'_>, Denial> {
    let headers = &call.headers;
    let (method, path, host) = match form {
        Forward::Nginx | Forward::Headers => (
            only(headers, "x-original-method")?,
            only(headers, "x-original-uri")?,
            only(headers, "x-original-host")?,
        ),
        Forward::Traefik => (
            only(headers, "x-forwarded-method")?,
            only(headers, "x-forwarded-uri")?,
            only(headers, "x-forwarded-host")?,
        ),
        Forward::Envoy => {
            let target = call.uri.path_and_query().map_or("", |target| target.as_str());
            let path = target.strip_prefix(CHECK).unwrap_or_default();
            let host = match call.uri.authority() {
                // HTTP/2 has it where it belongs.
                Some(host) if call.version == Version::HTTP_2 => host.as_str().as_bytes(),
                _ => only(headers, "host")?,
            };
            (call.method.as_str().as_bytes(), path.as_bytes(), host)
        }
    };
    Ok(request((method, path, host), |name| field(headers, name)))
}

/// The request with this method, path and host, and what `field` says of its headers.
pub(crate) fn request<'h>(
    (method, path, host): (&'h [u8], &'h [u8], &'h [u8]),
    field: impl Fn(&str) -> Field<'h>,
) -> RequestView<'h> {
    let authorization = field("authorization");
    // Some gateways send a header that they were told to copy, and did not get, without a value. No browser does.
    let origin = match field("origin") {
        Field::One(b"") => Field::Absent,
        origin => origin,
    };
    let preflight = match (method, field("access-control-request-method"), authorization) {
        (b"OPTIONS", Field::One(announced), Field::Absent) if origin != Field::Absent => {
            Some(announced)
        }
        _ => None,
    };
    RequestView {
        method,
        path,
        host,
        authorization,
        proof: field(DPOP),
        txn_token: field(TXN_TOKEN),
        workload_token: field(WORKLOAD_TOKEN),
        workload_proof: field(WORKLOAD_PROOF),
        forwarded_certificate: field("x-forwarded-client-cert"),
        // The configuration has no other places: see `settings`.
        elsewhere: Elsewhere::default(),
        origin,
        fetch_site: field("sec-fetch-site"),
        upgrades: field("upgrade") != Field::Absent
            || field("sec-websocket-version") != Field::Absent,
        mcp: McpHeaders::find(field),
        // No route reads bodies.
        content: Content::default(),
        // For answers of gRPC, which the gateway makes of ours.
        grpc: false,
        preflight,
    }
}

fn field<'h>(headers: &'h HeaderMap, name: &str) -> Field<'h> {
    Field::from_values(headers.get_all(name).iter().map(|value| value.as_bytes()))
}

fn only<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h [u8], Denial> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        // Status 0: the gateway did ask.
        _ => Err(Denial::Unreadable { what: missing(name), status: 0 }),
    }
}

fn missing(name: &'static str) -> &'static str {
    match name {
        "x-original-method" => "`x-original-method` exactly once",
        "x-original-uri" => "`x-original-uri` exactly once",
        "x-original-host" => "`x-original-host` exactly once",
        "x-forwarded-method" => "`x-forwarded-method` exactly once",
        "x-forwarded-uri" => "`x-forwarded-uri` exactly once",
        "x-forwarded-host" => "`x-forwarded-host` exactly once",
        _ => "`host` exactly once",
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    const ALL: [(&str, &str); 7] = [
        ("host", "envoy.example.com"),
        ("x-original-method", "PUT"),
        ("x-original-uri", "/nginx?a=b"),
        ("x-original-host", "nginx.example.com"),
        ("x-forwarded-method", "DELETE"),
        ("x-forwarded-uri", "/traefik"),
        ("x-forwarded-host", "traefik.example.com"),
    ];

    fn call(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method("POST").uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn each_form_reads_its_own_headers_whatever_else_is_sent() {
        for (form, method, path, host) in [
            (Forward::Nginx, "PUT", "/nginx?a=b", "nginx.example.com"),
            (Forward::Headers, "PUT", "/nginx?a=b", "nginx.example.com"),
            (Forward::Traefik, "DELETE", "/traefik", "traefik.example.com"),
            (Forward::Envoy, "POST", "/envoy//x%2f?c", "envoy.example.com"),
        ] {
            let call = call("/v1/check/envoy//x%2f?c", &ALL);
            let view = view(form, &call).unwrap();
            let shown = [view.method, view.path, view.host].map(String::from_utf8_lossy);
            assert_eq!(shown, [method, path, host], "{form:?}");
        }
    }

    #[test]
    fn a_header_that_is_absent_or_there_twice_is_refused() {
        for (form, needed) in [
            (Forward::Nginx, &ALL[1..4]),
            (Forward::Headers, &ALL[1..4]),
            (Forward::Traefik, &ALL[4..]),
            (Forward::Envoy, &ALL[..1]),
        ] {
            for left_out in needed {
                let others = ALL.into_iter().filter(|header| header != left_out);
                let without: Vec<_> = others.collect();
                let twice = [&ALL[..], &[*left_out]].concat();
                for headers in [without, twice] {
                    let call = call(CHECK, &headers);
                    let refused = view(form, &call);
                    let named = matches!(
                        refused,
                        Err(Denial::Unreadable { what, .. }) if what.contains(left_out.0)
                    );
                    assert!(named, "{form:?} {left_out:?} {headers:?}");
                }
            }
        }
    }

    #[test]
    fn credentials_are_read_from_their_headers_in_every_form() {
        let headers =
            [&ALL[..], &[("authorization", "Bearer a"), ("dpop", "p"), ("dpop", "q")]].concat();
        for form in Forward::ALL {
            let call = call("/v1/check/", &headers);
            let view = view(form, &call).unwrap();
            assert!(view.authorization == Field::One(b"Bearer a"), "{form:?}");
            assert!(view.proof == Field::Many, "{form:?}");
        }
    }

    #[test]
    fn what_an_mcp_request_says_is_read_in_every_form_and_spelling() {
        let mcp = [("mcp-method", "tools/call"), ("mcp-name", "a"), ("mcp_name", "b")];
        let headers = [&ALL[..], &mcp].concat();
        for form in Forward::ALL {
            let call = call("/v1/check/", &headers);
            let view = view(form, &call).unwrap();
            assert!(view.mcp.method == Field::One(b"tools/call"), "{form:?}");
            assert!(view.mcp.name == Field::Many, "{form:?}");
        }
    }

    #[test]
    fn an_origin_is_shown_as_it_came_and_one_without_a_value_is_none() {
        let asks =
            [("x-original-method", "POST"), ("x-original-uri", "/a"), ("x-original-host", "h")];
        for (origins, expected) in [
            (&[][..], Field::Absent),
            (&[("origin", "")], Field::Absent),
            (&[("origin", "https://a")], Field::One(&b"https://a"[..])),
            (&[("origin", "null")], Field::One(b"null")),
            (&[("origin", ""), ("origin", "")], Field::Many),
            (&[("origin", "https://a"), ("origin", "")], Field::Many),
        ] {
            let call = call(CHECK, &[&asks[..], origins].concat());
            assert!(view(Forward::Nginx, &call).unwrap().origin == expected, "{origins:?}");
        }
    }

    #[test]
    fn a_preflight_is_one_without_credentials_and_with_an_origin() {
        let preflight = [
            ("x-original-method", "OPTIONS"),
            ("x-original-uri", "/a"),
            ("x-original-host", "h"),
            ("origin", "https://app.example.com"),
            ("access-control-request-method", "PUT"),
        ];
        let method = |headers: &[(&str, &str)]| {
            let call = call(CHECK, headers);
            view(Forward::Nginx, &call).unwrap().preflight.map(<[u8]>::to_vec)
        };
        assert_eq!(method(&preflight), Some(b"PUT".to_vec()));
        assert_eq!(method(&[&preflight[..], &[("authorization", "Bearer a")]].concat()), None);
        assert_eq!(method(&[&preflight[..], &[preflight[4]]].concat()), None);
        assert_eq!(method(&[&preflight[..3], &preflight[4..]].concat()), None);
    }
}
