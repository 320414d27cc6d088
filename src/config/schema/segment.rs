//! A document of a segment file.

use super::attribute::{self, AttributeSchemaKind};
use super::builders::{
    ObjectSchema, any_of, boolean, constant, described, discriminated_by, keyword_enum, list, non_empty_text,
    schema_ref, text,
};
use super::contents;
use super::date;
use super::event::{affinity, event};
use crate::model::{GroupOperator, Keyword, Lifecycle, SegmentKind};
use serde_json::{Map, Value, json};

/// The schema of one document of a segment file.
#[must_use]
pub fn segment() -> Value {
    let kind = described(keyword_enum::<SegmentKind>(), "What makes the segment's members.");
    let is_kind = |kind: SegmentKind| {
        let said = ObjectSchema::default().with_required("kind", constant(kind.as_str()));
        said.allowing_other_fields()
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
    schema["description"] = "One segment; a file may hold several documents.".into();
    schema["$defs"] = Value::Object(schema_defs());
    schema
}

/// What segments of every kind have.
fn common_fields() -> ObjectSchema {
    ObjectSchema::default()
        .with_required(
            "name",
            described(
                text(),
                "Unique in the workspace, for ever: nothing is ever deleted.",
            ),
        )
        .with_optional(
            "id",
            described(
                non_empty_text(),
                "The live segment that this is, whatever its name; without it, it is found by the ledger and by name.",
            ),
        )
        .with_optional(
            "protect",
            described(boolean(), "Whether it must never be archived, not even by removing the file."),
        )
        .with_optional(
            "description",
            described(text(), "For readers of the repository; never sent."),
        )
        .with_optional("owner", described(text(), "Whom to ask; never sent."))
        .with_optional(
            "labels",
            described(list(&text()), "For readers of the repository; never sent."),
        )
        .with_optional(
            "lifecycle",
            described(
                keyword_enum::<Lifecycle>(),
                "Whether the segment is in use; it is by default.",
            ),
        )
        .with_optional(
            "previous_names",
            described(
                list(&non_empty_text()),
                "Names it had before: a live segment of that name is renamed.",
            ),
        )
        .with_optional(
            "workspaces",
            described(
                list(&non_empty_text()),
                "The workspaces it is for; all when left out.",
            ),
        )
}

fn schema_defs() -> Map<String, Value> {
    let mut parts: Map<String, Value> = attribute::schema_defs()
        .into_iter()
        .chain(date::schema_defs())
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    for (name, schema) in [
        ("group", group(ObjectSchema::default())),
        ("filter", filter()),
        (
            "userAttribute",
            attribute::condition(AttributeSchemaKind::UserAttribute),
        ),
        (
            "innerAttribute",
            attribute::condition(AttributeSchemaKind::InnerAttribute),
        ),
        (
            "eventAttribute",
            attribute::condition(AttributeSchemaKind::EventAttribute),
        ),
        ("event", event()),
        ("affinity", affinity()),
    ] {
        parts.insert(name.to_owned(), schema);
    }
    parts
}

fn group(base: ObjectSchema) -> Value {
    base.with_required(
        "filter_operator",
        described(
            keyword_enum::<GroupOperator>(),
            "Whether every filter has to hold, or any.",
        ),
    )
    .with_required("filters", list(&schema_ref("filter")))
    .closed()
}

fn filter() -> Value {
    let raw = described(
        json!({"type": "object"}),
        "Sent as it stands; nothing in it is checked.",
    );
    any_of([
        discriminated_by(
            "filter_type",
            [
                (
                    "user_attributes",
                    schema_ref(AttributeSchemaKind::UserAttribute.def_name()),
                ),
                ("actions", schema_ref("event")),
                ("psychographic_event", schema_ref("affinity")),
                ("custom_segments", reference()),
                (
                    "nested_filters",
                    group(ObjectSchema::default().with_required("filter_type", constant("nested_filters"))),
                ),
            ],
        ),
        ObjectSchema::default().with_required("raw", raw).closed(),
    ])
}

fn reference() -> Value {
    let base = || ObjectSchema::default().with_required("filter_type", constant("custom_segments"));
    let name = || {
        described(
            non_empty_text(),
            "The segment's name; its id is found in each workspace.",
        )
    };
    let id = || {
        described(
            non_empty_text(),
            "The segment's id, as the dashboard's payload has it; `moe_all_users` is everyone.",
        )
    };
    any_of([
        base().with_required("name", name()).closed(),
        base()
            .with_required("id", id())
            .with_optional("name", non_empty_text())
            .closed(),
    ])
}
