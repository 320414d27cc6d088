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

#[test]
fn a_previous_name_of_a_segment_that_is_found_otherwise_is_not_put_away_unasked() {
    let live = || vec![spender("a1", "Foo", 1.0), spender("b1", "Buyers", 2.0)];
    let foo = || previously(declared("Foo", vec![spends_more_than(1.0)]), &["Buyers"]);
    let by_id = |segment| DeclaredSegment {
        id: Some(SegmentId::new("a1")),
        ..segment
    };
    let both = ledger(vec![entry("a1", "Foo"), entry("b1", "Buyers")]);
    for files in [vec![foo()], vec![by_id(foo())], vec![archived(foo())]] {
        let plan = planned_with(&files, live(), &both);
        let [Conflict::PreviousNameLive { segment, other, .. }] = plan.conflicts.as_slice() else {
            panic!("{:?}", plan.conflicts)
        };
        assert_eq!((segment.name.as_str(), other.id.as_str()), ("Foo", "b1"));
        assert_eq!(steps(&plan), [""; 0]);
    }
    let found = |files: &[DeclaredSegment], live: Vec<LiveSegment>, ledger: &Ledger| {
        let plan = planned_with(files, live, ledger);
        (steps(&plan), plan.conflicts.len())
    };
    let archives = vec!["archive Buyers <>".to_owned()];
    // Another file declares it.
    let files = [foo(), declared("Buyers", vec![spends_more_than(2.0)])];
    assert_eq!(found(&files, live(), &both), (vec![], 0));
    // It is nobody's business, or put away already.
    let first = ledger(vec![entry("a1", "Foo")]);
    assert_eq!(found(&[foo()], live(), &first), (vec![], 0));
    let away = vec![spender("a1", "Foo", 1.0), put_away(spender("b1", "Buyers", 2.0))];
    assert_eq!(found(&[foo()], away, &both), (vec![], 0));
    // `Foo` was `Buyers` before, as the file says; the other one took the name later.
    let mut renamed = entry("a1", "Buyers");
    renamed.rename(SegmentName::new("Foo"));
    let later = ledger(vec![renamed, entry("b1", "Buyers")]);
    assert_eq!(found(&[foo()], live(), &later), (archives, 0));
}
