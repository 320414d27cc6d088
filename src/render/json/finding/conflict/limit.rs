//! Exceeded limits and cycles.

use super::{FindingDocument, location, names, quoted};
use crate::model::SegmentName;
use crate::plan::step::{DeclaredRef, ExceededLimit, RemoteRef};
use crate::render::phrases::join_with_and;
use crate::render::shell_commands;

pub(super) fn reference_limit(segment: &DeclaredRef, limit: &ExceededLimit) -> FindingDocument {
    let at = location(segment);
    let (problem, help) = problem_and_help(&segment.name, limit);
    let help = help.into_iter().map(|help| help.replace("{at}", &at));
    let finding = FindingDocument::new("reference_limit", format!("`{}` {problem}", segment.name));
    let finding = finding.with_segment(segment);
    let ExceededLimit::Cycle { unwritten, .. } = limit else {
        return finding.with_helps(help);
    };
    unwritten
        .iter()
        .fold(finding, FindingDocument::with_remote)
        .with_helps(
            unwritten
                .iter()
                .filter_map(|remote| unwritten_help(segment, remote)),
        )
        .with_helps(help)
}

/// A declared segment may lose the reference by its own step, which the plan does not contain.
fn unwritten_help(segment: &DeclaredRef, remote: &RemoteRef) -> Option<String> {
    let declared = remote.declared.as_ref()?;
    Some(format!(
        "if `{}` at {} removes the reference: `{}` shows the conflict that keeps it out of this plan; resolve it, and plan \
         both with `{}`",
        declared.name,
        location(declared),
        shell_commands::plan_targets(&[&declared.name]),
        shell_commands::plan_targets(&[&segment.name, &declared.name])
    ))
}

/// `{at}` in the help is the segment's location.
fn problem_and_help(segment: &SegmentName, limit: &ExceededLimit) -> (String, [&'static str; 3]) {
    match limit {
        ExceededLimit::References { count, limit } => (
            format!("references {count} segments; the limit is {limit}"),
            [
                "move some of the references to a segment of their own, and reference that one at {at}",
                "copy the filters of some of the segments to {at} in place of the references",
                "remove references at {at}",
            ],
        ),
        ExceededLimit::Depth { depth, limit, path } => {
            let path = format_path(std::iter::once(segment).chain(path));
            (
                format!("is {depth} levels deep including its references; the limit is {limit}: {path}"),
                [
                    "each reference is a level: copy the filters of one of these segments in place of the reference to it",
                    "a nested group beside a reference is one more level: move its filters up, or remove the group",
                    "at {at}, reference a segment further down that path",
                ],
            )
        }
        ExceededLimit::Length { length, limit } => (
            format!("has {length} characters including its references; the limit is {limit}"),
            [
                "remove references at {at}",
                "shorten the referenced segments: long lists of values count at every reference",
                "split `included_filters` at {at} into two segments that are not referenced together",
            ],
        ),
        ExceededLimit::Cycle { path, unwritten } => (
            match unwritten.as_slice() {
                [] => format!("references itself: {}", format_path(path)),
                _ => format!(
                    "references itself through {}: {}",
                    join_with_and(&unwritten.iter().map(describe_unwritten).collect::<Vec<_>>()),
                    format_path(path)
                ),
            },
            [
                "remove the reference at {at}",
                "remove one of the other references in the dashboard first",
                "declare the existing segments of the cycle, without the reference that closes it",
            ],
        ),
    }
}

fn describe_unwritten(remote: &RemoteRef) -> String {
    match &remote.declared {
        Some(declared) => format!(
            "the definition that `{}` (id {}) has in MoEngage and this plan does not change",
            declared.name, remote.id
        ),
        None => format!("the existing segment `{}` (id {})", remote.name, remote.id),
    }
}

fn format_path<'n>(path: impl IntoIterator<Item = &'n SegmentName>) -> String {
    let names: Vec<_> = path.into_iter().map(quoted).collect();
    names.join(" -> ")
}

pub(super) fn cycle(segments: &[DeclaredRef], waiting: &[SegmentName]) -> FindingDocument {
    let mut message = format!(
        "{} form a cycle that cannot be resolved automatically",
        names(segments)
    );
    if !waiting.is_empty() {
        let waiting: Vec<_> = waiting.iter().map(quoted).collect();
        message = format!(
            "{message}; the changes of {} wait for it",
            join_with_and(&waiting)
        );
    }
    FindingDocument::new("cycle", message)
        .with_segments(segments)
        .with_help(
            "give one of them a temporary name and definition, apply, then set the final ones and apply again",
        )
        .with_help("leave one of them as it is in MoEngage, and declare its new version under another name")
}

pub(super) fn active_limit(count: usize, limit: usize) -> FindingDocument {
    let message = format!(
        "{count} segments would be active at once, which exceeds the limit of {limit} active segments"
    );
    let unused = match count - limit {
        1 => "1 unused segment".to_owned(),
        over => format!("{over} unused segments"),
    };
    FindingDocument::new("active_limit", message)
        .with_help(format!(
            "archive {unused}: a declared one with `lifecycle: archived`, an unmanaged one (see `segctl import`) in the \
             dashboard"
        ))
        .with_help("apply a part of the plan: `--target NAME`")
        .with_help("if MoEngage raised your limit: set `api_behavior: {active_limit: …}` in segctl.yaml")
}
