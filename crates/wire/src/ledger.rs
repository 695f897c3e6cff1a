//! The ledger's records. A lane reads millions of them when it is assigned a partition, so they are written and
//! read by hand here, without a copy of their texts; that the bytes are the schema's is tested against the Avro
//! library and fastavro.

use postrider_domain::{
    ContentHash, LedgerClass, LedgerEntry, LedgerKey, LedgerRecord, Outcome, Timestamp,
    ledger::{AttemptMark, Control, Parked, Progress, Receipt},
};

use crate::{
    contract::Released,
    datum::{DatumError, DatumReader, write_long, write_optional_text, write_text},
    error::{DatumProblem, DecodeError},
    frame::{self, SchemaRef, single_object_start},
    schemas::LEDGER_RELEASED,
};

const RECORD: &str = "postrider.v1.LedgerEntry";
/// The only version there is. A second one needs a reader of its own beside this one.
const VERSION: &Released = &LEDGER_RELEASED[0];
/// The enum's symbols by their index; the first, `UNKNOWN`, is never written.
const OUTCOMES: [Option<Outcome>; 5] =
    [None, Some(Outcome::Delivered), Some(Outcome::Dead), Some(Outcome::Expired), Some(Outcome::Skipped)];
const ACTION_ACCEPT: usize = 1;
/// With a position it is a [`Control::Cut`]; without one it is reserved.
const ACTION_PAUSE: usize = 2;
/// `UNKNOWN`, `ACCEPT`, `PAUSE`, `RESUME`, `CANCEL`.
const ACTIONS: usize = 5;

/// A [`LedgerEntry`] whose texts still lie in the record's bytes: take what is to be remembered, without a copy of
/// what is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerView<'a> {
    /// See [`Receipt`].
    Receipt(ReceiptView<'a>),
    /// See [`Parked`].
    Parked(ParkedView<'a>),
    /// See [`AttemptMark`].
    Mark(AttemptMark),
    /// See [`Progress`].
    Progress(Progress),
    /// See [`Control`].
    Control(Control),
}

/// A [`Receipt`] with borrowed texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptView<'a> {
    /// How it ended.
    pub outcome: Outcome,
    /// What was asked to be sent.
    pub content: ContentHash,
    /// Attempts that were made.
    pub attempts: u32,
    /// When the first attempt began, or when it was settled without one.
    pub first_at: Timestamp,
    /// When it was settled.
    pub last_at: Timestamp,
    /// The event's offset in the events topic.
    pub offset: i64,
    /// Why, for a dead or skipped one.
    pub reason: Option<&'a str>,
    /// The provider's last words.
    pub answer: Option<&'a str>,
}

/// A [`Parked`] with a borrowed reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkedView<'a> {
    /// Not to be attempted before.
    pub due: Timestamp,
    /// Where the event is read back from.
    pub offset: i64,
    /// Attempts so far.
    pub attempts: u32,
    /// How many of them ended unknown.
    pub unknowns: u32,
    /// Why it waits.
    pub reason: &'a str,
}

/// The entry as an Avro single object of the newest schema version.
#[must_use]
pub fn encode_ledger(entry: &LedgerEntry) -> Vec<u8> {
    let mut bytes = single_object_start(VERSION.fingerprint, 64);
    let set = match entry {
        LedgerEntry::Receipt(_) => LedgerClass::Receipt,
        LedgerEntry::Parked(_) => LedgerClass::Parked,
        LedgerEntry::Mark(_) => LedgerClass::Mark,
        LedgerEntry::Progress(_) => LedgerClass::Progress,
        LedgerEntry::Control(_) => LedgerClass::Control,
    };
    // The classes' order is the order of the record's fields.
    for class in LedgerClass::ALL {
        write_long(&mut bytes, i64::from(class == set));
        if class == set {
            write_entry(&mut bytes, entry);
        }
    }
    bytes
}

fn write_entry(bytes: &mut Vec<u8>, entry: &LedgerEntry) {
    match entry {
        LedgerEntry::Receipt(receipt) => {
            let symbol = OUTCOMES.iter().position(|outcome| *outcome == Some(receipt.outcome));
            write_index(bytes, symbol.expect("the schema has a symbol for every outcome"));
            write_long(bytes, i64::from(receipt.content.0));
            write_long(bytes, i64::from(receipt.attempts));
            write_long(bytes, receipt.first_at.0);
            write_long(bytes, receipt.last_at.0);
            write_long(bytes, receipt.offset);
            write_optional_text(bytes, receipt.reason.as_deref());
            write_optional_text(bytes, receipt.answer.as_deref());
        }
        LedgerEntry::Parked(parked) => {
            write_long(bytes, parked.due.0);
            write_long(bytes, parked.offset);
            write_long(bytes, i64::from(parked.attempts));
            write_long(bytes, i64::from(parked.unknowns));
            write_text(bytes, &parked.reason);
        }
        LedgerEntry::Mark(mark) => write_long(bytes, i64::from(mark.deaths)),
        LedgerEntry::Progress(progress) => {
            write_long(bytes, progress.position);
            bytes.push(u8::from(progress.clean));
        }
        LedgerEntry::Control(Control::Accept { position }) => write_control(bytes, ACTION_ACCEPT, *position),
        LedgerEntry::Control(Control::Cut { position }) => write_control(bytes, ACTION_PAUSE, *position),
    }
}

fn write_control(bytes: &mut Vec<u8>, action: usize, position: i64) {
    write_index(bytes, action);
    write_long(bytes, 1);
    write_long(bytes, position);
    write_optional_text(bytes, None);
}

fn write_index(bytes: &mut Vec<u8>, index: usize) {
    write_long(bytes, i64::try_from(index).expect("an index below ten"));
}

/// The record with that key and value; a null value is a tombstone. None: a later version wrote it for itself (a
/// class or a control that is not known here), so it is passed over.
///
/// # Errors
/// The value is not what its key says, as nobody but Postrider should write to a ledger; or a later version wrote it,
/// by a schema that is not known here.
pub fn decode_ledger_record(
    key: &[u8],
    value: Option<&[u8]>,
    appended_at: Timestamp,
) -> Result<Option<LedgerRecord>, DecodeError> {
    let Some(ledger_key) = LedgerKey::from_bytes(key) else { return Ok(None) };
    let Some(value) = value else {
        return Ok(Some(LedgerRecord { key: ledger_key, entry: None, appended_at }));
    };
    let entry = decode_ledger(key, value)?;
    Ok(entry.map(|entry| LedgerRecord { key: ledger_key, entry: Some(entry), appended_at }))
}

/// The entry in a record's value. None: as in [`decode_ledger_record`].
///
/// # Errors
/// As there.
pub fn decode_ledger(key: &[u8], value: &[u8]) -> Result<Option<LedgerEntry>, DecodeError> {
    Ok(decode_ledger_view(key, value)?.map(LedgerView::to_entry))
}

/// [`decode_ledger`] without a copy of the texts: allocates nothing.
///
/// # Errors
/// As there.
pub fn decode_ledger_view<'a>(key: &[u8], value: &'a [u8]) -> Result<Option<LedgerView<'a>>, DecodeError> {
    let Some(LedgerKey { class, .. }) = LedgerKey::from_bytes(key) else { return Ok(None) };
    let framed = frame::single_object(value).ok_or(DecodeError::Unframed { record: RECORD })?;
    let ours = [VERSION.fingerprint, VERSION.fingerprint_unreduced].map(SchemaRef::Fingerprint);
    if !ours.contains(&framed.schema) {
        return Err(DecodeError::UnknownSchema { record: RECORD, named: framed.schema.to_string() });
    }
    read_entry(class, framed.datum).map_err(|DatumError { at, problem }| DecodeError::Malformed {
        record: RECORD,
        version: VERSION.version,
        at,
        problem,
    })
}

fn read_entry(class: LedgerClass, datum: &[u8]) -> Result<Option<LedgerView<'_>>, DatumError> {
    let mut reader = DatumReader::new(datum);
    let receipt = reader.optional(read_receipt)?;
    let parked = reader.optional(read_parked)?;
    let mark = reader.optional(|reader| Ok(AttemptMark { deaths: reader.number()? }))?;
    let progress = reader.optional(|reader| Ok(Progress { position: reader.long()?, clean: reader.boolean()? }))?;
    let control = reader.optional(read_control)?;
    let view = match (class, receipt, parked, mark, progress, control) {
        (LedgerClass::Receipt, Some(receipt), None, None, None, None) => Some(LedgerView::Receipt(receipt)),
        (LedgerClass::Parked, None, Some(parked), None, None, None) => Some(LedgerView::Parked(parked)),
        (LedgerClass::Mark, None, None, Some(mark), None, None) => Some(LedgerView::Mark(mark)),
        (LedgerClass::Progress, None, None, None, Some(progress), None) => Some(LedgerView::Progress(progress)),
        (LedgerClass::Control, None, None, None, None, Some(control)) => control.map(LedgerView::Control),
        _ => return Err(reader.problem(DatumProblem::Meaning)),
    };
    reader.finish()?;
    Ok(view)
}

fn read_receipt<'a>(reader: &mut DatumReader<'a>) -> Result<ReceiptView<'a>, DatumError> {
    let outcome = OUTCOMES[reader.index(OUTCOMES.len())?];
    Ok(ReceiptView {
        outcome: outcome.ok_or_else(|| reader.problem(DatumProblem::Meaning))?,
        content: ContentHash(reader.number()?),
        attempts: reader.number()?,
        first_at: Timestamp(reader.long()?),
        last_at: Timestamp(reader.long()?),
        offset: reader.long()?,
        reason: reader.optional(DatumReader::text)?,
        answer: reader.optional(DatumReader::text)?,
    })
}

fn read_parked<'a>(reader: &mut DatumReader<'a>) -> Result<ParkedView<'a>, DatumError> {
    Ok(ParkedView {
        due: Timestamp(reader.long()?),
        offset: reader.long()?,
        attempts: reader.number()?,
        unknowns: reader.number()?,
        reason: reader.text()?,
    })
}

/// None: an action that is reserved for a later version.
fn read_control(reader: &mut DatumReader<'_>) -> Result<Option<Control>, DatumError> {
    let action = reader.index(ACTIONS)?;
    let position = reader.optional(DatumReader::long)?;
    reader.optional(DatumReader::text)?;
    match (action, position) {
        (ACTION_ACCEPT, Some(position)) => Ok(Some(Control::Accept { position })),
        (ACTION_PAUSE, Some(position)) => Ok(Some(Control::Cut { position })),
        (ACTION_ACCEPT, None) => Err(reader.problem(DatumProblem::Meaning)),
        _ => Ok(None),
    }
}

impl LedgerView<'_> {
    /// The entry with texts of its own.
    #[must_use]
    pub fn to_entry(self) -> LedgerEntry {
        match self {
            Self::Receipt(view) => LedgerEntry::Receipt(Receipt {
                outcome: view.outcome,
                content: view.content,
                attempts: view.attempts,
                first_at: view.first_at,
                last_at: view.last_at,
                offset: view.offset,
                reason: view.reason.map(str::to_owned),
                answer: view.answer.map(str::to_owned),
            }),
            Self::Parked(view) => LedgerEntry::Parked(Parked {
                due: view.due,
                offset: view.offset,
                attempts: view.attempts,
                unknowns: view.unknowns,
                reason: view.reason.to_owned(),
            }),
            Self::Mark(mark) => LedgerEntry::Mark(mark),
            Self::Progress(progress) => LedgerEntry::Progress(progress),
            Self::Control(control) => LedgerEntry::Control(control),
        }
    }
}
