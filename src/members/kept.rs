//! The list that was sent last, as it is kept: in order, one value a line, compressed.
//!
//! It is plain gzip, so that `zcat` shows it. Which list it should be is known by its digest; one that is damaged or was
//! exchanged is none.

use super::Values;
use super::line::LONGEST;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{self, BufRead, BufReader, Read, Write};

/// Writes a list.
pub struct KeptWriter<W: Write>(GzEncoder<W>);

impl<W: Write> KeptWriter<W> {
    /// Writes to `output`.
    pub fn to(output: W) -> Self {
        // What more work would save is little: the values have not much in common but their order.
        Self(GzEncoder::new(output, Compression::fast()))
    }

    /// Writes the next value. They come in order, each once.
    ///
    /// # Errors
    ///
    /// The output fails.
    pub fn push(&mut self, value: &[u8]) -> io::Result<()> {
        self.0.write_all(value)?;
        self.0.write_all(b"\n")
    }

    /// Writes what is left; the output with the whole list.
    ///
    /// # Errors
    ///
    /// The output fails.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

/// Reads a list that was kept.
pub struct KeptReader<R: BufRead> {
    input: BufReader<GzDecoder<R>>,
    value: Vec<u8>,
}

impl<R: BufRead> KeptReader<R> {
    /// Reads from `input`.
    pub fn of(input: R) -> Self {
        Self {
            input: BufReader::new(GzDecoder::new(input)),
            value: Vec::new(),
        }
    }
}

impl<R: BufRead> Values for KeptReader<R> {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.value.clear();
        // A file that nobody here wrote must not take all memory.
        let most = (LONGEST + 1) as u64;
        self.input
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut self.value)?;
        if self.value.is_empty() {
            return Ok(None);
        }
        if self.value.pop() != Some(b'\n') {
            let message = "the list that was sent last is not as it was written";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(Some(&self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let mut kept = KeptReader::of(bytes);
        let mut found = Vec::new();
        while let Some(value) = kept.next()? {
            found.push(value.to_vec());
        }
        Ok(found)
    }

    #[test]
    fn what_is_kept_comes_back_and_damage_is_seen() {
        let values: [&[u8]; 3] = [b"a", "Käufer".as_bytes(), b"x\ry"];
        let mut writer = KeptWriter::to(Vec::new());
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

    #[test]
    fn a_list_that_swells_takes_bounded_memory() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b'x'; 50 * LONGEST]).unwrap();
        let error = read(&encoder.finish().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
