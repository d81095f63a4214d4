//! A list as a value to keep in shared data: the compressed form, as it was published, behind a few
//! numbers. A list of a million tokens then takes some tens of kilobytes, and is inflated where it
//! is used.

use std::time::Duration;

use super::{StatusList, StatusListError, StatusListToken};
use crate::time::UnixTime;

/// The form of the value; another one is not read.
const FORM: u8 = 1;

/// Stands for an absent `exp` or `ttl`.
const NONE: u64 = u64::MAX;

/// What is kept of a status list token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CompactList {
    /// When it was fetched.
    pub fetched_at: UnixTime,
    /// The token, with its list inflated.
    pub token: StatusListToken,
}

impl CompactList {
    /// The value.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let StatusListToken { iat, exp, ttl, list, compressed } = &self.token;
        let numbers = [
            self.fetched_at.millis(),
            iat.millis(),
            exp.map_or(NONE, UnixTime::millis),
            ttl.map_or(NONE, |ttl| ttl.as_secs()),
        ];
        let mut value = vec![FORM, list.bits];
        value.extend(numbers.into_iter().flat_map(u64::to_be_bytes));
        value.extend_from_slice(compressed);
        value
    }

    /// When the list was fetched, without reading the rest.
    pub(super) fn peek(value: &[u8]) -> Option<UnixTime> {
        let ([FORM, _], rest) = value.split_first_chunk()? else { return None };
        number(rest).map(|(fetched_at, _)| UnixTime::from_millis(fetched_at))
    }

    /// Reads what [`CompactList::to_bytes`] wrote; nothing for anything else.
    #[must_use]
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        let ([FORM, bits], rest) = value.split_first_chunk()? else { return None };
        let (fetched_at, rest) = number(rest)?;
        let (iat, rest) = number(rest)?;
        let (exp, rest) = number(rest)?;
        let (ttl, compressed) = number(rest)?;
        let list: Result<StatusList, StatusListError> = StatusList::inflate(*bits, compressed);
        let present = |number: u64| (number != NONE).then_some(number);
        let token = StatusListToken {
            iat: UnixTime::from_millis(iat),
            exp: present(exp).map(UnixTime::from_millis),
            ttl: present(ttl).map(Duration::from_secs),
            list: list.ok()?,
            compressed: compressed.to_vec(),
        };
        Some(Self { fetched_at: UnixTime::from_millis(fetched_at), token })
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}
