//! Makes the topics what they should be. Never shrinks, deletes or adds partitions.

use std::{fmt, sync::Arc, time::Duration};

use rdkafka::{
    admin::{AlterConfig, NewTopic, ResourceSpecifier, TopicReplication},
    error::KafkaError as RdKafkaError,
    types::RDKafkaErrorCode,
};

use super::{
    admin::{Cluster, Topic, options, shapes},
    plan::{TopicPlan, TopicSpec},
};
use crate::{KafkaError, KafkaSettings};

/// How long new topics may take until the cluster shows them.
const SHOWN_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One thing that was done, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A topic that did not exist.
    Created {
        /// Its name.
        topic: String,
        /// Its partitions.
        partitions: i32,
        /// Its replicas; -1: the broker's default.
        replication_factor: i32,
    },
    /// A setting that was another.
    Set {
        /// The topic.
        topic: String,
        /// The setting's Kafka name.
        setting: String,
        /// What it was.
        before: String,
        /// What it is now.
        after: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { topic, partitions, replication_factor } => {
                write!(f, "create {topic} with {partitions} partitions, replication factor {replication_factor}")
            }
            Self::Set { topic, setting, before, after } => {
                write!(f, "set {setting} of {topic} from {before} to {after}")
            }
        }
    }
}

/// Creates what is missing and sets what differs; with `dry_run` only says what it would do. Empty: all is as it should be.
///
/// # Errors
/// The cluster refuses or does not answer.
pub async fn apply(kafka: &KafkaSettings, plan: &TopicPlan, dry_run: bool) -> Result<Vec<Change>, KafkaError> {
    let names: Vec<String> = plan.specs(0).into_iter().map(|spec| spec.name).collect();
    let cluster = Cluster::ask(kafka, &names).await?;
    // Never shrinking, a longer retention set by hand stays, and the ledgers must outlive that one.
    let events = cluster.topics.get(&plan.events);
    let events_ms = events.map_or(0, |topic| topic.number("retention.ms"));
    // A ledger with another number of partitions than its events would be of no use to anybody.
    let plan = &TopicPlan { partitions: events.map_or(plan.partitions, |topic| topic.partitions), ..plan.clone() };
    let mut changes = Vec::new();
    for mut spec in plan.specs(events_ms.max(plan.retention_ms())) {
        match cluster.topics.get(&spec.name) {
            None => changes.push(create(&cluster, plan, &mut spec, dry_run).await?),
            Some(topic) => changes.extend(alter(&cluster, topic, &mut spec, dry_run).await?),
        }
    }
    if !dry_run && changes.iter().any(|change| matches!(change, Change::Created { .. })) {
        await_topics(&cluster, &names).await?;
    }
    Ok(changes)
}

/// A broker tells of a new topic some time after the controller has made it. Who comes after us shall find it: waits until
/// the cluster shows all of `names`, and after a while no longer, because they were made.
async fn await_topics(cluster: &Cluster, names: &[String]) -> Result<(), KafkaError> {
    let deadline = tokio::time::Instant::now() + SHOWN_WITHIN;
    while shapes(Arc::clone(&cluster.client), names).await?.1.len() < names.len() {
        if deadline < tokio::time::Instant::now() {
            tracing::warn!("the topics were made, but the cluster does not show all of them yet");
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn create(
    cluster: &Cluster,
    plan: &TopicPlan,
    spec: &mut TopicSpec,
    dry_run: bool,
) -> Result<Change, KafkaError> {
    let replication_factor = match plan.replication_factor {
        -1 if 3 <= cluster.brokers => 3,
        wished => wished,
    };
    if 3 <= replication_factor {
        spec.settings.insert("min.insync.replicas", "2".to_owned());
    }
    if !dry_run {
        let mut topic = NewTopic::new(&spec.name, plan.partitions, TopicReplication::Fixed(replication_factor));
        for (name, value) in &spec.settings {
            topic = topic.set(name, value);
        }
        let answers = cluster.client.create_topics([&topic], &options()).await;
        let failed = |source| KafkaError::request(format!("create the topic {}", spec.name), source);
        for answer in answers.map_err(failed)? {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(failed(RdKafkaError::AdminOp(code))),
            }
        }
    }
    Ok(Change::Created { topic: spec.name.clone(), partitions: plan.partitions, replication_factor })
}

async fn alter(
    cluster: &Cluster,
    topic: &Topic,
    spec: &mut TopicSpec,
    dry_run: bool,
) -> Result<Vec<Change>, KafkaError> {
    if 3 <= topic.replicas {
        spec.settings.insert("min.insync.replicas", "2".to_owned());
    }
    let changes: Vec<Change> = spec
        .settings
        .iter()
        .filter(|(name, wished)| !is_satisfied(topic, name, wished))
        .map(|(name, wished)| Change::Set {
            topic: spec.name.clone(),
            setting: (*name).to_owned(),
            before: topic.setting(name).to_owned(),
            after: wished.clone(),
        })
        .collect();
    if !dry_run && !changes.is_empty() {
        alter_settings(cluster, topic, spec, &changes).await?;
    }
    Ok(changes)
}

/// The request replaces all settings of the topic, so those set by others go along.
async fn alter_settings(
    cluster: &Cluster,
    topic: &Topic,
    spec: &TopicSpec,
    changes: &[Change],
) -> Result<(), KafkaError> {
    let mut config = AlterConfig::new(ResourceSpecifier::Topic(&spec.name));
    let changed =
        |name: &str| changes.iter().any(|change| matches!(change, Change::Set { setting, .. } if setting == name));
    for (name, (value, own)) in &topic.settings {
        if *own && !changed(name) {
            config = config.set(name, value);
        }
    }
    for (name, value) in spec.settings.iter().filter(|(name, _)| changed(name)) {
        config = config.set(name, value);
    }
    let failed = |source| KafkaError::request(format!("change the settings of {}", spec.name), source);
    let answers = cluster.client.alter_configs([&config], &options()).await.map_err(failed)?;
    answers.into_iter().try_for_each(|answer| answer.map(drop).map_err(|(_, code)| failed(RdKafkaError::AdminOp(code))))
}

/// Whether the topic's setting does at least what is wished: more room, longer retention and more safety stay.
pub(super) fn is_satisfied(topic: &Topic, name: &str, wished: &str) -> bool {
    match name {
        "retention.ms" | "retention.bytes" | "max.message.bytes" | "min.insync.replicas" => {
            let wished = match wished.parse() {
                Ok(-1) | Err(_) => i64::MAX,
                Ok(number) => number,
            };
            wished <= topic.number(name)
        }
        "segment.ms" => topic.number(name) <= wished.parse().unwrap_or(i64::MAX),
        "cleanup.policy" => policies(topic.setting(name)) == policies(wished),
        _ => topic.setting(name) == wished,
    }
}

fn policies(text: &str) -> std::collections::BTreeSet<&str> {
    text.split(',').map(str::trim).collect()
}
