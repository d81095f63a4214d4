//! From bytes to a verified token of those in `Authorization` or another place for them: RFC 7519 §7.2, RFC 8725 and
//! RFC 9068 §4, in the order in which it is safe. And what the other kinds have in common with it.
//!
//! Until its signature is checked, one thing of a token's content is looked at: `iss`, to find the
//! keys. Everything that decides *how* it is checked comes from the issuer's configuration, and the
//! header is compared with that.

use super::Context;
use super::binding::Binding;
use super::verified::{Lifetime, StatusPlace, Verified};
use crate::audience::{AudienceSet, Audiences};
use crate::claims::{self, Claims};
use crate::config::{Config, Issuer, TokenType};
use crate::json::{self, Limits, Value, excerpt};
use crate::jws::{Jws, typ_matches};
use crate::keys::KeyMark;
use crate::mapping;
use crate::record::SubjectHash;
use crate::slots::{Slot, SlotSet};
use crate::spiffe::{self, JwtSvid};
use crate::status_list::{StatusListError, StatusReference};
use crate::subject::SubjectHasher;
use crate::time::UnixTime;
use crate::verdict::Denial;

/// Verifies `token`, which was found in `found_in` and must be of an `accepted` kind, and keeps of it what later
/// requests need.
pub(super) fn verify(
    token: &[u8],
    (found_in, accepted): (Option<usize>, SlotSet),
    config: &Config,
    hasher: &SubjectHasher,
    context: &mut Context<'_>,
    now: UnixTime,
) -> Result<Verified, Denial> {
    let jws = Jws::parse(token, config.limits.max_token_bytes).map_err(Denial::MalformedToken)?;
    let payload = json::parse(jws.payload(), &Limits::TOKEN).map_err(Denial::MalformedPayload)?;
    let (place, issuer) = issuer(&payload, config)?;
    let slot = match issuer.trust_domain {
        None => Slot::AccessToken,
        Some(_) => Slot::JwtSvid,
    };
    if !accepted.contains(slot) {
        return Err(Denial::WrongCredential { found: slot, accepted });
    }
    if found_in != issuer.token_from {
        let name = |place| config.place_name(place);
        let (found, expected) = (name(found_in), name(issuer.token_from));
        return Err(Denial::WrongPlace { issuer: issuer.issuer.clone(), found, expected });
    }
    let token_type = match issuer.trust_domain {
        None => token_type(&jws, issuer)?,
        Some(_) => {
            spiffe::check_header(&jws).map_err(Denial::Svid)?;
            TokenType::Jwt
        }
    };
    let key = signing_key(&jws, place, issuer, context, now)?;
    let claims = match &issuer.trust_domain {
        None => Claims::parse(&payload).map_err(Denial::MalformedClaims)?,
        Some(domain) => {
            let svid = JwtSvid::parse(&payload).map_err(Denial::Svid)?;
            svid.check(domain, &issuer.audiences).map_err(Denial::Svid)?;
            Claims::parse_as(&payload, &issuer.issuer).map_err(Denial::MalformedClaims)?
        }
    };
    if claims.events {
        return Err(Denial::SecurityEventToken);
    }
    let binding = claims.cnf.as_ref().map(Binding::of).transpose()?;
    if binding.is_none() && issuer.bound_tokens_only {
        return Err(Denial::BindingRequired { issuer: issuer.issuer.clone() });
    }
    let subject = required(claims.sub, "sub")?;
    if token_type == TokenType::AccessToken {
        required(claims.client_id.or(claims.azp), "client_id")?;
        required(claims.jti, "jti")?;
    }
    let audiences = audiences(&claims, issuer, config.routes.audiences())?;
    let lifetime = lifetime(&claims, issuer, now)?;
    let status = status(&payload, issuer)?;
    let subjects = subjects(&claims, issuer, hasher)?;
    let draft = Draft { slot, issuer: place, key, audiences, lifetime, status, subjects };
    let verified = Verified::new(draft, &claims, subject, &config.identity.headers);
    Ok(verified.with_binding(binding).with_place(found_in))
}

/// What was found out about a token of any kind.
pub(super) struct Draft {
    pub(super) slot: Slot,
    pub(super) issuer: usize,
    pub(super) key: KeyMark,
    /// Which of the routes' audiences it has.
    pub(super) audiences: AudienceSet,
    pub(super) lifetime: Lifetime,
    pub(super) status: Option<StatusPlace>,
    pub(super) subjects: Vec<SubjectHash>,
}

/// By what the token can be revoked.
pub(super) fn subjects(
    claims: &Claims<'_>,
    issuer: &Issuer,
    hasher: &SubjectHasher,
) -> Result<Vec<SubjectHash>, Denial> {
    within_limit(mapping::token_keys(claims, &issuer.subject_claims, hasher))
}

/// None is left out: that would be a revocation that is lost.
pub(super) fn within_limit(subjects: Vec<SubjectHash>) -> Result<Vec<SubjectHash>, Denial> {
    let (count, limit) = (subjects.len(), mapping::MAX_TOKEN_KEYS);
    if count > limit { Err(Denial::TooManySubjects { count, limit }) } else { Ok(subjects) }
}

/// Whose keys can have signed it, and its place in the configuration: the issuer's that `iss` names, else those of the
/// trust domain of the workload that `sub` names. Nobody's keys verify anybody else's tokens.
fn issuer<'c>(payload: &Value<'_>, config: &'c Config) -> Result<(usize, &'c Issuer), Denial> {
    let iss = claims::peek_issuer(payload);
    let by_name = iss.and_then(|iss| config.issuer(iss));
    by_name
        .or_else(|| config.trust_domain(spiffe::peek_id(payload)?.trust_domain()))
        .ok_or_else(|| Denial::UnknownIssuer { issuer: excerpt(iss.unwrap_or_default()) })
}

/// Kinds of tokens are told apart by `typ`, so that none can be used as another (RFC 8725 §3.11).
fn token_type(jws: &Jws<'_>, issuer: &Issuer) -> Result<TokenType, Denial> {
    let typ = jws.typ();
    if typ.is_some_and(|typ| typ_matches(typ, "secevent+jwt")) {
        return Err(Denial::SecurityEventToken);
    }
    let matches = |accepted: &&TokenType| match (accepted, typ) {
        (TokenType::AccessToken, None) => false,
        (TokenType::Jwt, None) => true,
        (accepted, Some(typ)) => typ_matches(typ, accepted.name()),
    };
    issuer.types.iter().find(matches).copied().ok_or_else(|| Denial::WrongType {
        typ: typ.map(excerpt),
        issuer: issuer.issuer.clone(),
        accepted: issuer.types.iter().map(|known| known.name()).collect::<Vec<_>>().join(", "),
    })
}

/// The issuer's key that made the signature, by an algorithm that it may have used.
pub(super) fn signing_key(
    jws: &Jws<'_>,
    place: usize,
    issuer: &Issuer,
    context: &mut Context<'_>,
    now: UnixTime,
) -> Result<KeyMark, Denial> {
    let name = || issuer.issuer.clone();
    if !issuer.algorithms.contains(&jws.algorithm()) {
        let algorithm = jws.algorithm();
        return Err(Denial::AlgorithmNotAllowed { algorithm, issuer: name() });
    }
    let keys = context.keys.keys(place).ok_or_else(|| Denial::KeysNotReady { issuer: name() })?;
    let (algorithm, kid) = (jws.algorithm(), jws.kid());
    let mut any_fits = false;
    let signer = keys.candidates(algorithm, kid).find(|key| {
        any_fits = true;
        context.verifier.verify(algorithm, key, jws.signing_input(), jws.signature())
    });
    if let Some(key) = signer.and_then(|key| context.keys.mark(place, key)) {
        return Ok(key);
    }
    // With a `kid` that is known, the issuer's keys are not the problem. Without one, nobody can
    // tell.
    if !kid.is_some_and(|kid| keys.contains_kid(kid)) {
        context.keys.wish(place, context.shared, now);
    }
    let (issuer, kid) = (name(), kid.map(excerpt));
    Err(match any_fits {
        true => Denial::BadSignature { issuer, kid, algorithm },
        false => Denial::UnknownKey { issuer, kid, algorithm },
    })
}

/// Which of the routes' audiences, `known`, the token is for. It must be for one of its issuer's, whether a route names
/// that or not; then it is compared byte for byte. An audience that its issuer does not have counts nowhere.
fn audiences(
    claims: &Claims<'_>,
    issuer: &Issuer,
    known: &Audiences,
) -> Result<AudienceSet, Denial> {
    if claims.aud.is_empty() {
        return Err(Denial::MissingClaim { claim: "aud" });
    }
    let own = known.of(issuer.audiences.iter().map(String::as_str));
    let found = known.of(claims.aud.iter().copied()).within(own);
    if !found.is_empty() || issuer.audiences.iter().any(|audience| claims.has_audience(audience)) {
        return Ok(found);
    }
    Err(Denial::WrongAudience {
        audience: excerpt(&claims.aud.join(" ")),
        expected: issuer.audiences.join(" "),
    })
}

/// When the token may be used, if that is now and within what the issuer's configuration allows.
pub(super) fn lifetime(
    claims: &Claims<'_>,
    issuer: &Issuer,
    now: UnixTime,
) -> Result<Lifetime, Denial> {
    let leeway = issuer.leeway;
    let exp = required(claims.exp, "exp")?;
    let (from, limit) = match (claims.iat, issuer.assumed_lifetime) {
        (Some(iat), _) => (iat, issuer.max_token_lifetime),
        (None, Some(assumed)) => (exp.minus(assumed).min(now), assumed),
        (None, None) => return Err(Denial::MissingClaim { claim: "iat" }),
    };
    let lifetime = Lifetime { exp, leeway, issued_at: claims.iat, age_from: from };
    lifetime.refuse_expired(now)?;
    if from > now.plus(leeway) {
        return Err(Denial::IssuedInTheFuture { iat: from, now, leeway });
    }
    if let Some(nbf) = claims.nbf
        && nbf > now.plus(leeway)
    {
        return Err(Denial::NotYetValid { nbf, now, leeway });
    }
    if exp.since(from) > limit {
        return Err(Denial::LifetimeTooLong { lifetime: exp.since(from), limit });
    }
    Ok(lifetime)
}

/// Where the token's status is, if its issuer's configuration says that it has lists.
pub(super) fn status(payload: &Value<'_>, issuer: &Issuer) -> Result<Option<StatusPlace>, Denial> {
    let (Some(source), Some(payload)) = (&issuer.status, payload.as_object()) else {
        return Ok(None);
    };
    let found = StatusReference::find(payload).map_err(Denial::Status)?;
    let Some(StatusReference { uri, index }) = found else { return Ok(None) };
    if source.location(uri).is_none() {
        return Err(Denial::Status(StatusListError::ForeignUri { uri: excerpt(uri) }));
    }
    Ok(Some(StatusPlace { uri: uri.into(), index, on_unknown: source.on_unknown() }))
}

fn required<T>(claim: Option<T>, name: &'static str) -> Result<T, Denial> {
    claim.ok_or(Denial::MissingClaim { claim: name })
}
