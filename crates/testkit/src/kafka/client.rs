//! What tests do to a cluster by hand: create topics, write, read back, look at offsets.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::RealKafka;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A record as it lies in a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawRecord {
    /// The partition.
    pub partition: i32,
    /// The offset; not looked at when producing.
    pub offset: i64,
    /// The timestamp in milliseconds. When producing: where the topic takes its clients' times; 0: now.
    pub timestamp: i64,
    /// The key, or null.
    pub key: Option<Vec<u8>>,
    /// The value, or null.
    pub value: Option<Vec<u8>>,
    /// Headers; values may be null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl RawRecord {
    /// A record with key and value and nothing else.
    pub fn new(partition: i32, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { partition, key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }
}

impl RealKafka {
    /// Creates a topic with these settings and waits until its partitions have leaders.
    ///
    /// # Errors
    /// The cluster refuses or does not answer.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
        for (name, value) in settings {
            topic = topic.set(name, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let results = block_on(async { admin.create_topics([&topic], &options).await })??;
        for result in results {
            result.map_err(|(name, code)| anyhow::anyhow!("cannot create {name}: {code}"))?;
        }
        until("the topic has leaders", || {
            let metadata = admin.inner().fetch_metadata(Some(name), TIMEOUT)?;
            let topic = metadata.topics().first();
            let led = topic.is_some_and(|topic| {
                topic.partitions().iter().filter(|p| 0 <= p.leader()).count()
                    == usize::try_from(partitions).unwrap_or(0)
            });
            Ok(led)
        })
    }

    /// Writes these records with acks=all and waits for all acknowledgements.
    ///
    /// # Errors
    /// Not all were acknowledged in time.
    pub fn produce(&self, topic: &str, records: &[RawRecord]) -> Result<()> {
        let producer: BaseProducer = self
            .config()
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("message.max.bytes", "20000000")
            .create()?;
        for record in records {
            loop {
                let mut base = BaseRecord::<[u8], [u8]>::to(topic).partition(record.partition);
                base.key = record.key.as_deref();
                base.payload = record.value.as_deref();
                base.timestamp = Some(record.timestamp).filter(|timestamp| *timestamp != 0);
                if !record.headers.is_empty() {
                    base.headers = Some(record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                        headers.insert(Header { key, value: value.as_deref() })
                    }));
                }
                match producer.send(base) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(rdkafka::types::RDKafkaErrorCode::QueueFull), _)) => {
                        producer.poll(Duration::from_millis(10));
                    }
                    Err((error, _)) => return Err(error).context("cannot produce"),
                }
            }
        }
        producer.flush(TIMEOUT).context("not everything was acknowledged")
    }

    /// Everything that lies in the topic now, by partition and offset.
    ///
    /// # Errors
    /// The cluster refuses or does not answer.
    pub fn read_all(&self, topic: &str) -> Result<Vec<RawRecord>> {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", "postrider-testkit-reader")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .create()?;
        let partitions = self.partitions(&consumer, topic)?;
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let (mut records, mut open) = (Vec::new(), partitions);
        let deadline = Instant::now() + TIMEOUT;
        while 0 < open {
            ensure!(Instant::now() < deadline, "reading {topic} takes too long");
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                // A broker that died; librdkafka goes on by itself, the deadline ends it.
                Some(Err(error)) => tracing::debug!(%error, "cannot read for now"),
                Some(Ok(message)) => records.push(raw(&message)),
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        Ok(records)
    }

    /// The group's committed positions and their metadata, of the partitions that have one.
    ///
    /// # Errors
    /// The cluster refuses or does not answer.
    pub fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, (i64, String)>> {
        let consumer: BaseConsumer = self.config().set("group.id", group).create()?;
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, self.partitions(&consumer, topic)? - 1);
        let answer = consumer.committed_offsets(list, TIMEOUT)?;
        let committed = answer.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => Some((element.partition(), (offset, element.metadata().to_owned()))),
            _ => None,
        });
        Ok(committed.collect()) // the list goes before the consumer: declared later
    }

    /// Commits one position as the group; only while it has no members.
    ///
    /// # Errors
    /// The cluster refuses or does not answer.
    pub fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let consumer: BaseConsumer =
            self.config().set("group.id", group).set("enable.auto.commit", "false").create()?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        Ok(consumer.commit(&list, CommitMode::Sync)?)
    }

    /// Waits until that many brokers are members of the cluster and answer.
    ///
    /// # Errors
    /// Not within a minute.
    pub fn wait_for_brokers(&self, count: usize) -> Result<()> {
        let consumer: BaseConsumer = self.config().create()?;
        until("all brokers answer", || {
            Ok(consumer
                .fetch_metadata(None, Duration::from_secs(1))
                .is_ok_and(|metadata| metadata.brokers().len() == count))
        })
    }

    fn partitions(&self, consumer: &BaseConsumer, topic: &str) -> Result<i32> {
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        ensure!(0 < count, "there is no topic {topic}");
        Ok(i32::try_from(count)?)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap_servers());
        config.set("reconnect.backoff.max.ms", "500");
        config
    }
}

fn raw(message: &rdkafka::message::BorrowedMessage<'_>) -> RawRecord {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    RawRecord {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}

/// Polls `condition` until it holds, up to a minute.
fn until(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition()? {
        ensure!(Instant::now() < deadline, "gave up waiting until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// On a thread of its own, so that it works inside a runtime as well.
fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread =
            scope.spawn(|| Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)));
        thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the request panicked")))
    })
}
