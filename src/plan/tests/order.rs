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
