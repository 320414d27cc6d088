//! The refusal of a plan that takes longer than it may.

use super::{Cause, WindowUse, duration, nouns};
use crate::model::Keyword;
use jiff::SignedDuration;
use std::fmt;

/// A plan takes longer than `--max-duration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaRefusal {
    /// How long it is likely to take.
    pub needed: SignedDuration,
    /// How long it may take.
    pub max_duration: SignedDuration,
    /// Why it takes so long.
    pub cause: Cause,
}

impl QuotaRefusal {
    /// What to do about it, the simplest first.
    #[must_use]
    pub fn help(&self) -> Vec<String> {
        let mut help = vec![format!(
            "let it take longer: --max-duration {} would do",
            duration::about(self.needed)
        )];
        match &self.cause {
            Cause::Window(window) => help.push(raise(window)),
            Cause::Closed(closed) => help.push(format!("run again after {:.0}", closed.until)),
            Cause::Calls(_) => {}
        }
        help.push("split the change: --target applies a part of it".to_owned());
        help
    }
}

impl fmt::Display for QuotaRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the plan takes about {}, and --max-duration allows {}: ",
            duration::about(self.needed),
            duration::words(self.max_duration)
        )?;
        match &self.cause {
            Cause::Window(use_of) => write!(
                formatter,
                "it needs {}, of which the limit {} leaves {} now",
                nouns_of(use_of.needed, use_of),
                use_of.window,
                use_of.left
            ),
            Cause::Closed(closed) => write!(
                formatter,
                "the service takes no {} before {:.0}",
                nouns(&[closed.class]),
                closed.until
            ),
            Cause::Calls(count) => write!(formatter, "it makes {count} calls"),
        }
    }
}

impl std::error::Error for QuotaRefusal {}

fn nouns_of(count: usize, window: &WindowUse) -> String {
    match window.classes.as_slice() {
        [_] if count > 1 => format!("{count} {}", nouns(&window.classes)),
        [class] => format!("one call ({})", class.as_str()),
        _ => format!("{count} calls ({})", nouns(&window.classes)),
    }
}

fn raise(window: &WindowUse) -> String {
    let keys: Vec<_> = window
        .classes
        .iter()
        .map(|class| format!("`{}`", class.as_str()))
        .collect();
    format!(
        "if MoEngage raised the limits of the workspace, say so under `rate_limits` in segctl.yaml: {}",
        keys.join(" and ")
    )
}
