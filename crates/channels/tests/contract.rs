//! What every channel keeps, whatever it talks to. A new channel brings a [`Subject`] and one test.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report, in its helpers too")]

#[path = "contract/subject.rs"]
mod subject;

mod email_fixture;
#[allow(dead_code, reason = "each test binary uses its part")]
mod slack_fixture;

use std::{sync::Arc, time::Duration};

use postrider_channels::{
    Channel,
    email::{Deadlines, EmailSettings},
    registry::ChannelSettings,
};
use postrider_domain::{ChannelName, Delivery};
use postrider_testkit::{
    slack::{Reply, SlackServer},
    smtp::{Act, SmtpOptions, SmtpServer, Stage},
};
use subject::{Provider, Subject, keeps_the_contract};

struct Email {
    server: SmtpServer,
    channel: Arc<dyn Channel>,
}

impl Email {
    async fn new() -> Self {
        let credentials = Some(("postrider".to_owned(), email_fixture::PASSWORD.to_owned()));
        let options = SmtpOptions { credentials, ..SmtpOptions::default() };
        let server = SmtpServer::start_with(options).await.unwrap();
        let settings = email_fixture::with_credentials(email_fixture::settings(&server), email_fixture::PASSWORD);
        let settings = EmailSettings { deadlines: Deadlines::all(Duration::from_millis(300)), ..settings };
        let channel = ChannelSettings::Email(Box::new(settings)).make().unwrap();
        Self { server, channel }
    }
}

impl Subject for Email {
    fn name(&self) -> ChannelName {
        ChannelName::Email
    }

    fn channel(&self) -> &dyn Channel {
        &*self.channel
    }

    fn delivery(&self) -> Delivery {
        email_fixture::delivery("order-1", "ada@example.com")
    }

    fn next(&self, provider: Provider) {
        let (stage, act) = match provider {
            Provider::Accepts => return,
            Provider::RefusesThisMessage => (Stage::Dot, Act::reply("554 5.7.1 Refused")),
            Provider::Throttles => (Stage::Mail, Act::reply("454 Throttling failure: Maximum sending rate exceeded.")),
            Provider::HasAFault => (Stage::Mail, Act::reply("451 4.3.0 Temporary fault")),
            Provider::RefusesUs => (Stage::Mail, Act::reply("530 5.7.0 Authentication required")),
            Provider::HangsBeforeTaking => (Stage::Data, Act::Hang),
            Provider::TakesAndHangs => (Stage::Dot, Act::Hang),
            Provider::TakesAndCloses => (Stage::Dot, Act::StoreAndClose),
        };
        self.server.on(stage).times(1).act(act);
    }

    fn taken(&self) -> usize {
        self.server.mails().iter().filter(|mail| mail.answered).count()
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![email_fixture::PASSWORD]
    }
}

struct Slack {
    server: SlackServer,
    channel: Arc<dyn Channel>,
}

impl Slack {
    async fn new() -> Self {
        let server = SlackServer::start().await.unwrap();
        let channel = ChannelSettings::Slack(slack_fixture::settings(&server)).make().unwrap();
        Self { server, channel }
    }
}

impl Subject for Slack {
    fn name(&self) -> ChannelName {
        ChannelName::Slack
    }

    fn channel(&self) -> &dyn Channel {
        &*self.channel
    }

    fn delivery(&self) -> Delivery {
        slack_fixture::delivery("ops")
    }

    fn next(&self, provider: Provider) {
        let reply = match provider {
            Provider::Accepts => return,
            Provider::RefusesThisMessage => Reply::webhook_error(400, "invalid_blocks"),
            Provider::Throttles => Reply::throttled(7),
            Provider::HasAFault => Reply::webhook_error(503, "service_unavailable"),
            Provider::RefusesUs => Reply::webhook_error(403, "invalid_token"),
            // Over HTTP a reply that does not come says nothing about the request: that is the case below.
            Provider::HangsBeforeTaking => return,
            Provider::TakesAndHangs => Reply::Hang,
            Provider::TakesAndCloses => Reply::CloseAfterReading,
        };
        self.server.script(slack_fixture::WEBHOOK, [reply]);
    }

    fn taken(&self) -> usize {
        self.server.messages().len()
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![slack_fixture::WEBHOOK, slack_fixture::TOKEN]
    }
}

#[tokio::test]
async fn email_keeps_the_contract() {
    keeps_the_contract(&Email::new().await).await;
}

#[tokio::test]
async fn slack_keeps_the_contract() {
    keeps_the_contract(&Slack::new().await).await;
}

/// The names in the registry are the names in `ChannelName`: one list.
#[tokio::test]
async fn every_channel_has_a_subject() {
    let names = [Email::new().await.name(), Slack::new().await.name()];
    assert_eq!(names, ChannelName::ALL);
}
