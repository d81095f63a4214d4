//! Which URLs are called that a peer has named: in a transmitter's metadata, or its stream's
//! configuration.
//!
//! What the operator has configured may lead anywhere. What a peer names must not lead it into places
//! that only this machine or network reaches: a URL whose host is an address, or this machine, is
//! called only on the host that named it. A name is called wherever it leads; who owns it can prove
//! that by TLS.

use std::net::IpAddr;

use hyper::Uri;

use crate::config::is_safe_url;

/// Whether `url`, which stood in an answer of `source`, may be called.
pub(crate) fn is_safe_from(url: &str, source: &str) -> bool {
    let host = |url: &str| Some(url.parse::<Uri>().ok()?.host()?.to_ascii_lowercase());
    let Some(named) = host(url) else { return false };
    is_safe_url(url) && (!is_place(&named) || host(source).as_ref() == Some(&named))
}

/// Whether a host is an address in any of its spellings (`127.1`, `0x7f.1`: no name ends in a number),
/// or this machine.
fn is_place(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let last = host.rsplit('.').next().unwrap_or_default();
    host.starts_with('[')
        || host.parse::<IpAddr>().is_ok()
        || last.starts_with(|first: char| first.is_ascii_digit())
        || last == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_may_name_hosts_by_name_and_places_only_where_it_is_itself() {
        let metadata = "https://idp.example.com/.well-known/ssf-configuration";
        for (url, expected) in [
            ("https://idp.example.com/keys", true),
            ("https://keys.example.net/keys", true),
            ("http://idp.example.com/keys", false),
            ("http://127.0.0.1:8700/v1/status", false),
            ("https://127.0.0.1/", false),
            ("https://localhost/", false),
            ("https://LOCALHOST./", false),
            ("https://api.localhost/", false),
            ("https://[::1]/", false),
            ("https://10.0.0.7/", false),
            ("https://169.254.169.254/", false),
            ("https://127.1/", false),
            ("https://0x7f000001/", false),
            ("https://2130706433/", false),
            ("/keys", false),
            ("", false),
        ] {
            assert_eq!(is_safe_from(url, metadata), expected, "{url}");
        }
        let local = "http://127.0.0.1:9000/.well-known/ssf-configuration";
        assert!(is_safe_from("http://127.0.0.1:9001/keys", local));
        assert!(!is_safe_from("http://[::1]:9001/keys", local));
        assert!(is_safe_from("https://10.0.0.7/keys", "https://10.0.0.7/metadata"));
        assert!(!is_safe_from("https://10.0.0.8/keys", "https://10.0.0.7/metadata"));
    }
}
