//! One of each kind of client, made without a cluster: what librdkafka does not take together, and files for TLS that it
//! cannot use, are found before anything runs.

use std::collections::BTreeSet;

use rdkafka::{ClientConfig, consumer::BaseConsumer, error::KafkaError as RdKafkaError};

use crate::{
    KafkaError, KafkaSettings, LedgerSettings, SourceSettings,
    client::PlainContext,
    groups, ledger,
    outlet::{self, OutletSettings},
    producer, source,
};

/// Why librdkafka makes no client out of settings whose properties are right one by one, in its words; empty: it does.
/// Opens no connection.
#[must_use]
pub fn refused_together(kafka: &KafkaSettings) -> Vec<String> {
    let producer = outlet::create(&alone(writing(kafka))).err();
    let consumers = reading(kafka).into_iter().filter_map(|config| {
        let made = alone(config).create_with_context::<_, BaseConsumer<PlainContext>>(PlainContext::default());
        made.err().map(|source| KafkaError::Client { purpose: "reading", source })
    });
    let words: BTreeSet<_> = producer.into_iter().chain(consumers).map(|error| words(&error)).collect();
    words.into_iter().collect()
}

/// Without a broker it connects to nobody, without a group there is none to leave.
fn alone(mut config: ClientConfig) -> ClientConfig {
    config.remove("bootstrap.servers").remove("group.id");
    config
}

/// As ingest writes: a lane's writer differs only in waiting longer.
fn writing(kafka: &KafkaSettings) -> ClientConfig {
    let settings = OutletSettings {
        client_id: "postrider".to_owned(),
        message_max_bytes: 0,
        delivery_timeout: producer::DELIVERY_TIMEOUT,
        linger: std::time::Duration::ZERO,
        requests_max: 1,
    };
    outlet::config(kafka, &settings)
}

fn reading(kafka: &KafkaSettings) -> [ClientConfig; 4] {
    let name = || "postrider".to_owned();
    let lane = SourceSettings { group: name(), topic: name(), client_id: name() };
    let ledger = LedgerSettings { events_topic: name(), ledger_topic: name(), group: name() };
    let [member, fetcher] = source::configs(kafka, &lane);
    [member, fetcher, ledger::config(kafka, &ledger, "ledger"), groups::config(kafka, "postrider")]
}

/// The values are in none of them: one may be a secret.
fn words(error: &KafkaError) -> String {
    match error {
        KafkaError::Client { source: RdKafkaError::ClientCreation(words), .. } => words.clone(),
        KafkaError::Client { source: RdKafkaError::ClientConfig(_, _, name, _), .. } => {
            format!("{name} has a value that librdkafka does not take")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::settings::{alias, refused_properties};

    fn with(name: &str, value: &str) -> KafkaSettings {
        let properties = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        KafkaSettings { bootstrap_servers: "broker.invalid:9092".to_owned(), properties }
    }

    fn every_config(kafka: &KafkaSettings) -> Vec<ClientConfig> {
        [writing(kafka)].into_iter().chain(reading(kafka)).collect()
    }

    /// Nothing that a user may write is overridden without a word, under neither of its names.
    #[test]
    fn a_property_is_refused_or_counts() {
        let names: BTreeSet<String> = every_config(&KafkaSettings::default())
            .iter()
            .flat_map(|config| config.config_map().into_keys().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        assert!(names.len() > 20 && names.contains("linger.ms") && names.contains("queued.min.messages"), "{names:?}");
        for name in names.iter().flat_map(|name| [Some(name.as_str()), alias(name)]).flatten() {
            let kafka = with(name, "the user's");
            if !refused_properties(&kafka.properties).is_empty() {
                continue;
            }
            for config in every_config(&kafka) {
                assert_eq!(config.get(name), Some("the user's"), "{name} is neither refused nor obeyed");
                assert_eq!(
                    alias(name).and_then(|other| config.get(other)),
                    None,
                    "{name} is set by its other name too"
                );
            }
        }
    }

    /// Where a refused one slips through nevertheless, it undoes nothing.
    #[test]
    fn an_alias_undoes_no_override() {
        for config in every_config(&with("request.required.acks", "1")) {
            assert!(config.get("acks").is_none() || config.get("request.required.acks").is_none());
        }
    }

    #[test]
    fn librdkafka_is_asked_what_goes_together() {
        assert_eq!(refused_together(&with("client.rack", "a")), Vec::<String>::new());
        for (name, value) in [
            ("max.in.flight", "10"),
            ("max.in.flight.requests.per.connection", "10"),
            ("retries", "0"),
            ("session.timeout.ms", "600000"),
            ("linger.ms", "5000"),
            ("reconnect.backoff.ms", "5000"),
            ("ssl.key.location", "does-not-exist"),
        ] {
            let mut kafka = with(name, value);
            kafka.properties.insert("security.protocol".to_owned(), "ssl".to_owned());
            let refused = refused_together(&kafka);
            let name = name.trim_end_matches(".requests.per.connection");
            assert!(refused.len() == 1 && refused[0].contains(name), "{name}: {refused:?}");
        }
    }
}
