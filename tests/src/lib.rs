//! The harness of the end-to-end tests: a world of real parts around the real binary.
//!
//! Kafka is Apache Kafka, one broker for a test binary; every [`World`] has topics of its own on it, a scripted mail
//! server and a scripted Slack. Postrider runs as child processes ([`Process`]), told what to do by a file and by
//! signals, looked at through its metrics, its logs and what it left in Kafka. Nothing here sleeps for a fixed time:
//! [`wait_until`] polls a condition up to a deadline and says what it waited for.
//!
//! Everything panics where a test cannot go on: a harness has nobody to hand an error to.

pub mod events;
pub mod http;
pub mod lane;
pub mod logs;
pub mod metrics;
pub mod outcomes;
pub mod process;
pub mod settings;
pub mod wait;
pub mod world;

pub use events::{mail, slack};
pub use metrics::Metrics;
pub use process::Process;
pub use settings::Settings;
pub use wait::{LONG, wait_until};
pub use world::World;
