use super::*;

#[test]
fn swapped_definitions_use_a_temporary_wrapped_definition() {
    let files = [
        declared("A", vec![spends_more_than(2.0)]),
        declared("B", vec![spends_more_than(1.0)]),
    ];
    let plan = plan_for(
        &files,
        vec![
            remote("a1", "A", payload(vec![spends_more_than(1.0)])),
            remote("b1", "B", payload(vec![spends_more_than(2.0)])),
        ],
    );
    assert_eq!(plan.conflicts, []);
    assert_eq!(steps(&plan), ["update A <>", "update B <1>", "update A <1,2>"]);
    assert_eq!(
        plan.steps[0].action.temporary_change(),
        Some(step::TemporaryChange::Definition)
    );
    assert_eq!(plan.summary().update, 2);
}

#[test]
fn a_step_waits_for_the_step_that_releases_its_definition() {
    let files = [
        declared("A", vec![spends_more_than(2.0)]),
        declared("B", vec![spends_more_than(3.0)]),
    ];
    let plan = plan_for(
        &files,
        vec![
            remote("a1", "A", payload(vec![spends_more_than(1.0)])),
            remote("b1", "B", payload(vec![spends_more_than(2.0)])),
        ],
    );
    assert_eq!(steps(&plan), ["update B <>", "update A <1>"]);
    assert_eq!(plan.conflicts, []);
}
