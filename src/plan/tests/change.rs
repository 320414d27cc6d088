use super::*;

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
    let [unchanged] = plan.unchanged.as_slice() else {
        panic!("{:?}", plan.unchanged)
    };
    assert_eq!(unchanged.segment.as_str(), "A");
    assert_eq!(unchanged.live, Some((SegmentId::new("a1"), MatchReason::Name)));
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
fn what_may_be_archived_is_moved_to_where_it_should_be_and_told() {
    let file = || vec![declared("A", vec![spends_more_than(1.0)])];
    let archived_file = || vec![archived(declared("A", vec![spends_more_than(1.0)]))];
    let found = || spender("a1", "A", 1.0);
    // Whether it is ours, and what is done.
    let table = [
        (file(), found(), true, Some("unarchive A <>")),
        (file(), put_away(found()), true, Some("unarchive A <>")),
        (file(), found(), false, Some("unarchive A <>")),
        (archived_file(), found(), true, Some("archive A <>")),
        (archived_file(), put_away(found()), true, Some("archive A <>")),
        (archived_file(), put_away(found()), false, Some("archive A <>")),
        (Vec::new(), put_away(found()), true, Some("archive A <>")),
        (Vec::new(), found(), false, None),
    ];
    for (files, live, is_ours, step) in table {
        let known = Entry {
            lifecycle_unknown: true,
            only_kept: !is_ours,
            ..entry("a1", "A")
        };
        let plan = planned_with(&files, vec![live], &ledger(vec![known]));
        assert_eq!(steps(&plan), step.into_iter().collect::<Vec<_>>());
        let is_told = matches!(plan.warnings.as_slice(), [Warning::LifecycleUnknown { segments }]
            if segments.iter().map(|live| live.id.as_str()).eq(["a1"]));
        assert_eq!(is_told, step.is_some(), "{:?}", plan.warnings);
    }
}
