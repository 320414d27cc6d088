use super::*;

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
fn undeclared_segments_are_counted_and_never_in_a_step() {
    let plan = planned(
        &[],
        vec![live("x1", "By hand", payload(vec![spends_more_than(1.0)]))],
    );
    assert_eq!((plan.steps.len(), plan.unmanaged.len()), (0, 1));
}
