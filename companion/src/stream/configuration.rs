//! A stream's configuration (SSF 1.0 §8.1.1): what is asked for, and what of the answer is used.
//!
//! `iss` of the answer must be the transmitter's and `aud` ours (§8.1.1.1.1), else the stream is not
//! used. What the transmitter supports beyond that is shown to the operator and decides nothing.

use std::time::Duration;

use rescind_core::json::{self, Limits, Object, Value};
use serde_json::{Map, json};

use super::{ApiError, Settings};
use crate::named::is_safe_from;

const PUSH: &str = "urn:ietf:rfc:8935";
const POLL: &str = "urn:ietf:rfc:8936";
/// What drafts of SSF and Google's RISC call the two.
const OLDER_PUSH: &str = "https://schemas.openid.net/secevent/risc/delivery-method/push";
const OLDER_POLL: &str = "https://schemas.openid.net/secevent/risc/delivery-method/poll";

/// The longest `stream_id`: it stands in URLs.
const MAX_ID_BYTES: usize = 512;

/// How this side wants to receive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// Pushed to this URL.
    Push {
        /// The URL of our endpoint, as the transmitter reaches it.
        url: String,
    },
    /// Fetched.
    Poll,
}

/// One stream, as the transmitter describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Configuration {
    /// `stream_id`
    pub(crate) id: String,
    /// `delivery.endpoint_url`
    pub(crate) endpoint: Option<String>,
    /// Whether it is polled.
    pub(crate) polled: bool,
    /// `events_requested`, as the transmitter remembers it.
    pub(crate) requested: Vec<String>,
    /// `events_delivered`
    pub(crate) delivered: Vec<String>,
    /// `description`
    pub(crate) description: Option<String>,
    /// `min_verification_interval`
    pub(crate) min_verification_interval: Duration,
    /// `inactivity_timeout`
    pub(crate) inactivity_timeout: Option<Duration>,
}

impl Configuration {
    /// Reads one configuration.
    pub(crate) fn read(body: &[u8], settings: &Settings) -> Result<Self, ApiError> {
        let value = parse(body)?;
        let members = value.as_object().ok_or_else(|| wrong("is no object"))?;
        Self::of(members, settings)
    }

    /// Reads a list of them, of which only those of this transmitter for this receiver count.
    pub(crate) fn read_list(body: &[u8], settings: &Settings) -> Result<Vec<Self>, ApiError> {
        let value = parse(body)?;
        // With one stream only some answer without the list.
        if let Some(members) = value.as_object() {
            return Ok(Self::of(members, settings).into_iter().collect());
        }
        let elements = value.as_array().ok_or_else(|| wrong("is no list"))?;
        let streams = elements.iter().filter_map(Value::as_object);
        Ok(streams.filter_map(|members| Self::of(members, settings).ok()).collect())
    }

    fn of(members: &Object<'_>, settings: &Settings) -> Result<Self, ApiError> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let id = text("stream_id").filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
        let id = id.ok_or_else(|| wrong("has no `stream_id`"))?;
        if text("iss") != Some(&settings.issuer) {
            return Err(ApiError::Foreign("the stream's `iss` is not the transmitter's"));
        }
        let ours = |value: &Value<'_>| {
            value.as_str().is_some_and(|text| settings.audiences.iter().any(|our| our == text))
        };
        let is_ours = match members.get("aud") {
            Some(Value::Array(values)) => values.iter().any(ours),
            Some(value) => ours(value),
            None => false,
        };
        if !is_ours {
            return Err(ApiError::Foreign("the stream's `aud` names none of `audiences`"));
        }
        let delivery = members.get("delivery").and_then(Value::as_object);
        let delivery = delivery.ok_or_else(|| wrong("has no `delivery`"))?;
        let of_delivery = |name: &str| delivery.get(name).and_then(Value::as_str);
        let polled = match of_delivery("method") {
            Some(POLL | OLDER_POLL) => true,
            Some(PUSH | OLDER_PUSH) => false,
            _ => return Err(wrong("has an unknown `delivery.method`")),
        };
        let endpoint = of_delivery("endpoint_url").or_else(|| of_delivery("url"));
        let source = &settings.metadata_url;
        if polled && !endpoint.is_some_and(|url| is_safe_from(url, source)) {
            let what = "has a `delivery.endpoint_url` that is not an https URL of a named host";
            return Err(wrong(what));
        }
        let seconds = |name: &str| members.get(name).and_then(Value::as_u64);
        Ok(Self {
            id: id.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            polled,
            requested: texts(members, "events_requested"),
            delivered: texts(members, "events_delivered"),
            description: text("description").map(str::to_owned),
            min_verification_interval: Duration::from_secs(
                seconds("min_verification_interval").unwrap_or(0),
            ),
            inactivity_timeout: seconds("inactivity_timeout").map(Duration::from_secs),
        })
    }

    /// Whether this is the stream that `settings` ask for, by whom it is delivered to.
    pub(crate) fn is_delivered_as(&self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Poll => self.polled,
            Wanted::Push { url } => !self.polled && self.endpoint.as_ref() == Some(url),
        }
    }

    /// Whether the transmitter remembers what is asked for; one that says nothing is believed.
    pub(crate) fn is_requested_as(&self, events: &[String]) -> bool {
        self.requested.is_empty()
            || (self.requested.len() == events.len()
                && events.iter().all(|event| self.requested.contains(event)))
    }
}

/// The body that creates a stream, or changes the one called `id`. `push_token` is what the
/// transmitter shall show.
pub(crate) fn request(
    settings: &Settings,
    id: Option<&str>,
    push_token: Option<&str>,
) -> serde_json::Value {
    let delivery = match &settings.wanted {
        Wanted::Poll => json!({ "method": POLL }),
        Wanted::Push { url } => {
            let mut delivery = Map::new();
            delivery.insert("method".to_owned(), json!(PUSH));
            delivery.insert("endpoint_url".to_owned(), json!(url));
            if let Some(token) = push_token {
                let header = json!(format!("Bearer {token}"));
                delivery.insert("authorization_header".to_owned(), header);
            }
            delivery.into()
        }
    };
    let mut body = Map::new();
    body.insert("delivery".to_owned(), delivery);
    body.insert("events_requested".to_owned(), json!(settings.events));
    body.insert("description".to_owned(), json!(settings.description));
    if let Some(id) = id {
        body.insert("stream_id".to_owned(), json!(id));
    }
    body.into()
}

fn parse(body: &[u8]) -> Result<Value<'_>, ApiError> {
    json::parse(body, &Limits::TOKEN).map_err(|error| wrong(&format!("is {error}")))
}

fn wrong(what: &str) -> ApiError {
    ApiError::Answer(format!("the stream's configuration {what}"))
}

fn texts(members: &Object<'_>, name: &str) -> Vec<String> {
    let elements = members.get(name).and_then(Value::as_array).unwrap_or_default();
    elements.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
