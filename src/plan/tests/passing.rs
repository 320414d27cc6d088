use super::*;

#[test]
fn definitions_that_swap_pass_wrapped() {
    let files = [
        declared("A", vec![spends_more_than(2.0)]),
        declared("B", vec![spends_more_than(1.0)]),
    ];
    let plan = planned(
        &files,
        vec![
            live("a1", "A", payload(vec![spends_more_than(1.0)])),
            live("b1", "B", payload(vec![spends_more_than(2.0)])),
        ],
    );
    assert_eq!(plan.conflicts, []);
    assert_eq!(steps(&plan), ["update A <>", "update B <1>", "update A <1,2>"]);
    assert_eq!(plan.steps[0].action.passing(), Some(step::Passing::Definition));
    assert_eq!(plan.summary().update, 2);
}

#[test]
fn a_definition_that_another_step_gives_up_is_waited_for() {
    let files = [
        declared("A", vec![spends_more_than(2.0)]),
        declared("B", vec![spends_more_than(3.0)]),
    ];
    let plan = planned(
        &files,
        vec![
            live("a1", "A", payload(vec![spends_more_than(1.0)])),
            live("b1", "B", payload(vec![spends_more_than(2.0)])),
        ],
    );
    assert_eq!(steps(&plan), ["update B <>", "update A <1>"]);
    assert_eq!(plan.conflicts, []);
}
