//! What keeps a plan from being applied, and what is likely not meant, in words.

use super::inline::inline;
use super::plan::{ChangeDocument, OriginDocument};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use crate::plan::quota::QuotaRefusal;
use crate::plan::step::{Conflict, Declared, ExceededLimit, Holder, Live, MatchReason, Refusal, Warning};
use serde::{Deserialize, Serialize};

/// A conflict, a refusal or a warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingDocument {
    /// A stable word for the kind of finding.
    pub kind: String,
    /// The segments it is about, declared ones by their declared names.
    pub segments: Vec<String>,
    /// Where they are declared.
    pub origins: Vec<OriginDocument>,
    /// The live segments on the other side, by id.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub holders: Vec<String>,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub help: Vec<String>,
    /// What is lost from the workspace.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<ChangeDocument>,
}

impl FindingDocument {
    fn new(kind: &str, message: String) -> Self {
        Self {
            kind: kind.to_owned(),
            segments: Vec::new(),
            origins: Vec::new(),
            holders: Vec::new(),
            message,
            help: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn of(mut self, segment: &Declared) -> Self {
        // The live segment on the other side may be the declared one itself.
        if !self.segments.contains(&segment.name.to_string()) {
            self.segments.push(segment.name.to_string());
            self.origins.push(OriginDocument::of(&segment.origin));
        }
        self
    }

    fn all(self, segments: &[Declared]) -> Self {
        segments.iter().fold(self, Self::of)
    }

    /// The other side, with its place where it is declared.
    fn with(mut self, holder: &Holder) -> Self {
        self.holders.push(holder.id.to_string());
        match &holder.declared {
            Some(declared) => self.of(declared),
            None => self,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// A conflict in words.
pub(super) fn conflict(conflict: &Conflict) -> FindingDocument {
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

/// A refusal in words: the number, the limit, the flag and the key.
pub(super) fn refusal(refusal: &Refusal) -> FindingDocument {
    let new = FindingDocument::new;
    let shares = |kind: &str, what: &str, (count, of, percent): (usize, usize, u32)| {
        let message =
            format!("{count} of {of} managed segments would be {what}, and the guard is at {percent}%");
        new(&format!("guard_{kind}"), message)
            .help(format!(
                "look at each of them; if they are meant: `--max-{kind}s {}%`",
                (count * 100).div_ceil(of.max(1))
            ))
            .help(format!("for good: `guards: {{{kind}: …%}}` in segctl.yaml"))
    };
    match refusal {
        Refusal::Archives { count, of, percent } => shares("archive", "archived", (*count, *of, *percent)),
        Refusal::Updates { count, of, percent } => shares("update", "updated", (*count, *of, *percent)),
        Refusal::Protected { segment, id, origin } => {
            let message = format!("`{segment}` (id {id}) is protected and would be archived");
            let mut finding = new("protected", message);
            finding.segments.push(segment.to_string());
            finding.origins.extend(origin.as_ref().map(OriginDocument::of));
            match origin {
                Some(_) => finding.help("take `protect: true` out of the file first"),
                None => finding
                    .help("put its file back; to archive it, set `protect: false` there and apply before removing it"),
            }
        }
        Refusal::NothingDeclared { owned } => new(
            "nothing_declared",
            format!(
                "no segment is declared for this workspace, and {} would be archived",
                match owned {
                    1 => "the one that is owned".to_owned(),
                    2 => "both that are owned".to_owned(),
                    _ => format!("all {owned} that are owned"),
                }
            ),
        )
        .help("look whether `segments` in segctl.yaml names the right directory")
        .help("if it is meant: `--allow-empty`"),
        Refusal::ShortList { missing, of, percent } => short_list(*missing, *of, *percent),
    }
}

fn short_list(missing: usize, of: usize, percent: Option<u32>) -> FindingDocument {
    let message = match percent {
        Some(percent) => format!(
            "the service does not list {missing} of {of} segments that the ledger knows to be in use, and the guard \
             is at {percent}%"
        ),
        None => format!(
            "the service lists no segment that is in use, and the ledger knows {missing} that the files have in use"
        ),
    };
    let finding = FindingDocument::new("short_list", message)
        .help("look at the workspace: is it the right one, and does its dashboard show them?")
        .help("if they were archived: `--allow-short-list`");
    match percent {
        Some(_) => finding.help("for good: `guards: {archive: …%}` in segctl.yaml"),
        None => finding,
    }
}

/// A plan that takes longer than it may, in words.
pub(super) fn too_long(over: &QuotaRefusal) -> FindingDocument {
    FindingDocument {
        help: over.help(),
        ..FindingDocument::new("max_duration", over.to_string())
    }
}

/// A warning in words.
pub(super) fn warning(warning: &Warning) -> FindingDocument {
    match warning {
        Warning::LikelyDuplicate { segment, holder } => {
            let message = format!(
                "`{}` has the filters of {} in another form",
                segment.name,
                live_words(holder)
            );
            FindingDocument::new("likely_duplicate", message)
                .of(segment)
                .with(holder)
                .help("the service may refuse it as a duplicate: refer to the other one, or change one of the two")
        }
        Warning::NameInOtherCase { segment, holder } => name_in_other_case(segment, holder),
        Warning::ArchivedAndListed { segments } => archived_and_listed(segments),
        Warning::OverwritesByHand {
            segment,
            target,
            changes,
        } => {
            let name = &segment.name;
            let was = if target.name == *name {
                format!("`{name}` is live already (id {})", target.id)
            } else {
                format!(
                    "`{name}` is live already under the name `{}` (id {})",
                    target.name, target.id
                )
            };
            let message = format!("{was}, segctl did not make it, and applying overwrites it");
            let mut finding = FindingDocument::new("overwrites_by_hand", message)
                .of(segment)
                .help("what it was is kept in the ledger; to keep it in the workspace, put it into the file");
            finding.holders.push(target.id.to_string());
            finding.changes = changes.iter().map(ChangeDocument::of).collect();
            finding
        }
        Warning::StillReferenced { segment, target, by } => still_referenced(segment, target, by),
    }
}

fn name_in_other_case(segment: &Declared, holder: &Holder) -> FindingDocument {
    let message = format!(
        "the name `{}` differs by case only from that of {}",
        segment.name,
        live_words(holder)
    );
    let finding = FindingDocument::new("name_in_other_case", message)
        .of(segment)
        .with(holder)
        .help("whether the service tells them apart is not documented: choose another name");
    match &holder.declared {
        Some(_) => finding,
        None => finding.help(format!(
            "if it is the same segment: `name: {}`",
            inline(&holder.name)
        )),
    }
}

fn archived_and_listed(segments: &[Live]) -> FindingDocument {
    let mut names: Vec<_> = segments
        .iter()
        .take(SHOWN)
        .map(|live| format!("`{}` (id {})", live.name, live.id))
        .collect();
    let (it, lists) = match segments {
        [_] => ("it", "it"),
        _ => ("them", "them all"),
    };
    if let Some(more) = segments.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    let message = format!(
        "the ledger knows {} as archived, and the service lists {lists}: its list shows archived segments, or somebody took {it} out \
         again",
        listed(&names)
    );
    let mut finding = FindingDocument::new("archived_and_listed", message)
        .help(
            "if its list shows archived segments: `service: {list_shows_archived: true}` in segctl.yaml; what the service \
             or a person archives is not seen then",
        )
        .help(format!("if somebody took {it} out: the plan is right as it is"));
    finding
        .segments
        .extend(segments.iter().map(|live| live.name.to_string()));
    finding
        .holders
        .extend(segments.iter().map(|live| live.id.to_string()));
    finding
}

fn still_referenced(segment: &SegmentName, target: &Holder, by: &[Live]) -> FindingDocument {
    let names: Vec<_> = by
        .iter()
        .map(|live| format!("`{}` (id {})", live.name, live.id))
        .collect();
    let (count, verb) = match by {
        [_] => ("a segment that segctl does not manage".to_owned(), "refers"),
        _ => (
            format!("{} segments that segctl does not manage", by.len()),
            "refer",
        ),
    };
    let message = format!(
        "{} would be archived, and {count} {verb} to it: {}",
        live_words(target),
        names.join(", ")
    );
    let mut finding = FindingDocument::new("still_referenced", message)
        .help("what becomes of their members is not documented: look at them in the dashboard first");
    finding.segments.push(segment.to_string());
    finding.holders.push(target.id.to_string());
    finding.holders.extend(by.iter().map(|live| live.id.to_string()));
    finding
}

/// Segments that one message names at most.
const SHOWN: usize = 5;

/// A live segment, told from a declared one of the same name.
fn live_words(holder: &Holder) -> String {
    let state = match holder.lifecycle {
        Lifecycle::Active => "live",
        Lifecycle::Archived => "archived",
    };
    match &holder.declared {
        Some(declared) if declared.name != holder.name => format!(
            "the {state} segment `{}` (id {}, declared as `{}`)",
            holder.name, holder.id, declared.name
        ),
        _ => format!("the {state} segment `{}` (id {})", holder.name, holder.id),
    }
}

/// Declared segments by name.
fn names(segments: &[Declared]) -> String {
    let names: Vec<_> = segments.iter().map(|segment| quoted(&segment.name)).collect();
    listed(&names)
}

/// As in `a`, `b` and `c`.
fn listed(words: &[String]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}

fn quoted(name: &SegmentName) -> String {
    format!("`{name}`")
}
