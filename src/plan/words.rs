//! The words that several checks share.

use super::proposed_finding::{DeclaredRef, RemoteRef};
use super::step::{MatchReason, SegmentRef};
use crate::diagnostic::phrases::{join_limited, join_with_and};
use crate::diagnostic::shell_commands;
use crate::diagnostic::yaml_scalar::yaml_scalar;
use crate::model::{Lifecycle, SegmentName};

/// As in `a`, `b` and `c`.
pub(super) fn names<'a>(segments: impl IntoIterator<Item = DeclaredRef<'a>>) -> String {
    let names = segments.into_iter().map(|segment| quoted(segment.name));
    join_with_and(&names.collect::<Vec<_>>())
}

pub(super) fn quoted(name: &SegmentName) -> String {
    format!("`{name}`")
}

/// For use in braces and brackets of YAML.
pub(super) fn yaml_name(name: &SegmentName) -> String {
    yaml_scalar(name.as_str())
}

pub(super) fn name_and_id(segment: &SegmentRef) -> String {
    format!("`{}` (id {})", segment.name, segment.id)
}

/// The first names, and how many more there are.
pub(super) fn list_segments(segments: &[SegmentRef]) -> String {
    join_limited(segments.iter().map(name_and_id))
}

pub(super) fn it(segments: &[SegmentRef]) -> &'static str {
    if segments.len() == 1 { "it" } else { "them" }
}

pub(super) fn is(segments: &[SegmentRef]) -> &'static str {
    if segments.len() == 1 { "is" } else { "are" }
}

/// Referencing an active segment instead of declaring the same one again.
pub(super) fn reference_help(segment: DeclaredRef<'_>, holder: &RemoteRef<'_>) -> Option<String> {
    let (name, at) = (segment.name, segment.file_and_line());
    let help = if holder.name == name {
        format!(
            "to use the existing segment: remove `{name}` from {at}; references to that name then mean it"
        )
    } else {
        format!(
            "to use the existing segment: remove `{name}` from {at}, and replace references to it with \
             `{{filter_type: custom_segments, name: {}}}`",
            yaml_name(holder.name)
        )
    };
    (holder.lifecycle == Lifecycle::Active).then_some(help)
}

pub(super) fn rename_help(segment: DeclaredRef<'_>) -> String {
    format!(
        "choose another `name` for `{}` at {}; names are unique in a workspace, including archived segments",
        segment.name,
        segment.file_and_line()
    )
}

pub(super) fn import_help(name: &SegmentName) -> String {
    format!(
        "keep managing it: write a file for it with `{}`",
        shell_commands::import(name)
    )
}

pub(super) fn stop_managing_help(managed_by: &[MatchReason]) -> String {
    let changes = managed_by.iter().filter_map(|reason| match reason {
        MatchReason::RemovedFromConfiguration(name) => Some(format!("`{}`", shell_commands::state_rm(name))),
        MatchReason::Pattern(pattern) => Some(format!(
            "remove or narrow `{pattern}` in `manages` in segctl.yaml"
        )),
        _ => None,
    });
    format!(
        "stop managing it: {}; segctl then ignores it",
        join_with_and(&changes.collect::<Vec<_>>())
    )
}
