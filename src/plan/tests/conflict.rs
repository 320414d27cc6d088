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
    let [
        Conflict::Limit {
            segment,
            limit: step::ExceededLimit::Level { level, limit, way },
        },
    ] = plan.conflicts.as_slice()
    else {
        panic!("{:?}", plan.conflicts)
    };
    assert_eq!((segment.name.as_str(), *level, *limit), ("A", 7, 6));
    let down = (1..=6).rev();
    assert!(
        way.iter().eq(&down
            .map(|level| SegmentName::new(format!("By hand {level}")))
            .collect::<Vec<_>>())
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
    let [
        Conflict::Limit {
            limit: step::ExceededLimit::Circle { way },
            ..
        },
    ] = plan.conflicts.as_slice()
    else {
        panic!("{:?}", plan.conflicts);
    };
    assert_eq!(*way, ["A", "By hand", "A"].map(SegmentName::new));
}

#[test]
fn an_upload_is_not_archived_as_a_filter_segment() {
    let files = [archived(declared("Upload", vec![spends_more_than(1.0)]))];
    let upload = LiveSegment {
        kind: LiveKind::Other("FILE_V2".to_owned()),
        definition: None,
        ..live("f1", "Upload", payload(vec![]))
    };
    let plan = planned(&files, vec![upload]);
    assert!(
        matches!(plan.conflicts.as_slice(), [Conflict::KindTaken { .. }]),
        "{:?}",
        plan.conflicts
    );
    assert_eq!(steps(&plan), [""; 0]);
}

#[test]
fn two_files_with_one_definition_are_found_where_only_the_workspace_tells() {
    // One says the name, the other the id of the same segment.
    let files = [
        declared("A", vec![member_of("By hand")]),
        declared("B", vec![by_id("x1")]),
    ];
    let by_hand = spender("x1", "By hand", 1.0);
    let plan = planned(&files, vec![by_hand.clone()]);
    let [Conflict::DefinitionShared { segments }] = plan.conflicts.as_slice() else {
        panic!("{:?}", plan.conflicts)
    };
    let names: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
    assert_eq!(names, ["A", "B"]);
    // One of them is so already: then the other clashes with a live one, and is told once.
    let there = live("a1", "A", payload(vec![by_id("x1")]));
    let plan = planned(&files, vec![by_hand, there]);
    assert!(
        matches!(plan.conflicts.as_slice(), [Conflict::DefinitionTaken { .. }]),
        "{:?}",
        plan.conflicts
    );
}

#[test]
fn names_of_segments_that_are_gone_are_not_reserved() {
    let mut renamed = entry("a1", "Old");
    renamed.rename(SegmentName::new("New"));
    let known = ledger(vec![renamed]);
    let files = [
        declared("Old", vec![spends_more_than(1.0)]),
        declared("New", vec![spends_more_than(2.0)]),
    ];
    let reserved = planned_with(&files, vec![spender("a1", "New", 2.0)], &known);
    assert!(
        matches!(reserved.conflicts.as_slice(), [Conflict::NameReserved { .. }]),
        "{:?}",
        reserved.conflicts
    );
    assert_eq!(planned_with(&files, vec![], &known).conflicts, []);
}

#[test]
fn what_strangers_refer_to_is_put_away_with_a_warning() {
    let files = [archived(declared("A", vec![spends_more_than(1.0)]))];
    let stranger = live("x1", "By hand", payload(vec![by_id("a1")]));
    let unread = LiveSegment {
        definition: None,
        ..live("x2", "Unread", payload(vec![]))
    };
    let plan = planned(&files, vec![spender("a1", "A", 1.0), stranger.clone(), unread]);
    let [Warning::StillReferenced { target, by, .. }] = plan.warnings.as_slice() else {
        panic!("{:?}", plan.warnings)
    };
    assert_eq!((target.id.as_str(), by.len()), ("a1", 1));
    let put_away = planned(&files, vec![spender("a1", "A", 1.0), put_away(stranger)]);
    assert_eq!(put_away.warnings, []);
}
