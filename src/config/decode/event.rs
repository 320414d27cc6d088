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
pub(super) fn event(mut fields: Fields<'_>) -> Option<EventFilter> {
    fields.describe("an `actions` filter");
    let action_name = fields.required("action_name", Decoder::non_empty_text);
    let project_name = fields.optional("project_name", Decoder::non_empty_text);
    let executed = fields.required("executed", Decoder::boolean);
    let execution = execution(&mut fields, executed);
    let time_range = fields.required("primary_time_range", event_time_range);
    let attributes = attributes(&mut fields);
    let aggregation = fields.optional("aggregation_attributes", aggregation);
    count_hints(&mut fields);
    fields.finish();
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
fn count_hints(fields: &mut Fields<'_>) {
    if fields.has("execution") {
        return;
    }
    let decoder = fields.decoder;
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

pub(super) fn attributes(fields: &mut Fields<'_>) -> Option<AttributeGroup> {
    fields.or("attributes", AttributeGroup::empty(), |decoder, node| {
        attribute_group(decoder, node, Context::InEvent)
    })
}

/// The default is at least once, or never with `executed: false`.
pub(super) fn execution(fields: &mut Fields<'_>, executed: Option<bool>) -> Option<Execution> {
    let given = fields.take("execution");
    match (executed?, given) {
        (true, None) => Some(Execution::AtLeast(1)),
        (true, Some(node)) => execution_fields(fields.decoder, node),
        (false, None) => Some(Execution::Never),
        (false, Some(node)) => zero_executions(fields.decoder, node),
    }
}

fn execution_fields(decoder: &Decoder<'_>, node: &Node) -> Option<Execution> {
    if let Some(example) = execution_in_words(node) {
        return decoder.wrong_type_with_help(
            node,
            "a mapping (an execution)",
            format!("write `execution: {example}`"),
        );
    }
    let mut fields = decoder.fields(node, "an execution")?;
    let kind = fields.required_keyword::<ExecutionType>("type")?;
    fields.describe(format!("an execution of the type `{}`", kind.as_str()));
    let mut count = || fields.required("count", Decoder::count_in(1..=COUNT_LIMIT));
    let execution = match kind {
        ExecutionType::FirstTime => Some(Execution::FirstTime),
        ExecutionType::LastTime => Some(Execution::LastTime),
        ExecutionType::AtLeast => count().map(Execution::AtLeast),
        ExecutionType::Exactly => count().map(Execution::Exactly),
        ExecutionType::AtMost => count().map(Execution::AtMost),
    };
    fields.finish();
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
fn zero_executions(decoder: &Decoder<'_>, node: &Node) -> Option<Execution> {
    let mut fields = decoder.fields(node, "an execution")?;
    let kind = fields.required("type", Decoder::keyword::<ExecutionType>);
    let count = fields.optional("count", Decoder::count_in(0..=COUNT_LIMIT));
    fields.finish();
    if kind? == ExecutionType::Exactly && count == Some(Some(0)) {
        return Some(Execution::Never);
    }
    let message = "`executed: false` means exactly 0 times, but `execution` sets something else";
    let label = "contradicts `executed: false`";
    decoder.error_with_help(
        codes::EXECUTION_CONTRADICTION,
        &node.span,
        message,
        label,
        "remove `execution`, or set `executed: true`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{source::SourceFile, yaml};

    #[test]
    fn an_execution_without_a_count_contradicts_executed_false() {
        let source = SourceFile::new("a.yaml", "{type: exactly}");
        let (documents, _) = yaml::parse(&source);
        let decoder = Decoder::new(&source);
        assert_eq!(zero_executions(&decoder, &documents[0]), None);
        let found = decoder.into_diagnostics();
        assert!(matches!(found.as_slice(), [only] if only.code == codes::EXECUTION_CONTRADICTION));
    }
}
