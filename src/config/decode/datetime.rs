//! Tests of dates.

use super::super::yaml::{Node, Resolved, Yaml};
use super::date::Edge;
use super::operands::Operands;
use super::reader::{COUNT_LIMIT, Reader};
use crate::model::{
    DateComparison, DateValue, DatetimeOperator, DatetimeTest, ExtractType, Keyword, Moment, Moments,
    Operand, ValueType,
};

/// The test of a `datetime` condition.
pub(super) fn datetime_test(
    operands: &mut Operands<'_, '_, '_, '_>,
    operator: &Node,
) -> Option<DatetimeTest> {
    let extract = match operands.fields.take("extract_type") {
        Some(node) => operands.reader.word::<ExtractType>(node),
        None => Some(ExtractType::Date),
    };
    let Some(extract) = extract else {
        operands.fields.lose_shape();
        return None;
    };
    let allowed: Vec<_> = DatetimeOperator::ALL
        .iter()
        .copied()
        .filter(|word| extract.allows(*word))
        .collect();
    let word = operands.operator(operator)?;
    operands.describe("datetime", word);
    let Some(known) = allowed.iter().copied().find(|known| known.as_str() == word) else {
        let words: Vec<&str> = allowed.iter().map(|word| word.as_str()).collect();
        return operands.unknown_operator(operator, "operator on a `datetime`", &words);
    };
    let comparison = comparison(operands, known, extract)?;
    Some(DatetimeTest { extract, comparison })
}

fn comparison(
    operands: &mut Operands<'_, '_, '_, '_>,
    operator: DatetimeOperator,
    extract: ExtractType,
) -> Option<DateComparison> {
    Some(match operator {
        DatetimeOperator::On => DateComparison::On(moment(operands, extract)?),
        DatetimeOperator::Is => DateComparison::Is(moment(operands, extract)?),
        DatetimeOperator::Before => DateComparison::Before(moment(operands, extract)?),
        DatetimeOperator::After => DateComparison::After(moment(operands, extract)?),
        DatetimeOperator::Between => DateComparison::Between(moments(operands, extract)?),
        DatetimeOperator::InTheLast => DateComparison::InTheLast(span(operands, ValueType::RelativePast)?),
        DatetimeOperator::InTheNext => DateComparison::InTheNext(span(operands, ValueType::RelativeFuture)?),
        DatetimeOperator::In => {
            locked_value_type(operands, ValueType::Absolute)?;
            DateComparison::In(operands.many(|reader, node| date_value(reader, node, extract, Edge::Start))?)
        }
        DatetimeOperator::Today => operands.none(DateComparison::Today)?,
        DatetimeOperator::Exists => operands.none(DateComparison::Exists)?,
    })
}

fn moment(operands: &mut Operands<'_, '_, '_, '_>, extract: ExtractType) -> Option<Operand<Moment>> {
    let value_type = value_type(operands)?;
    operands.one(|reader, node| match value_type {
        ValueType::Absolute => date_value(reader, node, extract, Edge::Start).map(Moment::At),
        ValueType::RelativePast => reader.count(node, 0..=COUNT_LIMIT).map(Moment::Ago),
        ValueType::RelativeFuture => reader.count(node, 0..=COUNT_LIMIT).map(Moment::FromNow),
    })
}

fn moments(operands: &mut Operands<'_, '_, '_, '_>, extract: ExtractType) -> Option<Moments> {
    let value_type = value_type(operands)?;
    if value_type == ValueType::Absolute {
        let mut edges = [Edge::Start, Edge::End].into_iter();
        let read = |reader: &mut Reader<'_>, node: &Node| {
            date_value(reader, node, extract, edges.next().unwrap_or(Edge::End))
        };
        return operands.pair(read).map(|(first, last)| Moments::At(first, last));
    }
    let (nearer, farther) = operands.pair(|reader, node| reader.count(node, 0..=COUNT_LIMIT))?;
    Some(match value_type {
        ValueType::RelativeFuture => Moments::FromNow(nearer, farther),
        ValueType::Absolute | ValueType::RelativePast => Moments::Ago(nearer, farther),
    })
}

fn span(operands: &mut Operands<'_, '_, '_, '_>, locked: ValueType) -> Option<Operand<u32>> {
    // Comparing with another attribute is always absolute.
    locked_value_type(
        operands,
        if operands.dynamic {
            ValueType::Absolute
        } else {
            locked
        },
    )?;
    operands.one(|reader, node| reader.count(node, 1..=COUNT_LIMIT))
}

/// The given value type, or absolute: a bare number could be a day of either direction, so it has to say which.
fn value_type(operands: &mut Operands<'_, '_, '_, '_>) -> Option<ValueType> {
    let given = operands.fields.take("value_type");
    match given {
        Some(node) if operands.dynamic => operands.reader.word_among(node, &[ValueType::Absolute]),
        Some(node) => operands.reader.word(node),
        None => Some(ValueType::Absolute),
    }
}

fn locked_value_type(operands: &mut Operands<'_, '_, '_, '_>, locked: ValueType) -> Option<()> {
    if let Some(node) = operands.fields.take("value_type") {
        operands.reader.word_among(node, &[locked])?;
    }
    Some(())
}

/// A date, or the part of one that is compared.
fn date_value(reader: &mut Reader<'_>, node: &Node, extract: ExtractType, edge: Edge) -> Option<DateValue> {
    if let Some(range) = extract.range() {
        return reader.count(node, range).map(DateValue::Part);
    }
    if extract == ExtractType::DateMonthOfTheYear {
        return reader
            .month_day(node)
            .map(|(month, day)| DateValue::MonthDay { month, day });
    }
    let is_number =
        matches!(&node.value, Yaml::Scalar(scalar) if matches!(scalar.resolved, Resolved::Integer(_)));
    let read = reader.moment(node, edge);
    if is_number {
        reader.help(
            "for so many days before or after today, say `value_type: relative_past` or `relative_future`",
        );
    }
    read.map(DateValue::At)
}
