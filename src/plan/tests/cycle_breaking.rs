use super::*;
use serde_json::json;

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

/// An edit in the dashboard may leave fields that MoEngage refuses in a request.
#[test]
fn a_temporary_step_keeps_only_the_documented_fields_of_an_edited_definition() {
    let mut policy = Policy::default();
    policy.api_behavior.rename_frees_names = true;
    let with_id = |id: &str, segment: DeclaredSegment| DeclaredSegment {
        id: Some(SegmentId::new(id)),
        ..segment
    };
    let files = [
        with_id("a1", declared("B", vec![spends_more_than(1.0)])),
        with_id("b1", declared("A", vec![spends_more_than(2.0)])),
    ];
    let mut edited = payload(vec![spends_more_than(3.0)]);
    edited.included_filters["filters"][0]["labels"] = json!({"en": null});
    let existing = vec![remote("a1", "A", edited), remote_spender("b1", "B", 4.0)];
    let plan = plan_with_policy(&files, existing, &state(vec![]), &policy);
    assert_eq!(plan.conflicts, []);
    let Action::Update(temporary) = &plan.steps[0].action else {
        panic!("{:?}", steps(&plan));
    };
    assert_eq!(temporary.temporary_change, Some(step::TemporaryChange::Name));
    let filter = &temporary.desired.payload().included_filters["filters"][0];
    assert_eq!((&filter["value"], filter.get("labels")), (&json!(3), None));
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

/// The API may reject references to archived segments, so an archive waits for the final step that writes one. A temporary
/// step of the same segment is not enough.
#[test]
fn an_archive_waits_for_the_final_step_of_a_segment_that_references_it() {
    let mut policy = Policy::default();
    policy.api_behavior.rename_frees_names = true;
    let pinned = |segment: DeclaredSegment, id: &str| DeclaredSegment {
        id: Some(SegmentId::new(id)),
        ..segment
    };
    let files = [
        pinned(declared("C", vec![spends_more_than(4.0), member_of("Old")]), "b1"),
        declared_archived(declared("Old", vec![spends_more_than(3.0)])),
        // Its definition is free after the archive.
        pinned(declared("B", vec![spends_more_than(1.0)]), "c1"),
    ];
    let existing = vec![
        remote_spender("a1", "Old", 1.0),
        remote_spender("b1", "B", 2.0),
        remote_spender("c1", "C", 5.0),
    ];
    let plan = plan_with_policy(&files, existing, &state(vec![entry("a1", "Old")]), &policy);
    assert_eq!(plan.conflicts, []);
    let number = |name: &str| {
        let last = plan.steps.iter().rfind(|step| step.segment.as_str() == name);
        last.unwrap_or_else(|| panic!("{:?}", steps(&plan))).number
    };
    let archive = plan
        .steps
        .iter()
        .find(|step| step.segment.as_str() == "Old")
        .unwrap();
    assert!(archive.depends_on.contains(&number("C")), "{:?}", steps(&plan));
}
