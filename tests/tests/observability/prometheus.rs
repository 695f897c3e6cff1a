//! Debian's Prometheus as a child process.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use postrider_tests::wait::{LONG, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use crate::papers::path;

/// Runs it until its standard input ends: when this test drops it, or dies.
const WATCHDOG: &str = r#""$@" </dev/null 2>"$LOG" & cat >/dev/null; kill -9 $!"#;

/// A running Prometheus with our rules, on a free port of the loopback.
pub(crate) struct Prometheus {
    child: Child,
    address: SocketAddr,
    dir: TempDir,
}

impl Prometheus {
    /// Scrapes every second; a job and its processes.
    #[track_caller]
    pub(crate) fn start(jobs: &[(&str, Vec<SocketAddr>)]) -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let config = dir.path().join("prometheus.yml");
        fs::write(&config, configuration(jobs)).expect("the configuration can be written");
        let log = dir.path().join("log");
        File::create(&log).expect("the log can be created");
        let child = Command::new("sh")
            .args(["-c", WATCHDOG, "sh", "prometheus", "--web.listen-address=127.0.0.1:0"])
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .env("LOG", &log)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("sh runs");
        let mut address = None;
        wait_until("Prometheus says where it listens (Debian's package `prometheus` brings it)", LONG, || {
            address = listening(&fs::read_to_string(&log).unwrap_or_default());
            address.is_some()
        });
        Self { child, address: address.expect("it was just seen"), dir }
    }

    /// The result of a query: one value for each series; its error as Prometheus words it.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<f64>, String> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(query)))?;
        let value = |series: &Value| series["value"][1].as_str().and_then(|value| value.parse().ok());
        Ok(answer["result"].as_array().into_iter().flatten().filter_map(value).collect())
    }

    /// Every rule that is loaded.
    pub(crate) fn rules(&self) -> Result<Vec<Value>, String> {
        let answer = self.get("/api/v1/rules")?;
        let groups = answer["groups"].as_array().into_iter().flatten();
        Ok(groups.flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect())
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let body = exchange(self.address, path).map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        if answer["status"] == "success" { Ok(answer["data"].take()) } else { Err(answer["error"].to_string()) }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- Prometheus:\n{}", fs::read_to_string(self.dir.path().join("log")).unwrap_or_default());
        }
    }
}

fn configuration(jobs: &[(&str, Vec<SocketAddr>)]) -> String {
    let rules = path("grafana/prometheus").canonicalize().expect("the folder is there");
    let mut text = format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files:\n  - {0}/rules.yml\n  - {0}/alerts.yml\nscrape_configs:\n",
        rules.display()
    );
    for (job, targets) in jobs {
        let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
        text += &format!("  - job_name: {job}\n    static_configs:\n      - targets: {targets:?}\n");
    }
    text
}

/// `… msg="Listening on" address=127.0.0.1:43211`.
fn listening(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("msg=\"Listening on\""))?;
    line.split("address=").nth(1)?.split_whitespace().next()?.parse().ok()
}

fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// `GET path` in HTTP/1.0, whose answers come in one piece.
fn exchange(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?.1;
    Ok(body.to_owned())
}
