//! What is too much, and what goes round in circles, in words.

use super::{FindingDocument, location, names, quoted};
use crate::model::SegmentName;
use crate::plan::step::{DeclaredRef, ExceededLimit};

pub(super) fn limit_exceeded(segment: &DeclaredRef, limit: &ExceededLimit) -> FindingDocument {
    let (what, help) = message_and_help(&segment.name, limit);
    let message = format!("`{}` {what}", segment.name);
    let finding = FindingDocument::new("limit", message).with_segment(segment);
    let at = location(segment);
    help.into_iter().fold(finding, |finding, help| {
        finding.with_help(help.replace("{at}", &at))
    })
}

/// What is exceeded, and what to do about it; `{at}` is the segment's place.
fn message_and_help(segment: &SegmentName, limit: &ExceededLimit) -> (String, [&'static str; 3]) {
    match limit {
        ExceededLimit::References { count, limit } => (
            format!("refers to {count} segments, and the service takes {limit}"),
            [
                "put some of them into a segment of their own, and refer to that one at {at}",
                "write the filters of some of them at {at} in place of the references",
                "take references out at {at}",
            ],
        ),
        ExceededLimit::Depth {
            depth: level,
            limit,
            path: way,
        } => {
            let way = format_path(std::iter::once(segment).chain(way));
            (
                format!(
                    "is {level} levels deep with what it refers to, and the service takes {limit}: {way}"
                ),
                [
                    "each reference is a level: write the filters of one of these segments where it is referred to",
                    "a nested group beside a reference is one more level: move its filters up, or drop the group",
                    "refer at {at} to a segment further down that way",
                ],
            )
        }
        ExceededLimit::Length { length, limit } => (
            format!("has {length} characters with everything it refers to, and the service takes {limit}"),
            [
                "refer to less at {at}",
                "shorten what it refers to: long lists of values count each time",
                "split `included_filters` at {at} over two segments that are not referred to together",
            ],
        ),
        ExceededLimit::Cycle { path: way } => (
            format!("refers to itself through a live segment: {}", format_path(way)),
            [
                "take the reference at {at} out",
                "take one of the other references out in the dashboard first",
                "declare the live segments on the way, without the reference that closes the circle",
            ],
        ),
    }
}

/// The segments on a way of references.
fn format_path<'n>(way: impl IntoIterator<Item = &'n SegmentName>) -> String {
    let names: Vec<_> = way.into_iter().map(quoted).collect();
    names.join(" -> ")
}

pub(super) fn cycle(segments: &[DeclaredRef]) -> FindingDocument {
    let message = format!(
        "{} wait for each other, and no step in passing can break the circle",
        names(segments)
    );
    FindingDocument::new("cycle", message)
        .with_segments(segments)
        .with_help("change one of them to a third name and definition first, apply, and then to its own")
        .with_help("leave one of them as it is in the workspace, and make what it should be as a new segment with another name")
}

pub(super) fn active_limit(count: usize, limit: usize) -> FindingDocument {
    let fit = if limit == 1 { "fits" } else { "fit" };
    let message = format!("{count} segments would be active at once, and {limit} {fit}");
    FindingDocument::new("active_limit", message)
        .with_help(format!(
            "archive {} that are not used: `lifecycle: archived` in their files, or in the dashboard those that `segctl pull` \
             lists",
            count - limit
        ))
        .with_help("apply a part of it: `--target NAME`")
        .with_help("if MoEngage raised your limit: `service: {active_limit: …}` in segctl.yaml")
}
