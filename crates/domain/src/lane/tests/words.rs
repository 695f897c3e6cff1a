//! What tests speak in: answers, settings, records to be, writes by name.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    answer::{Answer, Failure, Reason},
    event::{Address, Email, Notification, Slack},
    ids::{ChannelName, DestinationName, LaneName},
    lane::{Arrived, LaneSettings, Unreadable, Write},
    ledger::LedgerEntry,
    outcome::DeadReason,
    plan::Planner,
    record::{Position, Record},
    retry::RetryPolicy,
    start::StartFrom,
    time::Timestamp,
};

/// The wall clock when a test begins.
pub(super) const START: Timestamp = Timestamp(1_800_000_000_000);

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) fn minutes(count: u64) -> Duration {
    seconds(60 * count)
}

pub(super) fn hours(count: u64) -> Duration {
    minutes(60 * count)
}

pub(super) fn delivered() -> Answer {
    Answer::Delivered { reply: "250 ok".to_owned() }
}

pub(super) fn transient() -> Answer {
    Answer::Transient { failure: Failure::new(Reason::TryLater, "451 later"), retry_after: None }
}

pub(super) fn throttled(wait: Duration) -> Answer {
    Answer::Throttled { failure: Failure::new(Reason::RateLimited, "429"), retry_after: Some(wait) }
}

pub(super) fn misconfigured() -> Answer {
    Answer::Misconfigured { failure: Failure::new(Reason::Auth, "535 no") }
}

/// A limit without a time.
pub(super) fn limited() -> Answer {
    Answer::Throttled { failure: Failure::new(Reason::RateLimited, "450 rate limit").at_recipient(), retry_after: None }
}

pub(super) fn permanent() -> Answer {
    Answer::Permanent { failure: Failure::new(Reason::UnknownRecipient, "550 nobody") }
}

pub(super) fn unknown() -> Answer {
    Answer::Unknown { failure: Failure::new(Reason::LostReply, "closed after the final dot") }
}

/// Mail, one partition, waits of 1, 2, 4 … seconds without jitter.
pub(super) fn mail_settings() -> LaneSettings {
    LaneSettings {
        name: LaneName::new("email"),
        topic: "notifications".to_owned(),
        partitions: 1,
        planner: Planner {
            channel: ChannelName::Email,
            destinations: vec![DestinationName::new("relay")],
            channels_served: ChannelName::ALL.into(),
            reports_unroutable: true,
            recipients_allowed: vec!["*".to_owned()],
        },
        destinations: vec![(DestinationName::new("relay"), 200)],
        retry: RetryPolicy {
            delay_min: seconds(1),
            delay_max: seconds(60),
            give_up_after: hours(1),
            unknown_retries: 1,
        },
        in_flight_max: 200,
        drain_timeout: seconds(20),
        attempt_deadline: seconds(120),
        start: StartFrom::Earliest,
        window: hours(9 * 24),
        retention: hours(7 * 24),
        session_timeout: seconds(45),
    }
}

/// Slack with two destinations.
pub(super) fn slack_settings() -> LaneSettings {
    let mut settings = mail_settings();
    settings.name = LaneName::new("slack");
    settings.planner.channel = ChannelName::Slack;
    settings.planner.destinations = ["ops", "sales"].map(DestinationName::new).to_vec();
    settings.destinations = settings.planner.destinations.iter().map(|name| (name.clone(), 10)).collect();
    settings
}

/// A record to be: `mail(7, "key")` is offset 7, one recipient named after the key.
pub(super) struct Draft {
    pub position: Position,
    pub age: Duration,
    pub value: Vec<u8>,
    pub event: Result<Notification, Unreadable>,
}

pub(super) fn mail(offset: i64, key: &str) -> Draft {
    let event = Notification {
        source: "shop".to_owned(),
        event_key: key.to_owned(),
        event_type: "test".to_owned(),
        occurred_at: START,
        not_before: None,
        expires_at: None,
        template: None,
        email: Some(Email { to: vec![address(key)], text: Some("hello".to_owned()), ..Email::default() }),
        slack: None,
        metadata: BTreeMap::new(),
    };
    let position = Position { partition: 0, offset };
    Draft { position, age: Duration::ZERO, value: b"bytes as they came".to_vec(), event: Ok(event) }
}

pub(super) fn slack(offset: i64, key: &str, destination: &str) -> Draft {
    let mut draft = mail(offset, key);
    draft.edit(|event| {
        event.email = None;
        event.slack = Some(Slack { to: vec![destination.to_owned()], text: Some("hi".into()), ..Slack::default() });
    });
    draft
}

pub(super) fn garbage(offset: i64) -> Draft {
    let mut draft = mail(offset, "garbage");
    draft.event = Err(Unreadable { reason: DeadReason::Malformed, detail: "not Avro".to_owned() });
    draft
}

fn address(local: &str) -> Address {
    let address = if local.contains(['@', ' ']) { local.to_owned() } else { format!("{local}@example.com") };
    Address { address, name: None }
}

impl Draft {
    fn edit(&mut self, change: impl FnOnce(&mut Notification)) {
        if let Ok(event) = &mut self.event {
            change(event);
        }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Notification)) -> Self {
        self.edit(change);
        self
    }

    pub(super) fn to(self, recipients: &[&str]) -> Self {
        self.with(|event| {
            event.email.iter_mut().for_each(|email| email.to = recipients.iter().map(|to| address(to)).collect())
        })
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.with(|event| event.email.iter_mut().for_each(|email| email.text = Some(text.to_owned())))
    }

    pub(super) fn aged(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// A value of that size.
    pub(super) fn bytes(mut self, size: usize) -> Self {
        self.value = vec![b'v'; size];
        self
    }

    pub(super) fn in_partition(mut self, partition: i32) -> Self {
        self.position.partition = partition;
        self
    }

    pub(super) fn arrived(self, now: Timestamp) -> Arrived {
        let record = Record {
            position: self.position,
            appended_at: now.before(self.age),
            key: self.event.as_ref().ok().map(|event| event.event_key.clone().into_bytes()),
            value: Some(self.value),
            headers: Vec::new(),
        };
        Arrived { record: Arc::new(record), event: self.event.map(Arc::new) }
    }
}

/// A write in words.
pub(super) fn name_of(write: &Write) -> String {
    match write {
        Write::Ledger { key, entry: None, .. } => format!("forget {:?}", key.class).to_lowercase(),
        Write::Ledger { entry: Some(entry), .. } => match entry {
            LedgerEntry::Receipt(receipt) => format!("receipt {}", receipt.outcome.as_str()),
            LedgerEntry::Parked(parked) => format!("parked {}/{}", parked.unknowns, parked.attempts),
            LedgerEntry::Mark(mark) => format!("mark {}", mark.deaths),
            LedgerEntry::Progress(progress) if progress.clean => format!("progress {} clean", progress.position),
            LedgerEntry::Progress(progress) => format!("progress {}", progress.position),
            LedgerEntry::Control(control) => format!("{control:?}").to_lowercase(),
        },
        Write::DeadLetter(letter) => format!("dead {}", letter.reason.as_str()),
        Write::Replace { partition, .. } => format!("replace into {partition}"),
    }
}
