//! `[lanes.*]` and `[retry]`: which lanes there are, and how they try again.

use std::time::Duration;

use figment::value::{Dict, Value};
use postrider_domain::{ChannelName, LaneName, retry::RetryPolicy, start::StartFrom};

use super::{layers::Layers, section::Section, values};

const DAY: Duration = Duration::from_secs(24 * 3600);
const STARTS: &[(&str, StartFrom)] = &[("earliest", StartFrom::Earliest), ("latest", StartFrom::Latest)];

/// A lane whose channel is configured.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    /// Its name: in the group, the ledger, the metrics.
    pub(crate) name: LaneName,
    /// What it sends through.
    pub(crate) channel: ChannelName,
    /// Attempts under way at once.
    pub(crate) in_flight_max: usize,
    /// Where it begins if it never committed.
    pub(crate) start: StartFrom,
    /// How long attempts under way may go on after a stop or a revoke.
    pub(crate) drain_timeout: Duration,
}

/// Reads every lane. The two default ones fall away where their channel is not configured or another lane has it.
pub(super) fn read(lanes: &Section<'_>, layers: &Layers, email: bool, slack: bool) -> Option<Vec<Lane>> {
    let events = events_topic(layers);
    let mut found: Vec<Lane> = Vec::new();
    let mut wrong = false;
    let (written, default): (Vec<_>, Vec<_>) =
        lanes.sections().into_iter().partition(|(_, section)| section.is_written());
    for (name, section) in written.into_iter().chain(default) {
        let is_default = ChannelName::parse(&name).is_some();
        let written = section.is_written();
        let Some(lane) = read_lane(&name, section, &events) else {
            wrong = true;
            continue;
        };
        let configured = match lane.channel {
            ChannelName::Email => email,
            ChannelName::Slack => slack,
        };
        if is_default && lane.channel.as_str() != name {
            lanes.problem(
                &name,
                format_args!("has the other channel: a lane called {name} has channel {name}; take another name"),
            );
            continue;
        }
        let taken = found.iter().find(|other| other.channel == lane.channel);
        match taken {
            Some(other) if written => lanes.problem(
                &name,
                format_args!(
                    "sends everything a second time: lane {} has channel {} already; remove one",
                    other.name, lane.channel
                ),
            ),
            Some(_) => {}
            None if !configured && !is_default => {
                let missing = match lane.channel {
                    ChannelName::Email => "email.host",
                    ChannelName::Slack => "a destination under [slack.destinations]",
                };
                lanes.problem(&name, format_args!("has a channel that is not configured: set {missing}"));
            }
            None if !configured => {}
            None => found.push(lane),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    (!wrong).then_some(found)
}

/// `topics.events`, unchecked; the section of the topics says what is wrong with it.
fn events_topic(layers: &Layers) -> Option<String> {
    let values = layers.values();
    let topics = values.get("topics")?.as_dict()?;
    topics.get("events")?.as_str().map(str::to_owned)
}

fn read_lane(name: &str, section: Section<'_>, events: &Option<String>) -> Option<Lane> {
    if !values::is_name(name, 64) {
        section.problem("channel", "belongs to a lane whose name is none: up to 64 letters, digits and . _ -");
    }
    if matches!(name, "dead") {
        section.problem("channel", "belongs to a lane called dead: that is the dead letters' name, take another");
    }
    section.required("channel", "a lane has one channel, email or slack");
    let channels = ChannelName::ALL.map(|channel| (channel.as_str(), channel));
    let channel = section.choice("channel", &channels);
    let section = match channel {
        Some(channel) => section.over(&defaults(channel)),
        None => section,
    };
    let topic = section.text("topic");
    if let (Some(topic), Some(events)) = (&topic, events)
        && topic != events
    {
        section.problem(
            "topic",
            format_args!("is not {events} (topics.events): a lane on another topic is not built yet"),
        );
    }
    let in_flight_max = section.integer("in_flight_max", 1..=10_000);
    let start = section.choice("start", STARTS);
    let drain_timeout = section.duration("drain_timeout", Duration::from_secs(1)..=Duration::from_secs(240));
    section.finish();
    Some(Lane {
        name: LaneName::new(name),
        channel: channel?,
        in_flight_max: usize::try_from(in_flight_max?).ok()?,
        start: start?,
        drain_timeout: drain_timeout?,
    })
}

/// What the default lane of a channel says, for lanes under other names.
fn defaults(channel: ChannelName) -> Dict {
    let default = Layers::of(None, std::iter::empty()).map(|layers| layers.values()).unwrap_or_default();
    let lane = default.get("lanes").and_then(Value::as_dict).and_then(|lanes| lanes.get(channel.as_str()));
    lane.and_then(Value::as_dict).cloned().unwrap_or_default()
}

pub(super) fn read_retry(section: Section<'_>) -> Option<RetryPolicy> {
    let delay_min = section.duration("delay_min", Duration::from_millis(100)..=DAY);
    let delay_max = section.duration("delay_max", Duration::from_millis(100)..=DAY * 7);
    let give_up_after = section.duration("give_up_after", Duration::from_secs(1)..=DAY * 3650);
    let unknown_retries = section.integer("unknown_retries", 0..=100);
    section.not_built("park_after");
    if let (Some(min), Some(max)) = (delay_min, delay_max)
        && max < min
    {
        section.problem("delay_max", "must not be shorter than delay_min");
    }
    if let (Some(min), Some(give_up)) = (delay_min, give_up_after)
        && give_up < min
    {
        section.problem("give_up_after", "must leave room for one retry: make it at least delay_min");
    }
    section.finish();
    Some(RetryPolicy {
        delay_min: delay_min?,
        delay_max: delay_max?,
        give_up_after: give_up_after?,
        unknown_retries: u32::try_from(unknown_retries?).ok()?,
    })
}
