//! Where an issuer's lists may be: what its configuration says, and nothing that a token says
//! beyond.

use crate::https_url::{HttpsUrl, UrlError};
use crate::request::path;

/// What the configuration says about the status lists of one issuer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusSource {
    prefixes: Vec<String>,
    cluster: String,
    on_unknown: OnUnknown,
}

/// What a token meets whose list is not there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnUnknown {
    /// 503.
    Deny,
    /// The rest of the decision, as if it had no status.
    Allow,
}

/// Why text is no prefix of lists.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PrefixError {
    /// Not an https URL.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// A path that does not end with a slash, or that can be read in two ways, or a query.
    #[error("does not end with the slash of a plain path")]
    Path,
}

impl StatusSource {
    /// With lists below each of `prefixes` only, fetched through the gateway's `cluster`.
    pub fn new(
        prefixes: Vec<String>,
        cluster: String,
        on_unknown: OnUnknown,
    ) -> Result<Self, PrefixError> {
        for prefix in &prefixes {
            Self::check_prefix(prefix)?;
        }
        Ok(Self { prefixes, cluster, on_unknown })
    }

    /// Whether lists may be below `prefix`: with the slash at its end, `https://a/b/` is not the
    /// beginning of `https://a/bad` or of `https://a.evil.example/`.
    pub fn check_prefix(prefix: &str) -> Result<(), PrefixError> {
        let url = HttpsUrl::parse(prefix)?;
        let is_plain = url.query.is_none() && url.path.ends_with('/') && is_plain(&url);
        if is_plain { Ok(()) } else { Err(PrefixError::Path) }
    }

    /// The gateway's name for the server that has the lists.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// What to do without a list.
    #[must_use]
    pub const fn on_unknown(&self) -> OnUnknown {
        self.on_unknown
    }

    /// Host and target of the list at `uri`, if it is below one of the prefixes.
    #[must_use]
    pub fn location(&self, uri: &str) -> Option<(String, String)> {
        if !self.prefixes.iter().any(|prefix| uri.starts_with(prefix.as_str())) {
            return None;
        }
        let url = HttpsUrl::parse(uri).ok().filter(is_plain)?;
        Some((url.authority.to_owned(), url.target()))
    }
}

/// Whether the path leads where it seems to: a dot segment, plain or escaped, would lead out of the
/// prefix.
fn is_plain(url: &HttpsUrl<'_>) -> bool {
    // A slash at the end is an empty segment to nobody.
    path::readings(url.path.as_bytes()).is_ok()
}
