//! What gateways ask the companion: forward-auth, AuthZEN, `ext_authz` over gRPC.
//!
//! The companion is a program, which offers its parts to nobody, so the files that read questions
//! are compiled here as well: as they are, in modules of the same names. Whoever moves one finds out
//! at the next build.

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Request, Uri};
use prost::Message as _;
use rescind_core::json::{self, Limits};
use rescind_core::mcp::McpRequest;
use rescind_core::request::{Connection as _, Field};
use serde_json::Value;

#[path = "../../../companion/src/decide/grpc/asked.rs"]
mod asked;
#[path = "../../../companion/src/decide/authzen/call.rs"]
mod call;
#[allow(dead_code, reason = "names are for the configuration")]
#[path = "../../../companion/src/decide/form.rs"]
mod form;
#[path = "../../../companion/src/decide/authzen/message.rs"]
mod message;
#[allow(dead_code, reason = "answers are written, not read")]
#[path = "../../../companion/src/decide/grpc/messages.rs"]
mod messages;
#[path = "../../../companion/src/decide/original.rs"]
mod original;
#[path = "../../../companion/src/decide/authzen/question.rs"]
mod question;

use asked::Asked;
use call::Call;
use form::{Form, Forward};
use question::{Kind, Question};

/// A method and a target, then headers, a line each, as a gateway sends them before it forwards.
///
/// # Panics
///
/// When a header that a caller of this form does not write has a say, or one counts that is there twice.
pub fn forward(data: &[u8]) {
    let Some(sent) = request(data) else { return };
    let count = |name: &str| sent.headers.get_all(name).iter().count();
    for form in Form::ALL {
        let Form::Forward(form) = form else { continue };
        let Ok(view) = original::view(form, &sent) else {
            assert!(own(form).iter().any(|name| count(name) != 1), "{form:?}");
            continue;
        };
        assert!(own(form).iter().all(|name| count(name) == 1), "{form:?}");
        for (name, field) in [
            ("authorization", view.authorization),
            ("dpop", view.proof),
            ("txn-token", view.txn_token),
            ("workload-identity-token", view.workload_token),
            ("workload-proof-token", view.workload_proof),
            ("x-forwarded-client-cert", view.forwarded_certificate),
        ] {
            let value = sent.headers.get(name).map(|value| value.as_bytes());
            agrees(name, field, count(name), value);
        }
        let mut others = sent.clone();
        for other in Form::ALL {
            let Form::Forward(other) = other else { continue };
            for name in own(other).iter().filter(|name| !own(form).contains(name)) {
                others.headers.remove(*name);
            }
        }
        let again = original::view(form, &others).expect("what it needs is still there");
        let parts = (view.method, view.path, view.host);
        assert_eq!((again.method, again.path, again.host), parts, "{form:?}");
    }
}

/// The headers that a caller of this form writes; nobody else may.
const fn own(form: Forward) -> &'static [&'static str] {
    match form {
        Forward::Nginx | Forward::Headers => {
            &["x-original-method", "x-original-uri", "x-original-host"]
        }
        Forward::Traefik => &["x-forwarded-method", "x-forwarded-uri", "x-forwarded-host"],
        Forward::Envoy => &["host"],
    }
}

fn request(data: &[u8]) -> Option<Parts> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let target = Uri::try_from(first.next()?).ok()?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        request = request.header(parts.next()?, parts.next()?.trim_ascii());
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn agrees(name: &str, field: Field<'_>, count: usize, value: Option<&[u8]>) {
    match field {
        Field::Absent => assert_eq!(count, 0, "{name}"),
        Field::One(found) => assert_eq!((count, Some(found)), (1, value), "{name}"),
        Field::Many => assert!(count > 1, "{name}"),
    }
}

/// A call of AuthZEN: one question or several.
///
/// # Panics
///
/// When what is decided about is not what another JSON parser sees in the question.
pub fn authzen(data: &[u8]) {
    let Ok(value) = json::parse(data, &Limits::TOKEN) else { return };
    let theirs = serde_json::from_slice::<Value>(data).expect("JSON for everybody");
    for several in [false, true] {
        match Call::read(&value, several) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(Call::One(question)) => is_asked(&question, &theirs, &theirs),
            Ok(Call::Several { semantic, questions }) => {
                let elements = theirs["evaluations"].as_array().expect("a list");
                let stops = theirs["options"]["evaluations_semantic"].as_str();
                assert_eq!(semantic.ends_with(true), stops == Some("permit_on_first_permit"));
                assert_eq!(semantic.ends_with(false), stops == Some("deny_on_first_deny"));
                assert!(several && (1..=32).contains(&questions.len()));
                assert_eq!(questions.len(), elements.len());
                for (question, element) in questions.iter().zip(elements) {
                    if let Ok(question) = question {
                        is_asked(question, element, &theirs);
                    }
                }
            }
        }
    }
}

fn is_asked(question: &Question<'_>, own: &Value, defaults: &Value) {
    let entity = |name: &str| own.get(name).unwrap_or(&defaults[name]);
    let (action, resource) = (entity("action"), entity("resource"));
    let (subject, context) = (entity("subject"), entity("context"));
    let asked = match &question.kind {
        Kind::Request(asked) => asked,
        Kind::Claims(claims) => {
            assert_eq!(resource["type"], "verified_token");
            assert_eq!(resource["properties"]["iss"], claims.iss);
            return;
        }
    };
    let view = asked.view();
    let text = |value: &Value| value.as_str().map(|text| text.as_bytes().to_vec());
    let kind = resource["type"].as_str().expect("a type");
    let (method, path, host) = if kind == "route" {
        assert!(view.mcp.method == Field::Absent && view.mcp.name == Field::Absent);
        (text(&action["name"]), text(&resource["id"]), &resource["properties"]["host"])
    } else {
        let said = McpRequest::parse(&view.mcp).expect("headers that say the same");
        assert_eq!(said.method, action["name"].as_str());
        let id = resource["id"].as_str().filter(|_| kind != "mcp_server");
        assert_eq!(said.name.as_deref(), id);
        (Some(b"POST".to_vec()), text(&context["path"]), &context["host"])
    };
    assert_eq!(Some(view.method.to_vec()), method);
    assert_eq!(Some(view.path.to_vec()), path);
    assert_eq!(view.host, text(host).unwrap_or_default());
    let scheme = if context.get("dpop").is_some() { "DPoP" } else { "Bearer" };
    let authorization = context["access_token"].as_str().map(|token| format!("{scheme} {token}"));
    for (name, field, value) in [
        ("access_token", view.authorization, authorization.map(String::into_bytes)),
        ("dpop", view.proof, text(&context["dpop"])),
        ("txn_token", view.txn_token, text(&context["txn_token"])),
        ("workload_token", view.workload_token, text(&context["workload_identity_token"])),
        ("workload_proof", view.workload_proof, text(&context["workload_proof_token"])),
        ("origin", view.origin, text(&context["origin"])),
    ] {
        agrees(name, field, usize::from(value.is_some()), value.as_deref());
    }
    let told = asked.connection().peer_certificate_digest();
    assert_eq!(told, text(&context["client_certificate"]));
    let anybody = subject["type"] == "access_token";
    let id = subject["id"].as_str().expect("an id");
    assert!(question.is_about(Some(id)));
    assert_eq!(question.is_about(Some(&format!("{id}x"))), anybody);
}

/// The body of a call of gRPC, and the message in one.
///
/// # Panics
///
/// When a message is not all of its body, does not survive being written again, or a credential in it
/// is one where there are two.
pub fn grpc(data: &[u8]) {
    let length = u32::try_from(data.len()).expect("a length").to_be_bytes();
    for body in [data.to_vec(), [&[0][..], &length, data].concat()] {
        let Ok(call) = asked::message(Bytes::from(body.clone())) else { continue };
        let (prefix, message) = body.split_at(5);
        let length = u32::try_from(message.len()).expect("a length").to_be_bytes();
        assert_eq!(prefix, [&[0][..], &length].concat());
        assert_eq!(messages::CheckRequest::decode(&*call.encode_to_vec()), Ok(call.clone()));
        let Some(asked) = Asked::new(&call) else { continue };
        let attributes = call.attributes.as_ref().expect("what a request stands in");
        let http = attributes.request.as_ref().and_then(|request| request.http.as_ref());
        let http = http.expect("a request");
        let view = asked.view();
        let parts = [&http.method, &http.path, &http.host].map(String::as_bytes);
        assert_eq!([view.method, view.path, view.host], parts);
        for (name, field) in [
            ("authorization", view.authorization),
            ("dpop", view.proof),
            ("txn-token", view.txn_token),
            ("x-forwarded-client-cert", view.forwarded_certificate),
        ] {
            let values: Vec<&[u8]> = match &http.header_map {
                Some(map) => {
                    let named = map.headers.iter().filter(|it| it.key.to_ascii_lowercase() == name);
                    named
                        .map(|it| match it.raw_value.is_empty() {
                            true => it.value.as_bytes(),
                            false => &it.raw_value,
                        })
                        .collect()
                }
                None => http.headers.get(name).map(String::as_bytes).into_iter().collect(),
            };
            agrees(name, field, values.len(), values.first().copied());
        }
        if let Some(digest) = asked.peer_certificate_digest() {
            assert!(digest.len() == 64 && digest.iter().all(u8::is_ascii_hexdigit));
        }
    }
}
