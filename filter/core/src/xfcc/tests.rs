#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// Made with `openssl req -x509`, for `spiffe://example.org/agents/research`.
const PEM: &str = "-----BEGIN CERTIFICATE-----
MIIBqjCCAVCgAwIBAgIUCs0wd8oDbJq4+hCbQURhSR8GCq4wCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFYWdlbnQwIBcNMjYxMTI0MTgxNjM3WhgPMjEyNjEwMzExODE2
MzdaMBAxDjAMBgNVBAMMBWFnZW50MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
KAQNAOMSG/ERyG5zagrU0lEDKbJUW1/ckwrQbw/H/KGBTH8srGMf8fYLTyJTrIqS
zqGmSrUu3hUI4XzNqxfwpqOBhTCBgjAdBgNVHQ4EFgQU49pnuyB/qiwaBe/5ocU9
/JRpUQIwHwYDVR0jBBgwFoAU49pnuyB/qiwaBe/5ocU9/JRpUQIwDwYDVR0TAQH/
BAUwAwEB/zAvBgNVHREEKDAmhiRzcGlmZmU6Ly9leGFtcGxlLm9yZy9hZ2VudHMv
cmVzZWFyY2gwCgYIKoZIzj0EAwIDSAAwRQIgW+wpm7Klpe1etjPXJpUHvrJYeMCa
Y22N13KY9jPmcawCIQCFtk8gnIhbP5SeC20y4Y6mHUBlPbb7pJyk7s6uPh7vIw==
-----END CERTIFICATE-----
";

/// Its digest, by `openssl x509 -outform DER | sha256sum`.
const HASH: &str = "3a2ac3e9d52abe76f2ec79a1de8db4a2ff14d5a6dc9fb8c3ef06e83d9fa71833";

/// Somebody else's.
const OTHER: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

const ID: &str = "spiffe://example.org/agents/research";

/// As Envoy escapes a PEM: everything but letters, digits and `-._~`.
fn escaped(pem: &str) -> String {
    pem.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => text.push(char::from(b)),
            b => text.push_str(&format!("%{b:02X}")),
        }
        text
    })
}

fn read_with(header: &str, elements: usize) -> Result<Option<PeerCertificate>, XfccError> {
    PeerCertificate::from_xfcc(Field::One(header.as_bytes()), elements)
}

fn read(header: &str) -> Result<PeerCertificate, XfccError> {
    read_with(header, 1).map(Option::unwrap)
}

fn certificate(hash: &str, uris: &[&str]) -> PeerCertificate {
    PeerCertificate {
        thumbprint: Fingerprint::from_hex(hash.as_bytes()).unwrap(),
        uri_sans: uris.iter().map(|uri| (*uri).to_owned()).collect(),
    }
}

#[test]
fn what_envoy_writes_is_read() {
    let all = format!(
        r#"By=spiffe://example.org/gateway;Hash={HASH};Cert="{pem}";Chain="{pem}";Subject="CN=a\\,b,O=\"x\"";URI={ID};DNS=a.example;DNS=b.example"#,
        pem = escaped(PEM),
    )
    // OpenSSL writes the comma of a name as `\,`.
    .replace(r"\\,", r"\,");
    assert_eq!(read(&all), Ok(certificate(HASH, &[ID])));
    assert_eq!(read(&format!("Hash={HASH}")), Ok(certificate(HASH, &[])));
    let no_uri = format!(r#"By=;Hash={HASH};Subject="";URI="#);
    assert_eq!(read(&no_uri), Ok(certificate(HASH, &[])));
    let two = format!("Hash={HASH};URI={ID};URI=https://a.example/b");
    assert_eq!(read(&two), Ok(certificate(HASH, &[ID, "https://a.example/b"])));
}

#[test]
fn keys_have_no_case_and_values_may_be_quoted() {
    let upper = HASH.to_ascii_uppercase();
    for header in [
        format!(r#"hASH="{HASH}";uri="{ID}""#),
        format!(r#"HASH={upper} ; URI={ID} "#),
        format!("\tHash={HASH};Uri={ID}"),
        format!(r#"Later="a;b,c=\"d\"";Hash={HASH};URI={ID}"#),
    ] {
        assert_eq!(read(&header), Ok(certificate(HASH, &[ID])), "{header}");
    }
    let quoted = format!(r#"Hash={HASH};URI="urn:a,b;c=\"d\"""#);
    assert_eq!(read(&quoted), Ok(certificate(HASH, &[r#"urn:a,b;c="d""#])));
}

#[test]
fn a_certificate_without_hash_is_hashed() {
    let pem = escaped(PEM);
    assert_eq!(read(&format!(r#"Cert="{pem}";URI={ID}"#)), Ok(certificate(HASH, &[ID])));
    // Other escapes of the same text, and a `+` that was left as it is.
    let lower = pem.replace("%2B", "+").replace("%0A", "%0d%0a");
    assert_eq!(read(&format!("Cert={lower}")), Ok(certificate(HASH, &[])));
    // With both, the digest counts: Envoy always writes it, and checks nothing less for it.
    assert_eq!(read(&format!("Cert={pem};Hash={OTHER}")), Ok(certificate(OTHER, &[])));
}

#[test]
fn what_is_not_one_certificate_has_no_digest() {
    let two = format!("{PEM}{PEM}");
    let key = PEM.replace("CERTIFICATE", "PRIVATE KEY");
    let short = PEM.replace("MIIB", "");
    let longer = PEM.replace("vIw==", "vIwA=");
    let not_zero = PEM.replace("vIw==", "vIx==");
    let cut = PEM.replace("-----END", "----END");
    for pem in [two, key, short, longer, not_zero, cut, String::new(), "MIIB".to_owned()] {
        let header = format!(r#"Cert="{}""#, escaped(&pem));
        assert_eq!(read(&header), Err(XfccError::Certificate), "{pem}");
    }
    for escape in ["%", "%4", "%zz", "%-1"] {
        assert_eq!(read(&format!("Cert={}{escape}", escaped(PEM))), Err(XfccError::Certificate));
    }
    assert_eq!(read(&format!("Chain={};URI={ID}", escaped(PEM))), Err(XfccError::NoCertificate));
    assert_eq!(read("By=spiffe://example.org/gateway"), Err(XfccError::NoCertificate));
}

#[test]
fn a_digest_is_64_hexadecimal_digits() {
    let (short, long) = (HASH.strip_prefix('3').unwrap(), format!("{HASH}0"));
    let colons = "3a:2a:c3:e9";
    for hash in ["", short, &long, colons, &HASH.replace('3', "g")] {
        assert_eq!(read(&format!("Hash={hash}")), Err(XfccError::Digest), "{hash}");
    }
}

#[test]
fn the_last_of_exactly_the_configured_elements_counts() {
    let first = format!("By=spiffe://example.org/edge;Hash={OTHER};URI=spiffe://example.org/user");
    let last = format!("By=spiffe://example.org/gateway;Hash={HASH};URI={ID}");
    for between in [",", ", ", " ,\t"] {
        let both = format!("{first}{between}{last}");
        assert_eq!(read_with(&both, 2), Ok(Some(certificate(HASH, &[ID]))));
        for expected in [0, 1, 3] {
            let refused = Err(XfccError::Elements { found: 2, expected });
            assert_eq!(read_with(&both, expected), refused);
        }
    }
    // An earlier element that is malformed leaves nobody sure where it ends.
    assert_eq!(read_with(&format!("Hash,{last}"), 2), Err(XfccError::NoPair { at: 0 }));
}

#[test]
fn a_client_that_sends_elements_itself_gains_nothing() {
    // The proxy appended its own to what came: more than there are proxies.
    let appended = format!("Hash={OTHER},By=spiffe://example.org/gateway;Hash={HASH}");
    assert_eq!(read(&appended), Err(XfccError::Elements { found: 2, expected: 1 }));
    let headers = PeerCertificate::from_xfcc(Field::Many, 1);
    assert_eq!(headers, Err(XfccError::Multiple));
    assert_eq!(PeerCertificate::from_xfcc(Field::Absent, 1), Ok(None));
}

#[test]
fn a_certificate_whose_names_hold_separators_names_no_other_certificate() {
    let envoy = |uri: &str| format!(r#"By=x;Hash={HASH};Subject="";URI={uri}"#);
    let subject = |subject: &str| format!(r#"By=x;Hash={HASH};Subject="{subject}";URI={ID}"#);
    let twice = |key| Err(XfccError::Twice { key });
    assert_eq!(read(&envoy(&format!("urn:a;Hash={OTHER}"))), twice("Hash"));
    assert_eq!(read(&envoy(&format!("urn:a;hash={OTHER}"))), twice("Hash"));
    assert_eq!(read(&envoy("urn:a;Subject=b")), twice("Subject"));
    assert_eq!(
        read(&envoy(&format!("urn:a,By=x;Hash={OTHER}"))),
        Err(XfccError::Elements { found: 2, expected: 1 })
    );
    let service = "urn:abc:servicePrincipal(grpc-sample-service;None;i001)";
    assert!(matches!(read(&envoy(service)), Err(XfccError::NoPair { .. })));
    // A subject that ends its own quotes.
    assert_eq!(read(&subject(&format!(r#"CN=a";Hash={OTHER};O=""#))), twice("Hash"));
    for ends_early in [r#"CN=a"b"#, r#"CN=a\\"#, r#"CN=a\\",O=b"#, r#"CN=a\\\"#] {
        let refused = read(&subject(ends_early));
        assert!(matches!(refused, Err(XfccError::Quote { .. })), "{ends_early}: {refused:?}");
    }
    let twice_cert = format!("Cert={pem};Cert={pem}", pem = escaped(PEM));
    assert_eq!(read(&twice_cert), twice("Cert"));
    assert_eq!(read(&format!("Hash={HASH};Chain=a;Chain=a")), twice("Chain"));
}

#[test]
fn a_quote_that_can_be_read_in_two_ways_is_refused() {
    let hash = format!("Hash={HASH}");
    for (rest, at) in [
        (r#";URI="a"#, 5),
        (r#";URI="a\""#, 5),
        (r#";URI="a"b"#, 8),
        (r#";URI="a" b"#, 9),
        (r#";URI=a"b""#, 6),
        (r#";URI=a\"b"#, 6),
        (r"; URI=a\,b", 7),
        (r#";URI="a\\""#, 9),
    ] {
        let refused = Err(XfccError::Quote { at: hash.len() + at });
        assert_eq!(read(&format!("{hash}{rest}")), refused, "{rest}");
    }
}

#[test]
fn what_is_no_pair_is_refused() {
    for (header, at) in [
        (String::new(), 0),
        (";".to_owned(), 0),
        ("Hash".to_owned(), 0),
        (format!("={HASH}"), 0),
        (format!("Hash={HASH};"), 70),
        (format!("Hash={HASH},"), 70),
        (format!("Hash={HASH};;URI=a"), 70),
        (format!("Hash ={HASH}"), 0),
        (format!("Ha sh={HASH}"), 0),
        (format!(r#""Hash"={HASH}"#), 0),
    ] {
        assert_eq!(read(&header), Err(XfccError::NoPair { at }), "{header}");
    }
    for byte in [0, b'\n', b'\r', 0x7f, 0x80, 0xff] {
        let header = [b"Hash=", &[byte][..]].concat();
        let refused = PeerCertificate::from_xfcc(Field::One(&header), 1);
        assert_eq!(refused, Err(XfccError::ForbiddenByte { byte }));
    }
}

#[test]
fn every_size_has_a_limit() {
    let header = |length: usize| {
        let start = format!("Hash={HASH};Later=");
        format!("{start}{}", "a".repeat(length - start.len()))
    };
    assert!(read(&header(MAX_XFCC_BYTES)).is_ok());
    let length = MAX_XFCC_BYTES + 1;
    assert_eq!(read(&header(length)), Err(XfccError::TooLong { length }));

    let elements = |count: usize| vec![format!("Hash={HASH}"); count].join(",");
    assert!(read_with(&elements(MAX_ELEMENTS), MAX_ELEMENTS).is_ok());
    let (found, expected) = (MAX_ELEMENTS + 1, usize::MAX);
    assert_eq!(read_with(&elements(found), expected), Err(XfccError::Elements { found, expected }));
    assert_eq!(read_with(&elements(200), 1), Err(XfccError::Elements { found, expected: 1 }));

    let pairs = |count: usize| format!("Hash={HASH}{}", ";DNS=a".repeat(count - 1));
    assert!(read(&pairs(MAX_PAIRS)).is_ok());
    assert_eq!(read(&pairs(MAX_PAIRS + 1)), Err(XfccError::TooManyPairs));

    let uri = |length: usize| format!("Hash={HASH};URI={}", "u".repeat(length));
    assert!(read(&uri(MAX_URI_BYTES)).is_ok());
    let length = MAX_URI_BYTES + 1;
    assert_eq!(read(&uri(length)), Err(XfccError::UriTooLong { length }));
}

#[test]
fn the_gateways_own_attributes_say_the_same() {
    let read = |digest: &str, uri: &str| {
        PeerCertificate::from_attributes(digest.as_bytes(), uri.as_bytes())
    };
    assert_eq!(read(HASH, ID), Ok(Some(certificate(HASH, &[ID]))));
    assert_eq!(read(HASH, ""), Ok(Some(certificate(HASH, &[]))));
    assert_eq!(read("", ""), Ok(None));
    assert_eq!(read("", ID), Ok(None), "a name without a certificate is nobody's");
    assert_eq!(read("3a", ID), Err(XfccError::Digest));
    assert_eq!(read(HASH, "a\nb"), Err(XfccError::ForbiddenByte { byte: b'\n' }));
    let length = MAX_URI_BYTES + 1;
    assert_eq!(read(HASH, &"u".repeat(length)), Err(XfccError::UriTooLong { length }));
}

#[test]
fn a_token_is_bound_to_one_certificate_in_one_spelling() {
    let certificate = certificate(HASH, &[]);
    let x5t = certificate.thumbprint.to_base64url();
    assert!(certificate.is_bound_to(&x5t));
    let other = Fingerprint::from_hex(OTHER.as_bytes()).unwrap().to_base64url();
    let short = x5t.split_at(1).1;
    for wrong in [other.as_str(), HASH, "", short, &format!("{x5t}="), &format!("{x5t}A")] {
        assert!(!certificate.is_bound_to(wrong), "{wrong}");
    }
}
