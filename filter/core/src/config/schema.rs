//! Every name of the configuration in one table: its kind, its default and what it is for.
//!
//! The table serves two readers. [`super::shape`] checks a document's shape against it and takes out what
//! does not fit, so that the rest can still be checked; [`super::reference`] prints it for people.
//! A test compares it with the fields of [`super::raw`].

/// One name.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What is used if it is absent; [`REQUIRED`] if nothing can be.
    pub(super) default: &'static str,
    pub(super) help: &'static str,
}

/// What a value must be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Texts,
    /// Any object: its contents have a format of their own.
    Json,
    Object(&'static [Field]),
    Objects(&'static [Field]),
}

mod issuers;

use issuers::ISSUER;

pub(super) const REQUIRED: &str = "required";
const NONE: &str = "";

const fn field(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Field {
    Field { name, kind, default, help }
}

pub(super) const CONFIG: &[Field] = &[
    field(
        "issuers",
        Kind::Objects(ISSUER),
        REQUIRED,
        "Whose access tokens are accepted, the workloads of which SPIFFE trust domains, and whose Txn-Tokens.",
    ),
    field(
        "routes",
        Kind::Objects(ROUTE),
        NONE,
        "What each request has to bring. The first match wins; without a match, a valid token is required and no scope.",
    ),
    field("revocation", Kind::Object(REVOCATION), REQUIRED, "Where revocations come from."),
    field(
        "identity",
        Kind::Object(IDENTITY),
        NONE,
        "What the service behind the gateway is told about the caller.",
    ),
    field(
        "challenge",
        Kind::Object(CHALLENGE),
        NONE,
        "What `WWW-Authenticate` says beside the error.",
    ),
    field(
        "resources",
        Kind::Objects(RESOURCE),
        NONE,
        "What is protected here. Each gets a document (RFC 9728) that the filter itself serves, and that challenges name, so that clients find their authorization server.",
    ),
    field(
        "proofs",
        Kind::Object(PROOFS),
        "none: refused",
        "How senders prove that a token is theirs: DPoP (RFC 9449), for tokens with `cnf.jkt`, and workloads' proofs (WIMSE). Tokens with `cnf.x5t#S256` (RFC 8705) need nothing here: they are compared with the certificate of the connection.",
    ),
    field(
        "danger_xfcc_elements",
        Kind::Number,
        "none: the header is not read",
        "Takes clients' certificates from `x-forwarded-client-cert` instead of the connection: how many elements trusted proxies write, from 1 to 8; the last one counts. With `SANITIZE_SET` at this gateway, 1. Whoever can send that header past them can use any stolen token.",
    ),
    field("limits", Kind::Object(LIMITS), NONE, "Budgets of each worker."),
];

const MCP: &[Field] = &[
    field("methods", Kind::Texts, "all", "Only these methods: `tools/call`, `tools/*`."),
    field(
        "names",
        Kind::Texts,
        "all",
        "Only these tools, prompts or resources, byte for byte: `transfer_money`, `transfer_*`.",
    ),
    field(
        "older_versions",
        Kind::Flag,
        "false: refused",
        "Instead of the two others: requests of versions before 2026-07-28, which do not say what they do, and what is no POST.",
    ),
    field(
        "verify_body",
        Kind::Flag,
        "false: the server's task",
        "Whether the body must say what the headers say (Envoy only): it is held back until it is whole, and the service does not get it if it differs, is no strict JSON, or is longer than `limits.max_mcp_body_bytes`. Counts for every message that could meet this route, whichever its headers choose.",
    ),
];

const ROUTE: &[Field] = &[
    field(
        "path",
        Kind::Text,
        NONE,
        "Exactly this path, with or without a slash at its end. Written decoded.",
    ),
    field(
        "path_prefix",
        Kind::Text,
        NONE,
        "This path and all below it. Without `path` and `path_prefix`, all paths.",
    ),
    field("methods", Kind::Texts, "all", "Only these methods; `GET` includes `HEAD`."),
    field(
        "hosts",
        Kind::Texts,
        "all",
        "Only these hosts, without port; `*.example.com` for all below it.",
    ),
    field(
        "mcp",
        Kind::Object(MCP),
        "all requests",
        "Only MCP requests whose headers say that they do this (2026-07-28). One that could be meant and does not say so clearly is refused.",
    ),
    field(
        "origins",
        Kind::Texts,
        "all",
        "Only pages of these origins may call: `https://app.example.com`. A browser's request for a page of another one, or of `null`, is refused with 403, whatever it brings (MCP asks for it, against DNS rebinding). Requests without `Origin` are of no page.",
    ),
    field(
        "access",
        Kind::Text,
        "`token`",
        "`token`, or `public`: no token is asked for or looked at.",
    ),
    field(
        "credentials",
        Kind::Texts,
        "`[access_token, jwt_svid]`",
        "A choice between `access_token` and `jwt_svid` (`Authorization`), `txn_token` (`Txn-Token`) and `workload_token` (`Workload-Identity-Token` with a proof), and between combinations such as `txn_token+workload_token`, of which all are asked for. Whatever is accepted and sent must be valid. Scopes, `acr` and `auth_time` are those of the first in this order.",
    ),
    field(
        "audiences",
        Kind::Texts,
        "any of its issuer's",
        "The token's `aud` must have one of these: those of the service behind the route, where there are several behind one gateway. An https URL is compared as a resource's identifier (RFC 8707, as MCP asks): scheme and host in any case, with or without a slash at the end. The challenge names the document of that resource.",
    ),
    field("scopes", Kind::Texts, "none", "The token must have all of these scopes."),
    field(
        "acr_values",
        Kind::Texts,
        "any",
        "Its `acr` must be one of these; else the client is told to step up (RFC 9470). The preferred one first.",
    ),
    field(
        "max_age_secs",
        Kind::Number,
        "any",
        "Its user must not have been authenticated (`auth_time`) longer ago than this and the issuer's leeway.",
    ),
    field(
        "compliant_device",
        Kind::Flag,
        "false",
        "Whether to refuse after a signal that the subject's device is not compliant, until one that it is.",
    ),
    field(
        "max_risk",
        Kind::Text,
        "any",
        "`low` or `medium`: refuses while the signalled risk is higher.",
    ),
    field(
        "min_assurance",
        Kind::Number,
        "any",
        "2, 3 or 4: after a signal that the user's assurance is below this NIST level, the client is told to step up.",
    ),
    field(
        "unchanged_claims",
        Kind::Flag,
        "false",
        "Whether to refuse tokens issued before a signal that their claims have changed: the client gets a new one.",
    ),
    field(
        "on_gap",
        Kind::Text,
        "`allow`",
        "`deny` refuses tokens while signals about their issuer may have been missed (a transmitter's stream is silent, paused or out of reach).",
    ),
    field(
        "cors_preflight",
        Kind::Flag,
        "false",
        "Whether a browser's CORS preflight for a request to this route passes without a token.",
    ),
    field(
        "in_flight",
        Kind::Text,
        "`finish`",
        "What becomes of a request that passed and is still open: `cut` ends it as soon as the same request would be refused, within a second of the signal, and when its token expires (Envoy only); `finish` leaves it alone.",
    ),
];

const REVOCATION: &[Field] = &[
    field(
        "cluster",
        Kind::Text,
        REQUIRED,
        "The gateway's cluster (Envoy) or upstream for the companion.",
    ),
    field("authority", Kind::Text, REQUIRED, "The companion's host name, sent as `host`."),
    field(
        "gateway_name",
        Kind::Text,
        REQUIRED,
        "This gateway's name, as in the companion's configuration.",
    ),
    field("gateway_token", Kind::Text, REQUIRED, "The bearer token of this gateway (secret)."),
    field(
        "feed_key",
        Kind::Text,
        REQUIRED,
        "The companion's public key for the feed: Ed25519, base64url, as `rescind keygen` prints it.",
    ),
    field(
        "subject_key",
        Kind::Text,
        REQUIRED,
        "32 hexadecimal digits, the same as at the companion (secret).",
    ),
    field(
        "checksum_key",
        Kind::Text,
        REQUIRED,
        "32 hexadecimal digits, for this gateway alone (secret).",
    ),
    field(
        "table",
        Kind::Text,
        "`default`",
        "Name of the state table in shared data. Filters with the same companion and keys may share one.",
    ),
    field(
        "max_staleness_secs",
        Kind::Number,
        "60",
        "How long decisions may rest on the last news from the companion. From 2 on.",
    ),
    field(
        "on_stale",
        Kind::Text,
        "`deny`",
        "After that: `deny` answers 503; `allow` goes on with the last known state.",
    ),
    field(
        "wait_secs",
        Kind::Number,
        "a third of `max_staleness_secs`, at most 25",
        "How long the companion holds a request for news; below `max_staleness_secs`.",
    ),
    field(
        "refresh_interval_secs",
        Kind::Number,
        "`1`",
        "On APISIX, which has no timer: how old the state may be before a request waits for news; below `max_staleness_secs`.",
    ),
];

const IDENTITY: &[Field] = &[
    field(
        "headers",
        Kind::Object(HEADERS),
        "all that have a default",
        "Which headers are set. If given, only those named here. They are removed from the client's request, in every spelling with `_` for `-`.",
    ),
    field(
        "filter_state",
        Kind::Flag,
        "false",
        "Whether `rescind.sub`, with several issuers `rescind.iss`, for tokens with `act` `rescind.actors` (all of them) and for those with `may_act` `rescind.may_act` are set for access logs and later filters, also where a verified token is refused. In Envoy it costs as much as three headers.",
    ),
    field(
        "forward_token",
        Kind::Flag,
        "false",
        "Whether the service gets the `Authorization` header, or the header or cookie of `token_from`. A service that has the caller's token can use it elsewhere (MCP forbids passing it on); public routes are left alone.",
    ),
];

const HEADERS: &[Field] = &[
    field("subject", Kind::Text, "`x-rescind-subject`", "Gets `sub`."),
    field("issuer", Kind::Text, "`x-rescind-issuer`", "Gets `iss`."),
    field("client_id", Kind::Text, "`x-rescind-client`", "Gets `client_id`, else `azp`."),
    field("scope", Kind::Text, "`x-rescind-scope`", "Gets `scope`."),
    field("actor", Kind::Text, "`x-rescind-actor`", "Gets the `sub` of the present actor (`act`)."),
    field(
        "may_act",
        Kind::Text,
        NONE,
        "Gets who may become an actor (`may_act`), such as `iss=https://agents.example.com sub=agent-7`: of `iss`, `sub` and `client_id` those that are there. The token exchange checks it; it is no reason to let anybody do anything here.",
    ),
    field("transaction", Kind::Text, "`x-rescind-transaction`", "Gets the `txn` of a Txn-Token."),
    field(
        "workload",
        Kind::Text,
        "`x-rescind-workload`",
        "Gets the `sub` of a workload identity token that was proved.",
    ),
];

const CHALLENGE: &[Field] = &[
    field("realm", Kind::Text, NONE, "The protection space."),
    field(
        "resource_metadata",
        Kind::Text,
        NONE,
        "URL of the resource's metadata (RFC 9728), if it is served elsewhere: see `resources`.",
    ),
];

const RESOURCE: &[Field] = &[
    field(
        "resource",
        Kind::Text,
        REQUIRED,
        "Its identifier: an https URL that is in some issuer's `audiences`. With `https://api.example.com/mcp` the document is at `/.well-known/oauth-protected-resource/mcp`.",
    ),
    field(
        "authorization_servers",
        Kind::Texts,
        "all issuers that have it in `audiences`",
        "Who issues tokens for it.",
    ),
    field("scopes", Kind::Texts, NONE, "The scopes that clients may ask for."),
    field("name", Kind::Text, NONE, "Its name, for people."),
    field("documentation", Kind::Text, NONE, "URL of its documentation, for developers."),
];

const PROOFS: &[Field] = &[
    field(
        "origins",
        Kind::Texts,
        REQUIRED,
        "Under which names clients know this gateway, such as `https://api.example.com`: what `htu`, or a workload's `aud`, must begin with. The request's own `Host` never counts.",
    ),
    field(
        "algorithms",
        Kind::Texts,
        "`[ES256, EdDSA]`",
        "Which signatures of proofs are accepted, as for issuers.",
    ),
    field("max_age_secs", Kind::Number, "60", "How old a DPoP proof may be. From 1 to 300."),
    field(
        "max_ahead_secs",
        Kind::Number,
        "10",
        "How far a client's clock may be ahead. From 0 to 300.",
    ),
    field(
        "nonce_key",
        Kind::Text,
        "none: no nonces",
        "64 hexadecimal digits, the same for all gateways with these names (secret). With it each proof needs a nonce of the gateway, which changes every minute.",
    ),
    field(
        "remembered",
        Kind::Number,
        "131072",
        "How many proofs are remembered, so that each passes once, 32 bytes each in shared data. A busier gateway refuses proofs of clients whose clocks are behind. From 2048 to 2097152. Filters that share a `table` say the same; with another number they do not know each other's proofs, nor those from before a change.",
    ),
    field(
        "audiences",
        Kind::Texts,
        "none",
        "What the `aud` of a workload's proof may be instead of the address: names that workloads and this gateway have agreed on.",
    ),
    field(
        "max_lifetime_secs",
        Kind::Number,
        "60",
        "How long a workload's proof may be good. From 1 to 300.",
    ),
];

const LIMITS: &[Field] = &[
    field(
        "max_token_bytes",
        Kind::Number,
        "8192",
        "The longest token that is looked at. From 256 to 65536.",
    ),
    field(
        "token_cache_entries",
        Kind::Number,
        "10000",
        "How many verified tokens are remembered; 0 for none.",
    ),
    field("token_cache_bytes", Kind::Number, "16777216", "How much memory they may take."),
    field(
        "max_mcp_body_bytes",
        Kind::Number,
        "262144",
        "The longest body of an MCP request that is read (`routes[].mcp.verify_body`); longer ones are refused with 413. From 1024 to 524288. Envoy must be allowed to keep as much (`per_connection_buffer_limit_bytes`, 1 MiB unless set).",
    ),
];
