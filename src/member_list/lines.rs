//! Reads the lines of a stream in bounded memory.

use super::value::MAX_VALUE_BYTES;
use std::io::{self, BufRead, Read};

/// A line ends with `\n`. The last line may lack it. How MoEngage reads `\r` before a line end is not documented, so it is
/// removed.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// The number of the last line, from 1.
    number: u32,
    bytes: u64,
    /// After this many bytes, the current line is the last one.
    byte_limit: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn of(input: R, byte_limit: u64) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
            bytes: 0,
            byte_limit,
        }
    }

    /// The next line without its end. A line that is too long for a value is truncated to just over the limit.
    pub(super) fn next(&mut self) -> io::Result<Option<(u32, &[u8])>> {
        self.line.clear();
        if self.bytes > self.byte_limit {
            return Ok(None);
        }
        // Longer than the longest valid line with `\r\n`.
        let max_line_bytes = (MAX_VALUE_BYTES + 3) as u64;
        let read = self
            .input
            .by_ref()
            .take(max_line_bytes)
            .read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.bytes += read as u64;
        self.number = self.number.saturating_add(1);
        if self.line.last() != Some(&b'\n') {
            self.skip_rest()?;
        }
        let mut line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        while let Some(rest) = line.strip_suffix(b"\r") {
            line = rest;
        }
        Ok(Some((self.number, line)))
    }

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

    fn read_all(bytes: &[u8]) -> (Vec<(u32, Vec<u8>)>, u64) {
        let mut lines = Lines::of(bytes, u64::MAX);
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            all.push((number, line.to_vec()));
        }
        (all, lines.bytes())
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
        for (bytes, expected) in table {
            let (lines, length) = read_all(bytes);
            let lines: Vec<_> = lines.iter().map(|(_, line)| line.as_slice()).collect();
            assert_eq!(lines, expected, "{bytes:?}");
            assert_eq!(length, bytes.len() as u64);
        }
    }

    #[test]
    fn an_overlong_line_uses_bounded_memory_and_hides_no_other() {
        let mut bytes = vec![b'x'; 10 * MAX_VALUE_BYTES];
        bytes.extend(b"\nb\n");
        let (lines, length) = read_all(&bytes);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].1.len() > MAX_VALUE_BYTES && lines[0].1.len() < 2 * MAX_VALUE_BYTES);
        assert_eq!(lines[1], (2, b"b".to_vec()));
        assert_eq!(length, bytes.len() as u64);
    }
}
