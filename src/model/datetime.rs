//! Tests of dates: moments that are fixed or move with today, and parts of a date.

use super::attribute::Operand;
use super::keyword::keywords;
use jiff::civil::DateTime;

keywords! {
    /// Whether a date stands still or moves with today.
    pub enum ValueType("value type") {
        /// A date of the calendar.
        Absolute = "absolute",
        /// Units before now.
        RelativePast = "relative_past",
        /// Units from now on.
        RelativeFuture = "relative_future",
    }
}

keywords! {
    /// Which part of a date is compared, whatever the larger units are.
    pub enum ExtractType("extract type") {
        /// The whole date.
        Date = "default_option_date",
        /// The hour, 0 to 23.
        TimeOfTheDay = "time_of_the_day",
        /// The weekday, 0 to 6. Which day is 0 is not documented.
        DayOfTheWeek = "day_of_the_week",
        /// The day, 1 to 31.
        DayOfTheMonth = "day_of_the_month",
        /// The month, 1 to 12.
        MonthOfTheYear = "month_of_the_year",
        /// Month and day, `MM-DD`.
        DateMonthOfTheYear = "date_month_of_the_year",
    }
}

keywords! {
    /// The API's operators on dates.
    pub enum DatetimeOperator("operator") {
        /// On that day (or in that part).
        On = "on",
        /// Both ends included.
        Between = "between",
        /// Before that day.
        Before = "before",
        /// After that day.
        After = "after",
        /// In the last so many units.
        InTheLast = "inTheLast",
        /// In the next so many units.
        InTheNext = "inTheNext",
        /// Today (or in the part that now is in).
        Today = "today",
        /// Equal.
        Is = "is",
        /// One of the values.
        In = "in",
        /// The attribute is set, be it an empty date.
        Exists = "exists",
    }
}

impl ExtractType {
    /// The integers that the part can be; `None` for whole dates and `MM-DD`.
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

    /// Whether `operator` can be asked of this part: `MM-DD` knows five of them.
    #[must_use]
    pub fn allows(self, operator: DatetimeOperator) -> bool {
        use DatetimeOperator::{Between, InTheLast, InTheNext, On, Today};
        self != Self::DateMonthOfTheYear || matches!(operator, Today | On | Between | InTheLast | InTheNext)
    }
}

/// A test of a `datetime`.
#[derive(Clone, Debug, PartialEq)]
pub struct DatetimeTest {
    /// The part compared.
    pub extract: ExtractType,
    /// The comparison; its values are of the kind that `extract` asks for.
    pub comparison: DateComparison,
}

/// How a date is compared. Counts are days, or units of the extracted part.
#[derive(Clone, Debug, PartialEq)]
pub enum DateComparison {
    /// `on`
    On(Operand<Moment>),
    /// `is`
    Is(Operand<Moment>),
    /// `before`
    Before(Operand<Moment>),
    /// `after`
    After(Operand<Moment>),
    /// `between`, both ends included.
    Between(MomentRange),
    /// `inTheLast`
    InTheLast(Operand<u32>),
    /// `inTheNext`
    InTheNext(Operand<u32>),
    /// `today`
    Today,
    /// `in`
    In(Operand<Vec<DateValue>>),
    /// `exists`
    Exists,
}

impl DateComparison {
    /// The API's name of the comparison.
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

/// A moment to compare with.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// `absolute`
    At(DateValue),
    /// `relative_past`: so many units before now.
    Ago(u32),
    /// `relative_future`: so many units from now on.
    FromNow(u32),
}

/// Two moments to lie between, both of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum MomentRange {
    /// `absolute`: first and last.
    At(DateValue, DateValue),
    /// `relative_past`: nearer and farther, in units before now.
    Ago(u32, u32),
    /// `relative_future`: nearer and farther, in units from now on.
    FromNow(u32, u32),
}

/// A date, or the part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DateValue {
    /// Wall time in the workspace's time zone, whatever the payload's trailing `Z` suggests.
    At(DateTime),
    /// An hour, weekday, day or month.
    Part(u32),
    /// `MM-DD`.
    MonthDay {
        /// 1 to 12.
        month: u32,
        /// 1 to 31.
        day: u32,
    },
}
