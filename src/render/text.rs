//! Plans and run reports as text for people.
//!
//! The marks `+ ~ - ^` start their lines, so that a plan in a `diff` block of a pull request is colored there. Color
//! repeats the marks and is never the only signal.

mod drift;
mod estimate;
mod freshness;
mod history;
mod plan;
mod plan_notes;
mod run_report;
mod state;

pub use drift::drift;
pub use estimate::estimate;
pub use history::{history, restored, shared_name_note};
pub use plan::plan;
pub use run_report::{outcome, run_summary};
pub use state::state;

use super::json::{ChangeDocument, FindingDocument, OriginDocument};
use crate::model::escape_unprintable;
use crate::plan::step::LifecycleDrift;
use anstyle::{AnsiColor, Style};
use serde_json::Value;
use std::fmt::Write as _;

/// Longer values of a change are cut; JSON has them whole.
const MAX_VALUE_LENGTH: usize = 160;

pub fn workspace_line(workspace: &str, endpoint: &str) -> String {
    let [workspace, endpoint] = [workspace, endpoint].map(escape_unprintable);
    format!("Workspace: {workspace} ({endpoint})\n\n")
}

fn lifecycle_drift(drift: LifecycleDrift) -> &'static str {
    match drift {
        LifecycleDrift::Archived => "archived outside segctl",
        LifecycleDrift::AutoArchived => {
            "auto-archived: MoEngage archives segments that are unused for 60 days"
        }
        LifecycleDrift::Unarchived => "unarchived outside segctl",
        LifecycleDrift::Missing => "missing: MoEngage has no segment with this id",
    }
}

fn finding(text: &mut String, kind: &str, finding: &FindingDocument, style: Style) {
    let message = escape_unprintable(&finding.message);
    let _ = writeln!(text, "{style}{kind}{style:#}: {message}");
    for origin in &finding.origins {
        let _ = writeln!(text, "  --> {}:{}", file_and_line(origin), origin.column);
    }
    for change in &finding.changes {
        let _ = writeln!(text, "    {}", self::change(change));
    }
    for help in &finding.help {
        let _ = writeln!(text, "  = help: {}", escape_unprintable(help));
    }
    text.push('\n');
}

fn change(change: &ChangeDocument) -> String {
    let mut text = escape_unprintable(&change.path.join(" › "));
    if let Some(field) = &change.field {
        let _ = write!(text, ": {}", escape_unprintable(field));
    }
    let [before, after] = [&change.before, &change.after].map(|value| value_text(value.as_ref()));
    let _ = write!(text, " {before} -> {after}");
    match change.cause.as_deref() {
        Some("remote") => text.push_str(" (drift)"),
        Some("both") => text.push_str(" (drift, and changed in the configuration)"),
        _ => {}
    }
    text
}

fn value_text(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "(none)".to_owned();
    };
    let text = escape_unprintable(&value.to_string());
    match text.char_indices().nth(MAX_VALUE_LENGTH) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}

fn action_symbol(action: &str) -> char {
    match action {
        "create" => '+',
        "archive" => '-',
        "unarchive" => '^',
        _ => '~',
    }
}

const NOT_IN_CONFIGURATION: &str = "not in the configuration";

fn file_and_line(origin: &OriginDocument) -> String {
    format!("{}:{}", escape_unprintable(&origin.file), origin.line)
}

/// Quotes show where a name with spaces begins and ends.
fn quoted(name: &str) -> String {
    format!("\"{}\"", escape_unprintable(name))
}

fn paint(color: bool, with: AnsiColor) -> Style {
    if color { with.on_default() } else { Style::new() }
}
