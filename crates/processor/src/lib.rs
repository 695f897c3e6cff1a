//! The lane's shell: it feeds what happens to the pure lane of `postrider-domain` and carries out the commands
//! that come back. Read [`pipeline`] first: it is the whole way of an event on one page.
//!
//! | file | its one effect |
//! |---|---|
//! | `pipeline` | the loop: event in, commands out |
//! | `inputs` | everything that can happen, in one stream |
//! | `attempts` | runs attempts, takes permits back |
//! | `lease` | the permit's clock |
//! | `outputs` | writes receipts, dead letters and misplaced records |
//! | `gatekeeper` | refuses a partition whose topics break a promise |
//! | `observer` | turns reports into metrics and log lines |
//! | `gauges` | shows the lane's state, and whether it is ready, four times a second |
//! | `reader` | Kafka's bytes as the lane's records |
//! | `running` | puts the parts of a lane together, starts and stops it |
//! | `accept` | lets an operator go on behind a gap |

pub mod accept;
mod attempts;
mod error;
mod gatekeeper;
mod gauges;
mod inputs;
mod lease;
mod metrics;
mod observer;
mod outputs;
pub mod pipeline;
mod reader;
mod rounds;
mod running;
mod settings;

pub use error::LaneError;
pub use metrics::DeliveryMetrics;
pub use running::{LaneStatus, RunningLane, start};
pub use settings::LaneSettings;
