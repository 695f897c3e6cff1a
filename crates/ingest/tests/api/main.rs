//! The HTTP API from outside, over loopback.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod batch;
mod http;
mod kafka;
mod quiet;
mod support;
