use super::*;
use crate::plan::saved::{Difference, SavedPlan};

/// The differences of a workspace `after` from the workspace `before`, which was planned.
fn differences(
    files: &[DeclaredSegment],
    before: Vec<ObservedSegment>,
    after: Vec<ObservedSegment>,
) -> Vec<Difference> {
    let plan = plan_for(files, before.clone());
    let saved = SavedPlan::new(
        plan,
        &observed(before),
        &State::default(),
        "service".to_owned(),
        Timestamp::UNIX_EPOCH,
    );
    saved.differences(&observed(after), &State::default())
}

#[test]
fn a_plan_is_stale_after_another_run_applied_changes() {
    let files = [declared("A", vec![spends_more_than(2.0)])];
    let existing = || vec![remote_spender("a1", "A", 1.0)];
    let known_as = |name: &str| {
        let mut state = State::default();
        let (id, name) = (SegmentId::new("a1"), SegmentName::new(name));
        state.record(crate::state::StateEntry::new(id, name, Timestamp::UNIX_EPOCH));
        state
    };
    let saved = |state: &State| {
        let (plan, observed) = (plan_for(&files, existing()), observed(existing()));
        SavedPlan::new(
            plan,
            &observed,
            state,
            "service".to_owned(),
            Timestamp::UNIX_EPOCH,
        )
    };
    let since = [Difference::AppliedByAnotherRun(
        SegmentName::new("A"),
        SegmentId::new("a1"),
    )];
    let now = observed(existing());
    assert_eq!(saved(&known_as("A")).differences(&now, &known_as("A")), []);
    assert_eq!(saved(&known_as("B")).differences(&now, &known_as("A")), since);
    assert_eq!(saved(&State::default()).differences(&now, &known_as("A")), since);
}

#[test]
fn a_plan_is_stale_when_its_new_name_is_in_use() {
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let other = || remote_spender("x1", "Manual", 9.0);
    let taken = |id: &str| vec![Difference::NameTaken(SegmentName::new("A"), SegmentId::new(id))];
    assert_eq!(differences(&files, vec![other()], vec![other()]), []);
    assert_eq!(
        differences(
            &files,
            vec![other()],
            vec![other(), remote_spender("x2", "A", 8.0)]
        ),
        taken("x2")
    );
    // The segment existed with another name.
    assert_eq!(
        differences(&files, vec![other()], vec![remote_spender("x1", "A", 9.0)]),
        taken("x1")
    );
}
