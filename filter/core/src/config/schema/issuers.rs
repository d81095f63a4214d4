//! The names of an entry of `issuers`.

use super::{Field, Kind, NONE, REQUIRED, field};

pub(super) const ISSUER: &[Field] = &[
    field(
        "issuer",
        Kind::Text,
        "required, or `trust_domain`",
        "Its `iss`, compared byte for byte.",
    ),
    field(
        "trust_domain",
        Kind::Text,
        NONE,
        "A SPIFFE trust domain, such as `example.org`: its workloads' JWT-SVIDs are accepted as bearer tokens, and their workload identity tokens where a route says so, each verified with this domain's bundle only.",
    ),
    field(
        "txn_domain",
        Kind::Text,
        NONE,
        "Makes this the entry of a token service, whose Txn-Tokens are accepted where a route says so: the trust domain, which their `aud` must be. Signals name their subjects under `issuer`; a token's own `iss` may be absent, and must be no other.",
    ),
    field(
        "audiences",
        Kind::Texts,
        "required without `txn_domain`",
        "One of these must be in `aud`.",
    ),
    field(
        "algorithms",
        Kind::Texts,
        REQUIRED,
        "What it signs with: `RS256` `RS384` `RS512` `PS256` `PS384` `PS512` `ES256` `ES384` `EdDSA`.",
    ),
    field(
        "types",
        Kind::Texts,
        "`[at+jwt]`",
        "Which `typ` is accepted: `at+jwt` (RFC 9068), and `JWT` for issuers that do not set it. `JWT` also admits tokens without `typ`.",
    ),
    field(
        "keys",
        Kind::Object(KEYS),
        REQUIRED,
        "Where its keys come from: `inline`, `url`, `inline_bundle`, `bundle_url` or `discovery`; all that are fetched with `cluster`.",
    ),
    field(
        "status",
        Kind::Object(STATUS),
        NONE,
        "Where the status lists of its tokens are (Token Status List): a second source of revocation. Without it, a token's `status` is ignored.",
    ),
    field(
        "leeway_secs",
        Kind::Number,
        "30",
        "How far its clock may be off, for `exp`, `nbf` and `iat`. From 0 to 300.",
    ),
    field(
        "max_token_lifetime_secs",
        Kind::Number,
        "3600",
        "The longest accepted time from `iat` to `exp`, for Txn-Tokens 300 unless it is set; the companion must keep revocations at least that long and the leeway.",
    ),
    field(
        "assumed_lifetime_secs",
        Kind::Number,
        "none: refused",
        "Accepts tokens without `iat`, as if they had been issued this long before `exp`. Any revocation still remembered refuses them.",
    ),
    field(
        "subject_claims",
        Kind::Object(SUBJECT_CLAIMS),
        NONE,
        "Claims that name subjects beyond `iss`, `sub`, `act`, `jti`, `sid`, `client_id`, `azp` and `email`, which always do.",
    ),
    field(
        "bound_tokens_only",
        Kind::Flag,
        "false",
        "Whether tokens that are bound to no key or certificate (`cnf`) are refused.",
    ),
    field(
        "token_from",
        Kind::Object(PLACE),
        "`Authorization`",
        "Where its access tokens or JWT-SVIDs are: in one header or one cookie, and nowhere else.",
    ),
];

const PLACE: &[Field] = &[
    field(
        "header",
        Kind::Text,
        NONE,
        "The header whose whole value is the token, such as `x-goog-iap-jwt-assertion`.",
    ),
    field(
        "cookie",
        Kind::Text,
        NONE,
        "The cookie whose value is the token. Browsers send it for pages of anybody: what may change something is refused if a page of another origin sent it.",
    ),
    field(
        "origins",
        Kind::Texts,
        "the request's own host",
        "Whose pages may do that besides, such as `https://app.example.com`.",
    ),
];

const KEYS: &[Field] = &[
    field("inline", Kind::Json, NONE, "A JWK Set (RFC 7517)."),
    field("url", Kind::Text, NONE, "Where to fetch a JWK Set."),
    field(
        "cluster",
        Kind::Text,
        NONE,
        "The gateway's cluster (Envoy) or upstream for `url`, `bundle_url` or `discovery`.",
    ),
    field(
        "refresh_secs",
        Kind::Number,
        "300",
        "How often it is fetched; from 10 on. An unknown `kid` fetches it sooner. A bundle's own `spiffe_refresh_hint` goes before, from 10 to 3600.",
    ),
    field(
        "inline_bundle",
        Kind::Json,
        NONE,
        "The bundle of a SPIFFE trust domain. Without usable keys it revokes the whole domain.",
    ),
    field("bundle_url", Kind::Text, NONE, "Where to fetch the bundle of a SPIFFE trust domain."),
    field(
        "discovery",
        Kind::Text,
        NONE,
        "Finds the JWK Set through the issuer's metadata: `oauth-authorization-server` (RFC 8414) or `openid-configuration`.",
    ),
    field(
        "jwks_authority",
        Kind::Text,
        "the issuer's host",
        "The only host (with port) that the metadata's `jwks_uri` may have.",
    ),
    field("jwks_cluster", Kind::Text, "`cluster`", "The cluster or upstream for that host."),
];

const STATUS: &[Field] = &[
    field(
        "prefixes",
        Kind::Texts,
        REQUIRED,
        "https URLs that end with a slash; a token whose list is below none of them is refused.",
    ),
    field(
        "cluster",
        Kind::Text,
        REQUIRED,
        "The gateway's cluster (Envoy) or upstream that has the lists.",
    ),
    field(
        "on_unknown",
        Kind::Text,
        "`deny`",
        "While a token's list is not there, or too old: `deny` answers 503; `allow` decides without it.",
    ),
];

const SUBJECT_CLAIMS: &[Field] = &[
    field("session", Kind::Text, "`sid`", "Names the session."),
    field("device", Kind::Text, NONE, "Names the device."),
    field("tenant", Kind::Text, NONE, "Names the tenant."),
    field("org_unit", Kind::Text, NONE, "Names the organizational unit."),
    field("groups", Kind::Text, NONE, "Names the groups: a string or an array of them."),
    field("email", Kind::Text, "`email`", "Holds the mail address."),
    field("phone", Kind::Text, NONE, "Holds the phone number."),
    field(
        "transaction",
        Kind::Text,
        "none; for Txn-Tokens `txn`",
        "Names the transaction. Signals reach it as a session: `session-revoked` with the `opaque` subject `txn`.",
    ),
    field(
        "workload",
        Kind::Text,
        "none; for Txn-Tokens `req_wl`",
        "Names the workload that asked for the token.",
    ),
    field(
        "may_act",
        Kind::Flag,
        "false",
        "Whether a signal about the party that may become an actor (`may_act`) reaches the token too, although that party does not act with it.",
    ),
];
