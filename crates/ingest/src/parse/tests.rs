use postrider_domain::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    json::{Unreadable, VALUES_MAX},
    *,
};

const NOW: Timestamp = Timestamp(1_780_000_000_000); // 2026-05-28T20:26:40Z

fn rules() -> Rules {
    Rules {
        not_before_max: Duration::from_secs(6 * 24 * 3600),
        channels: BTreeSet::from(ChannelName::ALL),
        slack_destinations: BTreeSet::from([DestinationName::new("ops")]),
    }
}

fn parse_with(body: &Value, header_key: Option<&str>, rules: &Rules) -> Result<Notification, Invalid> {
    let text = body.to_string();
    notification(Document::read(text.as_bytes()).unwrap(), Given { source: "shop", header_key, now: NOW }, rules)
}

fn valid() -> Value {
    json!({"event_key": "order-1", "type": "order.shipped",
           "email": {"to": [{"address": "ada@example.com"}], "text": "Hello"}})
}

/// Sets the value at a pointer whose parent is there.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = valid();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

fn pointers(body: &Value, header_key: Option<&str>, rules: &Rules) -> Vec<String> {
    parse_with(body, header_key, rules)
        .err()
        .map_or_else(Vec::new, |invalid| invalid.problems.into_iter().map(|problem| problem.pointer).collect())
}

#[track_caller]
fn check(body: &Value, expected: &[&str]) {
    let mut found = pointers(body, None, &rules());
    found.sort();
    assert_eq!(found, expected, "{body}");
}

/// An event that has every field.
fn full() -> Value {
    json!({
        "event_key": "order-1", "type": "order.shipped", "occurred_at": "2026-05-28T20:00:00.123456+02:00",
        "not_before": "2026-05-29T00:00:00Z", "expires_at": "2026-05-30T00:00:00Z", "metadata": {"order": "1"},
        "email": {
            "from": {"address": "shop@example.com", "name": "Shop"}, "reply_to": [{"address": "r@example.com"}],
            "to": [{"address": "ada@example.com", "name": null}], "cc": [{"address": "c@example.com"}],
            "bcc": [{"address": "b@example.com"}], "subject": "Hi", "text": "t", "html": "<p>h</p>",
            "alternatives": [{"content_type": "text/calendar", "content": "QkVHSU4="}], "headers": {"X-Order": "1"},
            "attachments": [{"filename": "a.png", "content_type": "image/png", "content": "AAE=", "content_id": "logo"}],
        },
        "slack": {"to": ["ops"], "text": "s", "blocks": [{"type": "divider", "n": 1.5}], "thread_ts": "1503435956.000247"},
    })
}

#[test]
fn every_field_arrives_where_it_belongs() {
    let body = full();
    let event = parse_with(&body, None, &rules()).unwrap();
    assert_eq!((event.source.as_str(), event.event_key.as_str()), ("shop", "order-1"));
    assert_eq!(event.occurred_at, Timestamp(1_779_991_200_123));
    assert_eq!(event.not_before, Some(Timestamp(1_780_012_800_000)));
    assert_eq!(event.expires_at, Some(Timestamp(1_780_099_200_000)));
    assert_eq!(event.metadata["order"], "1");
    let email = event.email.unwrap();
    assert_eq!(email.from.unwrap().name.as_deref(), Some("Shop"));
    assert_eq!(email.to[0].name, None);
    assert_eq!((email.cc.len(), email.bcc.len(), email.reply_to.len()), (1, 1, 1));
    assert_eq!(email.alternatives[0].content, b"BEGIN");
    assert_eq!(
        (email.attachments[0].content.as_slice(), email.attachments[0].content_id.as_deref()),
        (&[0, 1][..], Some("logo"))
    );
    assert_eq!(email.headers["X-Order"], "1");
    let slack = event.slack.unwrap();
    assert_eq!(slack.blocks.as_deref(), Some(r#"[{"n":1.5,"type":"divider"}]"#));
    assert_eq!(slack.thread_ts.as_deref(), Some("1503435956.000247"));
}

#[test]
fn what_is_left_out_has_its_default() {
    let event = parse_with(&json!({"type": "t", "slack": {"to": ["ops"], "text": "x"}}), None, &rules()).unwrap();
    assert_eq!(event.occurred_at, NOW);
    assert_eq!(event.event_key.len(), 36, "a UUID");
    assert_eq!((event.email, event.not_before), (None, None));
}

#[test]
fn every_problem_comes_out_at_once() {
    let body = json!({
        "source": "me", "template": {"name": "x"}, "colour": 1, "event_key": "a\nb", "occurred_at": "yesterday",
        "not_before": 5, "metadata": {"a/b": 1},
        "email": {"to": [{"address": "ada@example.com", "x": 1}, "bob", {"name": "Eve"}, {"address": "no"}],
                  "subject": "a\r\nBcc: x@example.com", "text": ["no"], "headers": {"Bcc": "eve@example.com"},
                  "attachments": [{"filename": "f", "content_type": "text/plain", "content": "?"}]},
        "slack": {"to": ["ops", "nowhere"], "blocks": {}},
    });
    check(
        &body,
        &[
            "/colour",
            "/email/attachments/0/content",
            "/email/headers/Bcc",
            "/email/subject",
            "/email/text",
            "/email/to/0/x",
            "/email/to/1",
            "/email/to/2/address",
            "/email/to/3/address",
            "/event_key",
            "/metadata/a~1b",
            "/not_before",
            "/occurred_at",
            "/slack/blocks",
            "/slack/to/1",
            "/source",
            "/template",
            "/type",
        ],
    );
}

#[test]
fn each_rule_has_its_place() {
    check(&valid(), &[]);
    check(&json!([]), &[""]);
    check(&json!({"type": "t"}), &[""]);
    check(&with("/type", json!("")), &["/type"]);
    check(&with("/type", json!("a\u{0}")), &["/type"]);
    check(&with("/type", json!("x".repeat(256))), &["/type"]);
    check(&with("/event_key", json!("x".repeat(256))), &["/event_key"]);
    check(&with("/event_key", json!("x".repeat(255))), &[]);
    check(&with("/event_key", json!(7)), &["/event_key"]);
    check(&with("/not_before", json!("2026-06-03T20:26:40Z")), &[]);
    check(&with("/not_before", json!("2026-06-03T20:26:41Z")), &["/not_before"]);
    check(&with("/not_before", json!("2026-05-29")), &["/not_before"]);
    // Late is not wrong: the lane settles it as `expired`, where an operator sees it.
    check(&with("/expires_at", json!("2020-01-01T00:00:00Z")), &[]);
    check(&with("/email", json!("x")), &["/email"]);
    check(&with("/email/to", json!([])), &["/email/to"]);
    check(&with("/email/to", json!("ada@example.com")), &["/email/to"]);
    check(&with("/email/text", json!(null)), &["/email/text"]);
    check(&with("/slack", json!({"text": "x"})), &["/slack/to"]);
    check(&with("/slack", json!({"to": ["ops"], "blocks": vec![json!({}); 51]})), &["/slack/blocks"]);
    check(&with("/slack", json!({"to": ["ops"], "blocks": [1]})), &["/slack/blocks/0"]);
    let mut contradiction = with("/not_before", json!("2026-05-30T00:00:00Z"));
    contradiction["expires_at"] = json!("2026-05-30T00:00:00Z");
    check(&contradiction, &["/expires_at"]);
}

/// The pointers of every text in an event.
fn texts(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(pointer.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| texts(item, &format!("{pointer}/{n}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, item)| texts(item, &format!("{pointer}/{name}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whatever is not the message itself ends in a header or in a log: a line break there would let upstream's users write
/// headers of their own.
#[test]
fn no_control_character_passes_outside_of_the_message_itself() {
    let body = full();
    let mut found = Vec::new();
    texts(&body, "", &mut found);
    let is_message = |pointer: &String| {
        ["/email/text", "/email/html", "/slack/text"].contains(&pointer.as_str())
            || ["/slack/blocks/", "/metadata/"].iter().any(|part| pointer.starts_with(part))
    };
    let (message, bound): (Vec<_>, Vec<_>) = found.into_iter().partition(is_message);
    assert_eq!((message.len(), bound.len()), (5, 21), "{message:?} {bound:?}");
    for pointer in bound {
        for control in ["\r\nBcc: eve@example.com", "\r", "\n", "\0", "\t", "\u{1b}[2J", "\u{7f}", "\u{85}"] {
            for front in [true, false] {
                let mut bad = body.clone();
                let text = bad.pointer_mut(&pointer).unwrap();
                let was = text.as_str().unwrap();
                *text = Value::from(if front { format!("{control}{was}") } else { format!("{was}{control}") });
                let problems = pointers(&bad, None, &rules());
                assert!(problems.contains(&pointer), "{control:?} in {pointer}: {problems:?}");
            }
        }
    }
}

#[test]
fn a_part_that_no_lane_reads_is_refused() {
    let email_only = Rules { channels: BTreeSet::from([ChannelName::Email]), ..rules() };
    let body = with("/slack", json!({"to": ["ops"], "text": "x"}));
    assert_eq!(pointers(&body, None, &email_only), ["/slack"]);
    assert_eq!(pointers(&body, None, &rules()), [""; 0]);
}

#[test]
fn the_header_key_counts_where_the_body_has_none() {
    let mut body = valid();
    assert_eq!(parse_with(&body, Some("order-1"), &rules()).unwrap().event_key, "order-1");
    assert_eq!(pointers(&body, Some("order-2"), &rules()), ["/event_key"]);
    body.as_object_mut().unwrap().remove("event_key");
    assert_eq!(parse_with(&body, Some("order-2"), &rules()).unwrap().event_key, "order-2");
    assert_eq!(pointers(&body, Some(""), &rules()), ["/event_key"]);
    body["type"] = json!(1);
    assert_eq!(parse_with(&body, Some("order-2"), &rules()).unwrap_err().event_key.as_deref(), Some("order-2"));
}

#[test]
fn a_flood_of_problems_is_cut_and_counted() {
    let mut body = valid();
    for index in 0..150 {
        body[format!("field{index}")] = json!(1);
    }
    let problems = parse_with(&body, None, &rules()).unwrap_err().problems;
    assert_eq!(problems.len(), problems::PROBLEMS_MAX + 1);
    assert_eq!(problems.last().unwrap().detail, "50 further problems are not listed");
}

#[test]
fn what_is_not_json_says_where() {
    for (body, place) in [
        (&b"{\"a\": }"[..], "line 1 column 7"),
        (b"", "line 1 column 0"),
        (b"{} {}", "trailing characters"),
        (b"\"\xff\"", "invalid unicode"),
        (&[b'['; 200], "recursion limit"),
    ] {
        let Err(Unreadable::NotJson(error)) = Document::read(body) else { panic!("{place}") };
        assert!(error.to_string().contains(place), "{error}");
    }
    let list = |values: usize| format!("[{}1]", "1,".repeat(values - 2)); // the list is a value, too
    assert!(Document::read(list(VALUES_MAX).as_bytes()).is_ok());
    let many = list(VALUES_MAX + 1);
    assert!(matches!(Document::read(many.as_bytes()), Err(Unreadable::TooManyValues)));
    let twice = |fields: usize| format!(r#"{{"a":1{}}}"#, r#","a":1"#.repeat(fields - 1)); // the object is one, too
    assert!(Document::read(twice(VALUES_MAX - 1).as_bytes()).is_ok());
    assert!(matches!(Document::read(twice(VALUES_MAX).as_bytes()), Err(Unreadable::TooManyValues)));
    let object = format!(r#"{{"a": {many}, "b": {{"c": 1}}, "d": [[[2]]]}}"#);
    assert!(matches!(Document::read(object.as_bytes()), Err(Unreadable::TooManyValues)), "the rest is read over");
    assert!(
        matches!(Document::read(object.replace("]]]", "]]").as_bytes()), Err(Unreadable::NotJson(_))),
        "and is looked at"
    );
}

/// The pointers and details of what is wrong with a body that `Value` could not hold.
fn problems_of(body: &str) -> Vec<(String, String)> {
    let document = Document::read(body.as_bytes()).unwrap();
    let given = Given { source: "shop", header_key: None, now: NOW };
    let problems = notification(document, given, &rules()).err().map_or_else(Vec::new, |invalid| invalid.problems);
    problems.into_iter().map(|problem| (problem.pointer, problem.detail)).collect()
}

#[test]
fn a_name_that_occurs_twice_is_told_by_name_beside_other_problems() {
    let body = r#"{"type": "a", "type": "b", "slack": {"to": ["ops"], "text": "x", "blocks": [{"a~/b": 1, "a~/b": {"c": 1}}]},
                   "email": {"to": [{"address": "ada"}], "text": "x", "text": "y"}}"#;
    let twice = "occurs twice in its object: leave one of the two out";
    let told: Vec<_> = problems_of(body).into_iter().filter(|(_, detail)| detail == twice).map(|told| told.0).collect();
    assert_eq!(told, ["/type", "/slack/blocks/0/a~0~1b", "/email/text"]);
    assert!(problems_of(body).iter().any(|(pointer, _)| pointer == "/email/to/0/address"), "{body}");
    let fields: String = (0..40).map(|i| format!("\"f{i}\": {{}}, ")).collect();
    for (last, expected) in [("f3", vec!["/f3"]), ("f39", vec!["/f39"]), ("f40", vec![])] {
        let body = format!("{{{fields}\"{last}\": 1}}");
        let problems = Document::read(body.as_bytes()).unwrap().problems.into_list();
        let told: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(told, expected);
    }
}

/// Slack would be sent another number than upstream wrote.
#[test]
fn a_number_that_would_change_is_refused_at_its_place() {
    let with_number = |number: &str| {
        format!(
            r#"{{"type": "t", "slack": {{"to": ["ops"], "blocks": [{{"type": "x"}}, {{"n": [true, {{"id": {number}}}]}}]}}}}"#
        )
    };
    for number in
        ["12345678901234567890123", "-12345678901234567890123", "18446744073709551616", "-9223372036854775809"]
    {
        let [(pointer, detail)] = problems_of(&with_number(number)).try_into().unwrap();
        assert_eq!(pointer, "/slack/blocks/1/n/1/id", "{number}");
        assert!(detail.contains("write it as a string"), "{detail}");
    }
    for number in ["18446744073709551615", "-9223372036854775808", "1.5", "0", "1e3"] {
        assert_eq!(problems_of(&with_number(number)), [], "{number}");
    }
    // The shortest digits of a floating-point number are read as that number, and written as they were.
    let exact = "394301.33835633675";
    let document = Document::read(exact.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&document.json).unwrap(), exact);
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = proptest::sample::select(vec![
        "event_key",
        "type",
        "email",
        "slack",
        "to",
        "address",
        "name",
        "subject",
        "attachments",
        "content",
        "headers",
        "blocks",
        "not_before",
        "metadata",
        "source",
        "a~/b",
        "ä",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("ada@example.com")),
        Just(json!("2026-05-29T00:00:00Z")),
        Just(json!("-262143-01-01T00:00:00Z")),
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map(names.clone(), inner, 0..8)
                .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    /// Whatever JSON comes: an event that keeps the rules, or at least one problem whose pointer is in the body's shape.
    #[test]
    fn arbitrary_json_ends_in_an_event_or_in_problems(body in any_json(), key in proptest::option::of(any::<String>())) {
        match parse_with(&body, key.as_deref(), &rules()) {
            Ok(event) => {
                prop_assert!(name_problem(&event.event_key).is_none() && name_problem(&event.event_type).is_none());
                prop_assert!(event.email.iter().flat_map(check_email).next().is_none());
            }
            Err(invalid) => {
                prop_assert!(!invalid.problems.is_empty());
                prop_assert!(invalid.problems.iter().all(|p| p.pointer.is_empty() || p.pointer.starts_with('/')));
            }
        }
    }

    /// Bytes that are no JSON are refused, never a panic.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(document) = Document::read(&bytes) {
            notification(document, Given { source: "shop", header_key: None, now: NOW }, &rules()).ok();
        }
    }
}

/// A problem of another field hides nothing.
#[test]
fn a_missing_audience_is_told_beside_other_problems() {
    check(&json!({}), &["", "/type"]);
    check(&json!({"type": "t", "extra": 1}), &["", "/extra"]);
    check(&json!({"type": "t", "email": []}), &["/email"]);
    check(&json!([]), &[""]);
}

#[test]
fn a_slack_message_of_nothing_is_refused() {
    check(&json!({"type": "t", "slack": {"to": ["ops"], "blocks": []}}), &["/slack/blocks"]);
    check(&json!({"type": "t", "slack": {"to": ["ops"], "text": "x", "blocks": []}}), &[]);
}

/// What is told is also logged: a key of megabytes is neither.
#[test]
fn a_key_that_cannot_be_one_is_not_repeated() {
    for key in ["k".repeat(256), "a\nb".to_owned(), String::new()] {
        let invalid = parse_with(&with("/event_key", json!(key)), None, &rules()).unwrap_err();
        assert_eq!(invalid.event_key, None, "{key:?}");
    }
    let invalid = parse_with(&with("/extra", json!(1)), None, &rules()).unwrap_err();
    assert_eq!(invalid.event_key.as_deref(), Some("order-1"));
}
