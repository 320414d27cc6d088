//! Conflicts over definitions in words.

use super::{FindingDocument, at, inline, live_words, names, refer_instead};
use crate::model::SegmentId;
use crate::plan::step::{Declared, Holder};

pub(super) fn taken(segment: &Declared, holder: &Holder, target: Option<&SegmentId>) -> FindingDocument {
    let name = &segment.name;
    let message = format!("`{name}` has the very definition of {}", live_words(holder));
    let finding = FindingDocument::new("definition_taken", message)
        .of(segment)
        .with(holder);
    // What is live already stays what it is, and cannot become the other one.
    let finding = match (&holder.declared, target) {
        (Some(declared), None) => finding.help(format!(
            "if `{name}` is a new name for `{}`: take that one out of {}, and add `previous_names: [{}]` to `{name}` at {}",
            declared.name,
            at(declared),
            inline(holder.name.as_str()),
            at(segment)
        )),
        (None, None) => finding.help(format!(
            "adopt it: add `id: {}` to `{name}` at {}, and it is renamed with its id kept",
            holder.id,
            at(segment)
        )),
        (Some(declared), Some(_)) => finding.help(format!(
            "give `{}` another definition first: change it at {} while it is in use, and apply",
            declared.name,
            at(declared)
        )),
        (None, Some(_)) => finding.help(format!(
            "if the other one is not needed: give it another definition in the dashboard, or archive it there; `{name}` is \
             live with the id of its own and cannot become it"
        )),
    };
    finding
        .helps(refer_instead(segment, holder))
        .help(change(segment))
}

pub(super) fn shared(segments: &[Declared]) -> FindingDocument {
    let message = format!(
        "{} have one definition: what they refer to is the same in this workspace",
        names(segments)
    );
    let (others, rest) = match segments {
        [_, _] => ("the other one is", "one of them"),
        _ => ("the others are", "all of them but one"),
    };
    FindingDocument::new("definition_shared", message)
        .all(segments)
        .help(format!("keep one of them, and refer to it where {others} used"))
        .help(format!(
            "change the definition of {rest}: any value, operator or filter; another name or another spelling of a \
             reference does not make it another one"
        ))
        .help(format!("put {rest} away: `lifecycle: archived`"))
}

/// What makes a definition another one.
fn change(segment: &Declared) -> String {
    format!(
        "change the definition of `{}` at {}: any value, operator or filter in `included_filters` or `excluded_filters`; \
         another name does not make it another one",
        segment.name,
        at(segment)
    )
}
