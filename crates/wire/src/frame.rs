//! How a value says which schema wrote it.

use postrider_domain::RecordHeader;

/// The header in which Confluent's newer serializers name the value's schema.
pub const HEADER_VALUE_SCHEMA_ID: &str = "__value_schema_id";

const SINGLE_OBJECT: [u8; 2] = [0xC3, 0x01];
/// Confluent's mark before a four-byte schema id.
const CONFLUENT_ID: u8 = 0x00;
/// Confluent's mark before a sixteen-byte GUID.
const CONFLUENT_GUID: u8 = 0x01;

/// A value taken apart: what names its schema, and the bytes that the schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed<'a> {
    /// What names the schema.
    pub schema: SchemaRef,
    /// The Avro datum without its frame.
    pub datum: &'a [u8],
}

/// What a frame calls its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaRef {
    /// Avro single object: CRC-64-AVRO of the schema's canonical form, as it stands on the wire (little endian).
    Fingerprint([u8; 8]),
    /// A schema registry's number.
    ConfluentId(u32),
    /// A schema registry's GUID.
    ConfluentGuid([u8; 16]),
}

impl std::fmt::Display for SchemaRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fingerprint(bytes) => write!(f, "the schema fingerprint {}", Hex(bytes)),
            Self::ConfluentId(id) => write!(f, "the registry's schema id {id}"),
            Self::ConfluentGuid(bytes) => write!(f, "the registry's schema GUID {}", Hex(bytes)),
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Takes a value apart; none if it carries no frame that we read.
///
/// The single object's mark comes first: `C3 01` as the start of a bare datum would be a text of negative
/// length, and as Confluent's prefix it is none. A header comes before the prefix, because a datum behind a header
/// may begin with `00`.
#[must_use]
pub fn parse<'a>(value: &'a [u8], headers: &[RecordHeader]) -> Option<Framed<'a>> {
    if let Some(framed) = single_object(value) {
        return Some(framed);
    }
    if let Some(schema) = headers.iter().find(|header| header.name == HEADER_VALUE_SCHEMA_ID).and_then(schema_in) {
        return Some(Framed { schema, datum: value });
    }
    let (mark, rest) = value.split_first()?;
    let (id, datum) = rest.split_first_chunk::<4>()?;
    (*mark == CONFLUENT_ID).then(|| Framed { schema: SchemaRef::ConfluentId(u32::from_be_bytes(*id)), datum })
}

/// Takes an Avro single object apart; none if it is no such thing.
#[must_use]
pub fn single_object(value: &[u8]) -> Option<Framed<'_>> {
    let (fingerprint, datum) = value.strip_prefix(&SINGLE_OBJECT)?.split_first_chunk::<8>()?;
    Some(Framed { schema: SchemaRef::Fingerprint(*fingerprint), datum })
}

/// The start of an Avro single object, for the datum to be appended to.
pub(crate) fn single_object_start(fingerprint: [u8; 8], capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SINGLE_OBJECT.len() + fingerprint.len() + capacity);
    bytes.extend(SINGLE_OBJECT);
    bytes.extend(fingerprint);
    bytes
}

/// The schema that Confluent's header names: `01` and a GUID, or `00` and an id.
fn schema_in(header: &RecordHeader) -> Option<SchemaRef> {
    let (mark, name) = header.value.as_deref()?.split_first()?;
    match *mark {
        CONFLUENT_GUID => Some(SchemaRef::ConfluentGuid(name.try_into().ok()?)),
        CONFLUENT_ID => Some(SchemaRef::ConfluentId(u32::from_be_bytes(name.try_into().ok()?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: [u8; 16] = *b"0123456789abcdef";

    fn header(value: &[u8]) -> RecordHeader {
        RecordHeader { name: HEADER_VALUE_SCHEMA_ID.to_owned(), value: Some(value.to_vec()) }
    }

    #[track_caller]
    fn check(value: &[u8], headers: &[RecordHeader], expected: Option<(SchemaRef, &[u8])>) {
        let found = parse(value, headers).map(|framed| (framed.schema, framed.datum));
        assert_eq!(found, expected, "{value:x?}");
    }

    #[test]
    fn each_frame_is_recognised_and_nothing_else_is() {
        let guid = header(&[&[1][..], &GUID].concat());
        check(b"\xC3\x01abcdefghXY", &[], Some((SchemaRef::Fingerprint(*b"abcdefgh"), b"XY")));
        check(b"\x00\0\0\x01\x02XY", &[], Some((SchemaRef::ConfluentId(258), b"XY")));
        check(b"\x00XY", std::slice::from_ref(&guid), Some((SchemaRef::ConfluentGuid(GUID), b"\x00XY")));
        check(b"XY", &[header(&[0, 0, 0, 0, 7])], Some((SchemaRef::ConfluentId(7), b"XY")));
        // A single object stays one, whatever a header claims.
        check(b"\xC3\x01abcdefghXY", &[guid], Some((SchemaRef::Fingerprint(*b"abcdefgh"), b"XY")));
        check(b"", &[], None);
        check(b"{\"json\": 1}", &[], None);
        check(b"\xC3\x01abcdefg", &[], None);
        check(b"\x00\0\0\x01", &[], None);
        check(b"\x02\0\0\0\0XY", &[header(&[1, 2, 3])], None);
        check(b"XY", &[RecordHeader { name: HEADER_VALUE_SCHEMA_ID.to_owned(), value: None }], None);
    }
}
