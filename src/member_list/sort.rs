//! External merge sort: sorts runs in memory, writes them to temporary files, and merges them.
//!
//! The temporary files have no name. The system deletes them however the process ends, and no other process can open them.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::PathBuf;
use std::{env, fmt};

/// The memory of a run in bytes. The largest list that MoEngage accepts needs three or four runs.
const RUN_BYTES: usize = 64 * 1024 * 1024;

/// A temporary file cannot be written. Its kind is not that of an error of the list.
#[derive(Debug)]
pub struct TemporaryFileError {
    directory: PathBuf,
    reason: io::Error,
}

impl TemporaryFileError {
    pub const HELP: &'static str = "set TMPDIR to a writable directory with enough free space";

    #[must_use]
    pub fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl fmt::Display for TemporaryFileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the list is too large to be sorted in memory, and segctl cannot write a temporary file in `{}` \
             (TMPDIR): {}",
            self.directory.display(),
            self.reason
        )
    }
}

impl Error for TemporaryFileError {}

pub(super) struct Sorter {
    bytes: Vec<u8>,
    spans: Vec<ValueSpan>,
    memory_limit: usize,
    spilled_runs: Vec<SortedRun>,
}

/// The position of a value in the bytes of a run.
#[derive(Clone, Copy)]
struct ValueSpan {
    /// The first bytes of the value. They decide most comparisons.
    prefix: u64,
    start: u32,
    length: u32,
    line: u32,
}

impl Sorter {
    pub(super) fn new() -> Self {
        Self::with_memory_limit(RUN_BYTES)
    }

    fn with_memory_limit(memory_limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            spans: Vec::new(),
            memory_limit,
            spilled_runs: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, value: &[u8], line: u32) -> io::Result<()> {
        let used = self.bytes.len() + value.len() + (self.spans.len() + 1) * size_of::<ValueSpan>();
        if used > self.memory_limit && !self.spans.is_empty() {
            self.spill()?;
        }
        let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "a value is too large to be sorted");
        self.spans.push(ValueSpan {
            prefix: prefix(value),
            start: u32::try_from(self.bytes.len()).map_err(|_| too_large())?,
            length: u32::try_from(value.len()).map_err(|_| too_large())?,
            line,
        });
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<MergedRuns> {
        if !self.spilled_runs.is_empty() && !self.spans.is_empty() {
            // The merge reads from all runs. A run in memory would exceed the memory limit.
            self.spill()?;
        }
        let mut runs = self.spilled_runs;
        if !self.spans.is_empty() {
            sort(&self.bytes, &mut self.spans);
            runs.push(SortedRun::InMemory {
                bytes: self.bytes,
                spans: self.spans.into_iter(),
            });
        }
        let mut sorted = MergedRuns {
            runs: Vec::new(),
            current: None,
        };
        for run in runs {
            let mut run = PeekableRun {
                run,
                value: Vec::new(),
                line: 0,
            };
            if run.advance()? {
                sorted.runs.push(run);
            }
        }
        Ok(sorted)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.write_spilled_run().map_err(|reason| {
            io::Error::other(TemporaryFileError {
                directory: env::temp_dir(),
                reason,
            })
        })
    }

    fn write_spilled_run(&mut self) -> io::Result<()> {
        sort(&self.bytes, &mut self.spans);
        let mut file = BufWriter::new(tempfile::tempfile()?);
        for span in &self.spans {
            file.write_all(&span.line.to_le_bytes())?;
            file.write_all(&span.length.to_le_bytes())?;
            file.write_all(span.of(&self.bytes))?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.spilled_runs.push(SortedRun::OnDisk {
            file: BufReader::new(file),
            remaining: self.spans.len(),
        });
        self.bytes.clear();
        self.spans.clear();
        Ok(())
    }
}

impl ValueSpan {
    fn of<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let start = self.start as usize;
        bytes.get(start..start + self.length as usize).unwrap_or_default()
    }
}

fn sort(bytes: &[u8], spans: &mut [ValueSpan]) {
    spans.sort_unstable_by(|one, other| {
        let by_prefix = one.prefix.cmp(&other.prefix);
        let by_value = || one.of(bytes).cmp(other.of(bytes));
        by_prefix.then_with(by_value).then(one.line.cmp(&other.line))
    });
}

/// The first eight bytes as a number with the same order.
fn prefix(value: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(bytes)
}

enum SortedRun {
    InMemory {
        bytes: Vec<u8>,
        spans: std::vec::IntoIter<ValueSpan>,
    },
    OnDisk {
        file: BufReader<File>,
        remaining: usize,
    },
}

struct PeekableRun {
    run: SortedRun,
    value: Vec<u8>,
    line: u32,
}

impl PeekableRun {
    /// Reads the next value. Returns false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.value.clear();
        match &mut self.run {
            SortedRun::InMemory { bytes, spans } => {
                let Some(span) = spans.next() else {
                    return Ok(false);
                };
                self.line = span.line;
                self.value.extend_from_slice(span.of(bytes));
            }
            SortedRun::OnDisk { remaining: 0, .. } => return Ok(false),
            SortedRun::OnDisk { file, remaining } => {
                *remaining -= 1;
                self.line = read_u32(file)?;
                let length = read_u32(file)?;
                self.value.resize(length as usize, 0);
                file.read_exact(&mut self.value)?;
            }
        }
        Ok(true)
    }
}

fn read_u32(file: &mut BufReader<File>) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// All values in order. Equal values are ordered by their lines.
pub(super) struct MergedRuns {
    /// The runs that are not at their end.
    runs: Vec<PeekableRun>,
    /// The run whose value was returned last.
    current: Option<usize>,
}

impl MergedRuns {
    pub(super) fn next_line(&mut self) -> io::Result<Option<(&[u8], u32)>> {
        if let Some(current) = self.current.take()
            && let Some(run) = self.runs.get_mut(current)
            && !run.advance()?
        {
            self.runs.remove(current);
        }
        // There are too few runs for a heap to pay off.
        let runs = self.runs.iter().enumerate();
        let next =
            runs.min_by(|(_, one), (_, other)| (&one.value, one.line).cmp(&(&other.value, other.line)));
        let Some((index, run)) = next else {
            return Ok(None);
        };
        self.current = Some(index);
        Ok(Some((&run.value, run.line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(values: &[Vec<u8>], memory_limit: usize) -> Vec<(Vec<u8>, u32)> {
        let mut sorter = Sorter::with_memory_limit(memory_limit);
        for (line, value) in (1..).zip(values) {
            sorter.push(value, line).unwrap();
        }
        let mut merged = sorter.finish().unwrap();
        let mut sorted = Vec::new();
        while let Some((value, line)) = merged.next_line().unwrap() {
            sorted.push((value.to_vec(), line));
        }
        sorted
    }

    /// Few letters and a common prefix, so that most comparisons reach the end of the values.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let prefix = prop_oneof![Just("user.000"), Just("user"), Just("")];
        (prefix, proptest::collection::vec(0_u8..3, 0..4))
            .prop_map(|(prefix, suffix)| [prefix.as_bytes(), &suffix].concat())
    }

    proptest! {
        #![proptest_config(crate::fixed_seeds::config(256))]

        #[test]
        fn output_is_the_sorted_input_for_any_number_of_runs(
            values in proptest::collection::vec(value(), 0..200),
            memory_limit in 1_usize..2000,
        ) {
            let mut expected: Vec<(Vec<u8>, u32)> = values.iter().cloned().zip(1..).collect();
            expected.sort();
            prop_assert_eq!(sorted(&values, memory_limit), expected);
        }
    }
}
