//! The dashboards, as files: what Grafana's own linter asks for, and what we ask for beyond it.

use serde_json::Value;

use crate::{
    papers::{DASHBOARDS, RUNBOOKS, dashboard, list, panels, queries, read, text},
    query,
    rules::{alerts, anchor},
};

/// Rows of Grafana's grid that a screen of 1,080 lines shows at once.
const SCREEN: u64 = 24;

/// Says what is wrong, all at once.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn demand(&mut self, holds: bool, place: &str, what: &str) {
        if !holds {
            self.0.push(format!("{place}: {what}"));
        }
    }

    #[track_caller]
    fn none(self) {
        assert!(self.0.is_empty(), "{:#?}", self.0);
    }
}

#[test]
fn every_dashboard_can_be_found_and_not_be_changed_by_accident() {
    let mut problems = Problems::default();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        problems.demand(
            text(&dashboard, "uid") == format!("postrider-{name}"),
            name,
            "its uid is not postrider-<file>",
        );
        problems.demand(text(&dashboard, "title").starts_with("Postrider / "), name, "has no title of ours");
        problems.demand(!text(&dashboard, "description").is_empty(), name, "has no description");
        problems.demand(dashboard["editable"] == false, name, "is editable");
        problems.demand(dashboard["id"].is_null(), name, "carries the id of one Grafana's database");
        problems.demand(list(&dashboard, "tags").contains(&Value::from("postrider")), name, "has no tag postrider");
        for other in DASHBOARDS.iter().filter(|other| **other != name) {
            let to = format!("/d/postrider-{other}?");
            let linked = list(&dashboard, "links").iter().any(|link| text(link, "url").starts_with(&to));
            problems.demand(linked, name, &format!("has no link to {other}"));
        }
        let runbooks = list(&dashboard, "links").iter().any(|link| text(link, "url") == RUNBOOKS);
        problems.demand(runbooks, name, "has no link to the runbooks");
    }
    problems.none();
}

#[test]
fn data_source_job_and_lane_are_variables() {
    let mut problems = Problems::default();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        let variables: Vec<_> =
            list(&dashboard["templating"], "list").iter().map(|variable| text(variable, "name")).collect();
        let wanted: &[&str] = if name == "ingest" { &["datasource", "job"] } else { &["datasource", "job", "lane"] };
        problems.demand(variables == wanted, name, &format!("has the variables {variables:?}, not {wanted:?}"));
        problems.demand(
            dashboard["templating"]["list"][0]["type"] == "datasource",
            name,
            "datasource is of another type",
        );
        data_sources(&dashboard, name, &mut problems);
        let annotations: Vec<_> =
            list(&dashboard["annotations"], "list").iter().map(|annotation| text(annotation, "name")).collect();
        let wanted: &[&str] = if name == "ingest" { &["Deploys"] } else { &["Deploys", "Rebalances"] };
        problems.demand(annotations == wanted, name, &format!("has the annotations {annotations:?}, not {wanted:?}"));
    }
    problems.none();
}

/// Wherever a data source stands, it is the variable.
fn data_sources(value: &Value, place: &str, problems: &mut Problems) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "datasource" {
                    problems.demand(text(field, "uid") == "${datasource}", place, &format!("hard-codes {field}"));
                }
                data_sources(field, place, problems);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| data_sources(item, place, problems)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_panel_explains_itself() {
    let known: Vec<_> = alerts().iter().map(|(name, _)| format!("{RUNBOOKS}#{}", anchor(name))).collect();
    let mut problems = Problems::default();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        for panel in panels(&dashboard) {
            let place = format!("{name}, {:?}", text(panel, "title"));
            problems.demand(!text(panel, "title").is_empty(), &place, "has no title");
            problems.demand(text(panel, "description").len() > 40, &place, "does not say what to do when it looks bad");
            let defaults = &panel["fieldConfig"]["defaults"];
            problems.demand(!text(defaults, "unit").is_empty(), &place, "has no unit");
            problems.demand(!list(&defaults["thresholds"], "steps").is_empty(), &place, "has no thresholds");
            problems.demand(!panel["datasource"].is_null(), &place, "has no data source");
            problems.demand(!list(panel, "links").is_empty(), &place, "has no link to a runbook");
            for link in list(panel, "links") {
                let url = text(link, "url");
                problems.demand(known.iter().any(|known| known == url), &place, &format!("no alert has {url}"));
            }
            problems.demand(!list(panel, "targets").is_empty(), &place, "asks for nothing");
            for target in list(panel, "targets") {
                problems.demand(!target["datasource"].is_null(), &place, "a query has no data source");
                let legend = panel["type"] == "table" || !text(target, "legendFormat").is_empty();
                problems.demand(legend, &place, "a query has no legend");
            }
        }
    }
    problems.none();
}

#[test]
fn every_query_can_be_narrowed_and_zoomed() {
    let mut problems = Problems::default();
    for name in DASHBOARDS {
        for (place, query) in queries(&dashboard(name)) {
            let place = format!("{name}, {place}");
            for range in query::ranges(&query) {
                let good = ["$__rate_interval", "$__range"].contains(&range);
                problems.demand(good, &place, &format!("its range is fixed: [{range}]"));
            }
            if place.contains("variable") {
                continue;
            }
            problems.demand(!query::selectors(&query).is_empty(), &place, "names no metric");
            for selector in query::selectors(&query) {
                problems.demand(
                    selector.contains(r#"job=~"$job""#),
                    &place,
                    &format!("{selector} does not look at $job"),
                );
                let of_lane = name == "ingest" || selector.contains(r#"lane=~"$lane""#);
                let of_process = ["postrider_build_info", "postrider_panics", "postrider_ingest", "process_", "up"]
                    .iter()
                    .any(|start| selector.starts_with(start));
                problems.demand(of_lane || of_process, &place, &format!("{selector} does not look at $lane"));
            }
        }
    }
    problems.none();
}

/// A range that is reduced to its last value shows what was true before everything stopped, in green.
#[test]
fn a_number_is_that_of_now() {
    let mut problems = Problems::default();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        for panel in
            panels(&dashboard).into_iter().filter(|panel| ["stat", "table"].iter().any(|t| panel["type"] == *t))
        {
            let place = format!("{name}, {:?}", text(panel, "title"));
            for target in list(panel, "targets") {
                problems.demand(target["instant"] == true && target["range"] == false, &place, "asks for a range");
            }
            let asks_a_lane =
                ["Are we sending", "How late", "backlog"].iter().any(|q| text(panel, "title").contains(q));
            if asks_a_lane {
                let dead = text(&panel["targets"][0], "expr").contains("postrider_partitions_assigned:sum");
                problems.demand(dead, &place, "shows nothing of a lane that nobody consumes");
            }
        }
    }
    problems.none();
}

/// A gauge that falls is no counter that began anew.
#[test]
fn gauges_have_no_rate() {
    let gauges =
        ["postrider_committed_offset", "postrider_lag_", "postrider_deliveries_in_flight", "postrider_ledger_keys"];
    for name in DASHBOARDS {
        for (place, query) in queries(&dashboard(name)) {
            for (gauge, function) in gauges.iter().flat_map(|gauge| ["rate", "increase"].map(|f| (gauge, f))) {
                assert!(!query.contains(&format!("{function}({gauge}")), "{name}, {place}: {function} of {gauge}");
            }
        }
    }
}

#[test]
fn panels_do_not_lie_on_each_other() {
    let mut problems = Problems::default();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        let all = list(&dashboard, "panels");
        let at = |panel: &Value, side: &str| panel["gridPos"][side].as_u64().unwrap_or(u64::MAX / 2);
        for (number, panel) in all.iter().enumerate() {
            let place = format!("{name}, {:?}", text(panel, "title"));
            problems.demand(at(panel, "x") + at(panel, "w") <= 24, &place, "is wider than the page");
            for other in &all[..number] {
                let apart = |from: &str, size: &str| {
                    at(panel, from) + at(panel, size) <= at(other, from)
                        || at(other, from) + at(other, size) <= at(panel, from)
                };
                let what = format!("lies on {:?}", text(other, "title"));
                problems.demand(apart("x", "w") || apart("y", "h"), &place, &what);
                problems.demand(panel["id"] != other["id"], &place, "has another panel's id");
            }
        }
    }
    problems.none();
}

#[test]
fn the_overview_asks_the_ten_questions_in_order_on_one_screen() {
    let overview = dashboard("overview");
    let mut panels = panels(&overview);
    let place = |panel: &Value| {
        let at = |side: &str| panel["gridPos"][side].as_u64().expect("a panel has its place");
        (at("y"), at("x"), at("y") + at("h"))
    };
    panels.sort_by_key(|panel| place(panel));
    let mut asked = Vec::new();
    for panel in &panels {
        let number: u32 = text(panel, "title")
            .split(' ')
            .next()
            .and_then(|word| word.parse().ok())
            .expect("a title begins with a number");
        if !asked.contains(&number) {
            asked.push(number);
        }
    }
    assert_eq!(asked, (1..=10).collect::<Vec<_>>());
    assert!(panels.iter().all(|panel| place(panel).2 <= SCREEN), "the overview is higher than a screen");
}

#[test]
fn provisioning_finds_the_dashboards_and_prometheus() {
    let compose = read("docker-compose.yml");
    for (folder, mounted) in [
        ("grafana/provisioning", "/etc/grafana/provisioning"),
        ("grafana/dashboards", "/var/lib/grafana/dashboards"),
        ("grafana/prometheus/prometheus.yml", "/etc/prometheus/prometheus.yml"),
        ("grafana/prometheus/rules.yml", "/etc/prometheus/rules.yml"),
        ("grafana/prometheus/alerts.yml", "/etc/prometheus/alerts.yml"),
    ] {
        assert!(crate::papers::path(folder).exists(), "{folder} is gone");
        assert!(compose.contains(&format!("./{folder}:{mounted}:ro")), "docker-compose.yml does not mount {folder}");
    }
    let provider = read("grafana/provisioning/dashboards/postrider.yaml");
    assert!(provider.contains("path: /var/lib/grafana/dashboards\n"), "{provider}");
    let source = read("grafana/provisioning/datasources/prometheus.yaml");
    for line in ["uid: prometheus\n", "type: prometheus\n", "url: http://prometheus:9090\n", "editable: false\n"] {
        assert!(source.contains(line), "the data source has not {line:?}");
    }
    let scrape = read("grafana/prometheus/prometheus.yml");
    for (service, port) in [("process", 9464), ("ingest", 9465)] {
        assert!(scrape.contains(&format!("- job_name: postrider-{service}\n")), "{service} is not scraped");
        assert!(scrape.contains(&format!("names: [{service}]\n        type: A\n        port: {port}\n")), "{scrape}");
        assert!(compose.contains(&format!("\n  {service}:\n")), "docker-compose.yml has no service {service}");
    }
}
