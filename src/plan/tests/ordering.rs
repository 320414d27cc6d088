use super::*;

#[test]
fn referenced_segments_come_before_referencing_ones() {
    let files = [
        declared("A", vec![member_of("B")]),
        declared("B", vec![member_of("C")]),
        declared("C", vec![spends_more_than(1.0)]),
    ];
    assert_eq!(
        steps(&plan_for(&files, vec![])),
        ["create C <>", "create B <1>", "create A <2>"]
    );
}

#[test]
fn archives_wait_for_the_last_reference() {
    let files = [
        declared_archived(declared("A", vec![spends_more_than(1.0)])),
        declared("B", vec![spends_more_than(2.0)]),
    ];
    let plan = plan_for(
        &files,
        vec![
            remote("a1", "A", payload(vec![spends_more_than(1.0)])),
            remote("b1", "B", payload(vec![reference_by_id("a1")])),
        ],
    );
    assert_eq!(steps(&plan), ["update B <>", "archive A <1>"]);
}

#[test]
fn an_archived_segment_is_unarchived_before_it_is_updated() {
    let files = [declared("A", vec![spends_more_than(2.0)])];
    let archived = ObservedSegment {
        lifecycle: Lifecycle::Archived,
        ..remote("a1", "A", payload(vec![spends_more_than(1.0)]))
    };
    assert_eq!(
        steps(&plan_for(&files, vec![archived.clone()])),
        ["unarchive A <>", "update A <1>"]
    );
    let files = [declared_archived(declared("A", vec![spends_more_than(2.0)]))];
    assert_eq!(steps(&plan_for(&files, vec![archived])), [""; 0]);
    assert_eq!(steps(&plan_for(&files, vec![])), [""; 0]);
}

#[test]
fn near_the_active_limit_each_create_waits_for_one_archive() {
    let mut policy = Policy::default();
    policy.api_behavior.active_limit = 4;
    let files = [
        declared("New 1", vec![spends_more_than(11.0)]),
        declared("New 2", vec![spends_more_than(12.0)]),
        declared("New 3", vec![spends_more_than(13.0)]),
        declared_archived(declared("Old 1", vec![spends_more_than(1.0)])),
        declared_archived(declared("Old 2", vec![spends_more_than(2.0)])),
    ];
    let existing = (1..=3)
        .map(|number| remote_spender(&format!("o{number}"), &format!("Old {number}"), f64::from(number)));
    let plan = plan_with_policy(&files, existing.collect(), &State::default(), &policy);
    assert_eq!(plan.conflicts, []);
    // One slot is free.
    assert_eq!(
        steps(&plan),
        [
            "archive Old 1 <>",
            "archive Old 2 <>",
            "create New 1 <>",
            "create New 2 <1>",
            "create New 3 <2>"
        ]
    );
}

#[test]
fn above_the_active_limit_the_first_archives_free_no_slot() {
    let mut policy = Policy::default();
    policy.api_behavior.active_limit = 2;
    let files = [
        declared("New", vec![spends_more_than(11.0)]),
        declared_archived(declared("Old 1", vec![spends_more_than(1.0)])),
        declared_archived(declared("Old 2", vec![spends_more_than(2.0)])),
        declared_archived(declared("Old 3", vec![spends_more_than(3.0)])),
    ];
    let existing = (1..=3)
        .map(|number| remote_spender(&format!("o{number}"), &format!("Old {number}"), f64::from(number)));
    let plan = plan_with_policy(&files, existing.collect(), &State::default(), &policy);
    assert_eq!(plan.conflicts, []);
    assert_eq!(
        steps(&plan),
        [
            "archive Old 1 <>",
            "archive Old 2 <>",
            "archive Old 3 <>",
            "create New <1,2>"
        ]
    );
}

#[test]
fn a_reference_is_dropped_before_an_unchanged_segment_would_close_a_cycle() {
    // `B` does not change, and references `C`, which removes its reference to `A`.
    let files = [
        declared("A", vec![member_of("B")]),
        declared("B", vec![member_of("C")]),
        declared("C", vec![spends_more_than(2.0)]),
    ];
    let middle = remote("b1", "B", payload(vec![reference_by_id("c1")]));
    let ends = [
        remote("a1", "A", payload(vec![spends_more_than(1.0)])),
        remote("c1", "C", payload(vec![reference_by_id("a1")])),
    ];
    let with = |middle| plan_for(&files, ends.iter().cloned().chain([middle]).collect());
    assert_eq!(steps(&with(middle.clone())), ["update C <>", "update A <1>"]);
    assert_eq!(
        steps(&with(archived_remote(middle))),
        ["unarchive B <>", "update C <>", "update A <1,2>"]
    );
}
