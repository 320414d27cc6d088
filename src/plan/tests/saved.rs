use super::*;
use crate::plan::saved::{Difference, SavedPlan};

/// What is different when a plan that saw `before` meets `after`.
fn differences(
    files: &[DeclaredSegment],
    before: Vec<LiveSegment>,
    after: Vec<LiveSegment>,
) -> Vec<Difference> {
    let plan = planned(files, before.clone());
    let saved = SavedPlan::new(
        plan,
        (&observed(before), &Ledger::default()),
        "service".to_owned(),
        Timestamp::UNIX_EPOCH,
    );
    saved.differences(&observed(after), &Ledger::default())
}

#[test]
fn what_another_run_applied_since_makes_a_plan_stale() {
    let files = [declared("A", vec![spends_more_than(2.0)])];
    let live = || vec![spender("a1", "A", 1.0)];
    let known_as = |name: &str| {
        let mut ledger = Ledger::default();
        let (id, name) = (SegmentId::new("a1"), SegmentName::new(name));
        ledger.record(crate::ledger::Entry::new(id, name, Timestamp::UNIX_EPOCH));
        ledger
    };
    let saved = |ledger: &Ledger| {
        let (plan, seen) = (planned(&files, live()), observed(live()));
        SavedPlan::new(plan, (&seen, ledger), "service".to_owned(), Timestamp::UNIX_EPOCH)
    };
    let since = [Difference::AppliedSince(
        SegmentName::new("A"),
        SegmentId::new("a1"),
    )];
    let now = observed(live());
    assert_eq!(saved(&known_as("A")).differences(&now, &known_as("A")), []);
    assert_eq!(saved(&known_as("B")).differences(&now, &known_as("A")), since);
    assert_eq!(saved(&Ledger::default()).differences(&now, &known_as("A")), since);
}

#[test]
fn a_name_that_is_to_be_taken_must_still_be_free() {
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let other = || spender("x1", "By hand", 9.0);
    let taken = |id: &str| vec![Difference::NameTaken(SegmentName::new("A"), SegmentId::new(id))];
    assert_eq!(differences(&files, vec![other()], vec![other()]), []);
    assert_eq!(
        differences(&files, vec![other()], vec![other(), spender("x2", "A", 8.0)]),
        taken("x2")
    );
    // It was there, under another name.
    assert_eq!(
        differences(&files, vec![other()], vec![spender("x1", "A", 9.0)]),
        taken("x1")
    );
}
