//! The topics: what they should be, making them so, and what is wrong with them.

mod admin;
mod apply;
mod check;
mod count;
mod plan;

pub use apply::{Change, apply};
pub use check::{LaneTopics, Problem, Severity, check, check_lane};
pub use count::partition_count;
pub use plan::{Kept, TopicKind, TopicPlan, TopicSpec};
