//! HTTP calls that the companion makes: to transmitters and to their authorization servers.
//!
//! Only the address that the configuration or a transmitter's checked metadata names is called: no
//! redirect is followed, because a credential would go along with it. Every call has a time-out and
//! a longest answer.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, header};
use rescind_core::time::UnixTime;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Nearly everything is JSON; key sets and status lists also have media types of their own.
const ACCEPT: &str = "application/json, */*;q=0.5";

/// How long an idle connection may be used again. Servers and proxies close theirs after a minute.
const MAX_IDLE: Duration = Duration::from_secs(15);

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// What to do.
    pub(crate) method: Method,
    /// With what.
    pub(crate) url: String,
    /// Media type and text of the body.
    pub(crate) content: Option<Content>,
    /// For the whole of the call.
    pub(crate) timeout: Duration,
    /// The longest answer.
    pub(crate) limit: u64,
}

/// A body. What it holds is nobody's business: it may be a client's secret.
#[derive(Clone)]
pub(crate) struct Content {
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// Its text.
    pub(crate) text: String,
}

/// What came back, whatever its status.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// `Retry-After`, as a number of seconds or a date (RFC 9110 §10.2.3).
    pub(crate) retry_after: Option<String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum CallError {
    /// Not in time.
    #[error("no answer within {}s", _0.as_secs())]
    Timeout(Duration),
    /// Too much.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(u64),
    /// The network, TLS or HTTP.
    #[error("{0}")]
    Http(String),
}

/// Makes calls.
#[derive(Clone, Debug)]
pub(crate) struct Outbound(Arc<ureq::Agent>);

impl Outbound {
    /// Trusts the certificates of `roots`, or those of public authorities if there are none.
    pub(crate) fn new(roots: &[Certificate<'static>]) -> Self {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_age(MAX_IDLE)
            .user_agent("rescind");
        if !roots.is_empty() {
            let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(roots)).build();
            config = config.tls_config(tls);
        }
        Self(Arc::new(config.build().into()))
    }

    /// Makes `call`, with this value of `Authorization`. The text of an error names neither.
    pub(crate) async fn call(
        &self,
        call: Call,
        authorization: Option<String>,
    ) -> Result<Answer, CallError> {
        let agent = Arc::clone(&self.0);
        let blocking = move || perform(&agent, &call, authorization.as_deref());
        tokio::task::spawn_blocking(blocking)
            .await
            .unwrap_or_else(|_| Err(CallError::Http("the companion is going down".to_owned())))
    }
}

fn perform(
    agent: &ureq::Agent,
    call: &Call,
    authorization: Option<&str>,
) -> Result<Answer, CallError> {
    let other = |error: &dyn std::fmt::Display| CallError::Http(error.to_string());
    let explain = |error: ureq::Error| match error {
        ureq::Error::Timeout(_) => CallError::Timeout(call.timeout),
        ureq::Error::BodyExceedsLimit(_) => CallError::TooLarge(call.limit),
        error => other(&error),
    };
    let mut request = ureq::http::Request::builder()
        .method(call.method.clone())
        .uri(&call.url)
        .header(header::ACCEPT, ACCEPT);
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let mut response = match &call.content {
        Some(content) => {
            let request = request.header(header::CONTENT_TYPE, content.media_type);
            let request = request.header(header::CONTENT_LANGUAGE, "en");
            let request = request.body(content.text.as_str()).map_err(|error| other(&error))?;
            run(agent, request, call.timeout)
        }
        None => run(agent, request.body(()).map_err(|error| other(&error))?, call.timeout),
    }
    .map_err(explain)?;
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(call.limit).read_to_vec();
    Ok(Answer { status, retry_after, body: body.map_err(explain)? })
}

fn run<B: ureq::AsSendBody>(
    agent: &ureq::Agent,
    request: ureq::http::Request<B>,
    timeout: Duration,
) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    agent.run(agent.configure_request(request).timeout_global(Some(timeout)).build())
}

impl Answer {
    /// How long to wait, if the answer says so and it can be understood.
    pub(crate) fn retry_after(&self, now: UnixTime) -> Option<Duration> {
        let text = self.retry_after.as_deref()?.trim();
        if let Ok(seconds) = text.parse::<u32>() {
            return Some(Duration::from_secs(u64::from(seconds)));
        }
        Some(http_date(text)?.since(now))
    }
}

/// Reads the one form of dates that senders must use: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110
/// §5.6.7).
fn http_date(text: &str) -> Option<UnixTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.split_once(", ")?;
    let mut parts = date.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (time, zone) = (parts.next()?, parts.next()?);
    if zone != "GMT" || parts.next().is_some() {
        return None;
    }
    let number = |text: &str| text.parse::<u32>().ok().map(u64::from);
    let month = u64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    let (day, year) = (number(day)?, number(year)?);
    let mut time = time.split(':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let fits = (1970..=9999).contains(&year) && (1..=31).contains(&day);
    if !fits || hour > 23 || minute > 59 || second > 60 || time.next().is_some() {
        return None;
    }
    let days = days_before(year, month)?.checked_add(day.checked_sub(1)?)?;
    let minutes = days.checked_mul(24)?.checked_add(hour)?.checked_mul(60)?.checked_add(minute)?;
    Some(UnixTime::from_secs(minutes.checked_mul(60)?.checked_add(second)?))
}

/// Days from 1970-01-01 to the first of the month (counted from 0) of a year from 1970 on.
fn days_before(year: u64, month: u64) -> Option<u64> {
    const CUMULATED: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    // Leap days before the first of January of `year`; 1969 years had 477 before 1970.
    let past = year.checked_sub(1)?;
    let leap = (past.checked_div(4)?.checked_sub(past.checked_div(100)?)?)
        .checked_add(past.checked_div(400)?)?
        .checked_sub(477)?;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let own = u64::from(is_leap && month > 1);
    let in_year = CUMULATED.get(usize::try_from(month).ok()?)?;
    let years = year.checked_sub(1970)?.checked_mul(365)?;
    years.checked_add(leap)?.checked_add(*in_year)?.checked_add(own)
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({}, {} bytes)", self.media_type, self.text.len())
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now = UnixTime::from_secs(784_111_777);
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("-1", None),
            ("", None),
        ] {
            let retry_after = Some(text.to_owned());
            let answer = Answer { status: 429, retry_after, body: Vec::new() };
            assert_eq!(answer.retry_after(now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn dates_count_leap_days() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Tue, 24 Nov 2026 18:08:00 GMT", 1_795_543_680),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
        ] {
            assert_eq!(http_date(text), Some(UnixTime::from_secs(seconds)), "{text}");
        }
    }
}
