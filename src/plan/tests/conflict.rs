use super::*;

#[test]
fn a_definition_in_use_is_a_conflict_that_names_the_holder() {
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let plan = planned(
        &files,
        vec![live("x1", "By hand", payload(vec![spends_more_than(1.0)]))],
    );
    let [Conflict::DefinitionTaken { holder, .. }] = plan.conflicts.as_slice() else {
        panic!("{:?}", plan.conflicts)
    };
    assert_eq!((holder.name.as_str(), holder.id.as_str()), ("By hand", "x1"));
}

#[test]
fn the_same_filters_in_another_order_are_a_warning() {
    let files = [declared("A", vec![spends_more_than(1.0), spends_more_than(2.0)])];
    let other = payload(vec![spends_more_than(2.0), spends_more_than(1.0)]);
    let plan = planned(&files, vec![live("x1", "By hand", other)]);
    assert_eq!(plan.conflicts, []);
    assert!(
        matches!(plan.warnings.as_slice(), [Warning::LikelyDuplicate { .. }]),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn a_name_of_another_kind_and_a_reference_to_nothing_are_conflicts() {
    let files = [
        declared("Upload", vec![spends_more_than(1.0)]),
        declared("A", vec![member_of("Nobody")]),
    ];
    let upload = LiveSegment {
        kind: LiveKind::Other("FILE_V2".to_owned()),
        definition: None,
        ..live("f1", "Upload", payload(vec![]))
    };
    let plan = planned(&files, vec![upload]);
    assert!(
        matches!(
            plan.conflicts.as_slice(),
            [Conflict::KindTaken { .. }, Conflict::UnknownReference { .. }]
        ),
        "{:?}",
        plan.conflicts
    );
}

#[test]
fn limits_are_counted_through_live_segments() {
    // A chain of six live segments that nobody declared, and one more on top of it.
    let chain = (1..=6).map(|level| {
        let filters = if level == 1 {
            vec![spends_more_than(1.0)]
        } else {
            vec![by_id(&format!("x{}", level - 1))]
        };
        live(
            &format!("x{level}"),
            &format!("By hand {level}"),
            payload(filters),
        )
    });
    let files = [
        declared("A", vec![member_of("By hand 6")]),
        declared("B", vec![member_of("By hand 5"), spends_more_than(9.0)]),
    ];
    let plan = planned(&files, chain.collect());
    let [Conflict::Limit { segment, limit, .. }] = plan.conflicts.as_slice() else {
        panic!("{:?}", plan.conflicts)
    };
    assert_eq!(
        (segment.name.as_str(), *limit),
        ("A", step::ExceededLimit::Level { level: 7, limit: 6 })
    );
}

#[test]
fn a_circle_through_a_live_segment_is_found() {
    let files = [declared("A", vec![member_of("By hand")])];
    let plan = planned(
        &files,
        vec![
            live("a1", "A", payload(vec![spends_more_than(1.0)])),
            live("x1", "By hand", payload(vec![by_id("a1")])),
        ],
    );
    assert!(
        matches!(
            plan.conflicts.as_slice(),
            [Conflict::Limit {
                limit: step::ExceededLimit::Circle,
                ..
            }]
        ),
        "{:?}",
        plan.conflicts
    );
}
