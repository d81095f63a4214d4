//! What a call of gRPC asks: one message, whole and uncompressed, that shows a request of HTTP.

use bytes::{Buf as _, Bytes};
use prost::Message as _;
use rescind_core::crypto::sha256;
use rescind_core::request::{Connection, Field, RequestView};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::messages::{CheckRequest, HttpRequest};
use crate::decide::original;
use crate::secret::to_hex;

/// A flag and the length come before each message.
pub(super) const PREFIX_BYTES: usize = 5;

/// Why a call is not answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unread {
    /// It is no message, or not one alone.
    Malformed,
    /// It is compressed.
    Compressed,
}

/// The one message of a call.
pub(super) fn message(mut body: Bytes) -> Result<CheckRequest, Unread> {
    if body.len() < PREFIX_BYTES {
        return Err(Unread::Malformed);
    }
    if body.get_u8() != 0 {
        return Err(Unread::Compressed);
    }
    let length = usize::try_from(body.get_u32()).unwrap_or(usize::MAX);
    if length != body.len() {
        return Err(Unread::Malformed);
    }
    CheckRequest::decode(body).map_err(|_| Unread::Malformed)
}

/// A request that is asked about.
pub(super) struct Asked<'m> {
    http: &'m HttpRequest,
    certificate: &'m str,
}

impl<'m> Asked<'m> {
    /// `None` if the call shows no request of HTTP.
    pub(super) fn new(call: &'m CheckRequest) -> Option<Self> {
        let attributes = call.attributes.as_ref()?;
        let http = attributes.request.as_ref()?.http.as_ref()?;
        let certificate = attributes.source.as_ref().map_or("", |source| &source.certificate);
        Some(Self { http, certificate })
    }

    /// The request as the gate sees it.
    pub(super) fn view(&self) -> RequestView<'_> {
        let http = self.http;
        let parts = (http.method.as_bytes(), http.path.as_bytes(), http.host.as_bytes());
        original::request(parts, |name| self.field(name))
    }

    /// All values of a header. Raw ones go first: of these, none were joined.
    fn field(&self, name: &str) -> Field<'_> {
        match &self.http.header_map {
            Some(map) => {
                let named = map.headers.iter().filter(|it| it.key.eq_ignore_ascii_case(name));
                Field::from_values(named.map(|it| match it.raw_value.as_slice() {
                    [] => it.value.as_bytes(),
                    raw => raw,
                }))
            }
            None => {
                let named = self.http.headers.get(name).into_iter();
                Field::from_values(named.map(String::as_bytes))
            }
        }
    }
}

impl Connection for Asked<'_> {
    /// Of the certificate that Envoy shows, PEM in percent-encoding, the first.
    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        let pem = decoded(self.certificate.as_bytes())?;
        let der = CertificateDer::from_pem_slice(&pem).ok()?;
        Some(to_hex(&sha256(&der)).into_bytes())
    }
}

/// Percent-decodes `text`.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        rest = after;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.extend(crate::secret::hex::<1>(digits)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
