//! The messages of Envoy's external authorization, as far as they are read or written here:
//! `envoy/service/auth/v3/external_auth.proto`, `attribute_context.proto`,
//! `envoy/config/core/v3/base.proto`, and Google's `Status` and `Struct`.
//!
//! Kept by hand: a compiler of protocol buffers would bring some thirty files for these fields. Other
//! fields are skipped when read, as the format has it.

use std::collections::HashMap;

use prost::Message;

/// Replaces all headers of the name (`HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD`).
const REPLACE: i32 = 2;
/// Adds one more (`HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD`).
const ADD: i32 = 0;

/// `google.rpc.Code`.
const OK: i32 = 0;
const PERMISSION_DENIED: i32 = 7;

/// What Envoy asks.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) attributes: Option<AttributeContext>,
}

/// What Envoy knows.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AttributeContext {
    #[prost(message, optional, tag = "1")]
    pub(super) source: Option<Peer>,
    #[prost(message, optional, tag = "4")]
    pub(super) request: Option<Request>,
}

/// The other end of the connection.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Peer {
    /// PEM, percent-encoded.
    #[prost(string, tag = "5")]
    pub(super) certificate: String,
}

/// The request, of whatever protocol.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(message, optional, tag = "2")]
    pub(super) http: Option<HttpRequest>,
}

/// The request.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HttpRequest {
    #[prost(string, tag = "2")]
    pub(super) method: String,
    /// By names in lower case, those of one name joined.
    #[prost(map = "string, string", tag = "3")]
    pub(super) headers: HashMap<String, String>,
    /// With its query.
    #[prost(string, tag = "4")]
    pub(super) path: String,
    #[prost(string, tag = "5")]
    pub(super) host: String,
    /// With `encode_raw_headers`: as they came, instead of `headers`.
    #[prost(message, optional, tag = "13")]
    pub(super) header_map: Option<HeaderMap>,
}

/// Headers in their order.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HeaderMap {
    #[prost(message, repeated, tag = "1")]
    pub(super) headers: Vec<HeaderValue>,
}

/// One header.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HeaderValue {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
    /// Instead of `value`, where it need not be text.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) raw_value: Vec<u8>,
}

/// What Envoy is to do.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<RpcStatus>,
    #[prost(message, optional, tag = "2")]
    pub(super) denied: Option<Denied>,
    #[prost(message, optional, tag = "3")]
    pub(super) ok: Option<Ok>,
    #[prost(message, optional, tag = "4")]
    pub(super) dynamic_metadata: Option<Struct>,
}

/// Whether it may pass: only 0 says so.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
}

/// What the client gets.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Denied {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    pub(super) headers: Vec<HeaderOption>,
    #[prost(string, tag = "3")]
    pub(super) body: String,
}

/// A status of HTTP.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HttpStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
}

/// What the service gets.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Ok {
    #[prost(message, repeated, tag = "2")]
    pub(super) headers: Vec<HeaderOption>,
    #[prost(string, repeated, tag = "5")]
    pub(super) headers_to_remove: Vec<String>,
}

/// A header to be sent.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HeaderOption {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<HeaderValue>,
    #[prost(int32, tag = "3")]
    pub(super) append_action: i32,
}

/// `google.protobuf.Struct`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Struct {
    #[prost(map = "string, message", tag = "1")]
    pub(super) fields: HashMap<String, Value>,
}

/// `google.protobuf.Value`, if it is a string.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, optional, tag = "3")]
    pub(super) string: Option<String>,
}

impl CheckResponse {
    /// Lets the request pass: with these `headers` instead of others of their names, without those
    /// in `removed`. What is `known` goes into dynamic metadata.
    pub(super) fn ok<'h>(
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        removed: Vec<String>,
        known: impl Iterator<Item = (&'static str, String)>,
    ) -> Self {
        let headers = headers.map(|(name, value)| header(name, value, REPLACE)).collect();
        Self {
            status: Some(RpcStatus { code: OK }),
            denied: None,
            ok: Some(Ok { headers, headers_to_remove: removed }),
            dynamic_metadata: Some(metadata(known)),
        }
    }

    /// Refuses it with this answer.
    pub(super) fn denied<'h>(
        status: u16,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: &str,
        known: impl Iterator<Item = (&'static str, String)>,
    ) -> Self {
        let mut sent: Vec<HeaderOption> = Vec::new();
        for (name, value) in headers {
            let is_first =
                !sent.iter().filter_map(|it| it.header.as_ref()).any(|it| it.key == name);
            sent.push(header(name, value, if is_first { REPLACE } else { ADD }));
        }
        let status = HttpStatus { code: i32::from(status) };
        Self {
            status: Some(RpcStatus { code: PERMISSION_DENIED }),
            denied: Some(Denied { status: Some(status), headers: sent, body: body.to_owned() }),
            ok: None,
            dynamic_metadata: Some(metadata(known)),
        }
    }
}

fn header(name: &str, value: &str, append_action: i32) -> HeaderOption {
    let (key, value) = (name.to_owned(), value.to_owned());
    HeaderOption { header: Some(HeaderValue { key, value, raw_value: Vec::new() }), append_action }
}

fn metadata(known: impl Iterator<Item = (&'static str, String)>) -> Struct {
    let fields = known.map(|(name, text)| (name.to_owned(), Value { string: Some(text) }));
    Struct { fields: fields.collect() }
}
