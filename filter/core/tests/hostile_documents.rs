//! Whatever anybody sends: parsers of documents and headers answer, and never panic.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows has failed")]

use proptest::prelude::*;
use rescind_core::audience::Audiences;
use rescind_core::bundle::Bundle;
use rescind_core::discovery::{WellKnown, jwks_location};
use rescind_core::https_url::{HttpsUrl, same_authority};
use rescind_core::json::{self, Limits};
use rescind_core::mcp::body::Announced;
use rescind_core::mcp::{self, McpError, McpHeaders, McpRequest};
use rescind_core::request::Field;
use rescind_core::resource_metadata::{MetadataDocument, ResourceMetadata};
use rescind_core::spiffe::{JwtSvid, SpiffeId};
use rescind_core::status_list::{CompactList, StatusList, StatusListToken, StatusReference};
use rescind_core::subject::{SubjectKey, SubjectKind};
use rescind_core::txn_token::TxnToken;

/// Text made of what the parsers look for.
fn shards(shards: &'static [&'static str]) -> impl Strategy<Value = String> {
    let any =
        prop_oneof![4 => proptest::sample::select(shards).prop_map(str::to_owned), 1 => ".{0,3}"];
    proptest::collection::vec(any, 0..12).prop_map(|parts| parts.concat())
}

/// A request that says what it does.
fn message() -> Result<McpRequest<'static>, McpError> {
    McpRequest::parse(&McpHeaders {
        protocol_version: Field::One(b"2026-07-28"),
        method: Field::One(b"a"),
        name: Field::One(b"a"),
    })
}

const URL: &[&str] = &[
    "https://",
    "HTTPS://",
    "http://",
    "spiffe://",
    "a",
    "example.org",
    "/",
    ":",
    "443",
    "@",
    "?",
    "#",
    "[",
    "]",
    "::1",
    ".",
    "..",
    "%2e",
    "//",
    "\\",
    "_",
    "-",
    "A",
];

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"keys\"",
    "\"use\"",
    "\"jwt-svid\"",
    "\"kid\"",
    "\"sub\"",
    "\"spiffe://a/b\"",
    "\"aud\"",
    "\"exp\"",
    "\"status\"",
    "\"status_list\"",
    "\"idx\"",
    "\"uri\"",
    "\"bits\"",
    "\"lst\"",
    "\"issuer\"",
    "\"jwks_uri\"",
    "\"https://a/\"",
    "1",
    "-1",
    "1e300",
    "null",
    "\"spiffe_sequence\"",
    "\"act\"",
    "\"tctx\"",
    " ",
];

const NAME: &[&str] = &["=?base64?", "?=", "=?BASE64?", "YQ==", "a", "=", " ", "\t", "\u{e4}"];

proptest! {
    #[test]
    fn urls_and_ids_are_answered_for(text in shards(URL)) {
        if let Ok(url) = HttpsUrl::parse(&text) {
            prop_assert!(same_authority(url.authority, url.authority));
            prop_assert!(!url.authority.contains(['@', '/', '?', '#', '\\', '%']));
            prop_assert!(url.target().starts_with('/'));
        }
        for well_known in WellKnown::ALL {
            if let Ok(location) = well_known.location(&text) {
                prop_assert!(location.path.contains("/.well-known/"));
            }
        }
        let _ = MetadataDocument::new(&ResourceMetadata { resource: text, ..Default::default() });
    }

    #[test]
    fn an_accepted_spiffe_id_is_its_own_canonical_form(text in shards(URL)) {
        let text = format!("spiffe://{text}");
        if let Ok(id) = SpiffeId::parse(&text) {
            prop_assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), id.as_str());
            let key = SubjectKey::new(SubjectKind::Uri, "issuer", &text).unwrap();
            prop_assert_eq!(key.value(), id.as_str(), "a signal reaches what a token is accepted as");
        }
    }

    #[test]
    fn documents_are_answered_for(text in shards(JSON)) {
        let _ = Bundle::parse(text.as_bytes());
        let _ = jwks_location(text.as_bytes(), "https://a/", "a");
        if let Ok(payload) = json::parse(text.as_bytes(), &Limits::TOKEN) {
            let _ = JwtSvid::parse(&payload).is_ok();
            let _ = TxnToken::parse(&payload, "https://tts.example").is_ok();
            let _ = StatusListToken::parse(&payload, "https://a/");
            let _ = payload.as_object().map(StatusReference::find);
        }
        if let Ok(message) = message() {
            let _ = Announced::by(&message).map(|announced| announced.check(text.as_bytes()));
        }
    }

    #[test]
    fn names_are_answered_for(text in shards(NAME), bytes: Vec<u8>) {
        let _ = mcp::name(&bytes);
        if let Ok(name) = mcp::name(text.as_bytes()) {
            prop_assert!(!name.is_empty());
        }
        let mut known = Audiences::default();
        let added = known.add(&text);
        prop_assert_eq!(added, Ok(known.of([text.as_str()])));
        let _ = known.add("https://a/");
    }

    #[test]
    fn compressed_lists_are_answered_for(bytes: Vec<u8>, bits: u8, index: u64, at: usize) {
        let _ = StatusList::inflate(bits, &bytes);
        let _ = CompactList::from_bytes(&bytes);
        // One wrong byte in a good stream.
        let mut good = vec![0x78, 0xda, 0xdb, 0xb9, 0x18, 0x00, 0x02, 0x17, 0x01, 0x5d];
        let place = at % good.len();
        if let (Some(byte), Some(other)) = (good.get_mut(place), bytes.first()) {
            *byte = *other;
        }
        if let Ok(list) = StatusList::inflate(1, &good) {
            prop_assert_eq!(list.status(index).is_ok(), index < list.places());
        }
    }
}
