//! The error for a plan that takes longer than `--max-duration`.

use super::{Bottleneck, WindowUsage, describe_classes, duration};
use crate::model::Keyword;
use crate::plan::step::{Code, Finding};
use jiff::SignedDuration;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxDurationExceeded {
    pub estimated: SignedDuration,
    pub max_duration: SignedDuration,
    pub bottleneck: Bottleneck,
}

impl MaxDurationExceeded {
    #[must_use]
    pub fn finding(&self) -> Finding {
        Finding {
            help: self.help(),
            ..Finding::new(Code::MaxDuration, self.to_string())
        }
    }

    /// The simplest first.
    #[must_use]
    pub fn help(&self) -> Vec<String> {
        let mut help = vec![format!(
            "to allow this duration: --max-duration {}",
            duration::format_estimate(self.estimated)
        )];
        match &self.bottleneck {
            Bottleneck::Window(window) => help.push(raise_limit_hint(window)),
            Bottleneck::Throttled(throttled) => help.push(format!("run again after {:.0}", throttled.until)),
            Bottleneck::Requests(_) => {}
        }
        help.push("to apply a part of the plan: --target".to_owned());
        help
    }
}

impl fmt::Display for MaxDurationExceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the estimated duration of {} exceeds --max-duration {}: ",
            duration::format_estimate(self.estimated),
            duration::format_duration(self.max_duration)
        )?;
        match &self.bottleneck {
            Bottleneck::Window(usage) => write!(
                formatter,
                "the plan needs {}; the rate limit is {}, {} left",
                describe_requests(usage),
                usage.window,
                usage.remaining
            ),
            Bottleneck::Throttled(throttled) => write!(
                formatter,
                "MoEngage accepts no {} before {:.0}",
                describe_classes(&[throttled.class]),
                throttled.until
            ),
            Bottleneck::Requests(count) => write!(formatter, "the plan needs {count} requests"),
        }
    }
}

impl std::error::Error for MaxDurationExceeded {}

fn describe_requests(usage: &WindowUsage) -> String {
    let (count, classes) = (usage.required, describe_classes(&usage.classes));
    match usage.classes.as_slice() {
        [_] if count > 1 => format!("{count} {classes}"),
        [class] => format!("1 request ({})", class.as_str()),
        _ => format!("{count} requests ({classes})"),
    }
}

fn raise_limit_hint(usage: &WindowUsage) -> String {
    let classes = usage.classes.iter();
    let keys: Vec<_> = classes.map(|class| format!("`{}`", class.as_str())).collect();
    format!(
        "if MoEngage raised the limits of the workspace: update `rate_limits` in segctl.yaml: {}",
        keys.join(" and ")
    )
}
