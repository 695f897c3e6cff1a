//! Slack, by incoming webhook or `chat.postMessage`. The only user of reqwest in this crate.
//!
//! The way of one attempt: `message` makes the body, `exchange` carries it over and asks the permit when the
//! connection stands and the body is about to be written, `classify` reads the reply. No redirects, no proxy's
//! page taken for an answer, one deadline for all of it, and neither a webhook's URL nor a token in any text.
//!
//! **Text is data.** `&`, `<` and `>` in an event's `text` are escaped, so `<!channel>` or a link from a customer's
//! name arrives as the characters it is made of; `*bold*` and emoji codes still work. Whoever wants mentions or
//! links puts them into `blocks`, which are passed on as given.

mod classify;
mod exchange;
mod message;
mod retry_after;
mod settings;
mod target;

use std::{collections::BTreeMap, fmt, time::Duration};

use async_trait::async_trait;
use postrider_domain::{Answer, ChannelName, Delivery, DestinationName, Failure, Permit, Reason};

pub use self::settings::{DEADLINE_DEFAULT, SlackDestination, SlackError, SlackSettings, install_crypto};
use self::{exchange::Ended, target::Target};
use crate::{
    Channel, Destination,
    email::{DialogueLine, DialogueSink},
};

/// Slack takes about one message a second per channel: a second attempt beside the first only earns a 429.
const ATTEMPTS_AT_ONCE: usize = 1;

/// The Slack channel: every configured destination with its credentials.
pub struct SlackChannel {
    client: reqwest::Client,
    targets: BTreeMap<DestinationName, Target>,
    deadline: Duration,
}

impl SlackChannel {
    /// Makes the HTTP client and checks every URL and token; opens no connection.
    ///
    /// # Errors
    /// A URL or token that cannot be one (the text never holds it), or the system's trust store cannot be read.
    pub fn new(settings: &SlackSettings) -> Result<Self, SlackError> {
        let targets = settings::targets(settings)?;
        let client = settings::client(settings, &targets)?;
        Ok(Self { client, targets, deadline: settings.deadline })
    }

    /// As [`attempt`](Channel::attempt), telling `dialogue` what goes over the wire: URL and token as `***`.
    pub async fn attempt_with_dialogue(&self, delivery: &Delivery, permit: &Permit, dialogue: DialogueSink) -> Answer {
        self.run(delivery, permit, Some(&dialogue)).await
    }

    async fn run(&self, delivery: &Delivery, permit: &Permit, dialogue: Option<&DialogueSink>) -> Answer {
        let Some(target) = self.targets.get(&delivery.destination) else {
            let answer =
                format!("no Slack destination `{}` is configured under [slack.destinations]", delivery.destination);
            return Answer::Permanent { failure: Failure::new(Reason::UnknownRecipient, answer) };
        };
        let payload = match message::payload(delivery, target.channel()) {
            Ok(payload) => payload,
            Err(problem) => {
                return Answer::Permanent { failure: Failure::new(Reason::InvalidMessage, problem.to_string()) };
            }
        };
        tell(dialogue, || DialogueLine::Sent(format!("POST {}", target.shown())));
        if target.channel().is_some() {
            tell(dialogue, || DialogueLine::Sent("authorization: Bearer ***".into()));
        }
        tell(dialogue, || DialogueLine::Sent(payload.clone()));
        match exchange::exchange(&self.client, target, payload, permit, self.deadline).await {
            Ended::NotPermitted => {
                tell(dialogue, || DialogueLine::Note("not permitted: nothing was written".into()));
                Answer::NotPermitted
            }
            Ended::Failed(answer) => {
                tell(dialogue, || DialogueLine::Note(answer.failure().map(|f| f.answer.clone()).unwrap_or_default()));
                answer
            }
            Ended::Replied(reply) => {
                for line in reply.lines() {
                    tell(dialogue, || DialogueLine::Received(line));
                }
                classify::classify(&reply, target.endpoint())
            }
        }
    }
}

fn tell(dialogue: Option<&DialogueSink>, line: impl FnOnce() -> DialogueLine) {
    if let Some(sink) = dialogue {
        sink(line());
    }
}

#[async_trait]
impl Channel for SlackChannel {
    fn name(&self) -> ChannelName {
        ChannelName::Slack
    }

    fn destinations(&self) -> Vec<Destination> {
        self.targets.keys().map(|name| Destination { name: name.clone(), capacity: ATTEMPTS_AT_ONCE }).collect()
    }

    fn attempt_deadline(&self) -> Duration {
        self.deadline
    }

    async fn attempt(&self, delivery: &Delivery, permit: &Permit) -> Answer {
        self.run(delivery, permit, None).await
    }
}

impl fmt::Debug for SlackChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlackChannel")
            .field("targets", &self.targets)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
