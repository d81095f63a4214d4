//! Finds the access token in a request. One place, one form: `Authorization: Bearer <token>` (RFC
//! 6750 §2.1), or `DPoP` instead of `Bearer` for a token that is bound to a key (RFC 9449 §7.1). Or, where the
//! configuration has other places ([`crate::place`]), the token alone in one of them, as a bearer token.
//!
//! Forms that let a client show one token to the gate and another to the service are refused, not
//! interpreted: two headers, two credentials joined by a comma, a token in the query. Everything
//! that RFC 6750 calls a malformed request is told apart from a request without credentials: the
//! first is a client's bug and answered with 400, the second is how a client learns what to do and
//! answered with a challenge.
//!
//! This module refuses to look at the token itself beyond its alphabet; that is [`crate::jws`]'s.

use crate::request::{Field, RequestView};

/// The header with the token (RFC 6750 §2.1).
pub const AUTHORIZATION: &str = "authorization";
/// The header with the proof that a token is its sender's (RFC 9449 §4.1).
pub const DPOP: &str = "dpop";
/// The header with a Txn-Token (draft-ietf-oauth-transaction-tokens).
pub const TXN_TOKEN: &str = "txn-token";
/// The header with a workload identity token (draft-ietf-wimse-workload-creds).
pub const WORKLOAD_TOKEN: &str = "workload-identity-token";
/// The header with a workload's proof (draft-ietf-wimse-wpt).
pub const WORKLOAD_PROOF: &str = "workload-proof-token";

/// Spellings of the headers with credentials that CGI and WSGI take for the same: nobody looks at them, and they must not
/// reach a service in place of those that were looked at.
pub const SHADOWS: [&str; 7] = [
    "txn_token",
    "workload_identity_token",
    "workload_identity-token",
    "workload-identity_token",
    "workload_proof_token",
    "workload_proof-token",
    "workload-proof_token",
];

/// Whether a service could take the header `name` for one with a credential that it is not.
#[must_use]
pub fn is_shadow(name: &[u8]) -> bool {
    SHADOWS.iter().any(|shadow| name.eq_ignore_ascii_case(shadow.as_bytes()))
}

/// Why no token could be taken from the request.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CredentialError {
    /// No token in any place for one.
    #[error("no access token")]
    Absent,
    /// A scheme that is not accepted here.
    #[error("the Authorization header has the scheme `{scheme}`, which is not accepted")]
    UnsupportedScheme {
        /// Its name, shortened.
        scheme: String,
    },
    /// More than one `Authorization` header, several credentials in one, or tokens in several places.
    #[error("more than one credential")]
    Multiple,
    /// A token in the query.
    #[error("the query has a parameter `access_token`")]
    InQuery,
    /// `Bearer` without a token.
    #[error("the Authorization header has no token")]
    NoToken,
    /// Not exactly one space between scheme and token, or something after the token.
    #[error("the credential has blanks where none belong")]
    Blanks,
    /// A byte that no token has (RFC 6750 §2.1, `b64token`).
    #[error("byte 0x{byte:02x} may not be in a token")]
    ForbiddenByte {
        /// The first such byte.
        byte: u8,
    },
}

/// How a token is presented.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// By whoever has it (RFC 6750 §2.1).
    Bearer,
    /// With a proof that the sender has its key (RFC 9449 §7.1).
    Dpop,
}

/// What followed the scheme: to be compared with tokens that are known, and checked before it is read.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    scheme: Scheme,
    place: Option<usize>,
    token: &'a [u8],
}

/// Under what tokens are accepted in `Authorization`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Schemes {
    /// Whether any issuer's tokens are there: if not, nobody looks.
    pub any: bool,
    /// Whether `DPoP` is one of them, besides `Bearer`.
    pub dpop: bool,
}

/// At most this much of a scheme's name is kept; the registered ones are shorter.
const MAX_SCHEME_BYTES: usize = 16;

/// Takes the token from `request`.
pub fn find<'a>(
    request: &RequestView<'a>,
    schemes: Schemes,
) -> Result<Presented<'a>, CredentialError> {
    if request.has_token_in_query() {
        return Err(CredentialError::InQuery);
    }
    let authorization = if schemes.any { request.authorization } else { Field::Absent };
    let value = match (authorization, request.elsewhere.token()) {
        (Field::Absent, Some((place, Field::One(token)))) => {
            return Ok(Presented { scheme: Scheme::Bearer, place: Some(place), token });
        }
        (Field::One(value), None) => value,
        (Field::Absent, None) => return Err(CredentialError::Absent),
        (Field::Many, _) | (_, Some(_)) => return Err(CredentialError::Multiple),
    };
    let (name, rest) = split_scheme(value);
    let scheme = match name {
        _ if name.eq_ignore_ascii_case(b"bearer") => Scheme::Bearer,
        _ if schemes.dpop && name.eq_ignore_ascii_case(b"dpop") => Scheme::Dpop,
        b"" => return Err(CredentialError::Blanks),
        _ => {
            let name = name.get(..MAX_SCHEME_BYTES).unwrap_or(name);
            let scheme = String::from_utf8_lossy(name).into_owned();
            return Err(CredentialError::UnsupportedScheme { scheme });
        }
    };
    match rest.split_first() {
        None | Some((b' ', [])) => Err(CredentialError::NoToken),
        Some((b' ', token)) if token.first() != Some(&b' ') => {
            Ok(Presented { scheme, place: None, token })
        }
        Some((b',', _)) => Err(CredentialError::Multiple),
        Some(_) => Err(CredentialError::Blanks),
    }
}

/// Whether `request` presents its token with a proof of possession, or tries to.
#[must_use]
pub fn attempts_dpop(request: &RequestView<'_>) -> bool {
    match request.authorization {
        Field::One(value) => split_scheme(value).0.eq_ignore_ascii_case(b"dpop"),
        Field::Absent | Field::Many => false,
    }
}

/// The scheme's name, and what follows it (RFC 9110 §11.4).
fn split_scheme(value: &[u8]) -> (&[u8], &[u8]) {
    let length = value.iter().take_while(|byte| is_tchar(**byte)).count();
    value.split_at_checked(length).unwrap_or((value, &[]))
}

impl<'a> Presented<'a> {
    /// How it is presented.
    #[must_use]
    pub const fn scheme(self) -> Scheme {
        self.scheme
    }

    /// Where it is: the index of one of the configuration's places, or `Authorization`.
    #[must_use]
    pub const fn place(self) -> Option<usize> {
        self.place
    }

    /// The bytes, to compare them with those of a token that was accepted before.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.token
    }

    /// The token, if it is one `b64token`.
    pub fn token(self) -> Result<&'a [u8], CredentialError> {
        let is_allowed = |byte: &u8| IS_TOKEN_BYTE.get(usize::from(*byte)) == Some(&true);
        match self.token.iter().find(|byte| !is_allowed(byte)) {
            None => Ok(self.token),
            Some(b',') => Err(CredentialError::Multiple),
            Some(b' ' | b'\t') => Err(self.blanks()),
            Some(byte) => Err(CredentialError::ForbiddenByte { byte: *byte }),
        }
    }

    /// `Bearer a , Bearer b` is two credentials, `Bearer a b` is one with blanks.
    fn blanks(self) -> CredentialError {
        if self.token.contains(&b',') { CredentialError::Multiple } else { CredentialError::Blanks }
    }
}

/// Never shows the token.
impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Presented({:?}, {} bytes)", self.scheme, self.token.len())
    }
}

/// What [`is_token_byte`] says: of each new token all bytes are asked about.
static IS_TOKEN_BYTE: [bool; 256] = {
    let mut table = [false; 256];
    let (mut rest, mut byte) = (table.as_mut_slice(), 0_u8);
    while let Some((entry, more)) = rest.split_first_mut() {
        *entry = is_token_byte(byte);
        (rest, byte) = (more, byte.wrapping_add(1));
    }
    table
};

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

/// RFC 9110 §5.6.2.
const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn token_in(path: &str, authorization: Field<'_>) -> Result<String, CredentialError> {
        let path = path.as_bytes();
        let request = RequestView { method: b"GET", path, authorization, ..RequestView::default() };
        find(&request, Schemes { any: true, dpop: false })?
            .token()
            .map(|token| String::from_utf8(token.to_vec()).unwrap())
    }

    #[test]
    fn a_token_with_a_proof_is_taken_where_proofs_are_checked_and_nowhere_else() {
        for (header, scheme) in [
            ("DPoP a.b.c", Some(Scheme::Dpop)),
            ("dpop a.b.c", Some(Scheme::Dpop)),
            ("Bearer a.b.c", Some(Scheme::Bearer)),
            ("DPoPx a.b.c", None),
        ] {
            let authorization = Field::One(header.as_bytes());
            let request = RequestView { authorization, ..RequestView::default() };
            let found =
                find(&request, Schemes { any: true, dpop: true }).ok().map(Presented::scheme);
            assert_eq!(found, scheme, "{header}");
            assert_eq!(attempts_dpop(&request), scheme == Some(Scheme::Dpop), "{header}");
        }
    }

    #[test]
    fn one_bearer_token_in_one_header_is_taken_whatever_the_case_of_the_scheme() {
        for header in ["Bearer a.b-c_d", "bearer a.b-c_d", "BEARER a.b-c_d"] {
            let found = token_in("/", Field::One(header.as_bytes()));
            assert_eq!(found.as_deref(), Ok("a.b-c_d"), "{header}");
        }
    }

    #[test]
    fn every_other_form_is_refused_for_its_own_reason() {
        use CredentialError::*;
        let scheme = |name: &str| UnsupportedScheme { scheme: name.to_owned() };
        for (header, error) in [
            ("", Blanks),
            (" Bearer a", Blanks),
            ("Bearer", NoToken),
            ("Bearer ", NoToken),
            ("Bearer  a", Blanks),
            ("Bearer\ta", Blanks),
            ("Bearer \ta", Blanks),
            ("Bearer a ", Blanks),
            ("Bearer a b", Blanks),
            ("Bearer a,Bearer b", Multiple),
            ("Bearer a, Bearer b", Multiple),
            ("Bearer a , Bearer b", Multiple),
            ("Bearer,Bearer b", Multiple),
            ("Bearer=a", Blanks),
            ("Bearer \"a\"", ForbiddenByte { byte: b'"' }),
            ("Bearer a\u{e9}", ForbiddenByte { byte: 0xc3 }),
            ("Bearer a\0", ForbiddenByte { byte: 0 }),
            ("Basic YTpi", scheme("Basic")),
            ("DPoP a.b.c", scheme("DPoP")),
            ("Bearerx a", scheme("Bearerx")),
            ("a.b.c", scheme("a.b.c")),
            ("0123456789abcdefXYZ a", scheme("0123456789abcdef")),
        ] {
            assert_eq!(token_in("/", Field::One(header.as_bytes())), Err(error), "{header:?}");
        }
    }

    #[test]
    fn no_header_and_several_headers_are_told_apart() {
        assert_eq!(token_in("/", Field::Absent), Err(CredentialError::Absent));
        assert_eq!(token_in("/", Field::Many), Err(CredentialError::Multiple));
    }

    #[test]
    fn every_other_spelling_of_a_credentials_header_is_a_shadow_of_it() {
        for name in [TXN_TOKEN, WORKLOAD_TOKEN, WORKLOAD_PROOF] {
            let hyphens: Vec<usize> = name.match_indices('-').map(|(at, _)| at).collect();
            for choice in 0..1_usize << hyphens.len() {
                let mut spelling = name.as_bytes().to_ascii_uppercase();
                for (bit, at) in hyphens.iter().enumerate() {
                    if choice >> bit & 1 == 1 {
                        spelling[*at] = b'_';
                    }
                }
                assert_eq!(is_shadow(&spelling), choice != 0, "{spelling:?}");
            }
        }
        assert!(!is_shadow(b"txn.token"));
    }

    #[test]
    fn a_token_in_the_query_is_refused_even_beside_a_good_header() {
        for authorization in [Field::Absent, Field::One(b"Bearer a.b.c")] {
            let found = token_in("/?access_token=a.b.c", authorization);
            assert_eq!(found, Err(CredentialError::InQuery));
        }
    }
}
