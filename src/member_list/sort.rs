//! Sorting more values than memory should hold: runs are sorted in memory, put aside in unnamed temporary files, and
//! merged.
//!
//! The files have no name, so that nothing is left of them however the process ends, and nobody else can open them.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

/// What a run may take of memory before it is put aside, in bytes. The largest list that the service takes comes in three
/// or four runs.
const RUN_BYTES: usize = 64 * 1024 * 1024;

/// Takes values in any order.
pub(super) struct Sorter {
    bytes: Vec<u8>,
    spans: Vec<ValueSpan>,
    memory_limit: usize,
    spilled_runs: Vec<SortedRun>,
}

/// Where a value of a run stands.
#[derive(Clone, Copy)]
struct ValueSpan {
    /// Its first bytes: most comparisons need no more.
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

    /// Takes the value of a line.
    pub(super) fn push(&mut self, value: &[u8], line: u32) -> io::Result<()> {
        let taken = self.bytes.len() + value.len() + (self.spans.len() + 1) * size_of::<ValueSpan>();
        if taken > self.memory_limit && !self.spans.is_empty() {
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

    /// All values in order.
    pub(super) fn finish(mut self) -> io::Result<MergedRuns> {
        if !self.spilled_runs.is_empty() && !self.spans.is_empty() {
            // Two runs in memory, one of them being read, would be twice what one may take.
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
        self.write_spilled_run().map_err(|error| {
            let message =
                format!("it is too large for memory, and a temporary file cannot be written: {error}");
            io::Error::new(error.kind(), message)
        })
    }

    fn write_spilled_run(&mut self) -> io::Result<()> {
        sort(&self.bytes, &mut self.spans);
        let mut file = BufWriter::new(tempfile::tempfile()?);
        for place in &self.spans {
            file.write_all(&place.line.to_le_bytes())?;
            file.write_all(&place.length.to_le_bytes())?;
            file.write_all(place.of(&self.bytes))?;
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

fn sort(bytes: &[u8], places: &mut [ValueSpan]) {
    places.sort_unstable_by(|one, other| {
        let by_head = one.prefix.cmp(&other.prefix);
        let by_value = || one.of(bytes).cmp(other.of(bytes));
        by_head.then_with(by_value).then(one.line.cmp(&other.line))
    });
}

/// The first eight bytes as a number that is ordered as they are.
fn prefix(value: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(bytes)
}

/// Values that are sorted, each with its line.
enum SortedRun {
    InMemory {
        bytes: Vec<u8>,
        spans: std::vec::IntoIter<ValueSpan>,
    },
    OnDisk {
        file: BufReader<File>,
        /// How many values of it were not read yet.
        remaining: usize,
    },
}

/// A run and its next value.
struct PeekableRun {
    run: SortedRun,
    value: Vec<u8>,
    line: u32,
}

impl PeekableRun {
    /// Goes to the next value; whether there is one.
    fn advance(&mut self) -> io::Result<bool> {
        self.value.clear();
        match &mut self.run {
            SortedRun::InMemory { bytes, spans: places } => {
                let Some(place) = places.next() else {
                    return Ok(false);
                };
                self.line = place.line;
                self.value.extend_from_slice(place.of(bytes));
            }
            SortedRun::OnDisk { remaining: 0, .. } => return Ok(false),
            SortedRun::OnDisk {
                file,
                remaining: left,
            } => {
                *left -= 1;
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

/// Values in order, the same ones by their lines.
pub(super) struct MergedRuns {
    /// Those that have a value left.
    runs: Vec<PeekableRun>,
    /// The run whose value was handed out last.
    current: Option<usize>,
}

impl MergedRuns {
    /// The next value and its line.
    pub(super) fn next_line(&mut self) -> io::Result<Option<(&[u8], u32)>> {
        if let Some(current) = self.current.take()
            && let Some(run) = self.runs.get_mut(current)
            && !run.advance()?
        {
            self.runs.remove(current);
        }
        // There are so few runs that a heap would not pay.
        let least = self.runs.iter().enumerate();
        let least =
            least.min_by(|(_, one), (_, other)| one.value.cmp(&other.value).then(one.line.cmp(&other.line)));
        let Some((place, run)) = least else {
            return Ok(None);
        };
        self.current = Some(place);
        Ok(Some((&run.value, run.line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(values: &[Vec<u8>], runs_of: usize) -> Vec<(Vec<u8>, u32)> {
        let mut sorter = Sorter::with_memory_limit(runs_of);
        for (line, value) in (1..).zip(values) {
            sorter.push(value, line).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        let mut found = Vec::new();
        while let Some((value, line)) = sorted.next_line().unwrap() {
            found.push((value.to_vec(), line));
        }
        found
    }

    /// Of few letters and with a common start, so that most comparisons have to look at the end.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let common = prop_oneof![Just("user.000"), Just("user"), Just("")];
        (common, proptest::collection::vec(0_u8..3, 0..4))
            .prop_map(|(start, end)| [start.as_bytes(), &end].concat())
    }

    proptest! {
        #[test]
        fn output_is_the_sorted_input_for_any_number_of_runs(
            values in proptest::collection::vec(value(), 0..200),
            runs_of in 1_usize..2000,
        ) {
            let mut wanted: Vec<(Vec<u8>, u32)> = values.iter().cloned().zip(1..).collect();
            wanted.sort();
            prop_assert_eq!(sorted(&values, runs_of), wanted);
        }
    }
}
