//! What kind of host this is: found out once, at configuration, never asked of the operator.
//!
//! Hosts differ in what they do with the same call, and some trap at a question, so that not everything can be
//! tried. What can be tried anywhere is shared data: whether there is any, and what an unconditional write means.
//! That tells the known hosts apart, and each answer here errs to the careful side for one that nobody knows yet.

use crate::host::{self, Status};

/// Is written to see what the host answers.
const PROBE_KEY: &str = "rescind.probe";

/// What is written. Not nothing: see [`crate::host`] about empty values on Kong.
const PROBE_VALUE: &[u8] = b"rescind";

/// Kong's ngx_wasm_module shows a filter no more headers than this and says nothing
/// (`NGX_HTTP_WASM_MAX_REQ_HEADERS`).
const KONG_SHOWS_HEADERS: u32 = 100;

/// A kind of host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    /// Envoy and Istio: gives each value that is written a number of its own.
    Envoy,
    /// Kong's ngx_wasm_module: refuses to replace a value unseen. Who knows what else such a host refuses.
    Kong,
    /// APISIX's wasm-nginx-module: has no shared data, and no timer.
    Apisix,
}

/// When the follower gets its turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timer {
    /// As often as it asks for.
    Adjustable,
    /// As often as was asked for first: asking again traps, or makes a second timer.
    Fixed,
    /// Whenever a request comes.
    Absent,
}

impl Family {
    /// Finds out.
    pub(crate) fn probe() -> Self {
        match host::shared_data(PROBE_KEY) {
            Err(Status::UNIMPLEMENTED) => Self::Apisix,
            _ => match renumbers_equal_values() {
                Ok(true) => Self::Envoy,
                Ok(false) | Err(_) => Self::Kong,
            },
        }
    }

    /// Whether the module has every callback that this host insists on, if it was built for Envoy alone or not.
    pub(crate) const fn is_served(self, by_envoys_build: bool) -> bool {
        !by_envoys_build || matches!(self, Self::Envoy)
    }

    /// When the follower gets its turn.
    pub(crate) const fn timer(self) -> Timer {
        match self {
            Self::Envoy => Timer::Adjustable,
            Self::Kong => Timer::Fixed,
            Self::Apisix => Timer::Absent,
        }
    }

    /// Whether a function that the host does not have can be asked for. Kong traps.
    pub(crate) const fn has_foreign_functions(self) -> bool {
        matches!(self, Self::Envoy)
    }

    /// Whether a property can be set that later filters and access logs see. Kong has none of ours, and APISIX
    /// writes an error for each.
    pub(crate) const fn has_filter_state(self) -> bool {
        matches!(self, Self::Envoy)
    }

    /// Whether the host tells which certificate a client showed. Kong and APISIX write an error for each question.
    pub(crate) const fn tells_certificates(self) -> bool {
        matches!(self, Self::Envoy)
    }

    /// Whether a request can be ended from outside of its own callbacks. Kong and APISIX take every call to be about
    /// the present request.
    pub(crate) const fn ends_streams(self) -> bool {
        matches!(self, Self::Envoy)
    }

    /// Whether a request's body can be held back until it is whole. Kong and APISIX have read it before, or show it in
    /// pieces that have gone on.
    pub(crate) const fn holds_bodies(self) -> bool {
        matches!(self, Self::Envoy)
    }

    /// Whether a gauge can be incremented. Kong traps, and keeps one gauge for each worker.
    pub(crate) const fn increments_gauges(self) -> bool {
        matches!(self, Self::Envoy)
    }

    /// Whether a header that was removed does not reach the service. On Kong it does, unseen by filters; so does
    /// each but the first of several that are replaced.
    pub(crate) const fn removes_headers(self) -> bool {
        !matches!(self, Self::Kong)
    }

    /// Whether `:authority` is what the client asked for. On Kong it is the server's own name; there and on APISIX,
    /// which crashes without it, what routes a request is the header `host`, and nothing else.
    pub(crate) const fn has_authority(self) -> bool {
        matches!(self, Self::Envoy)
    }

    /// Whether `:path` is the client's. On Kong it is decoded, and not what the service gets.
    pub(crate) const fn has_raw_path(self) -> bool {
        !matches!(self, Self::Kong)
    }

    /// Whether that many headers may be fewer than there are.
    pub(crate) const fn cuts_headers_at(self, count: u32) -> bool {
        matches!(self, Self::Kong) && count >= KONG_SHOWS_HEADERS
    }

    /// Whether callouts go to addresses, and not to clusters that say what is spoken there.
    pub(crate) const fn calls_addresses(self) -> bool {
        !matches!(self, Self::Envoy)
    }

    /// Its name, for the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Envoy => "Envoy",
            Self::Kong => "Kong",
            Self::Apisix => "APISIX",
        }
    }
}

/// Whether a value that is set again, unconditionally and unchanged, has another number afterwards.
fn renumbers_equal_values() -> Result<bool, Status> {
    let mut numbers = [0; 2];
    for number in &mut numbers {
        host::set_shared_data(PROBE_KEY, PROBE_VALUE, 0)?;
        *number = host::shared_data(PROBE_KEY)?.1;
    }
    let [first, second] = numbers;
    Ok(first != second && first != 0 && second != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake;

    #[test]
    fn a_host_that_numbers_every_value_is_of_envoys_kind() {
        fake::reset();
        assert_eq!(Family::probe(), Family::Envoy);
        assert_eq!(
            Family::probe(),
            Family::Envoy,
            "the second worker sees what the first one left"
        );
    }

    #[test]
    fn the_build_for_envoy_alone_serves_no_other_host() {
        let served = |family: Family| [false, true].map(|build| family.is_served(build));
        assert_eq!(served(Family::Envoy), [true, true]);
        assert_eq!(served(Family::Kong), [true, false]);
        assert_eq!(served(Family::Apisix), [true, false]);
    }

    #[test]
    fn a_host_that_refuses_to_replace_a_value_unseen_is_of_kongs_kind_in_every_worker() {
        fake::reset();
        fake::with(|host| host.refuses_unseen = true);
        assert_eq!(Family::probe(), Family::Kong);
        assert_eq!(Family::probe(), Family::Kong);
    }

    #[test]
    fn a_host_without_shared_data_is_of_apisixs_kind_and_one_that_fails_otherwise_of_kongs() {
        for (status, family) in [(12, Family::Apisix), (10, Family::Kong), (255, Family::Kong)] {
            fake::reset();
            fake::with(|host| host.status = Some(status));
            assert_eq!(Family::probe(), family, "{status}");
        }
    }
}
