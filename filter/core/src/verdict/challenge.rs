//! What `WWW-Authenticate` says: how a client gets through next time (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3).
//!
//! Where tokens are accepted under two schemes, a client without a good one is told of both; the error stands with the
//! one that it tried.

use super::{Class, Denial};
use crate::config::Challenge;
use crate::record::FactKind;
use crate::route::StepUp;

/// The parameters that say what was wrong; all may be empty.
#[derive(Default)]
struct Reason {
    error: &'static str,
    description: &'static str,
    acr_values: String,
    max_age: String,
    scopes: String,
}

impl Denial {
    /// The values of `WWW-Authenticate`, the scheme first that the client tried; none where no token could help.
    #[must_use]
    pub fn challenges(&self, with: &Challenge) -> Vec<String> {
        let class = self.class();
        let one_token = match with.other_places {
            true => "send one access token, in one place",
            false => "send one access token, in the Authorization header",
        };
        let Some(reason) = self.explained(class, one_token) else { return Vec::new() };
        let none = Reason { scopes: reason.scopes.clone(), ..Reason::default() };
        if with.dpop_algorithms.is_empty() {
            return vec![bearer(&reason, with)];
        }
        let is_401 = matches!(self.status(), 401);
        match (with.dpop_attempted, is_401) {
            (true, true) => vec![dpop(&reason, with), bearer(&none, with)],
            (true, false) => vec![dpop(&reason, with)],
            (false, true) => vec![bearer(&reason, with), dpop(&none, with)],
            (false, false) => vec![bearer(&reason, with)],
        }
    }

    /// The nonce for the client's next proof (RFC 9449 §9).
    pub(super) fn nonce(&self) -> Option<&str> {
        match self {
            Self::Proof { nonce, .. } => nonce.as_deref(),
            _ => None,
        }
    }

    fn explained(&self, class: Class, one_token: &'static str) -> Option<Reason> {
        let (error, description) = match class {
            Class::BadRequest | Class::Forbidden | Class::TooLong | Class::NotNow => return None,
            // Without credentials there is no error (RFC 6750 §3.1), but the scopes help to get the
            // right token.
            Class::NoCredentials => ("", ""),
            Class::InvalidRequest => ("invalid_request", one_token),
            Class::InvalidToken => ("invalid_token", "the access token is not valid"),
            Class::InvalidProof => {
                ("invalid_dpop_proof", "the proof is not one for this request and token")
            }
            Class::UseNonce => ("use_dpop_nonce", "the proof needs the nonce in DPoP-Nonce"),
            Class::InsufficientAuthentication => {
                ("insufficient_user_authentication", "the user has to be authenticated again")
            }
            Class::InsufficientScope => ("insufficient_scope", "the access token lacks a scope"),
        };
        let scopes: &[String] = match self {
            Self::Credential { scopes, .. } if class == Class::NoCredentials => scopes,
            Self::InsufficientAuthentication { scopes, .. } => scopes,
            Self::InsufficientScope { required, .. } => required,
            _ => &[],
        };
        let (acr_values, max_age) = match self {
            Self::InsufficientAuthentication {
                step_up: StepUp { acr_values, max_age }, ..
            }
            | Self::State {
                kind:
                    FactKind::AssuranceBelow2 | FactKind::AssuranceBelow3 | FactKind::AssuranceBelow4,
                step_up: StepUp { acr_values, max_age },
                ..
            } => (acr_values.join(" "), max_age.map(|max_age| max_age.as_secs().to_string())),
            _ => (String::new(), None),
        };
        let (max_age, scopes) = (max_age.unwrap_or_default(), scopes.join(" "));
        Some(Reason { error, description, acr_values, max_age, scopes })
    }
}

fn bearer(reason: &Reason, with: &Challenge) -> String {
    written("Bearer", reason, with, ("resource_metadata", &with.resource_metadata))
}

/// The metadata (RFC 9728 §5.1) are for any scheme, but one place is enough, and all clients read the other.
fn dpop(reason: &Reason, with: &Challenge) -> String {
    written("DPoP", reason, with, ("algs", &with.dpop_algorithms))
}

fn written(scheme: &str, reason: &Reason, with: &Challenge, last: (&str, &str)) -> String {
    let Reason { error, description, acr_values, max_age, scopes } = reason;
    let parameters = [
        ("realm", with.realm.as_str()),
        ("error", error),
        ("error_description", description),
        ("acr_values", acr_values),
        ("max_age", max_age),
        ("scope", scopes),
        last,
    ];
    let parameters: Vec<String> = parameters
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    match parameters.as_slice() {
        [] => scheme.to_owned(),
        parameters => format!("{scheme} {}", parameters.join(", ")),
    }
}
