//! What operators watch: dashboards, recording rules and alerts, against the files' own rules, against `promtool`, and
//! against a real Prometheus that scrapes the real binary.

mod dashboards;
mod live;
mod papers;
mod prometheus;
mod query;
mod rules;
