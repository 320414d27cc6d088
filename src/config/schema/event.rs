//! Event filters, aggregations and affinity filters.

use super::attribute::AttributeSchemaKind;
use super::builders::{
    ObjectSchema, any_of, boolean, constant, count, described, discriminated_by, integer_between,
    keyword_enum, list, non_empty_list, non_empty_text, number, schema_ref, text,
};
use super::date::{affinity_time_range, event_time_range, first_moment, last_moment, time_range_type};
use crate::model::{AffinityTextOperator, AffinityType, AggregationType, Comparator, GroupOperator, Keyword};
use serde_json::{Value, json};

/// An `actions` filter.
pub(super) fn event() -> Value {
    let base = ObjectSchema::default()
        .with_required("filter_type", constant("actions"))
        .with_required(
            "action_name",
            described(
                non_empty_text(),
                "The event's code, not its label in the dashboard.",
            ),
        )
        .with_optional(
            "project_name",
            described(
                non_empty_text(),
                "Portfolio workspaces only; `moe_portfolio` means any project.",
            ),
        )
        .with_required(
            "primary_time_range",
            described(
                event_time_range(),
                "When, by the time the service received the event.",
            ),
        )
        .with_optional("attributes", attributes())
        .with_optional("aggregation_attributes", aggregation());
    let executed = described(json!({"const": true}), "It happened.");
    let never = described(json!({"const": false}), "It did not happen, not once.");
    any_of([
        base.clone()
            .with_required("executed", executed)
            .with_optional("execution", execution())
            .closed(),
        base.with_required("executed", never)
            .with_optional("execution", exactly_zero_times())
            .closed(),
    ])
}

fn attributes() -> Value {
    let group = ObjectSchema::default()
        .with_required("filter_operator", keyword_enum::<GroupOperator>())
        .with_required(
            "filters",
            list(&schema_ref(AttributeSchemaKind::EventAttribute.def_name())),
        )
        .closed();
    described(group, "What has to hold for an occurrence to count.")
}

fn execution() -> Value {
    let times = |kind| {
        ObjectSchema::default()
            .with_required(
                "type",
                described(
                    constant(kind),
                    "At least, exactly or at most so many times in the window.",
                ),
            )
            .with_required("count", count(1))
            .closed()
    };
    let once = |kind| {
        let words = "The first, or the last, occurrence of all lies in the window.";
        ObjectSchema::default()
            .with_required("type", described(constant(kind), words))
            .closed()
    };
    let kinds = discriminated_by(
        "type",
        [
            ("atleast", times("atleast")),
            ("exactly", times("exactly")),
            ("atmost", times("atmost")),
            ("firstTime", once("firstTime")),
            ("lastTime", once("lastTime")),
        ],
    );
    described(kinds, "How often; at least once when left out.")
}

fn exactly_zero_times() -> Value {
    ObjectSchema::default()
        .with_required(
            "type",
            described(constant("exactly"), "Not once: exactly 0 times."),
        )
        .with_required("count", json!({"const": 0}))
        .closed()
}

fn aggregation() -> Value {
    let one = any_of([
        threshold(json!({"enum": ["is", "lessThan", "greaterThan"]}), None),
        threshold(constant("between"), Some(number())),
    ]);
    let group = ObjectSchema::default()
        .with_optional("filter_operator", keyword_enum::<GroupOperator>())
        .with_required(
            "filters",
            json!({"type": "array", "items": one, "minItems": 1, "maxItems": 1}),
        )
        .closed();
    described(
        group,
        "A condition on the sum, mean, least, greatest or median of an attribute of the occurrences.",
    )
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
        .with_required(
            "base_time_range",
            described(base_time_range(), "The earlier window compared with."),
        );
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
        between(count(0), count(0)).closed(),
        between(first_moment(), last_moment()).closed(),
    ])
}

/// A `psychographic_event` filter.
pub(super) fn affinity() -> Value {
    let base = ObjectSchema::default()
        .with_required("filter_type", constant("psychographic_event"))
        .with_required(
            "action_name",
            described(
                non_empty_text(),
                "The event's code, not its label in the dashboard.",
            ),
        )
        .with_optional("executed", json!({"const": true}))
        .with_optional("execution", execution())
        .with_required("psychographic_attributes", preferred_attributes())
        .with_optional("attributes", attributes())
        .with_required(
            "primary_time_range",
            described(affinity_time_range(), "When; counted in days, or between dates."),
        );
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
        (kind.as_str(), mode.closed())
    };
    discriminated_by("operator_type", AffinityType::ALL.iter().map(|kind| of(*kind)))
}

fn preferred_attributes() -> Value {
    let attribute = discriminated_by(
        "data_type",
        [("string", text_attribute()), ("double", number_attribute())],
    );
    let group = ObjectSchema::default()
        .with_required("filter_operator", keyword_enum::<GroupOperator>())
        .with_required("filters", non_empty_list(&attribute))
        .closed();
    described(group, "The values that users lean to.")
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
        let word = operator.as_str();
        let base = preferred_base("string").with_required("operator", constant(word));
        let schema = match operator {
            AffinityTextOperator::Exists => base,
            AffinityTextOperator::In => base
                .with_required("value", non_empty_list(&text()))
                .with_optional("case_sensitive", boolean()),
            _ => base
                .with_required("value", text())
                .with_optional("case_sensitive", boolean()),
        };
        (word, schema.closed())
    };
    discriminated_by(
        "operator",
        AffinityTextOperator::ALL.iter().map(|operator| of(*operator)),
    )
}

fn number_attribute() -> Value {
    let base = |word| preferred_base("double").with_required("operator", constant(word));
    let one = |word| base(word).with_required("value", number()).closed();
    discriminated_by(
        "operator",
        [
            ("is", one("is")),
            (
                "in",
                base("in")
                    .with_required("value", non_empty_list(&number()))
                    .closed(),
            ),
            ("lessThan", one("lessThan")),
            ("greaterThan", one("greaterThan")),
            (
                "between",
                base("between")
                    .with_required("value", number())
                    .with_required("value1", number())
                    .closed(),
            ),
            ("exists", base("exists").closed()),
        ],
    )
}
