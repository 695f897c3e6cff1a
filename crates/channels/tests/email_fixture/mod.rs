//! Deliveries and channels for the email tests.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report, in its helpers too")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{sync::Arc, time::Duration};

use postrider_channels::email::{Credentials, Deadlines, EmailChannel, EmailSettings, TlsMode};
use postrider_domain::{
    Address, ChannelName, Delivery, DestinationName, Email, Fingerprint, Notification, Secret, Timestamp,
};
use postrider_testkit::smtp::SmtpServer;

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) fn address(address: &str, name: Option<&str>) -> Address {
    Address { address: address.to_owned(), name: name.map(str::to_owned) }
}

pub(crate) fn mail_to(recipient: &str) -> Email {
    Email {
        to: vec![address(recipient, None)],
        subject: Some("Your order is on its way".to_owned()),
        text: Some("Hello\n.dot\nbye".to_owned()),
        ..Email::default()
    }
}

pub(crate) fn delivery_of(key: &str, recipient: &str, email: Email) -> Delivery {
    let event = Notification {
        source: "shop".to_owned(),
        event_key: key.to_owned(),
        event_type: "order.shipped".to_owned(),
        occurred_at: Timestamp(1_700_000_000_000),
        not_before: None,
        expires_at: None,
        template: None,
        email: Some(email),
        slack: None,
        metadata: std::collections::BTreeMap::new(),
    };
    Delivery {
        id: Fingerprint::of_delivery(&event, ChannelName::Email, recipient, None),
        channel: ChannelName::Email,
        destination: DestinationName::new("relay"),
        recipient: Arc::from(recipient),
        salt: None,
        event: Arc::new(event),
        trace_parent: None,
    }
}

pub(crate) fn delivery(key: &str, recipient: &str) -> Delivery {
    delivery_of(key, recipient, mail_to(recipient))
}

pub(crate) fn settings(server: &SmtpServer) -> EmailSettings {
    let from = address("no-reply@example.com", Some("Postrider"));
    let mut settings = EmailSettings::new("127.0.0.1", server.port(), TlsMode::None, from);
    settings.deadlines = Deadlines::all(Duration::from_secs(5));
    settings
}

pub(crate) fn with_tls(server: &SmtpServer, tls: TlsMode) -> EmailSettings {
    EmailSettings { tls, host: "localhost".to_owned(), ca_file: Some(server.ca_file()), ..settings(server) }
}

pub(crate) fn with_credentials(settings: EmailSettings, password: &str) -> EmailSettings {
    let credentials = Credentials { username: "postrider".to_owned(), password: Secret::new(password) };
    EmailSettings { credentials: Some(credentials), ..settings }
}

pub(crate) fn channel(server: &SmtpServer) -> EmailChannel {
    EmailChannel::new(settings(server)).unwrap()
}
