//! Rules on the values of conditions.

use super::super::declaration::PathElement;
use super::parts::{DefinitionParts, Located};
use super::{Rule, RuleCheck};
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{
    AffinityTest, AggregationTest, ArrayStringTest, AttributeFilter, Condition, DateComparison, DateValue,
    DoubleTest, Filter, MomentRange, Number, Operand, StringTest,
};
use std::cmp::Ordering;

/// How a comparison with another attribute begins.
const TEMPLATE_PREFIX: &str = "{{MoeUserAttribute[";

pub(super) const EMPTY_VALUE_RANGE: Rule = Rule {
    code: "SEG028",
    name: "range-empty",
    explanation: "A `between` whose first value is not less than its second matches nothing. Numbers match from \
                  the first value up to, but without, the second. Dates match both ends. Of two relative dates \
                  the nearer one comes first: 3 and 5 days ago. Parts of a date, such as hours, may wrap and are \
                  not checked.",
    check: RuleCheck::Definition(empty_value_range),
};

pub(super) const GEOPOINT_OUT_OF_RANGE: Rule = Rule {
    code: "SEG030",
    name: "geopoint-off-the-globe",
    explanation: "A geopoint's `value` is its latitude, -90 to 90 degrees, `value1` its longitude, -180 to 180 \
                  degrees, and `radius` more than 0 metres. Latitude and longitude are easily swapped.",
    check: RuleCheck::Condition(geopoint_out_of_range),
};

pub(super) const TEMPLATE_AS_TEXT: Rule = Rule {
    code: "SEG031",
    name: "template-as-text",
    explanation: "A value such as {{MoeUserAttribute['city']}} is compared letter by letter unless the condition \
                  says `is_dynamic_value: true`. Only conditions on user attributes can compare with another \
                  attribute.",
    check: RuleCheck::Definition(template_as_text),
};

fn empty_value_range(parts: &DefinitionParts<'_>, found: &mut Vec<Diagnostic>) {
    for condition in &parts.conditions {
        match &condition.part.condition {
            Condition::Double { test, .. } | Condition::ArrayDouble { test, .. } => {
                report_range_error(number_range_error(test), condition, &[], found);
            }
            Condition::Datetime { test, .. } => {
                if let DateComparison::Between(moments) = &test.comparison {
                    report_range_error(date_range_error(moments), condition, &[], found);
                }
            }
            _ => {}
        }
    }
    for filter in &parts.filters {
        match filter.part {
            Filter::Event(event) => {
                if let Some(AggregationTest::Between(low, high)) =
                    event.aggregation.as_ref().map(|made| made.test)
                {
                    let steps = [
                        PathElement::Field("aggregation_attributes"),
                        PathElement::Field("filters"),
                        PathElement::Item(0),
                    ];
                    report_range_error(half_open_range_error(low, high), filter, &steps, found);
                }
            }
            Filter::Affinity(affinity) => {
                for (index, preferred) in affinity.preferred.iter().enumerate() {
                    if let AffinityTest::Double(test) = &preferred.test {
                        report_range_error(
                            number_range_error(test),
                            filter,
                            &affinity_attribute_path(index),
                            found,
                        );
                    }
                }
            }
            _ => {}
        }
    }
}

fn affinity_attribute_path(index: usize) -> [PathElement; 3] {
    [
        PathElement::Field("psychographic_attributes"),
        PathElement::Field("filters"),
        PathElement::Item(index),
    ]
}

/// What is wrong with a range, and what to do about it.
struct RangeError {
    message: String,
    help: String,
}

fn report_range_error<T>(
    fault: Option<RangeError>,
    at: &Located<'_, T>,
    steps: &[PathElement],
    found: &mut Vec<Diagnostic>,
) {
    if let Some(RangeError { message, help }) = fault {
        let value = at.location_of(&[steps, &[PathElement::Field("value")]].concat());
        let value1 = at.location_of(&[steps, &[PathElement::Field("value1")]].concat());
        found.push(
            Diagnostic::error(
                EMPTY_VALUE_RANGE.code,
                message,
                value1,
                "not after the first value",
            )
            .with_label(value, "the first value")
            .with_help(help),
        );
    }
}

fn number_range_error(test: &DoubleTest) -> Option<RangeError> {
    match test {
        DoubleTest::Between(low, high) => half_open_range_error(*low, *high),
        _ => None,
    }
}

fn half_open_range_error(low: Number, high: Number) -> Option<RangeError> {
    let (shown_low, shown_high) = (low.to_json(), high.to_json());
    let help = match low.cmp(&high) {
        Ordering::Less => return None,
        Ordering::Equal => "the second value is not included: use an operator for one value",
        Ordering::Greater => "swap `value` and `value1`",
    };
    Some(RangeError {
        message: format!("no number is at least {shown_low} and less than {shown_high}"),
        help: help.to_owned(),
    })
}

fn date_range_error(moments: &MomentRange) -> Option<RangeError> {
    match moments {
        MomentRange::At(DateValue::At(first), DateValue::At(last)) if last <= first => Some(RangeError {
            message: format!("the range from {first} to {last} holds no date"),
            help: "write the earlier date as `value`; both ends are included".to_owned(),
        }),
        MomentRange::Ago(nearer, farther) | MomentRange::FromNow(nearer, farther) => {
            relative_range_error(*nearer, *farther)
        }
        // Hours, weekdays, days, months and `MM-DD` may wrap: from December to January.
        MomentRange::At(..) => None,
    }
}

fn relative_range_error(nearer: u32, farther: u32) -> Option<RangeError> {
    let help = match nearer.cmp(&farther) {
        Ordering::Less => return None,
        Ordering::Equal => "for one unit, use the operator `on`",
        Ordering::Greater => "`value` is the nearer end: swap `value` and `value1`",
    };
    Some(RangeError {
        message: format!("the relative range from {nearer} to {farther} is out of order"),
        help: help.to_owned(),
    })
}

fn geopoint_out_of_range(condition: &Located<'_, AttributeFilter>, found: &mut Vec<Diagnostic>) {
    let Condition::Geopoint {
        latitude,
        longitude,
        radius,
        ..
    } = &condition.part.condition
    else {
        return;
    };
    let is_swapped =
        latitude.get().abs() > 90.0 && latitude.get().abs() <= 180.0 && longitude.get().abs() <= 90.0;
    let faults = [
        (
            "value",
            latitude,
            latitude.get().abs() > 90.0,
            "a latitude",
            "-90 to 90 degrees",
        ),
        (
            "value1",
            longitude,
            longitude.get().abs() > 180.0,
            "a longitude",
            "-180 to 180 degrees",
        ),
        (
            "radius",
            radius,
            radius.get() <= 0.0,
            "a radius",
            "more than 0 metres",
        ),
    ];
    for (key, number, is_fault, what, range) in faults {
        if is_fault {
            let message = format!("{} is not {what}", number.to_json());
            let place = condition.location_of(&[PathElement::Field(key)]);
            let fault = Diagnostic::error(
                GEOPOINT_OUT_OF_RANGE.code,
                message,
                place,
                format!("expected {range}"),
            );
            found.push(if key == "value" && is_swapped {
                fault.with_help("`value` is the latitude and `value1` the longitude: swap them")
            } else {
                fault
            });
        }
    }
}

fn template_as_text(parts: &DefinitionParts<'_>, found: &mut Vec<Diagnostic>) {
    for condition in &parts.conditions {
        let template =
            literal_texts(&condition.part.condition).find(|text| text.starts_with(TEMPLATE_PREFIX));
        if let Some(template) = template {
            found.push(template_warning(
                template,
                condition.location_of(&[PathElement::Field("value")]),
                condition.is_in_event(),
            ));
        }
    }
    for filter in &parts.filters {
        let Filter::Affinity(affinity) = filter.part else {
            continue;
        };
        for (index, preferred) in affinity.preferred.iter().enumerate() {
            let texts = match &preferred.test {
                AffinityTest::Text { value, .. } => std::slice::from_ref(value),
                AffinityTest::TextIn { values, .. } => values.as_slice(),
                _ => &[],
            };
            if let Some(template) = texts.iter().find(|text| text.starts_with(TEMPLATE_PREFIX)) {
                let steps = affinity_attribute_path(index);
                let place = filter.location_of(&[&steps, &[PathElement::Field("value")][..]].concat());
                found.push(template_warning(template, place, true));
            }
        }
    }
}

/// The texts that a condition compares with letter by letter.
fn literal_texts(condition: &Condition) -> impl Iterator<Item = &String> {
    let texts: &[String] = match condition {
        Condition::String { test, .. } => match test {
            StringTest::Any(_, Operand::Fixed(values)) => values,
            StringTest::One(_, Operand::Fixed(value)) => std::slice::from_ref(value),
            _ => &[],
        },
        Condition::ArrayString { test, .. } => match test {
            ArrayStringTest::Any(_, Operand::Fixed(values)) => values,
            ArrayStringTest::Is(Operand::Fixed(value)) => std::slice::from_ref(value),
            _ => &[],
        },
        _ => &[],
    };
    texts.iter()
}

fn template_warning(template: &str, place: Location, is_of_event: bool) -> Diagnostic {
    let message = format!("`{template}` is compared letter by letter");
    let help = if is_of_event {
        "only conditions on user attributes can compare with another attribute"
    } else {
        "to compare with the user's own value, add `is_dynamic_value: true`"
    };
    Diagnostic::warning(TEMPLATE_AS_TEXT.code, message, place, "taken as plain text").with_help(help)
}
