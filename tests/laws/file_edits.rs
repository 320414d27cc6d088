//! A file that segctl writes or edits for a remote definition declares that definition, in every form that the API returns.

use super::generate::definition;
use super::round_trip::document;
use super::test_workspace::TestWorkspace;
use proptest::prelude::*;
use segctl::config::edit::{DeclarationUpdate, EditError, NewFile, apply_patches, patch, segment_file_text};
use segctl::config::source::SourceFile;
use segctl::config::{Declaration, decode_segment, yaml};
use segctl::definition::{Identities, canonical, encode, references};
use segctl::model::{Definition, Lifecycle, Payload, SegmentId, SegmentName};
use segctl::sandbox::{EchoFormat, SandboxSettings};
use serde_json::{Value, json};
use std::sync::Arc;

fn echo() -> impl Strategy<Value = EchoFormat> {
    prop::sample::select(vec![
        EchoFormat::AsSent,
        EchoFormat::DefaultsFilled,
        EchoFormat::DefaultsDropped,
        EchoFormat::DashboardDays,
    ])
}

/// The definition in the service's response.
fn as_returned_by_service(definition: &Definition, echo: EchoFormat) -> Payload {
    let workspace = TestWorkspace::new(SandboxSettings {
        echo,
        ..SandboxSettings::default()
    });
    let sent = encode(definition);
    let response = workspace.edit_in_dashboard(&json!({
        "name": "remote",
        "included_filters": sent.included_filters,
        "excluded_filters": sent.excluded_filters,
    }));
    let data = &response["data"];
    Payload {
        included_filters: data["included_filters"].clone(),
        excluded_filters: data.get("excluded_filters").cloned(),
    }
}

/// Half of all ids have a name.
fn name_of_id(id: &SegmentId) -> Option<SegmentName> {
    let has_name = id.as_str().ends_with(['0', '2', '4', '6', '8', 'a', 'c', 'e']);
    has_name.then(|| SegmentName::new(format!("segment: {id}")))
}

fn identities(payloads: &[&Payload]) -> Identities {
    let ids = payloads
        .iter()
        .flat_map(|payload| references::referenced_ids(payload));
    Identities {
        declared_by_id: ids
            .filter_map(|id| Some((id.clone(), name_of_id(&id)?)))
            .collect(),
        ..Identities::default()
    }
}

fn declarations(text: &str) -> Result<Vec<Declaration>, String> {
    let source = Arc::new(SourceFile::new("a.yaml", text));
    let (documents, mut diagnostics) = yaml::parse(&source);
    let mut read = Vec::new();
    for document in documents {
        let (declaration, more) = decode_segment(&source, document);
        diagnostics.extend(more);
        read.extend(declaration);
    }
    match diagnostics.first() {
        None => Ok(read),
        Some(diagnostic) => Err(format!("{}\n{text}", diagnostic.message)),
    }
}

fn imported_file(definition: &Payload) -> Result<String, String> {
    segment_file_text(&NewFile {
        comment: "imported from id 5f0c, source API",
        name: &SegmentName::new("A"),
        lifecycle: Lifecycle::Active,
        protect: false,
        definition,
        names: &name_of_id,
    })
    .map_err(|error| error.to_string())
}

fn declares_exactly(declaration: &Declaration, remote: &Payload) -> bool {
    let declared = declaration.segment.contents.definition().unwrap();
    let identities = identities(&[declared, remote]);
    canonical::exact(declared, &identities) == canonical::exact(remote, &identities)
}

/// The number of filters of an unknown type.
fn unknown_filter_count(value: &Value) -> usize {
    match value {
        Value::Object(fields) if fields.get("filter_type") == Some(&json!("new")) => 1,
        Value::Object(fields) => fields.values().map(unknown_filter_count).sum(),
        Value::Array(items) => items.iter().map(unknown_filter_count).sum(),
        _ => 0,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileStyle {
    Imported,
    CrLf,
    /// All fields in block style.
    Blocks,
    /// The same document twice, with document markers and comments.
    TwoDocuments,
    Json,
    CompactJson,
}

fn file_style() -> impl Strategy<Value = FileStyle> {
    prop::sample::select(vec![
        FileStyle::Imported,
        FileStyle::CrLf,
        FileStyle::Blocks,
        FileStyle::TwoDocuments,
        FileStyle::Json,
        FileStyle::CompactJson,
    ])
}

fn file_text(definition: &Definition, style: FileStyle) -> Result<String, TestCaseError> {
    let imported = || imported_file(&encode(definition)).map_err(TestCaseError::fail);
    let document = document(definition);
    Ok(match style {
        FileStyle::Imported => imported()?,
        FileStyle::CrLf => imported()?.replace('\n', "\r\n"),
        FileStyle::Blocks => serde_yaml::to_string(&document).unwrap(),
        FileStyle::TwoDocuments => {
            let text = imported()?;
            format!("%YAML 1.2\n--- # first\n{text}...\n# between\n---\n{text}# end")
        }
        FileStyle::Json => serde_json::to_string_pretty(&document).unwrap(),
        FileStyle::CompactJson => document.to_string(),
    })
}

/// `after` with some filters of `before`, so that an edit keeps something.
fn mix_filters(before: &Definition, after: &Definition, keeps: [bool; 6]) -> Definition {
    let mut mixed = after.clone();
    let kept_filters = before
        .included
        .filters
        .iter()
        .zip(keeps)
        .filter(|(_, keep)| *keep);
    for (index, (filter, _)) in kept_filters.enumerate() {
        let position = (index * 2).min(mixed.included.filters.len());
        mixed.included.filters.insert(position, filter.clone());
    }
    if keeps[5] {
        mixed.excluded.clone_from(&before.excluded);
    }
    mixed
}

/// The canonical form of a filter, and its lines in a text.
struct FilterLocation {
    canonical: Value,
    lines: std::ops::RangeInclusive<usize>,
}

/// All filters of a text; each group comes before its filters.
fn filter_locations(text: &str) -> Result<Vec<FilterLocation>, String> {
    let read = declarations(text)?;
    let source = SourceFile::new("a.yaml", text);
    let document = yaml::parse(&source).0.remove(0);
    let declared = read[0].segment.contents.definition().unwrap();
    let form = canonical::exact(declared, &identities(&[declared]));
    let mut found = Vec::new();
    for side in ["included_filters", "excluded_filters"] {
        if let (Some(node), Some(form)) = (map_value(&document, side), form.get(side)) {
            collect_filter_locations(text, node, form, &mut found);
        }
    }
    Ok(found)
}

fn map_value<'n>(node: &'n yaml::Node, field: &str) -> Option<&'n yaml::Node> {
    match &node.value {
        yaml::Yaml::Map(entries) => entries
            .iter()
            .find(|(key, _)| key.text == field)
            .map(|(_, value)| value),
        _ => None,
    }
}

fn collect_filter_locations(text: &str, group: &yaml::Node, form: &Value, found: &mut Vec<FilterLocation>) {
    let Some(yaml::Yaml::List(items)) = map_value(group, "filters").map(|list| &list.value) else {
        return;
    };
    let line = |at: usize| text[..at].matches('\n').count();
    for (item, form) in items.iter().zip(form["filters"].as_array().unwrap()) {
        found.push(FilterLocation {
            canonical: form.clone(),
            lines: line(item.span.start)..=line(item.span.end),
        });
        if form["filter_type"] == json!("nested_filters") {
            collect_filter_locations(text, item, form, found);
        }
    }
}

/// The text with a comment above or next to each filter: `# 0` at the first one.
fn with_comments(text: &str, beside: u32) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut above: Vec<(usize, String)> = Vec::new();
    for (index, filter) in filter_locations(text)?.iter().enumerate() {
        let first = *filter.lines.start();
        if beside >> (index % 32) & 1 == 1 {
            lines[first].push_str(&format!("   # {index}"));
        } else {
            let indentation = lines[first].len() - lines[first].trim_start().len();
            above.push((first, format!("{}# {index}", " ".repeat(indentation))));
        }
    }
    above.sort();
    for (line, comment) in above.into_iter().rev() {
        lines.insert(line, comment);
    }
    Ok(lines.join("\n") + "\n")
}

/// The innermost filter that the comment `# number` is above or in.
fn comment_owner<'p>(text: &str, filters: &'p [FilterLocation], number: usize) -> Option<&'p FilterLocation> {
    let ending = format!("# {number}");
    let lines: Vec<&str> = text.lines().collect();
    let mut line = lines.iter().position(|line| {
        line.strip_suffix(&ending)
            .is_some_and(|rest| rest.ends_with(' ') || rest.is_empty())
    })?;
    let is_comment = |line: usize| {
        lines
            .get(line)
            .is_some_and(|line| line.trim_start().starts_with('#'))
    };
    if is_comment(line) {
        while is_comment(line) {
            line += 1;
        }
        return filters.iter().find(|filter| *filter.lines.start() == line);
    }
    filters
        .iter()
        .rev()
        .filter(|filter| filter.lines.contains(&line))
        .max_by_key(|filter| *filter.lines.start())
}

/// An edit by a dashboard user.
#[derive(Clone, Debug)]
enum RemoteEdit {
    Move(usize, usize),
    Negate(usize),
    Remove(usize),
    Add(usize),
    Wrap(usize),
    Exclude,
}

impl RemoteEdit {
    fn changes_groups(&self) -> bool {
        matches!(self, Self::Wrap(_) | Self::Exclude)
    }
}

fn edits() -> impl Strategy<Value = Vec<RemoteEdit>> {
    let index = || 0_usize..8;
    let edit = prop_oneof![
        3 => (index(), index()).prop_map(|(from, to)| RemoteEdit::Move(from, to)),
        2 => index().prop_map(RemoteEdit::Negate),
        1 => index().prop_map(RemoteEdit::Remove),
        1 => index().prop_map(RemoteEdit::Add),
        1 => index().prop_map(RemoteEdit::Wrap),
        1 => Just(RemoteEdit::Exclude),
    ];
    prop::collection::vec(edit, 1..4)
}

fn apply_edits(before: &Payload, other: &Payload, edits: &[RemoteEdit]) -> Payload {
    let mut remote = before.clone();
    for edit in edits {
        let filters = remote.included_filters["filters"].as_array_mut().unwrap();
        let count = filters.len();
        match *edit {
            RemoteEdit::Exclude => remote.excluded_filters.clone_from(&other.excluded_filters),
            RemoteEdit::Add(at) => {
                let new = other.included_filters["filters"].get(0);
                filters.splice(at % (count + 1)..at % (count + 1), new.cloned());
            }
            _ if count < 2 => {}
            RemoteEdit::Move(from, to) => {
                let filter = filters.remove(from % count);
                filters.insert(to % count, filter);
            }
            RemoteEdit::Negate(at) => {
                let filter = &mut filters[at % count];
                if filter["filter_type"] == json!("user_attributes") {
                    filter["negate"] = json!(filter["negate"] != json!(true));
                }
            }
            RemoteEdit::Remove(at) => drop(filters.remove(at % count)),
            RemoteEdit::Wrap(at) => {
                let at = at % (count - 1);
                let inner: Vec<Value> = filters.drain(at..at + 2).collect();
                filters.insert(
                    at,
                    json!({"filter_type": "nested_filters", "filter_operator": "or", "filters": inner}),
                );
            }
        }
    }
    remote
}

/// Name and data type of an attribute filter; `None` for other filters.
fn attribute_key(form: &Value) -> Option<String> {
    let is_attribute = form["filter_type"] == json!("user_attributes");
    is_attribute.then(|| format!("{} {}", form["name"], form["data_type"]))
}

/// Whether a filter is a group of only empty groups. Such groups cannot be distinguished.
fn is_empty_group(form: &Value) -> bool {
    let is_group = form["filter_type"] == json!("nested_filters");
    is_group && form["filters"].as_array().unwrap().iter().all(is_empty_group)
}

/// Whether two filters are the same, and neither text has a similar one.
fn is_unambiguously_same(old: &Value, olds: &[FilterLocation], new: &Value, news: &[FilterLocation]) -> bool {
    let once = |filters: &[FilterLocation], matches: &dyn Fn(&Value) -> bool| {
        filters.iter().filter(|filter| matches(&filter.canonical)).count() == 1
    };
    let is_equal = |form: &Value| form == old;
    if old == new {
        return !is_empty_group(old) && once(olds, &is_equal) && once(news, &is_equal);
    }
    let name = attribute_key(old);
    let has_same_key = |form: &Value| attribute_key(form) == name;
    name.is_some() && has_same_key(new) && once(olds, &has_same_key) && once(news, &has_same_key)
}

proptest! {
    #![proptest_config(crate::fixed_seeds::config(400))]

    #[test]
    fn an_imported_file_declares_the_remote_definition(definition in definition(), echo in echo()) {
        let remote = as_returned_by_service(&definition, echo);
        let text = imported_file(&remote).map_err(TestCaseError::fail)?;
        let read = declarations(&text).map_err(TestCaseError::fail)?;
        prop_assert_eq!(read.len(), 1);
        prop_assert!(declares_exactly(&read[0], &remote), "{}", text);
        // Only unknown filters are written as raw filters.
        let both = json!([remote.included_filters, remote.excluded_filters]);
        prop_assert_eq!(text.matches("raw: {").count() + text.matches("raw:\n").count(), unknown_filter_count(&both), "{}", text);
    }

    #[test]
    fn a_patched_file_declares_the_remote_definition(
        before in definition(),
        after in definition(),
        keeps in any::<[bool; 6]>(),
        echo in echo(),
        style in file_style(),
    ) {
        let after = mix_filters(&before, &after, keeps);
        let remote = as_returned_by_service(&after, echo);
        let text = file_text(&before, style)?;
        let read = declarations(&text).map_err(TestCaseError::fail)?;
        let update = DeclarationUpdate { definition: Some((&remote, &name_of_id)), ..DeclarationUpdate::default() };
        let patches: Vec<_> = read.iter().map(|declaration| patch(declaration, &update).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))).collect::<Result<_, _>>()?;
        let patched = apply_patches(&text, &patches).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let again = declarations(&patched).map_err(TestCaseError::fail)?;
        prop_assert_eq!(again.len(), read.len());
        for declaration in &again {
            prop_assert!(declares_exactly(declaration, &remote), "{}\n{}", text, patched);
            prop_assert!(patch(declaration, &update).is_ok_and(|patch| patch.is_empty()), "{}", patched);
        }
        if style == FileStyle::Json {
            prop_assert!(serde_json::from_str::<Value>(&patched).is_ok(), "{}", patched);
        }
        prop_assert_eq!(patched.matches('\n').count() == patched.matches("\r\n").count(), !patched.contains('\n') || style == FileStyle::CrLf);
    }

    #[test]
    fn a_file_that_matches_the_remote_definition_is_not_edited(definition in definition(), echo in echo(), style in file_style()) {
        let remote = as_returned_by_service(&definition, echo);
        for declaration in declarations(&file_text(&definition, style)?).map_err(TestCaseError::fail)? {
            let name = declaration.segment.name.clone();
            let update = DeclarationUpdate {
                name: Some(&name),
                lifecycle: Some(Lifecycle::Active),
                definition: Some((&remote, &name_of_id)),
                renames: None,
            };
            prop_assert_eq!(patch(&declaration, &update).map_err(|error| TestCaseError::fail(error.to_string()))?.edits, []);
        }
    }

    #[test]
    fn comments_stay_with_their_filters(
        before in definition(),
        other in definition(),
        edits in edits(),
        beside in any::<u32>(),
        blocks in any::<bool>(),
    ) {
        let plain = file_text(&before, if blocks { FileStyle::Blocks } else { FileStyle::Imported })?;
        let text = with_comments(&plain, beside).map_err(TestCaseError::fail)?;
        let remote = apply_edits(&encode(&before), &encode(&other), &edits);
        let update = DeclarationUpdate { definition: Some((&remote, &name_of_id)), ..DeclarationUpdate::default() };
        let read = declarations(&text).map_err(TestCaseError::fail)?;
        let patch = match patch(&read[0], &update) {
            Ok(patch) => patch,
            // The editor does not move a comment to another group.
            Err(EditError::LostText { .. }) if edits.iter().any(RemoteEdit::changes_groups) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(format!("{error}\n{text}"))),
        };
        let patched = apply_patches(&text, [&patch]).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let (olds, news) = (filter_locations(&text), filter_locations(&patched));
        let (olds, news) = (olds.map_err(TestCaseError::fail)?, news.map_err(TestCaseError::fail)?);
        for (number, old) in olds.iter().enumerate() {
            if !news.iter().any(|new| is_unambiguously_same(&old.canonical, &olds, &new.canonical, &news)) {
                continue;
            }
            let owner = comment_owner(&patched, &news, number);
            prop_assert!(owner.is_some_and(|new| is_unambiguously_same(&old.canonical, &olds, &new.canonical, &news)), "# {}\n{}\n{}", number, text, patched);
        }
    }
}
