//! What each request has to bring.

use super::Check;
use crate::audience::{AudienceSet, Audiences};
use crate::config::raw::RawRoute;
use crate::config::shape::join;
use crate::config::{Issuer, MAX_ROUTES};
use crate::https_url::HttpsUrl;
use crate::in_flight::InFlight;
use crate::record::FactKind;
use crate::route::mcp::McpMatch;
use crate::route::{
    Access, HostMatch, OnGap, PathMatch, PathPattern, Requirements, Route, Routes, StepUp,
};
use crate::slots::{Credentials, Slot, SlotSet};

/// The most origins whose pages may call what a route matches: each is compared with the request's.
const MAX_PAGE_ORIGINS: usize = 64;

/// The longest `max_age_secs`: a year. Whoever writes more has mistaken the unit.
const MAX_AGE_SECS: u64 = 365 * 24 * 3600;

impl Check {
    pub(super) fn routes(&mut self, raw: Vec<RawRoute>) -> Option<Routes> {
        if raw.len() > MAX_ROUTES {
            let problem = format!("has {} entries, at most {MAX_ROUTES} are allowed", raw.len());
            return self.wrong("routes", problem, "use prefixes");
        }
        let mut audiences = Audiences::default();
        let routes: Vec<Option<Route>> = raw
            .into_iter()
            .enumerate()
            .map(|(index, raw)| self.route(raw, &mut audiences, &format!("routes[{index}]")))
            .collect();
        let routes: Option<Vec<Route>> = routes.into_iter().collect();
        let routes = routes?;
        self.refuse_unreachable(&routes);
        Some(Routes::new(routes).with_audiences(audiences))
    }

    fn route(&mut self, raw: RawRoute, audiences: &mut Audiences, path: &str) -> Option<Route> {
        let requirements = self.requirements(&raw, audiences, path);
        let path_match = self.path_match(raw.path, raw.path_prefix, path);
        let methods = self.methods(raw.methods, &join(path, "methods"));
        let hosts = self.hosts(raw.hosts, &join(path, "hosts"));
        let mcp = raw.mcp.map_or(Some(None), |mcp| self.mcp(mcp, &join(path, "mcp")).map(Some));
        let origins = self.page_origins(raw.origins, &join(path, "origins"));
        let access = self.access(raw.access.as_deref(), requirements, path);
        let (methods, mcp) = (methods?, mcp?);
        if matches!(mcp, Some(McpMatch::Says { .. }))
            && !(methods.is_empty() || methods.iter().any(|method| method == "POST"))
        {
            let problem = "leaves out `POST`, and MCP requests are sent by nothing else";
            return self.wrong(&join(path, "methods"), problem, "remove it");
        }
        let (path, hosts, origins) = (path_match?, hosts?, origins?);
        Some(Route { path, methods, hosts, mcp, origins, access: access? })
    }

    fn path_match(
        &mut self,
        exact: Option<String>,
        prefix: Option<String>,
        path: &str,
    ) -> Option<PathMatch> {
        match (exact, prefix) {
            (None, None) => Some(PathMatch::Any),
            (Some(_), Some(_)) => {
                self.wrong(path, "has both `path` and `path_prefix`", "remove one of them")
            }
            (Some(exact), None) => self.pattern(&exact, &join(path, "path")).map(PathMatch::Exact),
            // Everything is below the root, and how a path is spelled does not matter then.
            (None, Some(prefix)) if prefix == "/" => Some(PathMatch::Any),
            (None, Some(prefix)) => {
                self.pattern(&prefix, &join(path, "path_prefix")).map(PathMatch::Prefix)
            }
        }
    }

    fn pattern(&mut self, text: &str, path: &str) -> Option<PathPattern> {
        if !text.starts_with('/') {
            return self.wrong(path, "does not start with a slash", "write it as `/path`");
        }
        if text.contains(['%', ';', '?', '#', '*']) {
            let remedy = "write the path decoded, without query, parameters and wildcards";
            return self.wrong(path, "has one of `%`, `;`, `?`, `#` and `*`", remedy);
        }
        match PathPattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(problem) => self.wrong(
                path,
                format!("can match no request: {problem}"),
                "write it without that",
            ),
        }
    }

    fn methods(&mut self, methods: Option<Vec<String>>, path: &str) -> Option<Vec<String>> {
        let Some(methods) = methods else { return Some(Vec::new()) };
        if methods.is_empty() {
            return self.wrong(path, "is empty", "remove it to mean all methods");
        }
        for (index, method) in methods.iter().enumerate() {
            if method.is_empty()
                || !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
            {
                let problem = "is not a method; methods are case-sensitive";
                self.add(&format!("{path}[{index}]"), problem, "write it as `GET`");
            }
        }
        Some(methods)
    }

    fn hosts(&mut self, hosts: Option<Vec<String>>, path: &str) -> Option<Vec<HostMatch>> {
        let Some(hosts) = hosts else { return Some(Vec::new()) };
        if hosts.is_empty() {
            return self.wrong(path, "is empty", "remove it to mean all hosts");
        }
        let host = |(index, host): (usize, &String)| {
            let name = host.strip_prefix("*.").unwrap_or(host).to_ascii_lowercase();
            let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_host_byte) || name.ends_with('.') {
                let remedy = "write it as `api.example.com` or `*.example.com`, without port";
                return self.wrong(&format!("{path}[{index}]"), "is not a host name", remedy);
            }
            Some(match host.starts_with("*.") {
                true => HostMatch::Below(format!(".{name}")),
                false => HostMatch::Name(name),
            })
        };
        let hosts: Vec<Option<HostMatch>> = hosts.iter().enumerate().map(host).collect();
        hosts.into_iter().collect()
    }

    fn page_origins(&mut self, origins: Option<Vec<String>>, path: &str) -> Option<Vec<String>> {
        let Some(origins) = origins else { return Some(Vec::new()) };
        if origins.is_empty() {
            return self.wrong(path, "is empty", "remove it to let pages of all origins call");
        }
        if origins.len() > MAX_PAGE_ORIGINS {
            let count = origins.len();
            let problem = format!("has {count} entries, at most {MAX_PAGE_ORIGINS} are allowed");
            return self.wrong(path, problem, "have pages call through their own service");
        }
        let mut all_good = true;
        for (index, origin) in origins.iter().enumerate() {
            if !is_origin(origin) {
                let problem = "is no origin as browsers write it";
                let remedy = "write it as `https://app.example.com`: in lower case, without a slash at the end and without the usual port";
                self.add(&format!("{path}[{index}]"), problem, remedy);
                all_good = false;
            }
        }
        all_good.then_some(origins)
    }

    fn access(
        &mut self,
        access: Option<&str>,
        requirements: Option<Requirements>,
        path: &str,
    ) -> Option<Access> {
        match access {
            None | Some("token") => requirements.map(Access::Token),
            Some("public") if requirements? == Requirements::default() => Some(Access::Public),
            Some("public") => {
                let problem = "a public route asks for nothing, and this one asks for more";
                self.wrong(path, problem, "remove what it asks for, or set `access: token`")
            }
            Some(other) => self.no_choice(&join(path, "access"), other, "`token` or `public`"),
        }
    }

    fn requirements(
        &mut self,
        raw: &RawRoute,
        known: &mut Audiences,
        path: &str,
    ) -> Option<Requirements> {
        let list = |texts: &Option<Vec<String>>| texts.clone().unwrap_or_default();
        let scopes = self.scopes(list(&raw.scopes), &join(path, "scopes"));
        // They stand in the challenge one beside the other, as scopes do (RFC 9470 §3).
        let acr_values = self.tokens(list(&raw.acr_values), &join(path, "acr_values"), "an `acr`");
        let max_age = match raw.max_age_secs {
            None => Some(None),
            Some(secs) => {
                self.seconds(secs, &join(path, "max_age_secs"), 0, MAX_AGE_SECS).map(Some)
            }
        };
        let refused_state = self.refused_state(raw, path);
        let on_gap = match raw.on_gap.as_deref() {
            None | Some("allow") => Some(OnGap::Allow),
            Some("deny") => Some(OnGap::Deny),
            Some(other) => self.no_choice(&join(path, "on_gap"), other, "`deny` or `allow`"),
        };
        let in_flight = match raw.in_flight.as_deref() {
            None | Some("finish") => Some(InFlight::Finish),
            Some("cut") => Some(InFlight::Cut),
            Some(other) => self.no_choice(&join(path, "in_flight"), other, "`cut` or `finish`"),
        };
        let credentials = self.credentials(raw.credentials.as_deref(), &join(path, "credentials"));
        let audiences =
            self.route_audiences(raw.audiences.as_deref(), known, &join(path, "audiences"));
        let (credentials, audiences) = (credentials?, audiences?);
        if !audiences.is_empty() && !credentials.always_bearer() {
            let problem = "a choice of `credentials` has neither `access_token` nor `jwt_svid`, and no other names any";
            return self.wrong(&join(path, "audiences"), problem, "remove it, or that choice");
        }
        Some(Requirements {
            audiences,
            scopes: scopes?,
            refused_state: refused_state?,
            on_gap: on_gap?,
            step_up: StepUp { acr_values: acr_values?, max_age: max_age? },
            cors_preflight: raw.cors_preflight.unwrap_or_default(),
            in_flight: in_flight?,
            credentials,
        })
    }

    fn route_audiences(
        &mut self,
        audiences: Option<&[String]>,
        known: &mut Audiences,
        path: &str,
    ) -> Option<AudienceSet> {
        let Some(audiences) = audiences else { return Some(AudienceSet::EMPTY) };
        if audiences.is_empty() {
            return self.wrong(path, "is empty", "remove it to take those of the issuer");
        }
        let mut all = Some(AudienceSet::EMPTY);
        for (index, audience) in audiences.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let set = match known.add(audience) {
                _ if audience.is_empty() => {
                    self.wrong(&path, "is empty", "fill it in, or remove it")
                }
                Ok(set) => Some(set),
                Err(error) => {
                    let remedy = "give services that trust each other one audience";
                    self.wrong(&path, error.to_string(), remedy)
                }
            };
            all = all.zip(set).map(|(all, set)| all.and(set));
        }
        all
    }

    /// Audiences of routes that no issuer has: no token would pass.
    pub(super) fn refuse_foreign_audiences(
        &mut self,
        routes: Option<&Routes>,
        issuers: Option<&[Issuer]>,
    ) {
        let (Some(routes), Some(issuers)) = (routes, issuers) else { return };
        let own = issuers.iter().flat_map(|issuer| &issuer.audiences).map(String::as_str);
        let own = routes.audiences().of(own);
        for (place, set) in routes.asked_audiences() {
            let foreign = routes.audiences().written(set.without(own)).collect::<Vec<_>>();
            if let [foreign, ..] = foreign.as_slice() {
                let problem =
                    format!("`{foreign}` is no issuer's audience: tokens for it are refused");
                let remedy =
                    "add it to the `audiences` of the issuer whose tokens are meant for it";
                self.add(&format!("routes[{place}].audiences"), problem, remedy);
            }
        }
    }

    fn credentials(&mut self, choices: Option<&[String]>, path: &str) -> Option<Credentials> {
        let Some(choices) = choices else { return Some(Credentials::default()) };
        if choices.is_empty() {
            let remedy = "remove it, or set `access: public` to ask for none";
            return self.wrong(path, "is empty", remedy);
        }
        let names = Slot::ALL.map(|slot| format!("`{}`", slot.name())).join(", ");
        let choice = |(index, text): (usize, &String)| match SlotSet::parse(text) {
            Ok(choice) => Some(choice),
            Err(error) => {
                let remedy = format!("combine {names} with `+`");
                self.wrong(&format!("{path}[{index}]"), error.to_string(), remedy)
            }
        };
        let choices: Vec<Option<SlotSet>> = choices.iter().enumerate().map(choice).collect();
        choices.into_iter().collect::<Option<_>>().map(Credentials::new)
    }

    /// Credentials that nobody could bring, since the configuration does not say whose are good.
    pub(super) fn refuse_unusable(
        &mut self,
        routes: Option<&Routes>,
        issuers: Option<&[Issuer]>,
        has_proofs: bool,
    ) {
        let (Some(routes), Some(issuers)) = (routes, issuers) else { return };
        let accepted = routes.accepted();
        let needs = |slot, is_there: &dyn Fn(&Issuer) -> bool| {
            accepted.contains(slot) && !issuers.iter().any(is_there)
        };
        if needs(Slot::TxnToken, &|issuer| issuer.txn_domain.is_some()) {
            let problem = "has no token service, and a route accepts `txn_token`";
            self.add("issuers", problem, "add an entry with `txn_domain`");
        }
        if needs(Slot::WorkloadToken, &|issuer| issuer.trust_domain.is_some()) {
            let problem = "has no trust domain, and a route accepts `workload_token`";
            self.add("issuers", problem, "add an entry with `trust_domain`");
        }
        if accepted.contains(Slot::WorkloadToken) && !has_proofs {
            let problem = "is missing, and a route accepts `workload_token`";
            self.add("proofs", problem, "say under which `origins` workloads know this gateway");
        }
    }

    fn refused_state(&mut self, raw: &RawRoute, path: &str) -> Option<Vec<FactKind>> {
        let mut refused = Vec::new();
        if raw.compliant_device == Some(true) {
            refused.push(FactKind::DeviceNotCompliant);
        }
        if raw.unchanged_claims == Some(true) {
            refused.push(FactKind::ClaimsChanged);
        }
        match raw.max_risk.as_deref() {
            None => {}
            Some("low") => refused.extend([FactKind::RiskMedium, FactKind::RiskHigh]),
            Some("medium") => refused.push(FactKind::RiskHigh),
            Some(other) => {
                return self.no_choice(&join(path, "max_risk"), other, "`low` or `medium`");
            }
        }
        match raw.min_assurance {
            None => {}
            Some(2) => refused.push(FactKind::AssuranceBelow2),
            Some(3) => refused.push(FactKind::AssuranceBelow3),
            Some(4) => refused.push(FactKind::AssuranceBelow4),
            Some(other) => {
                let path = join(path, "min_assurance");
                return self.number(other, &path, 2, 4).map(|_| refused);
            }
        }
        Some(refused)
    }

    pub(super) fn scopes(&mut self, scopes: Vec<String>, path: &str) -> Option<Vec<String>> {
        self.tokens(scopes, path, "a scope")
    }

    /// RFC 6749 §3.3: no blank, quote or backslash, so they can stand in a challenge.
    fn tokens(&mut self, scopes: Vec<String>, path: &str, what: &str) -> Option<Vec<String>> {
        let mut distinct: Vec<String> = Vec::with_capacity(scopes.len());
        let mut all_good = true;
        for (index, scope) in scopes.into_iter().enumerate() {
            let is_scope_byte = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
            if scope.is_empty() || !scope.bytes().all(is_scope_byte) {
                let problem = format!("is not {what}: empty, or with a blank, quote or backslash");
                self.add(&format!("{path}[{index}]"), problem, "list each as an entry of its own");
                all_good = false;
            } else if !distinct.contains(&scope) {
                distinct.push(scope);
            }
        }
        all_good.then_some(distinct)
    }

    /// A route after one that matches everything is a mistake, and a dangerous one if it asks for more. With MCP, so is
    /// one after a route for the same path: to write the tool's route below that of the endpoint is the likely slip.
    fn refuse_unreachable(&mut self, routes: &[Route]) {
        let is_open = |route: &Route| {
            route.methods.is_empty() && route.hosts.is_empty() && route.mcp.is_none()
        };
        if let Some(catch_all) =
            routes.iter().position(|route| is_open(route) && route.path == PathMatch::Any)
        {
            let after = catch_all.saturating_add(1);
            if after < routes.len() {
                let problem =
                    format!("is never reached, `routes[{catch_all}]` matches every request");
                let remedy = "move the route that matches every request to the end";
                self.add(&format!("routes[{after}]"), problem, remedy);
            }
            return;
        }
        for (place, route) in routes.iter().enumerate().filter(|(_, route)| route.mcp.is_some()) {
            let covers = |before: &Route| is_open(before) && before.path.covers(&route.path);
            if let Some(before) = routes.iter().take(place).position(covers) {
                let problem = format!("is never reached, `routes[{before}]` matches all its paths");
                self.add(&format!("routes[{place}]"), problem, "move it before that route");
            }
        }
    }
}

/// Whether it can be what a browser sends (RFC 6454 §6.2): another spelling would match nothing, and who wrote it would
/// not know why.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let is_scheme_byte = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(is_scheme_byte);
    let usual = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let is_lower = !authority.bytes().any(|byte| byte.is_ascii_uppercase());
    // What an authority is made of is the same with any scheme.
    let is_bare = matches!(HttpsUrl::parse(&format!("https://{authority}")), Ok(url) if url.authority == authority);
    is_scheme && is_lower && is_bare && (usual.is_empty() || !authority.ends_with(usual))
}
