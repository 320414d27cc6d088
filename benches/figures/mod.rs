//! What a benchmark prints, and whether a figure is over its limit.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::process::ExitCode;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Figures {
    exceeded: bool,
}

impl Figures {
    pub(crate) fn show(&self, name: &str, value: f64) {
        println!("{name:<44} {value:8.2}");
    }

    pub(crate) fn check(&mut self, name: &str, value: f64, limit: f64) {
        println!("{name:<44} {value:8.2} (at most {limit})");
        self.exceeded |= value > limit;
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.exceeded {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub(crate) fn ratio(time: Duration, to: Duration) -> f64 {
    time.as_secs_f64() / to.as_secs_f64()
}
