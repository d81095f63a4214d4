//! What the companion shows to a transmitter: a fixed bearer token, or one that it gets for itself
//! by OAuth 2.0 client credentials (RFC 6749 §4.4), as the interoperability profile asks.
//!
//! Tokens live in memory only, are renewed before they expire ([`oauth::Granted`]), and are dropped
//! when a transmitter answers 401: the call is then made once more with a new one. Secrets are read
//! from their files when they are needed, so a changed file needs no restart, and none stands in a
//! log line or an error.

use std::path::PathBuf;

use hyper::Method;
use rescind_core::time::UnixTime;
use tokio::sync::Mutex;

use crate::outbound::{Answer, Call, CallError, Content, Outbound};

pub(crate) mod oauth;

use oauth::{Client, Granted, OAuthError};

/// What is shown.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// The token in a file.
    Token(PathBuf),
    /// A token that an authorization server gives.
    OAuth(Box<Client>),
}

/// Why a call could not be authorized, or was not answered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PeerError {
    /// The call itself.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A file that cannot be read.
    #[error("cannot read `{}`: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The authorization server gives no token.
    #[error("no access token: {0}")]
    OAuth(#[from] OAuthError),
}

/// A transmitter, as this side calls it.
#[derive(Debug)]
pub(crate) struct Peer {
    http: Outbound,
    credential: Option<Credential>,
    granted: Mutex<Option<Granted>>,
}

impl Peer {
    /// Calls through `http` and shows `credential`, if there is one.
    pub(crate) fn new(http: Outbound, credential: Option<Credential>) -> Self {
        Self { http, credential, granted: Mutex::new(None) }
    }

    /// Makes `call`, and once more if the transmitter does not take the access token any more.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, PeerError> {
        let shown = self.header().await?;
        let renewable = matches!(self.credential, Some(Credential::OAuth(_)));
        if !renewable {
            return Ok(self.http.call(call, shown).await?);
        }
        let answer = self.http.call(call.clone(), shown.clone()).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        self.forget(shown.as_deref()).await;
        let again = self.header().await?;
        Ok(self.http.call(call, again).await?)
    }

    /// Makes `call` without showing anything: metadata is public.
    pub(crate) async fn call_openly(&self, call: Call) -> Result<Answer, PeerError> {
        Ok(self.http.call(call, None).await?)
    }

    async fn header(&self) -> Result<Option<String>, PeerError> {
        match &self.credential {
            None => Ok(None),
            Some(Credential::Token(path)) => Ok(Some(format!("Bearer {}", read(path)?.trim()))),
            Some(Credential::OAuth(client)) => {
                // Under the lock on purpose: whoever comes second wants the same token.
                let mut granted = self.granted.lock().await;
                let now = crate::clock::now();
                if let Some(granted) = granted.as_ref().filter(|granted| granted.is_good(now)) {
                    return Ok(Some(granted.header()));
                }
                let new = self.ask(client, now).await?;
                let header = new.header();
                *granted = Some(new);
                Ok(Some(header))
            }
        }
    }

    async fn ask(&self, client: &Client, now: UnixTime) -> Result<Granted, PeerError> {
        let key = read(client.secret_file())?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| OAuthError::Assertion(error.to_string()))?;
        let (form, authorization) = client.request(&key, nonce, now)?;
        let call = Call {
            method: Method::POST,
            url: client.token_url.clone(),
            content: Some(Content { media_type: oauth::FORM, text: form }),
            timeout: oauth::TIMEOUT,
            limit: oauth::MAX_ANSWER_BYTES,
        };
        let answer = self.http.call(call, authorization).await?;
        // Counted from before the question: the token is never thought younger than it is.
        Ok(oauth::granted(answer.status, &answer.body, now)?)
    }

    async fn forget(&self, header: Option<&str>) {
        let mut granted = self.granted.lock().await;
        if granted.as_ref().map(Granted::header).as_deref() == header {
            *granted = None;
        }
    }
}

fn read(path: &std::path::Path) -> Result<String, PeerError> {
    std::fs::read_to_string(path)
        .map_err(|error| PeerError::File { path: path.to_owned(), reason: error.to_string() })
}
