//! What an operator sees of a Postrider process: metrics, the admin listener, logs. And the few things that every
//! shell crate shares with it: the one clock, the named spawn, the hardened HTTP server loop.
//!
//! Nothing here knows Kafka, a provider or the lane. Nothing here is global but the logger and the panic hook, and
//! only [`logging::init`] and [`panics::install`] touch those.

pub mod admin;
pub mod build;
pub mod clock;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod panics;
mod task;

pub use admin::AdminServer;
pub use build::registry;
/// For [`metrics!`] and for those who build a metric by hand; no other crate depends on `prometheus`.
pub use prometheus;
pub use prometheus::Registry;
pub use task::spawn;
