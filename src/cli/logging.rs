//! The debug log: every API request and its result, without secrets.

use std::{env, io};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// The filter of the log, such as `SEGCTL_LOG=segctl=debug`. Without it, nothing is logged.
const VARIABLE: &str = "SEGCTL_LOG";

pub(super) fn start() {
    let filter = env::var(VARIABLE).ok();
    let Some(filter) = filter.and_then(|filter| filter.parse::<Targets>().ok()) else {
        return;
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        // Reporting an error of the log would panic if standard error is closed.
        .log_internal_errors(false);
    // If the process has a subscriber already, that one stays.
    drop(
        tracing_subscriber::registry()
            .with(lines.with_filter(filter))
            .try_init(),
    );
}
