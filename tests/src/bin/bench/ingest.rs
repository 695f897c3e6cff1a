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
const SINGLES: usize = 100_000;
const BATCHES: usize = 1_000;
const BATCH: usize = 100;

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

/// A server of the same family that parses the body as JSON and answers 202: what any API does at least. It runs in a
/// process of its own, as ingest does; it prints its address and ends with its parent's pipe.
pub(crate) async fn serve_nothing() -> Result<()> {
    let answer = |_: axum::Json<serde_json::Value>| async { (axum::http::StatusCode::ACCEPTED, "{}") };
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
    let loads = runtime.block_on(async {
        let path = "/v1/notifications";
        // Both servers, and Kafka's compiler, get warm before anything counts.
        post(address, path, CONNECTIONS, SINGLES / 5, |number| body(20_000_000 + number)).await?;
        post(nothing.address, path, CONNECTIONS, SINGLES / 5, body).await?;
        let idle = post(address, path, 1, 300, |number| body(9_000_000 + number)).await?;
        let noop = post(nothing.address, path, CONNECTIONS, SINGLES, body).await?;
        let singles = post(address, path, CONNECTIONS, SINGLES, body).await?;
        let batches = post(address, "/v1/notifications/batch", 16, BATCHES, batch).await?;
        anyhow::Ok([idle, noop, singles, batches])
    })?;
    drop(process);
    Ok(rows(&loads))
}

fn rows([idle, nothing, singles, batches]: &[Load; 4]) -> Vec<Row> {
    let events = batches.per_second * BATCH as f64;
    vec![
        Row {
            what: format!("ingest, single POSTs over {CONNECTIONS} connections, acks=all"),
            figure: format!("{:.0}/s, median {:.1} ms", singles.per_second, singles.median.as_secs_f64() * 1e3),
            against: format!("axum that parses JSON, {:.0}/s", nothing.per_second),
            ratio: Some(singles.per_second / nothing.per_second),
            wanted: "≥ 0.25",
        },
        Row {
            what: format!("ingest, batches of {BATCH}"),
            figure: format!("{events:.0} events/s"),
            against: format!("single POSTs {:.0}/s", singles.per_second),
            ratio: Some(events / singles.per_second),
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
