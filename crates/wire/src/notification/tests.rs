use apache_avro::{Schema, types::Value, writer::datum::GenericDatumWriter};
use postrider_domain::{DeadReason, Timestamp};

use super::*;
use crate::{
    contract::{Contract, Released},
    frame::HEADER_VALUE_SCHEMA_ID,
    schemas::{NOTIFICATION, NOTIFICATION_RELEASED},
    table::UnknownVersion,
};

/// Made for the test: what an event's first schema might have been. No optional parts yet, and a field that was
/// dropped since.
const OLDER: Released = Released {
    version: 1,
    json: r#"{"type": "record", "name": "Notification", "namespace": "postrider.v1", "fields": [
        {"name": "source", "type": "string"},
        {"name": "tenant", "type": "string", "default": ""},
        {"name": "event_key", "type": "string"},
        {"name": "type", "type": "string"},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "expires_at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": null},
        {"name": "slack", "type": ["null", {"type": "record", "name": "Slack", "fields": [
            {"name": "to", "type": {"type": "array", "items": "string"}}]}], "default": null}
    ]}"#,
    fingerprint: *b"olderone",
    fingerprint_unreduced: *b"olderTWO",
};

static HISTORY: &[Released] = &[OLDER, Released { version: 2, ..NOTIFICATION_RELEASED[0] }];

fn event() -> Notification {
    Notification {
        source: "shop".to_owned(),
        event_key: "order-1017-shipped".to_owned(),
        event_type: "order.shipped".to_owned(),
        occurred_at: Timestamp(1_700_000_000_123),
        not_before: None,
        expires_at: None,
        template: None,
        email: None,
        slack: None,
        metadata: [("a".to_owned(), "b".to_owned())].into(),
    }
}

fn datum_of(value: &[u8]) -> &[u8] {
    &value[10..]
}

#[test]
fn an_older_writers_event_is_read_as_the_newest() {
    let contract: &'static Contract = Box::leak(Box::new(Contract::new("postrider.v1.Notification", HISTORY)));
    let schema = Schema::parse_str(OLDER.json).unwrap();
    let slack = Value::Record(vec![("to".to_owned(), Value::Array(vec![Value::String("ops".to_owned())]))]);
    let older = Value::Record(vec![
        ("source".to_owned(), Value::String("shop".to_owned())),
        ("tenant".to_owned(), Value::String("acme".to_owned())),
        ("event_key".to_owned(), Value::String("k".to_owned())),
        ("type".to_owned(), Value::String("t".to_owned())),
        ("occurred_at".to_owned(), Value::TimestampMillis(7)),
        ("expires_at".to_owned(), Value::Union(1, Box::new(Value::TimestampMillis(9)))),
        ("slack".to_owned(), Value::Union(1, Box::new(slack))),
    ]);
    let datum = GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(older).unwrap();
    let reader = NotificationReader::new(SchemaTable::of(contract), DecodeLimits::default());
    for fingerprint in [b"olderone", b"olderTWO"] {
        let value = [&b"\xC3\x01"[..], fingerprint, &datum].concat();
        let read = reader.decode(Some(&value), &[]).unwrap();
        assert_eq!((read.source.as_str(), read.event_key.as_str(), read.occurred_at), ("shop", "k", Timestamp(7)));
        assert_eq!(read.expires_at, Some(Timestamp(9)));
        assert_eq!(read.slack.unwrap().to, ["ops"]);
        assert_eq!((read.email, read.metadata.len()), (None, 0));
        // The walk along the writer's schema guards this way, too.
        let error = reader.decode(Some(&[&value[..], b"\0"].concat()), &[]).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed { version: 1, .. }), "{error:?}");
    }
}

#[test]
fn the_same_datum_is_read_behind_every_frame() {
    let event = event();
    let value = encode_notification(&event);
    let guid = *b"0123456789abcdef";
    let table = SchemaTable::default().with_confluent_id(258, 1).unwrap().with_confluent_guid(guid, 1).unwrap();
    let reader = NotificationReader::new(table, DecodeLimits::default());
    let header = |value: Vec<u8>| RecordHeader { name: HEADER_VALUE_SCHEMA_ID.to_owned(), value: Some(value) };
    let other_spelling = NOTIFICATION_RELEASED[0].fingerprint_unreduced;
    for (value, headers) in [
        (value.clone(), vec![]),
        ([&b"\xC3\x01"[..], &other_spelling, datum_of(&value)].concat(), vec![]),
        ([&[0, 0, 0, 1, 2], datum_of(&value)].concat(), vec![]),
        (datum_of(&value).to_vec(), vec![header([&[1][..], &guid].concat())]),
        (datum_of(&value).to_vec(), vec![header(vec![0, 0, 0, 1, 2])]),
    ] {
        assert_eq!(reader.decode(Some(&value), &headers).as_ref(), Ok(&event), "{value:x?}");
    }
}

#[test]
fn what_is_not_read_says_why_and_quotes_nothing() {
    let secret = Notification { event_key: "do-not-quote-me".to_owned(), ..event() };
    let value = encode_notification(&secret);
    let guid = RecordHeader { name: HEADER_VALUE_SCHEMA_ID.to_owned(), value: Some([[1; 17]].concat()) };
    let small = NotificationReader::new(SchemaTable::default(), DecodeLimits { value_max: value.len() - 1 });
    for (result, reason, word) in [
        (decode_notification(None, &[]), DeadReason::Unframed, "no value"),
        (decode_notification(Some(b""), &[]), DeadReason::Unframed, "none of the frames"),
        (decode_notification(Some(b"{\"event_key\": 1}"), &[]), DeadReason::Unframed, "C3 01"),
        (decode_notification(Some(b"\xC3\x01abcdefghi"), &[]), DeadReason::UnknownSchema, "6162636465666768"),
        (decode_notification(Some(b"\x00\0\0\0\x07i"), &[]), DeadReason::UnknownSchema, "schema id 7"),
        (decode_notification(Some(b"i"), &[guid]), DeadReason::UnknownSchema, "GUID 0101"),
        (decode_notification(Some(&value[..value.len() - 1]), &[]), DeadReason::Malformed, "version 1"),
        (decode_notification(Some(&[&value[..], &[0]].concat()), &[]), DeadReason::Malformed, "left over"),
        (small.decode(Some(&value), &[]), DeadReason::Malformed, "more than the"),
    ] {
        let error = result.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.dead_reason(), reason, "{text}");
        assert!(text.contains(word) && !text.contains("quote") && !text.contains("event_key"), "{text}");
    }
    assert_eq!(SchemaTable::default().with_confluent_id(1, 99).unwrap_err(), UnknownVersion(99));
}

/// A few bytes must not claim much memory: every length lies inside the value, and items are counted.
#[test]
fn small_values_cannot_claim_large_collections() {
    let mut event = event();
    event.slack = Some(postrider_domain::Slack { to: vec![String::new(); 65_530], ..Default::default() });
    assert_eq!(decode_notification(Some(&encode_notification(&event)), &[]), Ok(event.clone()));
    event.slack = Some(postrider_domain::Slack { to: vec![String::new(); 65_536], ..Default::default() });
    let error = decode_notification(Some(&encode_notification(&event)), &[]).unwrap_err();
    assert!(error.to_string().contains("more than 65536 items"), "{error}");

    let claim = [&b"\xC3\x01"[..], &NOTIFICATION_RELEASED[0].fingerprint, b"\xfe\xff\xff\xff\x0f"].concat();
    let error = decode_notification(Some(&claim), &[]).unwrap_err();
    assert!(error.to_string().contains("reaches past the end"), "{error}");
    assert!(NOTIFICATION.has_version(1));
}

/// Other languages write maps in blocks with a size, and may repeat a key: the last one counts.
#[test]
fn maps_may_come_in_sized_blocks_and_repeat_a_key() {
    let mut event = event();
    event.metadata.clear();
    let mut value = encode_notification(&event);
    assert_eq!(value.pop(), Some(0), "the empty metadata is the last thing in the datum");
    value.extend(b"\x03\x10\x02a\x02b\x02a\x02c\x02\x02d\x02e\x00");
    event.metadata = [("a".to_owned(), "c".to_owned()), ("d".to_owned(), "e".to_owned())].into();
    assert_eq!(decode_notification(Some(&value), &[]), Ok(event));
}
