//! The date of an HTTP header (RFC 9110, 5.6.7), in all three of its forms. It stands here because lettre reads it for the
//! mail's own `Date`, and this crate has no other date library.

use std::time::SystemTime;

use lettre::message::header::{Date, Header};

/// The moment; `None` if it is no such date.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    Date::parse(text).ok().map(SystemTime::from)
}
