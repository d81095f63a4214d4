//! Through a running companion, which checks the lines: they are sent as they are, a part at a time,
//! each part with the line that names the columns where there is one.
//!
//! The next part is sent after the last one was durable and the gateways could hear of it. A part that
//! got no answer may have been taken: sending it again changes nothing.

use serde_json::Value;

use super::{
    Done, Format, ImportError, MAX_LINE_BYTES, MAX_PART_BYTES, MAX_PART_LINES, Options, Work,
};
use crate::client::Client;

/// Imports through `client`.
pub(super) fn import(
    options: &Options,
    client: &Client,
    work: &mut Work<'_>,
) -> Result<Done, ImportError> {
    let mut part = Part::default();
    let mut done = Done::default();
    while let Some((raw, text)) = work.lines.next()? {
        let number = work.lines.number();
        let line = match text {
            Ok(line) => line,
            Err(cause) if options.keep_going => {
                work.leave_out(number, &raw, &cause)?;
                continue;
            }
            Err(wrong) => {
                part.send(options, client, work, &mut done)?;
                return Err(ImportError::Line { line: number, wrong, done });
            }
        };
        if line.trim().is_empty() {
            continue;
        }
        let format = *work.format.get_or_insert_with(|| Format::of_line(line.trim()));
        if format == Format::Csv && part.header.is_none() {
            part.header = Some((number, line));
            work.reject(&raw)?;
            continue;
        }
        if !part.has_room_for(&line) {
            part.send(options, client, work, &mut done)?;
        }
        part.push(number, line);
    }
    part.send(options, client, work, &mut done)?;
    work.end(done)
}

/// Lines with their numbers in the file.
#[derive(Default)]
struct Part {
    header: Option<(u64, String)>,
    /// The header was found good.
    known: bool,
    lines: Vec<(u64, String)>,
    /// Of the lines.
    bytes: usize,
}

impl Part {
    /// Also for a header of any length.
    fn has_room_for(&self, line: &str) -> bool {
        let header = usize::try_from(MAX_LINE_BYTES).unwrap_or(MAX_PART_BYTES);
        let room = MAX_PART_BYTES.saturating_sub(header).saturating_sub(self.bytes);
        self.lines.len().saturating_add(1) < MAX_PART_LINES && Self::bytes_of(line) <= room
    }

    fn push(&mut self, number: u64, line: String) {
        self.bytes = self.bytes.saturating_add(Self::bytes_of(&line));
        self.lines.push((number, line));
    }

    /// With its end.
    const fn bytes_of(line: &str) -> usize {
        line.len().saturating_add(1)
    }

    fn send(
        &mut self,
        options: &Options,
        client: &Client,
        work: &mut Work<'_>,
        done: &mut Done,
    ) -> Result<(), ImportError> {
        if self.lines.is_empty() && (self.known || self.header.is_none()) {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.lines);
        self.bytes = 0;
        let sent: Vec<_> = self.header.iter().chain(&lines).collect();
        let body: String = sent.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect();
        let mut path = format!("/v1/import?keep_going={}", options.keep_going);
        if let Some(format) = work.format {
            path.push_str(&format!("&format={}", format.name()));
        }
        if let Some(at) = options.at {
            path.push_str(&format!("&at={}", at.secs()));
        }
        let answer = client.post_lines(&path, body);
        let answer = answer.map_err(|reason| ImportError::Companion { reason, done: *done })?;
        let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        done.new = done.new.saturating_add(number("new"));
        done.known = done.known.saturating_add(number("known"));
        let wrong = answer.get("wrong").and_then(Value::as_array);
        for wrong in wrong.into_iter().flatten() {
            let at = wrong.get("line").and_then(Value::as_u64).unwrap_or_default();
            let at = usize::try_from(at).unwrap_or_default().saturating_sub(1);
            let cause = wrong.get("wrong").and_then(Value::as_str).unwrap_or("it is wrong");
            let (line, text) = sent.get(at).map_or((0, ""), |(line, text)| (*line, text.as_str()));
            let is_header = self.header.as_ref().is_some_and(|(header, _)| *header == line);
            if !options.keep_going || is_header {
                let wrong = cause.to_owned();
                return Err(ImportError::Line { line, wrong, done: *done });
            }
            work.leave_out(line, text.as_bytes(), cause)?;
        }
        self.known = true;
        work.progress.tell(&work.lines);
        Ok(())
    }
}
