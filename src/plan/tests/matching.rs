use super::*;

#[test]
fn a_previous_name_makes_a_rename() {
    let files = [DeclaredSegment {
        previous_names: vec![SegmentName::new("Old")],
        ..declared("New", vec![spends_more_than(1.0)])
    }];
    let plan = plan_for(
        &files,
        vec![remote("a1", "Old", payload(vec![spends_more_than(1.0)]))],
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
fn the_state_matches_a_manually_renamed_segment() {
    let mut state = State::default();
    state.record(StateEntry::new(
        SegmentId::new("a1"),
        SegmentName::new("A"),
        Timestamp::UNIX_EPOCH,
    ));
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let renamed = vec![remote("a1", "A (new)", payload(vec![spends_more_than(1.0)]))];
    assert_eq!(steps(&plan_with_state(&files, renamed, &state)), ["update A <>"]);
}

#[test]
fn a_reference_by_id_equals_the_reference_by_name() {
    let files = [
        declared("A", vec![member_of("B")]),
        declared("B", vec![spends_more_than(1.0)]),
    ];
    let plan = plan_for(
        &files,
        vec![
            remote("a1", "A", payload(vec![reference_by_id("b1")])),
            remote("b1", "B", payload(vec![spends_more_than(1.0)])),
        ],
    );
    assert_eq!(steps(&plan), [""; 0]);
}

#[test]
fn unmanaged_segments_are_counted_and_never_changed() {
    let plan = plan_for(
        &[],
        vec![remote("x1", "Manual", payload(vec![spends_more_than(1.0)]))],
    );
    assert_eq!((plan.steps.len(), plan.unmanaged.len()), (0, 1));
}

#[test]
fn a_managed_segment_with_a_previous_name_is_not_archived_silently() {
    let existing = || {
        vec![
            remote_spender("a1", "Foo", 1.0),
            remote_spender("b1", "Buyers", 2.0),
        ]
    };
    let foo = || with_previous_names(declared("Foo", vec![spends_more_than(1.0)]), &["Buyers"]);
    let by_id = |segment| DeclaredSegment {
        id: Some(SegmentId::new("a1")),
        ..segment
    };
    let both = state(vec![entry("a1", "Foo"), entry("b1", "Buyers")]);
    for files in [vec![foo()], vec![by_id(foo())], vec![declared_archived(foo())]] {
        let plan = plan_with_state(&files, existing(), &both);
        assert_eq!(codes(&plan.conflicts), [Code::PreviousNameInUse]);
        let conflict = &plan.conflicts[0];
        assert_eq!(
            (names(conflict), holders(conflict)),
            (vec!["Foo"], vec!["a1", "b1"])
        );
        assert_eq!(steps(&plan), [""; 0]);
    }
    let found = |files: &[DeclaredSegment], existing: Vec<ObservedSegment>, state: &State| {
        let plan = plan_with_state(files, existing, state);
        (steps(&plan), plan.conflicts.len())
    };
    let archives = vec!["archive Buyers <>".to_owned()];
    // The other segment is declared, too.
    let files = [foo(), declared("Buyers", vec![spends_more_than(2.0)])];
    assert_eq!(found(&files, existing(), &both), (vec![], 0));
    // The other segment is unmanaged, or already archived.
    let first = state(vec![entry("a1", "Foo")]);
    assert_eq!(found(&[foo()], existing(), &first), (vec![], 0));
    let away = vec![
        remote_spender("a1", "Foo", 1.0),
        archived_remote(remote_spender("b1", "Buyers", 2.0)),
    ];
    assert_eq!(found(&[foo()], away, &both), (vec![], 0));
    // The state has `Buyers` as a former name of `Foo`; the other segment got the name later.
    let mut renamed = entry("a1", "Buyers");
    renamed.rename(SegmentName::new("Foo"));
    let later = state(vec![renamed, entry("b1", "Buyers")]);
    assert_eq!(found(&[foo()], existing(), &later), (archives, 0));
}
