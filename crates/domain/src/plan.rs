//! From an event to its deliveries: who gets it through this lane, and who cannot.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use crate::{
    address,
    event::{Email, Notification, Slack},
    ids::{ChannelName, DestinationName},
    limits::RECIPIENTS_MAX,
    outcome::DeadReason,
};

/// What a lane knows of its channel when it plans.
#[derive(Debug, Clone)]
pub struct Planner {
    /// The lane's channel.
    pub channel: ChannelName,
    /// The channel's destinations: the mail relay alone, or every configured Slack destination.
    pub destinations: Vec<DestinationName>,
    /// Channels that any configured lane reads this topic for.
    pub channels_served: BTreeSet<ChannelName>,
    /// Whether this lane is the one that dead-letters an event that is for no lane at all.
    pub reports_unroutable: bool,
    /// Mail recipients that may be written to; others are `skipped`. `*` allows all.
    pub recipients_allowed: Vec<String>,
}

/// One recipient's delivery as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// A normalised address or a destination's name; as upstream wrote it where it is invalid.
    pub recipient: Arc<str>,
    /// Where it goes.
    pub destination: DestinationName,
    /// What is to happen.
    pub verdict: Verdict,
}

/// What is to happen to a planned delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Send it.
    Send,
    /// Not allowed; ends `skipped`.
    Skip,
    /// It can never be sent; ends `dead`.
    Doomed(DeadReason, String),
}

/// The plan for one event on one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// One delivery for each distinct recipient; at least one.
    Deliveries(Vec<Planned>),
    /// The event concerns other lanes only.
    NotForLane,
    /// The event as a whole cannot be delivered by this lane.
    Refused(DeadReason, String),
}

impl Planner {
    /// Plans one event.
    #[must_use]
    pub fn plan(&self, event: &Notification) -> Plan {
        let wanted = recipients(event, self.channel);
        if wanted.is_empty() {
            return self.not_ours(event);
        }
        if RECIPIENTS_MAX < wanted.len() {
            return Plan::Refused(
                DeadReason::Unsupported,
                format!("{} recipients on one channel; the limit is {RECIPIENTS_MAX}", wanted.len()),
            );
        }
        let mut seen = HashSet::new();
        let mut planned: Vec<Planned> = wanted.iter().map(|recipient| self.plan_one(recipient)).collect();
        planned.retain(|delivery| seen.insert(Arc::clone(&delivery.recipient)));
        if event.template.is_some() {
            for delivery in &mut planned {
                delivery.verdict = Verdict::Doomed(DeadReason::Unsupported, "templates are not supported yet".into());
            }
        }
        Plan::Deliveries(planned)
    }

    fn not_ours(&self, event: &Notification) -> Plan {
        let served = self.channels_served.iter().any(|channel| !recipients(event, *channel).is_empty());
        if served || !self.reports_unroutable {
            return Plan::NotForLane;
        }
        Plan::Refused(DeadReason::NoDeliveries, "no part of the event has a recipient on a configured lane".into())
    }

    fn plan_one(&self, recipient: &str) -> Planned {
        match self.channel {
            ChannelName::Email => self.plan_mail(recipient),
            ChannelName::Slack => self.plan_slack(recipient),
        }
    }

    fn plan_mail(&self, written: &str) -> Planned {
        let destination = self.destinations.first().cloned().unwrap_or_else(|| DestinationName::new("relay"));
        let (recipient, verdict) = match address::normalise(written) {
            Ok(address) if address::is_allowed(&address, &self.recipients_allowed) => (address, Verdict::Send),
            Ok(address) => (address, Verdict::Skip),
            Err(problem) => {
                let detail = format!("the address {problem}");
                (written.to_owned(), Verdict::Doomed(DeadReason::InvalidAddress, detail))
            }
        };
        Planned { recipient: recipient.into(), destination, verdict }
    }

    fn plan_slack(&self, name: &str) -> Planned {
        let destination = DestinationName::new(name);
        let verdict = if self.destinations.contains(&destination) {
            Verdict::Send
        } else {
            Verdict::Doomed(DeadReason::UnknownDestination, "no Slack destination of that name is configured".into())
        };
        Planned { recipient: name.into(), destination, verdict }
    }
}

/// Everybody the event's part for `channel` names, as written and with repeats.
fn recipients(event: &Notification, channel: ChannelName) -> Vec<&str> {
    match channel {
        ChannelName::Email => event.email.as_ref().map_or_else(Vec::new, mail_recipients),
        ChannelName::Slack => event.slack.as_ref().map_or_else(Vec::new, slack_recipients),
    }
}

fn mail_recipients(email: &Email) -> Vec<&str> {
    let all = email.to.iter().chain(&email.cc).chain(&email.bcc);
    all.map(|address| address.address.as_str()).collect()
}

fn slack_recipients(slack: &Slack) -> Vec<&str> {
    slack.to.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests;
