//! `[kafka]`: the cluster, and librdkafka's own properties.

use std::{collections::BTreeMap, ops::RangeInclusive};

use postrider_kafka::{KafkaSettings, doubled_properties, refused_properties, refused_together, unusable_properties};

use super::{print::is_secret, section::Section};

/// Properties that have a key of their own, and what to do instead. Those that the promises rest on are the kafka
/// crate's to name.
const ELSEWHERE: &[(&str, &str)] = &[
    ("bootstrap.servers", "write kafka.bootstrap_servers"),
    ("metadata.broker.list", "write kafka.bootstrap_servers"),
    ("security.protocol", "write kafka.security_protocol"),
    ("sasl.mechanism", "write kafka.sasl_mechanism"),
    ("sasl.mechanisms", "write kafka.sasl_mechanism"),
    ("sasl.username", "write kafka.sasl_username"),
    ("sasl.password", "write kafka.sasl_password or kafka.sasl_password_file"),
    ("ssl.ca.location", "write kafka.ssl_ca_file"),
    ("ssl.certificate.location", "write kafka.ssl_certificate_file"),
    ("ssl.key.location", "write kafka.ssl_key_file"),
    ("allow.auto.create.topics", "`postrider topics apply` creates the topics; remove it"),
];

const PROTOCOLS: &[(&str, Protocol)] = &[
    ("plaintext", Protocol { name: "plaintext", sasl: false, ssl: false }),
    ("ssl", Protocol { name: "ssl", sasl: false, ssl: true }),
    ("sasl_plaintext", Protocol { name: "sasl_plaintext", sasl: true, ssl: false }),
    ("sasl_ssl", Protocol { name: "sasl_ssl", sasl: true, ssl: true }),
];
const MECHANISMS: &[(&str, &str)] =
    &[("PLAIN", "PLAIN"), ("SCRAM-SHA-256", "SCRAM-SHA-256"), ("SCRAM-SHA-512", "SCRAM-SHA-512")];

#[derive(Clone, Copy)]
struct Protocol {
    name: &'static str,
    sasl: bool,
    ssl: bool,
}

/// With `secrets` false none is read, for whoever has nothing to do with Kafka.
pub(super) fn read(section: Section<'_>, secrets: bool) -> Option<KafkaSettings> {
    let bootstrap_servers = section.text("bootstrap_servers");
    if let Some(servers) = &bootstrap_servers {
        check_servers(&section, servers);
    }
    let noted = section.noted();
    let protocol = section.choice("security_protocol", PROTOCOLS);
    let mut properties = BTreeMap::new();
    properties.extend(protocol.map(|protocol| ("security.protocol".to_owned(), protocol.name.to_owned())));
    read_sasl(&section, protocol.map(|protocol| protocol.sasl), secrets, &mut properties);
    read_ssl(&section, protocol.map(|protocol| protocol.ssl), secrets, &mut properties);
    let extra = section.section("properties");
    let written = with_secrets_from_files(&extra, extra.flat_texts().into_iter().collect(), secrets);
    let refused = refused_properties(&written);
    let unusable = unusable_properties(&written);
    for name in written.keys() {
        if let Some((_, instead)) = ELSEWHERE.iter().find(|(elsewhere, _)| elsewhere == name) {
            extra.problem(name, format_args!("has a place of its own: {instead}"));
        } else if let Some(property) = refused.iter().find(|property| property.name == name) {
            extra.problem(name, format_args!("is Postrider's to set: {}; remove it", property.reason));
        } else if name != "session.timeout.ms"
            && name != "heartbeat.interval.ms"
            && let Some((_, problem)) = unusable.iter().find(|(unusable, _)| unusable == name)
        {
            extra.problem(name, format_args!("{problem}; mend or remove it"));
        }
    }
    for (name, other) in doubled_properties(&written) {
        extra.problem(name, format_args!("is given twice, also as {other}: keep one"));
    }
    properties.extend(written);
    check_group(&extra, &properties);
    extra.finish();
    let settings = KafkaSettings { bootstrap_servers: bootstrap_servers.clone().unwrap_or_default(), properties };
    if secrets && section.noted() == noted {
        for words in refused_together(&settings) {
            section.problem_here(format_args!("librdkafka makes no client of these settings: {words}"));
        }
    }
    section.finish();
    bootstrap_servers.map(|_| settings)
}

fn check_servers(section: &Section<'_>, servers: &str) {
    let is_server = |server: &str| {
        server.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if !servers.split(',').map(str::trim).all(is_server) {
        section.problem(
            "bootstrap_servers",
            "must be host:port, several with commas, such as \"kafka-1:9092,kafka-2:9092\"",
        );
    }
}

/// A property that is a secret may come from a file, as every secret: `"ssl.key.password_file"`. From the environment, where
/// every `_` is a dot, its name ends with `.file`.
fn with_secrets_from_files(
    extra: &Section<'_>,
    written: BTreeMap<String, String>,
    read: bool,
) -> BTreeMap<String, String> {
    let secret = |name: &str| {
        let base = name.strip_suffix("_file").or_else(|| name.strip_suffix(".file"));
        base.filter(|base| is_secret(base)).map(str::to_owned)
    };
    let mut properties = BTreeMap::new();
    for (name, text) in &written {
        match secret(name) {
            None => drop(properties.insert(name.clone(), text.clone())),
            Some(base) if written.contains_key(&base) => {
                extra.problem(&base, format_args!("is given twice, also as {name}: keep one"));
            }
            Some(_) if !read => {}
            Some(base) => {
                let found = extra.secret_in_file(name, text);
                properties.extend(found.map(|secret| (base, secret.reveal().to_owned())));
            }
        }
    }
    properties
}

/// `used`: whether the protocol asks for it; none if that is wrong itself.
fn read_sasl(section: &Section<'_>, used: Option<bool>, secrets: bool, properties: &mut BTreeMap<String, String>) {
    let mechanism = section.choice("sasl_mechanism", MECHANISMS);
    let username = section.text("sasl_username");
    let password = section.secret("sasl_password", secrets);
    for key in ["sasl_mechanism", "sasl_username", "sasl_password"] {
        let given = if key == "sasl_password" { section.has_secret(key) } else { section.has(key) };
        if used == Some(true) && !given {
            section.problem(key, "is missing: security_protocol asks for SASL");
        }
        if used == Some(false) && given {
            section.problem(key, "has no use without SASL: set security_protocol to sasl_ssl, or remove it");
        }
    }
    let entries = [
        ("sasl.mechanism", mechanism.map(str::to_owned)),
        ("sasl.username", username),
        ("sasl.password", password.map(|password| password.reveal().to_owned())),
    ];
    properties.extend(entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
}

fn read_ssl(section: &Section<'_>, used: Option<bool>, secrets: bool, properties: &mut BTreeMap<String, String>) {
    for (key, name) in [
        ("ssl_ca_file", "ssl.ca.location"),
        ("ssl_certificate_file", "ssl.certificate.location"),
        ("ssl_key_file", "ssl.key.location"),
    ] {
        if section.has(key) && used == Some(false) {
            section.problem(key, "has no use without TLS: set security_protocol to ssl or sasl_ssl, or remove it");
        }
        let path = match key {
            "ssl_key_file" if !secrets => section.text(key).map(Into::into),
            "ssl_key_file" => section.readable_file(key),
            _ => section.certificate_file(key),
        };
        if let Some(path) = path {
            properties.insert(name.to_owned(), path.display().to_string());
        }
    }
    if section.has("ssl_certificate_file") != section.has("ssl_key_file") {
        section.problem("ssl_certificate_file", "and ssl_key_file go together: give both or neither");
    }
}

/// The lease is two thirds of the session timeout, proven every third: below three seconds it cannot be held.
fn check_group(extra: &Section<'_>, properties: &BTreeMap<String, String>) {
    const SESSION_MS: RangeInclusive<u64> = 3_000..=1_800_000;
    let millis = |name: &str, default: u64| properties.get(name).map_or(Some(default), |text| text.parse().ok());
    let session = millis("session.timeout.ms", 45_000).filter(|session| SESSION_MS.contains(session));
    let Some(session) = session else {
        extra.problem("session.timeout.ms", "must be milliseconds from 3000 to 1800000");
        return;
    };
    let heartbeat = millis("heartbeat.interval.ms", 3_000);
    if heartbeat.is_none_or(|heartbeat| heartbeat == 0 || heartbeat > session / 3) {
        extra.problem(
            "heartbeat.interval.ms",
            "must be milliseconds, at most a third of session.timeout.ms (45000 unless given); it is 3000 unless given",
        );
    }
    if millis("max.poll.interval.ms", 300_000).is_some_and(|longest| longest < session) {
        extra.problem(
            "max.poll.interval.ms",
            "must not be shorter than session.timeout.ms (45000 unless given); it is 300000 unless given",
        );
    }
}
