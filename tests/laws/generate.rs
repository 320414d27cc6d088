//! Random values of the model, in every form that the decoder accepts.

use jiff::civil::{Date, DateTime, date};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use segctl::model::{
    Affinity, AffinityAttribute, AffinityFilter, AffinityTest, AffinityTextOperator, Aggregation,
    AggregationTest, AggregationType, ArrayMatching, ArrayStringTest, ArrayTextOperator, AttributeFilter,
    AttributeGroup, BaseTimeRange, BoolTest, Comparator, Condition, DateComparison, DateValue,
    DatetimeOperator, DatetimeTest, Definition, DoubleTest, EventFilter, Execution, ExtractType, Filter,
    Group, GroupOperator, Keyword, Moment, MomentRange, Number, Operand, PeriodComparison, PeriodUnit,
    Reference, SegmentId, SegmentName, StringTest, TextListOperator, TextOperator, TimeRange,
};

/// Texts that YAML parsers misread, or that break a careless printer.
const HOSTILE_TEXTS: [&str; 16] = [
    "no",
    "014",
    "1_000",
    "~",
    "null",
    "true",
    "0x1F",
    "1e3",
    "12:30",
    "a: b",
    "# not a comment",
    "'",
    "\"",
    "line\nbreak",
    "\u{1F468}\u{200D}\u{1F469}",
    " spaces ",
];

/// Numbers that a careless printer rounds or writes as another type.
const EXTREME_NUMBERS: [f64; 8] = [
    0.1,
    1e-7,
    -1.5e-300,
    5e-324,
    9_007_199_254_740_992.0,
    -9_007_199_254_740_991.0,
    1.234_567_890_123_456_7e20,
    f64::MAX,
];

fn any_keyword<K: Keyword + std::fmt::Debug>() -> impl Strategy<Value = K> {
    select(K::ALL)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z]{1,6}", 1 => select(&HOSTILE_TEXTS[..]).prop_map(str::to_owned)]
}

/// Values of text filters may be empty.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![9 => text(), 1 => Just(String::new())]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        (-1000_i32..1000).prop_map(|whole| Number::new(f64::from(whole)).unwrap()),
        (-4000_i32..4000).prop_map(|quarters| Number::new(f64::from(quarters) / 4.0).unwrap()),
        select(&EXTREME_NUMBERS[..]).prop_map(|number| Number::new(number).unwrap()),
    ]
}

/// From 1 to the largest count that the decoder accepts.
fn count() -> impl Strategy<Value = u32> {
    prop_oneof![9 => 1_u32..400, 1 => Just(1_000_000_000)]
}

/// 0 is the current period.
fn periods_ago() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 4 => count()]
}

fn day() -> impl Strategy<Value = Date> {
    (0_i64..4000).prop_map(|days| {
        date(2020, 1, 1)
            .checked_add(jiff::Span::new().days(days))
            .unwrap()
    })
}

fn moment_of_day() -> impl Strategy<Value = DateTime> {
    (day(), 0_i8..24, 0_i8..60).prop_map(|(day, hour, minute)| day.at(hour, minute, 0, 250_000_000))
}

/// Mostly fixed values; references to another attribute if `dynamic` allows it.
fn operand<T: Clone + std::fmt::Debug + 'static>(
    fixed: impl Strategy<Value = T> + 'static,
    dynamic: bool,
) -> BoxedStrategy<Operand<T>> {
    let fixed = fixed.prop_map(Operand::Fixed);
    if dynamic {
        prop_oneof![4 => fixed, 1 => "[a-z_]{1,8}".prop_map(Operand::Dynamic)].boxed()
    } else {
        fixed.boxed()
    }
}

fn non_empty_list<T: std::fmt::Debug + Clone + 'static>(
    one: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Vec<T>> {
    vec(one, 1..4).boxed()
}

fn string_test(dynamic: bool) -> BoxedStrategy<StringTest> {
    prop_oneof![
        (
            any_keyword::<TextListOperator>(),
            operand(non_empty_list(value()), dynamic)
        )
            .prop_map(|(keyword, values)| StringTest::Any(keyword, values)),
        (any_keyword::<TextOperator>(), operand(value(), dynamic))
            .prop_map(|(keyword, value)| StringTest::One(keyword, value)),
        Just(StringTest::Exists),
    ]
    .boxed()
}

fn double_test(dynamic: bool) -> BoxedStrategy<DoubleTest> {
    prop_oneof![
        operand(non_empty_list(number()), dynamic).prop_map(DoubleTest::In),
        operand(number(), dynamic).prop_map(DoubleTest::LessThan),
        operand(number(), dynamic).prop_map(DoubleTest::GreaterThan),
        (number(), number()).prop_map(|(low, high)| DoubleTest::Between(low, high)),
        Just(DoubleTest::Exists),
    ]
    .boxed()
}

fn array_string_test(dynamic: bool) -> BoxedStrategy<ArrayStringTest> {
    prop_oneof![
        (
            any_keyword::<ArrayTextOperator>(),
            operand(non_empty_list(value()), dynamic)
        )
            .prop_map(|(keyword, values)| ArrayStringTest::Any(keyword, values)),
        operand(value(), dynamic).prop_map(ArrayStringTest::Is),
        Just(ArrayStringTest::Exists),
    ]
    .boxed()
}

fn date_value(extract: ExtractType) -> BoxedStrategy<DateValue> {
    match (extract.range(), extract) {
        (Some(range), _) => range.prop_map(DateValue::Part).boxed(),
        (None, ExtractType::DateMonthOfTheYear) => {
            prop_oneof![9 => (1_u32..=12, 1_u32..=28), 1 => Just((2, 29)), 1 => Just((12, 31))]
                .prop_map(|(month, day)| DateValue::MonthDay { month, day })
                .boxed()
        }
        (None, _) => moment_of_day().prop_map(DateValue::At).boxed(),
    }
}

fn moment(extract: ExtractType) -> BoxedStrategy<Moment> {
    prop_oneof![
        date_value(extract).prop_map(Moment::At),
        periods_ago().prop_map(Moment::Ago),
        periods_ago().prop_map(Moment::FromNow),
    ]
    .boxed()
}

fn moments(extract: ExtractType, dynamic: bool) -> BoxedStrategy<MomentRange> {
    if dynamic {
        let fixed = moments(extract, false);
        let attributes =
            ("[a-z_]{1,8}", "[a-z_]{1,8}").prop_map(|(first, last)| MomentRange::Attributes(first, last));
        return prop_oneof![4 => fixed, 1 => attributes].boxed();
    }
    prop_oneof![
        (date_value(extract), date_value(extract)).prop_map(|(first, last)| MomentRange::At(first, last)),
        (periods_ago(), periods_ago()).prop_map(|(nearer, farther)| MomentRange::Ago(nearer, farther)),
        (periods_ago(), periods_ago()).prop_map(|(nearer, farther)| MomentRange::FromNow(nearer, farther)),
    ]
    .boxed()
}

fn datetime_test(dynamic: bool) -> BoxedStrategy<DatetimeTest> {
    any_keyword::<ExtractType>()
        .prop_flat_map(|extract| {
            let allowed = DatetimeOperator::ALL
                .iter()
                .copied()
                .filter(move |operator| extract.allows(*operator));
            (Just(extract), select(allowed.collect::<Vec<_>>()))
        })
        .prop_flat_map(move |(extract, operator)| {
            let one = operand(moment(extract), dynamic);
            let comparison = match operator {
                DatetimeOperator::On => one.prop_map(DateComparison::On).boxed(),
                DatetimeOperator::Is => one.prop_map(DateComparison::Is).boxed(),
                DatetimeOperator::Before => one.prop_map(DateComparison::Before).boxed(),
                DatetimeOperator::After => one.prop_map(DateComparison::After).boxed(),
                DatetimeOperator::Between => moments(extract, dynamic)
                    .prop_map(DateComparison::Between)
                    .boxed(),
                DatetimeOperator::InTheLast => operand(count(), dynamic)
                    .prop_map(DateComparison::InTheLast)
                    .boxed(),
                DatetimeOperator::InTheNext => operand(count(), dynamic)
                    .prop_map(DateComparison::InTheNext)
                    .boxed(),
                DatetimeOperator::In => operand(non_empty_list(date_value(extract)), dynamic)
                    .prop_map(DateComparison::In)
                    .boxed(),
                DatetimeOperator::Today => Just(DateComparison::Today).boxed(),
                DatetimeOperator::Exists => Just(DateComparison::Exists).boxed(),
            };
            (Just(extract), comparison)
        })
        .prop_map(|(extract, comparison)| DatetimeTest { extract, comparison })
        .boxed()
}

fn matching(negate: bool, exists: bool, keyword: ArrayMatching) -> Option<ArrayMatching> {
    (!negate && !exists).then_some(keyword)
}

fn simple_condition(dynamic: bool) -> BoxedStrategy<Condition> {
    let flag = any::<bool>;
    prop_oneof![
        (flag(), flag(), string_test(dynamic)).prop_map(|(negate, case_sensitive, test)| Condition::String {
            negate,
            case_sensitive,
            test
        }),
        (flag(), double_test(dynamic)).prop_map(|(negate, test)| Condition::Double { negate, test }),
        (
            flag(),
            prop_oneof![
                operand(flag(), dynamic).prop_map(BoolTest::Is),
                Just(BoolTest::Exists)
            ]
        )
            .prop_map(|(negate, test)| Condition::Bool { negate, test }),
        (flag(), datetime_test(dynamic)).prop_map(|(negate, test)| Condition::Datetime { negate, test }),
        (flag(), number(), number(), number()).prop_map(|(negate, latitude, longitude, radius)| {
            Condition::Geopoint {
                negate,
                latitude,
                longitude,
                radius,
            }
        }),
        (
            flag(),
            flag(),
            any_keyword::<ArrayMatching>(),
            array_string_test(dynamic)
        )
            .prop_map(|(negate, case_sensitive, keyword, test)| Condition::ArrayString {
                negate,
                case_sensitive,
                matching: matching(negate, test == ArrayStringTest::Exists, keyword),
                test,
            }),
        (flag(), any_keyword::<ArrayMatching>(), double_test(dynamic)).prop_map(|(negate, keyword, test)| {
            Condition::ArrayDouble {
                negate,
                matching: matching(negate, test == DoubleTest::Exists, keyword),
                test,
            }
        }),
    ]
    .boxed()
}

/// Conditions, including objects. `of_event` sets the category of event attributes.
fn attribute(of_event: bool) -> BoxedStrategy<AttributeFilter> {
    let category = move || {
        if of_event {
            Just(Some("default".to_owned())).boxed()
        } else {
            option::of(text()).boxed()
        }
    };
    let of = move |condition: BoxedStrategy<Condition>| {
        (text(), category(), condition)
            .prop_map(|(name, category, condition)| AttributeFilter {
                name,
                category,
                condition,
            })
            .boxed()
    };
    let leaf = of(simple_condition(!of_event));
    leaf.prop_recursive(2, 6, 3, move |inner| {
        let group = (any_keyword::<GroupOperator>(), vec(inner, 0..3))
            .prop_map(|(operator, filters)| AttributeGroup { operator, filters })
            .boxed();
        let object = prop_oneof![
            group.clone().prop_map(Condition::Object),
            group.prop_map(Condition::ArrayObject)
        ];
        of(object.boxed())
    })
    .boxed()
}

fn attributes() -> BoxedStrategy<AttributeGroup> {
    prop_oneof![
        Just(AttributeGroup::empty()),
        (any_keyword::<GroupOperator>(), vec(attribute(true), 1..3))
            .prop_map(|(operator, filters)| AttributeGroup { operator, filters }),
    ]
    .boxed()
}

fn executions() -> impl Strategy<Value = Execution> {
    prop_oneof![
        count().prop_map(Execution::AtLeast),
        count().prop_map(Execution::Exactly),
        count().prop_map(Execution::AtMost),
        Just(Execution::FirstTime),
        Just(Execution::LastTime),
    ]
}

/// `of_event` is false for affinity filters: they count in days, and their dates may have any time.
fn time_range(of_event: bool) -> BoxedStrategy<TimeRange> {
    let units = of_event;
    let first = move || {
        if of_event {
            day().prop_map(|day| day.at(0, 0, 0, 0)).boxed()
        } else {
            moment_of_day().boxed()
        }
    };
    let last = move || {
        if of_event {
            day().prop_map(|day| day.at(23, 59, 59, 999_000_000)).boxed()
        } else {
            moment_of_day().boxed()
        }
    };
    let unit = move || {
        if units {
            any_keyword::<PeriodUnit>().boxed()
        } else {
            Just(PeriodUnit::Days).boxed()
        }
    };
    let optional_unit = move || {
        if units {
            option::of(any_keyword::<PeriodUnit>()).boxed()
        } else {
            Just(None).boxed()
        }
    };
    prop_oneof![
        (count(), unit()).prop_map(|(count, unit)| TimeRange::InTheLast { count, unit }),
        (periods_ago(), periods_ago(), unit()).prop_map(|(nearer, farther, unit)| TimeRange::BetweenAgo {
            nearer,
            farther,
            unit
        }),
        (first(), last(), optional_unit()).prop_map(|(first, last, unit)| TimeRange::BetweenDates {
            first,
            last,
            unit
        }),
        (periods_ago(), unit()).prop_map(|(count, unit)| TimeRange::OnAgo { count, unit }),
        (first(), optional_unit()).prop_map(|(date, unit)| TimeRange::OnDate { date, unit }),
        (periods_ago(), unit()).prop_map(|(count, unit)| TimeRange::BeforeAgo { count, unit }),
        (first(), optional_unit()).prop_map(|(date, unit)| TimeRange::BeforeDate { date, unit }),
        (first(), optional_unit()).prop_map(|(date, unit)| TimeRange::AfterDate { date, unit }),
    ]
    .boxed()
}

fn aggregation() -> impl Strategy<Value = Aggregation> {
    let test = prop_oneof![
        number().prop_map(AggregationTest::Is),
        (number(), number()).prop_map(|(low, high)| AggregationTest::Between(low, high)),
        number().prop_map(AggregationTest::LessThan),
        number().prop_map(AggregationTest::GreaterThan),
    ];
    let base = prop_oneof![
        Just(BaseTimeRange::PreviousPeriod),
        (moment_of_day(), moment_of_day()).prop_map(|(first, last)| BaseTimeRange::Dates { first, last }),
    ];
    let comparison = option::of(
        (any_keyword::<Comparator>(), base).prop_map(|(comparator, base)| PeriodComparison {
            comparator,
            base_time_range: base,
        }),
    );
    (
        text(),
        any_keyword::<AggregationType>(),
        any::<bool>(),
        test,
        comparison,
    )
        .prop_map(
            |(attribute_name, aggregation_type, negate, test, comparison)| Aggregation {
                attribute_name,
                aggregation_type,
                negate,
                test,
                comparison,
            },
        )
}

fn event() -> impl Strategy<Value = EventFilter> {
    let execution = prop_oneof![1 => Just(Execution::Never), 4 => executions()];
    (
        text(),
        option::of(text()),
        execution,
        time_range(true),
        attributes(),
        option::of(aggregation()),
    )
        .prop_map(
            |(action_name, project_name, execution, time_range, attributes, aggregation)| EventFilter {
                action_name,
                project_name,
                execution,
                time_range,
                attributes,
                aggregation,
            },
        )
}

fn affinity_attribute() -> impl Strategy<Value = AffinityAttribute> {
    let one = [
        AffinityTextOperator::Is,
        AffinityTextOperator::Contains,
        AffinityTextOperator::StartsWith,
        AffinityTextOperator::EndsWith,
    ];
    let test = prop_oneof![
        (select(one.to_vec()), value(), any::<bool>()).prop_map(|(operator, value, case_sensitive)| {
            AffinityTest::Text {
                operator,
                value,
                case_sensitive,
            }
        }),
        (non_empty_list(value()), any::<bool>()).prop_map(|(values, case_sensitive)| AffinityTest::TextIn {
            values,
            case_sensitive
        }),
        any::<bool>().prop_map(|case_sensitive| AffinityTest::TextExists { case_sensitive }),
        number().prop_map(AffinityTest::DoubleIs),
        double_test(false).prop_map(AffinityTest::Double),
    ];
    (text(), option::of(text()), any::<bool>(), test).prop_map(|(name, category, negate, test)| {
        AffinityAttribute {
            name,
            category,
            negate,
            test,
        }
    })
}

fn affinity() -> impl Strategy<Value = AffinityFilter> {
    let mode = prop_oneof![
        Just(Affinity::Predominant),
        (1_u32..=100).prop_map(Affinity::Minimum),
        (1_u32..=100).prop_map(Affinity::Top),
        (1_u32..=100).prop_map(Affinity::Bottom),
    ];
    let execution = prop_oneof![1 => Just(Execution::Never), 4 => executions()];
    (
        (text(), execution, mode),
        (vec(affinity_attribute(), 1..3), any_keyword::<GroupOperator>()),
        (attributes(), time_range(false)),
    )
        .prop_map(
            |(
                (action_name, execution, affinity),
                (preferred, preferred_operator),
                (attributes, time_range),
            )| {
                AffinityFilter {
                    action_name,
                    execution,
                    affinity,
                    preferred,
                    preferred_operator,
                    attributes,
                    time_range,
                }
            },
        )
}

fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![
        text().prop_map(|name| Reference::Name(SegmentName::new(name))),
        (
            prop_oneof!["[0-9a-f]{24}", Just("moe_all_users".to_owned())],
            option::of(text())
        )
            .prop_map(|(id, label)| Reference::Id {
                id: SegmentId::new(id),
                label
            }),
    ]
}

fn filter() -> BoxedStrategy<Filter> {
    let leaf = prop_oneof![
        4 => attribute(false).prop_map(Filter::Attribute),
        4 => event().prop_map(Filter::Event),
        2 => affinity().prop_map(Filter::Affinity),
        1 => reference().prop_map(Filter::Reference),
        1 => text().prop_map(|text| Filter::Raw(serde_json::json!({"filter_type": "new", "field": text, "list": [1, null]}))),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| group_of(inner, 0).prop_map(Filter::Nested))
        .boxed()
}

fn group_of(filter: impl Strategy<Value = Filter>, least: usize) -> impl Strategy<Value = Group> {
    (any_keyword::<GroupOperator>(), vec(filter, least..4))
        .prop_map(|(operator, filters)| Group { operator, filters })
}

/// Any definition. An empty exclusion equals none, so there are no empty exclusions.
pub(crate) fn definition() -> impl Strategy<Value = Definition> {
    (group_of(filter(), 0), option::of(group_of(filter(), 1)))
        .prop_map(|(included, excluded)| Definition { included, excluded })
}
