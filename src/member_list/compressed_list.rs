//! The stored form of the last uploaded list: sorted, one value a line, gzip. `zcat` prints it.
//!
//! The reader detects damage, a wrong order and trailing data, but possibly only at the end of the list. A caller must not
//! act on the values before that. The digest, which the comparison returns, shows whether it is the expected list.

use super::SortedValues;
use super::value::MAX_VALUE_BYTES;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{self, BufRead, BufReader, Read, Write};

pub struct ListWriter<W: Write> {
    output: GzEncoder<W>,
    last: Option<Vec<u8>>,
}

impl<W: Write> ListWriter<W> {
    pub fn to(output: W) -> Self {
        Self {
            // Better compression would save little, because values have little in common except their order.
            output: GzEncoder::new(output, Compression::fast()),
            last: None,
        }
    }

    /// The values must be in ascending order without duplicates.
    pub fn push(&mut self, value: &[u8]) -> io::Result<()> {
        if value.contains(&b'\n') || !advance_if_greater(&mut self.last, value) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the values of a list are not in ascending order",
            ));
        }
        self.output.write_all(value)?;
        self.output.write_all(b"\n")
    }

    /// Returns the output after the complete list.
    pub fn finish(self) -> io::Result<W> {
        let mut output = self.output.finish()?;
        output.flush()?;
        Ok(output)
    }
}

pub struct ListReader<R: BufRead> {
    input: BufReader<GzDecoder<R>>,
    value: Vec<u8>,
    last: Option<Vec<u8>>,
}

impl<R: BufRead> ListReader<R> {
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
        let corrupt = || {
            let message = "the stored list of the last upload is corrupt";
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        self.value.clear();
        // A corrupt file must not use unlimited memory.
        let max_line_bytes = (MAX_VALUE_BYTES + 1) as u64;
        self.input
            .by_ref()
            .take(max_line_bytes)
            .read_until(b'\n', &mut self.value)?;
        if self.value.is_empty() && self.is_at_end()? {
            return Ok(None);
        }
        if self.value.pop() != Some(b'\n') || !advance_if_greater(&mut self.last, &self.value) {
            return Err(corrupt());
        }
        Ok(Some(&self.value))
    }
}

/// Replaces `last` with `value` if `value` is greater. Returns whether it was.
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
        let mut reader = ListReader::of(bytes);
        let mut values = Vec::new();
        while let Some(value) = reader.next()? {
            values.push(value.to_vec());
        }
        Ok(values)
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
        for index in 10..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0x10;
            // The padding bits of the last byte have no meaning.
            assert!(read(&damaged).map_or(true, |read| read == values), "{index}");
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
