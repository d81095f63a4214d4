//! Which path a target names, and whether everybody would agree.
//!
//! A route's rules hold only if the service behind the gateway reads the path as the gate does.
//! Services differ: some resolve dot segments or merge slashes after routing, some decode `%2f`,
//! some cut `;parameters` off each segment. An attacker picks the spelling that the gate takes for
//! a public path and the service for a private one. So the gate does not guess:
//!
//! - Spellings that are known to be read differently are refused outright: see [`PathProblem`].
//! - The rest is offered in all its [`Readings`]; [`crate::route`] refuses the request unless they
//!   agree on a route.
//!
//! This module refuses to normalize: the path that was judged is the path that is forwarded, byte
//! for byte.

use std::borrow::Cow;

/// Why a path has no single meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathProblem {
    /// Not `/…`: the asterisk form, an absolute URL, or nothing at all.
    #[error("it does not start with a slash")]
    NotAbsolute,
    /// A byte that may not be in a target (RFC 3986 §3.3), such as a control character, a blank or
    /// a fragment.
    #[error("byte 0x{byte:02x} may not be in a path")]
    ForbiddenByte {
        /// The first such byte.
        byte: u8,
    },
    /// `//`, which some servers merge.
    #[error("it has an empty segment")]
    EmptySegment,
    /// `/./` or `/../`, also with parameters (`/..;/`), which some servers resolve.
    #[error("it has a dot segment")]
    DotSegment,
    /// `\`, which some servers take for a slash.
    #[error("it has a backslash")]
    Backslash,
    /// `%2f`, `%5c`, `%2e` or `%00`: some servers decode them before, some after they look for
    /// segments.
    #[error("it has the escape %{byte:02x}")]
    ForbiddenEscape {
        /// What it stands for.
        byte: u8,
    },
    /// A `%` without two hexadecimal digits.
    #[error("it has a malformed escape")]
    MalformedEscape,
    /// `%25` followed by two hexadecimal digits: an escape once more escaped.
    #[error("it has an escape within an escape")]
    DoubleEscape,
    /// `%c0%ae` and the like: an ASCII character in more bytes than one, which UTF-8 forbids (RFC
    /// 3629 §3) and some decoders take for the character.
    #[error("it has an overlong encoding")]
    OverlongEncoding,
}

/// A path in the ways that servers read it. Equal for nearly all paths, and then nothing is copied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Readings<'a> {
    /// Escapes of unreserved characters decoded, others left, in upper case (RFC 3986 §6.2.2).
    pub normal: Cow<'a, [u8]>,
    /// All escapes decoded, if that makes a difference.
    pub decoded: Option<Vec<u8>>,
    /// All escapes decoded and `;parameters` cut off, if that makes a difference.
    pub bare: Option<Vec<u8>>,
}

/// Reads `path`, which has no query.
pub fn readings(path: &[u8]) -> Result<Readings<'_>, PathProblem> {
    if path.first() != Some(&b'/') {
        return Err(PathProblem::NotAbsolute);
    }
    refuse_bytes(path)?;
    if !path.iter().any(|byte| matches!(byte, b'%' | b';')) {
        refuse_segments(path)?;
        return Ok(Readings { normal: Cow::Borrowed(path), decoded: None, bare: None });
    }
    let normal = normalized(path)?;
    let decoded = decoded(path);
    if decoded.windows(2).any(is_overlong) {
        return Err(PathProblem::OverlongEncoding);
    }
    let bare = without_parameters(&decoded);
    for reading in [&normal, &decoded, &bare] {
        refuse_segments(reading)?;
    }
    let bare = (bare != decoded).then_some(bare);
    let decoded = (decoded != normal).then_some(decoded);
    Ok(Readings { normal: Cow::Owned(normal), decoded, bare })
}

/// A decoded path in the form of [`Readings::normal`]: for paths in a configuration.
#[must_use]
pub fn escaped(path: &str) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(path.len());
    for byte in path.bytes() {
        if is_unreserved(byte) || b"/!$&'()*+,;=:@".contains(&byte) {
            escaped.push(byte);
        } else {
            push_escape(&mut escaped, byte);
        }
    }
    escaped
}

/// `text` with all well-formed escapes decoded once.
#[must_use]
pub fn decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, escape(after)) {
            (b'%', Some((byte, after))) => {
                decoded.push(byte);
                after
            }
            _ => {
                decoded.push(*first);
                after
            }
        };
    }
    decoded
}

/// Bytes over 0x7f are refused too: raw, they are sent by no conforming client, and servers differ
/// on their charset.
fn refuse_bytes(path: &[u8]) -> Result<(), PathProblem> {
    match path.iter().find(|byte| !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'#')) {
        None => Ok(()),
        Some(b'\\') => Err(PathProblem::Backslash),
        Some(byte) => Err(PathProblem::ForbiddenByte { byte: *byte }),
    }
}

fn refuse_segments(path: &[u8]) -> Result<(), PathProblem> {
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            // The last segment may be empty: that is a trailing slash.
            b"" if segments.peek().is_some() => return Err(PathProblem::EmptySegment),
            b"." | b".." => return Err(PathProblem::DotSegment),
            _ => {}
        }
    }
    Ok(())
}

fn normalized(path: &[u8]) -> Result<Vec<u8>, PathProblem> {
    let mut normal = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            normal.push(*first);
            rest = after;
            continue;
        }
        let (byte, after) = escape(after).ok_or(PathProblem::MalformedEscape)?;
        match byte {
            b'/' | b'\\' | b'.' | 0 => return Err(PathProblem::ForbiddenEscape { byte }),
            b'%' if escape_digits(after).is_some() => return Err(PathProblem::DoubleEscape),
            _ if is_unreserved(byte) => normal.push(byte),
            _ => push_escape(&mut normal, byte),
        }
        rest = after;
    }
    Ok(normal)
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments: Vec<&[u8]> = path
        .split(|byte| *byte == b'/')
        .map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or_default())
        .collect();
    segments.join(&b'/')
}

/// The byte that the two digits at the start of `after`, which follows a `%`, stand for; and what
/// follows them.
fn escape(after: &[u8]) -> Option<(u8, &[u8])> {
    let byte = escape_digits(after)?;
    Some((byte, after.get(2..)?))
}

fn escape_digits(after: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
    u8::try_from(digit(0)?.checked_mul(16)?.checked_add(digit(1)?)?).ok()
}

/// Whether these two bytes begin an encoding that has a shorter one (RFC 3629 §3).
const fn is_overlong(bytes: &[u8]) -> bool {
    matches!(bytes, [0xc0 | 0xc1, 0x80..=0xbf] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f])
}

fn push_escape(text: &mut Vec<u8>, byte: u8) {
    text.extend_from_slice(format!("%{byte:02X}").as_bytes());
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn plain_paths_have_one_reading_and_are_not_copied() {
        for path in
            ["/", "/a", "/a/", "/a/b.c", "/.well-known/x", "/a...b", "/a:b@c", "/...", "/a.."]
        {
            let readings = readings(path.as_bytes()).unwrap();
            assert!(matches!(readings.normal, Cow::Borrowed(_)), "{path}");
            assert_eq!((readings.decoded, readings.bare), (None, None), "{path}");
        }
    }

    #[test]
    fn spellings_that_servers_read_differently_are_refused() {
        use PathProblem::*;
        for (path, problem) in [
            ("", NotAbsolute),
            ("*", NotAbsolute),
            ("http://api/a", NotAbsolute),
            ("a/b", NotAbsolute),
            ("//", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a//", EmptySegment),
            ("/;x/a", EmptySegment),
            ("/.", DotSegment),
            ("/..", DotSegment),
            ("/a/../b", DotSegment),
            ("/a/./b", DotSegment),
            ("/a/..;/b", DotSegment),
            ("/a/..;x=y/b", DotSegment),
            ("/a/.%3b/b", DotSegment),
            ("/a\\b", Backslash),
            ("/a%2fb", ForbiddenEscape { byte: b'/' }),
            ("/a%2Fb", ForbiddenEscape { byte: b'/' }),
            ("/a%5cb", ForbiddenEscape { byte: b'\\' }),
            ("/%2e%2e/b", ForbiddenEscape { byte: b'.' }),
            ("/a%2Eb", ForbiddenEscape { byte: b'.' }),
            ("/a%00", ForbiddenEscape { byte: 0 }),
            ("/a%", MalformedEscape),
            ("/a%4", MalformedEscape),
            ("/a%zz", MalformedEscape),
            ("/a%u0061", MalformedEscape),
            ("/a%2561", DoubleEscape),
            ("/a%252f", DoubleEscape),
            ("/%c0%ae%c0%ae/b", OverlongEncoding),
            ("/a%c0%afb", OverlongEncoding),
            ("/%c1%a1dmin", OverlongEncoding),
            ("/a%e0%80%afb", OverlongEncoding),
            ("/a%f0%80%80%afb", OverlongEncoding),
            ("/a b", ForbiddenByte { byte: b' ' }),
            ("/a#b", ForbiddenByte { byte: b'#' }),
            ("/a\tb", ForbiddenByte { byte: b'\t' }),
            ("/a\u{7f}", ForbiddenByte { byte: 0x7f }),
            ("/é", ForbiddenByte { byte: 0xc3 }),
        ] {
            assert_eq!(readings(path.as_bytes()), Err(problem), "{path:?}");
        }
    }

    #[test]
    fn the_readings_of_a_path_with_escapes_and_parameters_are_all_given() {
        let given = readings(b"/%61dmin;v=1/b%3ac/%c3%a9").unwrap();
        assert_eq!(given.normal, b"/admin;v=1/b%3Ac/%C3%A9".as_slice());
        assert_eq!(given.decoded.unwrap(), "/admin;v=1/b:c/é".as_bytes());
        assert_eq!(given.bare.unwrap(), "/admin/b:c/é".as_bytes());
    }

    #[test]
    fn escapes_in_another_charset_are_no_overlong_encoding() {
        for path in ["/zo%eb", "/%c0", "/%c0x", "/%e0%a0%80", "/%f0%90%80%80"] {
            assert!(readings(path.as_bytes()).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_percent_sign_may_be_escaped() {
        assert_eq!(readings(b"/100%25").unwrap().decoded.unwrap(), b"/100%");
        assert_eq!(readings(b"/100%25zz").unwrap().decoded.unwrap(), b"/100%zz");
    }

    #[test]
    fn an_escaped_path_reads_as_itself() {
        for path in ["/a b", "/é", "/a:b", "/a%b", "/a?b", "/a\"b"] {
            let escaped = escaped(path);
            let readings = readings(&escaped).unwrap();
            assert_eq!(readings.normal, escaped, "{path}");
            assert_eq!(readings.decoded.unwrap_or(escaped), path.as_bytes(), "{path}");
        }
    }
}
