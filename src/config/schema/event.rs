//! Event filters, aggregations and affinity filters.

use super::attribute::AttributeSchemaKind;
use super::builders::{
    ObjectSchema, any_of, boolean, constant, count, described, discriminated_by, integer_between,
    keyword_enum, list, non_empty_list, non_empty_text, number, schema_ref, text, with_hover_text,
};
use super::date::{affinity_time_range, event_time_range, iso_moment, time_range_type};
use crate::model::{AffinityTextOperator, AffinityType, AggregationType, Comparator, GroupOperator, Keyword};
use serde_json::{Value, json};

/// Parts that several filters share.
pub(super) fn schema_defs() -> [(&'static str, Value); 3] {
    let time_range = described(affinity_time_range(), "When: a number of days, or dates.");
    [
        ("execution", with_hover_text("execution", execution())),
        (
            "preferredAttributes",
            with_hover_text("psychographic_attributes", preferred_attributes()),
        ),
        ("affinityTimeRange", time_range),
    ]
}

pub(super) fn event() -> Value {
    let time_range = described(event_time_range(), "When MoEngage received the event.");
    let base = ObjectSchema::default()
        .with_required("filter_type", constant("actions"))
        .with_required("action_name", non_empty_text())
        .with_optional("project_name", non_empty_text())
        .with_required("primary_time_range", time_range)
        .with_optional("attributes", attributes())
        .with_optional("aggregation_attributes", aggregation());
    let executed = described(json!({"const": true}), "The event happened.");
    let never = described(json!({"const": false}), "The event did not happen.");
    any_of([
        base.clone()
            .with_required("executed", executed)
            .with_optional("execution", schema_ref("execution"))
            .closed(),
        base.with_required("executed", never)
            .with_optional("execution", exactly_zero_times())
            .closed(),
    ])
}

fn attributes() -> Value {
    let attribute = schema_ref(AttributeSchemaKind::Event.def_name());
    ObjectSchema::default()
        .with_required("filter_operator", keyword_enum::<GroupOperator>())
        .with_required("filters", list(&attribute))
        .closed()
}

fn execution() -> Value {
    let times = |kind| {
        let text = "At least, exactly or at most this many times in the time range.";
        ObjectSchema::default()
            .with_required("type", described(constant(kind), text))
            .with_required("count", count(1))
            .closed()
    };
    let once = |kind| {
        let text = "The first or the last occurrence of all is in the time range.";
        ObjectSchema::default()
            .with_required("type", described(constant(kind), text))
            .closed()
    };
    let kinds = [
        ("atleast", times("atleast")),
        ("exactly", times("exactly")),
        ("atmost", times("atmost")),
        ("firstTime", once("firstTime")),
        ("lastTime", once("lastTime")),
    ];
    discriminated_by("type", kinds)
}

fn exactly_zero_times() -> Value {
    let kind = described(constant("exactly"), "Exactly 0 times.");
    ObjectSchema::default()
        .with_required("type", kind)
        .with_required("count", json!({"const": 0}))
        .closed()
}

fn aggregation() -> Value {
    let one = any_of([
        threshold(json!({"enum": ["is", "lessThan", "greaterThan"]}), None),
        threshold(constant("between"), Some(number())),
    ]);
    let filters = json!({"type": "array", "items": one, "minItems": 1, "maxItems": 1});
    ObjectSchema::default()
        .with_optional("filter_operator", keyword_enum::<GroupOperator>())
        .with_required("filters", filters)
        .closed()
}

fn threshold(operator: Value, value1: Option<Value>) -> Value {
    let mut fields = ObjectSchema::default()
        .with_required("attribute_name", non_empty_text())
        .with_optional("data_type", constant("double"))
        .with_required("aggregation_type", keyword_enum::<AggregationType>())
        .with_optional("negate", boolean())
        .with_optional("is_dynamic_value", json!({"const": false}))
        .with_required("operator", operator)
        .with_required("value", number());
    if let Some(value1) = value1 {
        fields = fields.with_required("value1", value1);
    }
    let compared = fields
        .clone()
        .with_required("comparator", keyword_enum::<Comparator>())
        .with_required("base_time_range", base_time_range());
    any_of([fields.closed(), compared.closed()])
}

fn base_time_range() -> Value {
    let between = |first, last| {
        ObjectSchema::default()
            .with_required("type", time_range_type("between"))
            .with_required("value", first)
            .with_required("value1", last)
    };
    any_of([
        ObjectSchema::default()
            .with_required("type", time_range_type("previousPeriod"))
            .closed(),
        between(iso_moment(), iso_moment()).closed(),
    ])
}

pub(super) fn affinity() -> Value {
    let base = ObjectSchema::default()
        .with_required("filter_type", constant("psychographic_event"))
        .with_required("action_name", non_empty_text())
        .with_required("psychographic_attributes", schema_ref("preferredAttributes"))
        .with_optional("attributes", attributes())
        .with_required("primary_time_range", schema_ref("affinityTimeRange"));
    let of = |kind: AffinityType| {
        let base = base
            .clone()
            .with_required("operator_type", constant(kind.as_str()));
        let percent = integer_between(1, 100);
        let mode = match kind {
            AffinityType::Predominant => base,
            AffinityType::Minimum => base.with_required("percent_of_times", percent),
            AffinityType::Top | AffinityType::Bottom => base.with_required("percent_of_users", percent),
        };
        let executed = mode
            .clone()
            .with_optional("executed", json!({"const": true}))
            .with_optional("execution", schema_ref("execution"));
        let never = mode
            .with_required("executed", json!({"const": false}))
            .with_optional("execution", exactly_zero_times());
        (kind.as_str(), any_of([executed.closed(), never.closed()]))
    };
    discriminated_by("operator_type", AffinityType::ALL.iter().map(|kind| of(*kind)))
}

fn preferred_attributes() -> Value {
    let attribute = discriminated_by(
        "data_type",
        [("string", text_attribute()), ("double", number_attribute())],
    );
    ObjectSchema::default()
        .with_required("filter_operator", keyword_enum::<GroupOperator>())
        .with_required("filters", non_empty_list(&attribute))
        .closed()
}

fn preferred_base(kind: &str) -> ObjectSchema {
    ObjectSchema::default()
        .with_required("name", non_empty_text())
        .with_optional("category", non_empty_text())
        .with_optional("negate", boolean())
        .with_required("data_type", constant(kind))
}

fn text_attribute() -> Value {
    let of = |operator: AffinityTextOperator| {
        let base = preferred_base("string").with_required("operator", constant(operator.as_str()));
        let schema = match operator {
            AffinityTextOperator::Exists => base.with_optional("case_sensitive", boolean()),
            AffinityTextOperator::In => base
                .with_required("value", non_empty_list(&text()))
                .with_optional("case_sensitive", boolean()),
            _ => base
                .with_required("value", text())
                .with_optional("case_sensitive", boolean()),
        };
        (operator.as_str(), schema.closed())
    };
    discriminated_by(
        "operator",
        AffinityTextOperator::ALL.iter().map(|operator| of(*operator)),
    )
}

fn number_attribute() -> Value {
    let base = |operator| preferred_base("double").with_required("operator", constant(operator));
    let with_value = |operator, value| base(operator).with_required("value", value);
    let between = with_value("between", number()).with_required("value1", number());
    let operators = [
        ("is", with_value("is", number())),
        ("in", with_value("in", non_empty_list(&number()))),
        ("lessThan", with_value("lessThan", number())),
        ("greaterThan", with_value("greaterThan", number())),
        ("between", between),
        ("exists", base("exists")),
    ];
    discriminated_by(
        "operator",
        operators.map(|(operator, schema)| (operator, schema.closed())),
    )
}
