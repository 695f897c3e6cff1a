//! `dev --demo N`: sends samples over HTTP, watches them arrive, and says how it went.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use postrider_domain::Outcome;
use postrider_sandbox::{Body, Inbox};
use postrider_telemetry::{Registry, clock, prometheus::proto::MetricFamily};
use reqwest::Url;
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    commands::send::{Client, problem},
    failure::Failure,
    output::{Table, print},
    signals::Shutdown,
};

use super::{house::House, samples};

/// Requests under way at once.
const CLIENTS: u32 = 16;
/// Without one more settled delivery for this long the demo has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked at what arrived.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// How it went.
struct Summary {
    notifications: u32,
    deliveries: u64,
    outcomes: BTreeMap<&'static str, u64>,
    /// From the request to the arrival at the provider, sorted, in milliseconds.
    latencies: Vec<i64>,
    took: Duration,
}

/// Success only if every delivery ended `delivered`.
pub(super) async fn run(house: &House, count: u32, json: bool, shutdown: Shutdown) -> Result<(), Failure> {
    let summary = play(house, count, shutdown).await?;
    summary.print(json)?;
    let delivered = summary.outcomes.get(Outcome::Delivered.as_str()).copied().unwrap_or_default();
    if delivered == summary.deliveries {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!("{delivered} of {} deliveries were delivered", summary.deliveries)))
}

async fn play(house: &House, count: u32, shutdown: Shutdown) -> anyhow::Result<Summary> {
    let destination = house.config.slack.iter().flat_map(|slack| &slack.destinations).next();
    let destination = destination.map_or("ops", |destination| destination.name.as_str());
    let url = Url::parse(&format!("http://{}/", house.ingest.address())).context("the HTTP API has no URL")?;
    let client = Arc::new(Client::new(url, None, shutdown)?);
    let run = uuid::Uuid::now_v7().simple().to_string();
    house.ready().await?;
    let started = Instant::now();
    let before = settled(&house.registry);
    let mut watcher =
        Watcher { inbox: house.inbox.clone(), seen: house.inbox.counts().last_id, arrived: BTreeMap::new() };
    let warm = warm_up(house, &client, &run, destination, &before).await?;
    let mut sending = JoinSet::new();
    for first in 1..=CLIENTS.min(count.saturating_sub(1)) {
        let (client, run, destination) = (Arc::clone(&client), run.clone(), destination.to_owned());
        let numbers = (first..count).step_by(CLIENTS as usize);
        sending.spawn(async move { send(&client, numbers, &run, &destination).await });
    }

    let bar = progress(u64::from(count));
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sent_at, mut deliveries) = (BTreeMap::from_iter(warm.at), warm.deliveries);
    let (mut last, mut moved_at) = (0, Instant::now());
    let outcomes = loop {
        tokio::select! {
            Some(sent) = sending.join_next() => {
                let sent = sent.context("a client of the demo panicked")??;
                deliveries += sent.deliveries;
                sent_at.extend(sent.at);
                moved_at = Instant::now();
            }
            _ = tick.tick() => {}
        }
        watcher.look();
        let outcomes = difference(&settled(&house.registry), &before);
        let total: u64 = outcomes.values().sum();
        if total != last {
            (last, moved_at) = (total, Instant::now());
        }
        bar.set_position(total);
        if sending.is_empty() {
            bar.set_length(deliveries);
            if total >= deliveries {
                break outcomes;
            }
        }
        if moved_at.elapsed() > PATIENCE {
            bar.finish_and_clear();
            print(&format!("{total} deliveries were settled, then nothing for {} s\n", PATIENCE.as_secs()))?;
            break outcomes;
        }
    };
    bar.finish_and_clear();
    let took = started.elapsed();
    watcher.look();
    let mut latencies: Vec<i64> = watcher
        .arrived
        .iter()
        .filter_map(|(number, at)| sent_at.get(number).map(|sent: &i64| (at - sent).max(0)))
        .collect();
    latencies.sort_unstable();
    Ok(Summary { notifications: count, deliveries, outcomes, latencies, took })
}

/// The first sample goes alone: it opens the connections to the broker and to both providers, which takes longer than any
/// of the others and is not what the demo is to show.
async fn warm_up(
    house: &House,
    client: &Client,
    run: &str,
    destination: &str,
    before: &BTreeMap<&'static str, u64>,
) -> anyhow::Result<Sent> {
    let sent = send(client, std::iter::once(0), run, destination).await?;
    let mut tick = interval(LOOK_EVERY);
    let since = Instant::now();
    while difference(&settled(&house.registry), before).values().sum::<u64>() < sent.deliveries
        && since.elapsed() < PATIENCE
    {
        tick.tick().await;
    }
    Ok(sent)
}

/// What one client sent.
#[derive(Default)]
struct Sent {
    deliveries: u64,
    at: Vec<(u32, i64)>,
}

async fn send(
    client: &Client,
    numbers: impl Iterator<Item = u32>,
    run: &str,
    destination: &str,
) -> anyhow::Result<Sent> {
    let mut sent = Sent::default();
    for number in numbers {
        let body = samples::notification(number, run, destination).to_string().into_bytes();
        let at = clock::wall().0;
        let reply = client.post("v1/notifications", "application/json", body).await?;
        anyhow::ensure!(reply.status.as_u16() == 202, "a sample was refused: {}", problem(reply.status, &reply.body));
        sent.deliveries += reply.body["deliveries"].as_array().map_or(0, Vec::len) as u64;
        sent.at.push((number, at));
    }
    Ok(sent)
}

/// Notes when each sample arrived first.
struct Watcher {
    inbox: Inbox,
    seen: u64,
    arrived: BTreeMap<u32, i64>,
}

impl Watcher {
    fn look(&mut self) {
        let (messages, counts) = self.inbox.since(self.seen);
        for message in messages {
            let number = match &message.body {
                Body::Mail(mail) => mail.to.first().and_then(|to| samples::number_in_address(to)),
                Body::Slack(slack) => {
                    let payload: Value = serde_json::from_slice(&slack.raw).unwrap_or_default();
                    payload["text"].as_str().and_then(samples::number_in_text)
                }
            };
            if let Some(number) = number {
                self.arrived.entry(number).or_insert(message.received_at);
            }
        }
        self.seen = counts.last_id;
    }
}

/// `deliveries_total` by outcome, over all lanes, from the process's own registry.
fn settled(registry: &Registry) -> BTreeMap<&'static str, u64> {
    let mut outcomes: BTreeMap<_, _> = Outcome::ALL.map(|outcome| (outcome.as_str(), 0)).into();
    let families: Vec<MetricFamily> = registry.gather();
    for metric in families
        .iter()
        .filter(|family| family.name() == "postrider_deliveries_total")
        .flat_map(|family| family.get_metric())
    {
        let label = metric.get_label().iter().find(|label| label.name() == "outcome").map(|label| label.value());
        if let Some(outcome) = label.and_then(Outcome::parse) {
            // Counters of whole things stay far below 2^53.
            *outcomes.entry(outcome.as_str()).or_default() += metric.get_counter().get_value() as u64;
        }
    }
    outcomes
}

fn difference(now: &BTreeMap<&'static str, u64>, before: &BTreeMap<&'static str, u64>) -> BTreeMap<&'static str, u64> {
    now.iter().map(|(name, count)| (*name, count - before.get(name).copied().unwrap_or_default())).collect()
}

fn progress(count: u64) -> ProgressBar {
    let template = "{bar:40} {pos}/{len} settled  {elapsed}";
    ProgressBar::new(count)
        .with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Summary {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut table = Table::new(&["what", "value"]);
        let rate = self.deliveries as f64 / self.took.as_secs_f64();
        let rows =
            [("notifications sent", self.notifications.to_string()), ("deliveries", self.deliveries.to_string())];
        let outcomes = Outcome::ALL.map(|outcome| {
            (outcome.as_str(), self.outcomes.get(outcome.as_str()).copied().unwrap_or_default().to_string())
        });
        let times = [
            ("p50 latency, request to arrival", self.percentile(50)),
            ("p99 latency, request to arrival", self.percentile(99)),
            ("took", format!("{:.1} s", self.took.as_secs_f64())),
            ("rate", format!("{rate:.0} deliveries/s")),
        ];
        for (what, value) in rows.into_iter().chain(outcomes).chain(times) {
            table.row([what.to_owned(), value]);
        }
        table.print(json)
    }

    fn percentile(&self, percent: usize) -> String {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1) - 1;
        self.latencies.get(rank).map_or_else(|| "unknown".to_owned(), |millis| format!("{millis} ms"))
    }
}
