//! What is written of a live definition is read back as that definition, in every form that the service answers.

use super::generate::definition;
use super::round_trip::document;
use super::workspace::Workspace;
use proptest::prelude::*;
use segctl::config::source::Source;
use segctl::config::write::{NewFile, Wanted, apply, patch, segment_file};
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
    segment_file(&NewFile {
        comment: "pulled from id 5f0c, source API",
        name: &SegmentName::new("A"),
        lifecycle: Lifecycle::Active,
        protect: false,
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

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Pulled,
    CarriageReturns,
    /// Every field stated, everything as blocks.
    Blocks,
    /// The same document twice, with marks between them.
    Twice,
    Json,
    JsonInOneLine,
}

fn form() -> impl Strategy<Value = Form> {
    prop::sample::select(vec![
        Form::Pulled,
        Form::CarriageReturns,
        Form::Blocks,
        Form::Twice,
        Form::Json,
        Form::JsonInOneLine,
    ])
}

fn written(definition: &Definition, form: Form) -> Result<String, TestCaseError> {
    let pulled = || pulled(&print(definition)).map_err(TestCaseError::fail);
    let document = document(definition);
    Ok(match form {
        Form::Pulled => pulled()?,
        Form::CarriageReturns => pulled()?.replace('\n', "\r\n"),
        Form::Blocks => serde_yaml::to_string(&document).unwrap(),
        Form::Twice => {
            let text = pulled()?;
            format!("%YAML 1.2\n--- # first\n{text}...\n# between\n---\n{text}# end")
        }
        Form::Json => serde_json::to_string_pretty(&document).unwrap(),
        Form::JsonInOneLine => document.to_string(),
    })
}

/// `after` with some filters of `before` among its own, so that there is something to leave alone.
fn mixed(before: &Definition, after: &Definition, keeps: [bool; 6]) -> Definition {
    let mut mixed = after.clone();
    let kept = before
        .included
        .filters
        .iter()
        .zip(keeps)
        .filter(|(_, keep)| *keep);
    for (index, (filter, _)) in kept.enumerate() {
        let place = (index * 2).min(mixed.included.filters.len());
        mixed.included.filters.insert(place, filter.clone());
    }
    if keeps[5] {
        mixed.excluded.clone_from(&before.excluded);
    }
    mixed
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

    #[test]
    fn a_patch_makes_a_file_say_what_is_live(
        before in definition(),
        after in definition(),
        keeps in any::<[bool; 6]>(),
        echo in echo(),
        form in form(),
    ) {
        let after = mixed(&before, &after, keeps);
        let live = answered(&after, echo);
        let text = written(&before, form)?;
        let read = declarations(&text).map_err(TestCaseError::fail)?;
        let wanted = Wanted { definition: Some((&live, &names)), ..Wanted::default() };
        let patches: Vec<_> = read.iter().map(|declaration| patch(declaration, &wanted).map_err(|fault| TestCaseError::fail(format!("{fault}\n{text}")))).collect::<Result<_, _>>()?;
        let patched = apply(&text, &patches).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        let again = declarations(&patched).map_err(TestCaseError::fail)?;
        prop_assert_eq!(again.len(), read.len());
        for declaration in &again {
            prop_assert!(holds(declaration, &live), "{}\n{}", text, patched);
            prop_assert!(patch(declaration, &wanted).is_ok_and(|patch| patch.is_empty()), "{}", patched);
        }
        if form == Form::Json {
            prop_assert!(serde_json::from_str::<Value>(&patched).is_ok(), "{}", patched);
        }
        prop_assert_eq!(patched.matches('\n').count() == patched.matches("\r\n").count(), !patched.contains('\n') || form == Form::CarriageReturns);
    }

    #[test]
    fn a_file_that_says_what_is_live_is_left_alone(definition in definition(), echo in echo(), form in form()) {
        let live = answered(&definition, echo);
        for declaration in declarations(&written(&definition, form)?).map_err(TestCaseError::fail)? {
            let name = declaration.segment.name.clone();
            let wanted = Wanted {
                name: Some(&name),
                lifecycle: Some(Lifecycle::Active),
                definition: Some((&live, &names)),
            };
            prop_assert_eq!(patch(&declaration, &wanted).map_err(|fault| TestCaseError::fail(fault.to_string()))?.edits, []);
        }
    }
}
