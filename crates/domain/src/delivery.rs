//! One event × one channel × one recipient: the unit of dedupe, retry and outcome.

use std::sync::Arc;

use crate::{
    event::Notification,
    fingerprint::{Fingerprint, message_id_local},
    ids::{ChannelName, DestinationName},
};

/// A delivery as a channel sees it: what to send to whom. Cheap to clone; the event is shared by all its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its identity.
    pub id: Fingerprint,
    /// The channel it goes through.
    pub channel: ChannelName,
    /// What the channel talks to: the mail relay, or a Slack destination.
    pub destination: DestinationName,
    /// A normalised mail address, or the name of a Slack destination.
    pub recipient: Arc<str>,
    /// Makes this copy a delivery of its own (a forced replay); part of the Message-ID.
    pub salt: Option<Arc<str>>,
    /// The event.
    pub event: Arc<Notification>,
    /// The W3C `traceparent` that came with the event.
    pub trace_parent: Option<Arc<str>>,
}

impl Delivery {
    /// The part of the Message-ID before the `@`: the same for all recipients and all attempts.
    #[must_use]
    pub fn message_id_local(&self) -> String {
        message_id_local(&self.event.source, &self.event.event_key, self.salt.as_deref())
    }
}
