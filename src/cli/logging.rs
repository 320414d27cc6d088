//! What goes on inside, for whoever looks for a fault: every call and what came of it, without secrets.

use std::io;
use tracing_subscriber::EnvFilter;

/// Which events are written, as in `SEGCTL_LOG=segctl=debug`; none without it.
const VARIABLE: &str = "SEGCTL_LOG";

/// Writes events to standard error from now on, if the environment asks for it.
pub(super) fn start() {
    let Ok(filter) = EnvFilter::try_from_env(VARIABLE) else {
        return;
    };
    // A second subscriber in one process is refused, and the first one goes on.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            // It would panic where nobody reads standard error any more.
            .log_internal_errors(false)
            .try_init(),
    );
}
