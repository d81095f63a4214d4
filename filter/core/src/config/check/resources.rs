//! What the protected resources say about themselves.

use super::Check;
use crate::config::raw::RawResource;
use crate::config::shape::join;
use crate::config::{Issuer, MAX_RESOURCES};
use crate::https_url::HttpsUrl;
use crate::resource_metadata::{MetadataDocument, ResourceMetadata};

impl Check {
    /// `issuers` are those that are right; without any, nothing is said about audiences.
    pub(super) fn resources(
        &mut self,
        raw: Vec<RawResource>,
        issuers: &[Issuer],
    ) -> Option<Vec<MetadataDocument>> {
        if raw.len() > MAX_RESOURCES {
            let problem = format!("has {} entries, at most {MAX_RESOURCES} are allowed", raw.len());
            return self.wrong("resources", problem, "use a resource for several paths");
        }
        let mut documents: Vec<MetadataDocument> = Vec::with_capacity(raw.len());
        let mut all_good = true;
        for (index, raw) in raw.into_iter().enumerate() {
            let path = format!("resources[{index}]");
            match self.resource(raw, issuers, &path) {
                Some(document) if documents.iter().any(|known| known.url() == document.url()) => {
                    let problem = format!("has its document at {}, as another", document.url());
                    self.add(&join(&path, "resource"), problem, "remove one of them");
                    all_good = false;
                }
                Some(document) => documents.push(document),
                None => all_good = false,
            }
        }
        all_good.then_some(documents)
    }

    fn resource(
        &mut self,
        raw: RawResource,
        issuers: &[Issuer],
        path: &str,
    ) -> Option<MetadataDocument> {
        let at = |name| join(path, name);
        let RawResource { resource, authorization_servers, scopes, name, documentation } = raw;
        let scopes = self.scopes(scopes.unwrap_or_default(), &at("scopes"));
        let Some(resource) = resource else {
            return self.missing(&at("resource"), "set it to the resource's https URL");
        };
        let of_resource = || issuers.iter().filter(|issuer| issuer.audiences.contains(&resource));
        if !issuers.is_empty() && of_resource().next().is_none() {
            let remedy = "add it to the `audiences` of the issuer whose tokens are meant for it";
            self.add(&at("resource"), "is no issuer's audience: tokens for it are refused", remedy);
        }
        let servers = authorization_servers
            .unwrap_or_else(|| of_resource().map(|issuer| issuer.issuer.clone()).collect());
        for (index, server) in servers.iter().enumerate() {
            let path = format!("{}[{index}]", at("authorization_servers"));
            self.https(server, &path);
        }
        if let Some(documentation) = &documentation {
            self.https(documentation, &at("documentation"));
        }
        let elsewhere_only = of_resource().next().is_some()
            && of_resource().all(|issuer| issuer.token_from.is_some());
        let metadata = ResourceMetadata {
            elsewhere_only,
            resource,
            authorization_servers: servers,
            scopes: scopes?,
            name,
            documentation,
            ..ResourceMetadata::default()
        };
        match MetadataDocument::new(&metadata) {
            Ok(document) => Some(document),
            Err(error) => {
                let remedy = "write it as `https://api.example.com/path`";
                self.wrong(&at("resource"), error.to_string(), remedy)
            }
        }
    }

    fn https(&mut self, url: &str, path: &str) {
        if let Err(error) = HttpsUrl::parse(url) {
            self.add(path, error.to_string(), "write it as `https://host/path`");
        }
    }
}
