//! The events of a run, each as it happens: on standard output, in a file, in both, or nowhere.

use super::failure::{Failure, FailureKind};
use super::output::{Output, ignore_broken_pipe};
use crate::api::{Clock, SystemClock};
use crate::render::json::{EventDocument, RunEvent};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Where events go.
pub(super) struct EventStream {
    output: Output,
    sinks: Mutex<Vec<Sink>>,
    /// Whether somebody who asked for events did not get all of them.
    is_incomplete: AtomicBool,
}

struct Sink {
    name: String,
    writer: Box<dyn Write + Send>,
}

impl EventStream {
    /// On standard output, where JSON is wanted there.
    pub(super) fn new(output: Output) -> Self {
        let standard = || Sink {
            name: "standard output".to_owned(),
            writer: Box::new(io::stdout()),
        };
        Self {
            output,
            sinks: Mutex::new(output.json.then(standard).into_iter().collect()),
            is_incomplete: AtomicBool::new(false),
        }
    }

    /// In a file, too.
    ///
    /// # Errors
    ///
    /// The file cannot be made.
    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), Failure> {
        let name = format!("`{}`", path.display());
        let file = File::create(path)
            .map_err(|error| Failure::new(FailureKind::Error, format!("cannot write {name}: {error}")))?;
        let sinks = self.sinks.get_mut().unwrap_or_else(PoisonError::into_inner);
        sinks.push(Sink {
            name,
            writer: Box::new(file),
        });
        Ok(())
    }

    /// Writes an event wherever anybody still reads.
    pub(super) fn emit(&self, event: RunEvent<'_>) {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        if sinks.is_empty() {
            return;
        }
        let at = SystemClock.now();
        // Documents are plain structures of text and numbers, which always serialise.
        let line = serde_json::to_string(&EventDocument { at, event }).unwrap_or_default() + "\n";
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

    /// Whether somebody who asked for events did not get all of them.
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
