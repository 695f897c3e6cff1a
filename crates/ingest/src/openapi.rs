//! The OpenAPI document: generated from the types by a test, committed, and served as committed.

#[cfg(test)]
mod generate;

/// The document, JSON.
pub const DOCUMENT: &str = include_str!("../openapi.json");
