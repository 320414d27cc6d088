use super::step::{Action, Conflict, MatchReason, Warning};
use super::*;
use crate::definition::print;
use crate::ledger::Entry;
use crate::model::{
    AttributeFilter, Condition, Definition, DoubleTest, Filter, Group, GroupOperator, Lifecycle, LiveKind,
    LiveSegment, Number, Operand, Origin, Payload, Policy, Reference, SegmentId, SegmentName,
};
use jiff::Timestamp;

fn spends_more_than(amount: f64) -> Filter {
    let amount = Number::new(amount).unwrap();
    Filter::Attribute(AttributeFilter {
        name: "spend".to_owned(),
        category: None,
        condition: Condition::Double {
            negate: false,
            test: DoubleTest::GreaterThan(Operand::Fixed(amount)),
        },
    })
}

fn member_of(name: &str) -> Filter {
    Filter::Reference(Reference::Name(SegmentName::new(name)))
}

fn of(filters: Vec<Filter>) -> Definition {
    Definition {
        included: Group {
            operator: GroupOperator::And,
            filters,
        },
        excluded: None,
    }
}

fn declared(name: &str, filters: Vec<Filter>) -> DeclaredSegment {
    DeclaredSegment {
        name: SegmentName::new(name),
        id: None,
        previous_names: Vec::new(),
        protect: false,
        lifecycle: Lifecycle::Active,
        definition: of(filters),
        origin: Origin {
            file: format!("{name}.yaml"),
            line: 1,
            column: 1,
        },
    }
}

fn archived(segment: DeclaredSegment) -> DeclaredSegment {
    DeclaredSegment {
        lifecycle: Lifecycle::Archived,
        ..segment
    }
}

fn payload(filters: Vec<Filter>) -> Payload {
    print(&of(filters))
}

/// A live segment; references in it are by id.
fn live(id: &str, name: &str, definition: Payload) -> LiveSegment {
    LiveSegment {
        id: SegmentId::new(id),
        name: SegmentName::new(name),
        kind: LiveKind::Filter,
        lifecycle: Lifecycle::Active,
        source: None,
        created_time: None,
        listed: true,
        read_at: None,
        definition: Some(definition),
    }
}

fn by_id(id: &str) -> Filter {
    Filter::Reference(Reference::Id {
        id: SegmentId::new(id),
        label: None,
    })
}

fn observed(segments: Vec<LiveSegment>) -> Observed {
    Observed {
        listed_at: None,
        segments: segments.into_iter().map(|live| (live.id.clone(), live)).collect(),
    }
}

fn planned(declared: &[DeclaredSegment], live: Vec<LiveSegment>) -> Plan {
    planned_with(declared, live, &Ledger::default())
}

fn planned_with(declared: &[DeclaredSegment], live: Vec<LiveSegment>, ledger: &Ledger) -> Plan {
    planned_under(declared, live, ledger, &Policy::default())
}

fn planned_under(
    declared: &[DeclaredSegment],
    live: Vec<LiveSegment>,
    ledger: &Ledger,
    policy: &Policy,
) -> Plan {
    plan(&Situation {
        workspace: "test",
        declared,
        observed: &observed(live),
        ledger,
        policy,
        allowances: Allowances::default(),
        selection: &Selection::default(),
        now: Timestamp::UNIX_EPOCH,
    })
}

fn steps(plan: &Plan) -> Vec<String> {
    let needs = |needs: &[usize]| {
        needs
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    let text = |step: &step::Step| {
        format!(
            "{} {} <{}>",
            step.action.as_str(),
            step.segment,
            needs(&step.depends_on)
        )
    };
    plan.steps.iter().map(text).collect()
}

#[test]
fn what_is_missing_is_created_and_what_is_there_is_left_alone() {
    let files = [
        declared("A", vec![spends_more_than(1.0)]),
        declared("B", vec![spends_more_than(2.0)]),
    ];
    let plan = planned(
        &files,
        vec![live("a1", "A", payload(vec![spends_more_than(1.0)]))],
    );
    assert_eq!(steps(&plan), ["create B <>"]);
    assert_eq!(plan.unchanged, [SegmentName::new("A")]);
    assert_eq!(plan.conflicts, []);
}

#[test]
fn a_changed_field_is_one_update_with_its_path() {
    let files = [declared("A", vec![spends_more_than(2.0)])];
    let plan = planned(
        &files,
        vec![live("a1", "A", payload(vec![spends_more_than(1.0)]))],
    );
    let [step] = plan.steps.as_slice() else {
        panic!("{:?}", plan.steps)
    };
    let Action::Update(change) = &step.action else {
        panic!("{step:?}")
    };
    let changes: Vec<_> = change
        .changes
        .iter()
        .map(|changed| changed.change.to_string())
        .collect();
    assert_eq!(changes, ["included_filters › and › [1] spend: value 1 -> 2"]);
}

#[test]
fn referenced_segments_come_before_referencing_ones() {
    let files = [
        declared("A", vec![member_of("B")]),
        declared("B", vec![member_of("C")]),
        declared("C", vec![spends_more_than(1.0)]),
    ];
    assert_eq!(
        steps(&planned(&files, vec![])),
        ["create C <>", "create B <1>", "create A <2>"]
    );
}

#[test]
fn a_reference_by_id_to_a_declared_segment_is_the_same_reference() {
    let files = [
        declared("A", vec![member_of("B")]),
        declared("B", vec![spends_more_than(1.0)]),
    ];
    let plan = planned(
        &files,
        vec![
            live("a1", "A", payload(vec![by_id("b1")])),
            live("b1", "B", payload(vec![spends_more_than(1.0)])),
        ],
    );
    assert_eq!(steps(&plan), [""; 0]);
}

#[test]
fn archives_wait_for_the_last_reference() {
    let files = [
        archived(declared("A", vec![spends_more_than(1.0)])),
        declared("B", vec![spends_more_than(2.0)]),
    ];
    let plan = planned(
        &files,
        vec![
            live("a1", "A", payload(vec![spends_more_than(1.0)])),
            live("b1", "B", payload(vec![by_id("a1")])),
        ],
    );
    assert_eq!(steps(&plan), ["update B <>", "archive A <1>"]);
}

#[test]
fn an_archived_segment_is_taken_out_before_it_is_updated() {
    let files = [declared("A", vec![spends_more_than(2.0)])];
    let put_away = LiveSegment {
        lifecycle: Lifecycle::Archived,
        ..live("a1", "A", payload(vec![spends_more_than(1.0)]))
    };
    assert_eq!(
        steps(&planned(&files, vec![put_away.clone()])),
        ["unarchive A <>", "update A <1>"]
    );
    let files = [archived(declared("A", vec![spends_more_than(2.0)]))];
    assert_eq!(steps(&planned(&files, vec![put_away])), [""; 0]);
    assert_eq!(steps(&planned(&files, vec![])), [""; 0]);
}

#[test]
fn a_previous_name_makes_a_rename() {
    let files = [DeclaredSegment {
        previous_names: vec![SegmentName::new("Old")],
        ..declared("New", vec![spends_more_than(1.0)])
    }];
    let plan = planned(
        &files,
        vec![live("a1", "Old", payload(vec![spends_more_than(1.0)]))],
    );
    let [step] = plan.steps.as_slice() else {
        panic!("{:?}", plan.steps)
    };
    let Action::Update(change) = &step.action else {
        panic!("{step:?}")
    };
    assert_eq!(change.target.matched_by, MatchReason::PreviousName);
    assert_eq!(change.changes[0].change.to_string(), "name \"Old\" -> \"New\"");
}

#[test]
fn the_ledger_finds_a_segment_that_was_renamed_by_hand() {
    let mut ledger = Ledger::default();
    ledger.record(Entry::new(
        SegmentId::new("a1"),
        SegmentName::new("A"),
        Timestamp::UNIX_EPOCH,
    ));
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let by_hand = vec![live("a1", "A (new)", payload(vec![spends_more_than(1.0)]))];
    assert_eq!(steps(&planned_with(&files, by_hand, &ledger)), ["update A <>"]);
}

#[test]
fn a_definition_in_use_is_a_conflict_that_names_the_holder() {
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let plan = planned(
        &files,
        vec![live("x1", "By hand", payload(vec![spends_more_than(1.0)]))],
    );
    let [Conflict::DefinitionTaken { holder, .. }] = plan.conflicts.as_slice() else {
        panic!("{:?}", plan.conflicts)
    };
    assert_eq!((holder.name.as_str(), holder.id.as_str()), ("By hand", "x1"));
}

#[test]
fn a_definition_that_another_step_gives_up_is_waited_for() {
    let files = [
        declared("A", vec![spends_more_than(2.0)]),
        declared("B", vec![spends_more_than(3.0)]),
    ];
    let plan = planned(
        &files,
        vec![
            live("a1", "A", payload(vec![spends_more_than(1.0)])),
            live("b1", "B", payload(vec![spends_more_than(2.0)])),
        ],
    );
    assert_eq!(steps(&plan), ["update B <>", "update A <1>"]);
    assert_eq!(plan.conflicts, []);
}

#[test]
fn definitions_that_swap_pass_wrapped() {
    let files = [
        declared("A", vec![spends_more_than(2.0)]),
        declared("B", vec![spends_more_than(1.0)]),
    ];
    let plan = planned(
        &files,
        vec![
            live("a1", "A", payload(vec![spends_more_than(1.0)])),
            live("b1", "B", payload(vec![spends_more_than(2.0)])),
        ],
    );
    assert_eq!(plan.conflicts, []);
    assert_eq!(steps(&plan), ["update A <>", "update B <1>", "update A <1,2>"]);
    assert_eq!(plan.steps[0].action.passing(), Some(step::Passing::Definition));
    assert_eq!(plan.summary().update, 2);
}

#[test]
fn the_same_filters_in_another_order_are_a_warning() {
    let files = [declared("A", vec![spends_more_than(1.0), spends_more_than(2.0)])];
    let other = payload(vec![spends_more_than(2.0), spends_more_than(1.0)]);
    let plan = planned(&files, vec![live("x1", "By hand", other)]);
    assert_eq!(plan.conflicts, []);
    assert!(
        matches!(plan.warnings.as_slice(), [Warning::LikelyDuplicate { .. }]),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn a_name_of_another_kind_and_a_reference_to_nothing_are_conflicts() {
    let files = [
        declared("Upload", vec![spends_more_than(1.0)]),
        declared("A", vec![member_of("Nobody")]),
    ];
    let upload = LiveSegment {
        kind: LiveKind::Other("FILE_V2".to_owned()),
        definition: None,
        ..live("f1", "Upload", payload(vec![]))
    };
    let plan = planned(&files, vec![upload]);
    assert!(
        matches!(
            plan.conflicts.as_slice(),
            [Conflict::KindTaken { .. }, Conflict::UnknownReference { .. }]
        ),
        "{:?}",
        plan.conflicts
    );
}

#[test]
fn undeclared_segments_are_counted_and_never_in_a_step() {
    let plan = planned(
        &[],
        vec![live("x1", "By hand", payload(vec![spends_more_than(1.0)]))],
    );
    assert_eq!((plan.steps.len(), plan.unmanaged.len()), (0, 1));
}

#[test]
fn limits_are_counted_through_live_segments() {
    // A chain of six live segments that nobody declared, and one more on top of it.
    let chain = (1..=6).map(|level| {
        let filters = if level == 1 {
            vec![spends_more_than(1.0)]
        } else {
            vec![by_id(&format!("x{}", level - 1))]
        };
        live(
            &format!("x{level}"),
            &format!("By hand {level}"),
            payload(filters),
        )
    });
    let files = [
        declared("A", vec![member_of("By hand 6")]),
        declared("B", vec![member_of("By hand 5"), spends_more_than(9.0)]),
    ];
    let plan = planned(&files, chain.collect());
    let [Conflict::Limit { segment, limit, .. }] = plan.conflicts.as_slice() else {
        panic!("{:?}", plan.conflicts)
    };
    assert_eq!(
        (segment.name.as_str(), *limit),
        ("A", step::ExceededLimit::Level { level: 7, limit: 6 })
    );
}

#[test]
fn a_circle_through_a_live_segment_is_found() {
    let files = [declared("A", vec![member_of("By hand")])];
    let plan = planned(
        &files,
        vec![
            live("a1", "A", payload(vec![spends_more_than(1.0)])),
            live("x1", "By hand", payload(vec![by_id("a1")])),
        ],
    );
    assert!(
        matches!(
            plan.conflicts.as_slice(),
            [Conflict::Limit {
                limit: step::ExceededLimit::Circle,
                ..
            }]
        ),
        "{:?}",
        plan.conflicts
    );
}
