//! A request that the host has, and how each host shows and changes its headers.

use super::{Behaviour, Headers};

/// The server's name, which Kong shows as `:authority` whatever the client wrote.
const SERVER_NAME: &[u8] = b"kong:8000";

/// Kong shows no more headers than this, pseudo-headers included (`NGX_HTTP_WASM_MAX_REQ_HEADERS`).
const KONG_SHOWS: usize = 100;

/// One header. On Kong a removed one is hidden from filters, but goes on to the service.
#[derive(Clone, Debug)]
struct Header {
    name: Vec<u8>,
    value: Vec<u8>,
    hidden: bool,
}

/// A request.
#[derive(Debug)]
pub(super) struct Exchange {
    behaviour: Behaviour,
    headers: Vec<Header>,
    /// As the client wrote it.
    path: Vec<u8>,
    pub(super) answered: Option<(u16, Headers)>,
    pub(super) continued: bool,
}

impl Exchange {
    pub(super) fn new(behaviour: Behaviour, headers: &Headers) -> Self {
        let header = |(name, value): &(Vec<u8>, Vec<u8>)| Header {
            name: name.clone(),
            value: value.clone(),
            hidden: false,
        };
        let path = headers.iter().find(|(name, _)| name == b":path");
        Self {
            behaviour,
            headers: headers.iter().map(header).collect(),
            path: path.map(|(_, value)| value.clone()).unwrap_or_default(),
            answered: None,
            continued: false,
        }
    }

    /// The path as the client wrote it.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// How many headers the callback is told that there are.
    pub(super) fn count(&self) -> usize {
        match self.behaviour {
            Behaviour::Envoy => self.headers.len(),
            Behaviour::Kong => {
                self.headers.iter().filter(|header| !header.name.starts_with(b":")).count()
            }
            Behaviour::Apisix => 0,
        }
    }

    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name))
    }

    /// What a filter sees.
    pub(super) fn shown(&self) -> Headers {
        let shown = self.headers.iter().filter(|header| !header.hidden);
        let mut shown: Headers = shown
            .map(|Header { name, value, .. }| match (self.behaviour, name.as_slice()) {
                (Behaviour::Kong, b":authority") => (name.clone(), SERVER_NAME.to_vec()),
                (Behaviour::Kong, b":path") => (name.clone(), decoded(value)),
                _ => (name.clone(), value.clone()),
            })
            .collect();
        if self.behaviour == Behaviour::Kong {
            // Pseudo-headers come first there.
            shown.sort_by_key(|(name, _)| !name.starts_with(b":"));
            shown.truncate(KONG_SHOWS);
        }
        shown
    }

    /// What the service gets.
    pub(super) fn forwarded(&self) -> Headers {
        let headers = self.headers.iter();
        headers.map(|Header { name, value, .. }| (name.clone(), value.clone())).collect()
    }

    pub(super) fn remove(&mut self, name: &[u8]) {
        for header in self.headers.iter_mut().filter(|header| is(header, name)) {
            header.hidden = true;
        }
        if self.behaviour != Behaviour::Kong {
            self.headers.retain(|header| !header.hidden);
        }
    }

    pub(super) fn replace(&mut self, name: &[u8], value: &[u8]) {
        if self.behaviour == Behaviour::Apisix && value.is_empty() {
            return self.remove(name);
        }
        let mut found = false;
        for header in self.headers.iter_mut().filter(|header| is(header, name)) {
            // The first is changed, the others are removed.
            if found {
                header.hidden = true;
            } else {
                header.value = value.to_vec();
            }
            found = true;
        }
        if self.behaviour != Behaviour::Kong {
            self.headers.retain(|header| !header.hidden);
        }
        if !found {
            self.add(name, value);
        }
    }

    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        self.headers.push(Header { name: name.to_vec(), value: value.to_vec(), hidden: false });
    }
}

fn is(header: &Header, name: &[u8]) -> bool {
    !header.hidden && header.name.eq_ignore_ascii_case(name)
}

/// As nginx normalizes a path before it shows it: decoded, with `..` resolved.
fn decoded(path: &[u8]) -> Vec<u8> {
    let (path, query) = match path.iter().position(|byte| *byte == b'?') {
        Some(place) => path.split_at(place),
        None => (path, &b""[..]),
    };
    let text = String::from_utf8_lossy(path).replace("%2f", "/").replace("%2F", "/");
    let text = text.replace("%2e", ".").replace("%2E", ".");
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/').skip(1) {
        match part {
            ".." => {
                parts.pop();
            }
            "." => {}
            part => parts.push(part),
        }
    }
    [format!("/{}", parts.join("/")).as_bytes(), query].concat()
}
