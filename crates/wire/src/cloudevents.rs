//! The Kafka headers of an event: CloudEvents in binary mode, and the trace it belongs to.

use postrider_domain::{Notification, RecordHeader, Timestamp};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The headers that an event's record carries. `ce_time` is left out for a time that RFC 3339 cannot say (a year
/// beyond 9999), `traceparent` where there is none; it is taken as it is.
#[must_use]
pub fn event_headers(event: &Notification, traceparent: Option<&str>) -> Vec<RecordHeader> {
    let time = rfc3339(event.occurred_at);
    [
        ("ce_specversion", Some("1.0")),
        ("ce_id", Some(event.event_key.as_str())),
        ("ce_source", Some(event.source.as_str())),
        ("ce_type", Some(event.event_type.as_str())),
        ("ce_time", time.as_deref()),
        ("content-type", Some("application/avro")),
        ("traceparent", traceparent),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(RecordHeader { name: name.to_owned(), value: Some(value?.as_bytes().to_vec()) }))
    .collect()
}

fn rfc3339(timestamp: Timestamp) -> Option<String> {
    let nanoseconds = i128::from(timestamp.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_itself_in_its_headers() {
        let mut event = Notification {
            source: "shop".to_owned(),
            event_key: "order-1017-shipped".to_owned(),
            event_type: "order.shipped".to_owned(),
            occurred_at: Timestamp(1_700_000_000_000),
            not_before: None,
            expires_at: None,
            template: None,
            email: None,
            slack: None,
            metadata: [].into(),
        };
        let headers = |event: &Notification, traceparent| -> Vec<String> {
            let said = |header: RecordHeader| String::from_utf8(header.value.unwrap()).unwrap();
            event_headers(event, traceparent).into_iter().map(|h| format!("{}={}", h.name.clone(), said(h))).collect()
        };
        let expected = [
            "ce_specversion=1.0",
            "ce_id=order-1017-shipped",
            "ce_source=shop",
            "ce_type=order.shipped",
            "ce_time=2023-11-14T22:13:20Z",
            "content-type=application/avro",
            "traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ];
        let trace_parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(headers(&event, Some(trace_parent)), expected);
        event.occurred_at = Timestamp(i64::MAX);
        let without: Vec<_> = [&expected[..4], &expected[5..6]].concat();
        assert_eq!(headers(&event, None), without);
    }

    #[test]
    fn times_are_said_in_utc_and_left_out_where_they_cannot_be() {
        assert_eq!(rfc3339(Timestamp(1_700_000_000_123)).as_deref(), Some("2023-11-14T22:13:20.123Z"));
        assert_eq!(rfc3339(Timestamp(0)).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(rfc3339(Timestamp(i64::MAX)), None);
        assert_eq!(rfc3339(Timestamp(i64::MIN)), None);
    }
}
