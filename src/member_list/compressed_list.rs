//! The list that was sent last, as it is kept: in order, one value a line, compressed.
//!
//! It is plain gzip, so that `zcat` shows it. Damage, another order and anything behind the list are seen while it is read,
//! but only at its end: nothing may be done by what was read before that. Whether it is the list that it should be is told
//! by its digest, which the comparison hands out; a list that was not finished has another.

use super::SortedValues;
use super::value::MAX_VALUE_BYTES;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{self, BufRead, BufReader, Read, Write};

/// Writes a list.
pub struct ListWriter<W: Write> {
    output: GzEncoder<W>,
    last: Option<Vec<u8>>,
}

impl<W: Write> ListWriter<W> {
    /// Writes to `output`.
    pub fn to(output: W) -> Self {
        Self {
            // What more work would save is little: the values have not much in common but their order.
            output: GzEncoder::new(output, Compression::fast()),
            last: None,
        }
    }

    /// Writes the next value. They come in order, each once.
    ///
    /// # Errors
    ///
    /// The output fails, or the value cannot follow the one before it.
    pub fn push(&mut self, value: &[u8]) -> io::Result<()> {
        if value.contains(&b'\n') || !advance_if_greater(&mut self.last, value) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "values are out of order",
            ));
        }
        self.output.write_all(value)?;
        self.output.write_all(b"\n")
    }

    /// Writes what is left; the output with the whole list.
    ///
    /// # Errors
    ///
    /// The output fails.
    pub fn finish(self) -> io::Result<W> {
        let mut output = self.output.finish()?;
        output.flush()?;
        Ok(output)
    }
}

/// Reads a list that was kept.
pub struct ListReader<R: BufRead> {
    input: BufReader<GzDecoder<R>>,
    value: Vec<u8>,
    last: Option<Vec<u8>>,
}

impl<R: BufRead> ListReader<R> {
    /// Reads from `input`.
    pub fn of(input: R) -> Self {
        Self {
            input: BufReader::new(GzDecoder::new(input)),
            value: Vec::new(),
            last: None,
        }
    }

    fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.input.get_mut().get_mut().fill_buf()?.is_empty())
    }
}

impl<R: BufRead> SortedValues for ListReader<R> {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let damaged = || {
            let message = "the list that was sent last is not as it was written";
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        self.value.clear();
        // A file that nobody here wrote must not take all memory.
        let most = (MAX_VALUE_BYTES + 1) as u64;
        self.input
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut self.value)?;
        if self.value.is_empty() {
            return if self.is_at_end()? {
                Ok(None)
            } else {
                Err(damaged())
            };
        }
        if self.value.pop() != Some(b'\n') || !advance_if_greater(&mut self.last, &self.value) {
            return Err(damaged());
        }
        Ok(Some(&self.value))
    }
}

/// Whether a value comes behind the last one, which it is from now on.
fn advance_if_greater(last: &mut Option<Vec<u8>>, value: &[u8]) -> bool {
    match last {
        Some(last) if last.as_slice() >= value => false,
        Some(last) => {
            last.clear();
            last.extend_from_slice(value);
            true
        }
        None => {
            *last = Some(value.to_vec());
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let mut kept = ListReader::of(bytes);
        let mut found = Vec::new();
        while let Some(value) = kept.next()? {
            found.push(value.to_vec());
        }
        Ok(found)
    }

    #[test]
    fn a_list_round_trips_and_damage_is_detected() {
        let values: [&[u8]; 3] = ["Käufer".as_bytes(), b"a", b"x y"];
        let mut writer = ListWriter::to(Vec::new());
        values.iter().for_each(|value| writer.push(value).unwrap());
        let bytes = writer.finish().unwrap();
        assert_eq!(read(&bytes).unwrap(), values);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        for place in 10..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x10;
            // The bits that fill up the last byte mean nothing.
            assert!(read(&damaged).map_or(true, |found| found == values), "{place}");
        }
    }

    fn gzipped(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn malformed_lists_are_rejected() {
        let two = [gzipped("a\n"), gzipped("b\n")].concat();
        for bytes in [gzipped("b\na\n"), gzipped("a\na\n"), gzipped("a\nb"), two] {
            assert!(read(&bytes).is_err());
        }
        assert_eq!(read(&gzipped("a\nb\n")).unwrap(), [b"a", b"b"]);
    }

    #[test]
    fn values_out_of_order_are_not_written() {
        for (first, second) in [("b", "a"), ("a", "a"), ("a", "b\nc")] {
            let mut writer = ListWriter::to(Vec::new());
            writer.push(first.as_bytes()).unwrap();
            writer.push(second.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn a_decompression_bomb_uses_bounded_memory() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b'x'; 50 * MAX_VALUE_BYTES]).unwrap();
        let error = read(&encoder.finish().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
