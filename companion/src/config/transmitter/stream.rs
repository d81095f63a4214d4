//! `[transmitters.stream]`: how the stream with a transmitter is managed, if it is.

use std::time::Duration;

use rescind_core::event::{EventType, TABLE};
use rescind_core::set::Profile;

use super::url;
use crate::config::section::Section;
use crate::stream::configuration::Wanted;
use crate::stream::{Settings, metadata};

/// A stream is then silent for at most six minutes before that is known.
const DEFAULT_VERIFY_SECS: u32 = 300;
const MIN_VERIFY_SECS: u32 = 1;
const MAX_VERIFY_SECS: u32 = 86_400;

/// The transmitter's name, issuer, audiences and profile.
type Named<'a> = (Option<&'a str>, Option<&'a str>, &'a [String], Profile);

/// `Some(None)` if the stream is not managed, `None` after a complaint.
pub(super) fn stream(
    section: &mut Section<'_>,
    (name, issuer, audiences, profile): Named<'_>,
) -> Option<Option<Settings>> {
    let given = section.has("stream");
    let polled = section.is_text("delivery", "poll");
    if given && !polled && section.known_path("push_token_file").is_none() {
        let remedy = "name the file with the token: the transmitter has to be told what to show";
        section.problem("push_token_file", "is needed with `stream`", remedy);
    }
    let Some(mut section) = section.optional_section("stream") else {
        return if given { None } else { Some(None) };
    };
    let metadata_url = metadata_url(&mut section, issuer, profile);
    let wanted = if polled {
        Some(Wanted::Poll)
    } else {
        url(&mut section, "push_url").map(|url| Wanted::Push { url })
    };
    let events = events(&mut section);
    let remedy = "write by what our stream is known among others";
    let description = section.optional_text("description", remedy);
    let verify_every = section.integer(
        "verify_every_secs",
        MIN_VERIFY_SECS..=MAX_VERIFY_SECS,
        DEFAULT_VERIFY_SECS,
        "how often a verification is asked for",
    );
    section.finish();
    let name = name?;
    Some(Some(Settings {
        name: name.to_owned(),
        issuer: issuer?.to_owned(),
        audiences: audiences.to_vec(),
        metadata_url: metadata_url?,
        wanted: wanted?,
        events,
        description: description.unwrap_or_else(|| format!("rescind {name}")),
        verify_every: Duration::from_secs(u64::from(verify_every)),
    }))
}

fn metadata_url(
    section: &mut Section<'_>,
    issuer: Option<&str>,
    profile: Profile,
) -> Option<String> {
    if section.has("metadata_url") {
        return url(section, "metadata_url");
    }
    let remedy = "write the https URL of the transmitter's metadata";
    let _known = section.optional_text("metadata_url", remedy);
    let found = issuer.and_then(|issuer| metadata::url(issuer, profile));
    if found.is_none() && issuer.is_some() {
        section.problem("metadata_url", "is missing, and `issuer` is no https URL", remedy);
    }
    found
}

/// `events_requested`, by name; all of CAEP and RISC if absent.
fn events(section: &mut Section<'_>) -> Vec<String> {
    if !section.has("events") {
        let _known = section.optional_text("events", "");
        let asked = TABLE.iter().filter(|event| !event.spec.starts_with("SSF"));
        return asked.map(|event| event.uri.to_owned()).collect();
    }
    let remedy = "list names of event types, such as [\"session-revoked\"], or their URIs";
    let names = section.texts("events", remedy);
    let uris = names.iter().filter_map(|name| match EventType::from_name(name) {
        Some(event) => Some(event.uri.to_owned()),
        None if name.contains(':') => Some(name.clone()),
        None => {
            section.problem("events", format!("`{name}` is not known"), remedy);
            None
        }
    });
    uris.collect()
}
