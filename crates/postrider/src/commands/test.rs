//! `postrider test email|slack`: one attempt at once, without Kafka, with the dialogue printed.

use std::sync::Arc;

use postrider_channels::email::{self, DialogueLine, DialogueSink};
use postrider_domain::{
    Address, Answer, ChannelName, Delivery, DestinationName, Email, Fingerprint, Notification, Permit, Slack, address,
};
use postrider_telemetry::clock;

use crate::{
    cli::{Global, TestCommand},
    config::{Config, Scope},
    failure::Failure,
    output, wiring,
};

/// Makes the attempt; success only if the provider accepted it.
pub(crate) fn run(command: TestCommand, global: &Global) -> Result<(), Failure> {
    let scope = match command {
        TestCommand::Email { .. } => Scope::EMAIL,
        TestCommand::Slack { .. } => Scope::SLACK,
    };
    let config = Config::load(global.config.as_deref(), scope)?;
    let runtime = wiring::runtime()?;
    let answer = match command {
        TestCommand::Email { to } => runtime.block_on(test_email(&config, &to))?,
        TestCommand::Slack { destination } => runtime.block_on(test_slack(&config, &destination))?,
    };
    report(&answer)
}

async fn test_email(config: &Config, to: &str) -> Result<Answer, Failure> {
    let Some(settings) = &config.email else {
        return Err(Failure::usage("email is not configured: set email.host and email.from"));
    };
    let to = address::normalise(to).map_err(|problem| Failure::usage(format!("--to {to:?} {problem}")))?;
    if !address::is_allowed(&to, &settings.recipients_allowed) {
        return Err(Failure::usage(format!("{to} may not get mail: it is not in email.recipients_allowed")));
    }
    let channel = wiring::email_channel(config).map_err(Failure::Usage)?;
    let text = "This is Postrider's test mail. If you can read it, the email channel works.";
    let mail = Email {
        to: vec![Address { address: to.clone(), name: None }],
        subject: Some("Postrider test".to_owned()),
        text: Some(text.to_owned()),
        ..Email::default()
    };
    let event = Notification { email: Some(mail), ..event() };
    let delivery = delivery(event, ChannelName::Email, DestinationName::new(email::DESTINATION), &to);
    Ok(channel.attempt_with_dialogue(&delivery, &Permit::always(), printer()).await)
}

async fn test_slack(config: &Config, name: &str) -> Result<Answer, Failure> {
    let destinations = config.slack.as_ref().map(|slack| slack.destinations.as_slice()).unwrap_or_default();
    let Some(destination) = destinations.iter().find(|destination| destination.name.as_str() == name) else {
        let known: Vec<_> = destinations.iter().map(|destination| destination.name.as_str()).collect();
        let known = if known.is_empty() { "none is".to_owned() } else { format!("configured: {}", known.join(", ")) };
        return Err(Failure::usage(format!(
            "no Slack destination {name:?} is configured under [slack.destinations] ({known})"
        )));
    };
    let channel = wiring::slack_channel(config).map_err(Failure::Usage)?;
    let slack = Slack {
        to: vec![name.to_owned()],
        text: Some("This is Postrider's test message. If you can read it, this destination works.".to_owned()),
        ..Slack::default()
    };
    let delivery =
        delivery(Notification { slack: Some(slack), ..event() }, ChannelName::Slack, destination.name.clone(), name);
    Ok(channel.attempt_with_dialogue(&delivery, &Permit::always(), printer()).await)
}

/// An event of its own each time, so that every test mail has a Message-ID of its own.
fn event() -> Notification {
    Notification {
        source: "postrider-test".to_owned(),
        event_key: uuid::Uuid::now_v7().to_string(),
        event_type: "postrider.test".to_owned(),
        occurred_at: clock::wall(),
        not_before: None,
        expires_at: None,
        template: None,
        email: None,
        slack: None,
        metadata: Default::default(),
    }
}

fn delivery(event: Notification, channel: ChannelName, destination: DestinationName, recipient: &str) -> Delivery {
    Delivery {
        id: Fingerprint::of_delivery(&event, channel, recipient, None),
        channel,
        destination,
        recipient: Arc::from(recipient),
        salt: None,
        event: Arc::new(event),
        trace_parent: None,
    }
}

fn printer() -> DialogueSink {
    Arc::new(|line: DialogueLine| {
        // The attempt matters more than its show: a terminal that went away does not stop it.
        output::print(&format!("{}\n", output::visible(&line.to_string()))).ok();
    })
}

fn report(answer: &Answer) -> Result<(), Failure> {
    let (what, advice) = match answer {
        Answer::Delivered { reply } => {
            return Ok(output::print(&format!("\ndelivered: {}\n", output::visible(reply)))?);
        }
        Answer::Transient { .. } => ("transient", "a lane would try again later"),
        Answer::Throttled { .. } => ("throttled", "the provider takes no more for now; a lane would wait"),
        Answer::Permanent { .. } => ("permanent", "a lane would put this into the dead letters"),
        Answer::Misconfigured { .. } => ("misconfigured", "a lane would stop this destination until it is mended"),
        Answer::Unknown { .. } => ("unknown", "it may have arrived: the reply was lost"),
        Answer::NotPermitted => ("not permitted", "nothing was sent"),
    };
    let failure = answer.failure();
    let reason = failure.map(|failure| failure.reason.as_str()).unwrap_or_default();
    let words = failure.map(|failure| output::visible(&failure.answer)).unwrap_or_default();
    output::print(&format!("\n{what} ({reason}): {words}\n{advice}\n"))?;
    Err(Failure::Reported)
}
