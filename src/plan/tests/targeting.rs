use super::*;
use crate::model::NamePattern;

fn patterns(names: &[&str]) -> Vec<NamePattern> {
    names
        .iter()
        .map(|name| NamePattern::parse(name).unwrap())
        .collect()
}

fn plan_selected(
    targets: &[&str],
    excludes: &[&str],
    declared: &[DeclaredSegment],
    existing: Vec<ObservedSegment>,
    policy: &Policy,
) -> Plan {
    let recorded = state(
        existing
            .iter()
            .map(|existing| entry(existing.id.as_str(), existing.name.as_str()))
            .collect(),
    );
    plan(&PlanInput {
        workspace: "test",
        endpoint: "MoEngage DC 01",
        declared,
        observed: &observed(existing),
        state: &recorded,
        compared_lists: &ComparedLists::default(),
        policy,
        overrides: Overrides::default(),
        selection: &Selection {
            targets: patterns(targets),
            excludes: patterns(excludes),
        },
        now: Timestamp::UNIX_EPOCH,
    })
}

/// `B` references an unknown segment, and `C` references `B`.
#[test]
fn conflicts_block_only_the_segments_they_concern() {
    let files = [
        declared("A", vec![spends_more_than(1.0)]),
        declared("B", vec![member_of("Unknown")]),
        declared("C", vec![member_of("B")]),
    ];
    let cases: [(&[&str], &[&str], usize); 6] = [
        (&[], &[], 1),
        (&["A"], &[], 0),
        (&["B"], &[], 1),
        (&["C"], &[], 1),
        (&[], &["B"], 0),
        (&[], &["A"], 1),
    ];
    for (targets, excludes, expected) in cases {
        let plan = plan_selected(targets, excludes, &files, vec![], &Policy::default());
        assert_eq!(
            plan.conflicts.len(),
            expected,
            "{targets:?} {excludes:?} {:?}",
            plan.conflicts
        );
    }
}

#[test]
fn candidates_of_an_ambiguous_segment_are_not_changed() {
    let files = [
        with_previous_names(declared("New", vec![spends_more_than(9.0)]), &["X", "Y"]),
        declared("A", vec![spends_more_than(1.0)]),
    ];
    let existing = vec![remote_spender("x1", "X", 2.0), remote_spender("y1", "Y", 3.0)];
    let all = plan_selected(&[], &[], &files, existing.clone(), &Policy::default());
    assert_eq!(codes(&all.conflicts), [Code::AmbiguousTarget]);
    assert_eq!(steps(&all), ["create A <>"]);
    let without = plan_selected(&[], &["New"], &files, existing, &Policy::default());
    assert_eq!(
        (without.conflicts.len(), steps(&without)),
        (0, vec!["create A <>".to_owned()])
    );
}

#[test]
fn the_active_limit_counts_only_selected_steps() {
    let mut policy = Policy::default();
    policy.api_behavior.active_limit = 2;
    let files = [
        declared("A", vec![spends_more_than(1.0)]),
        declared("B", vec![spends_more_than(2.0)]),
        declared("C", vec![spends_more_than(3.0)]),
    ];
    // One segment is active, so one slot is free.
    let cases: [(&[&str], &[&str], usize); 4] = [
        (&[], &[], 1),
        (&["A"], &[], 0),
        (&[], &["A"], 0),
        (&["A", "B"], &[], 1),
    ];
    for (targets, excludes, expected) in cases {
        let existing = vec![remote_spender("c1", "C", 3.0)];
        let plan = plan_selected(targets, excludes, &files, existing, &policy);
        assert_eq!(
            plan.conflicts.len(),
            expected,
            "{targets:?} {excludes:?} {:?}",
            steps(&plan)
        );
    }
}

#[test]
fn excluded_dependents_and_required_segments_are_named() {
    let files = [
        declared("Base", vec![spends_more_than(1.0)]),
        declared("Dep", vec![member_of("Base"), spends_more_than(2.0)]),
        declared("Far", vec![member_of("Dep"), spends_more_than(3.0)]),
        declared("Alone", vec![spends_more_than(4.0)]),
    ];
    let excluded = |targets: &[&str], excludes: &[&str]| {
        let plan = plan_selected(targets, excludes, &files, vec![], &Policy::default());
        let excluded = plan.excluded;
        let dependents = excluded.dependents.into_iter();
        let dependents: Vec<_> = dependents
            .map(|dependent| format!("{} on {}", dependent.segment, dependent.depends_on))
            .collect();
        (
            excluded.steps,
            excluded.by_target,
            excluded.by_exclude,
            dependents.join(", "),
        )
    };
    assert_eq!(
        excluded(&[], &["Base"]),
        (3, false, true, "Dep on Base, Far on Dep".to_owned())
    );
    assert_eq!(excluded(&["Alone"], &[]), (3, true, false, String::new()));
    assert_eq!(
        excluded(&["Far"], &["Base"]),
        (4, true, true, "Far on Dep".to_owned())
    );
    assert_eq!(excluded(&["Dep"], &["Far"]), (2, true, true, String::new()));
    let plan = plan_selected(&["Far"], &[], &files, vec![], &Policy::default());
    let required_by: Vec<_> = plan
        .steps
        .iter()
        .map(|step| {
            step.required_by
                .iter()
                .map(SegmentName::as_str)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(required_by, [vec!["Dep"], vec!["Far"], vec![]]);
}

#[test]
fn an_archive_names_the_segment_it_frees_a_slot_for() {
    let mut policy = Policy::default();
    policy.api_behavior.active_limit = 1;
    let files = [declared("New", vec![spends_more_than(1.0)])];
    let existing = vec![remote_spender("a1", "Old", 2.0)];
    let plan = plan_selected(&["New"], &[], &files, existing, &policy);
    assert_eq!(steps(&plan), ["archive Old <>", "create New <1>"]);
    let old = plan.steps.first().unwrap();
    assert_eq!(old.frees_slot_for, Some(SegmentName::new("New")));
    assert_eq!(old.required_by, [SegmentName::new("New")]);
}

/// Without targets, the slot would be for `New 1`.
#[test]
fn freed_slots_are_assigned_among_the_selected_steps() {
    let mut policy = Policy::default();
    policy.api_behavior.active_limit = 1;
    policy.guards.min_segments = 10;
    let files = [
        declared("New 1", vec![spends_more_than(11.0)]),
        declared("New 2", vec![spends_more_than(12.0)]),
        declared_archived(declared("Old", vec![spends_more_than(1.0)])),
    ];
    let existing = vec![remote_spender("o1", "Old", 1.0)];
    let plan = plan_selected(&["New 2", "Old"], &[], &files, existing, &policy);
    assert_eq!(plan.conflicts, []);
    assert_eq!(steps(&plan), ["archive Old <>", "create New 2 <1>"]);
}

#[test]
fn a_step_that_waits_for_an_unbroken_cycle_is_not_omitted_silently() {
    // `Taker` gets the name of `b1`, which refers to it and to an archived segment, so no temporary step is possible.
    let files = [
        declared("Taker", vec![spends_more_than(4.0)]),
        declared("Waiting", vec![spends_more_than(5.0), reference_by_id("b1")]),
        DeclaredSegment {
            id: Some(SegmentId::new("b1")),
            ..declared("Renamed", vec![member_of("Taker")])
        },
    ];
    let existing = || {
        vec![
            archived_remote(remote_spender("a1", "Old", 0.0)),
            remote("b1", "Taker", payload(vec![reference_by_id("a1")])),
        ]
    };
    for targets in [&["Waiting"][..], &[]] {
        let plan = plan_selected(targets, &[], &files, existing(), &Policy::default());
        let mut conflicts = plan.conflicts.iter();
        let cycle = conflicts.find(|conflict| conflict.code == Code::Cycle).unwrap();
        let waits = "; the changes of `Waiting` wait for it";
        assert!(cycle.message.ends_with(waits), "{targets:?} {:?}", plan.conflicts);
    }
    let plan = plan_selected(
        &[],
        &["Waiting", "Taker", "Renamed"],
        &files,
        existing(),
        &Policy::default(),
    );
    assert_eq!(plan.conflicts, []);
}

#[test]
fn an_ambiguous_rename_is_a_conflict_of_those_whose_names_it_takes() {
    // `New` was `Second` or `Third`, which other files declare now. Which segment `Second` is depends on that.
    let files = [
        declared_archived(declared("Third", vec![spends_more_than(10.0)])),
        with_previous_names(
            declared("New", vec![spends_more_than(11.0)]),
            &["Second", "Third"],
        ),
        with_previous_names(
            declared_archived(declared("Second", vec![spends_more_than(12.0)])),
            &["First"],
        ),
    ];
    let existing = || {
        let names = ["First", "Second", "Third"].into_iter().zip([1.0, 2.0, 3.0]);
        let existing = names.map(|(name, amount)| remote_spender(&name.to_lowercase(), name, amount));
        existing.collect::<Vec<_>>()
    };
    for excludes in [&[][..], &["New"], &["New", "Third"]] {
        let plan = plan_selected(&[], excludes, &files, existing(), &Policy::default());
        assert_eq!(codes(&plan.conflicts), [Code::AmbiguousTarget], "{excludes:?}");
        assert_eq!(steps(&plan), [""; 0], "{excludes:?}");
    }
}
