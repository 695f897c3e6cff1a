//! librdkafka's properties, and what a user may set of them.

use std::collections::BTreeMap;

use rdkafka::{ClientConfig, error::KafkaError, types::RDKafkaConfRes};

/// A property the promises rest on, with the reason why it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedProperty {
    /// Its name.
    pub name: &'static str,
    /// Why Postrider sets it itself.
    pub reason: &'static str,
}

const BOUNDED: &str = "what waits in memory has limits of its own";
const MOCK: &str = "brokers that are no brokers keep nothing: events would be accepted and gone";
const READ_AHEAD: &str = "the readers of events and of ledgers need values of their own";

const REFUSED: [RefusedProperty; 38] = [
    refused("acks", "an event is accepted only when all in-sync replicas have it"),
    refused("request.required.acks", "an event is accepted only when all in-sync replicas have it"),
    refused("enable.idempotence", "without it a retried write is stored twice"),
    refused("enable.gapless.guarantee", "a failed write must not stop the writer for good"),
    refused("delivery.report.only.error", "without a report no write would ever count as acknowledged"),
    refused("transactional.id", "receipts, not transactions, carry the guarantee"),
    refused("partitioner", "every client must put a key where Java's partitioner puts it"),
    refused("delivery.timeout.ms", "it is derived from the time within which a write must be answered"),
    refused("message.timeout.ms", "it is derived from the time within which a write must be answered"),
    refused("message.max.bytes", "it follows [ingest] body_max"),
    refused("queue.buffering.max.kbytes", BOUNDED),
    refused("queue.buffering.max.messages", BOUNDED),
    refused("queued.min.messages", READ_AHEAD),
    refused("queued.max.messages.kbytes", READ_AHEAD),
    refused("fetch.queue.backoff.ms", READ_AHEAD),
    refused("fetch.wait.max.ms", READ_AHEAD),
    refused("fetch.min.bytes", READ_AHEAD),
    refused("fetch.max.bytes", READ_AHEAD),
    refused("max.partition.fetch.bytes", READ_AHEAD),
    refused("fetch.message.max.bytes", READ_AHEAD),
    refused("enable.auto.commit", "a commit must never pass unsettled work"),
    refused("auto.commit.enable", "a commit must never pass unsettled work"),
    refused("enable.auto.offset.store", "a commit must never pass unsettled work"),
    refused("auto.offset.reset", "a gap stops the partition loudly instead of being skipped"),
    refused("enable.partition.eof", "restoring a ledger depends on it"),
    refused("statistics.interval.ms", "they tell which partition librdkafka has stopped to fetch"),
    refused("isolation.level", "a receipt must be read whoever wrote it"),
    refused("check.crcs", "it follows librdkafka's default"),
    refused("group.id", "the group is <events topic>.<lane>"),
    refused("group.instance.id", "one name for two processes would throw one of them out"),
    refused("group.protocol", "the drain before a revoke rests on the classic protocol"),
    refused("group.remote.assignor", "the drain before a revoke rests on the classic protocol"),
    refused("partition.assignment.strategy", "the drain before a revoke rests on cooperative-sticky"),
    refused("client.id", "it names the lane or the part of Postrider"),
    refused("bootstrap.servers", "it is set by bootstrap_servers in [kafka]"),
    refused("test.mock.num.brokers", MOCK),
    refused("test.mock.broker.rtt", MOCK),
    refused("metadata.broker.list", "it is set by bootstrap_servers in [kafka]"),
];

/// Two names of one property. Where both are given, chance decides which of them counts.
const ALIASES: [(&str, &str); 10] = [
    ("acks", "request.required.acks"),
    ("bootstrap.servers", "metadata.broker.list"),
    ("compression.type", "compression.codec"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("enable.auto.commit", "auto.commit.enable"),
    ("linger.ms", "queue.buffering.max.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("retries", "message.send.max.retries"),
    ("sasl.mechanism", "sasl.mechanisms"),
];

const fn refused(name: &'static str, reason: &'static str) -> RefusedProperty {
    RefusedProperty { name, reason }
}

/// The property's other name.
pub(crate) fn alias(name: &str) -> Option<&'static str> {
    ALIASES.iter().find_map(|(one, other)| match name {
        _ if name == *one => Some(*other),
        _ if name == *other => Some(*one),
        _ => None,
    })
}

/// Those of the user's properties that the promises rest on. Empty: all are accepted.
#[must_use]
pub fn refused_properties(properties: &BTreeMap<String, String>) -> Vec<RefusedProperty> {
    REFUSED.into_iter().filter(|property| properties.contains_key(property.name)).collect()
}

/// Properties that are given by both of their names.
#[must_use]
pub fn doubled_properties(properties: &BTreeMap<String, String>) -> Vec<(&'static str, &'static str)> {
    let both = |(one, other): &(&str, &str)| properties.contains_key(*one) && properties.contains_key(*other);
    ALIASES.into_iter().filter(both).collect()
}

/// Those of the user's properties that librdkafka does not know, or whose value it does not take, each with words that
/// read on from its name. The value is not in them: it may be a secret under a mistyped name. Opens no connection.
#[must_use]
pub fn unusable_properties(properties: &BTreeMap<String, String>) -> Vec<(&str, &'static str)> {
    let problem = |name: &str, value: &str| match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => None,
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Some("is no property of librdkafka")
        }
        Err(_) => Some("has a value that librdkafka does not take"),
    };
    properties.iter().filter_map(|(name, value)| Some((name.as_str(), problem(name, value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
        names.into_iter().map(|name| (name.to_owned(), "1".to_owned())).collect()
    }

    #[test]
    fn what_the_promises_rest_on_is_refused_by_name() {
        let given = properties(["acks", "session.timeout.ms", "delivery.report.only.error"]);
        let names: Vec<_> = refused_properties(&given).into_iter().map(|property| property.name).collect();
        assert_eq!(names, ["acks", "delivery.report.only.error"]);
    }

    /// Or it would be refused by one name and taken by the other.
    #[test]
    fn what_is_refused_is_refused_by_both_names() {
        for RefusedProperty { name, .. } in REFUSED {
            let other = alias(name).unwrap_or(name);
            assert!(REFUSED.iter().any(|property| property.name == other), "{name} is refused, {other} is not");
        }
    }

    #[test]
    fn both_names_of_one_property_are_one_too_many() {
        assert_eq!(doubled_properties(&properties(["linger.ms", "retries", "compression.codec"])), []);
        let doubled = doubled_properties(&properties(["linger.ms", "queue.buffering.max.ms"]));
        assert_eq!(doubled, [("linger.ms", "queue.buffering.max.ms")]);
    }

    /// A value that is set by one name is read by the other: they are what librdkafka takes them for.
    #[test]
    fn aliases_are_two_names_of_one_property() {
        for (one, other) in ALIASES {
            let value = match one {
                "compression.type" => "lz4",
                "enable.auto.commit" => continue, // a global property and one of the topic, of the same name
                _ => "3",
            };
            let native = ClientConfig::new().set(one, value).create_native_config().unwrap();
            assert_eq!(native.get(other).unwrap(), value, "{one}, {other}");
        }
    }
}
