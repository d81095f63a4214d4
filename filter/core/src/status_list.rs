//! Token Status Lists: revocation as a list that an issuer publishes (draft-ietf-oauth-status-list).
//!
//! A token may name a list and its place in it ([`StatusReference`]). The list is a token too, typ
//! `statuslist+jwt`, signed by the issuer, with some bits for each place, compressed
//! ([`StatusListToken`]). The gateway's leader fetches the lists that are asked for
//! ([`ListRefresher`]) and puts them into shared data, where each worker finds them
//! ([`StatusStore`]).
//!
//! **In doubt the answer is no**: a place beyond the list, a status that is not registered, a list
//! about another URI, or one that is over, refuse the token. A list is fetched only from below a
//! URL that the issuer's configuration names, through the cluster that it names, and only after the
//! signature of a token that asks for it was checked ([`StatusSource`]).
//!
//! **Budget**: a list's compressed form has at most [`MAX_COMPRESSED_BYTES`], and inflates to at
//! most [`MAX_LIST_BYTES`]; whatever would be more is refused as soon as the limit is passed.

use std::time::Duration;

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use crate::base64url;
use crate::claims::{self, ClaimsError, Rounding};
use crate::json::{Object, Value, excerpt};
use crate::jws::{Jws, typ_matches};
use crate::time::UnixTime;

mod compact;
mod refresher;
mod sealed;
mod source;
mod store;
#[cfg(test)]
mod tests;

pub use compact::CompactList;
pub use refresher::{ListError, ListNotice, ListRefresher};
pub use source::{OnUnknown, PrefixError, StatusSource};
pub use store::{StatusStore, Unknown};

/// The media type of a list, without `application/`.
pub const STATUS_LIST_TYPE: &str = "statuslist+jwt";

/// The longest list: eight million tokens with one bit each.
pub const MAX_LIST_BYTES: usize = 1024 * 1024;

/// The longest compressed list. A random list with every twentieth token revoked takes a third of
/// its size.
pub const MAX_COMPRESSED_BYTES: usize = 512 * 1024;

/// The longest list as a token: the compressed form, in base64url twice, and some claims.
pub const MAX_LIST_TOKEN_BYTES: usize = 1024 * 1024;

/// The most lists that a gateway follows; each takes up to [`MAX_COMPRESSED_BYTES`] of shared data.
/// A list has places for millions of tokens, and issuers have few lists whose tokens still live.
pub const MAX_LISTS: usize = 64;

/// The most lists of one issuer, so that it leaves room for others.
pub const MAX_LISTS_OF_ISSUER: usize = 16;

/// The longest URI of a list.
pub const MAX_URI_BYTES: usize = 2048;

/// How long a list is good at most, because until the next fetch a revoked token passes.
pub const MAX_AGE: Duration = Duration::from_secs(3600);

/// How often a list is fetched that does not say (`ttl`), as key sets are.
pub const DEFAULT_AGE: Duration = Duration::from_secs(300);

/// A shorter `ttl` is not followed: a mistake there must not become load.
pub const MIN_AGE: Duration = Duration::from_secs(10);

/// Where a token's status is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StatusReference<'a> {
    /// Which list.
    pub uri: &'a str,
    /// Which place in it.
    pub index: u64,
}

/// What a list says about a token that may pass, or not for now, or never again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// 0
    Valid,
    /// 1: revoked, for good.
    Invalid,
    /// 2: may become valid again.
    Suspended,
    /// Any other: application specific, or not registered. Refused.
    Other(u8),
}

impl Status {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Suspended => "suspended",
            Self::Other(_) => "an unregistered status",
        }
    }
}

/// Why a list, or a token's place in it, cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StatusListError {
    /// Another kind of token.
    #[error("typ is not `{STATUS_LIST_TYPE}`")]
    Type,
    /// Claims of the wrong type or size, or missing.
    #[error("{0}")]
    Claims(#[from] ClaimsError),
    /// A URI longer than [`MAX_URI_BYTES`].
    #[error("`uri` has {length} bytes, at most {MAX_URI_BYTES} are allowed")]
    UriTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A list where the configuration of its issuer has none.
    #[error("list `{uri}` is below none of the issuer's `status.prefixes`")]
    ForeignUri {
        /// Where, shortened.
        uri: String,
    },
    /// A list about another URI than the one it was fetched from.
    #[error("list is of `{found}`, not `{expected}`")]
    OtherList {
        /// Its `sub`, shortened.
        found: String,
        /// The URI.
        expected: String,
    },
    /// A number of bits other than 1, 2, 4 and 8.
    #[error("`bits` is not 1, 2, 4 or 8")]
    Bits,
    /// `lst` is not base64url.
    #[error("`lst` is not base64url")]
    Encoding,
    /// Longer than [`MAX_COMPRESSED_BYTES`].
    #[error("`lst` has more than {MAX_COMPRESSED_BYTES} bytes")]
    CompressedTooLong,
    /// Not zlib (RFC 1950), cut short, or with a wrong checksum.
    #[error("`lst` is not zlib")]
    Compression,
    /// Inflates to more than [`MAX_LIST_BYTES`].
    #[error("`lst` inflates to more than {MAX_LIST_BYTES} bytes")]
    TooLong,
    /// A list without places.
    #[error("the list is empty")]
    EmptyList,
    /// Its time is over, or not yet come.
    #[error("list was issued at {iat} and is over at {until}, now {now}")]
    NotNow {
        /// When it was issued.
        iat: UnixTime,
        /// From when on it is not good.
        until: UnixTime,
        /// The time of the request.
        now: UnixTime,
    },
    /// A place beyond the end of the list.
    #[error("place {index} is beyond the list, which has {places}")]
    OutOfRange {
        /// The place.
        index: u64,
        /// How many there are.
        places: u64,
    },
}

/// The claims of a status list token, with the list inflated.
#[derive(Clone, Eq, PartialEq)]
pub struct StatusListToken {
    /// When it was issued.
    pub iat: UnixTime,
    /// From when on it must not be used.
    pub exp: Option<UnixTime>,
    /// How long it is good after it was fetched.
    pub ttl: Option<Duration>,
    /// The list.
    pub list: StatusList,
    /// The list as it was published.
    compressed: Vec<u8>,
}

/// The statuses of an issuer's tokens, packed.
#[derive(Clone, Eq, PartialEq)]
pub struct StatusList {
    bits: u8,
    packed: Vec<u8>,
}

impl<'a> StatusReference<'a> {
    /// Reads `status.status_list` of a token's payload, if it is there. A `status` in which no
    /// status list can be found is refused: its issuer may have revoked the token in a way that we
    /// do not know.
    pub fn find(payload: &'a Object<'a>) -> Result<Option<Self>, StatusListError> {
        let Some(status) = payload.get("status") else { return Ok(None) };
        let status = object(status, "status")?;
        let list = status
            .get("status_list")
            .ok_or(ClaimsError::Missing { claim: "status.status_list" })?;
        let list = object(list, "status.status_list")?;
        let claim = "status.status_list.uri";
        let uri = claims::member(list, "uri", claim)?.ok_or(ClaimsError::Missing { claim })?;
        if uri.len() > MAX_URI_BYTES {
            return Err(StatusListError::UriTooLong { length: uri.len() });
        }
        let index = integer(list, "idx", "status.status_list.idx")?;
        Ok(Some(Self { uri, index }))
    }
}

/// Whether the header is one of a status list: to be asked before any signature is checked.
pub fn check_header(jws: &Jws<'_>) -> Result<(), StatusListError> {
    let is_list = jws.typ().is_some_and(|typ| typ_matches(typ, STATUS_LIST_TYPE));
    if is_list { Ok(()) } else { Err(StatusListError::Type) }
}

impl StatusListToken {
    /// Reads the claims of the list that is at `uri`.
    pub fn parse(payload: &Value<'_>, uri: &str) -> Result<Self, StatusListError> {
        let object = object(payload, "payload")?;
        let missing = |claim| ClaimsError::Missing { claim };
        let sub = claims::text(object, "sub")?.ok_or(missing("sub"))?;
        if sub != uri {
            let (found, expected) = (excerpt(sub), uri.to_owned());
            return Err(StatusListError::OtherList { found, expected });
        }
        let iat = claims::date(object, "iat", Rounding::Down)?.ok_or(missing("iat"))?;
        let exp = claims::date(object, "exp", Rounding::Down)?;
        let ttl = match object.contains("ttl") {
            true => Some(Duration::from_secs(integer(object, "ttl", "ttl")?)),
            false => None,
        };
        let list = object.get("status_list").ok_or(missing("status_list"))?;
        let list = self::object(list, "status_list")?;
        let bits = integer(list, "bits", "status_list.bits")?;
        let claim = "status_list.lst";
        let lst = claims::member(list, "lst", claim)?.ok_or(ClaimsError::Missing { claim })?;
        // Before decoding: four characters hold three bytes.
        if lst.len() / 4 > MAX_COMPRESSED_BYTES / 3 {
            return Err(StatusListError::CompressedTooLong);
        }
        let compressed =
            base64url::decode(lst.as_bytes()).map_err(|_| StatusListError::Encoding)?;
        let bits = u8::try_from(bits).map_err(|_| StatusListError::Bits)?;
        let list = StatusList::inflate(bits, &compressed)?;
        Ok(Self { iat, exp, ttl, list, compressed })
    }

    /// How long after it was fetched it should be fetched again: its `ttl`, within [`MIN_AGE`] and
    /// [`MAX_AGE`].
    #[must_use]
    pub fn refresh(&self) -> Duration {
        self.ttl.unwrap_or(DEFAULT_AGE).clamp(MIN_AGE, MAX_AGE)
    }

    /// Until when a list that was fetched at `fetched_at` may be used: while its next one is late,
    /// for as long again as it was good at first, so that a server's restart refuses nobody; but
    /// not longer than [`MAX_AGE`], and not beyond its `exp`.
    #[must_use]
    pub fn good_until(&self, fetched_at: UnixTime) -> UnixTime {
        let until = fetched_at.plus(self.refresh().saturating_mul(2).min(MAX_AGE));
        self.exp.map_or(until, |exp| until.min(exp))
    }

    /// Whether it may be used at `now`: not from the future, and neither over nor too old.
    pub fn check(
        &self,
        fetched_at: UnixTime,
        leeway: Duration,
        now: UnixTime,
    ) -> Result<(), StatusListError> {
        let until = self.good_until(fetched_at);
        if self.iat > now.plus(leeway) || now >= until {
            return Err(StatusListError::NotNow { iat: self.iat, until, now });
        }
        Ok(())
    }
}

impl StatusList {
    /// Inflates a list of `bits` bits for each place (RFC 1950).
    pub fn inflate(bits: u8, compressed: &[u8]) -> Result<Self, StatusListError> {
        if !matches!(bits, 1 | 2 | 4 | 8) {
            return Err(StatusListError::Bits);
        }
        if compressed.len() > MAX_COMPRESSED_BYTES {
            return Err(StatusListError::CompressedTooLong);
        }
        let packed =
            decompress_to_vec_zlib_with_limit(compressed, MAX_LIST_BYTES).map_err(|error| {
                match error.status {
                    TINFLStatus::HasMoreOutput => StatusListError::TooLong,
                    _ => StatusListError::Compression,
                }
            })?;
        if packed.is_empty() {
            return Err(StatusListError::EmptyList);
        }
        Ok(Self { bits, packed })
    }

    /// How many places the list has.
    #[must_use]
    pub fn places(&self) -> u64 {
        let bytes = u64::try_from(self.packed.len()).unwrap_or(u64::MAX);
        bytes.saturating_mul(self.places_in_a_byte())
    }

    /// What the list says about the token at place `index`.
    pub fn status(&self, index: u64) -> Result<Status, StatusListError> {
        let out_of_range = StatusListError::OutOfRange { index, places: self.places() };
        let in_a_byte = self.places_in_a_byte();
        let place = index.checked_div(in_a_byte).and_then(|place| usize::try_from(place).ok());
        let byte = place.and_then(|place| self.packed.get(place)).ok_or(out_of_range)?;
        // The first place of a byte is in its lowest bits.
        let shift = index.checked_rem(in_a_byte).unwrap_or(0).saturating_mul(u64::from(self.bits));
        let shift = u32::try_from(shift).unwrap_or(0);
        let mask = u8::MAX.checked_shr(8_u32.saturating_sub(self.bits.into())).unwrap_or(0);
        Ok(match byte.checked_shr(shift).unwrap_or(0) & mask {
            0 => Status::Valid,
            1 => Status::Invalid,
            2 => Status::Suspended,
            other => Status::Other(other),
        })
    }

    /// About how much memory it takes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        size_of::<Self>().saturating_add(self.packed.len())
    }

    const fn places_in_a_byte(&self) -> u64 {
        match self.bits {
            1 => 8,
            2 => 4,
            4 => 2,
            _ => 1,
        }
    }
}

/// Shows how long the list is, not what is in it.
impl std::fmt::Debug for StatusList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StatusList({} places of {} bits)", self.places(), self.bits)
    }
}

impl std::fmt::Debug for StatusListToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusListToken")
            .field("iat", &self.iat)
            .field("exp", &self.exp)
            .field("ttl", &self.ttl)
            .field("list", &self.list)
            .finish_non_exhaustive()
    }
}

fn object<'v, 'a>(
    value: &'v Value<'a>,
    claim: &'static str,
) -> Result<&'v Object<'a>, ClaimsError> {
    let wrong = ClaimsError::WrongType { claim, expected: "an object", kind: value.kind() };
    value.as_object().ok_or(wrong)
}

/// A member that must be a whole number from zero on.
fn integer(object: &Object<'_>, name: &str, claim: &'static str) -> Result<u64, ClaimsError> {
    let value = object.get(name).ok_or(ClaimsError::Missing { claim })?;
    let kind = value.kind();
    value.as_u64().ok_or(ClaimsError::WrongType { claim, expected: "a whole number", kind })
}
