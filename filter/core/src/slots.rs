//! Which kinds of credentials a route accepts, alone or together.
//!
//! A request has three places for credentials, and each place is for its own kinds: what is a Txn-Token counts
//! nowhere but in `Txn-Token`. [`Credentials`] says which of them a route asks for, as a choice between combinations:
//! `["access_token", "txn_token+workload_token"]` is either an access token, or a Txn-Token and a workload's token
//! together.
//!
//! A credential that a route accepts and a request brings must be valid, whether or not the rest would do: a request
//! with a good access token and a forged Txn-Token is a forged request. One that the route does not accept is not
//! looked at, and does not reach the service.

use std::fmt;

/// A kind of credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Slot {
    /// An access token (RFC 9068), in `Authorization`.
    AccessToken,
    /// A JWT-SVID (SPIFFE), in `Authorization`.
    JwtSvid,
    /// A transaction token (draft-ietf-oauth-transaction-tokens), in `Txn-Token`.
    TxnToken,
    /// A workload identity token with its proof (WIMSE), in `Workload-Identity-Token` and `Workload-Proof-Token`.
    WorkloadToken,
}

/// Some kinds of credentials.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct SlotSet(u8);

/// What a route asks for: one of several combinations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// None of them empty; the preferred one first.
    choices: Vec<SlotSet>,
}

/// Why a text names no combination.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SlotError {
    /// Not one of the names.
    #[error("`{name}` is no kind of credential")]
    Unknown {
        /// What it says instead, shortened.
        name: String,
    },
    /// The same kind twice.
    #[error("names `{}` twice", .slot.name())]
    Twice {
        /// Which.
        slot: Slot,
    },
    /// Two kinds of which a request can bring only one.
    #[error("asks for two credentials in one `Authorization` header")]
    BothBearers,
}

impl Slot {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::AccessToken, Self::JwtSvid, Self::TxnToken, Self::WorkloadToken];

    /// Its name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::JwtSvid => "jwt_svid",
            Self::TxnToken => "txn_token",
            Self::WorkloadToken => "workload_token",
        }
    }

    /// The header that it comes in.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::AccessToken | Self::JwtSvid => "Authorization",
            Self::TxnToken => "Txn-Token",
            Self::WorkloadToken => "Workload-Identity-Token",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::AccessToken => 1,
            Self::JwtSvid => 2,
            Self::TxnToken => 4,
            Self::WorkloadToken => 8,
        }
    }
}

impl SlotSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// The kinds that come in `Authorization`.
    pub const BEARER: Self = Self(Slot::AccessToken.bit() | Slot::JwtSvid.bit());

    /// Only `slot`.
    #[must_use]
    pub const fn only(slot: Slot) -> Self {
        Self(slot.bit())
    }

    /// Whether `slot` is in it.
    #[must_use]
    pub const fn contains(self, slot: Slot) -> bool {
        self.0 & slot.bit() != 0
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

    /// What is not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in it, those in `Authorization` first.
    pub fn slots(self) -> impl Iterator<Item = Slot> {
        Slot::ALL.into_iter().filter(move |slot| self.contains(*slot))
    }

    /// Reads a combination: names with `+` between them.
    pub fn parse(text: &str) -> Result<Self, SlotError> {
        let mut set = Self::EMPTY;
        for name in text.split('+') {
            let slot = Slot::ALL
                .into_iter()
                .find(|slot| slot.name() == name)
                .ok_or_else(|| SlotError::Unknown { name: crate::json::excerpt(name) })?;
            if set.contains(slot) {
                return Err(SlotError::Twice { slot });
            }
            set = set.and(Self::only(slot));
        }
        if Self::BEARER.without(set).is_empty() {
            return Err(SlotError::BothBearers);
        }
        Ok(set)
    }
}

impl Credentials {
    /// A choice between these; the default, if there are none.
    #[must_use]
    pub fn new(choices: Vec<SlotSet>) -> Self {
        if choices.is_empty() { Self::default() } else { Self { choices } }
    }

    /// Every kind that is in some combination.
    #[must_use]
    pub fn accepted(&self) -> SlotSet {
        self.choices.iter().fold(SlotSet::EMPTY, |all, choice| all.and(*choice))
    }

    /// Whether each combination has a credential in `Authorization`.
    #[must_use]
    pub fn always_bearer(&self) -> bool {
        self.choices.iter().all(|choice| !choice.within(SlotSet::BEARER).is_empty())
    }

    /// What is missing for a request that brings `brought`; nothing if that suffices.
    #[must_use]
    pub fn missing(&self, brought: SlotSet) -> Option<Slot> {
        let missing = self.choices.iter().map(|choice| choice.without(brought));
        // The nearest one; of two that are as near, the preferred one.
        let least = missing.min_by_key(|missing| missing.0.count_ones())?;
        least.slots().next()
    }
}

/// A token in `Authorization`, as everywhere.
impl Default for Credentials {
    fn default() -> Self {
        Self { choices: vec![SlotSet::only(Slot::AccessToken), SlotSet::only(Slot::JwtSvid)] }
    }
}

impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, slot) in self.slots().enumerate() {
            let plus = if index == 0 { "" } else { "+" };
            write!(f, "{plus}{}", slot.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotSet({self})")
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn set(text: &str) -> SlotSet {
        SlotSet::parse(text).unwrap()
    }

    fn credentials(choices: &[&str]) -> Credentials {
        Credentials::new(choices.iter().map(|choice| set(choice)).collect())
    }

    #[test]
    fn a_combination_is_written_with_plus_and_printed_in_one_order() {
        for text in ["access_token", "txn_token+workload_token", "jwt_svid+txn_token"] {
            assert_eq!(set(text).to_string(), text);
        }
        assert_eq!(set("workload_token+access_token").to_string(), "access_token+workload_token");
    }

    #[test]
    fn what_no_request_can_bring_is_no_combination() {
        let unknown = |name: &str| SlotError::Unknown { name: name.to_owned() };
        for (text, error) in [
            ("", unknown("")),
            ("token", unknown("token")),
            ("access_token+", unknown("")),
            ("access_token + txn_token", unknown("access_token ")),
            ("txn_token+txn_token", SlotError::Twice { slot: Slot::TxnToken }),
            ("access_token+jwt_svid", SlotError::BothBearers),
        ] {
            assert_eq!(SlotSet::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_request_needs_all_of_one_combination() {
        let either = credentials(&["access_token", "txn_token+workload_token"]);
        for (brought, missing) in [
            ("access_token", None),
            ("access_token+txn_token", None),
            ("txn_token+workload_token", None),
            ("txn_token", Some(Slot::AccessToken)),
            ("jwt_svid", Some(Slot::AccessToken)),
        ] {
            assert_eq!(either.missing(set(brought)), missing, "{brought}");
        }
        assert_eq!(either.missing(SlotSet::EMPTY), Some(Slot::AccessToken));
        let both = credentials(&["access_token+txn_token"]);
        assert_eq!(both.missing(set("access_token")), Some(Slot::TxnToken));
        assert_eq!(both.missing(set("txn_token")), Some(Slot::AccessToken));
    }

    #[test]
    fn without_a_word_one_token_in_authorization_is_asked_for() {
        let default = Credentials::new(Vec::new());
        assert_eq!(default.accepted(), SlotSet::BEARER);
        for (brought, suffices) in
            [("access_token", true), ("jwt_svid", true), ("txn_token+workload_token", false)]
        {
            assert_eq!(default.missing(set(brought)).is_none(), suffices, "{brought}");
        }
    }
}
