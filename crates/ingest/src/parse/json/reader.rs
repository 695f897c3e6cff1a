//! From serde's events to the tree. What is wrong with a value is noted at its place and reading goes on, so that all
//! problems of an event come out at once and one item of a batch does not spoil the others.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashSet,
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, value::RawValue};

use super::{Document, Json, TooManyValues, VALUES_MAX};
use crate::parse::problems::{Path, Problems};

/// Up to this many fields, looking at each of them is cheaper than a set.
const FEW_FIELDS: usize = 16;
/// From here on serde_json hands an integer over as a floating-point number, which has room for its first digits only.
const INEXACT_FROM: f64 = 9_223_372_036_854_775_808.0; // 2^63

/// Reads a value with a count and problems of its own.
pub(super) fn document<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Result<Document<'de>, TooManyValues>, D::Error> {
    let notes = Notes { left: Cell::new(Some(VALUES_MAX)), problems: RefCell::default() };
    let json = Value { notes: &notes, path: &Path::Root }.deserialize(deserializer)?;
    let document = Document { json, problems: notes.problems.into_inner() };
    Ok(notes.left.get().map(|_| document).ok_or(TooManyValues))
}

/// Takes an array apart without reading its items, so that none can spoil the others.
pub(super) struct Items<F> {
    pub(super) take: F,
}

impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Items<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.take)(item);
        }
        Ok(())
    }
}

/// Reads one value, counting it. Beyond the limit nothing is kept and the rest is only read over, so that what follows is
/// not lost with it.
#[derive(Clone, Copy)]
struct Value<'v> {
    notes: &'v Notes,
    path: &'v Path<'v>,
}

/// What is learnt of a document while it is read.
struct Notes {
    /// How many more values there may be; none: there were too many.
    left: Cell<Option<usize>>,
    problems: RefCell<Problems>,
}

impl Notes {
    /// Counts a value; `false`: it is one too many.
    fn count(&self) -> bool {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(1)));
        self.left.get().is_some()
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        if !self.notes.count() {
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
        if value.abs() >= INEXACT_FROM {
            let detail = "is a number too large to be passed on digit by digit (64 bits): write it as a string";
            self.notes.problems.borrow_mut().add(self.path, detail);
        }
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
        let (mut index, mut path) = (0, self.path.item(0));
        while let Some(item) = items.next_element_seed(Value { path: &path, ..self })? {
            if self.notes.left.get().is_some() {
                list.push(item);
            }
            index += 1;
            path = self.path.item(index);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = entries.next_key_seed(Name)? {
            if self.notes.left.get().is_none() {
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
                let path = self.path.field(&name);
                self.notes.problems.borrow_mut().add(&path, "occurs twice in its object: leave one of the two out");
                entries.next_value::<IgnoredAny>()?;
                self.notes.count();
                continue;
            }
            let value = entries.next_value_seed(Value { path: &self.path.field(&name), ..self })?;
            fields.push((name, value));
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
