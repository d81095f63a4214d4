//! Every refusal, and what each reader of it gets.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::config::Challenge;
use crate::json::{self, Limits};
use crate::jws::Jws;
use crate::mcp::McpError;
use crate::metrics;
use crate::request::path::PathProblem;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn credential(error: CredentialError) -> Denial {
    Denial::Credential { error, scopes: texts(&["read"]) }
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn step_up() -> StepUp {
    StepUp { acr_values: texts(&["phrh", "phr"]), max_age: Some(Duration::from_secs(300)) }
}

/// One of each, in the order of the metrics.
fn all() -> Vec<Denial> {
    let issuer = || "https://idp".to_owned();
    let kid = || Some("k1".to_owned());
    let (now, leeway) = (at(2000), Duration::from_secs(30));
    let (algorithm, event) = (Algorithm::Es256, "session-revoked");
    let signal = SignalId([0xab; 16]);
    let scheme = "Basic".to_owned();
    vec![
        Denial::NotConfigured,
        Denial::Unreadable { what: "the headers", status: 2 },
        Denial::Route(RouteError::AmbiguousPath { problem: PathProblem::DotSegment }),
        Denial::Route(RouteError::AmbiguousHost { byte: b'@' }),
        Denial::Route(RouteError::UnclearMessage(McpError::NoMessage)),
        Denial::Route(RouteError::OriginNotAllowed { origin: "`https://evil`".to_owned() }),
        Denial::Body(BodyError::Name { header: "a".to_owned(), body: Some("b".to_owned()) }),
        Denial::Body(BodyError::TooLong { limit: 1024 }),
        Denial::Body(BodyError::MediaType),
        Denial::TooManyBodies(4096),
        credential(CredentialError::Absent),
        credential(CredentialError::UnsupportedScheme { scheme }),
        credential(CredentialError::Multiple),
        credential(CredentialError::InQuery),
        credential(CredentialError::NoToken),
        Denial::MalformedToken(Jws::parse(b"a.b", 100).unwrap_err()),
        Denial::MalformedPayload(json::parse(b"{", &Limits::TOKEN).unwrap_err()),
        Denial::MalformedClaims(ClaimsError::Missing { claim: "iss" }),
        Denial::UnknownIssuer { issuer: "https://evil".to_owned() },
        Denial::WrongType { typ: None, issuer: issuer(), accepted: "at+jwt".to_owned() },
        Denial::SecurityEventToken,
        Denial::Svid(SvidError::HeaderMember),
        Denial::MissingCredential { slot: Slot::TxnToken },
        Denial::WrongCredential {
            found: Slot::JwtSvid,
            accepted: SlotSet::only(Slot::AccessToken),
        },
        Denial::WrongPlace {
            issuer: issuer(),
            found: "`Authorization`".to_owned(),
            expected: "the cookie `session`".to_owned(),
        },
        Denial::ForeignOrigin {
            cookie: "session".to_owned(),
            origin: "https://evil".to_owned(),
            site: "cross-site".to_owned(),
        },
        Denial::WorkloadToken(WitError::NoKid).in_slot(Slot::WorkloadToken),
        Denial::WorkloadProof(ProofError::Absent).in_slot(Slot::WorkloadToken),
        Denial::AlgorithmNotAllowed { algorithm, issuer: issuer() },
        Denial::UnknownKey { issuer: issuer(), kid: kid(), algorithm },
        Denial::BadSignature { issuer: issuer(), kid: None, algorithm },
        Denial::MissingClaim { claim: "exp" },
        Denial::WrongAudience { audience: "b".to_owned(), expected: "a".to_owned() },
        Denial::NotForRoute { audience: "b".to_owned(), expected: "a".to_owned() },
        Denial::Expired { exp: at(1900), now, leeway },
        Denial::NotYetValid { nbf: at(2100), now, leeway },
        Denial::IssuedInTheFuture { iat: at(2100), now, leeway },
        Denial::LifetimeTooLong {
            lifetime: Duration::from_secs(7200),
            limit: Duration::from_secs(3600),
        },
        Denial::OlderThanRetention { iat: at(100), now, retention: Duration::from_secs(600) },
        Denial::SenderConstrained,
        Denial::UnknownConfirmation,
        Denial::NotBound,
        Denial::Proof { error: DpopError::Absent, nonce: None },
        Denial::Proof { error: DpopError::NoNonce, nonce: Some("fresh".to_owned()) },
        Denial::Proof {
            error: DpopError::WrongKey {
                thumbprint: Fingerprint([1; 32]),
                expected: Fingerprint([2; 32]),
            },
            nonce: None,
        },
        Denial::Replay(ReplayError::Replayed),
        Denial::Replay(ReplayError::Forgotten { until: at(1000), forgotten: now }),
        Denial::Replay(ReplayError::Contended),
        Denial::WrongCertificate { certificate: None, expected: Fingerprint([3; 32]) },
        Denial::TooManySubjects { count: 33, limit: 32 },
        Denial::Revoked { signal, event, at: at(1500), issued_at: Some(at(1400)) },
        Denial::Disabled { signal, event: "account-disabled", at: at(1500) },
        Denial::Status(StatusListError::OutOfRange { index: 9, places: 8 }),
        Denial::StatusRevoked { uri: issuer(), index: 7, status: Status::Suspended },
        Denial::StatusUnknown { uri: issuer() },
        Denial::State {
            kind: FactKind::ClaimsChanged,
            signal,
            event: "token-claims-change",
            at: at(1500),
            step_up: step_up(),
        },
        Denial::State {
            kind: FactKind::DeviceNotCompliant,
            signal,
            event: "device-compliance-change",
            at: at(1500),
            step_up: step_up(),
        },
        Denial::State {
            kind: FactKind::AssuranceBelow3,
            signal,
            event: "assurance-level-change",
            at: at(1500),
            step_up: step_up(),
        },
        Denial::State {
            kind: FactKind::RiskHigh,
            signal,
            event: "risk-level-change",
            at: at(1500),
            step_up: step_up(),
        },
        Denial::InsufficientAuthentication {
            step_up: step_up(),
            scopes: texts(&["read", "write"]),
            acr: Some("pwd".to_owned()),
            auth_time: None,
            now: UnixTime::from_secs(1000),
        },
        Denial::InsufficientScope {
            required: texts(&["read", "write"]),
            missing: "write".to_owned(),
        },
        Denial::KeysNotReady { issuer: issuer() },
        Denial::NeverSynchronized,
        Denial::Gap { issuer: issuer(), since: at(900) },
        Denial::Stale { fresh_at: at(1000), now, limit: Duration::from_secs(60) },
        Denial::TooManyStreams(10_000),
        Denial::TableUnavailable("page 3 is garbled".to_owned()),
    ]
}

fn challenge() -> Challenge {
    let resource_metadata = "https://api/.well-known/oauth-protected-resource".to_owned();
    Challenge { realm: "api".to_owned(), resource_metadata, ..Challenge::default() }
}

#[test]
fn every_reason_is_in_the_table_of_metrics_once_and_in_its_order() {
    let reasons: Vec<&str> = all().iter().map(Denial::reason).collect();
    assert_eq!(reasons, metrics::REASONS);
}

#[test]
fn operators_read_the_facts_that_were_compared() {
    let expected = [
        "the filter has no valid configuration",
        "the host did not show the headers (status 2)",
        "path is ambiguous: it has a dot segment",
        "host is ambiguous: byte 0x40 may not be in a host name",
        "what the MCP request does is unclear: it is not sent by POST",
        "pages of `https://evil` may not call here",
        "Mcp-Name is `a`, the body has `b`",
        "the body has more than 1024 bytes",
        "the content type is not `application/json` in UTF-8",
        "4096 bodies are held back, and no more can be",
        "no access token",
        "the Authorization header has the scheme `Basic`, which is not accepted",
        "more than one credential",
        "the query has a parameter `access_token`",
        "the Authorization header has no token",
        "token has 2 parts, a signed token in compact form has 3",
        "payload: not JSON at line 1, column 1",
        "claim `iss` is missing",
        "issuer `https://evil` is not configured",
        "typ is absent, issuer `https://idp` accepts at+jwt",
        "a security event token is no access token",
        "the header of a JWT-SVID has no members but `alg`, `kid` and `typ`",
        "no Txn-Token header",
        "a token of kind `jwt_svid` where the route accepts `access_token`",
        "a token of `https://idp` in `Authorization`, its place is the cookie `session`",
        "the cookie `session` for a page of another origin, `https://evil` (sec-fetch-site `cross-site`)",
        "Workload-Identity-Token: workload identity token does not name its key (`kid`)",
        "Workload-Identity-Token: no Workload-Proof-Token header",
        "algorithm ES256 is not allowed for issuer `https://idp`",
        "issuer `https://idp` has no key `k1` for ES256",
        "bad ES256 signature, key absent of issuer `https://idp`",
        "claim `exp` is missing",
        "audience is `b`, expected one of `a`",
        "of the routes' audiences the token has `b`, this route asks for `a`",
        "token expired at 1900, now 2000, leeway 30s",
        "token is valid from 2100 on, now 2000, leeway 30s",
        "token was issued at 2100, now 2000, leeway 30s",
        "token lives 7200s, at most 3600s are allowed",
        "token was issued at 100, now 2000, revocations are kept for 600s",
        "token is bound to a key (`cnf`) and was presented as a bearer token",
        "token is bound (`cnf`) in no way that can be checked",
        "token was presented under DPoP and is bound to no key",
        "no DPoP header",
        "proof has no nonce",
        "proof by key AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE, the token is bound to AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI",
        "proof was used before",
        "proof ends at 1000, those until 2000 may have been forgotten",
        "replay memory changed 16 times while it was written",
        "token is bound to certificate AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM, the connection has none",
        "token names 33 subjects, at most 32 are looked up",
        "revoked by signal abababababababababababababababab (session-revoked) as of 1500, token issued at 1400",
        "disabled by signal abababababababababababababababab (account-disabled) as of 1500",
        "status: place 9 is beyond the list, which has 8",
        "status list `https://idp` says suspended at place 7",
        "status list `https://idp` has not been fetched, or not for too long",
        "claims_changed by signal abababababababababababababababab (token-claims-change) as of 1500, and the route does not accept that",
        "device_not_compliant by signal abababababababababababababababab (device-compliance-change) as of 1500, and the route does not accept that",
        "assurance_below_3 by signal abababababababababababababababab (assurance-level-change) as of 1500, and the route does not accept that",
        "risk_high by signal abababababababababababababababab (risk-level-change) as of 1500, and the route does not accept that",
        "the route asks for acr `phrh` or `phr` and authentication within 300s, the user was authenticated at an unknown time, acr `pwd`, now 1000",
        "scope `write` is missing, the route asks for `read write`",
        "the keys of issuer `https://idp` have not been fetched yet",
        "the state table has never been synchronized",
        "signals about tokens of `https://idp` may have been missed since 900",
        "the state is from 1000, now 2000, at most 60s are allowed",
        "10000 open requests are watched (`in_flight: cut`), and no more can be",
        "the state table cannot be read: page 3 is garbled",
    ];
    let shown: Vec<String> = all().iter().map(ToString::to_string).collect();
    assert_eq!(shown, expected);
}

/// The table at the top of the module, as code.
#[test]
fn clients_get_one_answer_for_each_class_and_nothing_more() {
    let metadata = r#"resource_metadata="https://api/.well-known/oauth-protected-resource""#;
    for denial in all() {
        let (status, grpc, challenge_expected, body, retry) = match denial.reason() {
            "no_credentials" | "unsupported_scheme" => (
                401,
                16,
                Some(format!(r#"Bearer realm="api", scope="read", {metadata}"#)),
                r#"{"error":"unauthorized"}"#,
                None,
            ),
            "multiple_credentials" | "token_in_query" | "malformed_credentials" => (
                400,
                3,
                Some(format!(
                    r#"Bearer realm="api", error="invalid_request", error_description="send one access token, in the Authorization header", {metadata}"#
                )),
                r#"{"error":"invalid_request"}"#,
                None,
            ),
            "missing_credential" => (
                401,
                16,
                Some(format!(r#"Bearer realm="api", {metadata}"#)),
                r#"{"error":"unauthorized"}"#,
                None,
            ),
            "ambiguous_path"
            | "ambiguous_host"
            | "unclear_mcp_message"
            | "mcp_body_differs"
            | "malformed_mcp_body"
            | "invalid_wit"
            | "invalid_wpt" => (400, 3, None, r#"{"error":"invalid_request"}"#, None),
            "mcp_body_too_long" => (413, 3, None, r#"{"error":"invalid_request"}"#, None),
            "device_not_compliant" | "risk_too_high" | "foreign_origin" | "origin_not_allowed" => {
                (403, 7, None, r#"{"error":"forbidden"}"#, None)
            }
            "assurance_too_low" => (
                401,
                16,
                Some(format!(
                    r#"Bearer realm="api", error="insufficient_user_authentication", error_description="the user has to be authenticated again", acr_values="phrh phr", max_age="300", {metadata}"#
                )),
                r#"{"error":"insufficient_user_authentication"}"#,
                None,
            ),
            "insufficient_authentication" => (
                401,
                16,
                Some(format!(
                    r#"Bearer realm="api", error="insufficient_user_authentication", error_description="the user has to be authenticated again", acr_values="phrh phr", max_age="300", scope="read write", {metadata}"#
                )),
                r#"{"error":"insufficient_user_authentication"}"#,
                None,
            ),
            "insufficient_scope" => (
                403,
                7,
                Some(format!(
                    r#"Bearer realm="api", error="insufficient_scope", error_description="the access token lacks a scope", scope="read write", {metadata}"#
                )),
                r#"{"error":"insufficient_scope"}"#,
                None,
            ),
            "not_configured"
            | "unreadable_request"
            | "keys_not_ready"
            | "never_synchronized"
            | "gap"
            | "stale"
            | "too_many_streams"
            | "too_many_bodies"
            | "table_unavailable"
            | "status_unknown"
            | "proof_memory_unavailable" => {
                (503, 14, None, r#"{"error":"temporarily_unavailable"}"#, Some(2))
            }
            "invalid_proof" | "proof_replayed" | "proof_forgotten" => (
                401,
                16,
                Some(format!(
                    r#"Bearer realm="api", error="invalid_dpop_proof", error_description="the proof is not one for this request and token", {metadata}"#
                )),
                r#"{"error":"invalid_dpop_proof"}"#,
                None,
            ),
            "nonce_needed" => (
                401,
                16,
                Some(format!(
                    r#"Bearer realm="api", error="use_dpop_nonce", error_description="the proof needs the nonce in DPoP-Nonce", {metadata}"#
                )),
                r#"{"error":"use_dpop_nonce"}"#,
                None,
            ),
            _ => (
                401,
                16,
                Some(format!(
                    r#"Bearer realm="api", error="invalid_token", error_description="the access token is not valid", {metadata}"#
                )),
                r#"{"error":"invalid_token"}"#,
                None,
            ),
        };
        let reason = denial.reason();
        assert_eq!(denial.status(), status, "{reason}");
        assert_eq!(denial.grpc_status(), grpc, "{reason}");
        let challenges: Vec<String> = challenge_expected.into_iter().collect();
        assert_eq!(denial.challenges(&challenge()), challenges, "{reason}");
        assert_eq!(denial.body(), body, "{reason}");
        assert_eq!(denial.retry_after(), retry, "{reason}");
    }
}

#[test]
fn what_is_wrong_outside_authorization_is_not_explained_in_a_challenge() {
    let scope = || Denial::InsufficientScope { required: texts(&["a"]), missing: "a".to_owned() };
    let expired = || Denial::Expired { exp: at(1), now: at(99), leeway: Duration::ZERO };
    type Case = (fn() -> Denial, u16, u16);
    let cases: [Case; 4] = [
        (expired, 401, 400),
        (|| Denial::NeverSynchronized, 503, 503),
        (|| credential(CredentialError::Multiple), 400, 400),
        (scope, 403, 403),
    ];
    for (denial, txn, workload) in cases {
        for (slot, status) in [(Slot::TxnToken, txn), (Slot::WorkloadToken, workload)] {
            let reason = denial().reason();
            let refused = denial().in_slot(slot);
            assert_eq!((refused.status(), refused.reason()), (status, reason), "{slot:?}");
            let challenges = refused.challenges(&Challenge::default());
            let expected = if status == 401 { vec!["Bearer"] } else { Vec::new() };
            assert_eq!(challenges, expected, "{reason} {slot:?}");
        }
    }
}

#[test]
fn an_answer_has_the_challenge_or_the_time_to_wait_and_is_never_stored() {
    let response = Denial::SecurityEventToken.response(&Challenge::default());
    let expected = [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        (
            "www-authenticate",
            r#"Bearer error="invalid_token", error_description="the access token is not valid""#,
        ),
    ];
    assert_eq!(response.headers, expected.map(|(name, value)| (name, value.to_owned())));
    let response = Denial::NeverSynchronized.response(&challenge());
    let expected =
        [("content-type", "application/json"), ("cache-control", "no-store"), ("retry-after", "2")];
    assert_eq!(response.headers, expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn a_challenge_without_anything_to_say_is_the_scheme_alone() {
    let denial = Denial::Credential { error: CredentialError::Absent, scopes: Vec::new() };
    assert_eq!(denial.challenges(&Challenge::default()), ["Bearer"]);
}

#[test]
fn the_client_gets_the_nonce_for_its_next_proof() {
    let denial = Denial::Proof { error: DpopError::StaleNonce, nonce: Some("fresh".to_owned()) };
    let headers = denial.response(&challenge()).headers;
    assert!(headers.contains(&("dpop-nonce", "fresh".to_owned())), "{headers:?}");
}

#[test]
fn only_refusals_because_of_a_signal_name_one() {
    for denial in all() {
        let expected = matches!(
            denial.reason(),
            "revoked"
                | "disabled"
                | "claims_changed"
                | "device_not_compliant"
                | "assurance_too_low"
                | "risk_too_high"
        )
        .then_some(SignalId([0xab; 16]));
        assert_eq!(denial.signal(), expected, "{denial}");
    }
}
