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
