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

/// A workspace whose list shows archived segments, with room for so many in use.
fn all_listed(active_limit: usize) -> Policy {
    let mut policy = Policy::default();
    policy.behaviour.list_shows_archived = true;
    policy.behaviour.active_limit = active_limit;
    policy
}

#[test]
fn what_may_be_archived_and_is_declared_no_more_is_guarded_as_what_is_in_use() {
    let live = || put_away(spender("a1", "A", 1.0));
    let known = |lifecycle_unknown| {
        ledger(vec![Entry {
            lifecycle_unknown,
            ..entry("a1", "A")
        }])
    };
    let refers = [declared("B", vec![member_of("A")])];
    for (is_unknown, count) in [(false, 0), (true, 1)] {
        let plan = planned_under(&[], vec![live()], &known(is_unknown), &all_listed(9));
        assert_eq!(plan.refusals.len(), count, "{:?}", plan.refusals);
        let plan = planned_under(&refers, vec![live()], &known(is_unknown), &all_listed(9));
        let is_told = |conflict: &Conflict| matches!(conflict, Conflict::OrphanReferenced { .. });
        assert_eq!(
            plan.conflicts.iter().filter(|conflict| is_told(conflict)).count(),
            count
        );
    }
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
        let plan = planned_under(&files, vec![live], &ledger(vec![known]), &all_listed(1));
        assert_eq!(steps(&plan), step.into_iter().collect::<Vec<_>>());
        // It is one segment, wherever it is.
        assert_eq!(plan.conflicts, []);
        let is_told = matches!(plan.warnings.as_slice(), [Warning::LifecycleUnknown { segments }]
            if segments.iter().map(|live| live.id.as_str()).eq(["a1"]));
        assert_eq!(is_told, step.is_some(), "{:?}", plan.warnings);
    }
}
