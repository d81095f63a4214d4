#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::json::{self, Limits};

const IDP: &str = "https://idp.example.com";

fn key<'a>(kind: SubjectKind, issuer: &'a str, value: &'a str) -> SubjectKey<'a> {
    SubjectKey::new(kind, issuer, value).unwrap()
}

fn hasher() -> SubjectHasher {
    SubjectHasher::new([7; 16])
}

fn subject(text: &str) -> Result<Subject, SubjectError> {
    Subject::parse(&json::parse(text.as_bytes(), &Limits::TOKEN).unwrap())
}

fn simple(text: &str) -> SubjectIdentifier {
    match subject(text).unwrap() {
        Subject::Simple(identifier) => identifier,
        Subject::Complex(_) => panic!("{text} is complex"),
    }
}

#[test]
fn the_numbers_of_kinds_are_those_in_journals_and_feeds() {
    let tags: Vec<_> = SubjectKind::ALL.iter().map(|kind| (kind.name(), kind.tag())).collect();
    assert_eq!(
        tags,
        [
            ("iss_sub", 1),
            ("email", 2),
            ("phone_number", 3),
            ("account", 4),
            ("uri", 5),
            ("did", 6),
            ("jwt_id", 7),
            ("opaque", 8),
            ("session", 9),
            ("application", 10),
            ("device", 11),
            ("tenant", 12),
            ("org_unit", 13),
            ("group", 14),
        ]
    );
}

#[test]
fn a_hash_is_siphash_over_kind_length_issuer_and_name() {
    let mut bytes = vec![1, 0, 0, 0, 23];
    bytes.extend_from_slice(b"https://idp.example.comalice");
    let expected = SipHasher24::new_with_key(&[7; 16]).hash(&bytes).as_bytes();
    let hash = hasher().hash(&key(SubjectKind::IssSub, IDP, "alice"));
    assert_eq!(hash, SubjectHash(expected));
}

#[test]
fn the_hash_of_a_known_key_never_changes() {
    let hasher = SubjectHasher::new(*b"0123456789abcdef");
    let hash = hasher.hash(&key(SubjectKind::IssSub, IDP, "alice"));
    assert_eq!(format!("{hash:?}"), "79c91a1ab33b26e62164a09e75eae78d");
}

#[test]
fn keys_that_differ_in_anything_have_different_hashes() {
    let mut hashes = Vec::new();
    for kind in SubjectKind::ALL {
        for issuer in [IDP, "https://idp.example.com/", "https://other.example"] {
            hashes.push(hasher().hash(&key(kind, issuer, "+1234")));
            hashes.push(hasher().hash(&key(kind, issuer, "+1235")));
        }
    }
    let moved = [key(SubjectKind::Opaque, "ab", "c"), key(SubjectKind::Opaque, "a", "bc")];
    hashes.extend(moved.iter().map(|key| hasher().hash(key)));
    let other_key = SubjectHasher::new([8; 16]);
    hashes.push(other_key.hash(&key(SubjectKind::Opaque, "ab", "c")));
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn names_are_brought_into_canonical_form() {
    use SubjectKind::{Account, Did, Email, IssSub, Phone, Session, Uri};
    for (kind, written, canonical) in [
        (Email, " Alice@Example.COM\n", "alice@example.com"),
        (Email, "alice@example.com", "alice@example.com"),
        (Email, "ÄRGER@example.com", "ärger@example.com"),
        (Phone, "+1 206 555 0123", "+12065550123"),
        (Phone, " +1 (206) 555-0123", "+12065550123"),
        (Phone, "+12065550123", "+12065550123"),
        (Phone, "2065550123", "2065550123"),
        (Phone, "1+2", "12"),
        (Uri, "spiffe://Example.ORG/Agents/R1/", "spiffe://example.org/Agents/R1"),
        (Uri, "SPIFFE://example.org", "spiffe://example.org"),
        (Uri, "spiffe://example.org//", "spiffe://example.org"),
        (Uri, "spiffe://example.org/a", "spiffe://example.org/a"),
        (Uri, "spiffe://", "spiffe://"),
        (Uri, "spiffe:///a/", "spiffe:///a/"),
        (Uri, "https://Example.org/A/", "https://Example.org/A/"),
        (IssSub, " Alice@Example.COM", " Alice@Example.COM"),
        (Account, "acct:Alice@Example.com", "acct:Alice@Example.com"),
        (Did, "did:example:ABC/", "did:example:ABC/"),
        (Session, "S 1", "S 1"),
    ] {
        assert_eq!(key(kind, IDP, written).value(), canonical, "{kind:?} {written:?}");
    }
}

#[test]
fn a_name_of_which_nothing_is_left_is_no_key() {
    for (kind, name) in [
        (SubjectKind::Email, " \t"),
        (SubjectKind::Phone, "+"),
        (SubjectKind::Phone, "unknown"),
        (SubjectKind::IssSub, ""),
    ] {
        assert_eq!(SubjectKey::new(kind, IDP, name), None, "{kind:?} {name:?}");
    }
}

fn uri_hashes(uri: &str) -> Vec<SubjectHash> {
    let mut hashes = Vec::new();
    hasher().hash_uri(IDP, uri, &mut hashes);
    hashes
}

fn uri_hash(uri: &str) -> SubjectHash {
    hasher().hash(&key(SubjectKind::Uri, IDP, uri))
}

#[test]
fn a_spiffe_id_belongs_to_the_classes_that_its_path_names() {
    let hashes = uri_hashes("spiffe://Example.org/agents/research/r1/");
    let classes = [
        "spiffe://example.org",
        "spiffe://example.org/agents",
        "spiffe://example.org/agents/research",
        "spiffe://example.org/agents/research/r1",
    ];
    assert_eq!(hashes, classes.map(uri_hash));
    for stranger in [
        "spiffe://example.or",
        "spiffe://example.org/agent",
        "spiffe://example.org/agents/res",
        "spiffe://example.org/agents/research/r1/x",
        "spiffe://example.org/research",
        "https://example.org/agents",
    ] {
        assert!(!hashes.contains(&uri_hash(stranger)), "{stranger}");
    }
}

#[test]
fn empty_segments_make_no_class_and_other_uris_have_none() {
    assert_eq!(
        uri_hashes("spiffe://d/a//b"),
        ["spiffe://d", "spiffe://d/a", "spiffe://d/a//b"].map(uri_hash)
    );
    assert_eq!(uri_hashes("spiffe://d"), [uri_hash("spiffe://d")]);
    assert_eq!(uri_hashes("https://h/a/b"), [uri_hash("https://h/a/b")]);
    assert_eq!(uri_hashes(""), []);
}

#[test]
fn populations_are_wide_and_single_subjects_are_not() {
    for kind in SubjectKind::ALL {
        use SubjectKind::{Group, OrgUnit, Tenant};
        let wide = matches!(kind, Tenant | OrgUnit | Group);
        assert_eq!(key(kind, IDP, "+1").is_wide(), wide, "{kind:?}");
    }
    assert!(key(SubjectKind::Uri, IDP, "spiffe://example.org/").is_wide());
    assert!(!key(SubjectKind::Uri, IDP, "spiffe://example.org/agents").is_wide());
    assert!(!key(SubjectKind::Uri, IDP, "https://example.org").is_wide());
}

#[test]
fn every_format_is_read() {
    for (text, format) in [
        (r#"{"format":"account","uri":"acct:a@example.com"}"#, "account"),
        (r#"{"format":"email","email":"a@example.com"}"#, "email"),
        (r#"{"format":"iss_sub","iss":"https://idp.example.com/","sub":"a"}"#, "iss_sub"),
        (r#"{"format":"opaque","id":"dMTlD|1600802906337.16|16008.16"}"#, "opaque"),
        (r#"{"format":"phone_number","phone_number":"+12065550100"}"#, "phone_number"),
        (r#"{"format":"did","url":"did:example:123456"}"#, "did"),
        (r#"{"format":"uri","uri":"urn:uuid:4e851e98"}"#, "uri"),
        (r#"{"format":"jwt_id","iss":"https://idp.example.com/","jti":"B70"}"#, "jwt_id"),
        (
            r#"{"format":"saml_assertion_id","issuer":"https://idp","assertion_id":"_8e8"}"#,
            "saml_assertion_id",
        ),
        (r#"{"format":"aliases","identifiers":[{"format":"opaque","id":"1"}]}"#, "aliases"),
        (r#"{"format":"catalog_item","catalog_id":"c0384/winter"}"#, "catalog_item"),
        (r#"{"format":"ip-addresses","ip-addresses":["10.29.37.75"]}"#, "ip-addresses"),
        // Members that the format does not define are ignored.
        (r#"{"format":"email","email":"a@example.com","iss":7,"x":null}"#, "email"),
    ] {
        assert_eq!(simple(text).format(), format, "{text}");
    }
}

#[test]
fn an_identifier_without_its_members_is_refused() {
    for (format, members) in [
        ("account", &["uri"][..]),
        ("email", &["email"]),
        ("iss_sub", &["iss", "sub"]),
        ("opaque", &["id"]),
        ("phone_number", &["phone_number"]),
        ("did", &["url"]),
        ("uri", &["uri"]),
        ("jwt_id", &["iss", "jti"]),
        ("saml_assertion_id", &["issuer", "assertion_id"]),
    ] {
        for broken in members {
            for (value, wanted) in [
                (None, "has no"),
                (Some("null"), "is null"),
                (Some("7"), "is a number"),
                (Some("\"\""), "is empty"),
            ] {
                let mut text = format!(r#"{{"format":"{format}""#);
                for member in members {
                    match value {
                        _ if member != broken => text.push_str(&format!(r#","{member}":"x""#)),
                        Some(value) => text.push_str(&format!(r#","{member}":{value}"#)),
                        None => {}
                    }
                }
                text.push('}');
                let message = subject(&text).unwrap_err().to_string();
                assert!(message.contains(wanted) && message.contains(broken), "{text}: {message}");
            }
        }
    }
}

#[test]
fn what_is_no_identifier_is_refused() {
    for (text, message) in [
        ("null", "`sub_id` is null, not an object"),
        (r#""alice""#, "`sub_id` is a string, not an object"),
        ("{}", "`sub_id` has no `format`"),
        (r#"{"format":7}"#, "`format` of `sub_id` is a number, not a string"),
        (r#"{"subject_type":"iss-sub","iss":"a","sub":"b"}"#, "`sub_id` has no `format`"),
        (r#"{"user":{"format":"opaque","id":"1"}}"#, "`sub_id` has no `format`"),
        (r#"{"format":"complex"}"#, "complex subject has no members"),
        (r#"{"format":"complex","user":"alice"}"#, "`sub_id.user` is a string, not an object"),
        (r#"{"format":"complex","user":{"id":"1"}}"#, "`sub_id.user` has no `format`"),
        (
            r#"{"format":"complex","user":{"format":"complex"}}"#,
            "`sub_id.user` has format `complex`, which must not be nested",
        ),
        (r#"{"format":"aliases"}"#, "`sub_id` has no `identifiers`"),
        (r#"{"format":"aliases","identifiers":[]}"#, "`identifiers` of `sub_id` is empty"),
        (
            r#"{"format":"aliases","identifiers":{}}"#,
            "`identifiers` of `sub_id` is an object, not an array",
        ),
        (
            r#"{"format":"aliases","identifiers":[{"format":"aliases","identifiers":[]}]}"#,
            "`identifiers[0]` has format `aliases`, which must not be nested",
        ),
    ] {
        assert_eq!(subject(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn members_of_a_complex_subject_keep_their_order_and_unknown_ones_their_name() {
    let text = r#"{"format":"complex",
        "session":{"format":"opaque","id":"s"},"user":{"format":"email","email":"a@b"},
        "device":{"format":"opaque","id":"d"},"application":{"format":"opaque","id":"a"},
        "tenant":{"format":"opaque","id":"t"},"org_unit":{"format":"opaque","id":"o"},
        "group":{"format":"opaque","id":"g"},"robot_arm":{"format":"opaque","id":"7"}}"#;
    let Subject::Complex(members) = subject(text).unwrap() else { panic!("not complex") };
    let names: Vec<_> = members.iter().map(|(member, _)| member.name()).collect();
    assert_eq!(
        names,
        ["session", "user", "device", "application", "tenant", "org_unit", "group", "robot_arm"]
    );
}

#[test]
fn names_and_aliases_are_limited() {
    let opaque = |bytes: usize| format!(r#"{{"format":"opaque","id":"{}"}}"#, "x".repeat(bytes));
    assert!(subject(&opaque(MAX_NAME_BYTES)).is_ok());
    let length = MAX_NAME_BYTES + 1;
    let place = "`sub_id`".to_owned();
    assert_eq!(
        subject(&opaque(length)),
        Err(SubjectError::TooLong { place, member: "id", length })
    );
    let aliases = |count: usize| {
        let identifiers = vec![opaque(1); count].join(",");
        format!(r#"{{"format":"aliases","identifiers":[{identifiers}]}}"#)
    };
    assert!(subject(&aliases(MAX_ALIASES)).is_ok());
    let count = MAX_ALIASES + 1;
    assert_eq!(subject(&aliases(count)), Err(SubjectError::TooManyAliases { count }));
}

#[test]
fn nobody_is_named_in_debug_output() {
    let text = r#"{"format":"complex","user":{"format":"email","email":"secret@example.com"}}"#;
    let key = key(SubjectKind::Email, IDP, "secret@example.com");
    let shown = format!("{:?} {key:?} {:?}", subject(text).unwrap(), hasher());
    assert!(!shown.contains("secret") && !shown.contains('7'), "{shown}");
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn any_kind() -> impl Strategy<Value = SubjectKind> {
        prop::sample::select(SubjectKind::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own_canonical_form(kind in any_kind(), name in "\\PC*") {
            if let Some(key) = SubjectKey::new(kind, IDP, &name) {
                let again = SubjectKey::new(kind, IDP, key.value()).unwrap();
                prop_assert_eq!(again.value(), key.value());
            }
        }

        #[test]
        fn the_last_class_of_a_uri_is_itself(uri in "(spiffe://)?[A-Za-z/:.]{0,40}") {
            let hashes = uri_hashes(&uri);
            let itself = SubjectKey::new(SubjectKind::Uri, IDP, &uri);
            prop_assert_eq!(hashes.last().copied(), itself.map(|key| hasher().hash(&key)));
        }

        #[test]
        fn a_class_is_met_exactly_at_the_slashes(
            domain in "[a-z]{1,4}",
            path in prop::collection::vec("[a-z]{1,3}", 0..6),
            cut in 0_usize..40,
        ) {
            let id = std::iter::once(format!("spiffe://{domain}"))
                .chain(path).collect::<Vec<_>>().join("/");
            let hashes = uri_hashes(&id);
            let (prefix, rest) = id.split_at(cut.min(id.len()));
            let begun = prefix.len() > "spiffe://".len();
            // A slash at the end is not part of the canonical form.
            let whole = rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/');
            if let Some(key) = SubjectKey::new(SubjectKind::Uri, IDP, prefix) {
                prop_assert_eq!(hashes.contains(&hasher().hash(&key)), begun && whole);
            }
        }
    }
}
