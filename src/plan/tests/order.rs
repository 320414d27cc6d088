use super::*;

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
fn near_the_limit_each_create_waits_for_one_archive() {
    let mut policy = Policy::default();
    policy.behaviour.active_limit = 4;
    let files = [
        declared("New 1", vec![spends_more_than(11.0)]),
        declared("New 2", vec![spends_more_than(12.0)]),
        declared("New 3", vec![spends_more_than(13.0)]),
        archived(declared("Old 1", vec![spends_more_than(1.0)])),
        archived(declared("Old 2", vec![spends_more_than(2.0)])),
    ];
    let live =
        (1..=3).map(|number| spender(&format!("o{number}"), &format!("Old {number}"), f64::from(number)));
    let plan = planned_under(&files, live.collect(), &Ledger::default(), &policy);
    assert_eq!(plan.conflicts, []);
    // One fits at first.
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
fn beyond_the_limit_the_first_archives_make_room_for_nothing() {
    let mut policy = Policy::default();
    policy.behaviour.active_limit = 2;
    let files = [
        declared("New", vec![spends_more_than(11.0)]),
        archived(declared("Old 1", vec![spends_more_than(1.0)])),
        archived(declared("Old 2", vec![spends_more_than(2.0)])),
        archived(declared("Old 3", vec![spends_more_than(3.0)])),
    ];
    let live =
        (1..=3).map(|number| spender(&format!("o{number}"), &format!("Old {number}"), f64::from(number)));
    let plan = planned_under(&files, live.collect(), &Ledger::default(), &policy);
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
fn a_circle_is_opened_before_it_is_closed_through_what_does_not_change() {
    // A referred-to segment that stays as it is hides the one that drops its reference.
    let files = [
        declared("A", vec![member_of("B")]),
        declared("B", vec![member_of("C")]),
        declared("C", vec![spends_more_than(2.0)]),
    ];
    let middle = live("b1", "B", payload(vec![by_id("c1")]));
    let ends = [
        live("a1", "A", payload(vec![spends_more_than(1.0)])),
        live("c1", "C", payload(vec![by_id("a1")])),
    ];
    let with = |middle| planned(&files, ends.iter().cloned().chain([middle]).collect());
    assert_eq!(steps(&with(middle.clone())), ["update C <>", "update A <1>"]);
    assert_eq!(
        steps(&with(put_away(middle))),
        ["unarchive B <>", "update C <>", "update A <1,2>"]
    );
}
