//! Event filters, aggregations and affinity filters.

use super::attribute::Position;
use super::date::{affinity_window, event_window, first_moment, last_moment, window_type};
use super::object::{
    Fields, any_of, boolean, by, count, described, filled_list, filled_text, list, number, only, part, text,
    whole, words,
};
use crate::model::{AffinityTextOperator, AffinityType, AggregationType, Comparator, GroupOperator, Keyword};
use serde_json::{Value, json};

/// An `actions` filter.
pub(super) fn event() -> Value {
    let base = Fields::default()
        .need("filter_type", only("actions"))
        .need(
            "action_name",
            described(filled_text(), "The event's code, not its label in the dashboard."),
        )
        .may(
            "project_name",
            described(
                filled_text(),
                "Portfolio workspaces only; `moe_portfolio` means any project.",
            ),
        )
        .need(
            "primary_time_range",
            described(
                event_window(),
                "When, by the time the service received the event.",
            ),
        )
        .may("attributes", attributes())
        .may("aggregation_attributes", aggregation());
    let executed = described(json!({"const": true}), "It happened.");
    let never = described(json!({"const": false}), "It did not happen, not once.");
    any_of([
        base.clone()
            .need("executed", executed)
            .may("execution", execution())
            .done(),
        base.need("executed", never)
            .may("execution", exactly_never())
            .done(),
    ])
}

fn attributes() -> Value {
    let group = Fields::default()
        .need("filter_operator", words::<GroupOperator>())
        .need("filters", list(&part(Position::OfEvent.part())))
        .done();
    described(group, "What has to hold for an occurrence to count.")
}

fn execution() -> Value {
    let times = |kind| {
        Fields::default()
            .need(
                "type",
                described(
                    only(kind),
                    "At least, exactly or at most so many times in the window.",
                ),
            )
            .need("count", count(1))
            .done()
    };
    let once = |kind| {
        let words = "The first, or the last, occurrence of all lies in the window.";
        Fields::default()
            .need("type", described(only(kind), words))
            .done()
    };
    let kinds = by(
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

fn exactly_never() -> Value {
    Fields::default()
        .need("type", described(only("exactly"), "Not once: exactly 0 times."))
        .need("count", json!({"const": 0}))
        .done()
}

fn aggregation() -> Value {
    let one = any_of([
        threshold(json!({"enum": ["is", "lessThan", "greaterThan"]}), None),
        threshold(only("between"), Some(number())),
    ]);
    let group = Fields::default()
        .may("filter_operator", words::<GroupOperator>())
        .need(
            "filters",
            json!({"type": "array", "items": one, "minItems": 1, "maxItems": 1}),
        )
        .done();
    described(
        group,
        "A condition on the sum, mean, least, greatest or median of an attribute of the occurrences.",
    )
}

fn threshold(operator: Value, value1: Option<Value>) -> Value {
    let mut fields = Fields::default()
        .need("attribute_name", filled_text())
        .may("data_type", only("double"))
        .need("aggregation_type", words::<AggregationType>())
        .may("negate", boolean())
        .may("is_dynamic_value", json!({"const": false}))
        .need("operator", operator)
        .need("value", number());
    if let Some(value1) = value1 {
        fields = fields.need("value1", value1);
    }
    let compared = fields.clone().need("comparator", words::<Comparator>()).need(
        "base_time_range",
        described(base_window(), "The earlier window compared with."),
    );
    any_of([fields.done(), compared.done()])
}

fn base_window() -> Value {
    let between = |first, last| {
        Fields::default()
            .need("type", window_type("between"))
            .need("value", first)
            .need("value1", last)
    };
    any_of([
        Fields::default()
            .need("type", window_type("previousPeriod"))
            .done(),
        between(count(0), count(0)).done(),
        between(first_moment(), last_moment()).done(),
    ])
}

/// A `psychographic_event` filter.
pub(super) fn affinity() -> Value {
    let base = Fields::default()
        .need("filter_type", only("psychographic_event"))
        .need(
            "action_name",
            described(filled_text(), "The event's code, not its label in the dashboard."),
        )
        .may("executed", json!({"const": true}))
        .may("execution", execution())
        .need("psychographic_attributes", preferred())
        .may("attributes", attributes())
        .need(
            "primary_time_range",
            described(affinity_window(), "When; counted in days, or between dates."),
        );
    let of = |kind: AffinityType| {
        let base = base.clone().need("operator_type", only(kind.as_str()));
        let percent = whole(1, 100);
        let mode = match kind {
            AffinityType::Predominant => base,
            AffinityType::Minimum => base.need("percent_of_times", percent),
            AffinityType::Top | AffinityType::Bottom => base.need("percent_of_users", percent),
        };
        (kind.as_str(), mode.done())
    };
    by("operator_type", AffinityType::ALL.iter().map(|kind| of(*kind)))
}

fn preferred() -> Value {
    let attribute = by(
        "data_type",
        [("string", text_attribute()), ("double", number_attribute())],
    );
    let group = Fields::default()
        .need("filter_operator", words::<GroupOperator>())
        .need("filters", filled_list(&attribute))
        .done();
    described(group, "The values that users lean to.")
}

fn preferred_base(kind: &str) -> Fields {
    Fields::default()
        .need("name", filled_text())
        .may("category", filled_text())
        .may("negate", boolean())
        .need("data_type", only(kind))
}

fn text_attribute() -> Value {
    let of = |operator: AffinityTextOperator| {
        let word = operator.as_str();
        let base = preferred_base("string").need("operator", only(word));
        let schema = match operator {
            AffinityTextOperator::Exists => base,
            AffinityTextOperator::In => base
                .need("value", filled_list(&text()))
                .may("case_sensitive", boolean()),
            _ => base.need("value", text()).may("case_sensitive", boolean()),
        };
        (word, schema.done())
    };
    by(
        "operator",
        AffinityTextOperator::ALL.iter().map(|operator| of(*operator)),
    )
}

fn number_attribute() -> Value {
    let base = |word| preferred_base("double").need("operator", only(word));
    let one = |word| base(word).need("value", number()).done();
    by(
        "operator",
        [
            ("is", one("is")),
            ("in", base("in").need("value", filled_list(&number())).done()),
            ("lessThan", one("lessThan")),
            ("greaterThan", one("greaterThan")),
            (
                "between",
                base("between")
                    .need("value", number())
                    .need("value1", number())
                    .done(),
            ),
            ("exists", base("exists").done()),
        ],
    )
}
