//! Walks a datum along its schema before anything is allocated for it.
//!
//! The Avro library bounds each allocation by itself, so that a hundred bytes may still claim hundreds of megabytes
//! over several collections; and it takes a datum with bytes left over for a good one. After this walk every
//! length is known to lie inside the value, every text to be UTF-8 and every index to be one of the schema's.

use apache_avro::schema::{NamesRef, Schema};

use crate::{
    datum::{DatumError, DatumReader},
    error::DatumProblem,
};

/// Items of all arrays and maps of one value together.
pub(crate) const ITEMS_MAX: usize = 65_536;

/// Checks the whole datum. Our schemas are not recursive, so the depth is the schema's own.
pub(crate) fn check(schema: &Schema, names: &NamesRef<'_>, datum: &[u8]) -> Result<(), DatumError> {
    let mut walk = Walk { names, reader: DatumReader::new(datum), items_left: ITEMS_MAX };
    walk.value(schema)?;
    walk.reader.finish()
}

struct Walk<'n, 's, 'a> {
    names: &'n NamesRef<'s>,
    reader: DatumReader<'a>,
    items_left: usize,
}

impl Walk<'_, '_, '_> {
    fn value(&mut self, schema: &Schema) -> Result<(), DatumError> {
        match schema {
            Schema::Null => Ok(()),
            Schema::Boolean => self.reader.boolean().map(drop),
            Schema::Int => self.reader.number::<i32>().map(drop),
            Schema::Long | Schema::TimestampMillis => self.reader.long().map(drop),
            Schema::Bytes => self.reader.bytes().map(drop),
            Schema::String => self.reader.text().map(drop),
            Schema::Enum(schema) => self.reader.index(schema.symbols.len()).map(drop),
            Schema::Record(schema) => schema.fields.iter().try_for_each(|field| self.value(&field.schema)),
            Schema::Union(schema) => {
                let index = self.reader.index(schema.variants().len())?;
                self.value(&schema.variants()[index])
            }
            Schema::Array(schema) => self.blocks(|walk| walk.value(&schema.items)),
            Schema::Map(schema) => self.blocks(|walk| {
                walk.reader.text()?;
                walk.value(&schema.types)
            }),
            Schema::Ref { name } => match self.names.get(name) {
                Some(schema) => self.value(schema),
                None => Err(self.reader.problem(DatumProblem::Meaning)),
            },
            // No released schema uses these; a test walks all of them.
            Schema::Float
            | Schema::Double
            | Schema::Fixed(_)
            | Schema::Decimal(_)
            | Schema::BigDecimal
            | Schema::Uuid(_)
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos
            | Schema::Duration(_) => Err(self.reader.problem(DatumProblem::Meaning)),
        }
    }

    /// Arrays and maps: blocks of a count (negative: its size in bytes follows) and that many items, ended by a zero.
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), DatumError>) -> Result<(), DatumError> {
        loop {
            let count = self.reader.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.reader.long()?;
            }
            let left = usize::try_from(count.unsigned_abs()).ok().and_then(|count| self.items_left.checked_sub(count));
            self.items_left = left.ok_or_else(|| self.reader.problem(DatumProblem::Items))?;
            for _ in 0..count.unsigned_abs() {
                item(self)?;
            }
        }
    }
}
