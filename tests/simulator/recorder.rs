//! What a simulated run leaves behind: a trace, and the first thing that must not have happened.

use super::injected_bugs::Bug;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

/// The key that must never be seen anywhere: long enough to be found by nothing else.
pub(crate) const API_KEY: &str = "canary-9d1f6c2ab7e84530-key";

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Which one.
    pub(crate) invariant: &'static str,
    /// How.
    pub(crate) message: String,
}

/// Shared by everything in a simulated run.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Mutex<RecorderState>>);

struct RecorderState {
    /// Lines to be read by people; `None` where nobody asked for them.
    lines: Option<Vec<String>>,
    /// All that happened, in one number: two runs of one seed are equal when it is.
    fingerprint: u64,
    now: i64,
    violation: Option<Violation>,
    injected: Option<Bug>,
}

impl Recorder {
    pub(crate) fn new(is_traced: bool, planted: Option<Bug>) -> Self {
        Self(Arc::new(Mutex::new(RecorderState {
            lines: is_traced.then(Vec::new),
            fingerprint: 0xcbf2_9ce4_8422_2325,
            now: 0,
            violation: None,
            injected: planted,
        })))
    }

    /// Takes down the time, in milliseconds since 1970.
    pub(crate) fn set_time(&self, now: i64) {
        self.0.lock().unwrap().now = now;
    }

    /// Takes down that something happened. `what` tells it apart where nobody reads the lines.
    pub(crate) fn log_event(&self, who: &str, what: u64, line: impl FnOnce() -> String) {
        let mut kept = self.0.lock().unwrap();
        let now = kept.now;
        for part in [now.cast_unsigned(), what, who.len() as u64] {
            kept.fingerprint = (kept.fingerprint ^ part).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut kept.lines {
            lines.push(format!("{} {who:<9} {}", format_time(now), line()));
        }
    }

    /// Whether a bug was planted.
    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        self.0.lock().unwrap().injected == Some(bug)
    }

    /// Takes down that a promise was broken; the first one counts.
    pub(crate) fn report_violation(&self, invariant: &'static str, message: impl FnOnce() -> String) {
        let mut kept = self.0.lock().unwrap();
        if kept.violation.is_some() {
            return;
        }
        let violation = Violation {
            invariant,
            message: message(),
        };
        let now = kept.now;
        if let Some(lines) = &mut kept.lines {
            lines.push(format!(
                "{} VIOLATED  {invariant}: {}",
                format_time(now),
                violation.message
            ));
        }
        kept.violation = Some(violation);
    }

    /// Checks a promise.
    pub(crate) fn require(&self, holds: bool, invariant: &'static str, message: impl FnOnce() -> String) {
        if !holds {
            self.report_violation(invariant, message);
        }
    }

    /// What a run is called in the ledger.
    pub(crate) fn run_name(&self, number: usize) -> String {
        if self.has_bug(Bug::KeyInState) {
            return API_KEY.to_owned();
        }
        format!("run {number}")
    }

    /// Whether a promise was broken already: what follows from it says nothing.
    pub(crate) fn is_violated(&self) -> bool {
        self.0.lock().unwrap().violation.is_some()
    }

    /// Takes in what is shown to people, written to files or told to programs: the key must not be in it.
    pub(crate) fn require_key_hidden(&self, place: &str, text: &str) {
        let is_told = text.contains(API_KEY) || text.contains(ENCODED_KEY);
        self.require(!is_told, "the key is shown nowhere", || {
            format!("in {place}: {text}")
        });
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        self.0.lock().unwrap().violation.clone()
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.0.lock().unwrap().fingerprint
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().lines.clone().unwrap_or_default()
    }
}

/// The workspace and the key in the form of the `Authorization` header: "w:" and the key in base64.
pub(crate) const ENCODED_KEY: &str = "dzpjYW5hcnktOWQxZjZjMmFiN2U4NDUzMC1rZXk=";

/// Day and time of day since the simulation's beginning.
fn format_time(now: i64) -> String {
    let elapsed = now - super::executor::START_TIME;
    let (days, rest) = (elapsed.div_euclid(86_400_000), elapsed.rem_euclid(86_400_000));
    let mut text = String::new();
    let _ = write!(text, "{days:>3}d {:02}:", rest / 3_600_000);
    let _ = write!(text, "{:02}:", rest / 60_000 % 60);
    let _ = write!(text, "{:02}.{:03}", rest / 1000 % 60, rest % 1000);
    text
}
