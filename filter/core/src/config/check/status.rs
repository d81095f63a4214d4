//! Where the status lists of an issuer's tokens are.

use super::Check;
use crate::config::raw::RawStatus;
use crate::config::shape::join;
use crate::status_list::{OnUnknown, StatusSource};

/// More places for lists than that are no places but a search.
const MAX_PREFIXES: usize = 8;

impl Check {
    pub(super) fn status(&mut self, raw: RawStatus, path: &str) -> Option<StatusSource> {
        let RawStatus { prefixes, cluster, on_unknown } = raw;
        let prefixes = self.prefixes(prefixes.unwrap_or_default(), &join(path, "prefixes"));
        let cluster = self.cluster(cluster, &join(path, "cluster"));
        let on_unknown = match on_unknown.as_deref() {
            None | Some("deny") => Some(OnUnknown::Deny),
            Some("allow") => Some(OnUnknown::Allow),
            Some(other) => self.no_choice(&join(path, "on_unknown"), other, "`deny` or `allow`"),
        };
        StatusSource::new(prefixes?, cluster?, on_unknown?).ok()
    }

    fn prefixes(&mut self, prefixes: Vec<String>, path: &str) -> Option<Vec<String>> {
        let remedy = "write it as `https://host/path/`";
        if prefixes.is_empty() {
            return self.missing(path, "name the URL below which the lists are");
        }
        if prefixes.len() > MAX_PREFIXES {
            let problem =
                format!("has {} entries, at most {MAX_PREFIXES} are allowed", prefixes.len());
            return self.wrong(path, problem, "name a URL above several of them");
        }
        let mut all_good = true;
        for (index, prefix) in prefixes.iter().enumerate() {
            if let Err(error) = StatusSource::check_prefix(prefix) {
                self.add(&format!("{path}[{index}]"), error.to_string(), remedy);
                all_good = false;
            }
        }
        all_good.then_some(prefixes)
    }
}
