//! What clients are told.

use super::Check;
use crate::config::Challenge;
use crate::config::raw::RawChallenge;

impl Check {
    pub(super) fn challenge(&mut self, raw: RawChallenge) -> Option<Challenge> {
        let RawChallenge { realm, resource_metadata } = raw;
        let realm = realm.unwrap_or_default();
        let is_quotable = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if !realm.bytes().all(is_quotable) {
            let remedy = "use printable ASCII without them";
            self.add("challenge.realm", "has a quote, a backslash or a special character", remedy);
        }
        let url = resource_metadata.unwrap_or_default();
        let is_url = url.starts_with("https://") || url.starts_with("http://");
        if !url.is_empty()
            && (!is_url || !url.bytes().all(|byte| is_quotable(byte) && byte != b' '))
        {
            self.add(
                "challenge.resource_metadata",
                "is not an http or https URL",
                "write it as `https://host/.well-known/oauth-protected-resource`",
            );
        }
        Some(Challenge { realm, resource_metadata: url, ..Challenge::default() })
    }
}
