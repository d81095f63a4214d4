//! Whom a token is for, where a gateway stands before several services: RFC 8707, as MCP narrows it.
//!
//! An issuer's `audiences` say which tokens are meant for this gateway at all. A route may say more: which of them are
//! meant for what is behind it. Without that, whoever runs one service could use the tokens that he is shown at all
//! others. Which of the routes' audiences a token has is found out once, when it is verified, and kept as a
//! set of bits: to compare it with what a route asks for is one operation at each request.
//!
//! An audience that is an https URL is the identifier of a resource, and is compared as one: scheme and host in any
//! case, port 443 written or not, with or without one slash at the end. All else is compared byte for byte, and so is
//! what stands in an issuer's `audiences` and in no route's.

use std::borrow::Cow;

use crate::https_url::HttpsUrl;

#[cfg(test)]
mod tests;

/// The most different audiences in all routes: each is a bit of a set. As many resources can describe themselves
/// ([`crate::config::MAX_RESOURCES`]).
pub const MAX_ROUTE_AUDIENCES: usize = 64;

/// Some of the routes' audiences.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AudienceSet(u64);

/// All audiences that routes ask for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Audiences {
    /// Each as it is compared, and as it was written first.
    known: Vec<(String, String)>,
}

/// There is no bit left.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("more than {MAX_ROUTE_AUDIENCES} different audiences in all routes")]
pub struct TooManyAudiences;

impl AudienceSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether one is in both.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Audiences {
    /// Takes note of an audience that a route asks for.
    pub fn add(&mut self, audience: &str) -> Result<AudienceSet, TooManyAudiences> {
        let found = self.of([audience]);
        if !found.is_empty() {
            return Ok(found);
        }
        let place = u32::try_from(self.known.len()).ok().and_then(|place| 1_u64.checked_shl(place));
        let bit = place.ok_or(TooManyAudiences)?;
        self.known.push((canonical(audience).into_owned(), audience.to_owned()));
        Ok(AudienceSet(bit))
    }

    /// Which of them are among `audiences`, of a token.
    #[must_use]
    pub fn of<'a>(&self, audiences: impl IntoIterator<Item = &'a str>) -> AudienceSet {
        if self.known.is_empty() {
            return AudienceSet::EMPTY;
        }
        audiences.into_iter().fold(AudienceSet::EMPTY, |found, audience| {
            let audience = canonical(audience);
            let bits = self.bits().filter(|(_, (known, _))| *known == audience);
            bits.fold(found, |found, (bit, _)| found.and(bit))
        })
    }

    /// Those in `set` as they are written in the configuration.
    pub fn written(&self, set: AudienceSet) -> impl Iterator<Item = &str> {
        self.bits().filter(move |(bit, _)| set.meets(*bit)).map(|(_, (_, written))| &**written)
    }

    fn bits(&self) -> impl Iterator<Item = (AudienceSet, &(String, String))> {
        let bits = std::iter::successors(Some(1_u64), |bit| bit.checked_shl(1));
        bits.map(AudienceSet).zip(&self.known)
    }
}

/// Two texts name the same audience exactly if these are equal. A fragment, a user and bytes that no URL has leave a
/// text as it is: so it is nobody's resource.
fn canonical(audience: &str) -> Cow<'_, str> {
    let Ok(HttpsUrl { authority, path, query }) = HttpsUrl::parse(audience) else {
        return Cow::Borrowed(audience);
    };
    let host = authority.strip_suffix(":443").unwrap_or(authority).to_ascii_lowercase();
    let path = path.strip_suffix('/').unwrap_or(path);
    let (mark, query) = query.map_or(("", ""), |query| ("?", query));
    Cow::Owned(format!("https://{host}{path}{mark}{query}"))
}
