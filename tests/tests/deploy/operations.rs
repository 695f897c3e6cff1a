//! docs/OPERATIONS.md: every alert has its runbook, every link its target, every metric its place in the code. That its
//! commands parse is shown beside the command line itself, that they run in `replay.rs`.

use std::collections::BTreeSet;

use crate::tree::{documents, entries, items, root, text};

pub(crate) const PAPER: &str = "docs/OPERATIONS.md";

/// The anchor that a heading gets on the page.
fn anchor(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>();
    kept.replace(' ', "-")
}

fn anchors(paper: &str) -> BTreeSet<String> {
    let headings = paper.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let paper = text(PAPER);
    let mut expected = BTreeSet::new();
    for document in documents("grafana/prometheus/alerts.yml") {
        for rule in items(&document["groups"]).iter().flat_map(|group| items(&group["rules"])) {
            let alert = rule["alert"].as_str().expect("the file holds alerts only");
            let url = rule["annotations"]["runbook_url"].as_str().unwrap_or_else(|| panic!("{alert} has no runbook"));
            let (page, anchor) = url.split_once('#').unwrap_or_else(|| panic!("{alert}: {url} names no section"));
            assert!(page.ends_with(PAPER), "{alert}: {url}");
            expected.insert(anchor.to_owned());
        }
    }
    assert!(!expected.is_empty());
    let (_, runbooks) = paper.split_once("\n## Runbooks\n").expect("there are runbooks");
    let mut found = BTreeSet::new();
    for section in runbooks.split("\n### ").skip(1) {
        let (heading, body) = section.split_once('\n').expect("a section has a body");
        for part in ["**Means:**", "**Confirm:**", "**Do:**", "**Do not** "] {
            assert_eq!(body.matches(part).count(), 1, "{heading}: {part}");
        }
        found.insert(anchor(heading));
    }
    assert_eq!(expected, found);
}

#[test]
fn links_lead_somewhere() {
    for name in [PAPER, "deploy/README.md"] {
        let paper = text(name);
        let folder = root().join(name).parent().unwrap().to_owned();
        for link in paper.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            match link.strip_prefix('#') {
                Some(section) => assert!(anchors(&paper).contains(section), "{name}: #{section}"),
                None if link.contains("://") => {}
                None => assert!(folder.join(link).exists(), "{name}: {link}"),
            }
        }
    }
}

#[test]
fn metrics_and_settings_it_names_exist() {
    let paper = text(PAPER);
    let declared: String = [
        "crates/processor/src/metrics.rs",
        "crates/ingest/src/metrics.rs",
        "crates/telemetry/src/metrics.rs",
        "crates/telemetry/src/panics.rs",
        "crates/telemetry/src/build.rs",
    ]
    .map(text)
    .concat();
    let words = paper.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics: BTreeSet<_> = words.filter_map(|word| word.strip_prefix("postrider_")).collect();
    assert!(metrics.len() > 10);
    for metric in metrics {
        let base = metric.trim_end_matches("_bucket").trim_end_matches("_count").trim_end_matches("_sum");
        assert!(declared.contains(base), "postrider_{metric} is not exported");
    }
    let default = text("crates/postrider/src/config/default.toml");
    for key in [
        "partitions",
        "retention",
        "give_up_after",
        "drain_timeout",
        "in_flight_max",
        "connections_max",
        "unknown_retries",
        "recipients_allowed",
        "session.timeout.ms",
        "ssl_ca_file",
        "sasl_password_file",
        "webhook_url_file",
    ] {
        assert!(paper.contains(key) && default.contains(key), "{key}");
    }
}

/// The commands that the compose file's own head shows are those of the paper.
#[test]
fn the_compose_file_and_the_paper_say_the_same() {
    let words = |text: &str| text.replace(['#', '\\'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let (compose, paper) = (words(&text("docker-compose.yml")), words(&text(PAPER)));
    for command in [
        "docker compose up --build --detach",
        "docker compose run --rm --no-deps ingest send --url http://ingest:8080 --api-key-file /run/postrider/shop",
        "docker compose up --detach --scale process=3",
    ] {
        assert!(compose.contains(command) && paper.contains(command), "{command}");
    }
    let services = crate::tree::document("docker-compose.yml");
    let names: Vec<_> = entries(&services["services"]).into_iter().map(|(name, _)| name).collect();
    assert!(["ingest", "process", "keys", "kafka"].iter().all(|name| names.contains(name)));
}

/// The queries of the runbooks, read by Prometheus' own tool. That their metrics exist is shown above.
#[test]
fn queries_are_ones_that_prometheus_reads() {
    let paper = text(PAPER);
    let is_query = |span: &&str| {
        ["sum ", "sum(", "max ", "max(", "rate(", "count ", "changes(", "histogram_quantile(", "up{"]
            .iter()
            .any(|start| span.starts_with(start))
            || (span.starts_with("postrider_") && span.ends_with('}'))
    };
    let queries: Vec<_> = paper.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).filter(is_query).collect();
    assert!(queries.len() >= 20, "{queries:#?}");
    let mut rules = String::from("groups:\n  - name: runbooks\n    rules:\n");
    for (number, query) in queries.iter().enumerate() {
        rules += &format!("      - record: runbook:query:{number}\n        expr: '{query}'\n");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.yml");
    std::fs::write(&file, rules).unwrap();
    let output = std::process::Command::new("promtool").args(["check", "rules"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
