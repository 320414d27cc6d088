//! Conflicts over names in words.

use super::{FindingDocument, at, inline, live_words, refer_instead, rename};
use crate::model::{Keyword, SegmentKind};
use crate::plan::step::{Declared, Holder};

pub(super) fn kind_taken(
    (segment, declared_kind): (&Declared, SegmentKind),
    holder: &Holder,
    kind: &str,
) -> FindingDocument {
    let message = format!(
        "the name `{}` belongs to a segment of the kind {kind} (id {})",
        holder.name, holder.id
    );
    let finding = FindingDocument::new("kind_taken", message)
        .of(segment)
        .with(holder);
    let finding = if holder.name == segment.name {
        finding.help(format!(
            "choose another name: `name` of `{}` at {}; names are never free again",
            segment.name,
            at(segment)
        ))
    } else {
        finding.help(format!(
            "if a {} segment is meant: take `id` and `previous_names` out of `{}` at {}",
            declared_kind.as_str(),
            segment.name,
            at(segment)
        ))
    };
    finding.helps(refer_instead(segment, holder)).help(format!(
        "if the segment is not needed: take {} away",
        segment.origin.file
    ))
}

pub(super) fn cannot_rename(segment: &Declared, target: &Holder) -> FindingDocument {
    let message = format!(
        "`{}` is {}, and the API renames filter segments only",
        segment.name,
        live_words(target)
    );
    FindingDocument::new("cannot_rename", message)
        .of(segment)
        .with(target)
        .help(format!(
            "if it is the same segment: say `name: {}` at {}",
            inline(target.name.as_str()),
            at(segment)
        ))
        .help(format!(
            "if another one is meant: take `id` out of {}",
            at(segment)
        ))
}

pub(super) fn taken(segment: &Declared, holder: &Holder) -> FindingDocument {
    let name = &segment.name;
    let message = format!("`{name}` cannot have its name: {} has it", live_words(holder));
    let finding = FindingDocument::new("name_taken", message)
        .of(segment)
        .with(holder);
    match &holder.declared {
        Some(declared) => finding.help(rename(segment)).help(format!(
            "if it is the same segment: take `{}` out of {}, and `id` and `previous_names` out of `{name}` at {}",
            declared.name,
            at(declared),
            at(segment)
        )),
        None => finding
            .help(format!(
                "if it is the same segment: take `previous_names` out of `{name}` at {}, and say `id: {}`",
                at(segment),
                holder.id
            ))
            .helps(refer_instead(segment, holder))
            .help(rename(segment)),
    }
}

pub(super) fn reserved(segment: &Declared, holder: &Holder) -> FindingDocument {
    let name = &segment.name;
    let gives_up = if holder.name == *name {
        format!(
            "`{name}` wants a name that {} gives up, and a name that was given up may stay reserved for ever",
            live_words(holder)
        )
    } else {
        format!(
            "`{name}` wants a name that {} had before, and a name that was given up may stay reserved for ever",
            live_words(holder)
        )
    };
    let finding = FindingDocument::new("name_reserved", gives_up)
        .of(segment)
        .with(holder)
        .help(rename(segment));
    let finding = match &holder.declared {
        Some(declared) if holder.name == *name => finding.help(format!(
            "leave the name where it is and change the definitions: `id: {}` in `{name}` at {}, and no `id` and no `{}` in \
             `previous_names` of `{}` at {}",
            holder.id,
            at(segment),
            inline(name.as_str()),
            declared.name,
            at(declared)
        )),
        Some(declared) => finding.help(format!(
            "if `{name}` is that segment again: take `{}` out of {}, and say `id: {}` at {}",
            declared.name,
            at(declared),
            holder.id,
            at(segment)
        )),
        None => finding.help(format!(
            "if `{name}` is that segment again: say `id: {}` at {}",
            holder.id,
            at(segment)
        )),
    };
    finding.help(
        "if renames free names in your workspace: `service: {rename_frees_names: true}` in segctl.yaml; it is not \
         documented",
    )
}
