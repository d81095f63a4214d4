//! Whose tokens are accepted.

use super::Check;
use crate::config::raw::{RawIssuer, RawSubjectClaims};
use crate::config::shape::join;
use crate::config::{Issuer, KeySource, MAX_ISSUERS, TokenType};
use crate::jws::Algorithm;
use crate::mapping::Mapping;
use crate::place::Place;
use crate::spiffe::{SVID_ALGORITHMS, TrustDomain};
use crate::txn_token;

/// More clock skew than this is not skew (specs A.1).
const MAX_LEEWAY_SECS: u64 = 300;

/// Tokens that live longer would keep revocations in memory for longer than is sensible: 31 days.
const MAX_LIFETIME_SECS: u64 = 31 * 24 * 60 * 60;

/// What an issuer's tokens are.
enum Kind {
    AccessTokens,
    SpiffeDomain(TrustDomain),
    TxnDomain(String),
}

impl Check {
    pub(super) fn issuers(
        &mut self,
        raw: Option<Vec<RawIssuer>>,
        places: &mut Vec<Place>,
    ) -> Option<Vec<Issuer>> {
        let raw = raw.unwrap_or_default();
        if raw.is_empty() {
            return self.missing("issuers", "name at least one issuer of access tokens");
        }
        if raw.len() > MAX_ISSUERS {
            let problem = format!("has {} entries, at most {MAX_ISSUERS} are allowed", raw.len());
            return self.wrong(
                "issuers",
                problem,
                "remove some, or accept them on another gateway",
            );
        }
        let mut seen: Vec<String> = Vec::new();
        let issuers: Vec<Option<Issuer>> = raw
            .into_iter()
            .enumerate()
            .map(|(index, raw)| self.issuer(raw, &format!("issuers[{index}]"), &mut seen, places))
            .collect();
        issuers.into_iter().collect()
    }

    fn issuer(
        &mut self,
        raw: RawIssuer,
        path: &str,
        seen: &mut Vec<String>,
        places: &mut Vec<Place>,
    ) -> Option<Issuer> {
        let at = |name| join(path, name);
        let kind = self.kind(&raw, path);
        let issuer = match &kind {
            Some(Kind::SpiffeDomain(domain)) => {
                self.issuer_name(Some(format!("spiffe://{domain}")), &at("trust_domain"), seen)
            }
            Some(Kind::TxnDomain(domain)) => {
                let issuer = self.issuer_name(raw.issuer, &at("issuer"), &mut Vec::new());
                self.issuer_name(Some(format!("txn {domain}")), &at("txn_domain"), seen).and(issuer)
            }
            Some(Kind::AccessTokens) => self.issuer_name(raw.issuer, &at("issuer"), seen),
            None => None,
        };
        let audiences = match &kind {
            Some(Kind::TxnDomain(domain)) => Some(vec![domain.clone()]),
            _ => self.audiences(raw.audiences, &at("audiences")),
        };
        let algorithms = self.algorithms(raw.algorithms, &at("algorithms"));
        let types = self.types(raw.types.clone(), &at("types"));
        let keys = self.keys(raw.keys, issuer.as_deref(), &at("keys"));
        if let Some(kind) = &kind {
            let of_a_domain = matches!(kind, Kind::SpiffeDomain(_));
            self.kind_of_keys(keys.as_ref(), of_a_domain, &at("keys"));
            if of_a_domain {
                let algorithms = algorithms.as_deref().unwrap_or_default();
                self.only_an_svids(raw.types.is_some(), algorithms, path);
            }
        }
        let token_from = match raw.token_from {
            // What is wrong with it there has been said.
            Some(_) if matches!(kind, Some(Kind::TxnDomain(_))) => None,
            Some(place) => self.place(place, &at("token_from"), places).map(Some),
            None => Some(None),
        };
        let is_txn = matches!(kind, Some(Kind::TxnDomain(_)));
        let status = match raw.status {
            Some(status) => self.status(status, &at("status")).map(Some),
            None => Some(None),
        };
        let leeway = raw.leeway_secs.unwrap_or(30);
        let leeway = self.seconds(leeway, &at("leeway_secs"), 0, MAX_LEEWAY_SECS);
        let default = if is_txn { txn_token::DEFAULT_MAX_LIFETIME.as_secs() } else { 3600 };
        let lifetime = raw.max_token_lifetime_secs.unwrap_or(default);
        let path_of_lifetime = at("max_token_lifetime_secs");
        let lifetime = self.seconds(lifetime, &path_of_lifetime, 1, MAX_LIFETIME_SECS);
        let assumed = match (raw.assumed_lifetime_secs, lifetime) {
            (Some(assumed), Some(lifetime)) => {
                self.seconds(assumed, &at("assumed_lifetime_secs"), 1, lifetime.as_secs()).map(Some)
            }
            (Some(_), None) => None,
            (None, _) => Some(None),
        };
        let mut claims = raw.subject_claims.unwrap_or_default();
        if is_txn {
            claims.transaction.get_or_insert_with(|| "txn".to_owned());
            claims.workload.get_or_insert_with(|| "req_wl".to_owned());
        }
        let claims = self.subject_claims(claims, &at("subject_claims"));
        let (trust_domain, txn_domain) = match kind? {
            Kind::AccessTokens => (None, None),
            Kind::SpiffeDomain(domain) => (Some(domain), None),
            Kind::TxnDomain(domain) => (None, Some(domain)),
        };
        Some(Issuer {
            issuer: issuer?,
            trust_domain,
            txn_domain,
            audiences: audiences?,
            algorithms: algorithms?,
            types: types?,
            keys: keys?,
            status: status?,
            leeway: leeway?,
            max_token_lifetime: lifetime?,
            assumed_lifetime: assumed?,
            subject_claims: claims?,
            bound_tokens_only: raw.bound_tokens_only.unwrap_or_default(),
            token_from: token_from?,
        })
    }

    fn kind(&mut self, raw: &RawIssuer, path: &str) -> Option<Kind> {
        let remedy = "remove one of them: make an entry for each";
        match (&raw.trust_domain, &raw.txn_domain) {
            (None, None) => Some(Kind::AccessTokens),
            (Some(_), Some(_)) => {
                self.wrong(path, "has both `trust_domain` and `txn_domain`", remedy)
            }
            (Some(_), None) if raw.issuer.is_some() => {
                self.wrong(path, "has both `issuer` and `trust_domain`", remedy)
            }
            (Some(name), None) => match TrustDomain::parse(name) {
                Ok(domain) => Some(Kind::SpiffeDomain(domain)),
                Err(error) => {
                    let remedy = "write the bare name, such as `example.org`";
                    self.wrong(&join(path, "trust_domain"), error.to_string(), remedy)
                }
            },
            (None, Some(name)) => {
                self.only_a_txn_tokens(raw, path);
                if name.is_empty() {
                    let remedy = "set it to the `aud` of the token service's tokens";
                    self.add(&join(path, "txn_domain"), "is empty", remedy);
                }
                Some(Kind::TxnDomain(name.clone()))
            }
        }
    }

    /// What is settled for Txn-Tokens is not for a configuration to say.
    fn only_a_txn_tokens(&mut self, raw: &RawIssuer, path: &str) {
        let settled = [
            ("audiences", raw.audiences.is_some(), "their `aud` is `txn_domain`"),
            ("types", raw.types.is_some(), "their `typ` is `txntoken+jwt`"),
            ("assumed_lifetime_secs", raw.assumed_lifetime_secs.is_some(), "they have an `iat`"),
            ("bound_tokens_only", raw.bound_tokens_only.is_some(), "they are bound to nothing"),
            ("token_from", raw.token_from.is_some(), "they are in `Txn-Token`"),
        ];
        for (name, is_set, fact) in settled {
            if is_set {
                let problem = format!("says nothing about Txn-Tokens: {fact}");
                self.add(&join(path, name), problem, "remove it");
            }
        }
    }

    /// Bundles are a trust domain's and a trust domain's keys are in a bundle: they say what each key is for.
    fn kind_of_keys(&mut self, keys: Option<&KeySource>, of_a_domain: bool, path: &str) {
        let Some(keys) = keys else { return };
        let is_bundle = matches!(keys, KeySource::Bundle(_) | KeySource::InlineBundle(_));
        if is_bundle && !of_a_domain {
            self.add(
                path,
                "is the bundle of a trust domain",
                "set `trust_domain` instead of `issuer`",
            );
        } else if of_a_domain && !is_bundle {
            let remedy = "set `bundle_url` and `cluster`, or `inline_bundle`";
            self.add(path, "is no bundle, which a trust domain's keys come in", remedy);
        }
    }

    fn only_an_svids(&mut self, has_types: bool, algorithms: &[Algorithm], path: &str) {
        if has_types {
            let problem = "says nothing about JWT-SVIDs: their `typ` is `JWT`, `JOSE` or absent";
            self.add(&join(path, "types"), problem, "remove it");
        }
        for (index, algorithm) in algorithms.iter().enumerate() {
            if !SVID_ALGORITHMS.contains(algorithm) {
                let path = format!("{}[{index}]", join(path, "algorithms"));
                self.add(&path, format!("no SVID is signed with {algorithm}"), "remove it");
            }
        }
    }

    fn issuer_name(
        &mut self,
        issuer: Option<String>,
        path: &str,
        seen: &mut Vec<String>,
    ) -> Option<String> {
        let issuer = issuer.unwrap_or_default();
        if issuer.is_empty() {
            return self.missing(path, "set it to the `iss` of the issuer's tokens");
        }
        if seen.contains(&issuer) {
            return self.wrong(path, "is configured twice", "merge the two entries");
        }
        seen.push(issuer.clone());
        Some(issuer)
    }

    fn audiences(&mut self, audiences: Option<Vec<String>>, path: &str) -> Option<Vec<String>> {
        let audiences = audiences.unwrap_or_default();
        if audiences.is_empty() {
            return self.missing(path, "name what tokens for this gateway have in `aud`");
        }
        self.refuse_empty(&audiences, path);
        Some(audiences)
    }

    pub(super) fn algorithms(
        &mut self,
        names: Option<Vec<String>>,
        path: &str,
    ) -> Option<Vec<Algorithm>> {
        let names = names.unwrap_or_default();
        if names.is_empty() {
            return self.missing(path, "name the algorithms that the issuer signs with");
        }
        let known = Algorithm::ALL.map(|algorithm| format!("`{}`", algorithm.name())).join(", ");
        let algorithm = |(index, name): (usize, &String)| {
            Algorithm::from_name(name).or_else(|| {
                self.no_choice(&format!("{path}[{index}]"), name, &format!("from {known}"))
            })
        };
        let algorithms: Vec<Option<Algorithm>> = names.iter().enumerate().map(algorithm).collect();
        algorithms.into_iter().collect()
    }

    fn types(&mut self, names: Option<Vec<String>>, path: &str) -> Option<Vec<TokenType>> {
        let Some(names) = names else { return Some(vec![TokenType::AccessToken]) };
        if names.is_empty() {
            return self.wrong(path, "is empty", "remove it, or name `at+jwt`, `JWT` or both");
        }
        let token_type = |(index, name): (usize, &String)| {
            TokenType::ALL
                .into_iter()
                .find(|known| known.name().eq_ignore_ascii_case(name))
                .or_else(|| self.no_choice(&format!("{path}[{index}]"), name, "`at+jwt` or `JWT`"))
        };
        let types: Vec<Option<TokenType>> = names.iter().enumerate().map(token_type).collect();
        types.into_iter().collect()
    }

    fn subject_claims(&mut self, raw: RawSubjectClaims, path: &str) -> Option<Mapping> {
        let RawSubjectClaims {
            session,
            device,
            tenant,
            org_unit,
            groups,
            email,
            phone,
            transaction,
            workload,
            may_act,
        } = raw;
        let names = [
            ("session", &session),
            ("device", &device),
            ("tenant", &tenant),
            ("org_unit", &org_unit),
            ("groups", &groups),
            ("email", &email),
            ("phone", &phone),
            ("transaction", &transaction),
            ("workload", &workload),
        ];
        for (name, claim) in names {
            if claim.as_ref().is_some_and(String::is_empty) {
                self.add(&join(path, name), "is empty", "name a claim, or remove it");
            }
        }
        Some(Mapping {
            session,
            device,
            tenant,
            org_unit,
            groups,
            email,
            phone,
            transaction,
            workload,
            may_act: may_act.unwrap_or_default(),
        })
    }

    pub(super) fn refuse_empty(&mut self, texts: &[String], path: &str) {
        for (index, text) in texts.iter().enumerate() {
            if text.is_empty() {
                self.add(&format!("{path}[{index}]"), "is empty", "fill it in, or remove it");
            }
        }
    }
}
