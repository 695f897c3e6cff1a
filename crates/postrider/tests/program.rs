//! The program from outside: exit codes, what is printed and what never is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// A command in an empty directory and an empty environment, so that neither the machine's file nor its variables count.
fn postrider(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.args(args).current_dir(directory).env_clear().stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    postrider(directory.path(), args).output().unwrap()
}

fn run_with_file(file: &str, args: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("postrider.toml"), file).unwrap();
    postrider(directory.path(), args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn version_names_the_revision() {
    let output = run(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.starts_with(concat!("postrider ", env!("CARGO_PKG_VERSION"), " (")), "{text}");
    assert!(text.trim_end().ends_with(')') && !text.contains("()"), "{text}");
}

#[test]
fn usage_errors_exit_with_2() {
    for args in [
        &["no-such-command"][..],
        &["process", "--no-such-flag"],
        &["--config", "does-not-exist.toml", "config", "check"],
        &["process"],
        &["send"],
        &["send", "--email-to", "nobody", "--text", "x"],
        &["send", "--email-to", "ada@example.com"],
        &["test", "slack", "ops"],
        &["test", "email", "--to", "ada@example.com"],
        &["offsets", "accept", "--lane", "email", "--partition", "0"],
        &["dev", "--demo", "0"],
        &["--log-level", "loud", "config", "default"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).is_empty(), "{args:?} says why");
    }
}

#[test]
fn a_usage_error_names_what_would_do() {
    let partition = ["offsets", "accept", "--lane", "email", "--partition", "-1"];
    for (args, named) in [
        (&partition[..], "-1 is not in 0.."),
        (&["dev", "--demo", "-1"], "-1 is not in 1.."),
        (&["dev", "--admin-port", "-1"], "-1 is not in 0.."),
        (&["health", "--url", "ftp://127.0.0.1/"], "--url \"ftp://127.0.0.1/\" is no http(s) URL"),
        (&["health", "--url", "127.0.0.1:9464"], "is no http(s) URL"),
        (&["send", "--email-to", "a@example.com", "--text", "x", "--url", "ftp://127.0.0.1"], "is no http(s) URL"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn every_problem_is_listed_at_once_and_no_socket_is_opened() {
    let file =
        "[kafka]\nbootstrap_servers = 'nowhere'\nacks = 1\n[topics]\npartitions = 0\n[ingest]\nlisten = '0.0.0.0:0'\n";
    for command in [&["ingest"][..], &["config", "check"]] {
        let output = run_with_file(file, command);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        for problem in ["kafka.bootstrap_servers", "kafka.acks", "topics.partitions", "ingest.listen"] {
            assert_eq!(text.matches(&format!("  {problem}: ")).count(), 1, "{command:?}: {problem} in {text}");
        }
        assert!(text.contains("4 problems"), "{text}");
    }
}

/// Where logs are collected, a command's last word is collected with them.
#[test]
fn where_logs_are_json_so_is_the_last_word() {
    for (args, code, named) in [
        (&["process"][..], 2, "topics.partitions: "),
        (&["health", "--url", "http://127.0.0.1:1/"], 1, "nothing listens at http://127.0.0.1:1/"),
    ] {
        let output = run_with_file("[topics]\npartitions = 0\n", &[&["--log-format", "json"], args].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        let lines: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = lines.last().unwrap();
        assert_eq!((&last["level"], &last["message"]), (&"ERROR".into(), &"the command failed".into()), "{said}");
        assert!(last["error"].as_str().unwrap().contains(named), "{said}");
    }
}

/// Whatever a service would stumble over when it starts, `config check` says before, and the service ends with 2: started
/// again it would only stumble again.
#[test]
fn what_no_client_or_channel_takes_is_a_configuration_error() {
    let email = "[email]\nfrom = 'a@example.com'\n";
    let bot = "[slack.destinations.ops]\nchannel = 'C1'\ntoken = ";
    for (file, service) in [
        ("[kafka.properties]\n'max.in.flight' = 10\n".to_owned(), "ingest"),
        ("[kafka.properties]\nretries = 0\n".to_owned(), "ingest"),
        ("[kafka.properties]\n'session.timeout.ms' = 600000\n".to_owned(), "process"),
        (format!("{email}host = 'mail..example.com'\n"), "process"),
        (format!("{email}host = 'mail.example.com'\nusername = 'u'\npassword = \"hunter2\\u0000\"\n"), "process"),
        (format!("{bot}\"xoxb-hunter2\\nxoxb-hunter2\"\n"), "process"),
        (format!("{bot}'x'\n[slack]\napi_url = 'https://shop:hunter2@slack.com/api'\n"), "process"),
        ("[slack.destinations.ops]\nwebhook_url = 'https://shop:hunter2@example.com/x'\n".to_owned(), "process"),
    ] {
        for command in [&[service][..], &["config", "check"]] {
            let output = run_with_file(&file, command);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{command:?} with {file}: {said}");
            assert!(said.contains("configuration: ") && !said.contains("hunter2"), "{command:?}: {said}");
        }
    }
}

#[test]
fn config_default_is_the_embedded_file_and_is_valid() {
    let output = run(&["config", "default"]);
    assert_eq!(stdout(&output), include_str!("../src/config/default.toml"));
    assert_eq!(run_with_file(&stdout(&output), &["config", "check"]).status.code(), Some(0));
}

#[test]
fn config_print_shows_no_secret_and_can_be_read_back() {
    let file = "[email]\nhost = 'mail.example.com'\nfrom = 'a@example.com'\nusername = 'u'\npassword = 'hunter2'\n";
    let output = run_with_file(file, &["config", "print"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(text.contains("mail.example.com") && text.contains("***") && !text.contains("hunter2"), "{text}");
    assert_eq!(run_with_file(&text, &["config", "check"]).status.code(), Some(0));
    let json = stdout(&run_with_file(file, &["config", "print", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["email"]["password"], "***");
}

#[test]
fn secrets_stay_out_of_errors() {
    let file = "[email]\nhost = 'mail.example.com'\npassword = 'hunter2'\ncolour = 'hunter2'\n\
        [slack.destinations.ops]\nwebhook_url = 'http://hooks.example.com/hunter2'\n\
        [[ingest.keys]]\nsource = 'a b'\nkey = 'hunter2 hunter2'\n";
    let output = run_with_file(file, &["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
}

#[test]
fn completions_and_manual_pages_are_there() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(&run(&["completions", shell])).contains("postrider"), "{shell}");
    }
    assert!(stdout(&run(&["man"])).contains(".TH postrider"));
    let directory = tempfile::tempdir().unwrap();
    let output = postrider(directory.path(), &["man", "pages"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for (page, example) in [
        ("postrider.1", "postrider\\-dev(1)"),
        ("postrider-dev.1", "postrider dev \\-\\-demo 50"),
        ("postrider-topics-apply.1", "postrider topics apply \\-\\-dry\\-run"),
    ] {
        let text = fs::read_to_string(directory.path().join("pages").join(page)).unwrap();
        let name = page.trim_end_matches(".1");
        assert!(text.contains(&format!(".TH {name} 1 ")) && text.contains(example), "{page}: {text}");
    }
}

/// A running `dev` on free ports, or another command, killed when the test ends in any way.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Running {
    fn start(directory: &Path) -> (Self, String) {
        let ports = ["--ingest-port", "0", "--inbox-port", "0", "--smtp-port", "0", "--admin-port", "0"];
        let mut command = postrider(directory, &["dev"]);
        let mut child = command.args(ports).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut screen = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let dev = Self(child);
        while !screen.contains("Ctrl-C ends it.") {
            assert!(lines.read_line(&mut screen).unwrap() > 0, "dev ended early: {screen}");
        }
        (dev, screen)
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(40);
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut said = String::new();
        self.0.kill().unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("it did not end: {said}");
    }
}

fn address<'a>(screen: &'a str, line: &str) -> &'a str {
    let rest = screen.split(&format!("  {line} ")).nth(1).unwrap_or_else(|| panic!("no {line} in {screen}"));
    rest.split_whitespace().next().unwrap()
}

#[test]
fn dev_says_what_runs_where_takes_send_and_drains_on_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let (mut dev, screen) = Running::start(directory.path());
    let api = address(&screen, "API");
    assert!(screen.contains(&format!("curl {api}/v1/notifications")), "{screen}");
    let send =
        ["send", "--url", api, "--json", "--event-key", "k1", "--email-to", "ada@example.com", "--subject", "Hi"];
    let sent = postrider(directory.path(), &send).args(["--text", "It works.", "--slack-to", "ops"]).output().unwrap();
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let answer: serde_json::Value = serde_json::from_slice(&sent.stdout).unwrap();
    assert_eq!(answer["event_key"], "k1");
    assert_eq!(answer["deliveries"].as_array().unwrap().len(), 2);
    dev.signal("TERM");
    assert_eq!(dev.wait(), Some(0));
}

#[test]
fn send_reads_a_file_and_names_the_bad_lines() {
    let directory = tempfile::tempdir().unwrap();
    let (_dev, screen) = Running::start(directory.path());
    let good = r#"{"type":"t","email":{"to":[{"address":"ada@example.com"}],"subject":"s","text":"x"}}"#;
    let events = format!("{good}\n\nnot json\n{good}\n{{\"type\":\"t\"}}\n");
    fs::write(directory.path().join("events.ndjson"), events).unwrap();
    let send = ["send", "--url", address(&screen, "API"), "--file", "events.ndjson"];
    let output = postrider(directory.path(), &send).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output), "2 accepted, 2 not\n");
    assert!(
        stderr(&output).contains("line 3: not JSON") && stderr(&output).contains("line 5, event_key "),
        "{}",
        stderr(&output)
    );
    let kafka = ["send", "--kafka", "--file", "events.ndjson", "--json"];
    let mut command = postrider(directory.path(), &kafka);
    command.env("POSTRIDER__KAFKA__BOOTSTRAP_SERVERS", address(&screen, "Kafka"));
    let output = command.output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["accepted"], 2, "{}", stderr(&output));
}

/// A batch that is too large for the API goes in parts; a line that is, is named, and holds up no other. A name that is
/// given twice is for the API to refuse: keeping one of them might tell the wrong person.
#[test]
fn send_fits_batches_to_the_api_and_loses_no_other_line() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("postrider.toml"), "[ingest]\nbody_max = \"1KiB\"\n").unwrap();
    let (_dev, screen) = Running::start(directory.path());
    let event = |text: &str| format!("{{\"slack\":{{\"to\":[\"ops\"],\"text\":\"{text}\"}}}}\n");
    let twice = r#"{"slack":{"to":["ops"],"text":"a"},"slack":{"to":["sales"],"text":"a"}}"#;
    let events = [event("x").repeat(20), event(&"y".repeat(2000)), event("x").repeat(20), twice.to_owned()].concat();
    fs::write(directory.path().join("events.ndjson"), events).unwrap();
    let send = ["send", "--url", address(&screen, "API"), "--file", "events.ndjson"];
    let output = postrider(directory.path(), &send).output().unwrap();
    let said = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), "40 accepted, 2 not\n"), "{said}");
    for (line, status) in [("line 21, event_key ", ": 413: "), ("line 42, event_key ", ": 422: ")] {
        assert!(said.lines().any(|said| said.starts_with(line) && said.contains(status)), "{line}: {said}");
    }
}

/// A server that is not there is waited for; whoever waits is told so, and whoever waits no longer what is left to do.
#[test]
fn send_does_not_wait_in_silence() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let directory = tempfile::tempdir().unwrap();
    let mut send = postrider(directory.path(), &["send", "--url", &url, "--slack-to", "ops", "--text", "x"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut line, mut rest) = (String::new(), String::new());
    let mut said = BufReader::new(send.stderr.take().unwrap());
    said.read_line(&mut line).unwrap();
    let mut send = Running(send);
    send.signal("TERM");
    assert_eq!(send.wait(), Some(1));
    said.read_to_string(&mut rest).unwrap();
    assert!(line.contains("WARN") && line.contains(&url), "{line}");
    assert!(rest.contains("cannot reach") && rest.contains("--event-key"), "its last word: {rest}");
}

#[test]
fn a_port_in_use_names_the_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--ingest-port", "--inbox-port", "--smtp-port", "--admin-port"] {
        let mut ports = vec!["dev"];
        for other in ["--ingest-port", "--inbox-port", "--smtp-port", "--admin-port"] {
            ports.extend([other, if other == flag { &port } else { "0" }]);
        }
        let output = run(&ports);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(flag) && stderr(&output).contains(&port), "{flag}: {}", stderr(&output));
    }
}

#[test]
fn the_demo_delivers_everything_and_says_how_fast() {
    let ports = ["--ingest-port", "0", "--inbox-port", "0", "--smtp-port", "0", "--admin-port", "0"];
    let output = run(&[&["dev", "--demo", "40", "--json"][..], &ports].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let value = |what: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["what"] == what);
        row.unwrap_or_else(|| panic!("no {what} in {rows}"))["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(value("notifications sent"), "40");
    assert_eq!(value("delivered"), value("deliveries"));
    assert!(value("p99 latency, request to arrival").ends_with(" ms"));
}

#[test]
fn a_test_without_a_server_fails_and_says_so() {
    // A port that was free a moment ago; nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = format!("[email]\nhost = '127.0.0.1'\nport = {port}\ntls = 'none'\nfrom = 'a@example.com'\n");
    let output = run_with_file(&file, &["test", "email", "--to", "ada@example.com"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("transient (connect)"), "{}", stdout(&output));
}

/// Variables of others may hold any bytes; ours are a configuration error, and their value is not shown.
#[test]
fn variables_that_are_no_text_do_not_panic() {
    use std::os::unix::ffi::OsStrExt;
    let bytes = std::ffi::OsStr::from_bytes(b"hunter2\xff");
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str| postrider(directory.path(), &["config", "check"]).env(name, bytes).output().unwrap();
    let foreign = check("LS_COLORS");
    assert_eq!(foreign.status.code(), Some(0), "{}", stderr(&foreign));
    let ours = check("POSTRIDER__EMAIL__PASSWORD");
    assert_eq!(ours.status.code(), Some(2), "{}", stderr(&ours));
    let text = stderr(&ours);
    assert!(text.contains("POSTRIDER__EMAIL__PASSWORD: is not UTF-8") && !text.contains("hunter2"), "{text}");
}
