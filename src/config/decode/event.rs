//! Event filters: which event, how often, when, and with which attributes.

use super::super::vocabulary::keyword_for;
use super::super::yaml::{Node, Yaml};
use super::aggregation::aggregation;
use super::attribute::{Context, attribute_group};
use super::codes;
use super::decoder::{COUNT_LIMIT, Decoder, Fields};
use super::numbers::number_in;
use super::time_range::event_time_range;
use crate::model::{AttributeGroup, EventFilter, Execution, ExecutionType, Keyword, did_you_mean};

/// Decodes an `actions` filter; `filter_type` is already decoded.
pub(super) fn event(decoder: &mut Decoder<'_>, mut fields: Fields<'_>) -> Option<EventFilter> {
    fields.describe("an `actions` filter");
    let action_name = decoder.required(&mut fields, "action_name", Decoder::non_empty_text);
    let project_name = decoder.optional(&mut fields, "project_name", Decoder::non_empty_text);
    let executed = decoder.required(&mut fields, "executed", Decoder::boolean);
    let execution = execution(decoder, &mut fields, executed);
    let time_range = decoder.required(&mut fields, "primary_time_range", event_time_range);
    let attributes = attributes(decoder, &mut fields);
    let aggregation = decoder.optional(&mut fields, "aggregation_attributes", aggregation);
    count_hints(decoder, &mut fields);
    decoder.finish(&fields);
    Some(EventFilter {
        action_name: action_name?,
        project_name: project_name?,
        execution: execution?,
        time_range: time_range?,
        attributes: attributes?,
        aggregation: aggregation?,
    })
}

/// A count stands in `execution`.
fn count_hints(decoder: &Decoder<'_>, fields: &mut Fields<'_>) {
    if fields.has("execution") {
        return;
    }
    for (key, kind) in [
        ("count", ExecutionType::AtLeast),
        ("times", ExecutionType::AtLeast),
        ("min_count", ExecutionType::AtLeast),
        ("atleast", ExecutionType::AtLeast),
        ("at_least", ExecutionType::AtLeast),
        ("min", ExecutionType::AtLeast),
        ("exactly", ExecutionType::Exactly),
        ("atmost", ExecutionType::AtMost),
        ("at_most", ExecutionType::AtMost),
        ("max_count", ExecutionType::AtMost),
        ("max", ExecutionType::AtMost),
    ] {
        fields.hint(key, |node| {
            let count = number_in(decoder.slice(&node.span)).unwrap_or_else(|| "1".to_owned());
            format!(
                "did you mean `execution: {{type: {}, count: {count}}}`?",
                kind.as_str()
            )
        });
    }
}

pub(super) fn attributes(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<AttributeGroup> {
    decoder.or(fields, "attributes", AttributeGroup::empty(), |decoder, node| {
        attribute_group(decoder, node, Context::InEvent)
    })
}

/// The default is at least once, or never with `executed: false`.
pub(super) fn execution(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    executed: Option<bool>,
) -> Option<Execution> {
    let given = fields.take("execution");
    match (executed?, given) {
        (true, None) => Some(Execution::AtLeast(1)),
        (true, Some(node)) => execution_fields(decoder, node),
        (false, None) => Some(Execution::Never),
        (false, Some(node)) => zero_executions(decoder, node),
    }
}

fn execution_fields(decoder: &mut Decoder<'_>, node: &Node) -> Option<Execution> {
    if let Some(example) = execution_in_words(node) {
        decoder.wrong_type::<()>(node, "a mapping (an execution)");
        decoder.add_help(format!("write `execution: {example}`"));
        return None;
    }
    let mut fields = decoder.fields(node, "an execution")?;
    let kind = decoder.required_keyword::<ExecutionType>(&mut fields, "type")?;
    fields.describe(format!("an execution of the type `{}`", kind.as_str()));
    let mut count = || {
        decoder.required(&mut fields, "count", |decoder, node| {
            decoder.count(node, 1..=COUNT_LIMIT)
        })
    };
    let execution = match kind {
        ExecutionType::FirstTime => Some(Execution::FirstTime),
        ExecutionType::LastTime => Some(Execution::LastTime),
        ExecutionType::AtLeast => count().map(Execution::AtLeast),
        ExecutionType::Exactly => count().map(Execution::Exactly),
        ExecutionType::AtMost => count().map(Execution::AtMost),
    };
    decoder.finish(&fields);
    execution
}

/// The execution that a single word or number means: `atleast`, `3`, `at least 3`.
fn execution_in_words(node: &Node) -> Option<String> {
    let Yaml::Scalar(scalar) = &node.value else {
        return None;
    };
    let text = scalar.text.trim();
    let split = text
        .find(|next: char| next.is_ascii_digit())
        .unwrap_or(text.len());
    let (word, count) = text.split_at_checked(split)?;
    let words: Vec<&str> = ExecutionType::ALL.iter().map(|kind| kind.as_str()).collect();
    let kind = match word.trim() {
        "" if !count.is_empty() => "atleast",
        word => did_you_mean(word, words.iter().copied())
            .or_else(|| keyword_for(ExecutionType::DISPLAY_NAME, word, &words))?,
    };
    if kind == ExecutionType::FirstTime.as_str() || kind == ExecutionType::LastTime.as_str() {
        return Some(format!("{{type: {kind}}}"));
    }
    let count = number_in(count).unwrap_or_else(|| "1".to_owned());
    Some(format!("{{type: {kind}, count: {count}}}"))
}

/// `executed: false` allows no `execution` except exactly 0 times.
fn zero_executions(decoder: &mut Decoder<'_>, node: &Node) -> Option<Execution> {
    let mut fields = decoder.fields(node, "an execution")?;
    let kind = decoder.required(&mut fields, "type", Decoder::keyword::<ExecutionType>);
    let count = fields
        .take("count")
        .map(|node| decoder.count(node, 0..=COUNT_LIMIT));
    decoder.finish(&fields);
    if kind? == ExecutionType::Exactly && count == Some(Some(0)) {
        return Some(Execution::Never);
    }
    let message = "`executed: false` means exactly 0 times, but `execution` sets something else";
    let label = "contradicts `executed: false`";
    decoder.error::<()>(codes::EXECUTION_CONTRADICTION, &node.span, message, label);
    decoder.add_help("remove `execution`, or set `executed: true`");
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{source::SourceFile, yaml};

    #[test]
    fn an_execution_without_a_count_contradicts_executed_false() {
        let source = SourceFile::new("a.yaml", "{type: exactly}");
        let (documents, _) = yaml::parse(&source);
        let mut decoder = Decoder::new(&source);
        assert_eq!(zero_executions(&mut decoder, &documents[0]), None);
        let found = decoder.into_diagnostics();
        assert!(matches!(found.as_slice(), [only] if only.code == codes::EXECUTION_CONTRADICTION));
    }
}
