//! The way of one checked event: encode, write, and only after the acknowledgement say so.

use std::time::Instant;

use postrider_domain::{ChannelName, Notification, address::normalise};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    metrics::EventResult,
    refusal::{MaybeAccepted, Refusal},
    sink::SinkError,
    trace::Trace,
};

/// An event that Kafka has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Accepted {
    /// Whose it is.
    pub source: String,
    /// Its key, given or made.
    pub event_key: String,
    /// The partition of the events topic.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// What will be sent to whom.
    pub deliveries: Vec<Recipient>,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Recipient {
    /// `email` or `slack`.
    #[schema(value_type = String, examples("email"))]
    pub channel: &'static str,
    /// A mail address with its domain in lower case, or the name of a Slack destination.
    pub recipient: String,
}

/// Writes a checked event and waits for the acknowledgement. The caller counts a refusal.
///
/// # Errors
/// `Busy`, `Unavailable` or `RecordTooLarge`.
pub(crate) async fn accept(app: &App, event: Notification, trace: &Trace) -> Result<Accepted, Refusal> {
    let value = postrider_wire::encode_notification(&event);
    let headers = postrider_wire::event_headers(&event, Some(trace.as_str()));
    let started = Instant::now();
    let written = app.sink.produce(&event.event_key, value, headers).await;
    app.metrics.ingest_produce_duration_seconds.observe(started.elapsed().as_secs_f64());
    let (partition, offset) = match written {
        Ok(place) => place,
        Err(error) => return Err(refusal(&error, event.event_key)),
    };
    app.metrics.events(&event.source, EventResult::Accepted, 1);
    tracing::debug!(
        event.source,
        event.key = event.event_key,
        record.partition = partition,
        record.offset = offset,
        trace_id = trace.id(),
        "accepted"
    );
    let deliveries = recipients(&event);
    Ok(Accepted { source: event.source, event_key: event.event_key, partition, offset, deliveries })
}

/// What the sender is told of a failed write. The log line is the request's.
fn refusal(error: &SinkError, event_key: String) -> Refusal {
    let cause = chain(error);
    match error {
        SinkError::Full { retry_after } => Refusal::Busy { event_key: Some(event_key), retry_after: *retry_after },
        SinkError::Unavailable(_) => Refusal::Unavailable { event_key, accepted: MaybeAccepted::No, cause },
        SinkError::Unknown(_) => Refusal::Unavailable { event_key, accepted: MaybeAccepted::Unknown, cause },
        SinkError::TooLarge => Refusal::RecordTooLarge { event_key },
    }
}

/// `outer: middle: inner`.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The event's deliveries: repeats across to, cc and bcc are one.
fn recipients(event: &Notification) -> Vec<Recipient> {
    let mut recipients: Vec<Recipient> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let emails = event.email.iter().flat_map(|email| email.to.iter().chain(&email.cc).chain(&email.bcc));
    let emails = emails.filter_map(|address| Some((ChannelName::Email, normalise(&address.address).ok()?)));
    let slack = event.slack.iter().flat_map(|slack| slack.to.iter().map(|to| (ChannelName::Slack, to.clone())));
    for (channel, recipient) in emails.chain(slack) {
        if seen.insert((channel, recipient.clone())) {
            recipients.push(Recipient { channel: channel.as_str(), recipient });
        }
    }
    recipients
}
