//! What is wrong with the topics, and what to do about it.

use std::fmt;

use postrider_domain::{LaneName, limits};

use super::{
    admin::{Cluster, Topic},
    apply::is_satisfied,
    plan::{Kept, TopicKind, TopicPlan, TopicSpec, millis},
};
use crate::{KafkaError, KafkaSettings};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A promise cannot be kept: lanes refuse to work.
    Error,
    /// It works, with less safety than it could have.
    Warning,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The topic.
    pub topic: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// Whether [`apply`](super::apply) mends it.
    #[must_use]
    pub fn is_for_apply(&self) -> bool {
        self.remedy == APPLY
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.topic, self.detail, self.remedy)
    }
}

const APPLY: &str = "run `postrider topics apply`";

/// Everything that is not as planned. Empty: all is well.
///
/// # Errors
/// The cluster refuses or does not answer.
pub async fn check(kafka: &KafkaSettings, plan: &TopicPlan) -> Result<Vec<Problem>, KafkaError> {
    Ok(look(kafka, plan).await?.0)
}

/// The problems, and how long the events are really kept in milliseconds: somebody may have set it by hand.
async fn look(kafka: &KafkaSettings, plan: &TopicPlan) -> Result<(Vec<Problem>, i64), KafkaError> {
    let names: Vec<String> = plan.specs(0).into_iter().map(|spec| spec.name).collect();
    let cluster = Cluster::ask(kafka, &names).await?;
    let events = cluster.topics.get(&plan.events);
    let told = events.map(|topic| topic.number("retention.ms")).filter(|events_ms| 0 < *events_ms);
    let events_ms = told.unwrap_or(plan.retention_ms());
    let specs = plan.specs(events_ms.max(plan.retention_ms()));
    let problems = specs.into_iter().flat_map(|spec| problems(&cluster, events, &spec));
    Ok((problems.collect(), events_ms))
}

/// What a lane's topics are like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneTopics {
    /// What the lane must refuse to work with: problems of severity `Error` in its events topic, its ledger or the dead
    /// letters.
    pub refused: Vec<Problem>,
    /// How long the topics keep things, if nothing is refused.
    pub kept: Kept,
}

/// Looks at one lane's topics. Asked at every assignment.
///
/// # Errors
/// The cluster refuses or does not answer.
pub async fn check_lane(kafka: &KafkaSettings, plan: &TopicPlan, lane: &LaneName) -> Result<LaneTopics, KafkaError> {
    let plan = TopicPlan { lanes: vec![lane.clone()], ..plan.clone() };
    let (problems, events_ms) = look(kafka, &plan).await?;
    let refused = problems.into_iter().filter(|problem| problem.severity == Severity::Error).collect();
    Ok(LaneTopics { refused, kept: plan.kept(events_ms) })
}

fn problems(cluster: &Cluster, events: Option<&Topic>, spec: &TopicSpec) -> Vec<Problem> {
    let problem = |severity, detail, remedy: &str| Problem {
        topic: spec.name.clone(),
        severity,
        detail,
        remedy: remedy.to_owned(),
    };
    let Some(topic) = cluster.topics.get(&spec.name) else {
        return vec![problem(Severity::Error, "the topic does not exist".to_owned(), APPLY)];
    };
    let mut found = Vec::new();
    if let Some(events) =
        events.filter(|events| spec.kind == TopicKind::Ledger && events.partitions != topic.partitions)
    {
        found.push(problem(
            Severity::Error,
            format!("it has {} partitions, its events topic has {}", topic.partitions, events.partitions),
            "adding partitions moves keys: grow by a new topic and lane, and retire this one when its lag is zero",
        ));
    }
    for (name, wished) in spec.settings.iter().filter(|(name, wished)| !is_satisfied(topic, name, wished)) {
        let detail = format!("{name} is {}, it should be {wished}", topic.setting(name));
        found.push(problem(severity(spec.kind, name, topic), detail, APPLY));
    }
    if topic.replicas < 3 {
        let detail = format!("{} replicas: acknowledged records can be lost with a broker", topic.replicas);
        found.push(problem(Severity::Warning, detail, "use three brokers, replication factor 3"));
    } else if topic.number("min.insync.replicas") < 2 {
        let detail = "min.insync.replicas is below 2: acknowledged records can be lost with a broker".to_owned();
        found.push(problem(Severity::Warning, detail, APPLY));
    }
    found
}

/// Which differences break a promise: dedupe rests on the ledger's retention and on append times, settling on sizes.
fn severity(kind: TopicKind, setting: &str, topic: &Topic) -> Severity {
    let too_short = millis(limits::RETENTION_MIN);
    match (kind, setting) {
        (TopicKind::Events, "retention.ms") if topic.number(setting) < too_short => Severity::Error,
        (TopicKind::Events | TopicKind::Dead, "retention.ms") => Severity::Warning,
        (_, "retention.ms" | "cleanup.policy" | "message.timestamp.type" | "segment.ms") => Severity::Error,
        (TopicKind::Ledger, "retention.bytes") => Severity::Error,
        (TopicKind::Ledger | TopicKind::Dead, "max.message.bytes") => Severity::Error,
        _ => Severity::Warning,
    }
}
