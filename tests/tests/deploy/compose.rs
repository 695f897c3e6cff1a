//! docker-compose.yml: what the specification asks for, and that its parts find each other.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use postrider_testkit::python;
use yaml_rust2::Yaml;

use crate::tree::{
    assert_known_command, assert_valid_config, document, drain_and_ten, entries, items, root, seconds, text, texts,
};

/// docker-compose carries the schema of the Compose Specification; the others read both.
const SPECIFICATION: &[&str] = &[
    "docker-compose==1.29.2",
    "PyYAML==6.0.3",
    "jsonschema==4.26.0",
    "jsonschema-specifications==2025.9.1",
    "referencing==0.37.0",
    "rpds-py==2026.9.1",
    "attrs==26.1.0",
    "typing_extensions==4.16.0",
];

/// The keys of a service that these tests look at: the file may use no others.
const SERVICE_KEYS: &[&str] = &[
    "image",
    "build",
    "command",
    "entrypoint",
    "environment",
    "ports",
    "volumes",
    "depends_on",
    "healthcheck",
    "restart",
    "stop_grace_period",
    "read_only",
    "cap_drop",
    "security_opt",
    "network_mode",
    "user",
];

fn compose() -> Yaml {
    document("docker-compose.yml")
}

/// (host part, target) of a service's mounts.
fn mounts(service: &Yaml) -> Vec<(String, String)> {
    let mounts = texts(&service["volumes"]).into_iter().map(|mount| {
        let parts: Vec<_> = mount.split(':').collect();
        assert!((2..=3).contains(&parts.len()) && parts[1].starts_with('/'), "{mount}: SOURCE:/TARGET[:ro]");
        assert!(parts.get(2).is_none_or(|mode| *mode == "ro"), "{mount}");
        (parts[0].to_owned(), parts[1].to_owned())
    });
    mounts.collect()
}

fn validate(file: &Path) -> anyhow::Result<Output> {
    let script = root().join("tests/tests/deploy/compose_spec.py");
    Ok(Command::new(python::with(SPECIFICATION)?).arg(script).arg(file).output()?)
}

#[test]
fn it_is_valid_by_the_schema_of_the_specification() -> anyhow::Result<()> {
    let output = validate(&root().join("docker-compose.yml"))?;
    let violations = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "docker-compose.yml:\n{violations}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// That the check can fail, and says where.
#[test]
fn the_schema_refuses_mistakes() -> anyhow::Result<()> {
    let good = text("docker-compose.yml");
    let dir = tempfile::tempdir()?;
    let broken = dir.path().join("docker-compose.yml");
    for (right, wrong, at) in [
        ("name: postrider\n", "name: Post Rider\n", "name: "),
        ("127.0.0.1:8080:8080", "80x", "services.ingest.ports.0: "),
        ("condition: service_healthy", "condition: 3", "services.topics.depends_on.kafka.condition: "),
        ("read_only: true", "read_onyl: true", "services.ingest: "),
        ("stop_grace_period: 35s", "stop_grace_period: soon", "services.process.stop_grace_period: "),
    ] {
        assert!(good.contains(right), "{right}");
        fs::write(&broken, good.replace(right, wrong))?;
        let output = validate(&broken)?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{wrong}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.lines().any(|line| line.starts_with(at)), "{wrong}: {said}");
    }
    Ok(())
}

#[test]
fn it_says_only_what_is_looked_at_here() {
    let compose = compose();
    let known = ["name", "services", "volumes"];
    assert!(entries(&compose).iter().all(|(key, _)| known.contains(key) || key.starts_with("x-")));
    for (name, service) in entries(&compose["services"]) {
        for (key, _) in entries(service) {
            assert!(SERVICE_KEYS.contains(&key), "{name}.{key} is not looked at here");
        }
        let image = service["image"].as_str().unwrap_or_else(|| panic!("{name} has no image"));
        let tag = image.rsplit_once(':').map(|(_, tag)| tag);
        let pinned = tag.is_some_and(|tag| tag.trim_start_matches('v').split('.').count() == 3);
        assert!(
            pinned || image == "postrider:local" && !service["build"].is_badvalue(),
            "{name}: {image} is not pinned"
        );
        for (variable, value) in entries(&service["environment"]) {
            assert!(value.as_str().is_some(), "{name}: quote the value of {variable}");
        }
        let restart = service["restart"].as_str().unwrap_or("no");
        assert!(["no", "on-failure", "unless-stopped"].contains(&restart), "{name}: {restart}");
        let test = texts(&service["healthcheck"]["test"]);
        assert!(test.is_empty() || test[0] == "CMD", "{name}: an image without a shell wants CMD: {test:?}");
        for time in ["interval", "timeout", "start_period"] {
            service["healthcheck"][time].as_str().map(seconds);
        }
    }
}

#[test]
fn services_wait_for_what_can_be_waited_for() {
    let compose = compose();
    let services = &compose["services"];
    for (name, service) in entries(services) {
        for (other, how) in entries(&service["depends_on"]) {
            let on = &services[other];
            assert!(!on.is_badvalue(), "{name} waits for {other}, which is not there");
            match how["condition"].as_str() {
                Some("service_healthy") => {
                    assert!(!items(&on["healthcheck"]["test"]).is_empty(), "{other} has no health check for {name}");
                }
                Some("service_completed_successfully") => {
                    assert_ne!(on["restart"].as_str(), Some("unless-stopped"), "{other} never ends, and {name} waits");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    let started = |name: &str| entries(&services[name]["depends_on"]).into_iter().map(|(on, _)| on).collect::<Vec<_>>();
    assert_eq!(started("topics"), ["kafka", "keys"]);
    assert!(started("ingest").contains(&"topics") && started("process").contains(&"topics"));
}

#[test]
fn mounts_exist_and_volumes_are_declared_and_used() {
    let compose = compose();
    let declared: BTreeSet<_> = entries(&compose["volumes"]).into_iter().map(|(name, _)| name.to_owned()).collect();
    let mut used = BTreeSet::new();
    for (name, service) in entries(&compose["services"]) {
        for (source, target) in mounts(service) {
            if source.starts_with("./") {
                assert!(root().join(&source).exists(), "{name} mounts {source}, which is not there");
            } else {
                assert!(declared.contains(&source), "{name}: the volume {source} of {target} is not declared");
                used.insert(source);
            }
        }
    }
    assert_eq!(declared, used);
}

#[test]
fn ports_are_open_to_this_machine_only_and_processes_scale() {
    let compose = compose();
    let mut taken = BTreeSet::new();
    for (name, service) in entries(&compose["services"]) {
        assert!(service["container_name"].is_badvalue());
        for port in texts(&service["ports"]) {
            let parts: Vec<_> = port.split(':').collect();
            assert!(parts.len() == 3 && parts[0] == "127.0.0.1", "{name}: {port} is open to others");
            assert!(taken.insert(parts[1].to_owned()), "{name}: {port} is taken");
        }
    }
    let process = &compose["services"]["process"];
    assert!(process["ports"].is_badvalue(), "a published port allows one process only");
    assert!(seconds(process["stop_grace_period"].as_str().unwrap()) > drain_and_ten());
    assert_eq!(compose["services"]["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"].as_str(), Some("false"));
}

#[test]
fn no_secret_stands_in_the_files() {
    let compose = compose();
    for (name, service) in entries(&compose["services"]) {
        for (variable, value) in entries(&service["environment"]) {
            let secret = ["PASSWORD", "SECRET", "TOKEN", "KEY"].iter().any(|word| variable.contains(word));
            assert!(!secret, "{name}: {variable}={value:?}");
        }
    }
    for file in ["deploy/compose/postrider.toml", "deploy/kubernetes/postrider.toml"] {
        for line in text(file).lines() {
            let key = line.split(" = ").next().unwrap();
            assert!(!["key", "password", "sasl_password", "token"].contains(&key), "{file}: {line}");
            // The catch-all's address is none: everybody has it.
            assert!(key != "webhook_url" || line.contains("http://slack:"), "{file}: {line}");
        }
    }
}

#[test]
fn the_configuration_is_valid_and_names_services() {
    assert_valid_config("deploy/compose/postrider.toml", "/run/postrider/");
    let (compose, config) = (compose(), text("deploy/compose/postrider.toml"));
    let services = &compose["services"];
    let value = |key: &str| {
        let line = config.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
        line.unwrap_or_else(|| panic!("{key} is not set")).trim_matches('"').to_owned()
    };
    let kafka = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].as_str().unwrap();
    assert!(kafka.contains(&format!("://{},", value("bootstrap_servers"))), "{kafka}");
    assert!(!services[value("host").as_str()].is_badvalue());
    let listen = value("listen");
    let published = texts(&services["ingest"]["ports"]);
    assert!(published[0].ends_with(listen.rsplit_once(':').unwrap().1), "{published:?} publish {listen}");

    let key_file = value("key_file");
    let (folder, file) = key_file.rsplit_once('/').unwrap();
    assert!(mounts(&services["ingest"]).contains(&("keys".to_owned(), folder.to_owned())));
    assert!(texts(&services["keys"]["command"])[2].contains(&format!("/keys/{file}")), "somebody makes {key_file}");

    let webhook = value("webhook_url");
    let slack = &services["slack"];
    let listen = texts(&slack["command"])[2].rsplit_once(':').unwrap().1.to_owned();
    assert!(webhook.starts_with(&format!("http://slack:{listen}/slack/webhook/")), "{webhook}");
    assert!(texts(&slack["healthcheck"]["test"])[4].contains(&format!(":{listen}/")));
    assert_eq!(texts(&slack["ports"]), [format!("127.0.0.1:{listen}:{listen}")]);
}

#[test]
fn every_command_is_one_the_program_knows() {
    let compose = compose();
    let mut seen = 0;
    for (_, service) in
        entries(&compose["services"]).into_iter().filter(|(_, s)| s["image"].as_str() == Some("postrider:local"))
    {
        assert_known_command(&texts(&service["command"]));
        if let Some(("CMD", test)) =
            texts(&service["healthcheck"]["test"]).split_first().map(|(first, rest)| (*first, rest))
        {
            assert_eq!(test[0], "postrider");
            assert_known_command(&test[1..]);
        }
        seen += 1;
    }
    assert_eq!(seen, 4, "topics, ingest, process and slack");
}

#[test]
fn prometheus_and_grafana_find_what_they_need() {
    let compose = compose();
    let services = &compose["services"];
    let prometheus = mounts(&services["prometheus"]);
    let target = |file: &str| prometheus.iter().find(|(source, _)| source == file).map(|(_, target)| target.clone());
    let config_at = target("./grafana/prometheus/prometheus.yml").expect("its configuration is mounted");
    assert!(texts(&services["prometheus"]["command"]).contains(&format!("--config.file={config_at}").as_str()));
    let config = document("grafana/prometheus/prometheus.yml");
    for rules in texts(&config["rule_files"]) {
        let expected = format!("{}/{rules}", config_at.rsplit_once('/').unwrap().0);
        assert_eq!(target(&format!("./grafana/prometheus/{rules}")), Some(expected), "rule files are relative to it");
    }
    let mut jobs = Vec::new();
    for job in items(&config["scrape_configs"]) {
        for discovery in items(&job["dns_sd_configs"]) {
            for name in texts(&discovery["names"]) {
                assert!(!services[name].is_badvalue(), "no service {name}");
                jobs.push(format!(
                    "{} {name} {}",
                    job["job_name"].as_str().unwrap(),
                    discovery["port"].as_i64().unwrap()
                ));
            }
        }
    }
    // The ports of contract and default file.
    assert_eq!(jobs, ["postrider-process process 9464", "postrider-ingest ingest 9465"]);
    let default = text("crates/postrider/src/config/default.toml");
    assert!(default.contains("0.0.0.0:9464 for `process`, 0.0.0.0:9465 for `ingest`"));

    let source = &document("grafana/provisioning/datasources/prometheus.yaml")["datasources"][0];
    assert_eq!((source["uid"].as_str(), source["url"].as_str()), (Some("prometheus"), Some("http://prometheus:9090")));
    assert_eq!(texts(&services["prometheus"]["ports"]), ["127.0.0.1:9090:9090"]);
    let provider = &document("grafana/provisioning/dashboards/postrider.yaml")["providers"][0];
    let dashboards = provider["options"]["path"].as_str().unwrap().to_owned();
    let grafana = mounts(&services["grafana"]);
    assert!(grafana.contains(&("./grafana/dashboards".to_owned(), dashboards)), "{grafana:?}");
    assert!(grafana.contains(&("./grafana/provisioning".to_owned(), "/etc/grafana/provisioning".to_owned())));
}

#[test]
fn promtool_takes_the_configuration() {
    let config = root().join("grafana/prometheus/prometheus.yml");
    let output = Command::new("promtool").args(["check", "config"]).arg(config).output().expect("promtool runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the tests show on Kafka holds for the Kafka that is started here.
#[test]
fn it_starts_the_kafka_that_the_tests_run_on() {
    let jars = text("crates/testkit/src/kafka/jars.rs");
    let version = jars.lines().find_map(|line| line.strip_prefix("const VERSION: &str = \"")?.strip_suffix("\";"));
    let image = compose()["services"]["kafka"]["image"].as_str().unwrap().to_owned();
    assert_eq!(image, format!("apache/kafka:{}", version.expect("the test kit names its version")));
}
