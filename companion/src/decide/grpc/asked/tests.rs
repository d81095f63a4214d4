use super::super::messages::{AttributeContext, HeaderMap, HeaderValue, Peer, Request};
use super::*;

fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    Bytes::from([&[0][..], &length, message].concat())
}

fn call(http: HttpRequest, certificate: &str) -> CheckRequest {
    let source = Some(Peer { certificate: certificate.to_owned() });
    let request = Some(Request { http: Some(http) });
    CheckRequest { attributes: Some(AttributeContext { source, request }) }
}

#[test]
fn a_message_is_read_whole_and_uncompressed_or_not_at_all() {
    let http = HttpRequest { method: "GET".to_owned(), ..HttpRequest::default() };
    let bytes = call(http, "").encode_to_vec();
    assert!(message(framed(&bytes)).is_ok());
    let good = framed(&bytes);
    let mut compressed = good.to_vec();
    compressed[0] = 1;
    for (body, problem) in [
        (good.slice(..4), Unread::Malformed),
        (good.slice(..good.len() - 1), Unread::Malformed),
        (Bytes::from([&good[..], b"x"].concat()), Unread::Malformed),
        (compressed.into(), Unread::Compressed),
        (framed(b"\xff\xff"), Unread::Malformed),
        (Bytes::new(), Unread::Malformed),
    ] {
        assert_eq!(message(body).err(), Some(problem));
    }
}

#[test]
fn a_call_without_a_request_of_http_is_none() {
    let request = CheckRequest { attributes: Some(AttributeContext::default()) };
    assert!(Asked::new(&request).is_none());
    assert!(Asked::new(&CheckRequest::default()).is_none());
}

#[test]
fn raw_headers_go_first_and_two_of_one_name_are_many() {
    let value = |key: &str, value: &str, raw: &[u8]| HeaderValue {
        key: key.to_owned(),
        value: value.to_owned(),
        raw_value: raw.to_vec(),
    };
    let headers = [("authorization".to_owned(), "Bearer joined".to_owned())].into();
    let joined = HttpRequest { headers, ..HttpRequest::default() };
    let map = HeaderMap {
        headers: vec![
            value("Authorization", "", b"Bearer \xff"),
            value("dpop", "a", b""),
            value("dpop", "b", b""),
        ],
    };
    let raw = HttpRequest { header_map: Some(map), ..joined.clone() };
    let (joined, raw) = (call(joined, ""), call(raw, ""));
    let [joined, raw] = [&joined, &raw].map(|call| Asked::new(call).unwrap());
    assert!(joined.view().authorization == Field::One(b"Bearer joined"));
    assert!(raw.view().authorization == Field::One(b"Bearer \xff"));
    assert!(raw.view().proof == Field::Many);
    assert!(joined.view().proof == Field::Absent);
}

#[test]
fn the_digest_is_the_certificates_in_hexadecimal() {
    // Three bytes that stand for DER: what is hashed is what the PEM has, whatever it is.
    let pem = "-----BEGIN%20CERTIFICATE-----%0AAQID%0A-----END%20CERTIFICATE-----%0A";
    let with = |certificate: &str| {
        let call = call(HttpRequest::default(), certificate);
        Asked::new(&call).unwrap().peer_certificate_digest()
    };
    let expected = to_hex(&sha256(&[1, 2, 3])).into_bytes();
    assert_eq!(with(pem), Some(expected));
    for wrong in ["", "%", "%4", "%zz", "-----BEGIN%20KEY-----", "abc"] {
        assert_eq!(with(wrong), None, "{wrong}");
    }
}
