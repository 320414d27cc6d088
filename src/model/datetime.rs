//! Tests of dates: fixed moments, moments relative to today, and parts of a date.

use super::keyword::keywords;
use super::operand::Operand;
use jiff::civil::DateTime;

keywords! {
    pub enum ValueType("value type") {
        Absolute = "absolute",
        RelativePast = "relative_past",
        RelativeFuture = "relative_future",
    }
}

keywords! {
    /// Which part of a date is compared. Larger units are ignored.
    pub enum ExtractType("extract type") {
        Date = "default_option_date",
        TimeOfTheDay = "time_of_the_day",
        /// 0 to 6. Which day is 0 is not documented.
        DayOfTheWeek = "day_of_the_week",
        DayOfTheMonth = "day_of_the_month",
        MonthOfTheYear = "month_of_the_year",
        /// `MM-DD`
        DateMonthOfTheYear = "date_month_of_the_year",
    }
}

keywords! {
    pub enum DatetimeOperator("operator") {
        On = "on",
        Between = "between",
        Before = "before",
        After = "after",
        InTheLast = "inTheLast",
        InTheNext = "inTheNext",
        Today = "today",
        Is = "is",
        In = "in",
        Exists = "exists",
    }
}

impl ExtractType {
    #[must_use]
    pub fn range(self) -> Option<std::ops::RangeInclusive<u32>> {
        match self {
            Self::TimeOfTheDay => Some(0..=23),
            Self::DayOfTheWeek => Some(0..=6),
            Self::DayOfTheMonth => Some(1..=31),
            Self::MonthOfTheYear => Some(1..=12),
            Self::Date | Self::DateMonthOfTheYear => None,
        }
    }

    /// The API accepts only five operators for `MM-DD`.
    #[must_use]
    pub fn allows(self, operator: DatetimeOperator) -> bool {
        use DatetimeOperator::{Between, InTheLast, InTheNext, On, Today};
        self != Self::DateMonthOfTheYear || matches!(operator, Today | On | Between | InTheLast | InTheNext)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DatetimeTest {
    pub extract: ExtractType,
    pub comparison: DateComparison,
}

/// Counts are days, or units of the extracted part.
#[derive(Clone, Debug, PartialEq)]
pub enum DateComparison {
    On(Operand<Moment>),
    Is(Operand<Moment>),
    Before(Operand<Moment>),
    After(Operand<Moment>),
    /// Both ends included.
    Between(MomentRange),
    InTheLast(Operand<u32>),
    InTheNext(Operand<u32>),
    Today,
    In(Operand<Vec<DateValue>>),
    Exists,
}

impl DateComparison {
    #[must_use]
    pub fn operator(&self) -> DatetimeOperator {
        match self {
            Self::On(_) => DatetimeOperator::On,
            Self::Is(_) => DatetimeOperator::Is,
            Self::Before(_) => DatetimeOperator::Before,
            Self::After(_) => DatetimeOperator::After,
            Self::Between(_) => DatetimeOperator::Between,
            Self::InTheLast(_) => DatetimeOperator::InTheLast,
            Self::InTheNext(_) => DatetimeOperator::InTheNext,
            Self::Today => DatetimeOperator::Today,
            Self::In(_) => DatetimeOperator::In,
            Self::Exists => DatetimeOperator::Exists,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    At(DateValue),
    /// `relative_past`: units before now.
    Ago(u32),
    /// `relative_future`: units after now.
    FromNow(u32),
}

/// Both moments are of the same kind.
#[derive(Clone, Debug, PartialEq)]
pub enum MomentRange {
    /// The names of two other attributes, with the first and the last moment.
    Attributes(String, String),
    /// `absolute`: first and last.
    At(DateValue, DateValue),
    /// `relative_past`: nearer and farther, in units before now.
    Ago(u32, u32),
    /// `relative_future`: nearer and farther, in units after now.
    FromNow(u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DateValue {
    /// Wall time in the workspace's time zone, although payloads end with `Z`.
    At(DateTime),
    Part(u32),
    MonthDay {
        month: u32,
        day: u32,
    },
}
