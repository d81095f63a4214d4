//! What a protected resource says about itself (RFC 9728), so that a client without a token can
//! find out where to get one.
//!
//! The document is made once, from the configuration, and answered to anybody without a token: that
//! is its purpose. Its address follows from the resource's identifier (RFC 9728 §3.1), and the
//! identifier is what tokens for the resource have in `aud` (RFC 8707).
//!
//! This module refuses to reflect anything of a request into the answer: `resource` is what the
//! configuration says, whatever `host` the request has.

use serde_json::{Map, Value};

use crate::https_url::{HttpsUrl, UrlError, same_authority};
use crate::jws::Algorithm;

#[cfg(test)]
mod tests;

/// What the path of every such document starts with.
pub const WELL_KNOWN_PATH: &str = "/.well-known/oauth-protected-resource";

/// How long clients and proxies may keep the document: a change of authorization server shows within
/// an hour.
const MAX_AGE_SECS: u32 = 3600;

/// What is to be said about a resource.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResourceMetadata {
    /// `resource`: its identifier, an https URL without query and fragment.
    pub resource: String,
    /// `authorization_servers`: who issues tokens for it.
    pub authorization_servers: Vec<String>,
    /// `jwks_uri`: keys of the resource itself, not of its authorization servers.
    pub jwks_uri: Option<String>,
    /// `scopes_supported`
    pub scopes: Vec<String>,
    /// `resource_name`: for people.
    pub name: Option<String>,
    /// `resource_documentation`: for developers.
    pub documentation: Option<String>,
    /// `tls_client_certificate_bound_access_tokens`
    pub accepts_certificate_bound_tokens: bool,
    /// `dpop_signing_alg_values_supported`
    pub dpop_algorithms: Vec<Algorithm>,
    /// `dpop_bound_access_tokens_required`
    pub requires_dpop: bool,
    /// Whether its tokens are in places that RFC 6750 does not know: then there is no `bearer_methods_supported`.
    pub elsewhere_only: bool,
    /// `authorization_details_types_supported`
    pub authorization_details_types: Vec<String>,
}

/// Why no document can be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResourceMetadataError {
    /// `resource` is no https URL.
    #[error("{0}")]
    Resource(UrlError),
    /// `resource` has a query, which identifiers should not have (RFC 8707 §2).
    #[error("has a query")]
    Query,
    /// `resource` has an escape or a segment that servers read differently: it could be matched by
    /// one path and routed by another.
    #[error("has a path that is not plain")]
    Path,
}

/// A document that is ready to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetadataDocument {
    resource: String,
    authority: String,
    path: String,
    url: String,
    body: Vec<u8>,
}

/// What to answer to a request for a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetadataAnswer<'a> {
    /// The status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: &'a [u8],
}

impl MetadataDocument {
    /// Makes the document.
    pub fn new(metadata: &ResourceMetadata) -> Result<Self, ResourceMetadataError> {
        let url = HttpsUrl::parse(&metadata.resource).map_err(ResourceMetadataError::Resource)?;
        if url.query.is_some() {
            return Err(ResourceMetadataError::Query);
        }
        let dotted = |segment: &str| matches!(segment, "." | "..");
        let empty_inside = url.path.contains("//");
        if empty_inside || url.path.contains(['%', ';']) || url.path.split('/').any(dotted) {
            return Err(ResourceMetadataError::Path);
        }
        // Only a slash directly after the host is removed (RFC 9728 §3.1).
        let inserted = if url.path == "/" { "" } else { url.path };
        let path = format!("{WELL_KNOWN_PATH}{inserted}");
        Ok(Self {
            resource: metadata.resource.clone(),
            authority: url.authority.to_owned(),
            url: format!("https://{}{path}", url.authority),
            path,
            body: Value::Object(members(metadata)).to_string().into_bytes(),
        })
    }

    /// Its URL: the value of `resource_metadata` in a challenge (RFC 9728 §5.1).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The identifier of the resource that it is about.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The path it is served at.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the resource has `path` (without query) at `host`; if so, how many bytes of the path say that. `None`
    /// for a host of another resource.
    #[must_use]
    fn covers(&self, path: &[u8], host: &[u8]) -> Option<usize> {
        let host = std::str::from_utf8(host).ok()?;
        let resource = self.path.strip_prefix(WELL_KNOWN_PATH)?.trim_end_matches('/');
        let rest = path.strip_prefix(resource.as_bytes())?;
        (same_authority(&self.authority, host) && matches!(rest, [] | [b'/', ..]))
            .then_some(resource.len())
    }

    /// The document, as JSON.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The answer to a request with `method` for this document. HEAD is answered like GET, and the
    /// gateway leaves out the body; a preflight of a browser needs no token (WHATWG Fetch).
    #[must_use]
    pub fn answer(&self, method: &[u8]) -> MetadataAnswer<'_> {
        const ALLOWED: &str = "GET, HEAD, OPTIONS";
        let text = str::to_owned;
        let mut headers = vec![("access-control-allow-origin", text("*"))];
        match method {
            b"GET" | b"HEAD" => {
                headers.extend([
                    ("content-type", text("application/json")),
                    ("cache-control", format!("public, max-age={MAX_AGE_SECS}")),
                    ("x-content-type-options", text("nosniff")),
                ]);
                MetadataAnswer { status: 200, headers, body: &self.body }
            }
            b"OPTIONS" => {
                headers.extend([
                    ("allow", text(ALLOWED)),
                    ("access-control-allow-methods", text(ALLOWED)),
                    // `*` does not include Authorization; MCP clients send their version.
                    (
                        "access-control-allow-headers",
                        text("authorization, mcp-protocol-version, *"),
                    ),
                    ("access-control-max-age", MAX_AGE_SECS.to_string()),
                ]);
                MetadataAnswer { status: 204, headers, body: &[] }
            }
            _ => {
                headers.push(("allow", text(ALLOWED)));
                MetadataAnswer { status: 405, headers, body: &[] }
            }
        }
    }
}

/// The document that is served at `path` (without query). If several resources on different hosts
/// share it, the one of `host`, the request's.
#[must_use]
pub fn find<'d>(
    documents: &'d [MetadataDocument],
    path: &[u8],
    host: &[u8],
) -> Option<&'d MetadataDocument> {
    let mut at_path = documents.iter().filter(|document| document.path.as_bytes() == path);
    let first = at_path.next()?;
    let Some(second) = at_path.next() else { return Some(first) };
    let host = std::str::from_utf8(host).ok()?;
    [first, second]
        .into_iter()
        .chain(at_path)
        .find(|document| same_authority(&document.authority, host))
}

/// The document of the resource that a request for `path` (without query) at `host` is meant for: the one that names
/// most of the path; if there is one document only, that one.
#[must_use]
pub fn of_request<'d>(
    documents: &'d [MetadataDocument],
    path: &[u8],
    host: &[u8],
) -> Option<&'d MetadataDocument> {
    if let [document] = documents {
        return Some(document);
    }
    let covering =
        documents.iter().filter_map(|document| Some((document.covers(path, host)?, document)));
    covering.max_by_key(|(length, _)| *length).map(|(_, document)| document)
}

/// Members that are empty are left out (RFC 9728 §3.2).
fn members(metadata: &ResourceMetadata) -> Map<String, Value> {
    let ResourceMetadata {
        resource,
        authorization_servers,
        jwks_uri,
        scopes,
        name,
        documentation,
        accepts_certificate_bound_tokens,
        dpop_algorithms,
        requires_dpop,
        elsewhere_only,
        authorization_details_types,
    } = metadata;
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let texts = |texts: &[String]| (!texts.is_empty()).then(|| Value::from(texts.to_vec()));
    let flag = |flag: bool| flag.then_some(Value::Bool(true));
    let algorithms: Vec<String> =
        dpop_algorithms.iter().map(|algorithm| algorithm.name().to_owned()).collect();
    [
        ("resource", Some(Value::from(resource.as_str()))),
        ("authorization_servers", texts(authorization_servers)),
        ("jwks_uri", text(jwks_uri)),
        ("scopes_supported", texts(scopes)),
        // Never in the query or the body.
        (
            "bearer_methods_supported",
            (!elsewhere_only).then(|| Value::from(vec!["header".to_owned()])),
        ),
        ("resource_name", text(name)),
        ("resource_documentation", text(documentation)),
        ("tls_client_certificate_bound_access_tokens", flag(*accepts_certificate_bound_tokens)),
        ("dpop_signing_alg_values_supported", texts(&algorithms)),
        ("dpop_bound_access_tokens_required", flag(*requires_dpop)),
        ("authorization_details_types_supported", texts(authorization_details_types)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}
