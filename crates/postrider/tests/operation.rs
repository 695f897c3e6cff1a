//! What an operator types, against a real Kafka: topics, offsets, and the two services with a drain at the end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use postrider_testkit::{
    kafka::{RawRecord, RealKafka},
    smtp::{Act, SmtpServer, Stage},
};
use serde_json::Value;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(60);

/// A configuration of its own on the shared broker.
struct Place {
    directory: TempDir,
    topic: String,
}

impl Place {
    fn new(name: &str, smtp_port: u16) -> Self {
        let kafka = RealKafka::shared();
        let topic = kafka.unique(name);
        let file = format!(
            "[kafka]\nbootstrap_servers = '{}'\n[topics]\nevents = '{topic}'\npartitions = 2\n\
             [ingest]\nlisten = '127.0.0.1:0'\n[admin]\nlisten = '127.0.0.1:0'\n\
             [email]\nhost = '127.0.0.1'\nport = {smtp_port}\ntls = 'none'\nfrom = 'shop@example.com'\n",
            kafka.bootstrap_servers()
        );
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("postrider.toml"), file).unwrap();
        Self { directory, topic }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.args(args).current_dir(self.directory.path()).env_clear().stdin(Stdio::null());
        command
    }

    /// Runs it and wants this exit code; what it printed.
    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> String {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{args:?}: {stdout}{stderr}");
        stdout
    }

    fn service(&self, name: &str) -> Service {
        let mut command = self.command(&["--log-format", "json", name]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Service { child, log, said: String::new() }
    }
}

/// A running `ingest` or `process`, killed when the test ends in any way.
struct Service {
    child: Child,
    log: Receiver<String>,
    said: String,
}

impl Service {
    /// Reads its log up to the line with that message.
    fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let line =
                self.log.recv_timeout(LONG).unwrap_or_else(|end| panic!("{end}: no {message:?} in {}", self.said));
            self.said += &line;
            self.said.push('\n');
            let fields: Value = serde_json::from_str(&line).unwrap_or_default();
            if fields["message"] == message {
                return fields;
            }
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        let deadline = Instant::now() + LONG;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end; it said: {}", self.said);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn topics_are_planned_applied_once_and_then_as_they_should_be() {
    let place = Place::new("topics", 25);
    assert!(place.run(&["topics", "check"], 1).contains(&place.topic));
    let planned = place.run(&["topics", "apply", "--dry-run"], 0);
    for topic in ["", ".email.ledger", ".dead"] {
        let line = format!("{}{topic}", place.topic);
        assert!(planned.lines().any(|found| found.split("  ").next() == Some(&line)), "{topic}: {planned}");
    }
    assert!(planned.ends_with("nothing was changed (--dry-run)\n"), "{planned}");
    place.run(&["topics", "check"], 1);
    assert!(place.run(&["topics", "apply"], 0).ends_with("done\n"));
    assert_eq!(place.run(&["topics", "apply"], 0), "nothing to change\n");
    place.run(&["topics", "check"], 0);
    let problems: Value = serde_json::from_str(&place.run(&["topics", "check", "--json"], 0)).unwrap();
    assert!(problems.as_array().unwrap().iter().all(|problem| problem["severity"] == "warning"), "{problems}");
}

#[test]
fn a_gap_is_shown_first_and_accepted_only_with_execute() {
    let place = Place::new("accept", 25);
    let kafka = RealKafka::shared();
    place.run(&["topics", "apply"], 0);
    let accept = ["offsets", "accept", "--lane", "email", "--partition", "0"];
    let plan = place.run(&accept, 0);
    assert!(plan.contains("no gap is to be seen") && plan.contains("nothing was changed"), "{plan}");
    let asked = std::time::Instant::now();
    place.run(&["offsets", "accept", "--lane", "email", "--partition", "99"], 1);
    assert!(asked.elapsed() < std::time::Duration::from_secs(30), "a partition that does not exist is not waited for");

    let records: Vec<_> = (0..3).map(|n| RawRecord::new(0, format!("key-{n}"), "x")).collect();
    kafka.produce(&place.topic, &records).unwrap();
    kafka.commit(&format!("{}.email", place.topic), &place.topic, 0, 2).unwrap();
    for _ in 0..2 {
        let plan = place.run(&accept, 0);
        assert!(plan.contains("go on at offset 2") && plan.contains("nothing was changed"), "{plan}");
    }
    let done: Value = serde_json::from_str(&place.run(&[&accept[..], &["--execute", "--json"]].concat(), 0)).unwrap();
    assert_eq!((&done["executed"], &done["position"]), (&Value::from(true), &Value::from(2)));
    assert!(place.run(&accept, 0).contains("no gap is to be seen"));
    let done: Value = serde_json::from_str(&place.run(&[&accept[..], &["--execute", "--json"]].concat(), 0)).unwrap();
    let why = "its owner may have met something that cannot be seen from here";
    let expected = (&Value::from(true), &Value::Null, &Value::from(2));
    assert_eq!((&done["executed"], &done["gap"], &done["position"]), expected, "{why}");
}

#[test]
fn ingest_takes_process_delivers_and_both_drain_on_sigterm() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let smtp = runtime.block_on(SmtpServer::start()).unwrap();
    let place = Place::new("services", smtp.port());
    place.run(&["topics", "apply"], 0);
    let mut ingest = place.service("ingest");
    let mut process = place.service("process");
    let listening = ingest.wait_for("ingest is listening");
    let url = format!("http://{}", listening["ingest.address"].as_str().unwrap());
    process.wait_for("processing");
    place.run(&["send", "--url", &url, "--email-to", "ada@example.com", "--subject", "s", "--text", "over HTTP"], 0);
    place.run(&["send", "--kafka", "--email-to", "bob@example.com", "--subject", "s", "--text", "past HTTP"], 0);
    let mails = runtime.block_on(smtp.wait_for(2, LONG)).unwrap();
    let mut recipients: Vec<_> = mails.iter().flat_map(|mail| mail.recipients.clone()).collect();
    recipients.sort();
    assert_eq!(recipients, ["ada@example.com", "bob@example.com"]);
    assert_eq!(ingest.terminate(), Some(0));
    assert_eq!(process.terminate(), Some(0));
}

#[test]
fn the_first_signal_waits_for_the_mail_under_way_and_the_second_does_not() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let smtp = runtime.block_on(SmtpServer::start()).unwrap();
    smtp.on(Stage::Dot).act(Act::Hang);
    let place = Place::new("signals", smtp.port());
    place.run(&["topics", "apply"], 0);
    let mut process = place.service("process");
    process.wait_for("processing");
    place.run(&["send", "--kafka", "--email-to", "ada@example.com", "--subject", "s", "--text", "t"], 0);
    let deadline = Instant::now() + LONG;
    while smtp.connections_open() == 0 {
        assert!(Instant::now() < deadline, "no attempt began");
        std::thread::sleep(Duration::from_millis(10));
    }
    process.signal("INT");
    process.wait_for("draining; a second signal ends the process at once");
    assert!(process.child.try_wait().unwrap().is_none(), "it drains");
    let asked = Instant::now();
    assert_eq!(process.terminate(), Some(128 + 15));
    assert!(asked.elapsed() < Duration::from_secs(10), "the drain timeout of 20 s was not waited for");
}

#[test]
fn a_kafka_that_is_away_makes_nothing_unhealthy_and_delays_no_stop() {
    let directory = tempfile::tempdir().unwrap();
    // A port that was free a moment ago; nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = format!(
        "[kafka]\nbootstrap_servers = '127.0.0.1:{port}'\n[ingest]\nlisten = '127.0.0.1:0'\n\
         [admin]\nlisten = '127.0.0.1:0'\n[email]\nhost = 'localhost'\nfrom = 'shop@example.com'\n"
    );
    fs::write(directory.path().join("postrider.toml"), file).unwrap();
    let place = Place { directory, topic: String::new() };
    for (name, message) in [("ingest", "ingest is listening"), ("process", "processing")] {
        let mut service = place.service(name);
        let listening = service.wait_for(message);
        let admin = listening["admin.address"].as_str().unwrap();
        // Restarting it would not bring Kafka back; it works, and cannot do its part.
        place.run(&["health", "--url", &format!("http://{admin}/healthz")], 0);
        place.run(&["health", "--url", &format!("http://{admin}/readyz")], 1);
        let asked = Instant::now();
        assert_eq!(service.terminate(), Some(0), "{name}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{name} took {:?}", asked.elapsed());
    }
}
