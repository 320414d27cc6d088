use super::*;

#[test]
fn missing_segments_are_created_and_matching_ones_are_unchanged() {
    let files = [
        declared("A", vec![spends_more_than(1.0)]),
        declared("B", vec![spends_more_than(2.0)]),
    ];
    let plan = plan_for(
        &files,
        vec![remote("a1", "A", payload(vec![spends_more_than(1.0)]))],
    );
    assert_eq!(steps(&plan), ["create B <>"]);
    let [unchanged] = plan.unchanged.as_slice() else {
        panic!("{:?}", plan.unchanged)
    };
    assert_eq!(unchanged.segment.as_str(), "A");
    assert_eq!(unchanged.remote, Some((SegmentId::new("a1"), MatchReason::Name)));
    assert_eq!(plan.conflicts, []);
}

#[test]
fn a_changed_field_is_one_update_with_its_path() {
    let files = [declared("A", vec![spends_more_than(2.0)])];
    let plan = plan_for(
        &files,
        vec![remote("a1", "A", payload(vec![spends_more_than(1.0)]))],
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

/// Of a workspace whose listing shows archived segments.
fn policy_with_archived_in_list(active_limit: usize) -> Policy {
    let mut policy = Policy::default();
    policy.api_behavior.list_shows_archived = true;
    policy.api_behavior.active_limit = active_limit;
    policy
}

#[test]
fn undeclared_segments_of_unknown_lifecycle_are_guarded_as_active() {
    let existing = || archived_remote(remote_spender("a1", "A", 1.0));
    let recorded = |lifecycle_unknown| {
        state(vec![StateEntry {
            lifecycle_unknown,
            ..entry("a1", "A")
        }])
    };
    let referencing = [declared("B", vec![member_of("A")])];
    for (is_unknown, count) in [(false, 0), (true, 1)] {
        let plan = plan_with_policy(
            &[],
            vec![existing()],
            &recorded(is_unknown),
            &policy_with_archived_in_list(9),
        );
        assert_eq!(plan.guard_violations.len(), count, "{:?}", plan.guard_violations);
        let plan = plan_with_policy(
            &referencing,
            vec![existing()],
            &recorded(is_unknown),
            &policy_with_archived_in_list(9),
        );
        let is_reported = |conflict: &Finding| conflict.code == Code::OrphanReferenced;
        assert_eq!(
            plan.conflicts
                .iter()
                .filter(|conflict| is_reported(conflict))
                .count(),
            count
        );
    }
}

#[test]
fn segments_of_unknown_lifecycle_get_a_lifecycle_step_and_a_warning() {
    let file = || vec![declared("A", vec![spends_more_than(1.0)])];
    let archived_file = || vec![declared_archived(declared("A", vec![spends_more_than(1.0)]))];
    let found = || remote_spender("a1", "A", 1.0);
    // Configuration, remote segment, whether it is managed, expected step.
    let table = [
        (file(), found(), true, Some("unarchive A <>")),
        (file(), archived_remote(found()), true, Some("unarchive A <>")),
        (file(), found(), false, Some("unarchive A <>")),
        (archived_file(), found(), true, Some("archive A <>")),
        (
            archived_file(),
            archived_remote(found()),
            true,
            Some("archive A <>"),
        ),
        (
            archived_file(),
            archived_remote(found()),
            false,
            Some("archive A <>"),
        ),
        (Vec::new(), archived_remote(found()), true, Some("archive A <>")),
        (Vec::new(), found(), false, None),
    ];
    for (files, existing, is_managed, step) in table {
        let recorded = StateEntry {
            lifecycle_unknown: true,
            history_only: !is_managed,
            ..entry("a1", "A")
        };
        let plan = plan_with_policy(
            &files,
            vec![existing],
            &state(vec![recorded]),
            &policy_with_archived_in_list(1),
        );
        assert_eq!(steps(&plan), step.into_iter().collect::<Vec<_>>());
        // The segment counts once toward the limit, whatever its lifecycle.
        assert_eq!(plan.conflicts, []);
        let is_reported = matches!(plan.warnings.as_slice(), [warning]
            if warning.code == Code::LifecycleUnknown && holders(warning) == ["a1"]);
        assert_eq!(is_reported, step.is_some(), "{:?}", plan.warnings);
    }
}
