//! Gaps: issuers about whose tokens the companion may have missed signals.
//!
//! A page carries all gaps there are at the time of its signing, so each page replaces what the one
//! before said. A page without gaps has the form that it had before there were any.

use minicbor::{Decoder, Encoder};

use super::{PageError, expect_array};
use crate::crypto::sha256;
use crate::time::UnixTime;

/// Most gaps in a page. They stand in the head of the table, which every request may read: one gap
/// takes 16 bytes there. A companion with more says [`Gap::EVERYBODY`].
pub const MAX_GAPS: usize = 16;

/// The longest issuer in a gap: a URL, as long as URLs may be. For a longer one, too, a companion says
/// [`Gap::EVERYBODY`].
pub const MAX_ISSUER_BYTES: usize = crate::https_url::MAX_URL_BYTES;

/// What all gaps take in a page at most: their issuers, the times, and what CBOR puts before each.
pub const MAX_GAPS_BYTES: usize = 8 + MAX_GAPS * (MAX_ISSUER_BYTES + 16);

/// Signals about an issuer's tokens may have been missed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Gap {
    /// The `iss` of the tokens, or [`Gap::EVERYBODY`].
    pub issuer: String,
    /// Since when, in whole seconds.
    pub since: UnixTime,
}

impl Gap {
    /// The issuer of a gap that concerns the tokens of all issuers.
    pub const EVERYBODY: &'static str = "*";

    pub(super) fn write(
        &self,
        encoder: &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        encoder.array(2)?.str(&self.issuer)?.u64(self.since.secs())?;
        Ok(())
    }

    pub(super) fn read_all(decoder: &mut Decoder<'_>) -> Result<Vec<Self>, PageError> {
        let malformed = |what| move |_| PageError::Malformed { what };
        let count = decoder.array().map_err(malformed("the gaps"))?;
        let count = count
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| (1..=MAX_GAPS).contains(count))
            .ok_or(PageError::Malformed { what: "one to sixteen gaps, or no list of them" })?;
        let mut gaps: Vec<Self> = Vec::with_capacity(count);
        for _ in 0..count {
            expect_array(decoder, 2, "a gap of two")?;
            let issuer = decoder.str().map_err(malformed("a gap's issuer"))?;
            if issuer.is_empty() || issuer.len() > MAX_ISSUER_BYTES {
                return Err(PageError::Malformed { what: "a gap's issuer of usual length" });
            }
            let since = decoder.u64().map_err(malformed("a gap's time"))?;
            gaps.push(Self { issuer: issuer.to_owned(), since: UnixTime::from_secs(since) });
        }
        if !gaps.is_sorted_by(|a, b| a.issuer < b.issuer) {
            return Err(PageError::Malformed { what: "gaps in order, each issuer once" });
        }
        Ok(gaps)
    }
}

/// How an issuer is named in the head of the table. Only configured issuers are ever looked for, so
/// that nobody can choose one that meets another.
pub(crate) fn issuer_digest(issuer: &str) -> [u8; 8] {
    sha256(issuer.as_bytes()).first_chunk().copied().unwrap_or_default()
}

/// What a gateway that knows `gaps` (digests and seconds) says it knows; zero for none.
#[must_use]
pub fn gaps_version(gaps: &[([u8; 8], u64)]) -> u32 {
    if gaps.is_empty() {
        return 0;
    }
    let mut bytes = Vec::with_capacity(gaps.len().saturating_mul(16));
    for (issuer, since) in gaps {
        bytes.extend_from_slice(issuer);
        bytes.extend_from_slice(&since.to_be_bytes());
    }
    let digest = sha256(&bytes).first_chunk().copied().unwrap_or_default();
    u32::from_be_bytes(digest).max(1)
}

/// `gaps` as the head of the table has them.
#[must_use]
pub fn gap_digests(gaps: &[Gap]) -> Vec<([u8; 8], u64)> {
    gaps.iter().map(|gap| (issuer_digest(&gap.issuer), gap.since.secs())).collect()
}
