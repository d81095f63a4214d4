//! What the state table knows: one fact about one subject, and the rule that merges facts.
//!
//! A record is a last-writer-wins register named by (subject, conditions, kind). The writer that wins is the one
//! with the greatest (event time, value, signal), so merging is commutative, associative and idempotent: the order
//! of arrival and the number of duplicates cannot matter. Two facts of the same second are ordered by value first,
//! and the refusing value is always the greater one: a tie between `account-disabled` and `account-enabled` refuses.
//!
//! A record never names a person. Subjects are keyed hashes ([`SubjectHash`]); the signal is a hash that the
//! companion can resolve ([`SignalId`]).

use std::fmt;

use crate::time::UnixTime;

/// At most this many conditions in one record: a complex subject has seven standard members (SSF 1.0 §3.3), one of
/// which the record is filed under; one more is room for an additional member.
pub const MAX_CONDITIONS: usize = 7;

/// The keyed 128-bit hash of a canonical subject key. See [`crate::subject`].
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubjectHash(pub [u8; 16]);

/// Names one SET: the first 128 bits of SHA-256 over its `iss`, a zero byte and its `jti`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SignalId(pub [u8; 16]);

/// What a fact is about. The number is its form in pages (four bits of it) and in the feed.
///
/// Levels are thresholds, each a register of its own: a level of risk sets those up to it and lifts
/// those above, so that every register stays a yes or no and merges alone.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum FactKind {
    /// Tokens issued at or before the fact's time are refused. No value.
    RevokedBefore,
    /// Refused whatever the token's age while [`FactValue::Set`]; lifted by [`FactValue::Unset`].
    Disabled,
    /// Tokens issued at or before the fact's time say what is no longer so. No value.
    ClaimsChanged,
    /// The device does not comply with policy, while [`FactValue::Set`].
    DeviceNotCompliant,
    /// The risk is medium or high, while [`FactValue::Set`].
    RiskMedium,
    /// The risk is high, while [`FactValue::Set`].
    RiskHigh,
    /// The level of authentication is below 2, while [`FactValue::Set`].
    AssuranceBelow2,
    /// The level of authentication is below 3, while [`FactValue::Set`].
    AssuranceBelow3,
    /// The level of authentication is below 4, while [`FactValue::Set`].
    AssuranceBelow4,
}

/// The value of a fact. The order is part of the merge rule: at the same second the greater one wins.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum FactValue {
    /// The state is lifted.
    Unset,
    /// The state holds.
    Set,
}

impl FactKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::RevokedBefore,
        Self::Disabled,
        Self::ClaimsChanged,
        Self::DeviceNotCompliant,
        Self::RiskMedium,
        Self::RiskHigh,
        Self::AssuranceBelow2,
        Self::AssuranceBelow3,
        Self::AssuranceBelow4,
    ];

    /// The number that stands for it in pages and in the feed.
    pub const fn code(self) -> u8 {
        match self {
            Self::RevokedBefore => 1,
            Self::Disabled => 2,
            Self::ClaimsChanged => 3,
            Self::DeviceNotCompliant => 4,
            Self::RiskMedium => 5,
            Self::RiskHigh => 6,
            Self::AssuranceBelow2 => 7,
            Self::AssuranceBelow3 => 8,
            Self::AssuranceBelow4 => 9,
        }
    }

    /// The kind that `code` stands for.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::RevokedBefore),
            2 => Some(Self::Disabled),
            3 => Some(Self::ClaimsChanged),
            4 => Some(Self::DeviceNotCompliant),
            5 => Some(Self::RiskMedium),
            6 => Some(Self::RiskHigh),
            7 => Some(Self::AssuranceBelow2),
            8 => Some(Self::AssuranceBelow3),
            9 => Some(Self::AssuranceBelow4),
            _ => None,
        }
    }

    /// Its name in logs, metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RevokedBefore => "revoked_before",
            Self::Disabled => "disabled",
            Self::ClaimsChanged => "claims_changed",
            Self::DeviceNotCompliant => "device_not_compliant",
            Self::RiskMedium => "risk_medium",
            Self::RiskHigh => "risk_high",
            Self::AssuranceBelow2 => "assurance_below_2",
            Self::AssuranceBelow3 => "assurance_below_3",
            Self::AssuranceBelow4 => "assurance_below_4",
        }
    }

    /// Whether a fact of this kind refuses a token by itself. The others are state, which refuses
    /// nothing unless somebody asks for it.
    pub const fn refuses(self) -> bool {
        matches!(self, Self::RevokedBefore | Self::Disabled)
    }

    /// Whether a fact of this kind is about tokens up to its time, for ever, instead of a state
    /// that can be lifted.
    pub const fn is_about_the_past(self) -> bool {
        matches!(self, Self::RevokedBefore | Self::ClaimsChanged)
    }
}

impl FactValue {
    /// The number that stands for it in pages and in the feed.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unset => 0,
            Self::Set => 1,
        }
    }

    /// The value that `code` stands for.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Unset),
            1 => Some(Self::Set),
            _ => None,
        }
    }
}

/// One fact, with its cause.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Fact {
    /// When the event happened: `event_timestamp`, else the SET's `iat`; whole seconds.
    pub at: UnixTime,
    /// Whether the state holds.
    pub value: FactValue,
    /// The SET that said so.
    pub signal: SignalId,
    /// The event type, as numbered in [`crate::event`]; for audit only, never for decisions.
    pub event: u8,
}

/// The register that a fact is written to.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RecordKey {
    /// Whom it is filed under.
    pub subject: SubjectHash,
    /// What the fact is about.
    pub kind: FactKind,
    /// Other subject keys that a token must have as well; sorted, without repetition.
    pub conditions: Vec<SubjectHash>,
}

/// A register and its present fact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The register.
    pub key: RecordKey,
    /// What was last known.
    pub fact: Fact,
}

impl Fact {
    /// The fact that stands when `self` and `other` are both known: the merge rule.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(&self) -> (UnixTime, FactValue, SignalId, u8) {
        (self.at, self.value, self.signal, self.event)
    }
}

impl fmt::Debug for SubjectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for SignalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for SignalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
