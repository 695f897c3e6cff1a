//! Any bytes are answered: with a record or with an error, never with a panic.

mod common;

use apache_avro::{reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use common::Sample;
use postrider_domain::{
    ContentHash, DeadReason, Fingerprint, LedgerClass, LedgerEntry, LedgerKey, Outcome, Timestamp,
    ledger::{AttemptMark, Control, Parked, Progress, Receipt},
};
use postrider_wire::{
    decode_dead_letter, decode_ledger, decode_ledger_record, decode_notification, encode_dead_letter, encode_ledger,
    encode_notification,
};
use proptest::prelude::*;

fn key(class: LedgerClass) -> [u8; 17] {
    LedgerKey { fingerprint: Fingerprint([7; 16]), class }.to_bytes()
}

/// Feeds bytes to every decoder. What is read must be written and read again as the same.
fn feed(bytes: &[u8]) {
    match decode_notification(Some(bytes), &[]) {
        Ok(event) => assert_eq!(decode_notification(Some(&encode_notification(&event)), &[]), Ok(event)),
        Err(error) => assert!(matches!(
            error.dead_reason(),
            DeadReason::Unframed | DeadReason::UnknownSchema | DeadReason::Malformed
        )),
    }
    for class in LedgerClass::ALL {
        if let Ok(Some(entry)) = decode_ledger(&key(class), bytes) {
            assert_eq!(decode_ledger(&key(class), &encode_ledger(&entry)), Ok(Some(entry)));
        }
    }
    if let Ok(Some(letter)) = decode_dead_letter(bytes) {
        assert_eq!(decode_dead_letter(&encode_dead_letter(&letter)), Ok(Some(letter)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        feed(&bytes);
        for (_, sample) in common::all() {
            feed(&[&sample.encode()[..10], &bytes[..]].concat());
        }
    }

    #[test]
    fn mutated_records_are_answered(
        sample in proptest::sample::select(common::all()),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut bytes = sample.1.encode();
        for (place, byte) in changes {
            // Behind the frame, so that the decoders get to see it.
            let place = 10 + place.index(bytes.len() - 10);
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        feed(&bytes);
    }

    /// The hand-written ledger encoding is the schema's: the Avro library reads it and writes the same bytes.
    #[test]
    fn ledger_entries_are_what_the_schema_says(entry in entries()) {
        let (class, entry) = entry;
        let bytes = encode_ledger(&entry);
        prop_assert_eq!(decode_ledger(&key(class), &bytes), Ok(Some(entry.clone())));
        let schema = Sample::Ledger(class, entry).schema();
        let mut datum = &bytes[10..];
        let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut datum).unwrap();
        prop_assert!(datum.is_empty());
        let written = GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap();
        prop_assert_eq!(&written, &bytes[10..]);
    }
}

fn entries() -> impl Strategy<Value = (LedgerClass, LedgerEntry)> {
    let text = || proptest::option::of(".{0,20}");
    let receipt = (proptest::sample::select(&Outcome::ALL[..]), any::<[u32; 2]>(), any::<[i64; 3]>(), text(), text());
    prop_oneof![
        receipt.prop_map(|(outcome, [content, attempts], [first_at, last_at, offset], reason, answer)| {
            let (first_at, last_at) = (Timestamp(first_at), Timestamp(last_at));
            let content = ContentHash(content);
            let receipt = Receipt { outcome, content, attempts, first_at, last_at, offset, reason, answer };
            (LedgerClass::Receipt, LedgerEntry::Receipt(receipt))
        }),
        (any::<[i64; 2]>(), any::<[u32; 2]>(), ".{0,20}").prop_map(|([due, offset], [attempts, unknowns], reason)| {
            let parked = Parked { due: Timestamp(due), offset, attempts, unknowns, reason };
            (LedgerClass::Parked, LedgerEntry::Parked(parked))
        }),
        any::<u32>().prop_map(|deaths| (LedgerClass::Mark, LedgerEntry::Mark(AttemptMark { deaths }))),
        (any::<i64>(), any::<bool>()).prop_map(|(position, clean)| {
            (LedgerClass::Progress, LedgerEntry::Progress(Progress { position, clean }))
        }),
        any::<i64>().prop_map(|position| (LedgerClass::Control, LedgerEntry::Control(Control::Accept { position }))),
        any::<i64>().prop_map(|position| (LedgerClass::Control, LedgerEntry::Control(Control::Cut { position }))),
    ]
}

#[test]
fn every_cut_and_every_byte_too_many_is_noticed() {
    for (name, sample) in common::all() {
        let bytes = sample.encode();
        for length in 0..bytes.len() {
            assert!(sample.decode(&bytes[..length]).is_err(), "{name} cut at {length}");
        }
        assert!(sample.decode(&[&bytes[..], &[0]].concat()).is_err(), "{name} and a byte");
    }
}

#[test]
fn what_a_later_version_wrote_for_itself_is_passed_over_and_a_wrong_ledger_record_is_an_error() {
    let at = Timestamp(5);
    let progress = encode_ledger(&LedgerEntry::Progress(Progress { position: 9, clean: false }));
    let progress_key = LedgerKey::progress().to_bytes();
    let later_schema = [&b"\xC3\x01laterone"[..], b"whatever"].concat();
    let mut later_class = progress_key;
    later_class[16] = b'Z';
    // Control with the reserved action PAUSE: four nulls, then action 2 without position and reason.
    let later_control = [&progress[..10], &[0, 0, 0, 0, 2, 4, 0, 0]].concat();
    assert_eq!(decode_ledger_record(&later_class, Some(&progress), at), Ok(None));
    assert_eq!(decode_ledger_record(b"short", Some(&progress), at), Ok(None));
    assert_eq!(decode_ledger_record(&key(LedgerClass::Control), Some(&later_control), at), Ok(None));

    let tombstone = decode_ledger_record(&progress_key, None, at).unwrap().unwrap();
    assert_eq!((tombstone.key, tombstone.entry, tombstone.appended_at), (LedgerKey::progress(), None, at));

    let unset = [&progress[..10], &[0; 5]].concat();
    let accept_without_position = [&progress[..10], &[0, 0, 0, 0, 2, 2, 0, 0]].concat();
    for (key, value) in [
        (key(LedgerClass::Receipt), &progress),
        (progress_key, &unset),
        (progress_key, &later_schema),
        (key(LedgerClass::Control), &accept_without_position),
        (progress_key, &b"no frame".to_vec()),
    ] {
        assert!(decode_ledger_record(&key, Some(value), at).is_err(), "{value:x?}");
    }
}
