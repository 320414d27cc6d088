//! What has to hold for every segment when a scenario is over, whatever became of it: it has a name that somebody gave
//! it, and a definition that is its own. Names and definitions that only get another step past the service are neither.

use super::repository::{Repository, WORKSPACE};
use super::workspace::{members, name, payload, segments};
use segctl::config::settings::parse_settings;
use segctl::config::{load, source};
use segctl::definition::{Digest, Digests, Identities, encode};
use segctl::model::{
    Contents, DeclaredSegment, Lifecycle, MemberSource, Payload, SegmentId, SegmentName, UserListSource,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// Who meant what so far.
#[derive(Default)]
pub(super) struct History {
    /// What people made each segment.
    by_hand: BTreeMap<String, Vec<Payload>>,
    /// The names that each segment had.
    names: BTreeMap<String, BTreeSet<String>>,
    /// Names that somebody gave.
    given: BTreeSet<String>,
    /// What files ever said.
    declared: Vec<DeclaredSegment>,
    /// What they say now.
    declared_now: Vec<DeclaredSegment>,
    /// The folder of the lists that they name.
    folder: PathBuf,
}

impl History {
    /// People changed the workspace.
    pub(super) fn note_hands(&mut self, state: &Value) {
        for (id, segment) in segments(state) {
            self.given.insert(name(segment).to_owned());
            self.by_hand
                .entry(id.clone())
                .or_default()
                .extend(payload(segment));
        }
        self.note_names(state);
    }

    /// A command was run.
    pub(super) fn note_names(&mut self, state: &Value) {
        for (id, segment) in segments(state) {
            self.names
                .entry(id.clone())
                .or_default()
                .insert(name(segment).to_owned());
        }
    }

    /// The files changed. What has a fault in form declares nothing.
    pub(super) fn note_files(&mut self, repository: &Repository) {
        let path = repository.path().join("segctl.yaml");
        self.folder = repository.path().to_owned();
        let Ok(source) = source::read(&path, "segctl.yaml") else {
            return;
        };
        let Some(settings) = parse_settings(&source).0 else {
            return;
        };
        let loaded = load(&settings, repository.path(), &|path| path.display().to_string());
        let declared = loaded
            .declarations
            .into_iter()
            .filter(|declaration| declaration.applies_to(WORKSPACE));
        self.declared_now = declared.map(|declaration| declaration.segment).collect();
        self.given
            .extend(self.declared_now.iter().map(|segment| segment.name.to_string()));
        self.declared.extend(self.declared_now.iter().cloned());
    }

    /// What the files say and is not so; but that some of it is `unseen` has to be so.
    pub(super) fn unreached(&self, state: &Value, unseen: &[String]) -> Vec<String> {
        let identities = self.identities();
        let digest = |payload: &Payload| Digests::of(payload, &identities).exact;
        let missing = |declared: &DeclaredSegment| {
            let found = segments(state).find(|(_, segment)| name(segment) == declared.name.as_str());
            let is_active = found.is_some_and(|(_, segment)| segment["archived"].is_null());
            match declared.lifecycle {
                Lifecycle::Active if !is_active => Some("is not in use"),
                Lifecycle::Archived if is_active => Some("is still in use"),
                Lifecycle::Archived => None,
                Lifecycle::Active if self.members(declared).is_some() => {
                    let live = found.and_then(|(_, segment)| members(segment));
                    let wanted = self.members(declared);
                    let is_so = live
                        .is_some_and(|live| Some(live.into_iter().map(str::to_owned).collect()) == wanted);
                    (!is_so).then_some("has not the declared members")
                }
                Lifecycle::Active => {
                    let live = found.and_then(|(_, segment)| payload(segment));
                    let wanted = declared.contents.definition().map(encode);
                    let is_so = live.as_ref().map(digest) == wanted.as_ref().map(digest);
                    (!is_so).then_some("has not the declared definition")
                }
            }
        };
        let is_unseen = |declared: &DeclaredSegment| unseen.iter().any(|name| name == declared.name.as_str());
        let (hidden, others): (Vec<_>, Vec<_>) = self
            .declared_now
            .iter()
            .filter_map(|declared| Some((declared, missing(declared)?)))
            .partition(|(declared, _)| is_unseen(declared));
        let complaints = others
            .iter()
            .map(|(declared, what)| format!("\"{}\" {what}", declared.name));
        let is_found = |name: &&String| hidden.iter().any(|(declared, _)| declared.name.as_str() == *name);
        let in_vain = unseen.iter().filter(|name| !is_found(name));
        complaints
            .chain(in_vain.map(|name| format!("\"{name}\" was to be otherwise than declared, and is not")))
            .collect()
    }

    /// Who is declared to be in a segment without filters.
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

    /// Which segments have a name or a definition that nobody gave them.
    pub(super) fn complaints(&self, state: &Value) -> Vec<String> {
        let identities = self.identities();
        let mut complaints = Vec::new();
        for (id, segment) in segments(state) {
            let name = name(segment);
            if !self.given.contains(name) {
                complaints.push(format!(
                    "a segment is left with the name \"{name}\", which nobody gave it"
                ));
            }
            let own = self.own(id, &identities);
            if payload(segment)
                .is_some_and(|payload| !own.contains(&Digests::of(&payload, &identities).exact))
            {
                complaints.push(format!(
                    "\"{name}\" is left with a definition that is not its own"
                ));
            }
        }
        complaints
    }

    /// The definitions that a segment may have.
    fn own(&self, id: &str, identities: &Identities) -> BTreeSet<Digest> {
        let names = self.names.get(id);
        let is_its = |segment: &&DeclaredSegment| {
            let all = std::iter::once(&segment.name).chain(&segment.previous_names);
            let is_pinned = segment.id.as_ref().is_some_and(|pinned| pinned.as_str() == id);
            is_pinned
                || names.is_some_and(|names| all.map(SegmentName::as_str).any(|name| names.contains(name)))
        };
        let declared = self
            .declared
            .iter()
            .filter(is_its)
            .filter_map(|segment| segment.contents.definition().map(encode));
        let by_hand = self.by_hand.get(id).into_iter().flatten().cloned();
        declared
            .chain(by_hand)
            .map(|payload| Digests::of(&payload, identities).exact)
            .collect()
    }

    /// References mean the segment that has the name or once had it.
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
