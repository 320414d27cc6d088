//! The debug log: every API request and its result, without secrets.

use std::io;
use tracing_subscriber::EnvFilter;

/// The filter of the log, such as `SEGCTL_LOG=segctl=debug`. Without it, nothing is logged.
const VARIABLE: &str = "SEGCTL_LOG";

pub(super) fn start() {
    let Ok(filter) = EnvFilter::try_from_env(VARIABLE) else {
        return;
    };
    // If the process has a subscriber already, that one stays.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            // Reporting an error of the log would panic if standard error is closed.
            .log_internal_errors(false)
            .try_init(),
    );
}
