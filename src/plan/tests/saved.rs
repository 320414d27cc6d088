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
        &observed(before),
        "service".to_owned(),
        Timestamp::UNIX_EPOCH,
    );
    saved.differences(&observed(after))
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
