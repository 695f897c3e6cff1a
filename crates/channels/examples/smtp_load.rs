//! Sends mails of 2 KB over kept connections as fast as they go, into any relay on this machine: what the channel
//! alone costs, to be set beside Postfix's `smtp-source` into the same sink.
//!
//! `cargo run --release -p postrider-channels --example smtp_load -- PORT MAILS CONNECTIONS`

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use postrider_channels::{
    Channel,
    email::{EmailChannel, EmailSettings, TlsMode},
};
use postrider_domain::{
    Address, Answer, ChannelName, Delivery, DestinationName, Email, Fingerprint, Notification, Permit, Timestamp,
};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let [port, mails, connections] = numbers[..] else {
        eprintln!("usage: smtp_load PORT MAILS CONNECTIONS");
        std::process::exit(2);
    };
    let port = u16::try_from(port).expect("a port is below 65536");
    let from = Address { address: "no-reply@example.com".to_owned(), name: None };
    let mut settings = EmailSettings::new("127.0.0.1", port, TlsMode::None, from);
    settings.connections_max = connections;
    let channel = Arc::new(EmailChannel::new(settings).expect("these settings are sound"));
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        workers.spawn(work(Arc::clone(&channel), Arc::clone(&next), mails));
    }
    let delivered: usize = workers.join_all().await.into_iter().sum();
    let seconds = start.elapsed().as_secs_f64();
    println!("{delivered} of {mails} mails in {seconds:.2} s: {:.0}/s", delivered as f64 / seconds);
}

async fn work(channel: Arc<EmailChannel>, next: Arc<AtomicUsize>, mails: usize) -> usize {
    let mut delivered = 0;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= mails {
            return delivered;
        }
        match channel.attempt(&delivery(number), &Permit::always()).await {
            Answer::Delivered { .. } => delivered += 1,
            other => eprintln!("{other:?}"),
        }
    }
}

fn delivery(number: usize) -> Delivery {
    let address = format!("user{number}@example.com");
    let email = Email {
        to: vec![Address { address: address.clone(), name: Some("Ada Lovelace".to_owned()) }],
        subject: Some("Your order is on its way".to_owned()),
        text: Some("It left our house this morning and will be with you soon.\n".repeat(34)),
        ..Email::default()
    };
    let event = Notification {
        source: "load".to_owned(),
        event_key: number.to_string(),
        event_type: "load".to_owned(),
        occurred_at: Timestamp(0),
        not_before: None,
        expires_at: None,
        template: None,
        email: Some(email),
        slack: None,
        metadata: BTreeMap::new(),
    };
    Delivery {
        id: Fingerprint([0; 16]),
        channel: ChannelName::Email,
        destination: DestinationName::new("relay"),
        recipient: Arc::from(address),
        salt: None,
        event: Arc::new(event),
        trace_parent: None,
    }
}
