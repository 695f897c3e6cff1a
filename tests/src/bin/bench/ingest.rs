//! Ingest, against a server that does nothing.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use postrider_testkit::kafka::RealKafka;

use crate::{
    events::{configuration, topics},
    http::{Load, post},
    process::{Process, free_port},
    table::Row,
};

/// The argument that makes this program that server.
pub(crate) const NOTHING: &str = "serve-nothing";

const CONNECTIONS: usize = 64;
/// Postrider and its peer take turns, so that whatever else the machine does falls on both alike.
const ROUNDS: usize = 7;
/// Single POSTs in one round.
const SINGLES: usize = 15_000;
/// POSTs in one round of warming up.
const WARM_UP: usize = 20_000;
/// Rounds that are compared with as many before them.
const WARM_ROUNDS: usize = 5;
const WARM_ROUNDS_MAX: usize = 60;
/// Batches in one round.
const BATCHES: usize = 200;
const BATCH: usize = 100;
const BATCH_CONNECTIONS: usize = 16;

fn body(number: usize) -> String {
    format!(
        r#"{{"event_key":"k-{number}","type":"order.shipped","email":{{"to":[{{"address":"user{number}@example.com","name":"Ada"}}],"subject":"Your order is on its way","text":"{}"}}}}"#,
        "It left our warehouse this morning. ".repeat(20)
    )
}

fn batch(number: usize) -> String {
    let items: Vec<String> = (0..BATCH).map(|item| body(1_000_000 + number * BATCH + item)).collect();
    format!("[{}]", items.join(","))
}

/// A server of the same family that reads the body and answers 202, no more. It runs in a process of its own, as ingest
/// does; it prints its address and ends with its parent's pipe.
pub(crate) async fn serve_nothing() -> Result<()> {
    let answer = |_: String| async { (axum::http::StatusCode::ACCEPTED, "{}") };
    let router = axum::Router::new().route("/v1/notifications", axum::routing::post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

/// The other process.
struct Nothing {
    child: Child,
    address: SocketAddr,
}

impl Nothing {
    fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?).arg(NOTHING).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse().context("no address")? })
    }
}

impl Drop for Nothing {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn measure(kafka: &RealKafka) -> Result<Vec<Row>> {
    let topic = topics(kafka, "ingest")?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let lane = configuration(kafka, &topic, 25, 1);
    let process = Process::start("ingest", &format!("{lane}\n[ingest]\nlisten = \"{address}\"\n"))?;
    let nothing = Nothing::start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let measured = runtime.block_on(async {
        let path = "/v1/notifications";
        warm_up(address, path).await?;
        post(nothing.address, path, CONNECTIONS, WARM_UP, body).await?;
        let idle = post(address, path, 1, 300, |number| body(9_000_000 + number)).await?;
        let mut rounds = Vec::new();
        for round in 0..=ROUNDS {
            let noop = post(nothing.address, path, CONNECTIONS, SINGLES, body).await?;
            let before = process.cpu_seconds()?;
            let singles =
                post(address, path, CONNECTIONS, SINGLES, move |number| body(round * SINGLES + number)).await?;
            let cpu = (process.cpu_seconds()? - before) / SINGLES as f64;
            let first = round * BATCHES;
            let batches = post(address, "/v1/notifications/batch", BATCH_CONNECTIONS, BATCHES, move |number| {
                batch(first + number)
            });
            rounds.push(Round { noop, singles, cpu, batches: batches.await? });
        }
        rounds.remove(0); // the first batches warm their own way
        anyhow::Ok(Measured { idle, rounds })
    })?;
    drop(process);
    Ok(rows(&measured))
}

/// POSTs until they become no faster. A broker that has just started spends a third of these cores on compiling itself,
/// for half a minute under load; one that has run for an hour does not.
async fn warm_up(address: SocketAddr, path: &'static str) -> Result<()> {
    let mut rates: Vec<f64> = Vec::new();
    let best = |rates: &[f64]| rates.iter().copied().fold(0.0, f64::max);
    while rates.len() < WARM_ROUNDS_MAX {
        let first = 20_000_000 + rates.len() * WARM_UP;
        rates.push(post(address, path, CONNECTIONS, WARM_UP, move |number| body(first + number)).await?.per_second);
        let (before, last) = rates.split_at(rates.len().saturating_sub(WARM_ROUNDS));
        if WARM_ROUNDS <= before.len() && best(last) <= 1.02 * best(before) {
            break;
        }
    }
    println!(
        "warmed up with {} POSTs: {:.0}/s at first, {:.0}/s at last",
        rates.len() * WARM_UP,
        rates[0],
        best(&rates)
    );
    Ok(())
}

/// The same load on both servers, one after the other, and then batches.
struct Round {
    noop: Load,
    singles: Load,
    /// Ingest's processor time for one POST, in seconds.
    cpu: f64,
    batches: Load,
}

struct Measured {
    idle: Load,
    rounds: Vec<Round>,
}

impl Measured {
    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.rounds.iter().map(figure).collect();
        figures.sort_unstable_by(f64::total_cmp);
        figures[figures.len() / 2]
    }
}

fn rows(measured: &Measured) -> Vec<Row> {
    let idle = &measured.idle;
    let singles = measured.median(|round| round.singles.per_second);
    let latency = measured.median(|round| round.singles.median.as_secs_f64() * 1e3);
    let noop = measured.median(|round| round.noop.per_second);
    let cpu = measured.median(|round| round.cpu) * 1e6;
    let events = |round: &Round| round.batches.per_second * BATCH as f64;
    vec![
        Row {
            what: format!("ingest, single POSTs over {CONNECTIONS} connections, acks=all, {ROUNDS} rounds in turn"),
            figure: format!("{singles:.0}/s, median {latency:.1} ms, {cpu:.0} µs CPU each"),
            against: format!("no-op axum, {noop:.0}/s"),
            ratio: Some(measured.median(|round| round.singles.per_second / round.noop.per_second)),
            wanted: "≥ 0.25",
        },
        Row {
            what: format!("ingest, batches of {BATCH}"),
            figure: format!("{:.0} events/s", measured.median(events)),
            against: format!("single POSTs {singles:.0}/s"),
            ratio: Some(measured.median(|round| events(round) / round.singles.per_second)),
            wanted: "≥ 3",
        },
        Row {
            what: "one POST at a time: median".to_owned(),
            figure: format!("{:.1} ms", idle.median.as_secs_f64() * 1e3),
            against: "-".to_owned(),
            ratio: None,
            wanted: "< 10 ms",
        },
    ]
}
