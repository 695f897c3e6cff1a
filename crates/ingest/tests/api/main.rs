//! The HTTP API from outside, over loopback.

mod batch;
mod http;
mod kafka;
mod quiet;
mod support;
