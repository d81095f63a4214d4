//! An https URL taken apart, as far as identifiers of issuers and resources need it (RFC 3986,
//! narrowed).
//!
//! Nothing is decoded or resolved: two spellings are two URLs, except where a standard says
//! otherwise and a function here says so by name. A user, a fragment, and bytes that programs read
//! differently are refused.

/// Why text is no URL of the accepted form. The text itself may be a stranger's: it is not repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UrlError {
    /// Longer than [`MAX_URL_BYTES`].
    #[error("has {length} bytes, at most {MAX_URL_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Another scheme, or none.
    #[error("does not start with `https://`")]
    Scheme,
    /// No host, a user, a port that is none, or bytes that no host has.
    #[error("has no plain host")]
    Host,
    /// A fragment.
    #[error("has a fragment")]
    Fragment,
    /// A byte that may not be in a URL, such as a blank, a backslash or a letter beyond ASCII.
    #[error("byte 0x{byte:02x} may not be in a URL")]
    Byte {
        /// The first such byte.
        byte: u8,
    },
}

/// The longest URL: no longer one works everywhere.
pub const MAX_URL_BYTES: usize = 2048;

const SCHEME: &str = "https://";

/// A URL in its parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HttpsUrl<'a> {
    /// Host, and port if it is written.
    pub authority: &'a str,
    /// The path: empty, or with the slash at its start.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: Option<&'a str>,
}

impl<'a> HttpsUrl<'a> {
    /// Reads `url`; the scheme may be in any case.
    pub fn parse(url: &'a str) -> Result<Self, UrlError> {
        if url.len() > MAX_URL_BYTES {
            return Err(UrlError::TooLong { length: url.len() });
        }
        let is_forbidden = |byte: &u8| !byte.is_ascii_graphic() || b"\"\\<>^`{|}".contains(byte);
        if let Some(byte) = url.bytes().find(is_forbidden) {
            return Err(UrlError::Byte { byte });
        }
        if url.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (scheme, rest) = url.split_at_checked(SCHEME.len()).ok_or(UrlError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(UrlError::Scheme);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if !is_authority(authority) {
            return Err(UrlError::Host);
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Ok(Self { authority, path, query })
    }

    /// Path and query as a request has them.
    #[must_use]
    pub fn target(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { self.path };
        self.query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }
}

/// Whether two authorities of https URLs name the same server: letters in any case, the port 443
/// written or not (RFC 3986 §6.2.2.1, §6.2.3).
#[must_use]
pub fn same_authority(a: &str, b: &str) -> bool {
    let host = |authority| str::strip_suffix(authority, ":443").unwrap_or(authority);
    host(a).eq_ignore_ascii_case(host(b))
}

/// A name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.
fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of a bracketed address is no port's.
        Some((_, rest)) if rest.ends_with(']') => (authority, None),
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    };
    let is_digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |port: &str| is_digits(port) && port.parse::<u16>().is_ok_and(|port| port > 0);
    is_host && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, authority, path, query, target) in [
            ("https://idp.example", "idp.example", "", None, "/"),
            ("HTTPS://Idp.Example:8443/", "Idp.Example:8443", "/", None, "/"),
            ("https://a/b/c?d=e?f", "a", "/b/c", Some("d=e?f"), "/b/c?d=e?f"),
            ("https://a?x", "a", "", Some("x"), "/?x"),
            ("https://[::1]:443/p", "[::1]:443", "/p", None, "/p"),
            ("https://[2001:db8::1]", "[2001:db8::1]", "", None, "/"),
        ] {
            let found = HttpsUrl::parse(url).unwrap();
            assert_eq!(found, HttpsUrl { authority, path, query }, "{url}");
            assert_eq!(found.target(), target, "{url}");
        }
    }

    #[test]
    fn what_programs_read_differently_is_refused() {
        for (url, error) in [
            ("http://a/", UrlError::Scheme),
            ("", UrlError::Scheme),
            ("https:/a", UrlError::Scheme),
            ("https:///path", UrlError::Host),
            ("https://", UrlError::Host),
            ("https://user@a/", UrlError::Host),
            ("https://good.example:80@evil.example/", UrlError::Host),
            ("https://a:/", UrlError::Host),
            ("https://a:0/", UrlError::Host),
            ("https://a:65536/", UrlError::Host),
            ("https://a:+1/", UrlError::Host),
            ("https://a%2eb/", UrlError::Host),
            ("https://[::1/", UrlError::Host),
            ("https://[1.2.3.4]/", UrlError::Host),
            ("https://a/#f", UrlError::Fragment),
            ("https://a#@evil.example/", UrlError::Fragment),
            ("https://a\\@b/", UrlError::Byte { byte: b'\\' }),
            ("https://a /", UrlError::Byte { byte: b' ' }),
            ("https://\u{e4}/", UrlError::Byte { byte: 0xc3 }),
            ("https://a/\r\nhost: b", UrlError::Byte { byte: b'\r' }),
        ] {
            assert_eq!(HttpsUrl::parse(url), Err(error), "{url:?}");
        }
    }

    #[test]
    fn a_url_has_a_greatest_length() {
        let url = |length: usize| format!("https://a/{}", "b".repeat(length - 10));
        assert!(HttpsUrl::parse(&url(MAX_URL_BYTES)).is_ok());
        let length = MAX_URL_BYTES + 1;
        assert_eq!(HttpsUrl::parse(&url(length)), Err(UrlError::TooLong { length }));
    }

    #[test]
    fn case_and_the_port_443_make_no_other_server() {
        assert!(same_authority("A.example", "a.Example:443"));
        assert!(!same_authority("a.example", "a.example:8443"));
        assert!(!same_authority("a.example", "a.example.evil"));
    }
}
