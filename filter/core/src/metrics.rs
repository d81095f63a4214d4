//! Every metric of the filter, in one table.
//!
//! Counting costs an array access; hosts hear of it when the shell drains the counters, so that a
//! request costs no host call. There are no labels: the ABI has none, and Envoy maps dots to
//! underscores. What would be a label, the reason of a denial, is the end of a name; the set is
//! closed and known when the filter starts.

use crate::verdict::Denial;

/// What a metric's number means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Counts up, from the start of the process.
    Counter,
    /// The present value.
    Gauge,
}

/// One metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Metric {
    /// Its name at the host; Envoy shows it as `wasmcustom.<name>`, and in Prometheus as `<name>`.
    pub name: &'static str,
    /// What its number means.
    pub kind: Kind,
    /// For people.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident $kind:ident $name:literal $help:literal)*; denied: $($reason:literal $meaning:literal)*) => {
        /// Names a metric that is not a denial's.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Id {
            $(#[doc = $help] $id,)*
        }

        /// All of them: those of [`Id`] in its order, then one for each [`Denial::reason`].
        pub const TABLE: &[Metric] = &[
            $(Metric { name: $name, kind: Kind::$kind, help: $help },)*
            $(Metric {
                name: concat!("rescind_denied_", $reason),
                kind: Kind::Counter,
                help: concat!("Requests refused: ", $meaning),
            },)*
        ];

        /// All values of [`Denial::reason`], in the order of [`TABLE`].
        pub const REASONS: &[&str] = &[$($reason,)*];

        const IDS: &[Id] = &[$(Id::$id,)*];
    };
}

metrics! {
    Permitted Counter "rescind_permitted" "Requests that passed with a valid token."
    PermittedPublic Counter "rescind_permitted_public" "Requests that passed on a public route."
    PermittedStale Counter "rescind_permitted_stale"
        "Requests among the permitted that passed on a state older than max_staleness (on_stale: allow)."
    TokenCacheHits Counter "rescind_token_cache_hits" "Tokens that had been verified before."
    TokenCacheMisses Counter "rescind_token_cache_misses" "Tokens that had to be verified."
    SignatureChecksSpared Counter "rescind_signature_checks_spared"
        "Signatures of tokens that were not checked, because the same one had been found bad before."
    StateLookups Counter "rescind_state_lookups" "Tokens whose state was looked up in the table's pages."
    StreamsCut Counter "rescind_streams_cut"
        "Requests that had passed and were ended while they were open (in_flight: cut)."
    StreamsWatched Gauge "rescind_streams_watched" "Open requests that are watched by all workers (in_flight: cut)."
    TokenCacheEntries Gauge "rescind_token_cache_entries" "Verified tokens remembered by all workers."
    FeedPages Counter "rescind_feed_pages" "Pages of the feed that were applied."
    FeedRecords Counter "rescind_feed_records" "Records in the pages that were applied."
    FeedFailures Counter "rescind_feed_failures" "Requests to the companion that failed."
    FeedPagesRefused Counter "rescind_feed_pages_refused"
        "Pages of the feed that were not applied: malformed, badly signed, too old or with a gap."
    FeedResynchronizations Counter "rescind_feed_resynchronizations" "Times the feed was read again from its start."
    TableRecords Gauge "rescind_table_records" "Live records in the state table."
    TableFreshAt Gauge "rescind_table_fresh_at_seconds" "When the companion signed the last page, Unix time."
    FeedGaps Gauge "rescind_feed_gaps" "Issuers about whose tokens the companion may have missed signals."
    KeysFetched Counter "rescind_keys_fetched" "Key sets fetched and accepted."
    KeysFailed Counter "rescind_keys_failed" "Fetches of key sets that failed; the last good set is kept."
    StatusListsFetched Counter "rescind_status_lists_fetched" "Status lists fetched and accepted."
    StatusListsFailed Counter "rescind_status_lists_failed"
        "Fetches of status lists that failed; the last good list is kept while it is good."
    ;
    denied:
    "not_configured" "the filter has no valid configuration."
    "unreadable_request" "the host did not show the request."
    "ambiguous_path" "the path can be read in several ways."
    "ambiguous_host" "the host has bytes that no host name has."
    "unclear_mcp_message" "routes depend on what an MCP request does, and its headers do not say it clearly."
    "origin_not_allowed" "a browser sent it for a page of an origin that the route does not name."
    "mcp_body_differs" "the body of an MCP request does not say what its headers say (verify_body)."
    "mcp_body_too_long" "the body of an MCP request is longer than what is read (verify_body)."
    "malformed_mcp_body" "the body of an MCP request is not one message of strict JSON (verify_body)."
    "too_many_bodies" "so many bodies are held back until they are whole that no more can be (verify_body)."
    "no_credentials" "no token."
    "unsupported_scheme" "an Authorization scheme that is not accepted."
    "multiple_credentials" "more than one credential."
    "token_in_query" "a token in the query."
    "malformed_credentials" "an Authorization header, or another place for tokens, without one well-formed token."
    "malformed_token" "not a signed JWT in compact form, too long, or with a header that is not accepted."
    "malformed_payload" "a payload that is not strict JSON."
    "malformed_claims" "claims of the wrong type or size."
    "unknown_issuer" "an issuer that is not configured."
    "wrong_type" "a typ that the issuer's configuration does not accept."
    "security_event_token" "a security event token presented as an access token."
    "invalid_svid" "a workload's token that is no JWT-SVID, or one for somebody else."
    "missing_credential" "a credential that the route asks for besides, or instead, is not there."
    "wrong_credential" "a kind of token that the route does not accept."
    "wrong_place" "a token in a cookie or header that is not its issuer's place."
    "foreign_origin" "a token in a cookie, sent by a browser for a page of another origin."
    "invalid_wit" "a workload identity token that is none, or one of no known workload."
    "invalid_wpt" "no proof that the workload has sent the request, or a wrong one."
    "algorithm_not_allowed" "an algorithm that the issuer's configuration does not allow."
    "unknown_key" "no key of the issuer fits."
    "bad_signature" "a signature that none of the issuer's keys made."
    "missing_claim" "a required claim is missing."
    "wrong_audience" "a token for somebody else."
    "not_for_route" "a token for another of the services behind this gateway."
    "expired" "a token after exp and leeway."
    "not_yet_valid" "a token before nbf and leeway."
    "issued_in_the_future" "a token with iat in the future beyond leeway."
    "lifetime_too_long" "a token that lives longer than max_token_lifetime."
    "older_than_retention" "a token older than the companion keeps revocations."
    "sender_constrained" "a token bound to a key, presented as a bearer token."
    "unknown_confirmation" "a token bound in no way that can be checked."
    "not_bound" "a token bound to no key, presented under DPoP or where bound ones are asked for."
    "invalid_proof" "a DPoP proof that is not one for the request and token."
    "nonce_needed" "a DPoP proof without a good nonce."
    "wrong_key" "a DPoP proof by another key than the token's."
    "proof_replayed" "a DPoP proof that was used before."
    "proof_forgotten" "a DPoP proof that may have been used before and was forgotten."
    "proof_memory_unavailable" "used DPoP proofs cannot be remembered."
    "wrong_certificate" "a connection without the certificate that the token is bound to."
    "too_many_subjects" "a token that names more subjects than are looked up."
    "revoked" "a signal revoked the token."
    "disabled" "a signal disabled the token's subject."
    "invalid_status" "a status that cannot be read, or is kept where the configuration has no lists."
    "status_revoked" "a token that its issuer's status list calls invalid or suspended."
    "status_unknown" "a token whose status list is not there (on_unknown: deny)."
    "claims_changed" "a token issued before its claims changed, on a route that asks for unchanged ones."
    "device_not_compliant" "a device that is not compliant, on a route that asks for one."
    "assurance_too_low" "an assurance below the route's minimum."
    "risk_too_high" "a risk above the route's maximum."
    "insufficient_authentication" "a valid token whose user was authenticated too weakly or too long ago."
    "insufficient_scope" "a valid token without a required scope."
    "keys_not_ready" "the issuer's keys have not been fetched yet."
    "never_synchronized" "the state table has never been synchronized."
    "gap" "signals about the token's issuer may have been missed (on_gap: deny)."
    "stale" "the state is older than max_staleness (on_stale: deny)."
    "too_many_streams" "a route that watches open requests (in_flight: cut), and no room for one more."
    "table_unavailable" "the state table cannot be read."
}

/// Counts since the last time they were drained.
#[derive(Clone, Debug)]
pub struct Counters {
    counts: Vec<u64>,
}

impl Id {
    /// The metric's place in [`TABLE`].
    #[must_use]
    pub fn index(self) -> usize {
        IDS.iter().position(|id| *id == self).unwrap_or(usize::MAX)
    }
}

/// The place in [`TABLE`] of the metric that counts `denial`.
#[must_use]
pub fn denied(denial: &Denial) -> usize {
    let reason = denial.reason();
    let place = REASONS.iter().position(|known| *known == reason);
    place.map_or(usize::MAX, |place| place.saturating_add(IDS.len()))
}

impl Counters {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        Self { counts: vec![0; TABLE.len()] }
    }

    /// Counts `by` more.
    pub fn add(&mut self, id: Id, by: u64) {
        self.add_at(id.index(), by);
    }

    /// Counts one denial.
    pub fn deny(&mut self, denial: &Denial) {
        self.add_at(denied(denial), 1);
    }

    /// Calls `count` with the place in [`TABLE`] and the number of each metric that was counted,
    /// and starts again.
    pub fn drain(&mut self, mut count: impl FnMut(usize, u64)) {
        for (index, number) in self.counts.iter_mut().enumerate() {
            if *number > 0 {
                count(index, std::mem::take(number));
            }
        }
    }

    fn add_at(&mut self, index: usize, by: u64) {
        if let Some(count) = self.counts.get_mut(index) {
            *count = count.saturating_add(by);
        }
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

/// The table in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = "| Metric | Kind | Meaning |\n|---|---|---|\n".to_owned();
    for Metric { name, kind, help } in TABLE {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        text.push_str(&format!("| `{name}` | {kind} | {help} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn names_are_distinct_and_can_be_prometheus_names() {
        let mut names: Vec<&str> = TABLE.iter().map(|metric| metric.name).collect();
        for name in &names {
            let is_good = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(name.starts_with("rescind_") && name.bytes().all(is_good), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn every_id_names_its_row() {
        for (index, id) in IDS.iter().enumerate() {
            assert_eq!(id.index(), index);
        }
        let row = TABLE.get(Id::TokenCacheHits.index()).unwrap();
        assert_eq!((row.name, row.kind), ("rescind_token_cache_hits", Kind::Counter));
    }

    #[test]
    fn counts_are_handed_out_once() {
        let mut counters = Counters::new();
        counters.add(Id::Permitted, 2);
        counters.deny(&Denial::NeverSynchronized);
        counters.deny(&Denial::NeverSynchronized);
        let drained = |counters: &mut Counters| {
            let mut counts = Vec::new();
            counters.drain(|index, count| counts.push((TABLE[index].name, count)));
            counts
        };
        let expected = [("rescind_permitted", 2), ("rescind_denied_never_synchronized", 2)];
        assert_eq!(drained(&mut counters), expected);
        assert_eq!(drained(&mut counters), []);
    }

    #[test]
    fn the_reference_has_a_row_for_each_metric() {
        let reference = reference();
        assert_eq!(reference.lines().count(), TABLE.len().saturating_add(2));
        let row = "| `rescind_denied_revoked` | counter | Requests refused: a signal revoked the token. |";
        assert!(reference.lines().any(|line| line == row), "{reference}");
    }
}
