//! How to reach the cluster, and which properties are not the user's to set.

use std::{collections::BTreeMap, fmt, time::Duration};

use rdkafka::{ClientConfig, error::KafkaError, types::RDKafkaConfRes};

/// Where Kafka is and how to speak to it.
#[derive(Clone, Default)]
pub struct KafkaSettings {
    /// `host:port`, comma separated.
    pub bootstrap_servers: String,
    /// Any other librdkafka property, security among them; those of [`refused_properties`] must not be here.
    pub properties: BTreeMap<String, String>,
}

/// Properties whose value is never printed.
const SECRET_PARTS: [&str; 4] = ["password", "secret", "ssl.key.pem", "sasl.oauthbearer.config"];

/// A property the promises rest on, with the reason why it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedProperty {
    /// Its name.
    pub name: &'static str,
    /// Why Postrider sets it itself.
    pub reason: &'static str,
}

const REFUSED: [RefusedProperty; 24] = [
    refused("acks", "an event is accepted only when all in-sync replicas have it"),
    refused("request.required.acks", "an event is accepted only when all in-sync replicas have it"),
    refused("enable.idempotence", "without it a retried write is stored twice"),
    refused("enable.gapless.guarantee", "a failed write must not stop the writer for good"),
    refused("transactional.id", "receipts, not transactions, carry the guarantee"),
    refused("partitioner", "every client must put a key where Java's partitioner puts it"),
    refused("delivery.timeout.ms", "it is derived from the time within which a write must be answered"),
    refused("message.timeout.ms", "it is derived from the time within which a write must be answered"),
    refused("message.max.bytes", "it follows [ingest] body_max"),
    refused("enable.auto.commit", "a commit must never pass unsettled work"),
    refused("auto.commit.enable", "a commit must never pass unsettled work"),
    refused("enable.auto.offset.store", "a commit must never pass unsettled work"),
    refused("auto.offset.reset", "a gap stops the partition loudly instead of being skipped"),
    refused("enable.partition.eof", "restoring a ledger depends on it"),
    refused("isolation.level", "a receipt must be read whoever wrote it"),
    refused("check.crcs", "it follows librdkafka's default"),
    refused("group.id", "the group is <events topic>.<lane>"),
    refused("group.instance.id", "one name for two processes would throw one of them out"),
    refused("group.protocol", "the drain before a revoke rests on the classic protocol"),
    refused("group.remote.assignor", "the drain before a revoke rests on the classic protocol"),
    refused("partition.assignment.strategy", "the drain before a revoke rests on cooperative-sticky"),
    refused("client.id", "it names the lane or the part of Postrider"),
    refused("bootstrap.servers", "it is set by bootstrap_servers in [kafka]"),
    refused("metadata.broker.list", "it is set by bootstrap_servers in [kafka]"),
];

const fn refused(name: &'static str, reason: &'static str) -> RefusedProperty {
    RefusedProperty { name, reason }
}

/// Those of the user's properties that the promises rest on. Empty: all are accepted.
#[must_use]
pub fn refused_properties(properties: &BTreeMap<String, String>) -> Vec<RefusedProperty> {
    REFUSED.into_iter().filter(|property| properties.contains_key(property.name)).collect()
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

impl KafkaSettings {
    /// The session timeout the group will have: the user's, else librdkafka's default of 45 s.
    #[must_use]
    pub fn session_timeout(&self) -> Duration {
        let millis = self.properties.get("session.timeout.ms").and_then(|value| value.trim().parse().ok());
        Duration::from_millis(millis.unwrap_or(45_000))
    }

    /// The configuration every client starts from. `overrides` come last, so no property can undo them.
    pub(crate) fn client_config(&self, client_id: &str, overrides: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        // A reconnect after an outage must come within seconds; librdkafka's default waits up to ten.
        config.set("reconnect.backoff.max.ms", "1000");
        config.set("log.connection.close", "false");
        // OpenSSL is linked in and knows no machine's folder of authorities; librdkafka looks where systems keep it. Who
        // names a file by OpenSSL's own variable keeps it.
        if std::env::var_os("SSL_CERT_FILE").is_none() {
            config.set("ssl.ca.location", "probe");
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.bootstrap_servers).set("client.id", client_id);
        for (name, value) in overrides {
            config.set(*name, *value);
        }
        config
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: BTreeMap<_, _> =
            self.properties.iter().map(|(name, value)| (name, if is_secret(name) { "***" } else { value })).collect();
        f.debug_struct("KafkaSettings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("properties", &shown)
            .finish()
    }
}

fn is_secret(name: &str) -> bool {
    SECRET_PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let properties = BTreeMap::from([
            ("sasl.password".to_owned(), "hunter2".to_owned()),
            ("ssl.key.pem".to_owned(), "hunter2".to_owned()),
            ("sasl.username".to_owned(), "shop".to_owned()),
        ]);
        let shown = format!("{:?}", KafkaSettings { bootstrap_servers: "a:1".to_owned(), properties });
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("shop") && shown.contains("a:1"), "{shown}");
    }

    /// What would be in a unit, where nothing sets OpenSSL's variables.
    #[test]
    fn the_authorities_of_the_machine_are_found() {
        let location =
            |settings: &KafkaSettings| settings.client_config("test", &[]).get("ssl.ca.location").map(str::to_owned);
        let expected = std::env::var_os("SSL_CERT_FILE").is_none().then(|| "probe".to_owned());
        assert_eq!(location(&KafkaSettings::default()), expected);
        let properties = BTreeMap::from([("ssl.ca.location".to_owned(), "/ca.pem".to_owned())]);
        let settings = KafkaSettings { bootstrap_servers: String::new(), properties };
        assert_eq!(location(&settings).as_deref(), Some("/ca.pem"), "a file of the user's wins");
    }

    #[test]
    fn what_the_promises_rest_on_is_refused_by_name() {
        let properties =
            BTreeMap::from([("acks".to_owned(), "1".to_owned()), ("session.timeout.ms".to_owned(), "6000".to_owned())]);
        let names: Vec<_> = refused_properties(&properties).into_iter().map(|property| property.name).collect();
        assert_eq!(names, ["acks"]);
        let settings = KafkaSettings { bootstrap_servers: String::new(), properties };
        assert_eq!(settings.session_timeout(), Duration::from_secs(6));
    }
}
