//! What the API would reject: names and definitions in use, and unknown references.
//!
//! Each conflict names the other segment and its id, and the help lists every resolution that can work. Usually there are
//! three: adopt the other segment, reference it, or change the declaration. A declared segment cannot be adopted, and an
//! archived one cannot be referenced.

mod definitions;
mod references;

use super::actions::ProposedStep;
use super::context::PlanContext;
use super::proposed_finding::{DeclaredRef, ProposedFinding, ProposedFindings, RemoteRef};
use super::step::Code;
use super::uniqueness::UniquenessIndex;
use super::words::{reference_help, rename_help, yaml_name};
use crate::model::{DeclaredSegment, Lifecycle, LookAlikeKey};
use std::collections::BTreeMap;

pub(super) fn find(
    context: PlanContext<'_, '_>,
    steps: &[ProposedStep<'_>],
    uniqueness: &UniquenessIndex<'_>,
    findings: &mut ProposedFindings,
) {
    let checks = Checks {
        context,
        steps,
        uniqueness,
    };
    let ProposedFindings { conflicts, warnings } = findings;
    for step in steps {
        let Some(segment) = step.declared else { continue };
        conflicts.extend(checks.name_taken(step, segment));
        conflicts.extend(checks.former_name_taken(step, segment));
        let taken = checks.definition_taken(step, segment);
        if taken.is_empty() {
            warnings.extend(checks.likely_duplicate(step, segment));
        }
        conflicts.extend(taken);
    }
    conflicts.extend(definitions::shared(steps));
    warnings.extend(checks.look_alike_names());
    conflicts.extend(checks.references());
    warnings.extend(checks.still_referenced());
}

struct Checks<'s, 'a> {
    context: PlanContext<'s, 'a>,
    steps: &'s [ProposedStep<'a>],
    uniqueness: &'s UniquenessIndex<'a>,
}

impl Checks<'_, '_> {
    fn name_taken(&self, step: &ProposedStep<'_>, segment: &DeclaredSegment) -> Option<ProposedFinding> {
        let remote = self.uniqueness.name_holder(step)?;
        let holder = self.context.matching.remote_ref(remote);
        match self.uniqueness.step_releasing_name(remote, self.steps) {
            Some(_) if self.uniqueness.renames_free_names() => None,
            Some(_) => Some(name_reserved(segment.into(), &holder)),
            None => Some(name_taken(segment.into(), &holder)),
        }
    }

    fn former_name_taken(
        &self,
        step: &ProposedStep<'_>,
        segment: &DeclaredSegment,
    ) -> Option<ProposedFinding> {
        let id = self.uniqueness.reserved_name_holder(step)?;
        let holder = match self.context.input.observed.segments.get(id) {
            Some(remote) => self.context.matching.remote_ref(remote),
            None => RemoteRef {
                id,
                name: step.name,
                lifecycle: Lifecycle::Archived,
                declared: None,
            },
        };
        Some(name_reserved(segment.into(), &holder))
    }

    /// Remote segments that keep a name which looks like a new name.
    fn look_alike_names(&self) -> Vec<ProposedFinding> {
        let mut by_look: BTreeMap<LookAlikeKey, Vec<&ProposedStep<'_>>> = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.acquires_name()) {
            by_look.entry(step.name.look_alike_key()).or_default().push(step);
        }
        if by_look.is_empty() {
            return Vec::new();
        }
        let mut warnings = Vec::new();
        for remote in self.context.input.observed.segments.values() {
            let steps = by_look.get(&remote.name.look_alike_key());
            for step in steps.into_iter().flatten() {
                let is_own = step.remote.is_some_and(|own| own.id == remote.id);
                let is_other = !is_own && step.name != &remote.name;
                if is_other && self.uniqueness.step_releasing_name(remote, self.steps).is_none() {
                    let holder = self.context.matching.remote_ref(remote);
                    let segment = step.declared.map(DeclaredRef::from);
                    warnings.extend(segment.map(|segment| looks_alike(segment, &holder)));
                }
            }
        }
        warnings
    }
}

fn name_taken(segment: DeclaredRef<'_>, holder: &RemoteRef<'_>) -> ProposedFinding {
    let (name, at) = (segment.name, segment.file_and_line());
    let message = format!("the name `{name}` is already used by {holder}");
    let conflict = ProposedFinding::new(Code::NameTaken, message)
        .about(segment)
        .held_by(holder);
    match holder.declared {
        Some(declared) => conflict.help(rename_help(segment)).help(format!(
            "if it is the same segment: remove `{}` from {}, and remove `id` and `previous_names` from `{name}` at {at}",
            declared.name,
            declared.file_and_line()
        )),
        None => conflict
            .help(format!(
                "if it is the same segment: remove `previous_names` from `{name}` at {at}, and set `id: {}`",
                holder.id
            ))
            .helps(reference_help(segment, holder))
            .help(rename_help(segment)),
    }
}

/// The holder had the name or frees it, but the API may not allow its reuse.
fn name_reserved(segment: DeclaredRef<'_>, holder: &RemoteRef<'_>) -> ProposedFinding {
    let (name, at) = (segment.name, segment.file_and_line());
    let has_name = holder.name == name;
    let used = if has_name { "currently" } else { "previously" };
    let message = format!("`{name}` needs the name {used} used by {holder}; a name can never be reused");
    let help = match holder.declared {
        Some(declared) if has_name => format!(
            "keep the names and swap the definitions: set `id: {}` in `{name}` at {at}; remove `id`, and `{}` from \
             `previous_names`, in `{}` at {}",
            holder.id,
            yaml_name(name),
            declared.name,
            declared.file_and_line()
        ),
        Some(declared) => format!(
            "if `{name}` is the same segment: remove `{}` from {}, and set `id: {}` at {at}",
            declared.name,
            declared.file_and_line(),
            holder.id
        ),
        None => format!("if `{name}` is the same segment: set `id: {}` at {at}", holder.id),
    };
    ProposedFinding::new(Code::NameReserved, message)
        .about(segment)
        .held_by(holder)
        .help(rename_help(segment))
        .help(help)
        .help(
            "if your workspace frees the old name of a renamed segment: set `api_behavior: {rename_frees_names: true}` in \
             segctl.yaml; the API does not document it",
        )
}

fn looks_alike(segment: DeclaredRef<'_>, holder: &RemoteRef<'_>) -> ProposedFinding {
    let names = format!("the names of `{}` and {holder}", segment.name);
    let (code, message, help) = if segment.name.differs_by_case_only(holder.name) {
        (
            Code::NameDiffersInCase,
            format!("{names} differ only in case"),
            "choose another name: the API does not document whether names are case-sensitive",
        )
    } else {
        let difference = segment.name.difference_from(holder.name);
        (
            Code::NameLooksAlike,
            format!("{names} look the same; they differ {difference}"),
            "choose another name: readers cannot tell the two apart, and a name can never be reused",
        )
    };
    let undeclared = holder.declared.is_none();
    let same = undeclared.then(|| {
        format!(
            "if it is the same segment: set `name: {}`",
            yaml_name(holder.name)
        )
    });
    ProposedFinding::new(code, message)
        .about(segment)
        .held_by(holder)
        .help(help)
        .helps(same)
}
