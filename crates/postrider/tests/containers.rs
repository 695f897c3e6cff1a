//! What containers need of the program: a health check without a shell, and Slack's catch-all beside a real Kafka.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
};

/// A running program, killed when the test ends in any way.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn postrider(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    postrider(args).output().unwrap()
}

/// Starts the sandbox; what its first screen says is where.
fn sandbox() -> (Running, [String; 2]) {
    let mut child = postrider(&["sandbox", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let running = Running(child);
    let mut inbox = String::new();
    for line in lines.map(Result::unwrap) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Inbox"), Some(url)) => inbox = url.to_owned(),
            (Some("Webhook"), Some(url)) => return (running, [inbox, url.to_owned()]),
            _ => {}
        }
    }
    panic!("the sandbox ended without a word on where it is");
}

#[test]
fn the_sandbox_takes_what_the_slack_channel_sends() {
    let (_sandbox, [inbox, webhook]) = sandbox();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("postrider.toml");
    fs::write(&config, format!("[slack.destinations.ops]\nwebhook_url = {webhook:?}\n")).unwrap();
    let sent = run(&["test", "slack", "ops", "--config", config.to_str().unwrap()]);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let healthy = run(&["health", "--url", &inbox]);
    assert_eq!((healthy.status.code(), healthy.stdout.as_slice()), (Some(0), b"ok\n".as_slice()));
}

#[test]
fn health_fails_where_nobody_listens_and_where_the_answer_is_no() {
    let (sandbox, [inbox, _]) = sandbox();
    let refused = run(&["health", "--url", &format!("{inbox}api/messages/1")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("says 404"), "{refused:?}");
    drop(sandbox);
    let gone = run(&["health", "--url", &inbox]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("nothing listens at"), "{gone:?}");
}

#[test]
fn the_sandbox_is_open_to_others_only_when_told() {
    let output = run(&["sandbox", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--insecure"));
}
