//! User behavior: event filters with their time ranges and aggregations, and affinity filters.

use super::attribute::{AttributeGroup, DoubleTest};
use super::group_operator::GroupOperator;
use super::keyword::keywords;
use super::number::Number;
use jiff::civil::DateTime;

keywords! {
    pub enum ExecutionType("execution type") {
        AtLeast = "atleast",
        Exactly = "exactly",
        AtMost = "atmost",
        FirstTime = "firstTime",
        LastTime = "lastTime",
    }
}

keywords! {
    pub enum TimeRangeType("time range type") {
        InTheLast = "inTheLast",
        /// Both ends included.
        Between = "between",
        On = "on",
        Before = "before",
        After = "after",
    }
}

keywords! {
    pub enum PeriodUnit("period unit") {
        Hours = "hours",
        Days = "days",
        /// Weeks start on Monday.
        Weeks = "weeks",
        Months = "months",
    }
}

keywords! {
    pub enum AggregationType("aggregation type") {
        Sum = "sum",
        Avg = "avg",
        Min = "min",
        Max = "max",
        /// MoEngage approximates it.
        Median = "median",
    }
}

keywords! {
    /// How an aggregate is compared with that of the base time range.
    pub enum Comparator("comparator") {
        Change = "change",
        /// In percent of the base.
        PercentageChange = "percentageChange",
    }
}

keywords! {
    pub enum AffinityType("operator type") {
        Predominant = "predominant",
        Minimum = "minimum",
        Top = "top",
        Bottom = "bottom",
    }
}

keywords! {
    /// All but `in` take one value; `exists` takes none.
    pub enum AffinityTextOperator("operator") {
        Is = "is",
        In = "in",
        Contains = "contains",
        StartsWith = "startsWith",
        EndsWith = "endsWith",
        Exists = "exists",
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct EventFilter {
    /// The event's code, not its label in the dashboard.
    pub action_name: String,
    /// Portfolio workspaces only.
    pub project_name: Option<String>,
    pub execution: Execution,
    /// MoEngage compares it with the time at which it received the event.
    pub time_range: TimeRange,
    /// Conditions on a single occurrence. Only matching occurrences are counted.
    pub attributes: AttributeGroup,
    pub aggregation: Option<Aggregation>,
}

/// Counts are at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// `executed: false`
    Never,
    AtLeast(u32),
    Exactly(u32),
    /// Whether zero occurrences match is not documented.
    AtMost(u32),
    /// The first occurrence lies in the time range.
    FirstTime,
    /// The last occurrence lies in the time range.
    LastTime,
}

/// Dates are wall times in the workspace's time zone, both ends included. Those of event filters are the first and the
/// last moment of a day.
#[derive(Clone, Debug, PartialEq)]
pub enum TimeRange {
    /// From `count` units ago until now. The count is at least 1.
    InTheLast { count: u32, unit: PeriodUnit },
    /// From `farther` units ago to `nearer` units ago.
    BetweenAgo {
        nearer: u32,
        farther: u32,
        unit: PeriodUnit,
    },
    BetweenDates {
        first: DateTime,
        last: DateTime,
        /// The unit has no meaning here, but the API's payloads contain it.
        unit: Option<PeriodUnit>,
    },
    /// The unit that lies `count` units back: 0 weeks is this week, 1 month is last month.
    OnAgo { count: u32, unit: PeriodUnit },
    OnDate {
        date: DateTime,
        /// The unit has no meaning here, but the API's payloads contain it.
        unit: Option<PeriodUnit>,
    },
    /// Before the unit that lies `count` units back.
    BeforeAgo { count: u32, unit: PeriodUnit },
    BeforeDate {
        date: DateTime,
        /// The unit has no meaning here, but the API's payloads contain it.
        unit: Option<PeriodUnit>,
    },
    AfterDate {
        date: DateTime,
        /// The unit has no meaning here, but the API's payloads contain it.
        unit: Option<PeriodUnit>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    /// Always of type `double`.
    pub attribute_name: String,
    pub aggregation_type: AggregationType,
    pub negate: bool,
    pub test: AggregationTest,
    /// If set, `test` applies to the change since an earlier time range.
    pub comparison: Option<PeriodComparison>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AggregationTest {
    Is(Number),
    /// At least the first and less than the second.
    Between(Number, Number),
    LessThan(Number),
    GreaterThan(Number),
}

#[derive(Clone, Debug, PartialEq)]
pub struct PeriodComparison {
    pub comparator: Comparator,
    pub base_time_range: BaseTimeRange,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BaseTimeRange {
    /// As long as the filter's own time range, and directly before it.
    PreviousPeriod,
    Dates {
        first: DateTime,
        last: DateTime,
    },
}

/// `psychographic_event`: users whose occurrences of an event prefer certain attribute values.
#[derive(Clone, Debug, PartialEq)]
pub struct AffinityFilter {
    /// The event's code, not its label in the dashboard.
    pub action_name: String,
    pub execution: Execution,
    pub affinity: Affinity,
    /// At least one.
    pub preferred: Vec<AffinityAttribute>,
    pub preferred_operator: GroupOperator,
    /// Conditions on a single occurrence, applied before affinity is computed.
    pub attributes: AttributeGroup,
    /// Counts are in days only, and dates have no unit.
    pub time_range: TimeRange,
}

/// Percentages are 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// More than any other value; ties count.
    Predominant,
    /// At least this percentage of the user's occurrences.
    Minimum(u32),
    /// Among this percentage of users with the most occurrences.
    Top(u32),
    /// Among this percentage of users with the fewest occurrences.
    Bottom(u32),
}

#[derive(Clone, Debug, PartialEq)]
pub struct AffinityAttribute {
    pub name: String,
    pub category: Option<String>,
    pub negate: bool,
    pub test: AffinityTest,
}

#[derive(Clone, Debug, PartialEq)]
pub enum AffinityTest {
    Text {
        /// Any operator but `in` and `exists`.
        operator: AffinityTextOperator,
        value: String,
        case_sensitive: bool,
    },
    TextIn {
        values: Vec<String>,
        case_sensitive: bool,
    },
    TextExists {
        /// It has no meaning here, but the API's payloads contain it.
        case_sensitive: bool,
    },
    DoubleIs(Number),
    /// Any other test of a number. Its values are never dynamic.
    Double(DoubleTest),
}
