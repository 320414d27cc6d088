//! Findings about segments that segctl cannot read.

use super::{FindingDocument, quoted};
use crate::model::{Origin, SegmentId, SegmentName, UnreadableRow};
use crate::plan::step::UnreadableRef;
use crate::render::json::origin::OriginDocument;
use crate::render::phrases::{count_noun, join_limited};
use crate::render::shell_commands;

pub(super) fn unreadable_segment(
    (segment, origin): (&SegmentName, Option<&Origin>),
    id: Option<&SegmentId>,
    reason: &str,
) -> FindingDocument {
    let id_text = id.map_or_else(|| "id unknown".to_owned(), |id| format!("id {id}"));
    let message = format!(
        "cannot read {} ({id_text}) in MoEngage: {reason}; segctl neither changes it nor creates it again",
        quoted(segment)
    );
    let mut finding = FindingDocument::new("unreadable_segment", message)
        .with_help(
            "open the segment in the dashboard and save it again, with another name if the name is the reason",
        )
        .with_help(format!(
            "to apply the changes of the other segments: `{}`",
            shell_commands::apply_excluding(segment)
        ));
    finding.segments.push(segment.to_string());
    finding.origins.extend(origin.map(OriginDocument::of));
    finding.remote_ids.extend(id.map(ToString::to_string));
    finding
}

pub(super) fn unreadable_rows(rows: &[UnreadableRow]) -> FindingDocument {
    let message = format!(
        "cannot read {} of the segment list: {}",
        count_noun(rows.len(), "row"),
        join_limited(rows.iter().map(describe_row))
    );
    let mut finding = FindingDocument::new("unreadable_rows", message).with_help(
        "segctl does not change these segments, and campaigns that use them are not affected; the plan of the other segments \
         is complete",
    );
    if rows.iter().any(|row| row.id.is_none()) {
        finding = finding.with_help(
            "a row without an id may be a managed segment that the list seems to lack: check the steps that unarchive or create",
        );
    }
    let ids = rows.iter().filter_map(|row| row.id.as_ref());
    finding.remote_ids = ids.map(ToString::to_string).collect();
    finding
}

pub(super) fn unreadable_segments(segments: &[UnreadableRef]) -> FindingDocument {
    let described = segments.iter().map(|unreadable| {
        let (segment, reason) = (&unreadable.segment, &unreadable.reason);
        format!("{} (id {}): {reason}", quoted(&segment.name), segment.id)
    });
    let message = format!(
        "cannot read {}: {}",
        count_noun(segments.len(), "unmanaged segment"),
        join_limited(described)
    );
    let mut finding = FindingDocument::new("unreadable_segments", message).with_help(
        "the plan does not know their definitions: if a planned definition equals one of them, MoEngage rejects that step",
    );
    let refs = segments.iter().map(|unreadable| &unreadable.segment);
    finding.segments = refs.clone().map(|segment| segment.name.to_string()).collect();
    finding.remote_ids = refs.map(|segment| segment.id.to_string()).collect();
    finding
}

/// Such as "row 3 (id 65f…): `name` is null".
fn describe_row(row: &UnreadableRow) -> String {
    let id = row.id.as_ref().map(|id| format!("id {id}"));
    let name = row.name.as_ref().map(quoted);
    let identity: Vec<String> = name.into_iter().chain(id).collect();
    let identity = match identity.as_slice() {
        [] => String::new(),
        known => format!(" ({})", known.join(", ")),
    };
    format!("row {}{identity}: {}", row.position, row.reason)
}
