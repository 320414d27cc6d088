//! Conflicts in words.

use super::super::inline::inline;
use super::{FindingDocument, listed, live_words, names, quoted};
use crate::model::{SegmentId, SegmentName};
use crate::plan::step::{Conflict, Declared, ExceededLimit, Holder, MatchReason};

/// A conflict in words.
pub(in super::super) fn conflict(conflict: &Conflict) -> FindingDocument {
    let new = FindingDocument::new;
    match conflict {
        Conflict::KindTaken {
            segment,
            holder,
            kind,
        } => {
            let message = format!(
                "the name `{}` belongs to a segment of the kind {kind} (id {})",
                segment.name, holder.id
            );
            new("kind_taken", message)
                .of(segment)
                .with(holder)
                .help("names are never free again: write another `name`")
                .help(format!(
                    "if the segment is not needed: take {} away",
                    segment.origin.file
                ))
        }
        Conflict::DefinitionTaken { segment, holder } => definition_taken(segment, holder),
        Conflict::DefinitionShared { segments } => definition_shared(segments),
        Conflict::UnknownReference { segment, reference } => {
            let message = format!(
                "`{}` refers to `{reference}`, which is neither declared nor live",
                segment.name
            );
            new("unknown_reference", message)
                .of(segment)
                .help(format!(
                    "declare it: a segment file with `name: {}`",
                    inline(reference)
                ))
                .help("if another one is meant: correct `name` in the `custom_segments` filter")
                .help("if none is needed: take that filter out")
        }
        Conflict::OrphanReferenced { segment, target } => {
            let message = format!(
                "`{}` refers to {}, which is owned, which no file declares, and which would be archived",
                segment.name,
                live_words(target)
            );
            new("orphan_referenced", message)
                .of(segment)
                .with(target)
                .help(format!(
                    "keep it: `segctl pull \"{}\"` writes a file for it",
                    target.name
                ))
                .help(format!("let it go: drop the reference from `{}`", segment.name))
        }
        Conflict::NameTaken { segment, holder } => name_taken(segment, holder),
        Conflict::NameReserved { segment, holder } => name_reserved(segment, holder),
        Conflict::SharedTarget {
            segments,
            target,
            matched_by,
        } => shared_target(segments, target, *matched_by),
        Conflict::AmbiguousTarget { segment, targets } => ambiguous_target(segment, targets),
        Conflict::PreviousNameLive {
            segment,
            target,
            other,
        } => previous_name_live(segment, target, other),
        Conflict::UnknownId { segment, id } => {
            let message = format!(
                "`{}` says that it is the segment with the id {id}, and there is none",
                segment.name
            );
            new("unknown_id", message).of(segment).help(
                "correct `id`, or take it out: without it, the segment is found by the ledger and by name",
            )
        }
        Conflict::AdoptionRefused { segment, target } => {
            let message = format!(
                "`{}` is live (id {}) and was not made by segctl, and this workspace refuses adoption",
                segment.name, target.id
            );
            new("adoption_refused", message)
                .of(segment)
                .with(target)
                .help(format!("adopt this one: add `id: {}` to the file", target.id))
                .help("adopt all of them: `adoption: allow` in segctl.yaml")
                .help("if the ledger was lost: `segctl ledger rebuild`")
        }
        Conflict::Limit { segment, limit } => {
            let (what, help) = exceeded(&segment.name, limit);
            new("limit", format!("`{}` {what}", segment.name))
                .of(segment)
                .help(help)
        }
        Conflict::Cycle { segments } => {
            let message = format!(
                "{} wait for each other, and no step in passing can break the circle",
                names(segments)
            );
            new("cycle", message)
                .all(segments)
                .help("change one of them to a third name and definition first, apply, and then to its own")
        }
        Conflict::ActiveLimit { count, limit } => {
            let fit = if *limit == 1 { "fits" } else { "fit" };
            let message = format!("{count} segments would be active at once, and {limit} {fit}");
            new("active_limit", message)
                .help("archive segments that are not used")
                .help("if MoEngage raised your limit: `service: {active_limit: …}` in segctl.yaml")
        }
    }
}

fn definition_shared(segments: &[Declared]) -> FindingDocument {
    let message = format!(
        "{} have one definition: what they refer to is the same in this workspace",
        names(segments)
    );
    let (others, rest) = match segments {
        [_, _] => ("the other one is", "the definition of one of them"),
        _ => ("the others are", "the definitions of all of them but one"),
    };
    FindingDocument::new("definition_shared", message)
        .all(segments)
        .help(format!("keep one of them, and refer to it where {others} used"))
        .help(format!("change {rest}"))
}

fn definition_taken(segment: &Declared, holder: &Holder) -> FindingDocument {
    let message = format!(
        "`{}` has the very definition of {}",
        segment.name,
        live_words(holder)
    );
    let finding = FindingDocument::new("definition_taken", message)
        .of(segment)
        .with(holder);
    let (name, holder_name) = (&segment.name, &holder.name);
    let finding = match &holder.declared {
        Some(declared) => finding.help(format!(
            "if `{name}` is a new name for `{}`: remove that one and add `previous_names: [{}]` to `{name}`",
            declared.name,
            inline(holder_name)
        )),
        None => finding.help(format!(
            "adopt it: add `id: {}` to `{name}`, and it is renamed with its id kept",
            holder.id
        )),
    };
    finding
        .help(format!(
            "refer to it: `{{filter_type: custom_segments, name: {}}}` where `{name}` is used",
            inline(holder_name)
        ))
        .help(format!("change the definition of `{name}`"))
}

fn shared_target(segments: &[Declared], target: &SegmentId, matched_by: MatchReason) -> FindingDocument {
    let (mean, but) = match segments {
        [_, _] => ("both mean", "one of them"),
        _ => ("all mean", "all of them but one"),
    };
    let message = format!("{} {mean} the live segment with the id {target}", names(segments));
    FindingDocument::new("shared_target", message)
        .all(segments)
        .help(match matched_by {
            MatchReason::Id => format!("take `id` out of {but}"),
            _ => format!("take its name out of `previous_names` of {but}"),
        })
}

fn ambiguous_target(segment: &Declared, targets: &[Holder]) -> FindingDocument {
    let message = format!(
        "`{}` means more than one live segment: {}",
        segment.name,
        listed(&targets.iter().map(live_words).collect::<Vec<_>>())
    );
    let finding = FindingDocument::new("ambiguous_target", message).of(segment);
    let finding = targets.iter().fold(finding, FindingDocument::with);
    let name = &segment.name;
    let (named, others): (Vec<_>, Vec<_>) = targets.iter().partition(|live| live.name == *name);
    let [own] = named.as_slice() else {
        let ids: Vec<_> = targets.iter().map(|live| format!("`id: {}`", live.id)).collect();
        return finding.help(format!("say which one in the file: {}", ids.join(" or ")));
    };
    // Its name stays its own, so the other one can only have a third.
    let finding = finding.help(format!("if `{name}` is meant: add `id: {}` to the file", own.id));
    others.into_iter().fold(finding, |finding, other| {
        finding.help(format!(
            "if `{}` is meant: write another `name`, since the live segment `{name}` keeps its own, and add `id: {}`",
            other.name, other.id
        ))
    })
}

fn previous_name_live(segment: &Declared, target: &Holder, other: &Holder) -> FindingDocument {
    let message = format!(
        "`{}` is the live segment with the id {}, and {}, which is owned and which no file declares, has one of its \
         previous names",
        segment.name,
        target.id,
        live_words(other)
    );
    FindingDocument::new("previous_name_live", message)
        .of(segment)
        .with(target)
        .with(other)
        .help(format!(
            "keep it: `segctl pull \"{}\"` writes a file for it",
            other.name
        ))
        .help(format!(
            "let it go: take `{}` out of `previous_names` of `{}`, and it is archived",
            other.name, segment.name
        ))
}

fn name_taken(segment: &Declared, holder: &Holder) -> FindingDocument {
    let name = &segment.name;
    let message = format!("`{name}` cannot have its name: {} has it", live_words(holder));
    let finding = FindingDocument::new("name_taken", message)
        .of(segment)
        .with(holder);
    let finding = match &holder.declared {
        Some(_) => finding,
        None => finding.help(format!(
            "if it is the same segment: take `id` and `previous_names` out of the file, or say `id: {}`",
            holder.id
        )),
    };
    finding.help("names are unique in a workspace, archived segments too: choose another name")
}

fn name_reserved(segment: &Declared, holder: &Holder) -> FindingDocument {
    let name = &segment.name;
    let message = format!(
        "`{name}` wants a name that {} gives up, and a name that was given up may stay reserved for ever",
        live_words(holder)
    );
    FindingDocument::new("name_reserved", message)
        .of(segment)
        .with(holder)
        .help(format!("choose another name for `{name}`"))
        .help("leave the names where they are and exchange the definitions instead")
        .help(
            "if renames free names in your workspace: `service: {rename_frees_names: true}` in segctl.yaml; it is not \
             documented",
        )
}

fn exceeded(segment: &SegmentName, limit: &ExceededLimit) -> (String, &'static str) {
    match limit {
        ExceededLimit::References { count, limit } => (
            format!("refers to {count} segments, and the service takes {limit}"),
            "put some of them into a segment",
        ),
        ExceededLimit::Level { level, limit, way } => {
            let way = arrows(std::iter::once(segment).chain(way));
            (
                format!(
                    "is {level} levels deep with what it refers to, and the service takes {limit}: {way}"
                ),
                "each reference is a level, and a nested group beside one is one more: move filters up the way, or drop such \
                 a group",
            )
        }
        ExceededLimit::Length { length, limit } => (
            format!("has {length} characters with everything it refers to, and the service takes {limit}"),
            "refer to less",
        ),
        ExceededLimit::Circle { way } => (
            format!("refers to itself through a live segment: {}", arrows(way)),
            "take one of these references out; a live segment has to be changed first, or declared",
        ),
    }
}

/// The segments on a way of references.
fn arrows<'n>(way: impl IntoIterator<Item = &'n SegmentName>) -> String {
    let names: Vec<_> = way.into_iter().map(quoted).collect();
    names.join(" -> ")
}
