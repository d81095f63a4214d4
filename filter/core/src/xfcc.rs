//! Which certificate a client showed in TLS, so that a token can be bound to it (RFC 8705 §3).
//!
//! Two sources say so. The gateway's own connection does, in attributes
//! ([`PeerCertificate::from_attributes`]): that is the one to prefer. Behind another proxy, the
//! header `x-forwarded-client-cert` does ([`PeerCertificate::from_xfcc`]), and only as far as the
//! configuration says who writes it: each proxy adds one *element*, and a client can send any.
//!
//! # What is refused
//!
//! Envoy writes names from certificates into this header without quoting them (its issue 32945), so
//! whoever gets a certificate for a URI such as `spiffe://a,Hash=…` writes an element of their own
//! after the true one. Therefore the number of elements has to be the configured one, exactly, and
//! an element says each of `Hash`, `Cert`, `Chain` and `Subject` at most once. A value that two
//! readers could end at different places is refused, not repaired.
//!
//! This module refuses to look into certificates: what they say is the business of whoever
//! checked them. `Cert` is hashed, nothing more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::request::Field;
use crate::spiffe::MAX_ID_BYTES;
use crate::thumbprint::Fingerprint;

#[cfg(test)]
mod tests;

/// The longest header that is read: two elements with a chain of three RSA certificates each take
/// 12 KiB, and the usual one has 200 bytes.
pub const MAX_XFCC_BYTES: usize = 16 * 1024;

/// The most elements: proxies one behind the other.
pub const MAX_ELEMENTS: usize = 8;

/// The most pairs of an element. A certificate has one or two names; each is a pair.
pub const MAX_PAIRS: usize = 64;

/// The longest URI of a certificate: as long as a SPIFFE ID may be.
pub const MAX_URI_BYTES: usize = MAX_ID_BYTES;

/// What is known of the certificate of a TLS client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerCertificate {
    /// The SHA-256 digest of its DER form.
    pub thumbprint: Fingerprint,
    /// Its subject alternative names that are URIs, as far as the source names them.
    pub uri_sans: Vec<String>,
}

/// Why nobody can tell which certificate a client has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum XfccError {
    /// More than one header.
    #[error("more than one x-forwarded-client-cert header")]
    Multiple,
    /// Longer than [`MAX_XFCC_BYTES`].
    #[error("x-forwarded-client-cert has {length} bytes, at most {MAX_XFCC_BYTES} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// A control character, or one that is not ASCII.
    #[error("byte 0x{byte:02x} may not be in a client certificate's description")]
    ForbiddenByte {
        /// The first such byte.
        byte: u8,
    },
    /// Another number of elements than there are proxies that write one.
    #[error("x-forwarded-client-cert has {found} elements, the proxies in front write {expected}")]
    Elements {
        /// How many there are, counted up to one more than [`MAX_ELEMENTS`].
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// More than [`MAX_PAIRS`].
    #[error("an element of x-forwarded-client-cert has more than {MAX_PAIRS} pairs")]
    TooManyPairs,
    /// Not `key=value`, with a key of letters.
    #[error("x-forwarded-client-cert has something that is no pair at byte {at}")]
    NoPair {
        /// Where it begins.
        at: usize,
    },
    /// A quote where none belongs, or one that two readers take for different things.
    #[error("x-forwarded-client-cert has an ambiguous quote at byte {at}")]
    Quote {
        /// Where it is.
        at: usize,
    },
    /// A key that an element may have once is there twice.
    #[error("an element of x-forwarded-client-cert has `{key}` twice")]
    Twice {
        /// Its name.
        key: &'static str,
    },
    /// The element names no certificate.
    #[error("x-forwarded-client-cert has neither `Hash` nor `Cert`")]
    NoCertificate,
    /// A digest that is not 64 hexadecimal digits.
    #[error("the certificate's digest is not 64 hexadecimal digits")]
    Digest,
    /// A certificate that is not one certificate in PEM (RFC 7468 §5), with percent escapes.
    #[error("`Cert` of x-forwarded-client-cert is not one certificate in escaped PEM")]
    Certificate,
    /// A URI longer than [`MAX_URI_BYTES`].
    #[error("a certificate's URI has {length} bytes, at most {MAX_URI_BYTES} are allowed")]
    UriTooLong {
        /// Its length.
        length: usize,
    },
}

/// The keys that mean something here or may occur once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Key {
    Hash,
    Cert,
    Chain,
    Subject,
    Uri,
    /// `By` and `DNS`, which may be there several times, and keys of versions to come.
    Other,
}

/// One element.
#[derive(Debug, Default)]
struct Element {
    hash: Option<String>,
    cert: Option<String>,
    chain: Option<()>,
    subject: Option<()>,
    uris: Vec<String>,
    pairs: usize,
}

impl PeerCertificate {
    /// From what the gateway says of its own connection: the attributes
    /// `connection.sha256_peer_certificate_digest` (hexadecimal) and
    /// `connection.uri_san_peer_certificate` (the first of them). Nothing if the client showed no
    /// certificate: then both are empty.
    pub fn from_attributes(digest: &[u8], uri_san: &[u8]) -> Result<Option<Self>, XfccError> {
        if digest.is_empty() {
            return Ok(None);
        }
        let thumbprint = Fingerprint::from_hex(digest).ok_or(XfccError::Digest)?;
        refuse_bytes(uri_san)?;
        let mut uri_sans = Vec::new();
        if !uri_san.is_empty() {
            uri_sans.push(uri(String::from_utf8_lossy(uri_san).into_owned())?);
        }
        Ok(Some(Self { thumbprint, uri_sans }))
    }

    /// From the header `x-forwarded-client-cert`, to which the proxies that are trusted add
    /// `elements` elements in all: with one proxy that sets the header (Envoy's `SANITIZE_SET`), 1.
    /// The last one counts, which the nearest proxy wrote. Nothing if there is no header.
    pub fn from_xfcc(header: Field<'_>, elements: usize) -> Result<Option<Self>, XfccError> {
        let header = match header {
            Field::Absent => return Ok(None),
            Field::Many => return Err(XfccError::Multiple),
            Field::One(header) => header,
        };
        if header.len() > MAX_XFCC_BYTES {
            return Err(XfccError::TooLong { length: header.len() });
        }
        refuse_bytes(header)?;
        let last = last_element(header, elements)?;
        let thumbprint = match (last.hash, last.cert) {
            (Some(hash), _) => Fingerprint::from_hex(hash.as_bytes()).ok_or(XfccError::Digest)?,
            (None, Some(cert)) => digest(cert.as_bytes()).ok_or(XfccError::Certificate)?,
            (None, None) => return Err(XfccError::NoCertificate),
        };
        Ok(Some(Self { thumbprint, uri_sans: last.uris }))
    }

    /// Whether a token with this `cnf.x5t#S256` is bound to the certificate (RFC 8705 §3.1).
    #[must_use]
    pub fn is_bound_to(&self, x5t_s256: &str) -> bool {
        self.thumbprint.is_written_as(x5t_s256)
    }
}

/// Visible ASCII and blanks: more is in no header that a proxy writes, and hides from readers of logs.
fn refuse_bytes(text: &[u8]) -> Result<(), XfccError> {
    match text.iter().find(|byte| !matches!(byte, b' '..=b'~' | b'\t')) {
        None => Ok(()),
        Some(byte) => Err(XfccError::ForbiddenByte { byte: *byte }),
    }
}

/// The last of exactly `expected` elements; all of them are read, because only who reads the first
/// whole knows where the second begins.
fn last_element(header: &[u8], expected: usize) -> Result<Element, XfccError> {
    let mut rest = Rest { header, at: 0 };
    let (mut found, mut element) = (1_usize, Element::default());
    loop {
        let (key, value) = rest.pair()?;
        element.add(key, value)?;
        match rest.separator()? {
            Some(b',') if found >= MAX_ELEMENTS => {
                let found = found.saturating_add(1);
                return Err(XfccError::Elements { found, expected });
            }
            Some(b',') => {
                found = found.saturating_add(1);
                element = Element::default();
            }
            Some(_) => {}
            None if found == expected => return Ok(element),
            None => return Err(XfccError::Elements { found, expected }),
        }
    }
}

/// What is not read yet.
struct Rest<'a> {
    header: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    fn peek(&self) -> Option<u8> {
        self.header.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.step();
        }
    }

    /// `key=value`, with the value as it is meant.
    fn pair(&mut self) -> Result<(Key, String), XfccError> {
        self.skip_blanks();
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            self.step();
        }
        let name = self.header.get(start..self.at).unwrap_or_default();
        if name.is_empty() || self.peek() != Some(b'=') {
            return Err(XfccError::NoPair { at: start });
        }
        self.step();
        let value = match self.peek() {
            Some(b'"') => self.quoted()?,
            _ => self.plain()?,
        };
        Ok((Key::from_name(name), value))
    }

    /// Up to the next separator. A quote or a backslash would mean something to a reader who
    /// expects quotes anywhere.
    fn plain(&mut self) -> Result<String, XfccError> {
        let start = self.at;
        while let Some(byte) = self.peek().filter(|byte| !matches!(byte, b',' | b';')) {
            if matches!(byte, b'"' | b'\\') {
                return Err(XfccError::Quote { at: self.at });
            }
            self.step();
        }
        let value = self.header.get(start..self.at).unwrap_or_default().trim_ascii_end();
        Ok(String::from_utf8_lossy(value).into_owned())
    }

    /// Between two quotes. `\"` is a quote; other backslashes are the certificate's own (RFC 4514
    /// §2.4) and stand for themselves. An even number of them before a quote ends the value for
    /// some readers and not for others.
    fn quoted(&mut self) -> Result<String, XfccError> {
        let opening = self.at;
        self.step();
        let (mut value, mut backslashes) = (Vec::new(), 0_usize);
        loop {
            let at = self.at;
            let byte = self.peek().ok_or(XfccError::Quote { at: opening })?;
            self.step();
            match (byte, backslashes) {
                (b'"', 0) => return Ok(String::from_utf8_lossy(&value).into_owned()),
                (b'"', 1) => {
                    value.pop();
                    value.push(b'"');
                }
                (b'"', _) => return Err(XfccError::Quote { at }),
                _ => value.push(byte),
            }
            backslashes = if byte == b'\\' { backslashes.saturating_add(1) } else { 0 };
        }
    }

    /// What follows a pair: a comma, a semicolon, or the end.
    fn separator(&mut self) -> Result<Option<u8>, XfccError> {
        self.skip_blanks();
        match self.peek() {
            None => Ok(None),
            Some(separator @ (b',' | b';')) => {
                self.step();
                Ok(Some(separator))
            }
            // Only a quoted value can end before a separator.
            Some(_) => Err(XfccError::Quote { at: self.at }),
        }
    }
}

impl Key {
    /// Keys are compared without regard to case (Envoy, HTTP header documentation).
    fn from_name(name: &[u8]) -> Self {
        const KNOWN: [(&str, Key); 5] = [
            ("hash", Key::Hash),
            ("cert", Key::Cert),
            ("chain", Key::Chain),
            ("subject", Key::Subject),
            ("uri", Key::Uri),
        ];
        let known =
            KNOWN.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        known.map_or(Self::Other, |(_, key)| key)
    }
}

impl Element {
    fn add(&mut self, key: Key, value: String) -> Result<(), XfccError> {
        if self.pairs >= MAX_PAIRS {
            return Err(XfccError::TooManyPairs);
        }
        self.pairs = self.pairs.saturating_add(1);
        match key {
            Key::Hash => once(&mut self.hash, value, "Hash"),
            Key::Cert => once(&mut self.cert, value, "Cert"),
            Key::Chain => once(&mut self.chain, (), "Chain"),
            Key::Subject => once(&mut self.subject, (), "Subject"),
            // Envoy writes `URI=` for a certificate without one.
            Key::Uri if value.is_empty() => Ok(()),
            Key::Uri => {
                self.uris.push(uri(value)?);
                Ok(())
            }
            Key::Other => Ok(()),
        }
    }
}

fn once<T>(slot: &mut Option<T>, value: T, key: &'static str) -> Result<(), XfccError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(XfccError::Twice { key }),
    }
}

fn uri(uri: String) -> Result<String, XfccError> {
    if uri.len() > MAX_URI_BYTES {
        return Err(XfccError::UriTooLong { length: uri.len() });
    }
    Ok(uri)
}

/// The digest of the one certificate in `pem`, which has percent escapes.
fn digest(pem: &[u8]) -> Option<Fingerprint> {
    let pem = unescaped(pem)?;
    let body = pem.trim_ascii().strip_prefix(b"-----BEGIN CERTIFICATE-----")?;
    let body = body.strip_suffix(b"-----END CERTIFICATE-----")?;
    let text: Vec<u8> = body.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    let der = STANDARD.decode(text).ok()?;
    is_one_sequence(&der).then(|| Fingerprint::of(&der))
}

/// With `%xx` decoded; everything else, also `+`, stands for itself (RFC 3986 §2.1).
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16)?).ok();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => (digit(rest.next()?)? << 4) | digit(rest.next()?)?,
            byte => *byte,
        });
    }
    Some(bytes)
}

/// Whether `der` is one DER SEQUENCE and nothing after it (X.690 §10.1): with something after it,
/// one certificate would have many digests. No certificate is shorter than 128 bytes or longer than
/// 64 KiB.
fn is_one_sequence(der: &[u8]) -> bool {
    let (length, content) = match der {
        [0x30, 0x81, length, content @ ..] if *length >= 0x80 => (usize::from(*length), content),
        [0x30, 0x82, high, low, content @ ..] if *high > 0 => {
            (usize::from(u16::from_be_bytes([*high, *low])), content)
        }
        _ => return false,
    };
    content.len() == length
}
