//! The feed's wire format: signed pages of records, each a stretch of the companion's log.
//!
//! The log is compacted: it holds each live record once, at the sequence that last changed it. So a
//! page says "these are all live records whose last change lies in (from, to]", the pages from
//! sequence 0 on are the snapshot, and the pages from any later cursor are the delta. There is one
//! form and one code path for both.
//!
//! A page is CBOR (RFC 8949), signed with Ed25519 by the companion. It refuses: anything longer than
//! [`MAX_PAGE_BYTES`] before looking at it, a wrong signature before decoding it, and any byte that
//! the format does not define. Whether a page fits what a gateway already knows (a gap, an old
//! signing time, another log) is decided in [`crate::replica`].

use std::fmt;

use minicbor::{Decoder, Encoder};
use serde_json::{Value, json};

use crate::crypto;
use crate::record::{
    Fact, FactKind, FactValue, MAX_CONDITIONS, Record, RecordKey, SignalId, SubjectHash,
};
use crate::time::UnixTime;

mod gap;

pub(crate) use gap::issuer_digest;
pub use gap::{Gap, MAX_GAPS, MAX_GAPS_BYTES, MAX_ISSUER_BYTES, gap_digests, gaps_version};

/// Largest signed page. Reading a larger body blocks the gateway's worker thread for milliseconds.
pub const MAX_PAGE_BYTES: usize = 512 * 1024;

/// Most records a companion puts into one page: applying one record costs a gateway a few
/// microseconds, and a page must not hold up its event loop for longer than about 20 ms.
pub const MAX_PAGE_RECORDS: usize = 4096;

/// The latest time of an event: pages of the table keep 40 bits of seconds, which last 34,000 years.
pub const MAX_EVENT_SECS: u64 = (1 << 40) - 1;

/// The version of this format.
const VERSION: u8 = 1;

/// What the signature covers before the payload, so that it cannot be taken for anything else.
const CONTEXT: &[u8] = b"rescind-feed-v1\0";

/// An Ed25519 public key (RFC 8032): the companion's, pinned by the filter's configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FeedKey(pub [u8; 32]);

/// Names one log: random, made when the journal is created.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LogId(pub [u8; 16]);

/// A place in a log: everything up to and including `sequence` is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    /// The log.
    pub log: LogId,
    /// The last sequence known; 0 before the first.
    pub sequence: u64,
}

/// A stretch of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// The log this is a part of.
    pub log: LogId,
    /// The page continues after this sequence.
    pub from: u64,
    /// The page is complete up to and including this sequence.
    pub to: u64,
    /// When the companion signed it, by the companion's clock.
    pub signed_at: UnixTime,
    /// Whether the log already goes on after `to`.
    pub more: bool,
    /// For how many seconds after an event the companion keeps a record of it.
    pub retention_secs: u32,
    /// How many live records the companion has: a hint for sizing the table.
    pub live: u64,
    /// The live records last changed in (from, to].
    pub records: Vec<Record>,
    /// All gaps there are, sorted by issuer, each once; at most [`MAX_GAPS`].
    pub gaps: Vec<Gap>,
}

/// A page's payload with the companion's signature over [`signing_input`] of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedPage {
    /// [`Page::encode`]'s bytes.
    pub payload: Vec<u8>,
    /// Ed25519 (RFC 8032).
    pub signature: [u8; 64],
}

/// Why a page was not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PageError {
    /// Larger than [`MAX_PAGE_BYTES`].
    #[error("the page has {length} bytes, at most {MAX_PAGE_BYTES} are accepted")]
    TooLarge {
        /// Its size in bytes.
        length: usize,
    },
    /// Not made by the pinned key, or changed on the way.
    #[error("the page's signature does not verify with the configured `feed_key`")]
    BadSignature,
    /// Not a page: truncated, or not this format.
    #[error("the page is malformed: {what}")]
    Malformed {
        /// What was expected and not found.
        what: &'static str,
    },
    /// Another version of the format.
    #[error("the page has format version {version}, this filter reads version {VERSION}")]
    Version {
        /// The page's version.
        version: u8,
    },
}

impl Page {
    /// The payload to sign, as CBOR: an array of nine elements, and a tenth if there are gaps.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes =
            Vec::with_capacity(self.records.len().saturating_mul(56).saturating_add(96));
        let mut encoder = Encoder::new(&mut bytes);
        // Writing to a Vec cannot fail; the Result is the encoder's general form.
        let _infallible = self.write(&mut encoder);
        bytes
    }

    fn write(
        &self,
        encoder: &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        let elements = if self.gaps.is_empty() { 9 } else { 10 };
        encoder.array(elements)?.u8(VERSION)?.bytes(&self.log.0)?.u64(self.from)?.u64(self.to)?;
        encoder.u64(self.signed_at.millis())?.bool(self.more)?;
        encoder.u32(self.retention_secs)?.u64(self.live)?;
        encoder.array(u64::try_from(self.records.len()).unwrap_or(u64::MAX))?;
        for Record { key, fact } in &self.records {
            encoder.array(7)?.bytes(&key.subject.0)?.u8(key.kind.code())?;
            encoder.u64(fact.at.secs())?.u8(fact.value.code())?.u8(fact.event)?;
            encoder.bytes(&fact.signal.0)?;
            encoder.array(u64::try_from(key.conditions.len()).unwrap_or(u64::MAX))?;
            for condition in &key.conditions {
                encoder.bytes(&condition.0)?;
            }
        }
        if !self.gaps.is_empty() {
            encoder.array(u64::try_from(self.gaps.len()).unwrap_or(u64::MAX))?;
            for gap in &self.gaps {
                gap.write(encoder)?;
            }
        }
        Ok(())
    }

    /// The same content for people.
    pub fn to_json(&self) -> Value {
        let records: Vec<Value> = self
            .records
            .iter()
            .map(|Record { key, fact }| {
                json!({
                    "subject": format!("{:?}", key.subject),
                    "conditions": key.conditions.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>(),
                    "fact": key.kind.name(),
                    "holds": fact.value == FactValue::Set,
                    "at": fact.at.secs(),
                    "event": fact.event,
                    "signal": fact.signal.to_string(),
                })
            })
            .collect();
        json!({
            "log": self.log.to_string(),
            "from": self.from,
            "to": self.to,
            "signed_at_ms": self.signed_at.millis(),
            "more": self.more,
            "retention_secs": self.retention_secs,
            "live": self.live,
            "records": records,
            "gaps": self.gaps.iter().map(|gap| {
                json!({ "issuer": gap.issuer, "since": gap.since.secs() })
            }).collect::<Vec<_>>(),
        })
    }

    fn decode(payload: &[u8]) -> Result<Self, PageError> {
        let malformed = |what| move |_| PageError::Malformed { what };
        let mut decoder = Decoder::new(payload);
        let elements = decoder.array().map_err(malformed("an array of nine or ten"))?;
        let has_gaps = match elements {
            Some(9) => false,
            Some(10) => true,
            _ => return Err(PageError::Malformed { what: "an array of nine or ten" }),
        };
        let version = decoder.u8().map_err(malformed("a version"))?;
        if version != VERSION {
            return Err(PageError::Version { version });
        }
        let log = LogId(fixed(&mut decoder, "a log id")?);
        let from = decoder.u64().map_err(malformed("`from`"))?;
        let to = decoder.u64().map_err(malformed("`to`"))?;
        if to < from {
            return Err(PageError::Malformed { what: "`to` at or after `from`" });
        }
        let signed_at =
            UnixTime::from_millis(decoder.u64().map_err(malformed("the time of signing"))?);
        let more = decoder.bool().map_err(malformed("whether more follows"))?;
        let retention_secs = decoder.u32().map_err(malformed("the retention"))?;
        let live = decoder.u64().map_err(malformed("the number of live records"))?;
        let count = decoder.array().map_err(malformed("the records"))?;
        let count = count.ok_or(PageError::Malformed { what: "a definite number of records" })?;
        let mut records = Vec::new();
        for _ in 0..count {
            records.push(decode_record(&mut decoder)?);
        }
        let gaps = if has_gaps { Gap::read_all(&mut decoder)? } else { Vec::new() };
        if decoder.position() != payload.len() {
            return Err(PageError::Malformed { what: "nothing after the records and gaps" });
        }
        Ok(Self { log, from, to, signed_at, more, retention_secs, live, records, gaps })
    }
}

fn decode_record(decoder: &mut Decoder<'_>) -> Result<Record, PageError> {
    let malformed = |what| move |_| PageError::Malformed { what };
    expect_array(decoder, 7, "a record of seven")?;
    let subject = SubjectHash(fixed(decoder, "a record's subject")?);
    let kind = decoder.u8().map_err(malformed("a record's kind"))?;
    let kind = FactKind::from_code(kind).ok_or(PageError::Malformed { what: "a known kind" })?;
    let at = decoder.u64().map_err(malformed("a record's time"))?;
    if at > MAX_EVENT_SECS {
        return Err(PageError::Malformed { what: "a record's time within 40 bits" });
    }
    let at = UnixTime::from_secs(at);
    let value = decoder.u8().map_err(malformed("a record's value"))?;
    let value =
        FactValue::from_code(value).ok_or(PageError::Malformed { what: "a known value" })?;
    let event = decoder.u8().map_err(malformed("a record's event type"))?;
    let signal = SignalId(fixed(decoder, "a record's signal")?);
    let count = decoder.array().map_err(malformed("a record's conditions"))?;
    let count = count
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count <= MAX_CONDITIONS)
        .ok_or(PageError::Malformed { what: "at most seven conditions" })?;
    let mut conditions = Vec::with_capacity(count);
    for _ in 0..count {
        conditions.push(SubjectHash(fixed(decoder, "a condition")?));
    }
    if !conditions.is_sorted_by(|a, b| a < b) {
        return Err(PageError::Malformed { what: "conditions in order, each once" });
    }
    Ok(Record {
        key: RecordKey { subject, kind, conditions },
        fact: Fact { at, value, signal, event },
    })
}

fn expect_array(
    decoder: &mut Decoder<'_>,
    length: u64,
    what: &'static str,
) -> Result<(), PageError> {
    match decoder.array() {
        Ok(Some(found)) if found == length => Ok(()),
        _ => Err(PageError::Malformed { what }),
    }
}

fn fixed<const N: usize>(
    decoder: &mut Decoder<'_>,
    what: &'static str,
) -> Result<[u8; N], PageError> {
    let bytes = decoder.bytes().map_err(|_| PageError::Malformed { what })?;
    bytes.try_into().map_err(|_| PageError::Malformed { what })
}

/// The bytes that the companion signs for `payload`.
pub fn signing_input(payload: &[u8]) -> Vec<u8> {
    [CONTEXT, payload].concat()
}

impl SignedPage {
    /// The page as sent: a CBOR array of payload and signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.payload.len().saturating_add(80));
        let mut encoder = Encoder::new(&mut bytes);
        let _infallible = encoder
            .array(2)
            .and_then(|encoder| encoder.bytes(&self.payload))
            .and_then(|encoder| encoder.bytes(&self.signature));
        bytes
    }

    /// Reads the envelope. Says nothing about the signature: use [`open`].
    pub fn decode(bytes: &[u8]) -> Result<Self, PageError> {
        if bytes.len() > MAX_PAGE_BYTES {
            return Err(PageError::TooLarge { length: bytes.len() });
        }
        let mut decoder = Decoder::new(bytes);
        expect_array(&mut decoder, 2, "a payload and a signature")?;
        let payload =
            decoder.bytes().map_err(|_| PageError::Malformed { what: "the signed payload" })?;
        let signature = fixed(&mut decoder, "a signature of 64 bytes")?;
        if decoder.position() != bytes.len() {
            return Err(PageError::Malformed { what: "nothing after the signature" });
        }
        Ok(Self { payload: payload.to_vec(), signature })
    }
}

/// Checks a received page's size and signature, and only then decodes it.
pub fn open(bytes: &[u8], key: &FeedKey) -> Result<Page, PageError> {
    open_with(bytes, |message, signature| crypto::verify_ed25519(&key.0, message, signature))
}

fn open_with(
    bytes: &[u8],
    verify: impl FnOnce(&[u8], &[u8; 64]) -> bool,
) -> Result<Page, PageError> {
    let SignedPage { payload, signature } = SignedPage::decode(bytes)?;
    if !verify(&signing_input(&payload), &signature) {
        return Err(PageError::BadSignature);
    }
    Page::decode(&payload)
}

impl Cursor {
    /// Reads the text form `<32 hex digits>.<sequence>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (log, sequence) = text.split_once('.')?;
        if log.len() != 32 || !sequence.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let log = u128::from_str_radix(log, 16).ok()?;
        Some(Self { log: LogId(log.to_be_bytes()), sequence: sequence.parse().ok()? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.log, self.sequence)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
