//! The conventions of Prometheus' names, as far as a registry shows them; `promtool check metrics` knows more, but needs
//! a scrape.

use prometheus::{Registry, proto::MetricType};

/// What is wrong with the names on `registry`, one line each; for the tests of every crate that declares metrics.
/// A metric without a series is not seen: preset first. The process collector's own names are left out.
#[must_use]
pub fn lint(registry: &Registry) -> Vec<String> {
    let mut problems = Vec::new();
    for family in registry.gather() {
        let name = family.name();
        if name.starts_with("process_") {
            continue;
        }
        let mut problem = |text: &str| problems.push(format!("{name}: {text}"));
        if !name.starts_with("postrider_") {
            problem("has not the prefix postrider_");
        }
        if name.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')) {
            problem("is not in snake case");
        }
        if !family.help().ends_with('.') {
            problem("has no help text that is a sentence");
        }
        let is_counter = family.get_field_type() == MetricType::COUNTER;
        if is_counter != name.ends_with("_total") {
            problem("counters, and only they, end in _total");
        }
        if ["_ms", "_millis", "_milliseconds", "_minutes", "_hours", "_kb"].iter().any(|unit| name.ends_with(unit)) {
            problem("is not in a base unit: seconds or bytes");
        }
        let duration = name.contains("duration") || name.contains("latency");
        if duration && !name.ends_with("_seconds") {
            problem("is a time and does not end in _seconds");
        }
    }
    problems
}
