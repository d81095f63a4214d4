//! Where a request goes, as a proof of possession names it (`htu` of RFC 9449 §4.2, `aud` of a
//! WIMSE proof): compared with names from the configuration, never with the request's `Host`.
//!
//! A sender and a gateway may write one address differently, so both are normalized as RFC 3986
//! §6.2.2 and §6.2.3 say: case of scheme and host, default port, empty path, escapes. An address
//! that another reader could take for a different place is refused, not repaired: user information,
//! escapes in the host, dot segments, and whatever [`path`](crate::request::path) refuses.

use std::fmt;

use crate::request::path::{self, PathProblem};

/// The longest address; servers take request lines of 8 KiB, real ones stay below 2 KiB.
pub const MAX_URI_BYTES: usize = 2 * 1024;

/// Scheme, host and port in normal form: `https://api.example.com`, `http://[::1]:8080`.
#[derive(Clone, Eq, PartialEq)]
pub struct Origin(String);

/// Why an address cannot be compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UriProblem {
    /// Longer than [`MAX_URI_BYTES`].
    #[error("it has {length} bytes, at most {MAX_URI_BYTES} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Not `https://` or `http://`.
    #[error("it does not begin with https:// or http://")]
    Scheme,
    /// `user@`, which hides where an address really leads.
    #[error("it has user information")]
    UserInfo,
    /// No host, or one that is no plain name or address.
    #[error("its host is not a plain name or address")]
    Host,
    /// Not a number from 1 to 65535 without leading zeros.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// A path that can be read in two ways.
    #[error("its path: {0}")]
    Path(PathProblem),
    /// More than an origin, where one is expected.
    #[error("it has more than scheme, host and port")]
    NotAnOrigin,
}

impl Origin {
    /// Reads an origin from a configuration: scheme, host, and port if it is not the default.
    pub fn parse(text: &str) -> Result<Self, UriProblem> {
        let (origin, rest) = split(text)?;
        if rest.is_empty() { Ok(origin) } else { Err(UriProblem::NotAnOrigin) }
    }

    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `uri` is the address of a request for `path` (without query) at one of `origins`; query
/// and fragment of `uri` are ignored (RFC 9449 §4.3, check 9).
pub fn names_target(uri: &str, origins: &[Origin], path: &[u8]) -> Result<bool, UriProblem> {
    let (origin, rest) = split(uri)?;
    let named = rest.split(['?', '#']).next().unwrap_or_default();
    let named = normal_path(named.as_bytes()).map_err(UriProblem::Path)?;
    Ok(origins.contains(&origin)
        && normal_path(path).is_ok_and(|path| path.as_ref() == named.as_ref()))
}

/// The path in normal form; an empty one is `/` (RFC 3986 §6.2.3).
fn normal_path(path: &[u8]) -> Result<std::borrow::Cow<'_, [u8]>, PathProblem> {
    path::readings(if path.is_empty() { b"/" } else { path }).map(|readings| readings.normal)
}

/// The origin of `uri`, and what follows it.
fn split(uri: &str) -> Result<(Origin, &str), UriProblem> {
    if uri.len() > MAX_URI_BYTES {
        return Err(UriProblem::TooLong { length: uri.len() });
    }
    let (scheme, rest) = uri.split_once("://").ok_or(UriProblem::Scheme)?;
    let (scheme, default_port) = match scheme {
        _ if scheme.eq_ignore_ascii_case("https") => ("https", 443),
        _ if scheme.eq_ignore_ascii_case("http") => ("http", 80),
        _ => return Err(UriProblem::Scheme),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).ok_or(UriProblem::Host)?;
    if authority.contains('@') {
        return Err(UriProblem::UserInfo);
    }
    let (host, port) = host_and_port(authority)?;
    let mut origin = format!("{scheme}://{}", host.to_ascii_lowercase());
    match port {
        None | Some("") => {}
        Some(port) if number(port)? == default_port => {}
        Some(port) => {
            origin.push(':');
            origin.push_str(port);
        }
    }
    Ok((Origin(origin), rest))
}

/// Host and port of an authority without user information (RFC 3986 §3.2).
fn host_and_port(authority: &str) -> Result<(&str, Option<&str>), UriProblem> {
    if let Some(literal) = authority.strip_prefix('[') {
        let (address, rest) = literal.split_once(']').ok_or(UriProblem::Host)?;
        let is_address = !address.is_empty()
            && address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
        let host = authority.strip_suffix(rest).filter(|_| is_address).ok_or(UriProblem::Host)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(UriProblem::Host),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_name = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_name { Ok((host, port)) } else { Err(UriProblem::Host) }
}

fn number(port: &str) -> Result<u16, UriProblem> {
    let is_plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    port.parse().ok().filter(|_| is_plain).ok_or(UriProblem::Port)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

#[cfg(test)]
mod tests;
