//! Plans, drift, history and run reports as text for people.
//!
//! The rules of the output:
//!
//! 1. A step is one line with its mark in the first column: `+` create, `~` update, `-` archive, `^` unarchive; `=` is an
//!    adoption without changes, `!` is drift. Lines about the step follow, indented by four columns.
//! 2. What comes or goes is whole: the definition of a created segment, and each filter or value that is added or
//!    removed. It is YAML as in segment files, and each line has its mark in the first column. So a `diff` block of a pull
//!    request colors steps and definitions alike, and only steps have a mark, a space and a word.
//! 3. A change has its path. A value that changed shows what distinguishes old and new, whatever its length: the elements
//!    of a list that come and go, the texts around their first difference, the code points of letters that look alike.
//!    More elements than a reader can use are counted. JSON has everything.
//! 4. With `--compact`, a step is its first line.
//! 5. The last line is the summary: what the plan does, or everything that blocks it.
//! 6. Color repeats the marks and is never the only signal. Text from files and from MoEngage is escaped.

mod change;
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
pub use plan::{blocked, plan};
pub use run_report::{outcome, run_summary};
pub use state::state;

use crate::diagnostic::phrases::count_noun;
use crate::model::{Origin, escape_unprintable};
use crate::plan::step::{Finding, LifecycleDrift};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextOptions {
    pub color: bool,
    /// One line for each step.
    pub compact: bool,
}

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

fn finding(text: &mut String, kind: &str, finding: &Finding, style: Style) {
    let message = escape_unprintable(&finding.message);
    let _ = writeln!(text, "{style}{kind}{style:#}: {message}");
    for origin in &finding.origins {
        let _ = writeln!(text, "  --> {}:{}", file_and_line(origin), origin.column);
    }
    for help in &finding.help {
        let _ = writeln!(text, "  = help: {}", escape_unprintable(help));
    }
    text.push('\n');
}

fn action_symbol(action: &str) -> char {
    match action {
        "create" => '+',
        "archive" => '-',
        "unarchive" => '^',
        _ => '~',
    }
}

/// Temporary changes are counted apart, in a plan and after it.
fn temporary_changes(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(" ({})", count_noun(count, "temporary change")),
    }
}

const NOT_IN_CONFIGURATION: &str = "not in the configuration";

fn file_and_line(origin: &Origin) -> String {
    format!("{}:{}", escape_unprintable(&origin.file), origin.line)
}

/// Quotes show where a name with spaces begins and ends.
fn quoted(name: &str) -> String {
    format!("\"{}\"", escape_unprintable(name))
}

fn paint(color: bool, with: AnsiColor) -> Style {
    if color { with.on_default() } else { Style::new() }
}
