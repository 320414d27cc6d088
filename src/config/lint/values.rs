//! Rules on the values of conditions.

use super::super::declaration::PathElement::{self, Field, Item};
use super::parts::{DefinitionParts, Located};
use super::{Rule, RuleCheck};
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{
    AffinityTest, AggregationTest, ArrayStringTest, AttributeFilter, Condition, DateComparison, DateValue,
    DoubleTest, Filter, MomentRange, Number, Operand, StringTest,
};
use std::cmp::Ordering;

const TEMPLATE_PREFIX: &str = "{{MoeUserAttribute[";

pub(super) const EMPTY_VALUE_RANGE: Rule = Rule {
    code: "SEG028",
    name: "value-range-empty",
    explanation: "A `between` whose first value is not less than its second matches nothing. Number ranges exclude \
                  the second value, and date ranges include it. Of two relative dates, the nearer comes first: 3 \
                  and 5 days ago. Parts of a date, such as hours, may wrap and are not checked.",
    check: RuleCheck::Definition(empty_value_range),
};

pub(super) const GEOPOINT_OUT_OF_RANGE: Rule = Rule {
    code: "SEG030",
    name: "geopoint-out-of-range",
    explanation: "In a geopoint, `value` is the latitude (-90 to 90 degrees), `value1` the longitude (-180 to 180 \
                  degrees), and `radius` more than 0 meters. Check that latitude and longitude are not swapped.",
    check: RuleCheck::Condition(geopoint_out_of_range),
};

pub(super) const TEMPLATE_AS_TEXT: Rule = Rule {
    code: "SEG031",
    name: "template-as-text",
    explanation: "A value such as {{MoeUserAttribute['city']}} is compared as plain text unless the condition sets \
                  `is_dynamic_value: true`. Only conditions on user attributes can compare with another attribute.",
    check: RuleCheck::Definition(template_as_text),
};

fn empty_value_range(parts: &DefinitionParts<'_>, found: &mut Vec<Diagnostic>) {
    for condition in &parts.conditions {
        let error = match &condition.part.condition {
            Condition::Double { test, .. } | Condition::ArrayDouble { test, .. } => number_range_error(test),
            Condition::Datetime { test, .. } => match &test.comparison {
                DateComparison::Between(moments) => date_range_error(moments),
                _ => None,
            },
            _ => None,
        };
        report_range_error(error, condition, &[], found);
    }
    for filter in &parts.filters {
        match filter.part {
            Filter::Event(event) => {
                let test = event.aggregation.as_ref().map(|aggregation| aggregation.test);
                if let Some(AggregationTest::Between(low, high)) = test {
                    let steps = attribute_path("aggregation_attributes", 0);
                    report_range_error(half_open_range_error(low, high), filter, &steps, found);
                }
            }
            Filter::Affinity(affinity) => {
                for (index, preferred) in affinity.preferred.iter().enumerate() {
                    if let AffinityTest::Double(test) = &preferred.test {
                        let steps = attribute_path("psychographic_attributes", index);
                        report_range_error(number_range_error(test), filter, &steps, found);
                    }
                }
            }
            _ => {}
        }
    }
}

fn attribute_path(field: &'static str, index: usize) -> [PathElement; 3] {
    [Field(field), Field("filters"), Item(index)]
}

type MessageAndHelp = (String, &'static str);

fn report_range_error<T>(
    error: Option<MessageAndHelp>,
    part: &Located<'_, T>,
    steps: &[PathElement],
    found: &mut Vec<Diagnostic>,
) {
    if let Some((message, help)) = error {
        let value = part.location_of(&[steps, &[Field("value")]].concat());
        let value1 = part.location_of(&[steps, &[Field("value1")]].concat());
        let label = "not after the first value";
        found.push(
            Diagnostic::error(EMPTY_VALUE_RANGE.code, message, value1, label)
                .with_label(value, "the first value")
                .with_help(help),
        );
    }
}

fn number_range_error(test: &DoubleTest) -> Option<MessageAndHelp> {
    match test {
        DoubleTest::Between(low, high) => half_open_range_error(*low, *high),
        _ => None,
    }
}

fn half_open_range_error(low: Number, high: Number) -> Option<MessageAndHelp> {
    let help = match low.cmp(&high) {
        Ordering::Less => return None,
        Ordering::Equal => "the range excludes the second value: use an operator for a single value",
        Ordering::Greater => "swap `value` and `value1`",
    };
    let (low, high) = (low.to_json(), high.to_json());
    Some((format!("no number is at least {low} and less than {high}"), help))
}

fn date_range_error(moments: &MomentRange) -> Option<MessageAndHelp> {
    match moments {
        MomentRange::At(DateValue::At(first), DateValue::At(last)) if last <= first => Some((
            format!("the range from {first} to {last} contains no date"),
            "write the earlier date as `value`; the range includes both ends",
        )),
        MomentRange::Ago(nearer, farther) | MomentRange::FromNow(nearer, farther) => {
            relative_range_error(*nearer, *farther)
        }
        // Hours, weekdays, days, months and `MM-DD` may wrap: from December to January.
        MomentRange::At(..) | MomentRange::Attributes(..) => None,
    }
}

fn relative_range_error(nearer: u32, farther: u32) -> Option<MessageAndHelp> {
    let help = match nearer.cmp(&farther) {
        Ordering::Less => return None,
        Ordering::Equal => "for one unit, use the operator `on`",
        Ordering::Greater => "swap `value` and `value1`: `value` is the nearer end",
    };
    let message = format!("the relative range from {nearer} to {farther} is in the wrong order");
    Some((message, help))
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
    let (latitude_size, longitude_size) = (latitude.get().abs(), longitude.get().abs());
    if latitude_size > 90.0 {
        let mut error = geopoint_error(condition, "value", latitude, "latitude", "-90 to 90 degrees");
        if latitude_size <= 180.0 && longitude_size <= 90.0 {
            error = error.with_help("swap them: `value` is the latitude and `value1` the longitude");
        }
        found.push(error);
    }
    if longitude_size > 180.0 {
        let range = "-180 to 180 degrees";
        found.push(geopoint_error(condition, "value1", longitude, "longitude", range));
    }
    if radius.get() <= 0.0 {
        let range = "more than 0 meters";
        found.push(geopoint_error(condition, "radius", radius, "radius", range));
    }
}

fn geopoint_error(
    condition: &Located<'_, AttributeFilter>,
    key: &'static str,
    number: &Number,
    what: &str,
    range: &str,
) -> Diagnostic {
    let message = format!("{} is not a {what}", number.to_json());
    let location = condition.location_of(&[Field(key)]);
    let label = format!("expected {range}");
    Diagnostic::error(GEOPOINT_OUT_OF_RANGE.code, message, location, label)
}

fn template_as_text(parts: &DefinitionParts<'_>, found: &mut Vec<Diagnostic>) {
    for condition in &parts.conditions {
        if let Some(template) = template_in(literal_texts(&condition.part.condition)) {
            let location = condition.location_of(&[Field("value")]);
            found.push(template_warning(template, location, condition.is_in_event()));
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
            if let Some(template) = template_in(texts) {
                let mut steps = attribute_path("psychographic_attributes", index).to_vec();
                steps.push(Field("value"));
                found.push(template_warning(template, filter.location_of(&steps), true));
            }
        }
    }
}

fn template_in(texts: &[String]) -> Option<&String> {
    texts.iter().find(|text| text.starts_with(TEMPLATE_PREFIX))
}

fn literal_texts(condition: &Condition) -> &[String] {
    match condition {
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
    }
}

fn template_warning(template: &str, location: Location, is_in_event: bool) -> Diagnostic {
    let message = format!("`{template}` is compared as plain text");
    let help = if is_in_event {
        "only conditions on user attributes can compare with another attribute"
    } else {
        "to compare with the attribute of the user, add `is_dynamic_value: true`"
    };
    Diagnostic::warning(TEMPLATE_AS_TEXT.code, message, location, "plain text").with_help(help)
}
