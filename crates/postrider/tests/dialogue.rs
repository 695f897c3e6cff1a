//! `postrider test`: one attempt without Kafka, its dialogue on the screen, and no secret in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use postrider_testkit::{
    slack::{Reply, SlackServer},
    smtp::{Act, SmtpOptions, SmtpServer, Stage},
};
use tokio::runtime::Runtime;

const PASSWORD: &str = "the-right-password";
const TOKEN: &str = "xoxb-a-bot-token-of-ours";

struct World {
    _runtime: Runtime,
    smtp: SmtpServer,
    slack: SlackServer,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let credentials = Some(("postrider".to_owned(), PASSWORD.to_owned()));
        let options = SmtpOptions { credentials, ..SmtpOptions::default() };
        let smtp = runtime.block_on(SmtpServer::start_with(options)).unwrap();
        let slack = runtime.block_on(SlackServer::start()).unwrap();
        Self { _runtime: runtime, smtp, slack }
    }

    /// Runs `postrider test …`; what it printed, and nothing of it is a secret.
    #[track_caller]
    fn test(&self, arguments: &[&str], code: i32) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = format!(
            "[kafka]\nbootstrap_servers = '127.0.0.1:1'\n\
             [email]\nhost = '127.0.0.1'\nport = {}\ntls = 'none'\nfrom = 'shop@example.com'\n\
             username = 'postrider'\npassword = '{PASSWORD}'\nrecipients_allowed = ['*@example.com']\n\
             [slack]\napi_url = '{}'\n[slack.destinations.ops]\nwebhook_url = '{}'\n\
             [slack.destinations.sales]\nchannel = 'C0123'\ntoken = '{TOKEN}'\n",
            self.smtp.port(),
            self.slack.api_url(),
            self.slack.webhook_url("the-secret-of-ops")
        );
        fs::write(directory.path().join("postrider.toml"), file).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.arg("test").args(arguments).current_dir(directory.path()).env_clear().stdin(Stdio::null());
        let Output { status, stdout, stderr } = command.output().unwrap();
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{arguments:?}: {stdout}{stderr}");
        for secret in [PASSWORD, TOKEN, "the-secret-of-ops"] {
            assert!(!stdout.contains(secret) && !stderr.contains(secret), "{secret} in {stdout}{stderr}");
        }
        stdout
    }
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}

#[test]
fn a_test_mail_shows_every_line_and_arrives() {
    let world = World::new();
    let said = world.test(&["email", "--to", "ada@example.com"], 0);
    contains(&said, &["< 220 ", "> EHLO ", "***", "> RCPT TO:<ada@example.com>", "< 354", "\ndelivered: "]);
    assert_eq!(world.smtp.mails()[0].recipients, ["ada@example.com"]);

    world.smtp.on(Stage::Rcpt).act(Act::reply("550 5.1.1 No such user"));
    let said = world.test(&["email", "--to", "eve@example.com"], 1);
    contains(&said, &["< 550 5.1.1 No such user", "permanent (unknown_recipient)", "dead letters"]);

    world.smtp.on(Stage::Auth).act(Act::reply("535 5.7.8 Authentication credentials invalid"));
    contains(&world.test(&["email", "--to", "ada@example.com"], 1), &["< 535", "misconfigured (auth)"]);
    world.test(&["email", "--to", "ada@elsewhere.test"], 2);
    assert_eq!(world.smtp.count(), 1);
}

#[test]
fn a_test_message_shows_request_and_reply_and_arrives() {
    let world = World::new();
    contains(&world.test(&["slack", "ops"], 0), &["> POST ", "test message", "< HTTP 200", "\ndelivered: ok"]);
    contains(&world.test(&["slack", "sales"], 0), &["chat.postMessage", "< HTTP 200", "\ndelivered: ok"]);
    world.slack.always("C0123", Reply::api_error("invalid_auth"));
    contains(&world.test(&["slack", "sales"], 1), &["invalid_auth", "misconfigured (auth)"]);
    world.test(&["slack", "nobody"], 2);
    assert_eq!((world.slack.posted("the-secret-of-ops").len(), world.slack.posted("C0123").len()), (1, 1));
}
