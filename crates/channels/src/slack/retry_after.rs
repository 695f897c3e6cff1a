//! The wait that a reply asks for.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::email::http_date;

/// Longer hints are cut: a slip of theirs must not silence a destination for a day.
const MAX: Duration = Duration::from_secs(3_600);

/// Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. Proxies write fractions of seconds, too; they are rounded up.
///
/// A date is taken as the time from the reply's own `Date`, so that neither clock need be right; without that header it is
/// ignored, as is one that is over, and everything that is neither.
pub(super) fn hint(headers: &HeaderMap) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER)?;
    let wait = seconds(text).or_else(|| {
        let date = http_date(text)?;
        let now = http_date(self::text(headers, DATE)?)?;
        date.duration_since(now).ok().filter(|wait| !wait.is_zero())
    })?;
    Some(wait.min(MAX))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A number that no integer holds is a long wait like any other.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let rest = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    Some(Duration::from_secs(whole.parse::<u64>().unwrap_or(u64::MAX).saturating_add(rest)))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(hint_text: &str, date: Option<&'static str>, expected_seconds: Option<u64>) {
        let mut headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(hint_text).unwrap())]);
        headers.extend(date.map(|date| (DATE, HeaderValue::from_static(date))));
        assert_eq!(hint(&headers), expected_seconds.map(Duration::from_secs), "{hint_text}");
    }

    #[test]
    fn every_form_is_read_and_none_is_longer_than_an_hour() {
        check("30", None, Some(30));
        check(" 30 ", None, Some(30));
        check("0", None, Some(0));
        check("1.5", None, Some(2));
        check("2.000", None, Some(2));
        check("0.001", None, Some(1));
        for long in ["3601", "18446744073709551615.9", "18446744073709551616", &"9".repeat(400)] {
            check(long, None, Some(3_600));
        }
        for other in ["", "-1", "1.", ".5", "1e3", "0x10", "soon", "1.5.5", "NaN"] {
            check(other, None, None);
        }
    }

    #[test]
    fn a_date_counts_from_the_replys_own() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        check("Sun, 06 Nov 1994 08:50:07 GMT", now, Some(30));
        check("Sunday, 06-Nov-94 08:50:07 GMT", now, Some(30));
        check("Sun Nov  6 08:50:07 1994", now, Some(30));
        check("Mon, 07 Nov 1994 08:49:37 GMT", now, Some(3_600));
        check("Sun, 06 Nov 1994 08:49:36 GMT", now, None);
        check("Sun, 06 Nov 1994 08:49:37 GMT", now, None);
        check("Sun, 06 Nov 1994 08:50:07 GMT", None, None);
        check("Sun, 06 Nov 1994 08:50:07 GMT", Some("today"), None);
        check("Sun, 36 Nov 1994 08:50:07 GMT", now, None);
    }
}
