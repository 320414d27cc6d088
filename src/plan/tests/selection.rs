use super::*;
use crate::model::NamePattern;

fn patterns(names: &[&str]) -> Vec<NamePattern> {
    names
        .iter()
        .map(|name| NamePattern::parse(name).unwrap())
        .collect()
}

fn selected(
    (targets, excludes): (&[&str], &[&str]),
    declared: &[DeclaredSegment],
    live: Vec<LiveSegment>,
    policy: &Policy,
) -> Plan {
    let known = ledger(
        live.iter()
            .map(|live| entry(live.id.as_str(), live.name.as_str()))
            .collect(),
    );
    plan(&Situation {
        workspace: "test",
        declared,
        observed: &observed(live),
        ledger: &known,
        lists: &Lists::default(),
        policy,
        allowances: Allowances::default(),
        selection: &Selection {
            targets: patterns(targets),
            excludes: patterns(excludes),
        },
        now: Timestamp::UNIX_EPOCH,
    })
}

/// `A` is new, `B` refers to nothing, and `C` refers to `B`.
#[test]
fn conflicts_stand_in_the_way_of_what_they_concern() {
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
        let plan = selected((targets, excludes), &files, vec![], &Policy::default());
        assert_eq!(
            plan.conflicts.len(),
            expected,
            "{targets:?} {excludes:?} {:?}",
            plan.conflicts
        );
    }
}

#[test]
fn what_an_unresolved_file_may_mean_is_left_alone() {
    let files = [
        previously(declared("New", vec![spends_more_than(9.0)]), &["X", "Y"]),
        declared("A", vec![spends_more_than(1.0)]),
    ];
    let live = vec![spender("x1", "X", 2.0), spender("y1", "Y", 3.0)];
    let all = selected((&[], &[]), &files, live.clone(), &Policy::default());
    assert!(
        matches!(all.conflicts.as_slice(), [Conflict::AmbiguousTarget { .. }]),
        "{:?}",
        all.conflicts
    );
    assert_eq!(steps(&all), ["create A <>"]);
    let without = selected((&[], &["New"]), &files, live, &Policy::default());
    assert_eq!(
        (without.conflicts.len(), steps(&without)),
        (0, vec!["create A <>".to_owned()])
    );
}

#[test]
fn the_limit_of_active_segments_is_that_of_the_selected_steps() {
    let mut policy = Policy::default();
    policy.behaviour.active_limit = 2;
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
        let live = vec![spender("c1", "C", 3.0)];
        let plan = selected((targets, excludes), &files, live, &policy);
        assert_eq!(
            plan.conflicts.len(),
            expected,
            "{targets:?} {excludes:?} {:?}",
            steps(&plan)
        );
    }
}

#[test]
fn what_a_selection_does_is_said_by_name() {
    let files = [
        declared("Base", vec![spends_more_than(1.0)]),
        declared("Dep", vec![member_of("Base"), spends_more_than(2.0)]),
        declared("Far", vec![member_of("Dep"), spends_more_than(3.0)]),
        declared("Alone", vec![spends_more_than(4.0)]),
    ];
    let left_out = |selection: (&[&str], &[&str])| {
        let plan = selected(selection, &files, vec![], &Policy::default());
        let left_out = plan.left_out;
        let dependents = left_out.dependents.into_iter();
        let dependents: Vec<_> = dependents
            .map(|dependent| format!("{} on {}", dependent.segment, dependent.on))
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
    let plan = selected((&["Far"], &[]), &files, vec![], &Policy::default());
    let pulled_in: Vec<_> = plan
        .steps
        .iter()
        .map(|step| {
            step.pulled_in_for
                .iter()
                .map(SegmentName::as_str)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(pulled_in, [vec!["Dep"], vec!["Far"], vec![]]);
}

#[test]
fn an_archive_says_for_whom_it_makes_room() {
    let mut policy = Policy::default();
    policy.behaviour.active_limit = 1;
    let files = [declared("New", vec![spends_more_than(1.0)])];
    let live = vec![spender("a1", "Old", 2.0)];
    let plan = selected((&["New"], &[]), &files, live, &policy);
    assert_eq!(steps(&plan), ["archive Old <>", "create New <1>"]);
    let old = plan.steps.first().unwrap();
    assert_eq!(old.makes_room_for, Some(SegmentName::new("New")));
    assert_eq!(old.pulled_in_for, [SegmentName::new("New")]);
}

/// Both new segments want the room that one archive makes; in a part of the plan it is for the one that is in it.
#[test]
fn a_part_of_a_plan_has_its_own_room() {
    let mut policy = Policy::default();
    policy.behaviour.active_limit = 1;
    policy.guards.above = 10;
    let files = [
        declared("New 1", vec![spends_more_than(11.0)]),
        declared("New 2", vec![spends_more_than(12.0)]),
        archived(declared("Old", vec![spends_more_than(1.0)])),
    ];
    let live = vec![spender("o1", "Old", 1.0)];
    let plan = selected((&["New 2", "Old"], &[]), &files, live, &policy);
    assert_eq!(plan.conflicts, []);
    assert_eq!(steps(&plan), ["archive Old <>", "create New 2 <1>"]);
}
