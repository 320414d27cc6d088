//! Event filters: which event, how often, when, and with which attributes.

use super::super::yaml::Node;
use super::aggregation::aggregation;
use super::attribute::{Context, attribute_group};
use super::codes;
use super::decoder::{COUNT_LIMIT, Decoder, Fields};
use super::time_range::event_time_range;
use crate::model::{AttributeGroup, EventFilter, Execution, ExecutionType, Keyword};

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
    let mut fields = decoder.fields(node, "an execution")?;
    let kind = decoder.required(&mut fields, "type", Decoder::keyword::<ExecutionType>)?;
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
