//! Readers of the fields of one object. Each notes its problem and goes on, so that all come out at once;
//! what could not be read leaves a harmless value in its place.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use postrider_domain::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    json::Json,
    problems::{Path, Problems},
};

/// A reader of one value.
pub(crate) type Read<T> = fn(&Path<'_>, &Json<'_>, &mut Problems) -> T;

/// An object whose names were checked. A field that is `null` counts as left out.
pub(crate) struct Fields<'j> {
    path: &'j Path<'j>,
    fields: &'j [(std::borrow::Cow<'j, str>, Json<'j>)],
}

impl<'j> Fields<'j> {
    /// Opens an object, noting every field that is not one of `known`. Without an object there are no fields.
    pub(crate) fn open(path: &'j Path<'j>, json: &'j Json<'j>, known: &[&str], problems: &mut Problems) -> Self {
        let Json::Object(fields) = json else {
            wrong_kind(path, json, "an object", problems);
            return Self { path, fields: &[] };
        };
        for (name, _) in fields {
            if !known.contains(&name.as_ref()) {
                problems.add(&path.field(name), unknown(path, name, known));
            }
        }
        Self { path, fields }
    }

    /// The field's value, if it is given.
    pub(crate) fn given(&self, name: &str) -> Option<&'j Json<'j>> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        (*value != Json::Null).then_some(value)
    }

    /// A field read by `read`.
    pub(crate) fn optional<T>(&self, name: &str, problems: &mut Problems, read: Read<T>) -> Option<T> {
        self.given(name).map(|value| read(&self.path.field(name), value, problems))
    }

    /// A field that must be there, read by `read`.
    pub(crate) fn required<T: Default>(&self, name: &str, problems: &mut Problems, read: Read<T>) -> T {
        if let Some(value) = self.optional(name, problems, read) {
            return value;
        }
        problems.add(&self.path.field(name), "is required");
        T::default()
    }

    /// A list, each item read by `read`; left out it is empty. At most `max` items, so that the answer stays bounded.
    pub(crate) fn list<T>(&self, name: &str, max: usize, problems: &mut Problems, read: Read<T>) -> Vec<T> {
        let Some(value) = self.given(name) else { return Vec::new() };
        let path = self.path.field(name);
        let Json::List(items) = value else {
            wrong_kind(&path, value, "an array", problems);
            return Vec::new();
        };
        if items.len() > max {
            problems.add(&path, format!("has {} items; at most {max} are allowed", items.len()));
        }
        items.iter().take(max).enumerate().map(|(index, item)| read(&path.item(index), item, problems)).collect()
    }

    /// A map of texts; left out it is empty. At most `max` entries.
    pub(crate) fn map(&self, name: &str, max: usize, problems: &mut Problems) -> BTreeMap<String, String> {
        let Some(value) = self.given(name) else { return BTreeMap::new() };
        let path = self.path.field(name);
        let Json::Object(entries) = value else {
            wrong_kind(&path, value, "an object", problems);
            return BTreeMap::new();
        };
        if entries.len() > max {
            problems.add(&path, format!("has {} entries; at most {max} are allowed", entries.len()));
        }
        let entries = entries.iter().take(max);
        entries.map(|(name, value)| (name.to_string(), text(&path.field(name), value, problems))).collect()
    }
}

/// What is said of a field that is none.
fn unknown(path: &Path<'_>, name: &str, known: &[&str]) -> String {
    match (path, name) {
        (Path::Root, "source") => "may not be given: it comes from the API key".to_owned(),
        (Path::Root, "template") => "is not supported yet: send the text itself in email or slack".to_owned(),
        _ => format!("is not a field here; the fields are {}", known.join(", ")),
    }
}

/// A text.
pub(crate) fn text(path: &Path<'_>, json: &Json<'_>, problems: &mut Problems) -> String {
    if let Json::Text(text) = json {
        return text.to_string();
    }
    wrong_kind(path, json, "a string", problems);
    String::new()
}

/// A time; finer than a millisecond is cut off.
pub(crate) fn time(path: &Path<'_>, json: &Json<'_>, problems: &mut Problems) -> Option<Timestamp> {
    let Json::Text(text) = json else {
        wrong_kind(path, json, "a time, written as a string like \"2026-03-01T12:00:00Z\"", problems);
        return None;
    };
    let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) else {
        problems.add(path, "is not a time as RFC 3339 writes it, for example \"2026-03-01T12:00:00Z\"");
        return None;
    };
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Timestamp)
}

/// Bytes, written in base64.
pub(crate) fn base64(path: &Path<'_>, json: &Json<'_>, problems: &mut Problems) -> Vec<u8> {
    let Json::Text(text) = json else {
        wrong_kind(path, json, "a string in base64", problems);
        return Vec::new();
    };
    BASE64_STANDARD.decode(text.as_bytes()).unwrap_or_else(|_| {
        problems.add(path, "is not base64 (RFC 4648, section 4, with padding and without line breaks)");
        Vec::new()
    })
}

/// Notes that a value is of the wrong kind.
pub(crate) fn wrong_kind(path: &Path<'_>, json: &Json<'_>, expected: &str, problems: &mut Problems) {
    problems.add(path, format!("must be {expected}, not {}", json.kind()));
}
