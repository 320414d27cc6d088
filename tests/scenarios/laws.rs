//! Rules for every segment at the end of a scenario: its name was declared or set in the dashboard, and so was its
//! definition. A temporary name or definition of a plan breaks these rules.

use super::repository::{Repository, WORKSPACE};
use super::workspace::{members, name, payload, segments};
use segctl::config::settings::parse_settings;
use segctl::config::{load, source};
use segctl::definition::{Digest, Digests, Identities};
use segctl::model::{
    Contents, DeclaredSegment, Lifecycle, MemberSource, Payload, SegmentId, SegmentName, UserListSource,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// The names and definitions so far, by source.
#[derive(Default)]
pub(super) struct History {
    /// The definitions that dashboard users gave each segment, by id.
    dashboard: BTreeMap<String, Vec<Payload>>,
    /// All names of each segment, by id.
    names: BTreeMap<String, BTreeSet<String>>,
    /// Names from files and from the dashboard.
    allowed_names: BTreeSet<String>,
    /// Every declaration so far.
    declared: Vec<DeclaredSegment>,
    /// The current declarations.
    declared_now: Vec<DeclaredSegment>,
    /// The root of the paths of member lists.
    folder: PathBuf,
}

impl History {
    /// Records the workspace after a change in the dashboard.
    pub(super) fn record_dashboard(&mut self, state: &Value) {
        for (id, segment) in segments(state) {
            self.allowed_names.insert(name(segment).to_owned());
            self.dashboard
                .entry(id.clone())
                .or_default()
                .extend(payload(segment));
        }
        self.record_names(state);
    }

    /// Records the workspace after a command.
    pub(super) fn record_names(&mut self, state: &Value) {
        for (id, segment) in segments(state) {
            self.names
                .entry(id.clone())
                .or_default()
                .insert(name(segment).to_owned());
        }
    }

    /// Records the files after a change. Invalid files declare nothing.
    pub(super) fn record_files(&mut self, repository: &Repository) {
        let path = repository.path().join("segctl.yaml");
        self.folder = repository.path().to_owned();
        let Ok(source) = source::read(&path, "segctl.yaml") else {
            return;
        };
        let Some(settings) = parse_settings(&source).0 else {
            return;
        };
        let loaded = load(&settings, &path, &|path| path.display().to_string());
        let declared = loaded
            .declarations
            .into_iter()
            .filter(|declaration| declaration.applies_to(WORKSPACE));
        self.declared_now = declared.map(|declaration| declaration.segment).collect();
        self.allowed_names
            .extend(self.declared_now.iter().map(|segment| segment.name.to_string()));
        self.declared.extend(self.declared_now.iter().cloned());
    }

    /// Where the workspace differs from the configuration. The `undetectable` segments must differ.
    pub(super) fn unreached(&self, state: &Value, undetectable: &[String]) -> Vec<String> {
        let identities = self.identities();
        let digest = |payload: &Payload| Digests::of(payload, &identities).exact;
        let missing = |declared: &DeclaredSegment| {
            let found = segments(state).find(|(_, segment)| name(segment) == declared.name.as_str());
            let is_active = found.is_some_and(|(_, segment)| segment["archived"].is_null());
            match declared.lifecycle {
                Lifecycle::Active if !is_active => Some("is not active"),
                Lifecycle::Archived if is_active => Some("is still active"),
                Lifecycle::Archived => None,
                Lifecycle::Active if self.members(declared).is_some() => {
                    let remote = found.and_then(|(_, segment)| members(segment));
                    let remote: Option<BTreeSet<String>> =
                        remote.map(|members| members.into_iter().map(str::to_owned).collect());
                    (remote != self.members(declared)).then_some("does not have the declared members")
                }
                Lifecycle::Active => {
                    let remote = found.and_then(|(_, segment)| payload(segment));
                    let desired = declared.contents.definition();
                    let is_equal = remote.as_ref().map(digest) == desired.map(|desired| digest(desired));
                    (!is_equal).then_some("does not have the declared definition")
                }
            }
        };
        let is_undetectable =
            |declared: &DeclaredSegment| undetectable.iter().any(|name| name == declared.name.as_str());
        let (hidden, others): (Vec<_>, Vec<_>) = self
            .declared_now
            .iter()
            .filter_map(|declared| Some((declared, missing(declared)?)))
            .partition(|(declared, _)| is_undetectable(declared));
        let failures = others
            .iter()
            .map(|(declared, difference)| format!("\"{}\" {difference}", declared.name));
        let is_different =
            |name: &&String| hidden.iter().any(|(declared, _)| declared.name.as_str() == *name);
        let equal = undetectable.iter().filter(|name| !is_different(name));
        failures
            .chain(equal.map(|name| format!("\"{name}\" is as declared; remove it from `undetectable`")))
            .collect()
    }

    /// The declared members of a cohort or users of a file segment.
    fn members(&self, declared: &DeclaredSegment) -> Option<BTreeSet<String>> {
        let path = match &declared.contents {
            Contents::Filter(_) => return None,
            Contents::Cohort(cohort) => match &cohort.members {
                MemberSource::Inline(members) => return Some(members.iter().cloned().collect()),
                MemberSource::Local(path) => path.clone(),
            },
            Contents::File(upload) => match &upload.users {
                UserListSource::Local(path) => path.clone(),
                UserListSource::Published { url, .. } => url.strip_prefix("file://")?.to_owned(),
            },
        };
        let text = fs::read_to_string(self.folder.join(path)).unwrap_or_default();
        Some(text.lines().map(str::to_owned).collect())
    }

    /// The segments with a name or a definition from neither the files nor the dashboard.
    pub(super) fn broken_rules(&self, state: &Value) -> Vec<String> {
        let identities = self.identities();
        let mut broken = Vec::new();
        for (id, segment) in segments(state) {
            let name = name(segment);
            if !self.allowed_names.contains(name) {
                broken.push(format!("a segment still has the temporary name \"{name}\""));
            }
            let allowed = self.allowed_definitions(id, &identities);
            if payload(segment)
                .is_some_and(|payload| !allowed.contains(&Digests::of(&payload, &identities).exact))
            {
                broken.push(format!("\"{name}\" still has a temporary definition"));
            }
        }
        broken
    }

    /// The definitions that were declared for a segment or set in the dashboard.
    fn allowed_definitions(&self, id: &str, identities: &Identities) -> BTreeSet<Digest> {
        let names = self.names.get(id);
        let is_declared_for_it = |segment: &&DeclaredSegment| {
            let all = std::iter::once(&segment.name).chain(&segment.previous_names);
            let is_pinned = segment.id.as_ref().is_some_and(|pinned| pinned.as_str() == id);
            is_pinned
                || names.is_some_and(|names| all.map(SegmentName::as_str).any(|name| names.contains(name)))
        };
        let declared = self
            .declared
            .iter()
            .filter(is_declared_for_it)
            .filter_map(|segment| Some(segment.contents.definition()?.payload().clone()));
        let dashboard = self.dashboard.get(id).into_iter().flatten().cloned();
        declared
            .chain(dashboard)
            .map(|payload| Digests::of(&payload, identities).exact)
            .collect()
    }

    /// A reference by name means the segment that has the name or had it before.
    fn identities(&self) -> Identities {
        let names = self
            .names
            .iter()
            .flat_map(|(id, names)| names.iter().map(move |name| (name, id)));
        Identities {
            undeclared_by_name: names
                .map(|(name, id)| (SegmentName::new(name.as_str()), SegmentId::new(id.as_str())))
                .collect(),
            ..Identities::default()
        }
    }
}
