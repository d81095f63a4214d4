//! What the gateway's access log and later filters are told; Envoy puts `wasm.` before each name.

use rescind_core::config::Config;
use rescind_core::identity::Identity;
use rescind_core::verdict::Denial;

use crate::host::{self, Status};

const SUBJECT: &str = "rescind.sub";
const ISSUER: &str = "rescind.iss";
const ACTORS: &str = "rescind.actors";
const MAY_ACT: &str = "rescind.may_act";
const REASON: &str = "rescind.reason";
const SIGNAL: &str = "rescind.signal";

/// Says who calls, if the configuration says so.
pub(crate) fn caller(identity: Option<&Identity>, config: &Config) -> Result<(), Status> {
    let Some(identity) = identity.filter(|_| config.identity.filter_state) else { return Ok(()) };
    host::set_property(SUBJECT, identity.subject().as_bytes())?;
    // With one issuer there is nothing to tell apart, and each property costs a tenth of the whole request.
    if config.issuers.len() > 1 {
        host::set_property(ISSUER, identity.issuer().as_bytes())?;
    }
    for (name, parties) in [(ACTORS, identity.actors()), (MAY_ACT, identity.may_act())] {
        if !parties.is_empty() {
            host::set_property(name, parties.as_bytes())?;
        }
    }
    Ok(())
}

/// Says why a request was refused. A host that cannot do it still gets the answer.
pub(crate) fn refusal(denial: &Denial) {
    let _ = host::set_property(REASON, denial.reason().as_bytes());
    if let Some(signal) = denial.signal() {
        let _ = host::set_property(SIGNAL, signal.to_string().as_bytes());
    }
}
