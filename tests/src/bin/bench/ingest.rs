//! Ingest, against a server that does nothing.

use std::net::SocketAddr;

use anyhow::Result;
use postrider_testkit::kafka::RealKafka;

use crate::{
    events::{configuration, topics},
    http::{Load, post},
    process::{Process, free_port},
    table::Row,
};

const CONNECTIONS: usize = 64;
const SINGLES: usize = 20_000;
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

/// A server of the same family that reads the body and answers 202.
async fn noop() -> Result<SocketAddr> {
    let answer = |_: String| async { (axum::http::StatusCode::ACCEPTED, "{}") };
    let router = axum::Router::new().route("/v1/notifications", axum::routing::post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await });
    server.detach_all();
    Ok(address)
}

pub(crate) fn measure(kafka: &RealKafka) -> Result<Vec<Row>> {
    let topic = topics(kafka, "ingest")?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let lane = configuration(kafka, &topic, 25, 1);
    let process = Process::start("ingest", &format!("{lane}\n[ingest]\nlisten = \"{address}\"\n"))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let loads = runtime.block_on(async {
        let path = "/v1/notifications";
        let idle = post(address, path, 1, 300, |number| body(9_000_000 + number)).await?;
        let nothing = post(noop().await?, path, CONNECTIONS, SINGLES, body).await?;
        let singles = post(address, path, CONNECTIONS, SINGLES, body).await?;
        let batches = post(address, "/v1/notifications/batch", 16, BATCHES, batch).await?;
        anyhow::Ok([idle, nothing, singles, batches])
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
            against: format!("no-op axum {:.0}/s", nothing.per_second),
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
