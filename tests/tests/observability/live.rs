//! A real Prometheus scrapes the real binary while everything happens that the dashboards are there to show.

use std::{collections::BTreeSet, time::Instant};

use postrider_testkit::{
    kafka::RawRecord,
    slack::Reply,
    smtp::{Act, Stage},
};
use postrider_tests::{LONG, Process, Settings, World, events, http, mail, slack, wait_until};
use serde_json::json;

use crate::{
    papers::{DASHBOARDS, dashboard, queries},
    prometheus::Prometheus,
    query,
};

const KEY: &str = "an-api-key-of-the-shop";

/// Exported, and in no dashboard, rule or alert on purpose; each with its reason.
const UNUSED: [(&str, &str); 0] = [];

/// Two processors, one ingest, and providers that do all that providers do.
struct Installation {
    world: World,
    processors: Vec<Process>,
    ingest: Process,
    rounds: usize,
}

impl Installation {
    fn start() -> Self {
        let settings = Settings {
            slack: vec!["ops".to_owned(), "revoked".to_owned()],
            api_key: Some(KEY.to_owned()),
            ..Settings::default()
        };
        let world = World::new("observability", settings);
        world.smtp.on(Stage::Rcpt).recipient("nobody@example.com").act(Act::reply("550 5.1.1 No such user"));
        world.smtp.on(Stage::Rcpt).recipient("grey@example.com").times(40).act(Act::reply("450 4.2.0 Greylisted"));
        world.smtp.on(Stage::Dot).recipient("lost@example.com").times(10).act(Act::StoreAndClose);
        world.slack.always("revoked", Reply::webhook_error(403, "invalid_token"));
        let ingest = world.start(&["ingest"]).ready();
        let processors = vec![world.processor(), world.processor()];
        Self { world, processors, ingest, rounds: 0 }
    }

    fn prometheus(&self) -> Prometheus {
        let processors = self.processors.iter().map(Process::admin).collect();
        let prometheus =
            Prometheus::start(&[("postrider-process", processors), ("postrider-ingest", vec![self.ingest.admin()])]);
        wait_until("Prometheus has scraped all three processes", LONG, || {
            prometheus.query("count_over_time(up[1m]) > 2").is_ok_and(|series| series.len() == 3)
        });
        prometheus
    }

    /// A little of everything: successes, transient and permanent failures, lost replies, a stopped destination,
    /// records nobody can read, one event twice; good and bad requests.
    fn traffic(&mut self) {
        self.rounds += 1;
        let key = |name: &str| format!("{name}-{}", self.rounds);
        let twice = mail(&key("twice"), &["twice@example.com"]);
        self.world.produce(&[
            twice.clone(),
            twice,
            mail(&key("good"), &["ada@example.com", "bob@example.com"]),
            mail(&key("nobody"), &["nobody@example.com"]),
            mail(&key("grey"), &["grey@example.com"]),
            mail(&key("lost"), &["lost@example.com"]),
            slack(&key("ops"), &["ops"]),
        ]);
        if self.rounds == 1 {
            self.world.produce(&[slack("revoked", &["revoked"])]);
        }
        let event = mail(&key("misplaced"), &["eve@example.com"]);
        let mut misplaced = events::record(&event, self.world.settings.partitions);
        misplaced.partition = (misplaced.partition + 1) % self.world.settings.partitions;
        self.world.produce_raw(&[RawRecord::new(0, key("garbage"), "no frame at all"), misplaced]);
        let good = json!({ "event_key": key("http"), "type": "order.shipped",
            "email": { "to": [{ "address": "ada@example.com" }], "subject": "Hello", "text": "Hello." } });
        let accepted = http::post(self.ingest.ingest(), "/v1/notifications", Some(KEY), &good);
        assert_eq!(accepted.expect("ingest answers").status, 202);
        let refused = http::post(self.ingest.ingest(), "/v1/notifications", Some(KEY), &json!({ "type": "nothing" }));
        assert_eq!(refused.expect("ingest answers").status, 422);
    }
}

/// What has to return data, and has not yet.
fn wanted(prometheus: &Prometheus) -> Vec<(String, String)> {
    let mut wanted = Vec::new();
    for name in DASHBOARDS {
        let job = if name == "ingest" { "postrider-ingest" } else { ".+" };
        let lane = if name == "lane" { "email" } else { ".+" };
        for (place, query) in queries(&dashboard(name)) {
            let query = query
                .replace("$__rate_interval", "20s")
                .replace("$__range", "1m")
                .replace("$job", job)
                .replace("$lane", lane);
            assert!(!query.contains('$'), "{name}, {place}: a variable that nobody fills in: {query}");
            wanted.push((format!("{name}, {place}"), query));
        }
    }
    for rule in prometheus.rules().expect("Prometheus lists its rules") {
        let (name, query) = (rule["name"].as_str().expect("a name"), rule["query"].as_str().expect("a query"));
        if rule["type"] == "recording" {
            wanted.push((format!("rule {name}"), name.to_owned()));
        } else {
            // An alert returns nothing while all is well; everything it looks at is there none the less.
            let seen = query::selectors(query).into_iter();
            wanted.extend(seen.map(|selector| (format!("alert {name}, {selector}"), selector)));
        }
    }
    wanted
}

#[test]
fn every_query_and_every_rule_returns_data() {
    let began = Instant::now();
    let mut installation = Installation::start();
    let prometheus = installation.prometheus();
    names_agree(&installation, &prometheus);
    let mut wanted = wanted(&prometheus);
    assert!(wanted.len() > 100, "only {} queries were found", wanted.len());
    installation.traffic();
    // Its partitions go to the other one: a rebalance.
    let (status, _) = installation.processors.pop().expect("there are two").terminate(LONG);
    assert!(status.success(), "{status}");
    while !wanted.is_empty() {
        installation.traffic();
        wanted.retain(|(place, query)| {
            let values = prometheus.query(query).unwrap_or_else(|error| panic!("{place}: {error}\n{query}"));
            values.iter().all(|value| value.is_nan())
        });
        assert!(began.elapsed() < LONG * 3 / 2, "these return nothing: {wanted:#?}");
    }
    it_shows_what_happened(&prometheus);
    alerts_see_what_is_wrong(&prometheus);
    every_rule_is_healthy(&prometheus);
    println!("all of it after {:?}, in {} rounds", began.elapsed(), installation.rounds);
}

/// The traffic was what it was meant to be, and Prometheus has seen each kind of it.
fn it_shows_what_happened(prometheus: &Prometheus) {
    let happened = [
        r#"postrider_deliveries_total{lane="email",outcome="delivered"}"#,
        r#"postrider_deliveries_total{lane="slack",outcome="delivered"}"#,
        r#"postrider_attempts_total{result="transient"}"#,
        r#"postrider_attempts_total{result="permanent"}"#,
        r#"postrider_attempts_total{result="misconfigured"}"#,
        r#"postrider_attempts_total{result="unknown"}"#,
        r#"postrider_destination_stopped{destination="revoked"}"#,
        "postrider_ambiguous_sends_total",
        "postrider_duplicates_suppressed_total",
        "postrider_records_misplaced_total",
        r#"postrider_records_total{result="malformed"}"#,
        r#"postrider_dead_letters_total{reason="unframed"}"#,
        r#"postrider_dead_letters_total{reason="rejected"}"#,
        r#"postrider_rebalances_total{event="revoked"}"#,
        r#"postrider_ingest_events_total{result="accepted"}"#,
        r#"postrider_ingest_requests_total{code="422"}"#,
    ];
    for what in happened {
        wait_until(&format!("Prometheus has seen {what}"), LONG, || {
            prometheus.query(&format!("sum(max_over_time({what}[2m])) > 0")).is_ok_and(|seen| !seen.is_empty())
        });
    }
}

/// What was broken on purpose is noticed; `pending` counts, the clocks of alerts are too slow for a test.
fn alerts_see_what_is_wrong(prometheus: &Prometheus) {
    for alert in ["PostriderDestinationStopped", "PostriderDeadLetters", "PostriderTargetDown"] {
        // Rules are evaluated on a clock of their own, some time after the scrape that they react to.
        wait_until(&format!("{alert} has noticed"), LONG, || {
            prometheus.query(&format!("ALERTS{{alertname=\"{alert}\"}}")).is_ok_and(|seen| !seen.is_empty())
        });
    }
    for alert in ["PostriderLaneNotConsumed", "PostriderPartitionStopped", "PostriderKafkaUnreachable"] {
        let seen =
            prometheus.query(&format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}")).expect("a query");
        assert!(seen.is_empty(), "{alert} fires for nothing");
    }
}

fn every_rule_is_healthy(prometheus: &Prometheus) {
    for rule in prometheus.rules().expect("Prometheus lists its rules") {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }
}

/// What dashboards and rules name is exported, and what is exported is named.
fn names_agree(installation: &Installation, prometheus: &Prometheus) {
    let expositions = [installation.processors[0].exposition(), installation.ingest.exposition()];
    let exported: BTreeSet<_> = expositions
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let rules = prometheus.rules().expect("Prometheus lists its rules");
    let recorded: BTreeSet<_> =
        rules.iter().filter(|rule| rule["type"] == "recording").filter_map(|rule| rule["name"].as_str()).collect();
    let mut used = BTreeSet::new();
    let of_rules = rules.iter().filter_map(|rule| rule["query"].as_str().map(str::to_owned));
    let of_dashboards = DASHBOARDS.iter().flat_map(|name| queries(&dashboard(name))).map(|(_, query)| query);
    for name in of_rules.chain(of_dashboards).flat_map(|query| query::metrics(&query)) {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(&name);
        assert!(
            name == "up" || recorded.contains(name.as_str()) || exported.contains(family) || exported.contains(&*name),
            "{name} is in a dashboard or a rule, and nobody exports or records it"
        );
        used.insert(family.to_owned());
    }
    let unused: BTreeSet<_> =
        exported.iter().filter(|name| name.starts_with("postrider_") && !used.contains(**name)).copied().collect();
    let listed: BTreeSet<_> = UNUSED.iter().map(|(name, _)| *name).collect();
    assert_eq!(unused, listed, "exported and shown nowhere; use them or list them with a reason");
    let idle: BTreeSet<_> = recorded.iter().filter(|name| !used.contains(**name)).collect();
    assert!(idle.is_empty(), "recorded and used nowhere: {idle:?}");
}
