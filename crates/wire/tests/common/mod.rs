//! Records that use every field, and their meaning as JSON. Shared by the tests; not each uses all of it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use anyhow::Context;
use apache_avro::{Schema, reader::datum::GenericDatumReader};
use postrider_domain::{
    Address, Alternative, Attachment, ChannelName, ContentHash, DeadLetter, DeadReason, Email, Fingerprint,
    LedgerClass, LedgerEntry, LedgerKey, Notification, Outcome, RecordHeader, Slack, Template, Timestamp,
    ledger::{AttemptMark, Control, Parked, Progress, Receipt},
};
use postrider_wire::{
    DEAD_LETTER_SCHEMA, LEDGER_SCHEMA, NOTIFICATION_SCHEMA, decode_dead_letter, decode_ledger, decode_notification,
    encode_dead_letter, encode_ledger, encode_notification,
};

/// One record of the contract.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sample {
    Notification(Box<Notification>),
    Ledger(LedgerClass, LedgerEntry),
    DeadLetter(Box<DeadLetter>),
}

impl Sample {
    /// The name of its schema file.
    pub(crate) fn record(&self) -> &'static str {
        match self {
            Self::Notification(_) => "notification",
            Self::Ledger(..) => "ledger",
            Self::DeadLetter(_) => "dead_letter",
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Notification(event) => encode_notification(event),
            Self::Ledger(_, entry) => encode_ledger(entry),
            Self::DeadLetter(letter) => encode_dead_letter(letter),
        }
    }

    /// What our decoders make of bytes that should be this record.
    pub(crate) fn decode(&self, bytes: &[u8]) -> anyhow::Result<Self> {
        Ok(match self {
            Self::Notification(_) => Self::Notification(Box::new(decode_notification(Some(bytes), &[])?)),
            Self::Ledger(class, _) => {
                let key = LedgerKey { fingerprint: Fingerprint([7; 16]), class: *class }.to_bytes();
                Self::Ledger(*class, decode_ledger(&key, bytes)?.context("passed over")?)
            }
            Self::DeadLetter(_) => Self::DeadLetter(Box::new(decode_dead_letter(bytes)?.context("passed over")?)),
        })
    }

    pub(crate) fn schema(&self) -> Schema {
        let json = match self {
            Self::Notification(_) => NOTIFICATION_SCHEMA,
            Self::Ledger(..) => LEDGER_SCHEMA,
            Self::DeadLetter(_) => DEAD_LETTER_SCHEMA,
        };
        Schema::parse_str(json).expect("our schema")
    }

    /// What a general Avro reader makes of framed bytes: field names as in the schema, bytes as lists of numbers.
    pub(crate) fn meaning_of(&self, bytes: &[u8]) -> anyhow::Result<serde_json::Value> {
        let schema = self.schema();
        let mut datum = bytes.get(10..).context("no frame")?;
        let value = GenericDatumReader::builder(&schema).build()?.read_value(&mut datum)?;
        anyhow::ensure!(datum.is_empty(), "{} bytes left over", datum.len());
        Ok(value.try_into()?)
    }
}

/// Every record, by the name of its golden file.
pub(crate) fn all() -> Vec<(&'static str, Sample)> {
    let receipt = Receipt {
        outcome: Outcome::Dead,
        content: ContentHash(u32::MAX),
        attempts: 3,
        first_at: Timestamp(1_700_000_000_000),
        last_at: Timestamp(1_700_000_060_500),
        offset: 1_234_567_890_123,
        reason: Some("rejected".to_owned()),
        answer: Some("550 5.1.1 no such user – désolé".to_owned()),
    };
    let delivered =
        Receipt { outcome: Outcome::Delivered, content: ContentHash(0), reason: None, answer: None, ..receipt.clone() };
    let parked = Parked {
        due: Timestamp(1_700_000_900_000),
        offset: 42,
        attempts: 2,
        unknowns: 1,
        reason: "unknown".to_owned(),
    };
    let ledger = |class, entry| Sample::Ledger(class, entry);
    vec![
        ("notification_full", Sample::Notification(Box::new(full_event()))),
        ("notification_minimal", Sample::Notification(Box::new(minimal_event()))),
        ("ledger_receipt", ledger(LedgerClass::Receipt, LedgerEntry::Receipt(receipt))),
        ("ledger_receipt_delivered", ledger(LedgerClass::Receipt, LedgerEntry::Receipt(delivered))),
        ("ledger_parked", ledger(LedgerClass::Parked, LedgerEntry::Parked(parked))),
        ("ledger_mark", ledger(LedgerClass::Mark, LedgerEntry::Mark(AttemptMark { deaths: 2 }))),
        (
            "ledger_progress",
            ledger(LedgerClass::Progress, LedgerEntry::Progress(Progress { position: 99, clean: true })),
        ),
        (
            "ledger_control_accept",
            ledger(LedgerClass::Control, LedgerEntry::Control(Control::Accept { position: 1_000 })),
        ),
        ("ledger_control_cut", ledger(LedgerClass::Control, LedgerEntry::Control(Control::Cut { position: 1_000 }))),
        ("dead_letter_full", Sample::DeadLetter(Box::new(full_letter()))),
        ("dead_letter_unreadable", Sample::DeadLetter(Box::new(unreadable_letter()))),
    ]
}

pub(crate) fn minimal_event() -> Notification {
    Notification {
        source: "shop".to_owned(),
        event_key: "order-1017-shipped".to_owned(),
        event_type: "order.shipped".to_owned(),
        occurred_at: Timestamp(1_700_000_000_123),
        not_before: None,
        expires_at: None,
        template: None,
        email: None,
        slack: None,
        metadata: [].into(),
    }
}

pub(crate) fn full_event() -> Notification {
    let address =
        |address: &str, name: Option<&str>| Address { address: address.to_owned(), name: name.map(str::to_owned) };
    let email = Email {
        from: Some(address("shop@example.com", Some("Der Laden"))),
        reply_to: vec![address("help@example.com", None)],
        to: vec![address("ada@example.com", Some("Ada")), address("jürgen@münchen.example", Some("Jürgen"))],
        cc: vec![address("cc@example.com", None)],
        bcc: vec![address("bcc@example.com", None)],
        subject: Some("Your order is on its way 📦".to_owned()),
        text: Some("Hello Ada,\r\nit left.".to_owned()),
        html: Some("<p>Hello Ada, <b>it left</b>.</p>".to_owned()),
        alternatives: vec![Alternative {
            content_type: "text/calendar".to_owned(),
            content: b"BEGIN:VCALENDAR".to_vec(),
        }],
        headers: [("X-Campaign".to_owned(), "autumn".to_owned())].into(),
        attachments: vec![
            Attachment {
                filename: "invoice.pdf".to_owned(),
                content_type: "application/pdf".to_owned(),
                content: vec![0x25, 0x50, 0x44, 0x46, 0x00, 0xff],
                content_id: None,
            },
            Attachment {
                filename: "logo.png".to_owned(),
                content_type: "image/png".to_owned(),
                content: vec![],
                content_id: Some("logo".to_owned()),
            },
        ],
    };
    Notification {
        not_before: Some(Timestamp(1_700_000_100_000)),
        expires_at: Some(Timestamp(1_700_086_400_000)),
        template: Some(Template {
            name: "shipped".to_owned(),
            locale: Some("de-AT".to_owned()),
            data: "{\"order\": 1017}".to_owned(),
        }),
        email: Some(email),
        slack: Some(Slack {
            to: vec!["ops".to_owned(), "sales".to_owned()],
            text: Some("Order 1017 shipped".to_owned()),
            blocks: Some("[]".to_owned()),
            thread_ts: Some("1700000000.000100".to_owned()),
        }),
        metadata: [("order".to_owned(), "1017".to_owned())].into(),
        ..minimal_event()
    }
}

fn full_letter() -> DeadLetter {
    DeadLetter {
        id: Fingerprint([0xab; 16]),
        lane: "email".to_owned(),
        reason: DeadReason::Rejected,
        detail: "the provider refused it for good".to_owned(),
        source: Some("shop".to_owned()),
        event_key: Some("order-1017-shipped".to_owned()),
        event_type: Some("order.shipped".to_owned()),
        channel: Some(ChannelName::Email),
        recipient: Some("ada@example.com".to_owned()),
        attempts: 3,
        first_at: Timestamp(1_700_000_000_000),
        last_at: Timestamp(1_700_000_060_500),
        last_answer: Some("550 5.1.1 no such user".to_owned()),
        topic: "notifications".to_owned(),
        partition: 11,
        offset: 1_234_567_890_123,
        key: Some(b"order-1017-shipped".to_vec()),
        value: Some(encode_notification(&minimal_event())),
        headers: vec![
            RecordHeader { name: "ce_id".to_owned(), value: Some(b"order-1017-shipped".to_vec()) },
            RecordHeader { name: "empty".to_owned(), value: Some(vec![]) },
            RecordHeader { name: "none".to_owned(), value: None },
        ],
    }
}

fn unreadable_letter() -> DeadLetter {
    DeadLetter {
        reason: DeadReason::Unframed,
        detail: "the record has no value".to_owned(),
        source: None,
        event_key: None,
        event_type: None,
        channel: None,
        recipient: None,
        attempts: 0,
        last_answer: None,
        partition: 0,
        offset: 0,
        key: None,
        value: None,
        headers: vec![],
        ..full_letter()
    }
}
