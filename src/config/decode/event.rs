//! Event filters: what happened, how often, when, with which attributes.

use super::super::yaml::Node;
use super::aggregation::aggregation;
use super::attribute::{Position, attribute_group};
use super::codes;
use super::reader::{COUNT_LIMIT, Fields, Reader};
use super::window::event_window;
use crate::model::{AttributeGroup, EventFilter, Execution, ExecutionType, Keyword};

/// The fields of an `actions` filter, its type read already.
pub(super) fn event(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<EventFilter> {
    fields.describe("an `actions` filter");
    let action_name = reader
        .require(&mut fields, "action_name")
        .and_then(|node| reader.filled_text(node));
    let project_name = fields.take("project_name").map(|node| reader.filled_text(node));
    let executed = reader
        .require(&mut fields, "executed")
        .and_then(|node| reader.boolean(node));
    let execution = execution(reader, &mut fields, executed);
    let window = reader
        .require(&mut fields, "primary_time_range")
        .and_then(|node| event_window(reader, node));
    let attributes = attributes(reader, &mut fields);
    let aggregation = fields
        .take("aggregation_attributes")
        .map(|node| aggregation(reader, node));
    reader.finish(&fields);
    Some(EventFilter {
        action_name: action_name?,
        project_name: optional(project_name)?,
        execution: execution?,
        window: window?,
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
pub(super) fn attributes(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<AttributeGroup> {
    match fields.take("attributes") {
        Some(node) => attribute_group(reader, node, Position::OfEvent),
        None => Some(AttributeGroup::none()),
    }
}

/// How often; at least once when left out, and never when it is not executed.
pub(super) fn execution(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    executed: Option<bool>,
) -> Option<Execution> {
    let given = fields.take("execution");
    match (executed?, given) {
        (true, None) => Some(Execution::AtLeast(1)),
        (true, Some(node)) => executions(reader, node),
        (false, None) => Some(Execution::Never),
        (false, Some(node)) => never(reader, node),
    }
}

fn executions(reader: &mut Reader<'_>, node: &Node) -> Option<Execution> {
    let mut fields = reader.fields(node, "an execution")?;
    let kind = reader
        .require(&mut fields, "type")
        .and_then(|node| reader.word::<ExecutionType>(node))?;
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
fn never(reader: &mut Reader<'_>, node: &Node) -> Option<Execution> {
    let mut fields = reader.fields(node, "an execution")?;
    let kind = reader
        .require(&mut fields, "type")
        .and_then(|node| reader.word::<ExecutionType>(node));
    let count = fields
        .take("count")
        .map(|node| reader.count(node, 0..=COUNT_LIMIT));
    reader.finish(&fields);
    if kind? == ExecutionType::Exactly && count? == Some(0) {
        return Some(Execution::Never);
    }
    let message = "`executed: false` means exactly 0 times, but the execution says otherwise";
    reader.fault::<()>(
        codes::EXECUTED_FALSE,
        &node.span,
        message,
        "contradicts `executed: false`",
    );
    reader.help("leave `execution` out, or say `executed: true`");
    None
}
