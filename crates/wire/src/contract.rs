//! One record's released schema versions, with a reader for each and a writer for the newest.

use apache_avro::{
    from_value,
    reader::datum::GenericDatumReader,
    schema::{ResolvedSchema, Schema},
    util::max_allocation_bytes,
    writer::datum::GenericDatumWriter,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    datum::DatumError,
    error::{DatumProblem, DecodeError},
    frame::{SchemaRef, single_object_start},
    guard,
    schemas::VALUE_BYTES_CEILING,
};

/// A schema version as it was released.
#[derive(Debug)]
pub(crate) struct Released {
    pub(crate) version: u32,
    pub(crate) json: &'static str,
    /// CRC-64-AVRO as the Avro specification, Java and fastavro spell the canonical form, in the wire's byte order.
    pub(crate) fingerprint: [u8; 8],
    /// The same over a canonical form that leaves `{"type":"long"}` where a logical type was, as the Rust library and
    /// Python's `avro` spell it.
    pub(crate) fingerprint_unreduced: [u8; 8],
}

/// A record's versions, made ready once: parsing a schema costs more than decoding many records.
pub(crate) struct Contract {
    record: &'static str,
    versions: Vec<Version>,
    newest: u32,
    newest_fingerprint: [u8; 8],
    writer: GenericDatumWriter<'static>,
}

struct Version {
    released: &'static Released,
    schema: &'static Schema,
    names: ResolvedSchema<'static>,
    reader: GenericDatumReader<'static>,
}

impl Contract {
    /// The schemas live as long as the process; call it once per record.
    pub(crate) fn new(record: &'static str, released: &'static [Released]) -> Self {
        max_allocation_bytes(VALUE_BYTES_CEILING);
        let parsed: Vec<(&'static Released, &'static Schema)> = released
            .iter()
            .map(|released| {
                let schema = Schema::parse_str(released.json).expect("a released schema is valid: a test parses it");
                (released, &*Box::leak(Box::new(schema)))
            })
            .collect();
        let (newest, newest_schema) = *parsed.last().expect("every record has a released version");
        let versions = parsed.into_iter().map(|(released, schema)| Version::new(released, schema, newest_schema));
        Self {
            record,
            versions: versions.collect(),
            newest: newest.version,
            newest_fingerprint: newest.fingerprint,
            writer: GenericDatumWriter::builder(newest_schema)
                .build()
                .expect("a released schema names no type that it does not define"),
        }
    }

    pub(crate) fn record(&self) -> &'static str {
        self.record
    }

    pub(crate) fn has_version(&self, version: u32) -> bool {
        self.versions.iter().any(|known| known.released.version == version)
    }

    /// The version of that fingerprint, in either spelling.
    pub(crate) fn version_of(&self, fingerprint: [u8; 8]) -> Option<u32> {
        let known = self.versions.iter().find(|version| {
            let released = version.released;
            released.fingerprint == fingerprint || released.fingerprint_unreduced == fingerprint
        })?;
        Some(known.released.version)
    }

    /// Decodes a datum that `version` wrote. The newest version goes straight into `T`; an older one takes
    /// the slower way through Avro's own values, where its schema is resolved to the newest.
    pub(crate) fn read<T: DeserializeOwned>(&self, version: u32, datum: &[u8]) -> Result<T, DecodeError> {
        let Some(known) = self.versions.iter().find(|known| known.released.version == version) else {
            return Err(self.unknown(&format!("version {version}")));
        };
        guard::check(known.schema, known.names.get_names(), datum)
            .map_err(|DatumError { at, problem }| self.malformed(version, at, problem))?;
        let mut rest = datum;
        let value = if version == self.newest {
            known.reader.read_deser(&mut rest)
        } else {
            known.reader.read_value(&mut rest).and_then(|value| from_value(&value))
        };
        // The library's own text may quote the record, so it goes no further.
        value.map_err(|_| self.malformed(version, datum.len() - rest.len(), DatumProblem::Meaning))
    }

    /// A single object of the newest version.
    pub(crate) fn write<T: Serialize>(&self, value: &T) -> Vec<u8> {
        let mut bytes = single_object_start(self.newest_fingerprint, 1024);
        self.writer.write_ser(&mut bytes, value).expect("the type has every field of its schema, of the same type");
        bytes
    }

    pub(crate) fn unknown_schema(&self, schema: SchemaRef) -> DecodeError {
        self.unknown(&schema.to_string())
    }

    pub(crate) fn malformed(&self, version: u32, at: usize, problem: DatumProblem) -> DecodeError {
        DecodeError::Malformed { record: self.record, version, at, problem }
    }

    fn unknown(&self, named: &str) -> DecodeError {
        DecodeError::UnknownSchema { record: self.record, named: named.to_owned() }
    }
}

impl std::fmt::Debug for Contract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contract").field("record", &self.record).field("newest", &self.newest).finish_non_exhaustive()
    }
}

impl Version {
    fn new(released: &'static Released, schema: &'static Schema, newest: &'static Schema) -> Self {
        // `read_deser` panics where a reader schema is set, so the newest version has none.
        let reader_schema = (schema != newest).then_some(newest);
        Self {
            released,
            schema,
            names: ResolvedSchema::new(schema).expect("a released schema names no type that it does not define"),
            reader: GenericDatumReader::builder(schema)
                .maybe_reader_schema(reader_schema)
                .build()
                .expect("a released schema names no type that it does not define"),
        }
    }
}
