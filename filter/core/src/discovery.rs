//! An authorization server's metadata: where it says its keys are (RFC 8414, OpenID Connect
//! Discovery).
//!
//! The address of the metadata follows from the issuer's name, and the document must name the same
//! issuer, byte for byte (RFC 8414 §3.3): else one tenant of a server could speak for another. Its
//! `jwks_uri` chooses a path, never a server: the authority must be one that the configuration
//! names, because whoever controls the document must not make the gateway call where it likes.
//!
//! This module refuses to fetch anything, and to use any other member of the document: audiences,
//! algorithms and issuers stay what the configuration says.

use crate::https_url::{HttpsUrl, UrlError, same_authority};
use crate::json::{self, JsonError, Limits, excerpt};

#[cfg(test)]
mod tests;

/// The longest document. Those of large providers stay below 16 KiB.
pub const MAX_METADATA_BYTES: usize = 64 * 1024;

/// How the address is made from the issuer's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WellKnown {
    /// `/.well-known/oauth-authorization-server` *between* host and path (RFC 8414 §3.1).
    OAuth,
    /// `/.well-known/openid-configuration` *after* the path (OpenID Connect Discovery §4).
    OpenId,
}

/// What to ask whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Location {
    /// Host and port.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

/// Why there is no use in what was received, or no address to ask.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DiscoveryError {
    /// An issuer whose name is no URL that metadata could be found by.
    #[error("issuer {0}")]
    Issuer(UrlError),
    /// An issuer whose name has a query (RFC 8414 §2 forbids it).
    #[error("issuer has a query")]
    IssuerQuery,
    /// Longer than [`MAX_METADATA_BYTES`].
    #[error("metadata has {length} bytes, at most {MAX_METADATA_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Not JSON, or JSON that can be read in two ways.
    #[error("metadata: {0}")]
    Json(JsonError),
    /// A member that is missing or no string.
    #[error("metadata has no text `{member}`")]
    Member {
        /// Its name.
        member: &'static str,
    },
    /// The document of another issuer.
    #[error("metadata is of issuer `{found}`, not `{expected}`")]
    OtherIssuer {
        /// What it says, shortened.
        found: String,
        /// Who was asked about.
        expected: String,
    },
    /// A `jwks_uri` that is no https URL.
    #[error("`jwks_uri` {0}")]
    JwksUri(UrlError),
    /// A `jwks_uri` on a server that the configuration does not name.
    #[error("`jwks_uri` is at `{found}`, the configuration allows only `{allowed}`")]
    OtherServer {
        /// Its host and port, shortened.
        found: String,
        /// What is allowed.
        allowed: String,
    },
}

impl WellKnown {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::OAuth, Self::OpenId];

    /// The registered name (RFC 8414 §7.3, OpenID Connect Discovery §4).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OAuth => "oauth-authorization-server",
            Self::OpenId => "openid-configuration",
        }
    }

    /// Where the metadata of `issuer` is.
    pub fn location(self, issuer: &str) -> Result<Location, DiscoveryError> {
        let url = HttpsUrl::parse(issuer).map_err(DiscoveryError::Issuer)?;
        if url.query.is_some() {
            return Err(DiscoveryError::IssuerQuery);
        }
        // Both standards remove a slash at the end before they add anything.
        let issuer_path = url.path.strip_suffix('/').unwrap_or(url.path);
        let name = self.name();
        let path = match self {
            Self::OAuth => format!("/.well-known/{name}{issuer_path}"),
            Self::OpenId => format!("{issuer_path}/.well-known/{name}"),
        };
        Ok(Location { authority: url.authority.to_owned(), path })
    }
}

/// Where the keys of `issuer` are, by its metadata `text`. The answer's authority is `authority`,
/// the configured one, and never the document's own spelling.
pub fn jwks_location(
    text: &[u8],
    issuer: &str,
    authority: &str,
) -> Result<Location, DiscoveryError> {
    if text.len() > MAX_METADATA_BYTES {
        return Err(DiscoveryError::TooLong { length: text.len() });
    }
    let document = json::parse(text, &Limits::TOKEN).map_err(DiscoveryError::Json)?;
    let member = |member: &'static str| {
        let value = document.as_object().and_then(|document| document.get(member)?.as_str());
        value.ok_or(DiscoveryError::Member { member })
    };
    let found = member("issuer")?;
    if found != issuer {
        let (found, expected) = (excerpt(found), issuer.to_owned());
        return Err(DiscoveryError::OtherIssuer { found, expected });
    }
    let url = HttpsUrl::parse(member("jwks_uri")?).map_err(DiscoveryError::JwksUri)?;
    if !same_authority(url.authority, authority) {
        let (found, allowed) = (excerpt(url.authority), authority.to_owned());
        return Err(DiscoveryError::OtherServer { found, allowed });
    }
    Ok(Location { authority: authority.to_owned(), path: url.target() })
}
