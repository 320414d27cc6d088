//! Records the trace of a simulation and its first violated invariant.

use super::injected_bugs::Bug;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

/// The API key, which must not appear in any output. No other text contains it.
pub(crate) const API_KEY: &str = "canary-9d1f6c2ab7e84530-key";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) message: String,
}

/// Shared by all parts of a simulation.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Mutex<RecorderState>>);

struct RecorderState {
    /// `None` without a trace.
    lines: Option<Vec<String>>,
    /// A hash of all events: equal for two equal runs of a seed.
    fingerprint: u64,
    now: i64,
    violation: Option<Violation>,
    injected: Option<Bug>,
}

impl Recorder {
    pub(crate) fn new(is_traced: bool, injected: Option<Bug>) -> Self {
        Self(Arc::new(Mutex::new(RecorderState {
            lines: is_traced.then(Vec::new),
            fingerprint: 0xcbf2_9ce4_8422_2325,
            now: 0,
            violation: None,
            injected,
        })))
    }

    /// In milliseconds since 1970.
    pub(crate) fn set_time(&self, now: i64) {
        self.0.lock().unwrap().now = now;
    }

    /// Records an event. `detail` distinguishes it in the fingerprint.
    pub(crate) fn log_event(&self, actor: &str, detail: u64, line: impl FnOnce() -> String) {
        let mut state = self.0.lock().unwrap();
        let now = state.now;
        for part in [now.cast_unsigned(), detail, actor.len() as u64] {
            state.fingerprint = (state.fingerprint ^ part).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut state.lines {
            lines.push(format!("{} {actor:<9} {}", format_time(now), line()));
        }
    }

    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        self.0.lock().unwrap().injected == Some(bug)
    }

    /// Records a violation unless there is one.
    pub(crate) fn report_violation(&self, invariant: &'static str, message: impl FnOnce() -> String) {
        let mut state = self.0.lock().unwrap();
        if state.violation.is_some() {
            return;
        }
        let violation = Violation {
            invariant,
            message: message(),
        };
        let now = state.now;
        if let Some(lines) = &mut state.lines {
            lines.push(format!(
                "{} VIOLATED  {invariant}: {}",
                format_time(now),
                violation.message
            ));
        }
        state.violation = Some(violation);
    }

    pub(crate) fn require(&self, holds: bool, invariant: &'static str, message: impl FnOnce() -> String) {
        if !holds {
            self.report_violation(invariant, message);
        }
    }

    /// The name of a run in the state.
    pub(crate) fn run_name(&self, number: usize) -> String {
        if self.has_bug(Bug::KeyInState) {
            return API_KEY.to_owned();
        }
        format!("run {number}")
    }

    /// Whether there is a violation. Later events mean nothing then.
    pub(crate) fn is_violated(&self) -> bool {
        self.0.lock().unwrap().violation.is_some()
    }

    /// Checks that output or a file does not contain the key.
    pub(crate) fn require_key_hidden(&self, location: &str, text: &str) {
        let has_key = text.contains(API_KEY) || text.contains(ENCODED_KEY);
        self.require(!has_key, "the key appears in no output", || {
            format!("in {location}: {text}")
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

/// The credentials in the `Authorization` header: base64 of "w:" and the key.
pub(crate) const ENCODED_KEY: &str = "dzpjYW5hcnktOWQxZjZjMmFiN2U4NDUzMC1rZXk=";

/// Days and time since the start of the simulation.
fn format_time(now: i64) -> String {
    let elapsed = now - super::executor::START_TIME;
    let (days, rest) = (elapsed.div_euclid(86_400_000), elapsed.rem_euclid(86_400_000));
    let mut text = String::new();
    let _ = write!(text, "{days:>3}d {:02}:", rest / 3_600_000);
    let _ = write!(text, "{:02}:", rest / 60_000 % 60);
    let _ = write!(text, "{:02}.{:03}", rest / 1000 % 60, rest % 1000);
    text
}
