//! The events of a run, as JSON lines on standard output, in a file, in both, or nowhere.

use super::failure::Failure;
use super::output::{Output, ignore_broken_pipe};
use crate::api::{Clock, SystemClock};
use crate::render::json::{EventDocument, RunEvent};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

pub(super) struct EventStream {
    output: Output,
    sinks: Mutex<Vec<Sink>>,
    /// Whether a write failed for another reason than a closed pipe.
    is_incomplete: AtomicBool,
}

struct Sink {
    name: String,
    writer: Box<dyn Write + Send>,
}

impl EventStream {
    pub(super) fn new(output: Output) -> Self {
        let stdout = || Sink {
            name: "standard output".to_owned(),
            writer: Box::new(io::stdout()),
        };
        Self {
            output,
            sinks: Mutex::new(output.json.then(stdout).into_iter().collect()),
            is_incomplete: AtomicBool::new(false),
        }
    }

    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), Failure> {
        let file = File::create(path).map_err(|error| Failure::cannot_write(path, &error))?;
        let sinks = self.sinks.get_mut().unwrap_or_else(PoisonError::into_inner);
        sinks.push(Sink {
            name: format!("`{}`", path.display()),
            writer: Box::new(file),
        });
        Ok(())
    }

    /// Writes an event to each sink. A sink that fails gets no more events.
    pub(super) fn emit(&self, event: RunEvent<'_>) {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        if sinks.is_empty() {
            return;
        }
        let at = SystemClock.now();
        let line = serde_json::to_string(&EventDocument { at, event });
        let line = line.expect("an event contains only text and numbers") + "\n";
        sinks.retain_mut(|sink| match sink.write(&line) {
            Ok(()) => true,
            Err(error) => {
                if let Some(error) = ignore_broken_pipe(Err(error)) {
                    let text = format!("error: cannot write to {}: {error}", sink.name);
                    self.output.print_status_line(&text);
                    self.is_incomplete.store(true, Ordering::Relaxed);
                }
                false
            }
        });
    }

    pub(super) fn is_incomplete(&self) -> bool {
        self.is_incomplete.load(Ordering::Relaxed)
    }
}

impl Sink {
    fn write(&mut self, line: &str) -> io::Result<()> {
        self.writer.write_all(line.as_bytes())?;
        self.writer.flush()
    }
}
