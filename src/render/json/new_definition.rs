//! The whole definition of a segment that a step creates, field by field as in its file.

use super::change::ChangeDocument;
use crate::definition::FieldChange;
use crate::model::{
    Cohort, FileSegment, Identifier, Keyword, MemberSource, SegmentKind, UserListSource, redact_query_strings,
};
use crate::plan::step::{Action, CohortSync, DesiredDefinition, ResolvedReferences, UserListUpload};
use serde_json::{Value, json};

/// Empty for a step on an existing segment.
pub(super) fn new_definition(action: &Action, references: &ResolvedReferences) -> Vec<ChangeDocument> {
    match action {
        Action::Create(desired) => filters(desired, references),
        Action::SyncCohort(CohortSync {
            target: None, cohort, ..
        }) => fields(cohort_fields(cohort)),
        Action::UploadUserList(UserListUpload {
            target: None, upload, ..
        }) => fields(file_segment_fields(upload)),
        Action::Update(_)
        | Action::Archive(_)
        | Action::Unarchive(_)
        | Action::SyncCohort(_)
        | Action::UploadUserList(_) => Vec::new(),
    }
}

fn filters(desired: &DesiredDefinition, references: &ResolvedReferences) -> Vec<ChangeDocument> {
    let canonical = desired.canonical(references);
    let groups = ["included_filters", "excluded_filters"].into_iter();
    let groups = groups.filter_map(|key| Some(added(key, canonical.get(key)?.clone())));
    let groups = groups.map(|group| {
        group
            .with_categories(desired.payload())
            .with_readable_references(&references.identities)
    });
    groups.map(|group| ChangeDocument::of(&group)).collect()
}

fn added(key: &str, value: Value) -> FieldChange {
    FieldChange {
        path: vec![key.to_owned()],
        field: None,
        before: None,
        after: Some(value),
    }
}

fn fields(fields: Vec<(&str, Value)>) -> Vec<ChangeDocument> {
    let fields = fields.into_iter().map(|(key, value)| added(key, value));
    fields.map(|field| ChangeDocument::of(&field)).collect()
}

/// Members in the segment file are personal data; they are counted.
fn cohort_fields(cohort: &Cohort) -> Vec<(&'static str, Value)> {
    let mut fields = vec![
        ("kind", SegmentKind::Cohort.as_str().into()),
        ("partner", cohort.key.partner.as_str().into()),
        ("cohort_id", cohort.key.cohort_id.as_str().into()),
    ];
    if let MemberSource::Local(path) = &cohort.members {
        fields.push(("members", json!({"path": path})));
    }
    fields
}

/// The query string of a URL may grant access.
fn file_segment_fields(upload: &FileSegment) -> Vec<(&'static str, Value)> {
    let Identifier { attribute, kind } = &upload.identifier;
    let users = match &upload.users {
        UserListSource::Local(path) => json!({"path": path}),
        UserListSource::Published { url, sha256 } => {
            json!({"url": redact_query_strings(url), "sha256": sha256})
        }
    };
    let mut fields = vec![
        ("kind", SegmentKind::File.as_str().into()),
        (
            "identifier",
            json!({"attribute": attribute, "type": kind.as_str()}),
        ),
        ("users", users),
        ("expires_in_days", upload.expires_in_days.into()),
    ];
    if let Some(url) = &upload.callback_url {
        fields.push(("callback_url", redact_query_strings(url).into()));
    }
    if !upload.notify.is_empty() {
        fields.push(("notify", json!(upload.notify)));
    }
    fields
}
