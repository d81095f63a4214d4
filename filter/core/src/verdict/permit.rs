//! What lets a request pass.

use std::rc::Rc;

use crate::config::Config;
use crate::credential::{AUTHORIZATION, DPOP, TXN_TOKEN, WORKLOAD_PROOF, WORKLOAD_TOKEN};
use crate::gate::Watched;
use crate::identity::Identity;
use crate::mcp::body::Announced;
use crate::place::Place;
use crate::slots::{Slot, SlotSet};

/// Proof that a request passed every check. Only [`crate::gate::Gate::decide`] can make one.
#[derive(Clone, Debug)]
pub struct Permit {
    pub(crate) identity: Option<Rc<Identity>>,
    /// What else was verified beside the credential that says who calls.
    pub(crate) beside: [Option<Rc<Identity>>; 2],
    /// Which credentials were verified.
    pub(crate) verified: SlotSet,
    pub(crate) stale: bool,
    /// What it rests on, where that is to be watched.
    pub(crate) watched: Vec<Watched>,
    /// What the body has to say, where that is to be verified.
    pub(crate) announced: Option<Announced>,
}

impl Permit {
    /// That of a public route.
    pub(crate) const fn public() -> Self {
        Self {
            identity: None,
            beside: [None, None],
            verified: SlotSet::EMPTY,
            stale: false,
            watched: Vec::new(),
            announced: None,
        }
    }

    /// The headers to set on the request, after those of [`crate::identity::IdentityHeaders`] were
    /// removed from it.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let beside = self.beside.iter().flatten().flat_map(|identity| identity.own_headers());
        self.identity.iter().flat_map(|identity| identity.headers()).chain(beside)
    }

    /// The headers with credentials that must not reach the service: what nobody has verified, what is for this gateway
    /// alone, and tokens that `config` says are not passed on.
    pub fn withheld(&self, config: &Config) -> impl Iterator<Item = &'static str> {
        let is_public = self.identity.is_none();
        let has_slots = config.has_slots();
        let credentials = [
            // Where no token can be, nobody has looked.
            (AUTHORIZATION, self.withholds_bearer(config) || (!is_public && !config.schemes.any)),
            // A proof is for this gateway: to a service that has another name it proves nothing.
            (DPOP, !is_public && config.proofs.is_some()),
            // A Txn-Token goes through the call as it is. Without its proof, a workload's token says nothing.
            (TXN_TOKEN, has_slots && !self.verified.contains(Slot::TxnToken)),
            (WORKLOAD_TOKEN, has_slots),
            (WORKLOAD_PROOF, has_slots),
        ];
        credentials.into_iter().filter_map(|(name, is_withheld)| is_withheld.then_some(name))
    }

    /// The other places whose tokens must not reach the service: all of them, or none.
    #[must_use]
    pub fn withheld_places<'c>(&self, config: &'c Config) -> &'c [Place] {
        if self.withholds_bearer(config) { &config.places } else { &[] }
    }

    fn withholds_bearer(&self, config: &Config) -> bool {
        let is_public = self.identity.is_none();
        let forwards =
            config.identity.forward_token && !self.verified.within(SlotSet::BEARER).is_empty();
        !is_public && !forwards
    }

    /// Which credentials were verified: no other may reach the service. None on a public route.
    #[must_use]
    pub const fn verified(&self) -> SlotSet {
        self.verified
    }

    /// Who calls; nobody on a public route.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// Who calls, as `sub`; nobody on a public route.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.identity.as_deref().map(Identity::subject)
    }

    /// Who says so, as `iss`.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.identity.as_deref().map(Identity::issuer)
    }

    /// What the body has to say: the request must not reach the service before [`Announced::check`] has seen all of it.
    #[must_use]
    pub fn take_announced(&mut self) -> Option<Announced> {
        self.announced.take()
    }

    /// Whether it was given on a state older than `max_staleness`, because the configuration says
    /// `on_stale: allow`.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.stale
    }
}
