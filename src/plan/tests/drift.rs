use super::*;
use crate::plan::step::Cause;

#[test]
fn a_segment_archived_under_a_previous_name_has_no_drift() {
    let files = [with_previous_names(
        declared_archived(declared("New", vec![spends_more_than(1.0)])),
        &["Old"],
    )];
    // `apply` records the declared name and the name that the archived segment keeps.
    let mut recorded = StateEntry {
        lifecycle: Lifecycle::Archived,
        ..entry("a1", "Old")
    };
    recorded.rename(SegmentName::new("New"));
    let plan = plan_with_state(
        &files,
        vec![archived_remote(remote_spender("a1", "Old", 1.0))],
        &state(vec![recorded]),
    );
    assert_eq!((steps(&plan), plan.drift), (vec![], vec![]));
}

#[test]
fn a_temporary_name_is_not_drift() {
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let temporary = SegmentName::new("A").temporary();
    let plan = plan_with_state(
        &files,
        vec![remote_spender("a1", temporary.as_str(), 1.0)],
        &state(vec![entry("a1", "A")]),
    );
    let [step] = plan.steps.as_slice() else {
        panic!("{:?}", plan.steps)
    };
    let Action::Update(change) = &step.action else {
        panic!("{step:?}")
    };
    let causes: Vec<Option<Cause>> = change.changes.iter().map(|changed| changed.cause).collect();
    assert_eq!((causes, plan.drift), (vec![None], vec![]));
}

#[test]
fn a_re_created_segment_is_not_reported_as_missing() {
    let at = Timestamp::from_second(5).unwrap();
    let recorded = state(vec![
        entry("a1", "A"),
        StateEntry {
            applied_at: at,
            ..entry("a2", "A")
        },
        entry("b1", "B"),
    ]);
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let plan = plan_with_state(&files, vec![remote_spender("a2", "A", 1.0)], &recorded);
    let drifted: Vec<&str> = plan.drift.iter().map(|drift| drift.id.as_str()).collect();
    assert_eq!(drifted, ["b1"]);
}
