//! A server that takes 100 ms a mail: the limit is connections over time, not us.

use std::time::{Duration, Instant};

use anyhow::Result;
use postrider_testkit::{
    kafka::RealKafka,
    smtp::{Act, SmtpServer, Stage},
};

use crate::{
    events::{configuration, produce, topics},
    process::Process,
    table::Row,
};

const MAILS: usize = 20_000;
const CONNECTIONS: usize = 200;
const TAKES: Duration = Duration::from_millis(100);

pub(crate) fn measure(kafka: &RealKafka) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (port, server) = runtime.block_on(async {
        let server = SmtpServer::start().await?;
        server.on(Stage::Dot).act(Act::Delay(TAKES));
        anyhow::Ok((server.port(), server))
    })?;
    let topic = topics(kafka, "slow")?;
    produce(kafka, &topic, MAILS, 500)?;
    let work = std::thread::spawn(move || {
        runtime.block_on(std::future::pending::<()>());
        drop(server);
    });
    let process = Process::start("process", &configuration(kafka, &topic, port, CONNECTIONS))?;
    let delivered = ["postrider_deliveries_total", "delivered"];
    // The first round trips open the connections; from then on it is the steady state.
    process.wait_for(&delivered, (MAILS / 10) as f64, Duration::from_secs(60))?;
    let (began, done) = (Instant::now(), process.metric(&delivered)?);
    process.wait_for(&delivered, (MAILS * 9 / 10) as f64, Duration::from_secs(120))?;
    let rate = (process.metric(&delivered)? - done) / began.elapsed().as_secs_f64();
    let cpu = process.cpu_seconds()? * 1e6 / MAILS as f64;
    drop(work); // ends with the program
    let limit = CONNECTIONS as f64 / TAKES.as_secs_f64();
    println!("{rate:.0} mails/s of at most {limit:.0}");
    Ok(vec![Row {
        what: format!("a server that takes 100 ms a mail, {CONNECTIONS} connections"),
        figure: format!("{rate:.0} mails/s ({cpu:.0} µs CPU each)"),
        against: format!("the limit {limit:.0}/s"),
        ratio: Some(rate / limit),
        wanted: "≥ 0.9",
    }])
}
