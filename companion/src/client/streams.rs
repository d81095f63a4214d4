//! What `rescind streams` asks a running companion, and how it shows the answer.

use serde_json::{Value, json};

use super::Client;

impl Client {
    /// All streams.
    pub(crate) fn streams(&self, json: bool) -> Result<String, String> {
        let all = self.get("/v1/streams")?;
        let streams = all.get("streams").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(if json { Value::Array(streams).to_string() } else { table(&streams) })
    }

    /// One stream.
    pub(crate) fn stream(&self, transmitter: &str, json: bool) -> Result<String, String> {
        let stream = self.get(&format!("/v1/streams/{}", name(transmitter)?))?;
        Ok(if json { stream.to_string() } else { table(&[stream]) })
    }

    /// Does `verb` with a stream.
    pub(crate) fn stream_command(
        &self,
        transmitter: &str,
        verb: &str,
        subject: Option<&str>,
        json: bool,
    ) -> Result<String, String> {
        let subject: Value = match subject {
            None => json!({}),
            Some(text) => serde_json::from_str(text)
                .map_err(|error| format!("the subject is not JSON: {error}"))?,
        };
        let stream = self.post(&format!("/v1/streams/{}/{verb}", name(transmitter)?), &subject)?;
        Ok(if json { stream.to_string() } else { table(&[stream]) })
    }
}

fn name(transmitter: &str) -> Result<&str, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if transmitter.bytes().all(fits) {
        Ok(transmitter)
    } else {
        Err("name the transmitter as the configuration does".to_owned())
    }
}

fn table(streams: &[Value]) -> String {
    let text = |stream: &Value, member: &str| {
        stream.get(member).and_then(Value::as_str).unwrap_or("-").to_owned()
    };
    let mut out = format!(
        "{:<24} {:<9} {:>14}  {:<26} {}\n",
        "TRANSMITTER", "STATUS", "VERIFIED", "GAP", "STREAM"
    );
    for stream in streams {
        let managed = stream.get("managed") == Some(&json!(true));
        let deleted = stream.get("deleted") == Some(&json!(true));
        let status = match (managed, deleted) {
            (false, _) => "unmanaged".to_owned(),
            (true, true) => "deleted".to_owned(),
            (true, false) => text(stream, "status"),
        };
        let verified = stream.get("verified_secs_ago").and_then(Value::as_f64);
        let verified = verified.map_or_else(|| "never".to_owned(), |s| format!("{s:.0} s ago"));
        let verified = if managed { verified } else { "-".to_owned() };
        let gap = stream.get("gap").filter(|gap| gap.is_object()).map(|gap| {
            let since = gap.get("since").and_then(Value::as_u64).unwrap_or_default();
            format!("{} since {since}", text(gap, "cause"))
        });
        let gap = gap.unwrap_or_else(|| "none".to_owned());
        let (transmitter, id) = (text(stream, "transmitter"), text(stream, "stream_id"));
        out.push_str(&format!("{transmitter:<24} {status:<9} {verified:>14}  {gap:<26} {id}\n"));
        if let Some(error) = stream.get("last_error").and_then(|e| e.get("error")?.as_str()) {
            out.push_str(&format!("  last error: {error}\n"));
        }
    }
    out
}
