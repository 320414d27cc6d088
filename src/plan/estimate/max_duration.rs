//! The refusal of a plan that takes longer than it may.

use super::{Bottleneck, WindowUsage, describe_classes, duration};
use crate::model::Keyword;
use jiff::SignedDuration;
use std::fmt;

/// A plan takes longer than `--max-duration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxDurationExceeded {
    /// How long it is likely to take.
    pub estimated: SignedDuration,
    /// How long it may take.
    pub max_duration: SignedDuration,
    /// Why it takes so long.
    pub bottleneck: Bottleneck,
}

impl MaxDurationExceeded {
    /// What to do about it, the simplest first.
    #[must_use]
    pub fn help(&self) -> Vec<String> {
        let mut help = vec![format!(
            "let it take longer: --max-duration {} would do",
            duration::format_estimate(self.estimated)
        )];
        match &self.bottleneck {
            Bottleneck::Window(window) => help.push(raise_limit_hint(window)),
            Bottleneck::Throttled(closed) => help.push(format!("run again after {:.0}", closed.until)),
            Bottleneck::Requests(_) => {}
        }
        help.push("split the change: --target applies a part of it".to_owned());
        help
    }
}

impl fmt::Display for MaxDurationExceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the plan takes about {}, and --max-duration allows {}: ",
            duration::format_estimate(self.estimated),
            duration::format_duration(self.max_duration)
        )?;
        match &self.bottleneck {
            Bottleneck::Window(use_of) => write!(
                formatter,
                "it needs {}, of which the limit {} leaves {} now",
                describe_requests(use_of.required, use_of),
                use_of.window,
                use_of.remaining
            ),
            Bottleneck::Throttled(closed) => write!(
                formatter,
                "the service takes no {} before {:.0}",
                describe_classes(&[closed.class]),
                closed.until
            ),
            Bottleneck::Requests(count) => write!(formatter, "it makes {count} calls"),
        }
    }
}

impl std::error::Error for MaxDurationExceeded {}

fn describe_requests(count: usize, window: &WindowUsage) -> String {
    match window.classes.as_slice() {
        [_] if count > 1 => format!("{count} {}", describe_classes(&window.classes)),
        [class] => format!("one call ({})", class.as_str()),
        _ => format!("{count} calls ({})", describe_classes(&window.classes)),
    }
}

fn raise_limit_hint(window: &WindowUsage) -> String {
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
