//! The schema of one YAML document of a segment file.

use super::super::decode::RESPONSE_FIELDS;
use super::attribute::{self, AttributeSchemaKind};
use super::builders::{
    ObjectSchema, any_of, boolean, constant, described, discriminated_by, keyword_enum, list, non_empty_text,
    schema_ref, text,
};
use super::contents;
use super::date;
use super::event::{self, affinity, event};
use crate::model::{GroupOperator, Keyword, Lifecycle, SegmentKind};
use serde_json::{Map, Value, json};

#[must_use]
pub fn segment() -> Value {
    let kind = described(
        keyword_enum::<SegmentKind>(),
        "`filter` (default), `file` for an uploaded user list, or `cohort` for members synced by a partner.",
    );
    let is_kind = |kind: SegmentKind| {
        let kind = constant(kind.as_str());
        ObjectSchema::default()
            .with_required("kind", kind)
            .allowing_other_fields()
    };
    let mut schema = json!({
        "type": "object",
        "properties": {"kind": kind},
        "if": is_kind(SegmentKind::File),
        "then": contents::file_segment(common_fields()),
        "else": {
            "if": is_kind(SegmentKind::Cohort),
            "then": contents::cohort_segment(common_fields()),
            "else": contents::filter_segment(common_fields()),
        },
    });
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = "https://raw.githubusercontent.com/segctl/segctl/main/schemas/segment.schema.json".into();
    schema["title"] = "segctl segment".into();
    schema["description"] = "One segment; a file can contain several YAML documents.".into();
    schema["$defs"] = Value::Object(schema_defs());
    schema
}

fn common_fields() -> ObjectSchema {
    let name = "Unique in the workspace; a name can never be reused.";
    let id = "Id of the existing segment; without it, segctl matches by state and by name.";
    let workspaces = "Workspaces that have the segment; default: all.";
    let response_fields = RESPONSE_FIELDS
        .iter()
        .fold(ObjectSchema::default(), |fields, name| {
            fields.with_optional(name, described(json!({}), "Set by MoEngage; ignored."))
        });
    response_fields
        .with_optional("$schema", text())
        .with_required("name", described(text(), name))
        .with_optional("id", described(non_empty_text(), id))
        .with_optional("protect", boolean())
        .with_optional("description", text())
        .with_optional("owner", text())
        .with_optional("labels", list(&text()))
        .with_optional("lifecycle", keyword_enum::<Lifecycle>())
        .with_optional("previous_names", list(&non_empty_text()))
        .with_optional("workspaces", described(list(&non_empty_text()), workspaces))
}

fn schema_defs() -> Map<String, Value> {
    let mut parts: Map<String, Value> = attribute::schema_defs()
        .into_iter()
        .chain(date::schema_defs())
        .chain(event::schema_defs())
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    let condition = |kind: AttributeSchemaKind| (kind.def_name(), attribute::condition(kind));
    for (name, schema) in [
        ("group", group(ObjectSchema::default())),
        ("filter", filter()),
        condition(AttributeSchemaKind::User),
        condition(AttributeSchemaKind::Inner),
        condition(AttributeSchemaKind::Event),
        ("event", event()),
        ("affinity", affinity()),
    ] {
        parts.insert(name.to_owned(), schema);
    }
    parts
}

fn group(base: ObjectSchema) -> Value {
    base.with_required("filter_operator", keyword_enum::<GroupOperator>())
        .with_required("filters", list(&schema_ref("filter")))
        .closed()
}

fn filter() -> Value {
    let nested = ObjectSchema::default().with_required("filter_type", constant("nested_filters"));
    let kinds = [
        (
            "user_attributes",
            schema_ref(AttributeSchemaKind::User.def_name()),
        ),
        ("actions", schema_ref("event")),
        ("psychographic_event", schema_ref("affinity")),
        ("custom_segments", reference()),
        ("nested_filters", group(nested)),
    ];
    let raw = ObjectSchema::default().with_required("raw", json!({"type": "object"}));
    any_of([discriminated_by("filter_type", kinds), raw.closed()])
}

fn reference() -> Value {
    let base = || ObjectSchema::default().with_required("filter_type", constant("custom_segments"));
    let name = "Name of the segment; segctl finds its id in each workspace.";
    let id = "Id of the segment, as in the payload of the dashboard; `moe_all_users` means all users.";
    any_of([
        base()
            .with_required("name", described(non_empty_text(), name))
            .closed(),
        base()
            .with_required("id", described(non_empty_text(), id))
            .with_optional(
                "name",
                described(non_empty_text(), "Label for readers; the id selects the segment."),
            )
            .closed(),
    ])
}
