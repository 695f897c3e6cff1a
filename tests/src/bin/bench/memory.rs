//! What a million receipts cost: memory above an empty start, and the time to read them back.

use anyhow::Result;
use postrider_domain::{
    ContentHash, Fingerprint, LedgerClass, LedgerEntry, LedgerKey, Outcome, Timestamp,
    ledger::{Progress, Receipt},
};
use postrider_testkit::kafka::{RawRecord, RealKafka};
use postrider_wire::encode_ledger;

use crate::{
    events::{PARTITIONS, configuration, topics},
    process::{Process, free_port},
    table::Row,
};

const RECEIPTS: usize = 1_000_000;

fn receipt(number: usize) -> RawRecord {
    let partition = i32::try_from(number).unwrap_or(0) % PARTITIONS;
    // Any 16 well mixed bytes do; the multiplier is the golden ratio's.
    let mixed = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let key = LedgerKey { fingerprint: Fingerprint(mixed.to_be_bytes()), class: LedgerClass::Receipt };
    let entry = LedgerEntry::Receipt(Receipt {
        outcome: Outcome::Delivered,
        content: ContentHash(7),
        attempts: 1,
        first_at: Timestamp(1_700_000_000_000),
        last_at: Timestamp(1_700_000_000_020),
        offset: 0,
        reason: None,
        answer: Some("250 2.0.0 Ok: queued as 4F2A81C0".into()),
    });
    RawRecord::new(partition, key.to_bytes(), encode_ledger(&entry))
}

fn progress(partition: i32) -> RawRecord {
    let entry = LedgerEntry::Progress(Progress { position: 0, clean: true });
    RawRecord::new(partition, LedgerKey::progress().to_bytes(), encode_ledger(&entry))
}

pub(crate) fn measure(kafka: &RealKafka) -> Result<Vec<Row>> {
    let port = free_port()?; // nobody listens there: no mail is sent here
    let empty = {
        let topic = topics(kafka, "memory-empty")?;
        Process::start("process", &configuration(kafka, &topic, port, 1))?.resident()?
    };
    let topic = topics(kafka, "memory")?;
    let ledger = format!("{topic}.email.ledger");
    println!("writing {RECEIPTS} receipts");
    let mut records: Vec<RawRecord> = (0..PARTITIONS).map(progress).collect();
    records.extend((0..RECEIPTS).map(receipt));
    kafka.produce(&ledger, &records)?;
    drop(records);
    let process = Process::start("process", &configuration(kafka, &topic, port, 1))?;
    let keys = process.metric(&["postrider_ledger_keys{"])?;
    anyhow::ensure!(keys >= RECEIPTS as f64, "only {keys} receipts were restored");
    let above = (process.resident()? - empty) / 1e6;
    let slowest = process.metric(&["postrider_restore_duration_seconds_sum"])? / f64::from(PARTITIONS);
    Ok(vec![
        Row {
            what: "memory of 1 M receipts above an empty start".to_owned(),
            figure: format!("{above:.0} MB"),
            against: format!("empty start {:.0} MB", empty / 1e6),
            ratio: None,
            wanted: "≤ 80 MB",
        },
        Row {
            what: "restore of 1 M receipts, mean over 12 partitions".to_owned(),
            figure: format!("{slowest:.1} s"),
            against: "-".to_owned(),
            ratio: None,
            wanted: "seconds",
        },
    ])
}
