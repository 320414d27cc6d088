//! Messages about waiting: the reason and the end of each wait.

use super::output::Output;
use crate::api::{Clock, SystemClock, WaitNotice, WaitReason};
use crate::plan::estimate::describe_classes;
use crate::plan::estimate::duration::format_moment;
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
    let until = format_moment(notice.until, now);
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
