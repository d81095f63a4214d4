//! Places for access tokens besides `Authorization`: a header or a cookie, as an issuer's configuration says.
//!
//! Proxies in front hand over what they have signed in headers of their own, and applications in a browser have their
//! session's token in a cookie. A token counts in its issuer's place and nowhere else, and a request brings one token, in
//! one place: of two nobody knows which one a service would use.
//!
//! **Cookies** are read as browsers write them (RFC 6265 §4.2.1), from all `cookie` headers (HTTP/2 may split them, RFC
//! 9113 §8.2.3). Names are compared byte for byte. What some service would read as the same name is never looked at and
//! never reaches a service: another case (ASP.NET), blanks of any kind around it (Django trims them), `.` for `_` (PHP),
//! after a comma (RFC 2109). Quotes stay part of the value, and no token has one.
//!
//! **Browsers send cookies for pages of anybody.** A request that may change something is refused if a browser says that
//! a page of another origin sent it: see [`is_foreign`].

use std::fmt;

use crate::origin::Origin;
use crate::request::{Field, RequestView};

#[cfg(test)]
mod tests;

/// The most places of one configuration: each header of a request is compared with each, and what was found in them is
/// part of every request that is looked at.
pub const MAX_PLACES: usize = 8;

/// The header with cookies.
pub const COOKIE: &str = "cookie";

/// A place for a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// The header with this name, in lower case, whose whole value is the token.
    Header(String),
    /// A cookie.
    Cookie {
        /// Its name.
        name: String,
        /// Whose pages may send it with what may change something, besides those of the request's own host.
        origins: Vec<Origin>,
    },
}

/// What a request has in the places of a configuration.
#[derive(Clone, Copy, Default)]
pub struct Elsewhere<'a> {
    fields: [Field<'a>; MAX_PLACES],
    /// Whether one of them is there: most requests have none, and most configurations no place for one.
    has_fields: bool,
    /// Whether there are cookies that a service could take for those with tokens.
    has_shadows: bool,
}

impl Place {
    /// The header that it is, or is in.
    #[must_use]
    pub fn header(&self) -> &str {
        match self {
            Self::Header(name) => name,
            Self::Cookie { .. } => COOKIE,
        }
    }

    fn cookie(&self) -> Option<&[u8]> {
        match self {
            Self::Header(_) => None,
            Self::Cookie { name, .. } => Some(name.as_bytes()),
        }
    }
}

/// Whether a service could take the header `name` for one of `places` that it is not: CGI and WSGI know no difference
/// between `-` and `_`.
#[must_use]
pub fn is_shadow(places: &[Place], name: &[u8]) -> bool {
    places.iter().any(|place| match place {
        Place::Header(known) => {
            let same = |(known, byte): (&u8, &u8)| match (known, byte) {
                (b'-' | b'_', b'-' | b'_') => true,
                (known, byte) => known.eq_ignore_ascii_case(byte),
            };
            known.len() == name.len()
                && known.as_bytes().iter().zip(name).all(same)
                && !known.as_bytes().eq_ignore_ascii_case(name)
        }
        Place::Cookie { .. } => false,
    })
}

impl<'a> Elsewhere<'a> {
    /// Takes what a header brings for `places`.
    pub fn add(&mut self, places: &[Place], header: &[u8], value: &'a [u8]) {
        if header.eq_ignore_ascii_case(COOKIE.as_bytes()) {
            return self.add_cookies(places, value);
        }
        for (place, field) in places.iter().zip(&mut self.fields) {
            if let Place::Header(name) = place
                && header.eq_ignore_ascii_case(name.as_bytes())
            {
                *field = field.joined(Field::One(value));
                self.has_fields = true;
            }
        }
    }

    /// Takes `value` instead of what the header brought before.
    pub fn replace(&mut self, places: &[Place], header: &str, value: &'a [u8]) {
        for (place, field) in places.iter().zip(&mut self.fields) {
            if place.header() == header {
                *field = Field::Absent;
            }
        }
        self.add(places, header.as_bytes(), value);
    }

    fn add_cookies(&mut self, places: &[Place], cookies: &'a [u8]) {
        for part in parts(cookies) {
            for (place, field) in places.iter().zip(&mut self.fields) {
                let Some(name) = place.cookie() else { continue };
                match Part::read(part, name) {
                    Part::Value(value) => {
                        *field = field.joined(Field::One(value));
                        self.has_fields = true;
                    }
                    Part::Shadow => self.has_shadows = true,
                    Part::Other => {}
                }
            }
        }
    }

    /// The one token, and the index of its place; [`Field::Many`] if there are more. An empty value is none: that is how
    /// a cookie is taken back, or a header on hosts that do not remove any.
    #[must_use]
    pub fn token(&self) -> Option<(usize, Field<'a>)> {
        if !self.has_fields {
            return None;
        }
        let is_there = |field: &Field<'_>| !matches!(field, Field::Absent | Field::One(b""));
        let mut found =
            self.fields.iter().copied().enumerate().filter(|(_, field)| is_there(field));
        match (found.next(), found.next()) {
            (Some((place, _)), Some(_)) => Some((place, Field::Many)),
            (found, _) => found,
        }
    }

    /// What is in each place, in their order, empty values too.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> {
        self.fields.iter().copied()
    }

    /// Whether there are cookies that a service could take for those with tokens: they must not reach it.
    #[must_use]
    pub const fn has_shadows(&self) -> bool {
        self.has_shadows
    }

    /// Whether the request has any cookie that is a place, or looks like one.
    #[must_use]
    pub fn has_cookies(&self, places: &[Place]) -> bool {
        let mut fields = places.iter().zip(&self.fields);
        self.has_shadows
            || fields.any(|(place, field)| place.cookie().is_some() && *field != Field::Absent)
    }
}

/// What is left of `cookies`, the values of a request's `cookie` headers, without those that look like one of `places`,
/// and without the cookies of `withheld` themselves: the others, byte for byte and in their order, in one header. Empty
/// if nothing is left.
#[must_use]
pub fn without<'c>(
    cookies: impl IntoIterator<Item = &'c [u8]>,
    places: &[Place],
    withheld: &[Place],
) -> Vec<u8> {
    let stays = |part: &[u8]| {
        let is = |place: &Place, what: fn(&Part<'_>) -> bool| {
            place.cookie().is_some_and(|name| what(&Part::read(part, name)))
        };
        !places.iter().any(|place| is(place, |part| matches!(part, Part::Shadow)))
            && !withheld.iter().any(|place| is(place, |part| matches!(part, Part::Value(_))))
    };
    let mut left = Vec::new();
    for cookies in cookies {
        for part in parts(cookies).filter(|part| stays(part)) {
            let part = part.trim_ascii_start();
            if !left.is_empty() && !part.is_empty() {
                left.extend_from_slice(b"; ");
            }
            left.extend_from_slice(part);
        }
    }
    left
}

/// Whether a browser says that a page of another origin sent `request`, which may change something: then its cookies are
/// no sign that their user wants it (cross-site request forgery).
///
/// As Go's `net/http.CrossOriginProtection` decides: `Sec-Fetch-Site` says it, which no page can set; browsers that do
/// not send it (before 2023, and all without TLS) name the page's `Origin`; what sends neither is no browser. Safe methods
/// pass (RFC 9110 §9.2.1), but not WebSockets, which begin as a GET and may do anything.
#[must_use]
pub fn is_foreign(request: &RequestView<'_>, origins: &[Origin]) -> bool {
    let is_safe = matches!(request.method, b"GET" | b"HEAD" | b"OPTIONS") && !request.upgrades;
    let is_known = |origin: &[u8]| origins.iter().any(|known| known.as_str().as_bytes() == origin);
    match (request.fetch_site, request.origin) {
        _ if is_safe => false,
        (_, Field::One(origin)) if is_known(origin) => false,
        (Field::One(site), _) => !matches!(site, b"same-origin" | b"none"),
        (Field::Absent, Field::Absent) => false,
        (Field::Absent, Field::One(origin)) => !is_of_host(origin, request.host),
        (Field::Many, _) | (Field::Absent, Field::Many) => true,
    }
}

/// Whether a page of `origin` is one of `host`, whatever the scheme: that is not known behind other proxies.
fn is_of_host(origin: &[u8], host: &[u8]) -> bool {
    let of = |scheme: &[u8]| origin.strip_prefix(scheme);
    let named = of(b"https://").or_else(|| of(b"http://"));
    named.is_some_and(|named| !host.is_empty() && named.eq_ignore_ascii_case(host))
}

/// What is between the semicolons of a `cookie` header.
fn parts(cookies: &[u8]) -> impl Iterator<Item = &[u8]> {
    cookies.split(|byte| *byte == b';')
}

/// What a part of a `cookie` header is to whoever looks for one cookie.
enum Part<'a> {
    /// That cookie, with this value.
    Value(&'a [u8]),
    /// Not that cookie, but some service could think so.
    Shadow,
    /// Something else.
    Other,
}

impl<'a> Part<'a> {
    fn read(part: &'a [u8], name: &[u8]) -> Self {
        // What browsers write comes first: a blank, the name, `=`.
        let pair = part.strip_prefix(b" ").unwrap_or(part);
        if let Some([b'=', value @ ..]) = pair.strip_prefix(name) {
            return Self::Value(value);
        }
        if part.len() < name.len() {
            return Self::Other;
        }
        // `name[]` is an array of that name for PHP.
        let until =
            |piece: &'a [u8], end: fn(&u8) -> bool| piece.split(end).next().unwrap_or_default();
        let looks = |piece: &'a [u8]| {
            looks_like(until(piece, |byte| *byte == b'='), name)
                || looks_like(until(piece, |byte| matches!(byte, b'=' | b'[')), name)
        };
        match part.split(|byte| *byte == b',').any(looks) {
            true => Self::Shadow,
            false => Self::Other,
        }
    }
}

/// Whether somebody reads the cookie `found` as `name`, which is a token (RFC 9110 §5.6.2).
pub(crate) fn looks_like(found: &[u8], name: &[u8]) -> bool {
    // Not a byte of a token: a blank, or a part of one that only Unicode knows.
    let is_around = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b'"');
    let start = found.iter().take_while(|byte| is_around(byte)).count();
    let end = found.iter().rev().take_while(|byte| is_around(byte)).count();
    let end = found.len().saturating_sub(end);
    let same = |(found, byte): (&u8, &u8)| {
        found.eq_ignore_ascii_case(byte) || (*byte == b'_' && matches!(found, b'.' | b' ' | b'['))
    };
    found
        .get(start..end)
        .is_some_and(|found| found.len() == name.len() && found.iter().zip(name).all(same))
}

/// As in `the cookie `session``.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "the header `{name}`"),
            Self::Cookie { name, .. } => write!(f, "the cookie `{name}`"),
        }
    }
}

/// Never shows a token.
impl fmt::Debug for Elsewhere<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().filter(|field| **field != Field::Absent)).finish()
    }
}
