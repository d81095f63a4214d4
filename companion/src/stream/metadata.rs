//! A transmitter's configuration metadata (SSF 1.0 §7): where its API is.
//!
//! The document must name the issuer that was asked for, byte for byte (§7.2.4): else one tenant of
//! a server could speak for another. Endpoints that secrets could be read from on the way are
//! refused, and those that lead where only this side gets to ([`crate::named`]).

use rescind_core::json::{self, Limits, Object, Value};
use rescind_core::set::Profile;

use super::ApiError;
use crate::config::is_safe_url;
use crate::named::is_safe_from;

/// What is used of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Metadata {
    /// Streams are created, read, changed and deleted here.
    pub(crate) configuration: Option<String>,
    /// Their status is read and changed here.
    pub(crate) status: Option<String>,
    /// Verifications are asked for here.
    pub(crate) verification: Option<String>,
    /// Subjects are added here.
    pub(crate) add_subject: Option<String>,
    /// And removed here.
    pub(crate) remove_subject: Option<String>,
    /// `jwks_uri`, if keys may be fetched from there; who has configured the keys needs none.
    pub(crate) keys: Option<String>,
    /// `spec_version`; SSF 1.0 §7.1 says what its absence means.
    pub(crate) spec_version: String,
}

/// Where the metadata of `issuer` is: the well-known path stands between host and path (§7.2.1).
/// Transmitters of before SSF 1.0 have another (§7.2.2).
pub(crate) fn url(issuer: &str, profile: Profile) -> Option<String> {
    let (scheme, rest) = issuer.split_once("://")?;
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) => (host, path.trim_end_matches('/')),
        None => (rest, ""),
    };
    let slash = if path.is_empty() { "" } else { "/" };
    let name = match profile {
        Profile::GoogleRisc => "risc-configuration",
        Profile::SseId1 => "sse-configuration",
        Profile::Strict
        | Profile::LegacySubject
        | Profile::Okta
        | Profile::AuthentikLegacy
        | Profile::Keycloak => "ssf-configuration",
    };
    let url = format!("{scheme}://{host}/.well-known/{name}{slash}{path}");
    is_safe_url(&url).then_some(url)
}

impl Metadata {
    /// Reads the metadata of `issuer`, which came from `source`.
    pub(crate) fn read(body: &[u8], issuer: &str, source: &str) -> Result<Self, ApiError> {
        let value = json::parse(body, &Limits::TOKEN)
            .map_err(|error| ApiError::Answer(format!("the metadata is {error}")))?;
        let members = value
            .as_object()
            .ok_or_else(|| ApiError::Answer("the metadata is no object".to_owned()))?;
        let found = members.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if found != issuer {
            return Err(ApiError::Foreign("the metadata names another `issuer`"));
        }
        let endpoint = |name: &str| endpoint(members, name, source);
        Ok(Self {
            configuration: endpoint("configuration_endpoint")?,
            status: endpoint("status_endpoint")?,
            verification: endpoint("verification_endpoint")?,
            add_subject: endpoint("add_subject_endpoint")?,
            remove_subject: endpoint("remove_subject_endpoint")?,
            keys: endpoint("jwks_uri").ok().flatten(),
            spec_version: members
                .get("spec_version")
                .and_then(Value::as_str)
                .map_or_else(|| "1_0-ID1".to_owned(), |text| text.chars().take(32).collect()),
        })
    }
}

fn endpoint(members: &Object<'_>, name: &str, source: &str) -> Result<Option<String>, ApiError> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => match value.as_str().filter(|url| is_safe_from(url, source)) {
            Some(url) => Ok(Some(url.to_owned())),
            None => Err(ApiError::Answer(format!("`{name}` is not an https URL of a named host"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_path_stands_between_host_and_path() {
        for (issuer, expected) in [
            ("https://a.example", Some("https://a.example/.well-known/ssf-configuration")),
            ("https://a.example/", Some("https://a.example/.well-known/ssf-configuration")),
            ("https://a.example/t/1/", Some("https://a.example/.well-known/ssf-configuration/t/1")),
            ("http://127.0.0.1:9/x", Some("http://127.0.0.1:9/.well-known/ssf-configuration/x")),
            ("http://a.example", None),
            ("urn:example:issuer", None),
        ] {
            assert_eq!(url(issuer, Profile::Strict).as_deref(), expected, "{issuer}");
        }
        for (profile, name) in [
            (Profile::GoogleRisc, "risc-configuration"),
            (Profile::SseId1, "sse-configuration"),
            (Profile::Okta, "ssf-configuration"),
        ] {
            let expected = format!("https://a.example/.well-known/{name}");
            assert_eq!(url("https://a.example/", profile), Some(expected));
        }
    }

    #[test]
    fn metadata_of_another_issuer_and_endpoints_without_tls_are_refused() {
        let source = "https://a.example/.well-known/ssf-configuration";
        let read = |body: &str| Metadata::read(body.as_bytes(), "https://a.example", source);
        let good = read(
            r#"{"issuer":"https://a.example","spec_version":"1_0","status_endpoint":"https://a.example/s"}"#,
        )
        .unwrap();
        assert_eq!(good.status.as_deref(), Some("https://a.example/s"));
        assert_eq!((good.configuration, good.spec_version.as_str()), (None, "1_0"));
        let keys = |jwks: &str| {
            let body = format!(r#"{{"issuer":"https://a.example","jwks_uri":"{jwks}"}}"#);
            read(&body).unwrap().keys
        };
        assert_eq!(keys("https://b.example/k"), Some("https://b.example/k".to_owned()));
        assert_eq!(keys("http://a.example/k"), None, "anybody could have put them there");
        assert_eq!(read(r#"{"issuer":"https://a.example"}"#).unwrap().spec_version, "1_0-ID1");
        for wrong in [
            r#"{"issuer":"https://a.example/"}"#,
            r#"{"issuer":"https://A.example"}"#,
            "{}",
            "[]",
            r#"{"issuer":"https://a.example","status_endpoint":"http://a.example/s"}"#,
            r#"{"issuer":"https://a.example","status_endpoint":"http://127.0.0.1/s"}"#,
            r#"{"issuer":"https://a.example","issuer":"https://b.example"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
