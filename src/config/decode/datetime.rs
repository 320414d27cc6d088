//! Tests of dates.

use super::super::yaml::{Node, ScalarValue, Yaml};
use super::date::DayBoundary;
use super::decoder::{COUNT_LIMIT, Decoder};
use super::operands::OperandDecoder;
use crate::model::{
    DateComparison, DateValue, DatetimeOperator, DatetimeTest, ExtractType, Keyword, Moment, MomentRange,
    Operand, ValueType,
};

/// The test of a `datetime` condition.
pub(super) fn datetime_test(
    operands: &mut OperandDecoder<'_, '_, '_, '_>,
    operator: &Node,
) -> Option<DatetimeTest> {
    let extract = match operands.fields.take("extract_type") {
        Some(node) => operands.reader.keyword::<ExtractType>(node),
        None => Some(ExtractType::Date),
    };
    let Some(extract) = extract else {
        operands.fields.ignore_unknown_fields();
        return None;
    };
    let allowed: Vec<_> = DatetimeOperator::ALL
        .iter()
        .copied()
        .filter(|word| extract.allows(*word))
        .collect();
    let word = operands.operator_text(operator)?;
    operands.describe("datetime", word);
    let Some(known) = allowed.iter().copied().find(|known| known.as_str() == word) else {
        let words: Vec<&str> = allowed.iter().map(|word| word.as_str()).collect();
        return operands.unknown_operator(operator, "operator on a `datetime`", &words);
    };
    let comparison = comparison(operands, known, extract)?;
    Some(DatetimeTest { extract, comparison })
}

fn comparison(
    operands: &mut OperandDecoder<'_, '_, '_, '_>,
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
            DateComparison::In(
                operands
                    .list_operand(|reader, node| date_value(reader, node, extract, DayBoundary::Start))?,
            )
        }
        DatetimeOperator::Today => operands.without_operand(DateComparison::Today)?,
        DatetimeOperator::Exists => operands.without_operand(DateComparison::Exists)?,
    })
}

fn moment(operands: &mut OperandDecoder<'_, '_, '_, '_>, extract: ExtractType) -> Option<Operand<Moment>> {
    let value_type = value_type(operands)?;
    operands.single_operand(|reader, node| match value_type {
        ValueType::Absolute => date_value(reader, node, extract, DayBoundary::Start).map(Moment::At),
        ValueType::RelativePast => reader.count(node, 0..=COUNT_LIMIT).map(Moment::Ago),
        ValueType::RelativeFuture => reader.count(node, 0..=COUNT_LIMIT).map(Moment::FromNow),
    })
}

fn moments(operands: &mut OperandDecoder<'_, '_, '_, '_>, extract: ExtractType) -> Option<MomentRange> {
    let value_type = value_type(operands)?;
    if value_type == ValueType::Absolute {
        let mut edges = [DayBoundary::Start, DayBoundary::End].into_iter();
        let read = |reader: &mut Decoder<'_>, node: &Node| {
            date_value(reader, node, extract, edges.next().unwrap_or(DayBoundary::End))
        };
        return operands
            .between_operands(read)
            .map(|(first, last)| MomentRange::At(first, last));
    }
    let (nearer, farther) = operands.between_operands(|reader, node| reader.count(node, 0..=COUNT_LIMIT))?;
    Some(match value_type {
        ValueType::RelativeFuture => MomentRange::FromNow(nearer, farther),
        ValueType::Absolute | ValueType::RelativePast => MomentRange::Ago(nearer, farther),
    })
}

fn period_count(operands: &mut OperandDecoder<'_, '_, '_, '_>, fixed: ValueType) -> Option<Operand<u32>> {
    // Comparing with another attribute is always absolute.
    check_fixed_value_type(
        operands,
        if operands.dynamic {
            ValueType::Absolute
        } else {
            fixed
        },
    )?;
    operands.single_operand(|reader, node| reader.count(node, 1..=COUNT_LIMIT))
}

/// The given value type, or absolute: a bare number could be a day of either direction, so it has to say which.
fn value_type(operands: &mut OperandDecoder<'_, '_, '_, '_>) -> Option<ValueType> {
    let given = operands.fields.take("value_type");
    match given {
        Some(node) if operands.dynamic => operands.reader.keyword_among(node, &[ValueType::Absolute]),
        Some(node) => operands.reader.keyword(node),
        None => Some(ValueType::Absolute),
    }
}

fn check_fixed_value_type(operands: &mut OperandDecoder<'_, '_, '_, '_>, fixed: ValueType) -> Option<()> {
    if let Some(node) = operands.fields.take("value_type") {
        operands.reader.keyword_among(node, &[fixed])?;
    }
    Some(())
}

/// A date, or the part of one that is compared.
fn date_value(
    reader: &mut Decoder<'_>,
    node: &Node,
    extract: ExtractType,
    edge: DayBoundary,
) -> Option<DateValue> {
    if let Some(range) = extract.range() {
        return reader.count(node, range).map(DateValue::Part);
    }
    if extract == ExtractType::DateMonthOfTheYear {
        return reader
            .month_day(node)
            .map(|(month, day)| DateValue::MonthDay { month, day });
    }
    let is_number =
        matches!(&node.value, Yaml::Scalar(scalar) if matches!(scalar.resolved, ScalarValue::Integer(_)));
    let read = reader.datetime(node, edge);
    if is_number {
        reader.add_help(
            "for so many days before or after today, say `value_type: relative_past` or `relative_future`",
        );
    }
    read.map(DateValue::At)
}
