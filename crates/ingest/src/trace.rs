//! The W3C trace context of a request: taken from its `traceparent`, or begun here.

use axum::http::HeaderMap;
use uuid::Uuid;

/// A valid `traceparent`, version 00: `00-<trace id>-<parent id>-<flags>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace(String);

impl Trace {
    /// The request's trace. A `traceparent` that is missing, given twice or not valid is replaced by a new one,
    /// as the W3C recommendation asks.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all("traceparent").iter();
        let given = values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok());
        given.filter(|text| is_valid(text)).map_or_else(Self::begin, |text| Self(text.to_owned()))
    }

    /// A new trace, not sampled.
    fn begin() -> Self {
        let trace = Uuid::new_v4();
        // The only span so far is told apart from later ones by any number but 0: half of the trace id, random but for
        // two bits of which one is set, spares the system a second call for randomness.
        Self(format!("00-{}-{:016x}-00", trace.simple(), trace.as_u64_pair().1))
    }

    /// The trace id: 32 hexadecimal digits.
    pub(crate) fn id(&self) -> &str {
        &self.0[3..35]
    }

    /// The whole `traceparent`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    bytes.len() == 55
        && text.starts_with("00-")
        && bytes[35] == b'-'
        && bytes[52] == b'-'
        && is_hex(&bytes[3..35])
        && !is_zero(&bytes[3..35])
        && is_hex(&bytes[36..52])
        && !is_zero(&bytes[36..52])
        && is_hex(&bytes[53..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[track_caller]
    fn check(values: &[&'static str], kept: bool) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", value.parse().unwrap());
        }
        let trace = Trace::of(&headers);
        assert!(is_valid(trace.as_str()), "{trace:?}");
        assert_eq!(trace.as_str() == GOOD, kept, "{values:?}");
    }

    #[test]
    fn a_valid_trace_is_kept_and_anything_else_replaced() {
        check(&[GOOD], true);
        check(&[], false);
        check(&[GOOD, GOOD], false);
        check(&["00-00000000000000000000000000000000-00f067aa0ba902b7-01"], false);
        check(&["00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"], false);
        check(&["00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"], false);
        check(&["01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"], false);
        check(&["00-4bf92f35"], false);
    }

    #[test]
    fn two_new_traces_differ() {
        assert_ne!(Trace::begin().id(), Trace::begin().id());
    }
}
