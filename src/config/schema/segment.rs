//! A document of a segment file.

use super::attribute::{self, Position};
use super::contents;
use super::date;
use super::event::{affinity, event};
use super::object::{Fields, any_of, boolean, by, described, filled_text, list, only, part, text, words};
use crate::model::{GroupOperator, Keyword, Lifecycle, SegmentKind};
use serde_json::{Map, Value, json};

/// The schema of one document of a segment file.
#[must_use]
pub fn segment() -> Value {
    let kind = described(words::<SegmentKind>(), "What makes the segment's members.");
    let is_kind = |kind: SegmentKind| {
        let said = Fields::default().need("kind", only(kind.as_str()));
        said.open()
    };
    let mut schema = json!({
        "type": "object",
        "properties": {"kind": kind},
        "if": is_kind(SegmentKind::File),
        "then": contents::file(envelope()),
        "else": {
            "if": is_kind(SegmentKind::Cohort),
            "then": contents::cohort(envelope()),
            "else": contents::filter(envelope()),
        },
    });
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = "https://raw.githubusercontent.com/segctl/segctl/main/schemas/segment.schema.json".into();
    schema["title"] = "segctl segment".into();
    schema["description"] = "One segment; a file may hold several documents.".into();
    schema["$defs"] = Value::Object(parts());
    schema
}

/// What segments of every kind have.
fn envelope() -> Fields {
    Fields::default()
        .need(
            "name",
            described(
                text(),
                "Unique in the workspace, for ever: nothing is ever deleted.",
            ),
        )
        .may(
            "id",
            described(
                filled_text(),
                "The live segment that this is, whatever its name; without it, it is found by the ledger and by name.",
            ),
        )
        .may(
            "protect",
            described(boolean(), "Whether it must never be archived, not even by removing the file."),
        )
        .may(
            "description",
            described(text(), "For readers of the repository; never sent."),
        )
        .may("owner", described(text(), "Whom to ask; never sent."))
        .may(
            "labels",
            described(list(&text()), "For readers of the repository; never sent."),
        )
        .may(
            "lifecycle",
            described(
                words::<Lifecycle>(),
                "Whether the segment is in use; it is by default.",
            ),
        )
        .may(
            "previous_names",
            described(
                list(&filled_text()),
                "Names it had before: a live segment of that name is renamed.",
            ),
        )
        .may(
            "workspaces",
            described(
                list(&filled_text()),
                "The workspaces it is for; all when left out.",
            ),
        )
}

fn parts() -> Map<String, Value> {
    let mut parts: Map<String, Value> = attribute::parts()
        .into_iter()
        .chain(date::parts())
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    for (name, schema) in [
        ("group", group(Fields::default())),
        ("filter", filter()),
        ("userAttribute", attribute::condition(Position::UserFilter)),
        ("innerAttribute", attribute::condition(Position::InObject)),
        ("eventAttribute", attribute::condition(Position::OfEvent)),
        ("event", event()),
        ("affinity", affinity()),
    ] {
        parts.insert(name.to_owned(), schema);
    }
    parts
}

fn group(base: Fields) -> Value {
    base.need(
        "filter_operator",
        described(
            words::<GroupOperator>(),
            "Whether every filter has to hold, or any.",
        ),
    )
    .need("filters", list(&part("filter")))
    .done()
}

fn filter() -> Value {
    let raw = described(
        json!({"type": "object"}),
        "Sent as it stands; nothing in it is checked.",
    );
    any_of([
        by(
            "filter_type",
            [
                ("user_attributes", part(Position::UserFilter.part())),
                ("actions", part("event")),
                ("psychographic_event", part("affinity")),
                ("custom_segments", reference()),
                (
                    "nested_filters",
                    group(Fields::default().need("filter_type", only("nested_filters"))),
                ),
            ],
        ),
        Fields::default().need("raw", raw).done(),
    ])
}

fn reference() -> Value {
    let base = || Fields::default().need("filter_type", only("custom_segments"));
    let name = || {
        described(
            filled_text(),
            "The segment's name; its id is found in each workspace.",
        )
    };
    let id = || {
        described(
            filled_text(),
            "The segment's id, as the dashboard's payload has it; `moe_all_users` is everyone.",
        )
    };
    any_of([
        base().need("name", name()).done(),
        base().need("id", id()).may("name", filled_text()).done(),
    ])
}
