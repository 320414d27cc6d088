use super::*;
use crate::plan::step::Cause;

#[test]
fn a_segment_that_was_put_away_under_a_previous_name_has_not_drifted() {
    let files = [previously(
        archived(declared("New", vec![spends_more_than(1.0)])),
        &["Old"],
    )];
    // What apply takes down: the declared name, and the one that the segment keeps for ever.
    let mut known = Entry {
        lifecycle: Lifecycle::Archived,
        ..entry("a1", "Old")
    };
    known.rename(SegmentName::new("New"));
    let plan = planned_with(
        &files,
        vec![put_away(spender("a1", "Old", 1.0))],
        &ledger(vec![known]),
    );
    assert_eq!((steps(&plan), plan.drift), (vec![], vec![]));
}

#[test]
fn a_temporary_name_is_nobodys_change() {
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let temporary = SegmentName::new("A").temporary();
    let plan = planned_with(
        &files,
        vec![spender("a1", temporary.as_str(), 1.0)],
        &ledger(vec![entry("a1", "A")]),
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
fn an_id_whose_name_was_made_anew_is_not_missed() {
    let at = Timestamp::from_second(5).unwrap();
    let known = ledger(vec![
        entry("a1", "A"),
        Entry {
            applied_at: at,
            ..entry("a2", "A")
        },
        entry("b1", "B"),
    ]);
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let plan = planned_with(&files, vec![spender("a2", "A", 1.0)], &known);
    let drifted: Vec<&str> = plan.drift.iter().map(|drift| drift.id.as_str()).collect();
    assert_eq!(drifted, ["b1"]);
}
