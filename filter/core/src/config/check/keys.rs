//! Where an issuer's keys come from.

use std::time::Duration;

use super::Check;
use crate::bundle::Bundle;
use crate::config::raw::RawKeys;
use crate::config::shape::join;
use crate::config::{Discovery, JwksUrl, KeySource};
use crate::discovery::WellKnown;
use crate::https_url::HttpsUrl;
use crate::jwk::KeySet;

/// The least and the greatest time between two fetches: no load that nobody wants, and no day on
/// which a key that was taken back is still trusted.
const REFRESH_SECS: (u64, u64) = (10, 86_400);

impl Check {
    /// `issuer` is the `iss` that the keys are for, as far as it is known.
    pub(super) fn keys(
        &mut self,
        raw: Option<RawKeys>,
        issuer: Option<&str>,
        path: &str,
    ) -> Option<KeySource> {
        let Some(raw) = raw else {
            return self.missing(path, "set `inline`, or `url` and `cluster`");
        };
        self.one_form(&raw, path)?;
        self.foreign_members(&raw, path);
        let RawKeys { inline, url, inline_bundle, bundle_url, .. } = &raw;
        if let Some(set) = inline {
            let remedy = "set it to a JWK Set (RFC 7517)";
            return match KeySet::parse(set.to_string().as_bytes()) {
                Ok(set) => Some(KeySource::Inline(set)),
                Err(error) => self.wrong(&join(path, "inline"), error.to_string(), remedy),
            };
        }
        if let Some(bundle) = inline_bundle {
            let remedy = "set it to the bundle of the trust domain";
            // Numbers may have become doubles on their way here (Envoy), and mean nothing here: what
            // is in the configuration is neither fetched again nor replaced.
            let mut bundle = bundle.clone();
            if let Some(members) = bundle.as_object_mut() {
                members.retain(|name, _| !name.starts_with("spiffe_"));
            }
            return match Bundle::parse(bundle.to_string().as_bytes()) {
                Ok(bundle) => Some(KeySource::InlineBundle(bundle)),
                Err(error) => self.wrong(&join(path, "inline_bundle"), error.to_string(), remedy),
            };
        }
        let cluster = self.cluster(raw.cluster.clone(), &join(path, "cluster"));
        let (least, most) = REFRESH_SECS;
        let refresh = raw.refresh_secs.unwrap_or(300);
        let refresh = self.seconds(refresh, &join(path, "refresh_secs"), least, most);
        if let Some(url) = url {
            let (authority, target) = self.jwks_url(url, &join(path, "url"))?;
            let (cluster, refresh) = (cluster?, refresh?);
            return Some(KeySource::Fetched(JwksUrl { cluster, authority, path: target, refresh }));
        }
        if let Some(url) = bundle_url {
            let url = match HttpsUrl::parse(url) {
                Ok(url) => url,
                Err(error) => {
                    let remedy = "write it as `https://host/path`";
                    return self.wrong(&join(path, "bundle_url"), error.to_string(), remedy);
                }
            };
            let (authority, path) = (url.authority.to_owned(), url.target());
            let (cluster, refresh) = (cluster?, refresh?);
            return Some(KeySource::Bundle(JwksUrl { cluster, authority, path, refresh }));
        }
        self.discovery(&raw, issuer, cluster, refresh, path).map(KeySource::Discovered)
    }

    /// Exactly one way to get keys.
    fn one_form(&mut self, raw: &RawKeys, path: &str) -> Option<()> {
        let RawKeys { inline, url, inline_bundle, bundle_url, discovery, .. } = raw;
        let forms = [
            ("inline", inline.is_some()),
            ("url", url.is_some()),
            ("inline_bundle", inline_bundle.is_some()),
            ("bundle_url", bundle_url.is_some()),
            ("discovery", discovery.is_some()),
        ];
        let mut chosen = forms.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name);
        match (chosen.next(), chosen.next()) {
            (Some(_), None) => Some(()),
            (Some(first), Some(second)) => {
                let problem = format!("has both `{first}` and `{second}`");
                self.wrong(path, problem, "remove one of them")
            }
            (None, _) => self.wrong(
                path,
                "does not say where keys come from",
                "set `inline`, or `url` and `cluster`",
            ),
        }
    }

    fn foreign_members(&mut self, raw: &RawKeys, path: &str) {
        let RawKeys { cluster, refresh_secs, jwks_cluster, jwks_authority, .. } = raw;
        let is_inline = raw.inline.is_some() || raw.inline_bundle.is_some();
        let is_discovered = raw.discovery.is_some();
        for (name, is_foreign, owner) in [
            ("cluster", is_inline && cluster.is_some(), "url"),
            ("refresh_secs", is_inline && refresh_secs.is_some(), "url"),
            ("jwks_cluster", !is_discovered && jwks_cluster.is_some(), "discovery"),
            ("jwks_authority", !is_discovered && jwks_authority.is_some(), "discovery"),
        ] {
            if is_foreign {
                self.add(&join(path, name), format!("belongs to `{owner}`"), "remove it");
            }
        }
    }

    fn discovery(
        &mut self,
        raw: &RawKeys,
        issuer: Option<&str>,
        cluster: Option<String>,
        refresh: Option<Duration>,
        path: &str,
    ) -> Option<Discovery> {
        let at = |name| join(path, name);
        let name = raw.discovery.as_deref().unwrap_or_default();
        let known = WellKnown::ALL.into_iter().find(|known| known.name() == name);
        let Some(well_known) = known else {
            let choices = "`oauth-authorization-server` or `openid-configuration`";
            return self.no_choice(&at("discovery"), name, choices);
        };
        let metadata = match well_known.location(issuer?) {
            Ok(location) => location,
            Err(error) => {
                let remedy = "discovery needs an https URL as `issuer`; else set `url`";
                return self.wrong(&at("discovery"), error.to_string(), remedy);
            }
        };
        let jwks_authority = match &raw.jwks_authority {
            Some(authority) => self.authority(Some(authority.clone()), &at("jwks_authority")),
            None => Some(metadata.authority.clone()),
        };
        let jwks_cluster = match &raw.jwks_cluster {
            Some(jwks_cluster) => self.cluster(Some(jwks_cluster.clone()), &at("jwks_cluster")),
            None => cluster.clone(),
        };
        let cluster = cluster?;
        Some(Discovery {
            metadata: JwksUrl {
                cluster,
                authority: metadata.authority,
                path: metadata.path,
                refresh: refresh?,
            },
            jwks_cluster: jwks_cluster?,
            jwks_authority: jwks_authority?,
        })
    }

    /// Host with port, and path with query.
    fn jwks_url(&mut self, url: &str, path: &str) -> Option<(String, String)> {
        let parts = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let Some(rest) = parts.filter(|_| url.bytes().all(|byte| byte.is_ascii_graphic())) else {
            return self.wrong(
                path,
                "is not an http or https URL",
                "write it as `https://host/path`",
            );
        };
        let (authority, target) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
            Some(parts) => parts,
            None => (rest, "/"),
        };
        if authority.is_empty() || authority.contains(['@', '?', '#']) || target.contains('#') {
            return self.wrong(
                path,
                "has no plain host, or a fragment",
                "write it as `https://host/path`, without user and fragment",
            );
        }
        Some((authority.to_owned(), target.to_owned()))
    }
}
