//! Tests of `datetime` attributes.

use super::super::yaml::{Node, ScalarValue, Yaml};
use super::date::DayBoundary;
use super::decoder::{COUNT_LIMIT, Decoder};
use super::operands::Operands;
use super::written_date::{date_of_number, is_weekday, month_number};
use crate::model::{
    DateComparison, DateValue, DatetimeOperator, DatetimeTest, ExtractType, Keyword, Moment, MomentRange,
    Operand, ValueType,
};

pub(super) fn datetime_test(operands: &mut Operands<'_, '_>) -> Option<DatetimeTest> {
    let fields = &mut *operands.fields;
    let extract = fields.or("extract_type", ExtractType::Date, Decoder::keyword);
    let Some(extract) = extract else {
        fields.ignore_unknown_fields();
        return None;
    };
    let word = operands.operator_text()?;
    operands.describe("datetime", word);
    let allowed = DatetimeOperator::ALL
        .iter()
        .filter(|known| extract.allows(**known));
    let Some(known) = allowed.clone().find(|known| known.as_str() == word) else {
        let words: Vec<&str> = allowed.map(|known| known.as_str()).collect();
        return operands.invalid_operator("`datetime`", &words);
    };
    let comparison = comparison(operands, *known, extract)?;
    Some(DatetimeTest { extract, comparison })
}

fn comparison(
    operands: &mut Operands<'_, '_>,
    operator: DatetimeOperator,
    extract: ExtractType,
) -> Option<DateComparison> {
    Some(match operator {
        DatetimeOperator::On => DateComparison::On(moment(operands, extract)?),
        DatetimeOperator::Is => DateComparison::Is(moment(operands, extract)?),
        DatetimeOperator::Before => DateComparison::Before(moment(operands, extract)?),
        DatetimeOperator::After => DateComparison::After(moment(operands, extract)?),
        DatetimeOperator::Between => DateComparison::Between(moments(operands, extract)?),
        DatetimeOperator::InTheLast => {
            DateComparison::InTheLast(period_count(operands, ValueType::RelativePast)?)
        }
        DatetimeOperator::InTheNext => {
            DateComparison::InTheNext(period_count(operands, ValueType::RelativeFuture)?)
        }
        DatetimeOperator::In => {
            check_fixed_value_type(operands, ValueType::Absolute)?;
            let dates =
                operands.list_operand(|decoder, node| date_value(decoder, node, extract, DayBoundary::Start));
            DateComparison::In(dates?)
        }
        DatetimeOperator::Today => {
            // The API accepts the field here and ignores it.
            value_type(operands)?;
            operands.without_operand(DateComparison::Today)?
        }
        DatetimeOperator::Exists => operands.without_operand(DateComparison::Exists)?,
    })
}

fn moment(operands: &mut Operands<'_, '_>, extract: ExtractType) -> Option<Operand<Moment>> {
    let value_type = value_type(operands)?;
    operands.single_operand(|decoder, node| match value_type {
        ValueType::Absolute => date_value(decoder, node, extract, DayBoundary::Start).map(Moment::At),
        ValueType::RelativePast => decoder.count(node, 0..=COUNT_LIMIT).map(Moment::Ago),
        ValueType::RelativeFuture => decoder.count(node, 0..=COUNT_LIMIT).map(Moment::FromNow),
    })
}

fn moments(operands: &mut Operands<'_, '_>, extract: ExtractType) -> Option<MomentRange> {
    let value_type = value_type(operands)?;
    if operands.dynamic {
        return operands
            .between_attributes()
            .map(|(first, last)| MomentRange::Attributes(first, last));
    }
    if value_type == ValueType::Absolute {
        let mut boundaries = [DayBoundary::Start, DayBoundary::End].into_iter();
        let (first, last) = operands.between_operands(|decoder, node| {
            let boundary = boundaries.next().unwrap_or(DayBoundary::End);
            date_value(decoder, node, extract, boundary)
        })?;
        return Some(MomentRange::At(first, last));
    }
    let (nearer, farther) = operands.between_operands(Decoder::count_in(0..=COUNT_LIMIT))?;
    Some(match value_type {
        ValueType::RelativeFuture => MomentRange::FromNow(nearer, farther),
        ValueType::Absolute | ValueType::RelativePast => MomentRange::Ago(nearer, farther),
    })
}

fn period_count(operands: &mut Operands<'_, '_>, fixed: ValueType) -> Option<Operand<u32>> {
    // A comparison with another attribute is always absolute.
    let expected = if operands.dynamic {
        ValueType::Absolute
    } else {
        fixed
    };
    check_fixed_value_type(operands, expected)?;
    operands.single_operand(Decoder::count_in(1..=COUNT_LIMIT))
}

/// The default is absolute: a bare count would not tell the past from the future.
fn value_type(operands: &mut Operands<'_, '_>) -> Option<ValueType> {
    let allowed: &[ValueType] = if operands.dynamic {
        &[ValueType::Absolute]
    } else {
        ValueType::ALL
    };
    let decode = Decoder::one_of(allowed);
    operands.fields.or("value_type", ValueType::Absolute, decode)
}

fn check_fixed_value_type(operands: &mut Operands<'_, '_>, fixed: ValueType) -> Option<()> {
    let given = operands.fields.optional("value_type", Decoder::one_of(&[fixed]));
    given.map(drop)
}

fn date_value(
    decoder: &Decoder<'_>,
    node: &Node,
    extract: ExtractType,
    boundary: DayBoundary,
) -> Option<DateValue> {
    if let Some(range) = extract.range() {
        if let Some(help) = part_help(extract, node.scalar_text()) {
            return decoder.wrong_type_with_help(node, "a number", help);
        }
        return decoder.count(node, range).map(DateValue::Part);
    }
    if extract == ExtractType::DateMonthOfTheYear {
        let (month, day) = decoder.month_day(node)?;
        return Some(DateValue::MonthDay { month, day });
    }
    let is_count = matches!(
        &node.value,
        Yaml::Scalar(scalar) if matches!(scalar.resolved, ScalarValue::Integer(number) if date_of_number(number).is_none())
    );
    let datetime = decoder.datetime(node, boundary);
    if is_count {
        decoder.add_help(
            "to count days before or after today, set `value_type: relative_past` or `relative_future`",
        );
    }
    datetime.map(DateValue::At)
}

/// What to write for a part of a date that is written as a word, such as a month.
fn part_help(extract: ExtractType, text: &str) -> Option<String> {
    match extract {
        ExtractType::MonthOfTheYear => {
            let month = month_number(text)?;
            Some(format!("months are numbers from 1 to 12: write `{month}`"))
        }
        ExtractType::DayOfTheWeek if is_weekday(text) => Some(
            "days of the week are numbers from 0 to 6; MoEngage does not document which day is 0".to_owned(),
        ),
        ExtractType::TimeOfTheDay => {
            let (hour, _) = text.split_once(':')?;
            let hour: u8 = hour.parse().ok()?;
            Some(format!("hours are numbers from 0 to 23: write `{hour}`"))
        }
        _ => None,
    }
}
