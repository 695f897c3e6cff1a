//! A Kafka-protocol broker inside this process.

use std::{
    io,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    mocking::MockCluster,
};

/// An in-process broker: librdkafka's mock cluster, one broker, on a free loopback port.
///
/// It speaks produce, fetch, idempotence and consumer groups, keeps everything in memory and ends when dropped.
/// Limits: no admin API, no compaction, no retention by time, and **at most 5 MiB per partition, after which it drops
/// the oldest silently**; see [`BacklogGuard`](crate::BacklogGuard). Another process may connect to it.
#[derive(Debug)]
pub struct Broker {
    bootstrap_servers: String,
    /// Dropping it tells the broker's thread to end.
    _stop: Sender<()>,
}

/// Why the in-process broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// librdkafka itself does not look.
    #[error("the in-process Kafka broker needs 1 to {PARTITIONS_MAX} partitions, not {0}; set topics.partitions")]
    Partitions(i32),
    /// No thread to run it in.
    #[error("cannot start a thread for the in-process Kafka broker")]
    Thread(#[source] io::Error),
    /// The broker itself failed.
    #[error("cannot start the in-process Kafka broker; a real one can be used with kafka.bootstrap_servers")]
    Start(#[source] KafkaError),
    /// A topic could not be made.
    #[error("cannot create topic {topic:?} on the in-process Kafka broker")]
    Topic {
        /// Which one.
        topic: String,
        /// What it said.
        #[source]
        source: KafkaError,
    },
    /// The thread ended before it reported.
    #[error("the in-process Kafka broker ended while starting")]
    Ended,
}

/// Partitions of one topic; all of them are in memory.
const PARTITIONS_MAX: i32 = 1_000;

impl Broker {
    /// Starts a broker with `topics` of `partitions` each. Topics that are not named are made on first use, with 4
    /// partitions, which cannot be changed: so name every topic that has to have the events topic's count.
    ///
    /// Blocks for some milliseconds while the broker starts.
    ///
    /// # Errors
    /// No thread, no socket, or a count of partitions that is out of range.
    pub fn start(partitions: i32, topics: &[&str]) -> Result<Self, BrokerError> {
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            return Err(BrokerError::Partitions(partitions));
        }
        let topics: Vec<String> = topics.iter().map(|&topic| topic.to_owned()).collect();
        let (report, reported) = channel();
        let (stop, stopped) = channel();
        // The cluster's handle is a raw pointer that must not change threads: it lives and dies on this one.
        thread::Builder::new()
            .name("sandbox-broker".to_owned())
            .spawn(move || run(partitions, &topics, &report, &stopped))
            .map_err(BrokerError::Thread)?;
        let bootstrap_servers = reported.recv().map_err(|_| BrokerError::Ended)??;
        Ok(Self { bootstrap_servers, _stop: stop })
    }

    /// `host:port`, for `kafka.bootstrap_servers`.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }
}

fn run(partitions: i32, topics: &[String], report: &Sender<Result<String, BrokerError>>, stopped: &Receiver<()>) {
    let started = start(partitions, topics);
    let (cluster, answer) = match started {
        Ok(cluster) => {
            let servers = cluster.bootstrap_servers();
            (Some(cluster), Ok(servers))
        }
        Err(error) => (None, Err(error)),
    };
    if report.send(answer).is_ok() && cluster.is_some() {
        // Nothing is ever sent: this ends with an error when the `Broker` is dropped.
        stopped.recv().unwrap_or_default();
    }
}

fn start(
    partitions: i32,
    topics: &[String],
) -> Result<MockCluster<'static, rdkafka::producer::DefaultProducerContext>, BrokerError> {
    let cluster = MockCluster::new(1).map_err(BrokerError::Start)?;
    for topic in topics {
        match cluster.create_topic(topic, partitions, 1) {
            Ok(()) | Err(KafkaError::MockCluster(RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err(source) => return Err(BrokerError::Topic { topic: topic.clone(), source }),
        }
    }
    Ok(cluster)
}
