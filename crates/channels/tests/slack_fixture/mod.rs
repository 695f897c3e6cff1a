//! A webhook `ops` and a Web API destination `sales` at a scripted Slack.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report, in its helpers too")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use postrider_channels::{
    email::DialogueSink,
    slack::{SlackChannel, SlackDestination, SlackSettings},
};
use postrider_domain::{ChannelName, Delivery, DestinationName, Fingerprint, Notification, Secret, Slack, Timestamp};
use postrider_testkit::slack::SlackServer;

/// The webhook's secret path part.
pub(crate) const WEBHOOK: &str = "opensesame0123";
pub(crate) const TOKEN: &str = "xoxb-shibboleth";
/// The Slack channel of `sales`.
pub(crate) const SALES: &str = "C0123";
/// For what must happen; far longer than it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn settings(server: &SlackServer) -> SlackSettings {
    let ops = SlackDestination::Webhook { url: Secret::new(server.webhook_url(WEBHOOK)) };
    let sales = SlackDestination::Api { channel: SALES.into(), token: Secret::new(TOKEN) };
    SlackSettings {
        api_url: server.api_url(),
        destinations: BTreeMap::from([("ops".into(), ops), ("sales".into(), sales)]),
        deadline: Duration::from_secs(1),
    }
}

pub(crate) fn channel(server: &SlackServer) -> SlackChannel {
    SlackChannel::new(&settings(server)).unwrap()
}

pub(crate) fn delivery(destination: &str) -> Delivery {
    let slack = Slack { to: vec![destination.into()], text: Some("Order <1017> shipped".into()), ..Slack::default() };
    let event = Notification {
        source: "shop".into(),
        event_key: "order-1017".into(),
        event_type: "order.shipped".into(),
        occurred_at: Timestamp(0),
        not_before: None,
        expires_at: None,
        template: None,
        email: None,
        slack: Some(slack),
        metadata: BTreeMap::new(),
    };
    Delivery {
        id: Fingerprint::of_delivery(&event, ChannelName::Slack, destination, None),
        channel: ChannelName::Slack,
        destination: DestinationName::new(destination),
        recipient: Arc::from(destination),
        salt: None,
        event: Arc::new(event),
        trace_parent: None,
    }
}

/// A dialogue that is kept.
pub(crate) fn sink() -> (Arc<Mutex<Vec<String>>>, DialogueSink) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    (lines, Arc::new(move |line| kept.lock().unwrap().push(format!("{line}"))))
}
