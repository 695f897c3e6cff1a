//! Avro's binary encoding, primitive by primitive, over a slice: borrows, never allocates, never panics.

use crate::error::DatumProblem;

/// A problem and the place where it was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DatumError {
    pub(crate) at: usize,
    pub(crate) problem: DatumProblem,
}

/// Reads one datum from its start to its end.
#[derive(Debug)]
pub(crate) struct DatumReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> DatumReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The error for something noticed here.
    pub(crate) fn problem(&self, problem: DatumProblem) -> DatumError {
        DatumError { at: self.at, problem }
    }

    /// Bytes that follow.
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DatumError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or_else(|| self.problem(DatumProblem::Ends))?;
        self.at += length;
        Ok(taken)
    }

    /// `int` and `long`: a zig-zag number of at most ten bytes.
    pub(crate) fn long(&mut self) -> Result<i64, DatumError> {
        let mut number = 0u64;
        for (i, byte) in self.bytes.get(self.at..).unwrap_or_default().iter().take(10).enumerate() {
            if i == 9 && *byte > 1 {
                return Err(self.problem(DatumProblem::Number));
            }
            number |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.at += i + 1;
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err(self.problem(DatumProblem::Ends))
    }

    /// A `long` that must fit a narrower type.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, DatumError> {
        let number = self.long()?;
        T::try_from(number).map_err(|_| self.problem(DatumProblem::Number))
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, DatumError> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(self.problem(DatumProblem::Boolean)),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DatumError> {
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| self.problem(DatumProblem::Length))?;
        self.take(length).map_err(|error| DatumError { problem: DatumProblem::Length, ..error })
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, DatumError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.problem(DatumProblem::Text))
    }

    /// The index of a union's branch or an enum's symbol, below `count`.
    pub(crate) fn index(&mut self, count: usize) -> Result<usize, DatumError> {
        let index = self.long()?;
        usize::try_from(index).ok().filter(|index| *index < count).ok_or_else(|| self.problem(DatumProblem::Index))
    }

    /// `["null", T]`.
    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DatumError>,
    ) -> Result<Option<T>, DatumError> {
        match self.index(2)? {
            0 => Ok(None),
            _ => read(self).map(Some),
        }
    }

    /// Nothing may follow.
    pub(crate) fn finish(self) -> Result<(), DatumError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.problem(DatumProblem::LeftOver)) }
    }
}

/// Writes `int` and `long`.
pub(crate) fn write_long(bytes: &mut Vec<u8>, number: i64) {
    let mut zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while zigzag > 0x7f {
        bytes.push(zigzag.to_le_bytes()[0] | 0x80);
        zigzag >>= 7;
    }
    bytes.push(zigzag.to_le_bytes()[0]);
}

/// Writes a `string`.
pub(crate) fn write_text(bytes: &mut Vec<u8>, text: &str) {
    let length = i64::try_from(text.len()).expect("no text is longer than i64::MAX bytes");
    write_long(bytes, length);
    bytes.extend_from_slice(text.as_bytes());
}

/// Writes `["null", "string"]`.
pub(crate) fn write_optional_text(bytes: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => bytes.push(0),
        Some(text) => {
            write_long(bytes, 1);
            write_text(bytes, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_comes_back(number: i64) {
            let mut bytes = Vec::new();
            write_long(&mut bytes, number);
            let mut reader = DatumReader::new(&bytes);
            prop_assert_eq!(reader.long(), Ok(number));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn numbers_at_the_edges_are_as_the_specification_has_them() {
        for (number, expected) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut bytes = Vec::new();
            write_long(&mut bytes, number);
            assert_eq!(bytes, expected, "{number}");
        }
    }

    #[test]
    fn a_number_without_end_or_of_more_than_64_bits_is_refused() {
        let problem = |bytes: &[u8]| DatumReader::new(bytes).long().unwrap_err().problem;
        assert_eq!(problem(&[0x80; 3]), DatumProblem::Ends);
        assert_eq!(problem(&[0xff; 11]), DatumProblem::Number);
    }
}
