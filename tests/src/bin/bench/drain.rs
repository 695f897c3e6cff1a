//! How fast a backlog drains, against what postfix's `smtp-source` puts into the same sink.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use postrider_testkit::kafka::RealKafka;

use crate::{
    events::{configuration, produce, topics},
    process::{Process, free_port},
    table::Row,
};

const MAILS: usize = 50_000;
const BYTES: usize = 2_048;
const SESSIONS: usize = 20;

/// `smtp-sink`, ended when dropped.
struct Sink {
    child: Child,
    port: u16,
}

impl Sink {
    fn start() -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new("/usr/sbin/smtp-sink");
        // As root it wants to be told who to become; nobody owns nothing.
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        let child = command
            .arg(format!("127.0.0.1:{port}"))
            .arg("1000")
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start smtp-sink; install Debian's postfix")?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(Instant::now() < deadline, "smtp-sink does not listen");
            sleep(Duration::from_millis(10));
        }
        Ok(Self { child, port })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(1) == Some("0"))
    })
}

/// Mails a second by `smtp-source`, connections kept.
fn source(port: u16) -> Result<f64> {
    let began = Instant::now();
    let status = Command::new("/usr/sbin/smtp-source")
        .args(["-d", "-s", &SESSIONS.to_string(), "-m", &MAILS.to_string(), "-l", &BYTES.to_string()])
        .args(["-f", "bench@example.com", "-t", "user@example.com"])
        .arg(format!("127.0.0.1:{port}"))
        .status()
        .context("cannot start smtp-source; install Debian's postfix")?;
    ensure!(status.success(), "smtp-source failed");
    Ok(MAILS as f64 / began.elapsed().as_secs_f64())
}

pub(crate) fn measure(kafka: &RealKafka) -> Result<Vec<Row>> {
    let sink = Sink::start()?;
    let topic = topics(kafka, "drain")?;
    println!("writing {MAILS} events");
    produce(kafka, &topic, MAILS, BYTES)?;
    let before = source(sink.port)?;
    println!("smtp-source: {before:.0} mails/s");
    let began = Instant::now();
    let process = Process::start("process", &configuration(kafka, &topic, sink.port, SESSIONS))?;
    let delivered = ["postrider_deliveries_total", "delivered"];
    process.wait_for(&delivered, 1.0, Duration::from_secs(60))?;
    let first = Instant::now();
    process.wait_for(&delivered, MAILS as f64, Duration::from_secs(300))?;
    let rate = MAILS as f64 / first.elapsed().as_secs_f64();
    let cpu = process.cpu_seconds()? * 1e6 / MAILS as f64;
    println!(
        "postrider: {rate:.0} mails/s, {cpu:.0} µs of processor a mail, {:.1} s from its start",
        began.elapsed().as_secs_f64()
    );
    let after = source(sink.port)?;
    println!("smtp-source again: {after:.0} mails/s");
    let peer = f64::midpoint(before, after);
    Ok(vec![Row {
        what: format!("drain {MAILS} mails of 2 KB, 12 partitions, {SESSIONS} connections"),
        figure: format!("{rate:.0} mails/s ({cpu:.0} µs CPU each)"),
        against: format!("smtp-source {peer:.0}/s"),
        ratio: Some(rate / peer),
        wanted: "≥ 0.4",
    }])
}
