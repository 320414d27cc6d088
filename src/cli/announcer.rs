//! What a run waits for, and until when: a pipeline that stands still has to say why.

use super::output::Output;
use crate::api::{WaitReason, Waiting};
use crate::plan::quota::nouns;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Tells of waits, of each moment and reason once: steps that wait side by side wait for the same, and again when another one
/// took the place.
pub(super) struct Announcer {
    output: Output,
    /// The moments, to the second, and what was said of them.
    said: Mutex<BTreeSet<(i64, String)>>,
}

impl Announcer {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            said: Mutex::default(),
        }
    }

    /// What a client can be observed by.
    pub(super) fn into_observer(self) -> impl Fn(&Waiting) + Send + Sync + 'static {
        move |waiting| {
            if let Some(line) = self.news(waiting) {
                self.output.note(&line);
            }
        }
    }

    /// What there is to say of a wait, if it was not said yet.
    fn news(&self, waiting: &Waiting) -> Option<String> {
        let line = line(waiting);
        let news = (waiting.until.as_second(), line.clone());
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(news).then_some(line)
    }
}

fn line(waiting: &Waiting) -> String {
    let until = clock(waiting.until);
    match &waiting.reason {
        WaitReason::OwnLimit { window, classes } => {
            let calls = nouns(classes);
            format!("Waiting until {until}: the limit of {window} {calls} is reached.\n")
        }
        WaitReason::ServiceLimit => {
            let calls = nouns(&[waiting.class]);
            format!("Waiting until {until}: the service takes no {calls} before.\n")
        }
        WaitReason::Retry(error) => format!("Waiting until {until} to try again: {error}\n"),
    }
}

fn clock(moment: Timestamp) -> String {
    moment.strftime("%H:%M:%S UTC").to_string()
}
