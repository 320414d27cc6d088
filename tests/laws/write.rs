//! What is written of a live definition is read back as that definition, in every form that the service answers.

use super::generate::definition;
use super::workspace::Workspace;
use proptest::prelude::*;
use segctl::config::source::Source;
use segctl::config::write::{Pulled, segment_file};
use segctl::config::{Declaration, decode_segment, yaml};
use segctl::definition::{Identities, normal, print, references};
use segctl::model::{Definition, Lifecycle, Payload, SegmentId, SegmentName};
use segctl::sandbox::{Echo, Settings};
use serde_json::{Value, json};
use std::sync::Arc;

fn echo() -> impl Strategy<Value = Echo> {
    prop::sample::select(vec![
        Echo::AsSent,
        Echo::DefaultsFilled,
        Echo::DefaultsDropped,
        Echo::DashboardDays,
    ])
}

/// The definition as the service answers it.
fn answered(definition: &Definition, echo: Echo) -> Payload {
    let workspace = Workspace::new(Settings {
        echo,
        ..Settings::default()
    });
    let sent = print(definition);
    let answer = workspace.by_hand(&json!({
        "name": "live",
        "included_filters": sent.included_filters,
        "excluded_filters": sent.excluded_filters,
    }));
    let data = &answer["data"];
    Payload {
        included_filters: data["included_filters"].clone(),
        excluded_filters: data.get("excluded_filters").cloned(),
    }
}

/// Half of all segments have a name.
fn names(id: &SegmentId) -> Option<SegmentName> {
    let has_name = id.as_str().ends_with(['0', '2', '4', '6', '8', 'a', 'c', 'e']);
    has_name.then(|| SegmentName::new(format!("segment: {id}")))
}

fn identities(payloads: &[&Payload]) -> Identities {
    let ids = payloads
        .iter()
        .flat_map(|payload| references::referenced_ids(payload));
    Identities {
        declared_by_id: ids.filter_map(|id| Some((id.clone(), names(&id)?))).collect(),
        ..Identities::default()
    }
}

fn declarations(text: &str) -> Result<Vec<Declaration>, String> {
    let source = Arc::new(Source::new("a.yaml", text));
    let (documents, mut faults) = yaml::parse(&source);
    let mut read = Vec::new();
    for document in documents {
        let (declaration, more) = decode_segment(&source, document);
        faults.extend(more);
        read.extend(declaration);
    }
    match faults.first() {
        None => Ok(read),
        Some(fault) => Err(format!("{}\n{text}", fault.message)),
    }
}

fn pulled(definition: &Payload) -> Result<String, String> {
    segment_file(&Pulled {
        id: &SegmentId::new("5f0c"),
        name: &SegmentName::new("A"),
        source: Some("API"),
        created_time: None,
        lifecycle: Lifecycle::Active,
        definition,
        names: &names,
    })
    .map_err(|fault| fault.to_string())
}

fn holds(declaration: &Declaration, live: &Payload) -> bool {
    let declared = print(&declaration.segment.definition);
    let identities = identities(&[&declared, live]);
    normal::exact(&declared, &identities) == normal::exact(live, &identities)
}

/// How many filters no word of the vocabulary says.
fn unknown(value: &Value) -> usize {
    match value {
        Value::Object(fields) if fields.get("filter_type") == Some(&json!("new")) => 1,
        Value::Object(fields) => fields.values().map(unknown).sum(),
        Value::Array(items) => items.iter().map(unknown).sum(),
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_says_what_is_live(definition in definition(), echo in echo()) {
        let live = answered(&definition, echo);
        let text = pulled(&live).map_err(TestCaseError::fail)?;
        let read = declarations(&text).map_err(TestCaseError::fail)?;
        prop_assert_eq!(read.len(), 1);
        prop_assert!(holds(&read[0], &live), "{}", text);
        // Raw filters are for what is unknown, not for what was spelled badly.
        let both = json!([live.included_filters, live.excluded_filters]);
        prop_assert_eq!(text.matches("raw: {").count() + text.matches("raw:\n").count(), unknown(&both), "{}", text);
    }
}
