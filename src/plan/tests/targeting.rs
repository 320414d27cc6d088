use super::*;
use crate::model::NamePattern;

fn patterns(names: &[&str]) -> Vec<NamePattern> {
    names
        .iter()
        .map(|name| NamePattern::parse(name).unwrap())
        .collect()
}

fn plan_selected(
    (targets, excludes): (&[&str], &[&str]),
    declared: &[DeclaredSegment],
    live: Vec<ObservedSegment>,
    policy: &Policy,
) -> Plan {
    let known = state(
        live.iter()
            .map(|live| entry(live.id.as_str(), live.name.as_str()))
            .collect(),
    );
    plan(&PlanInput {
        workspace: "test",
        endpoint: "MoEngage DC 01",
        declared,
        observed: &observed(live),
        state: &known,
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

/// `A` is new, `B` refers to nothing, and `C` refers to `B`.
#[test]
fn conflicts_block_only_the_segments_they_concern() {
    let files = [
        declared("A", vec![spends_more_than(1.0)]),
        declared("B", vec![member_of("Nobody")]),
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
        let plan = plan_selected((targets, excludes), &files, vec![], &Policy::default());
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
    let live = vec![remote_spender("x1", "X", 2.0), remote_spender("y1", "Y", 3.0)];
    let all = plan_selected((&[], &[]), &files, live.clone(), &Policy::default());
    assert!(
        matches!(all.conflicts.as_slice(), [Conflict::AmbiguousTarget { .. }]),
        "{:?}",
        all.conflicts
    );
    assert_eq!(steps(&all), ["create A <>"]);
    let without = plan_selected((&[], &["New"]), &files, live, &Policy::default());
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
    // One is in use, so that there is room for one more.
    let cases: [(&[&str], &[&str], usize); 4] = [
        (&[], &[], 1),
        (&["A"], &[], 0),
        (&[], &["A"], 0),
        (&["A", "B"], &[], 1),
    ];
    for (targets, excludes, expected) in cases {
        let live = vec![remote_spender("c1", "C", 3.0)];
        let plan = plan_selected((targets, excludes), &files, live, &policy);
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
    let left_out = |selection: (&[&str], &[&str])| {
        let plan = plan_selected(selection, &files, vec![], &Policy::default());
        let left_out = plan.excluded;
        let dependents = left_out.dependents.into_iter();
        let dependents: Vec<_> = dependents
            .map(|dependent| format!("{} on {}", dependent.segment, dependent.depends_on))
            .collect();
        (
            left_out.steps,
            left_out.by_target,
            left_out.by_exclude,
            dependents.join(", "),
        )
    };
    assert_eq!(
        left_out((&[], &["Base"])),
        (3, false, true, "Dep on Base, Far on Dep".to_owned())
    );
    assert_eq!(left_out((&["Alone"], &[])), (3, true, false, String::new()));
    assert_eq!(
        left_out((&["Far"], &["Base"])),
        (4, true, true, "Far on Dep".to_owned())
    );
    assert_eq!(left_out((&["Dep"], &["Far"])), (2, true, true, String::new()));
    let plan = plan_selected((&["Far"], &[]), &files, vec![], &Policy::default());
    let pulled_in: Vec<_> = plan
        .steps
        .iter()
        .map(|step| {
            step.required_by
                .iter()
                .map(SegmentName::as_str)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(pulled_in, [vec!["Dep"], vec!["Far"], vec![]]);
}

#[test]
fn an_archive_names_the_segment_it_frees_a_slot_for() {
    let mut policy = Policy::default();
    policy.api_behavior.active_limit = 1;
    let files = [declared("New", vec![spends_more_than(1.0)])];
    let live = vec![remote_spender("a1", "Old", 2.0)];
    let plan = plan_selected((&["New"], &[]), &files, live, &policy);
    assert_eq!(steps(&plan), ["archive Old <>", "create New <1>"]);
    let old = plan.steps.first().unwrap();
    assert_eq!(old.frees_slot_for, Some(SegmentName::new("New")));
    assert_eq!(old.required_by, [SegmentName::new("New")]);
}

/// Both new segments want the room that one archive makes; in a part of the plan it is for the one that is in it.
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
    let live = vec![remote_spender("o1", "Old", 1.0)];
    let plan = plan_selected((&["New 2", "Old"], &[]), &files, live, &policy);
    assert_eq!(plan.conflicts, []);
    assert_eq!(steps(&plan), ["archive Old <>", "create New 2 <1>"]);
}
