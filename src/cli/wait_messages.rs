//! Messages about waiting: the reason and the end of each wait.

use super::output::Output;
use crate::api::{Clock, SystemClock, WaitNotice, WaitReason};
use crate::plan::estimate::describe_classes;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Prints each message once, because parallel steps wait for the same moment.
pub(super) struct WaitReporter {
    output: Output,
    /// The moments in seconds, and the messages.
    reported: Mutex<BTreeSet<(i64, String)>>,
}

impl WaitReporter {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            reported: Mutex::default(),
        }
    }

    pub(super) fn into_observer(self) -> impl Fn(&WaitNotice) + Send + Sync + 'static {
        move |notice| {
            let line = message(notice, SystemClock.now());
            let key = (notice.until.as_second(), line.clone());
            let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
            if reported.insert(key) {
                self.output.print_status(&line);
            }
        }
    }
}

fn message(notice: &WaitNotice, now: Timestamp) -> String {
    let until = format_time(notice.until, now);
    match &notice.reason {
        WaitReason::ConfiguredLimit { window, classes } => {
            let requests = describe_classes(classes);
            format!("Waiting until {until}: the rate limit of {window} {requests} is reached.\n")
        }
        WaitReason::ServerLimit => {
            let requests = describe_classes(&[notice.class]);
            format!("Rate limited by MoEngage; retrying {requests} at {until}.\n")
        }
        WaitReason::Retry(error) => format!("Retrying at {until}: {error}\n"),
        WaitReason::AmbiguousWrite(error) => {
            format!("Retrying at {until} to verify the result: {error}\n")
        }
        WaitReason::InFlightRequests(operation) => {
            format!("Waiting until {until}: a request of an earlier run to {operation} may still arrive.\n")
        }
        WaitReason::Callback(segment) => {
            format!("Waiting until {until} at most for the upload result of `{segment}`.\n")
        }
    }
}

/// The date is included unless it is today.
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
        for (moment, expected) in table {
            assert_eq!(format_time(at(moment), now), expected);
        }
    }
}
