//! A stream of bytes, line after line, in bounded memory.

use super::value::MAX_VALUE_BYTES;
use std::io::{self, BufRead, Read};

/// The lines of a stream. A line ends with `\n`, whatever `\r` stand before it; what follows the last end is a line if it is
/// there at all. What the service makes of `\r` is not documented, so that none is handed on.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// The number of the line that was read last, from 1.
    number: u32,
    /// Bytes that were read.
    bytes: u64,
    /// Where more were read than these, there are no more lines, whatever is left.
    byte_limit: u64,
}

impl<R: BufRead> Lines<R> {
    /// Ends with the line that makes it more than `most` bytes.
    pub(super) fn of(input: R, byte_limit: u64) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
            bytes: 0,
            byte_limit,
        }
    }

    /// The next line without its end. Of one that is too long for a value the start is enough to say so.
    pub(super) fn next(&mut self) -> io::Result<Option<(u32, &[u8])>> {
        self.line.clear();
        if self.bytes > self.byte_limit {
            return Ok(None);
        }
        // One byte more than a line that ends with `\r\n` can have tells one that is too long.
        let longest = (MAX_VALUE_BYTES + 3) as u64;
        let read = self
            .input
            .by_ref()
            .take(longest)
            .read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.bytes += read as u64;
        self.number = self.number.saturating_add(1);
        if self.line.last() != Some(&b'\n') {
            self.skip_rest()?;
        }
        let mut line = self.line.as_slice();
        line = line.strip_suffix(b"\n").unwrap_or(line);
        while let Some(bare) = line.strip_suffix(b"\r") {
            line = bare;
        }
        Ok(Some((self.number, line)))
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        loop {
            let rest = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                rest => rest?,
            };
            if rest.is_empty() || self.bytes > self.byte_limit {
                return Ok(());
            }
            let end = rest.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(rest.len(), |end| end + 1);
            self.input.consume(length);
            self.bytes += length as u64;
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> (Vec<(u32, Vec<u8>)>, u64) {
        let mut lines = Lines::of(bytes, u64::MAX);
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            found.push((number, line.to_vec()));
        }
        (found, lines.bytes())
    }

    #[test]
    fn lines_end_with_lf_or_crlf() {
        let table: [(&[u8], &[&[u8]]); 6] = [
            (b"", &[]),
            (b"a", &[b"a"]),
            (b"a\n", &[b"a"]),
            (b"a\r\nb", &[b"a", b"b"]),
            (b"\n\n", &[b"", b""]),
            (b"a\rb\r\r\n", &[b"a\rb"]),
        ];
        for (bytes, wanted) in table {
            let (found, length) = all(bytes);
            let found: Vec<_> = found.iter().map(|(_, line)| line.as_slice()).collect();
            assert_eq!(found, wanted, "{bytes:?}");
            assert_eq!(length, bytes.len() as u64);
        }
    }

    #[test]
    fn an_overlong_line_uses_bounded_memory_and_hides_no_other() {
        let mut bytes = vec![b'x'; 10 * MAX_VALUE_BYTES];
        bytes.extend(b"\nb\n");
        let (found, length) = all(&bytes);
        assert_eq!(found.len(), 2);
        assert!(found[0].1.len() > MAX_VALUE_BYTES && found[0].1.len() < 2 * MAX_VALUE_BYTES);
        assert_eq!(found[1], (2, b"b".to_vec()));
        assert_eq!(length, bytes.len() as u64);
    }
}
