//! Times as people and other systems write them: seconds since 1970, or RFC 3339.

use rescind_core::time::UnixTime;

/// Every date in milliseconds since 1973 is greater, none in seconds is before the year 5138.
const FIRST_MILLISECONDS: u64 = 100_000_000_000;

/// Reads `text`, or says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<UnixTime, String> {
    let secs = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        rfc3339(text)
    };
    match secs {
        Some(secs) if secs >= FIRST_MILLISECONDS => {
            Err(format!("the time {secs} looks like milliseconds; it must be in seconds"))
        }
        Some(secs) => Ok(UnixTime::from_secs(secs)),
        None => {
            let shown = super::excerpt(text);
            Err(format!("`{shown}` is neither seconds since 1970 nor a time as in RFC 3339"))
        }
    }
}

/// RFC 3339 §5.6. A fraction is cut off, a leap second counts as the one after it.
fn rfc3339(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
    let shaped = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let mut rest = text.get(19..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
    }
    let offset = match rest {
        "Z" | "z" => 0,
        _ => {
            let sign = if rest.starts_with('-') { -1_i64 } else { 1 };
            let digits = rest.strip_prefix(['+', '-'])?;
            let (hours, minutes) = digits.split_once(':')?;
            if hours.len() != 2 || minutes.len() != 2 {
                return None;
            }
            let minutes: i64 = minutes.parse().ok().filter(|minutes| (0..60).contains(minutes))?;
            let hours: i64 = hours.parse().ok().filter(|hours| (0..24).contains(hours))?;
            sign.checked_mul(hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?)?
        }
    };
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !(shaped && in_range) {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    let secs = days.checked_mul(86_400)?.checked_add(hour.checked_mul(3600)?)?;
    let secs = secs.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    u64::try_from(secs.checked_sub(offset)?).ok()
}

fn days_in(year: i64, month: i64) -> i64 {
    let divides = |by: i64| year.checked_rem(by) == Some(0);
    match month {
        2 if divides(4) && (!divides(100) || divides(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, by counting whole years of 365 days and the leap days between.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let before = year.checked_sub(1)?;
    let leap_days = |year: i64| {
        let times = |by: i64| year.checked_div(by);
        times(4)?.checked_sub(times(100)?)?.checked_add(times(400)?)
    };
    let years = year.checked_sub(1970)?.checked_mul(365)?;
    let leaps = leap_days(before)?.checked_sub(leap_days(1969)?)?;
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    years.checked_add(leaps)?.checked_add(months)?.checked_add(day)?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_rfc_3339_are_times_and_nothing_else_is() {
        for (text, secs) in [
            ("0", 0),
            ("1700000000", 1_700_000_000),
            ("1970-01-01T00:00:00Z", 0),
            ("2023-11-14T22:13:20Z", 1_700_000_000),
            ("2023-11-14t22:13:20.999z", 1_700_000_000),
            ("2023-11-14 23:13:20+01:00", 1_700_000_000),
            ("2023-11-14T16:43:20-05:30", 1_700_000_000),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2024-12-31T23:59:60Z", 1_735_689_600),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(parse(text), Ok(UnixTime::from_secs(secs)), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "-1",
            "1.5",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2023-11-14T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "2023-11-14T22:13:20+1:00",
            "2023-11-14T22:13:20+01:99",
            "2023-11-14T22:13:20.Zulu",
            "1700000000000",
            "99999999999999999999",
            "2023/11/14T22:13:20Z",
            "２０２３-11-14T22:13:20Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
