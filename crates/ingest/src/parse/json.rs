//! A JSON document as a tree that borrows from the body.
//!
//! Unlike `serde_json::Value` it notes a name that occurs twice in an object (a reader that silently keeps one of them
//! might tell the wrong person) and a number that would change, copies no text that has no escapes, and has a limit on
//! its size in memory.

mod reader;

use std::borrow::Cow;

use serde::{Deserializer, Serialize, Serializer};
use serde_json::{Number, value::RawValue};

use super::problems::Problems;

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

/// A document, and what is wrong with it as such.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// Its value; of a name that occurs twice it has the first.
    pub(crate) json: Json<'a>,
    /// Names that occur twice in one object, and integers of more than 64 bits, which would change.
    pub(crate) problems: Problems,
}

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

impl<'a> Document<'a> {
    /// Reads a whole document. Nesting is limited to 128 levels.
    ///
    /// # Errors
    /// It is not JSON, or too large.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let document = reader::document(&mut deserializer).map_err(Unreadable::NotJson)?;
        deserializer.end().map_err(Unreadable::NotJson)?;
        document.map_err(|TooManyValues| Unreadable::TooManyValues)
    }

    /// Reads a document that is an array and hands over its items, one after the other; only one is in memory. `false`: it
    /// is something else, and was not read.
    ///
    /// # Errors
    /// It is not JSON; some items may have been handed over.
    pub(crate) fn read_each(
        bytes: &'a [u8],
        mut take: impl FnMut(Result<Self, Unreadable>),
    ) -> Result<bool, serde_json::Error> {
        if bytes.trim_ascii_start().first() != Some(&b'[') {
            return Ok(false);
        }
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let read = |item: &'a RawValue| take(Self::read(item.get().as_bytes()));
        deserializer.deserialize_seq(reader::Items { take: read })?;
        deserializer.end().map(|()| true)
    }
}

impl Json<'_> {
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
