//! What a run waits for, and until when: a pipeline that stands still has to say why.

use super::output::Output;
use crate::api::{Clock, SystemClock, WaitNotice, WaitReason};
use crate::plan::estimate::describe_classes;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Tells of waits, of each moment and reason once: steps that wait side by side wait for the same, and again when another one
/// took the place.
pub(super) struct WaitReporter {
    output: Output,
    /// The moments, to the second, and what was said of them.
    reported: Mutex<BTreeSet<(i64, String)>>,
}

impl WaitReporter {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            reported: Mutex::default(),
        }
    }

    /// What a client can be observed by.
    pub(super) fn into_observer(self) -> impl Fn(&WaitNotice) + Send + Sync + 'static {
        move |waiting| {
            if let Some(line) = self.new_message(waiting, SystemClock.now()) {
                self.output.print_status(&line);
            }
        }
    }

    /// What there is to say of a wait, if it was not said yet.
    fn new_message(&self, waiting: &WaitNotice, now: Timestamp) -> Option<String> {
        let line = message(waiting, now);
        let news = (waiting.until.as_second(), line.clone());
        let mut said = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(news).then_some(line)
    }
}

fn message(waiting: &WaitNotice, now: Timestamp) -> String {
    let until = format_time(waiting.until, now);
    match &waiting.reason {
        WaitReason::ConfiguredLimit { window, classes } => {
            let calls = describe_classes(classes);
            format!("Waiting until {until}: the limit of {window} {calls} is reached.\n")
        }
        WaitReason::ServerLimit => {
            let calls = describe_classes(&[waiting.class]);
            format!("Waiting until {until}: the service takes no {calls} before.\n")
        }
        WaitReason::Retry(error) => format!("Waiting until {until} to try again: {error}\n"),
        WaitReason::AmbiguousWrite(error) => {
            format!("Waiting until {until} to find out what came of it: {error}\n")
        }
        WaitReason::InFlightRequests(operation) => {
            format!("Waiting until {until}: a call of an earlier run to {operation} may still arrive.\n")
        }
        WaitReason::Callback(segment) => {
            format!("Waiting until {until} at most for what the service says of the list of `{segment}`.\n")
        }
    }
}

/// A time of today, or a time with its date.
fn format_time(moment: Timestamp, now: Timestamp) -> String {
    let day = |moment: Timestamp| moment.strftime("%F").to_string();
    let form = if day(moment) == day(now) {
        "%H:%M:%S UTC"
    } else {
        "%F %H:%M:%S UTC"
    };
    moment.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-26T23:59:00Z");
        let table = [
            ("2026-11-26T23:59:59Z", "23:59:59 UTC"),
            ("2026-11-27T00:00:01Z", "2026-11-27 00:00:01 UTC"),
        ];
        for (moment, wanted) in table {
            assert_eq!(format_time(at(moment), now), wanted);
        }
    }
}
