use apache_avro::{
    Schema,
    rabin::Rabin,
    schema_compatibility::{Compatibility, SchemaCompatibility},
};
use serde_json::Value;

use super::*;

const RECORDS: [(&str, &str, &[Released]); 3] = [
    ("notification", NOTIFICATION_SCHEMA, NOTIFICATION_RELEASED),
    ("ledger", LEDGER_SCHEMA, LEDGER_RELEASED),
    ("dead_letter", DEAD_LETTER_SCHEMA, DEAD_LETTER_RELEASED),
];

fn parse(json: &str) -> Schema {
    Schema::parse_str(json).unwrap()
}

fn fingerprint(schema: &Schema) -> Vec<u8> {
    schema.fingerprint::<Rabin>().bytes
}

/// The schema without `keys`, at any depth.
fn without(json: &str, keys: &[&str]) -> Value {
    fn strip(value: &mut Value, keys: &[&str]) {
        match value {
            Value::Object(map) => {
                // A record's field may be called like a key; only attributes of types and fields are dropped.
                map.retain(|key, _| !keys.contains(&key.as_str()));
                map.values_mut().for_each(|value| strip(value, keys));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| strip(item, keys)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut value = serde_json::from_str(json).unwrap();
    strip(&mut value, keys);
    value
}

/// A released schema is what others wrote and will read: neither spelling of its fingerprint may change.
#[test]
fn released_schemas_are_unchanged_in_meaning() {
    for (name, _, released) in RECORDS {
        for version in released {
            // Where no logical type stands, the library's canonical form is the specification's.
            let specification = parse(&without(version.json, &["logicalType"]).to_string());
            assert_eq!(
                [fingerprint(&specification), fingerprint(&parse(version.json))],
                [version.fingerprint, version.fingerprint_unreduced],
                "{name} {}",
                version.version
            );
        }
        assert!(released.iter().map(|released| released.version).eq(1..=u32::try_from(released.len()).unwrap()));
    }
}

#[test]
fn the_current_schema_is_the_newest_released_one() {
    for (name, current, released) in RECORDS {
        let newest = released.last().unwrap();
        assert_eq!(
            without(current, &["doc"]),
            without(newest.json, &["doc"]),
            "schemas/{name}.avsc changed: copy it to schemas/released/{name}/{}.avsc and enter it here",
            newest.version + 1
        );
    }
}

#[test]
fn every_version_reads_every_other() {
    for (name, current, released) in RECORDS {
        for version in released {
            let result = SchemaCompatibility::mutual_read(&parse(version.json), &parse(current));
            assert_eq!(result.unwrap(), Compatibility::Full, "{name}: {} and the current one", version.version);
            for other in released {
                let result = SchemaCompatibility::mutual_read(&parse(version.json), &parse(other.json));
                assert_eq!(result.unwrap(), Compatibility::Full, "{name}: {} and {}", version.version, other.version);
            }
        }
    }
}

/// An incompatible change is noticed: the check above can fail.
#[test]
fn a_new_field_without_a_default_is_incompatible() {
    let changed = NOTIFICATION_SCHEMA.replacen(
        r#""fields": ["#,
        r#""fields": [{"name": "tenant", "type": "string", "doc": "New."},"#,
        1,
    );
    assert!(SchemaCompatibility::mutual_read(&parse(NOTIFICATION_SCHEMA), &parse(&changed)).is_err());
}

#[test]
fn every_field_is_documented_optional_ones_default_to_null_and_enums_to_unknown() {
    for (name, current, _) in RECORDS {
        check_conventions(name, &serde_json::from_str(current).unwrap());
    }
}

fn check_conventions(path: &str, schema: &Value) {
    match schema {
        Value::Object(schema) => {
            let kind = schema["type"].as_str().unwrap_or_default();
            if matches!(kind, "record" | "enum") {
                assert!(schema["doc"].as_str().is_some_and(|doc| !doc.is_empty()), "{path} has no doc");
            }
            if kind == "enum" {
                assert_eq!(
                    (&schema["symbols"][0], &schema["default"]),
                    (&"UNKNOWN".into(), &"UNKNOWN".into()),
                    "{path}"
                );
            }
            for field in schema.get("fields").and_then(Value::as_array).into_iter().flatten() {
                let path = format!("{path}.{}", field["name"].as_str().unwrap());
                assert!(field["doc"].as_str().is_some_and(|doc| !doc.is_empty()), "{path} has no doc");
                if let Some(branches) = field["type"].as_array() {
                    assert!(branches.len() == 2 && branches[0] == "null", "{path} is not [null, T]");
                    assert_eq!(field.get("default"), Some(&Value::Null), "{path} does not default to null");
                }
                check_conventions(&path, &field["type"]);
            }
            for inner in ["items", "values"] {
                schema.get(inner).into_iter().for_each(|inner| check_conventions(path, inner));
            }
        }
        Value::Array(branches) => branches.iter().for_each(|branch| check_conventions(path, branch)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
