//! What the topics are: partitions, replicas and settings, as the cluster tells them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, ConfigSource, ResourceSpecifier},
    error::{KafkaError as RdKafkaError, RDKafkaErrorCode},
};

use crate::{KafkaError, KafkaSettings, client::PlainContext};

const TIMEOUT: Duration = Duration::from_secs(15);

/// A topic as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Topic {
    pub(super) partitions: i32,
    /// The fewest replicas any partition has.
    pub(super) replicas: usize,
    /// Every setting by its Kafka name; true: set on the topic itself.
    pub(super) settings: BTreeMap<String, (String, bool)>,
}

impl Topic {
    pub(super) fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", |(value, _)| value)
    }

    /// A setting that is a number; -1 (for ever) as the largest.
    pub(super) fn number(&self, name: &str) -> i64 {
        match self.setting(name).parse() {
            Ok(-1) => i64::MAX,
            Ok(number) => number,
            Err(_) => 0,
        }
    }
}

/// The cluster as far as our topics go.
pub(super) struct Cluster {
    pub(super) client: Arc<AdminClient<PlainContext>>,
    pub(super) brokers: usize,
    pub(super) topics: HashMap<String, Topic>,
}

pub(super) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT))
}

impl Cluster {
    /// Asks for those of `names` that exist.
    pub(super) async fn ask(kafka: &KafkaSettings, names: &[String]) -> Result<Self, KafkaError> {
        let client: Arc<AdminClient<PlainContext>> = Arc::new(
            kafka
                .client_config("postrider-topics", &[])
                .create_with_context(PlainContext::default())
                .map_err(|source| KafkaError::Client { purpose: "the topics", source })?,
        );
        let (brokers, mut topics) = shapes(Arc::clone(&client), names).await?;
        let found: Vec<String> = topics.keys().cloned().collect();
        let specifiers: Vec<_> = found.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        if !specifiers.is_empty() {
            let act = "describe the topics' settings";
            let answers = client
                .describe_configs(&specifiers, &options())
                .await
                .map_err(|source| KafkaError::request(act, source))?;
            for (name, answer) in found.iter().zip(answers) {
                let resource = answer.map_err(|code| {
                    KafkaError::request(format!("{act} ({name}: {})", code), RdKafkaError::AdminOp(code))
                })?;
                let settings = resource.entries.into_iter().map(|entry| {
                    let own = matches!(entry.source, ConfigSource::DynamicTopic);
                    (entry.name, (entry.value.unwrap_or_default(), own))
                });
                topics.entry(name.clone()).or_default().settings = settings.collect();
            }
        }
        Ok(Self { client, brokers, topics })
    }
}

/// Brokers, and partitions and replicas of each topic that exists. The request blocks, so it gets a thread of its own.
pub(super) async fn shapes(
    client: Arc<AdminClient<PlainContext>>,
    names: &[String],
) -> Result<(usize, HashMap<String, Topic>), KafkaError> {
    let names = names.to_vec();
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = client.inner().fetch_metadata(None, TIMEOUT)?;
        let ours = metadata.topics().iter().filter(|topic| names.iter().any(|name| name == topic.name()));
        let topics = ours.filter(|topic| topic.error().is_none()).map(|topic| {
            let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
            let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
            (topic.name().to_owned(), Topic { partitions, replicas: replicas.unwrap_or(0), ..Topic::default() })
        });
        Ok((metadata.brokers().len(), topics.collect()))
    });
    let canceled = RdKafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut);
    asked.await.unwrap_or(Err(canceled)).map_err(|source| KafkaError::request("list the topics", source))
}
