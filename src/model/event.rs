//! What users did: event filters, their windows of time and aggregations, and affinity.

use super::attribute::{AttributeGroup, DoubleTest};
use super::filter::GroupOperator;
use super::keyword::keywords;
use super::number::Number;
use jiff::civil::Date;

keywords! {
    /// How often an event has to have happened.
    pub enum ExecutionType("execution type") {
        /// So many times or more.
        AtLeast = "atleast",
        /// So many times.
        Exactly = "exactly",
        /// So many times or less.
        AtMost = "atmost",
        /// For the first time.
        FirstTime = "firstTime",
        /// For the last time.
        LastTime = "lastTime",
    }
}

keywords! {
    /// The forms of a window of time.
    pub enum TimeRangeType("window type") {
        /// From so many units ago until now.
        InTheLast = "inTheLast",
        /// Between two moments, both included.
        Between = "between",
        /// One day, week or month.
        On = "on",
        /// Everything before.
        Before = "before",
        /// Everything after.
        After = "after",
    }
}

keywords! {
    /// The units that windows count in.
    pub enum PeriodUnit("period unit") {
        /// Hours.
        Hours = "hours",
        /// Days.
        Days = "days",
        /// Weeks, which start on Monday.
        Weeks = "weeks",
        /// Calendar months.
        Months = "months",
    }
}

keywords! {
    /// What is made of an event attribute's numbers.
    pub enum AggregationType("aggregation type") {
        /// The sum.
        Sum = "sum",
        /// The mean.
        Avg = "avg",
        /// The least.
        Min = "min",
        /// The greatest.
        Max = "max",
        /// The median, which the service approximates.
        Median = "median",
    }
}

keywords! {
    /// How an aggregate is compared with that of a base window.
    pub enum Comparator("comparator") {
        /// The difference.
        Change = "change",
        /// The difference in percent of the base.
        PercentageChange = "percentageChange",
    }
}

keywords! {
    /// The modes of an affinity filter.
    pub enum AffinityType("operator type") {
        /// More often than with any other value.
        Predominant = "predominant",
        /// At least so many percent of the times.
        Minimum = "minimum",
        /// Among the most active so many percent of users.
        Top = "top",
        /// Among the least active so many percent of users.
        Bottom = "bottom",
    }
}

keywords! {
    /// Operators on text inside affinity filters; all but `in` take one value, `exists` takes none.
    pub enum AffinityTextOperator("operator") {
        /// Equal.
        Is = "is",
        /// Equal to one of the values.
        In = "in",
        /// Contains.
        Contains = "contains",
        /// Starts with.
        StartsWith = "startsWith",
        /// Ends with.
        EndsWith = "endsWith",
        /// The attribute is set.
        Exists = "exists",
    }
}

/// `actions`: an event, how often, when, and with which attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct EventFilter {
    /// The event's code, not its label in the dashboard.
    pub action_name: String,
    /// Portfolio workspaces only.
    pub project_name: Option<String>,
    /// How often.
    pub execution: Execution,
    /// When, by the time the service received the event.
    pub time_range: TimeRange,
    /// What has to hold for an occurrence to count.
    pub attributes: AttributeGroup,
    /// A condition on the numbers of the occurrences that count.
    pub aggregation: Option<Aggregation>,
}

/// How often an event happened. Counts are 1 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// `executed: false`: not once.
    Never,
    /// So many times or more.
    AtLeast(u32),
    /// So many times.
    Exactly(u32),
    /// So many times or less. Whether never counts is not documented.
    AtMost(u32),
    /// The first occurrence lies in the window.
    FirstTime,
    /// The last occurrence lies in the window.
    LastTime,
}

/// A window of time. Dates are days of the workspace's calendar, both ends included.
#[derive(Clone, Debug, PartialEq)]
pub enum TimeRange {
    /// From `count` units ago until now.
    InTheLast {
        /// 1 or more.
        count: u32,
        /// Of these.
        unit: PeriodUnit,
    },
    /// From `farther` units ago to `nearer` units ago.
    BetweenAgo {
        /// The later end.
        nearer: u32,
        /// The earlier end.
        farther: u32,
        /// Of these.
        unit: PeriodUnit,
    },
    /// From one day to another.
    BetweenDates {
        /// The first day.
        first: Date,
        /// The last day.
        last: Date,
        /// Without a meaning here, but payloads carry it, so it is kept.
        unit: Option<PeriodUnit>,
    },
    /// The unit that lies `count` units back: 0 with weeks is this week, 1 with months is last month.
    OnAgo {
        /// How far back.
        count: u32,
        /// Of these.
        unit: PeriodUnit,
    },
    /// One day.
    OnDate {
        /// The day.
        date: Date,
        /// Without a meaning here, but payloads carry it, so it is kept.
        unit: Option<PeriodUnit>,
    },
    /// Before the unit that lies `count` units back.
    BeforeAgo {
        /// How far back.
        count: u32,
        /// Of these.
        unit: PeriodUnit,
    },
    /// Before a day.
    BeforeDate {
        /// The day.
        date: Date,
        /// Without a meaning here, but payloads carry it, so it is kept.
        unit: Option<PeriodUnit>,
    },
    /// After a day.
    AfterDate {
        /// The day.
        date: Date,
        /// Without a meaning here, but payloads carry it, so it is kept.
        unit: Option<PeriodUnit>,
    },
}

/// A condition on the numbers of an event's attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    /// The event attribute; always of type double.
    pub attribute_name: String,
    /// What is made of its numbers.
    pub aggregation_type: AggregationType,
    /// NOT.
    pub negate: bool,
    /// What the aggregate has to be.
    pub test: AggregationTest,
    /// Compares with an earlier window; the test is then on the change.
    pub comparison: Option<PeriodComparison>,
}

/// What an aggregate has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AggregationTest {
    /// Equal.
    Is(Number),
    /// At least the first and less than the second.
    Between(Number, Number),
    /// Strictly less.
    LessThan(Number),
    /// Strictly greater.
    GreaterThan(Number),
}

/// What an aggregate is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct PeriodComparison {
    /// Difference or percentage.
    pub comparator: Comparator,
    /// The window compared with.
    pub base_time_range: BaseTimeRange,
}

/// The window that an aggregate is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum BaseTimeRange {
    /// As long as the filter's own window, right before it.
    PreviousPeriod,
    /// From one day to another.
    Dates {
        /// The first day.
        first: Date,
        /// The last day.
        last: Date,
    },
    /// Days before today.
    Ago {
        /// The later end.
        nearer: u32,
        /// The earlier end.
        farther: u32,
    },
}

/// `psychographic_event`: users whose occurrences of an event lean to certain attribute values.
#[derive(Clone, Debug, PartialEq)]
pub struct AffinityFilter {
    /// The event's code.
    pub action_name: String,
    /// How often; never [`Execution::Never`].
    pub execution: Execution,
    /// What leaning means.
    pub affinity: Affinity,
    /// The values leaned to; at least one.
    pub preferred: Vec<AffinityAttribute>,
    /// How the values combine.
    pub preferred_operator: GroupOperator,
    /// What has to hold for an occurrence to count, before affinity is computed.
    pub attributes: AttributeGroup,
    /// When; counts in days only, and dates carry no unit.
    pub time_range: TimeRange,
}

/// How much users lean to the preferred values. Percentages are 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// More than to any other value; ties count.
    Predominant,
    /// At least this percentage of the times.
    Minimum(u32),
    /// Among this percentage of users with the most occurrences.
    Top(u32),
    /// Among this percentage of users with the fewest occurrences.
    Bottom(u32),
}

/// A value leaned to.
#[derive(Clone, Debug, PartialEq)]
pub struct AffinityAttribute {
    /// The event attribute's name.
    pub name: String,
    /// The dashboard's category, sent when given.
    pub category: Option<String>,
    /// NOT.
    pub negate: bool,
    /// The test.
    pub test: AffinityTest,
}

/// Tests inside affinity filters.
#[derive(Clone, Debug, PartialEq)]
pub enum AffinityTest {
    /// Text, one value.
    Text {
        /// Any operator but `in` and `exists`.
        operator: AffinityTextOperator,
        /// The value.
        value: String,
        /// Whether upper and lower case differ.
        case_sensitive: bool,
    },
    /// Text, a list of values.
    TextIn {
        /// The values.
        values: Vec<String>,
        /// Whether upper and lower case differ.
        case_sensitive: bool,
    },
    /// Text that is set.
    TextExists,
    /// Equal to the number.
    DoubleIs(Number),
    /// Any other test of a number; its values are fixed.
    Double(DoubleTest),
}
