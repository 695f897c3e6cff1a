//! A JSON document as a tree that borrows from the body.
//!
//! Unlike `serde_json::Value` it refuses a name that occurs twice in an object (a reader that silently keeps
//! one of them might tell the wrong person), copies no text that has no escapes, and has a limit on its size in memory.

use std::{borrow::Cow, cell::Cell, collections::HashSet, fmt};

use serde::{
    Serialize, Serializer,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Number;

/// Values in one event, so that a body of `[[],[],…` cannot take many times its size in memory.
pub(crate) const VALUES_MAX: usize = 200_000;

/// It is JSON, with more than [`VALUES_MAX`] values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooManyValues;

/// Why there is no tree.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// Where (line and column) and why it is not JSON.
    NotJson(serde_json::Error),
    /// It is too large.
    TooManyValues,
}

/// Up to this many fields, looking at each of them is cheaper than a set.
const FEW_FIELDS: usize = 16;

/// One JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads a whole document. Nesting is limited to 128 levels.
    ///
    /// # Errors
    /// It is not JSON, or too large.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let value = read_counted(&mut deserializer).map_err(Unreadable::NotJson)?;
        deserializer.end().map_err(Unreadable::NotJson)?;
        value.map_err(|TooManyValues| Unreadable::TooManyValues)
    }

    /// Reads a document that is an array and hands over its items, one after the other; only one is in memory. `false`: it
    /// is something else, and was not read.
    ///
    /// # Errors
    /// It is not JSON; some items may have been handed over.
    pub(crate) fn read_each(
        bytes: &'a [u8],
        take: impl FnMut(Result<Self, TooManyValues>),
    ) -> Result<bool, serde_json::Error> {
        if bytes.trim_ascii_start().first() != Some(&b'[') {
            return Ok(false);
        }
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        deserializer.deserialize_seq(Items { take })?;
        deserializer.end().map(|()| true)
    }

    /// What kind of value this is, for error messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
        }
    }
}

/// Reads a value with a count of its own.
fn read_counted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Result<Json<'de>, TooManyValues>, D::Error> {
    let left = Cell::new(Some(VALUES_MAX));
    let value = Value { left: &left }.deserialize(deserializer)?;
    Ok(left.get().map(|_| value).ok_or(TooManyValues))
}

/// Reads an array's items.
struct Items<F> {
    take: F,
}

impl<'de, F: FnMut(Result<Json<'de>, TooManyValues>)> Visitor<'de> for Items<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element_seed(Item)? {
            (self.take)(item);
        }
        Ok(())
    }
}

/// Reads an array's item.
struct Item;

impl<'de> DeserializeSeed<'de> for Item {
    type Value = Result<Json<'de>, TooManyValues>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        read_counted(deserializer)
    }
}

/// Reads one value, counting it. Beyond the limit nothing is kept and the rest is only read over, so that what follows is
/// not lost with it.
#[derive(Clone, Copy)]
struct Value<'c> {
    /// How many more there may be; none: there were too many.
    left: &'c Cell<Option<usize>>,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(1)));
        if self.left.get().is_none() {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| Json::Null);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            if self.left.get().is_some() {
                list.push(item);
            }
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = entries.next_key_seed(Name)? {
            if self.left.get().is_none() {
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            let is_known = if fields.len() < FEW_FIELDS {
                fields.iter().any(|(known, _)| *known == name)
            } else {
                if names.is_empty() {
                    names.extend(fields.iter().map(|(known, _)| known.clone()));
                }
                !names.insert(name.clone())
            };
            if is_known {
                return Err(A::Error::custom("a name occurs twice in one object"));
            }
            fields.push((name, entries.next_value_seed(self)?));
        }
        Ok(Json::Object(fields))
    }
}

/// Reads a field's name.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}
