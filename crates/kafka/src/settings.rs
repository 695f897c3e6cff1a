//! How to reach the cluster, and what every client's configuration begins with.

mod properties;

use std::{collections::BTreeMap, fmt, time::Duration};

use rdkafka::ClientConfig;

pub(crate) use properties::alias;
pub use properties::{RefusedProperty, doubled_properties, refused_properties, unusable_properties};

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

impl KafkaSettings {
    /// The session timeout the group will have: the user's, else librdkafka's default of 45 s.
    #[must_use]
    pub fn session_timeout(&self) -> Duration {
        Duration::from_millis(self.millis("session.timeout.ms").unwrap_or(45_000))
    }

    /// How long a member may take for a rebalance before the group goes on without it: the user's, else librdkafka's default
    /// of 5 min.
    #[must_use]
    pub fn max_poll_interval(&self) -> Duration {
        Duration::from_millis(self.millis("max.poll.interval.ms").unwrap_or(300_000))
    }

    fn millis(&self, name: &str) -> Option<u64> {
        self.properties.get(name)?.trim().parse().ok()
    }

    /// The configuration every client starts from. `overrides` come last and by both names, so no property can undo them.
    pub(crate) fn client_config(&self, client_id: &str, overrides: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        // A reconnect after an outage must come within seconds; librdkafka's default waits up to ten.
        let defaults = [("reconnect.backoff.max.ms", "1000"), ("log.connection.close", "false")];
        self.set_defaults(&mut config, &defaults);
        // OpenSSL is linked in and knows no machine's folder of authorities; librdkafka looks where systems keep it. Who
        // names a file by OpenSSL's own variable keeps it.
        if std::env::var_os("SSL_CERT_FILE").is_none() {
            self.set_defaults(&mut config, &[("ssl.ca.location", "probe")]);
        }
        let own = [("bootstrap.servers", self.bootstrap_servers.as_str()), ("client.id", client_id)];
        for (name, value) in own.iter().chain(overrides) {
            if let Some(other) = alias(name) {
                config.remove(other);
            }
            config.set(*name, *value);
        }
        config
    }

    /// What counts unless the user's properties say otherwise, by either name.
    pub(crate) fn set_defaults(&self, config: &mut ClientConfig, defaults: &[(&str, &str)]) {
        let given = |name: &str| self.properties.contains_key(name);
        for (name, value) in defaults {
            if !given(name) && !alias(name).is_some_and(given) {
                config.set(*name, *value);
            }
        }
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
    fn the_groups_times_are_the_users() {
        let names = ["session.timeout.ms", "max.poll.interval.ms"];
        let properties = names.map(|name| (name.to_owned(), "6000".to_owned())).into();
        let settings = KafkaSettings { bootstrap_servers: String::new(), properties };
        assert_eq!(settings.session_timeout(), Duration::from_secs(6));
        assert_eq!(settings.max_poll_interval(), Duration::from_secs(6));
        assert_eq!(KafkaSettings::default().max_poll_interval(), Duration::from_secs(300));
    }
}
