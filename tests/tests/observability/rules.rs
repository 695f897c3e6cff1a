//! Recording rules and alerts, as files.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
};

use crate::papers::{RUNBOOKS, path, read};

/// The section of an alert: `PostriderLaneStalled` is `postrider-lane-stalled`.
pub(crate) fn anchor(alert: &str) -> String {
    let mut anchor = String::new();
    for c in alert.chars() {
        if c.is_ascii_uppercase() && !anchor.is_empty() {
            anchor.push('-');
        }
        anchor.push(c.to_ascii_lowercase());
    }
    anchor
}

/// Every alert: its name and the lines of its rule.
pub(crate) fn alerts() -> Vec<(String, String)> {
    let text = read("grafana/prometheus/alerts.yml");
    let rules = text.split("      - alert: ").skip(1);
    rules.filter_map(|rule| rule.split_once('\n')).map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
}

/// The anchors of the headings of a Markdown text, as GitHub makes them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let headings = markdown.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[track_caller]
fn promtool(arguments: &[&str]) -> Output {
    let output = Command::new("promtool").args(arguments).current_dir(path("grafana/prometheus")).output();
    let output = output.expect("promtool runs; Debian's package `prometheus` brings it");
    assert!(
        output.status.success(),
        "promtool {arguments:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

#[test]
fn promtool_finds_nothing_to_say() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", "rules.yml", "alerts.yml"]);
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    promtool(&["test", "rules", "alerts_test.yml", "objective_test.yml", "quiet_test.yml"]);
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() {
    let cases = ["alerts_test.yml", "objective_test.yml"].map(|file| read(&format!("grafana/prometheus/{file}")));
    for (alert, _) in alerts() {
        for verdict in ["fires", "silent"] {
            let name = format!("- name: '{alert}, {verdict}: ");
            assert!(cases.iter().any(|text| text.contains(&name)), "no test of {alert} in which it {verdict}");
        }
    }
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_saw_and_where_to_read_on() {
    let runbooks = anchors(&read("docs/OPERATIONS.md"));
    let mut problems = Vec::new();
    for (name, rule) in alerts() {
        let mut demand = |holds: bool, what: &str| {
            if !holds {
                problems.push(format!("{name}: {what}"));
            }
        };
        demand(name.starts_with("Postrider"), "is not called Postrider…");
        let severe = rule.contains("severity: critical\n") || rule.contains("severity: warning\n");
        demand(severe, "has no severity, critical or warning");
        demand(rule.contains("summary: "), "has no summary");
        let description = rule.split("description: ").nth(1).unwrap_or_default();
        let has_number = description.contains("$value") || description.chars().any(|c| c.is_ascii_digit());
        // These are 0 or 1; what they stop is in their labels.
        let is_switch = ["PostriderPartitionStopped", "PostriderDestinationStopped"].contains(&name.as_str());
        demand(has_number || is_switch, "has no number in its description");
        let url = format!("runbook_url: {RUNBOOKS}#{}\n", anchor(&name));
        demand(format!("{rule}\n").contains(&url), &format!("has not the {url}"));
        demand(runbooks.contains(&anchor(&name)), "has no section in docs/OPERATIONS.md");
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn an_alert_in_words() {
    assert_eq!(anchor("PostriderLaneStalled"), "postrider-lane-stalled");
    assert!(anchors("# A\n### Postrider lane stalled\ntext").contains("postrider-lane-stalled"));
}
