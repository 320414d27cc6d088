//! Event filters: what happened, how often, when, with which attributes.

use super::super::yaml::Node;
use super::aggregation::aggregation;
use super::attribute::{ConditionContext, attribute_group};
use super::codes;
use super::decoder::{COUNT_LIMIT, Decoder, Fields};
use super::time_range::event_time_range;
use crate::model::{AttributeGroup, EventFilter, Execution, ExecutionType, Keyword};

/// The fields of an `actions` filter, its type read already.
pub(super) fn event(reader: &mut Decoder<'_>, mut fields: Fields<'_>) -> Option<EventFilter> {
    fields.describe("an `actions` filter");
    let action_name = reader
        .require(&mut fields, "action_name")
        .and_then(|node| reader.non_empty_text(node));
    let project_name = fields
        .take("project_name")
        .map(|node| reader.non_empty_text(node));
    let executed = reader
        .require(&mut fields, "executed")
        .and_then(|node| reader.boolean(node));
    let execution = execution(reader, &mut fields, executed);
    let window = reader
        .require(&mut fields, "primary_time_range")
        .and_then(|node| event_time_range(reader, node));
    let attributes = attributes(reader, &mut fields);
    let aggregation = fields
        .take("aggregation_attributes")
        .map(|node| aggregation(reader, node));
    reader.finish(&fields);
    Some(EventFilter {
        action_name: action_name?,
        project_name: optional(project_name)?,
        execution: execution?,
        time_range: window?,
        attributes: attributes?,
        aggregation: optional(aggregation)?,
    })
}

/// Absent is fine; present and faulty is not.
fn optional<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(read) => read.map(Some),
        None => Some(None),
    }
}

/// The conditions on occurrences; none when left out.
pub(super) fn attributes(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<AttributeGroup> {
    match fields.take("attributes") {
        Some(node) => attribute_group(reader, node, ConditionContext::InEvent),
        None => Some(AttributeGroup::empty()),
    }
}

/// How often; at least once when left out, and never when it is not executed.
pub(super) fn execution(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    executed: Option<bool>,
) -> Option<Execution> {
    let given = fields.take("execution");
    match (executed?, given) {
        (true, None) => Some(Execution::AtLeast(1)),
        (true, Some(node)) => execution_fields(reader, node),
        (false, None) => Some(Execution::Never),
        (false, Some(node)) => zero_executions(reader, node),
    }
}

fn execution_fields(reader: &mut Decoder<'_>, node: &Node) -> Option<Execution> {
    let mut fields = reader.fields(node, "an execution")?;
    let kind = reader
        .require(&mut fields, "type")
        .and_then(|node| reader.keyword::<ExecutionType>(node))?;
    fields.describe(format!("an execution of the type `{}`", kind.as_str()));
    let execution = match kind {
        ExecutionType::FirstTime => Some(Execution::FirstTime),
        ExecutionType::LastTime => Some(Execution::LastTime),
        ExecutionType::AtLeast | ExecutionType::Exactly | ExecutionType::AtMost => {
            let count = reader
                .require(&mut fields, "count")
                .and_then(|node| reader.count(node, 1..=COUNT_LIMIT));
            count.map(|count| match kind {
                ExecutionType::Exactly => Execution::Exactly(count),
                ExecutionType::AtMost => Execution::AtMost(count),
                _ => Execution::AtLeast(count),
            })
        }
    };
    reader.finish(&fields);
    execution
}

/// `executed: false` means exactly 0 times, and nothing else can stand beside it.
fn zero_executions(reader: &mut Decoder<'_>, node: &Node) -> Option<Execution> {
    let mut fields = reader.fields(node, "an execution")?;
    let kind = reader
        .require(&mut fields, "type")
        .and_then(|node| reader.keyword::<ExecutionType>(node));
    let count = fields
        .take("count")
        .map(|node| reader.count(node, 0..=COUNT_LIMIT));
    reader.finish(&fields);
    if kind? == ExecutionType::Exactly && count? == Some(0) {
        return Some(Execution::Never);
    }
    let message = "`executed: false` means exactly 0 times, but the execution says otherwise";
    reader.error::<()>(
        codes::EXECUTION_CONTRADICTION,
        &node.span,
        message,
        "contradicts `executed: false`",
    );
    reader.add_help("leave `execution` out, or say `executed: true`");
    None
}
