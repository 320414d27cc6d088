//! Limits on references, over what MoEngage has when a step runs.

use super::*;
use crate::model::{Adoption, NamePattern};

/// `A` refers to `b1`, whose remote definition refers to `a1`. The declared definition of `b1` does not.
struct CycleThroughRemote {
    /// The declaration of `b1`, and others.
    others: Vec<DeclaredSegment>,
    existing: Vec<ObservedSegment>,
    adoption: Adoption,
}

impl CycleThroughRemote {
    fn plan(&self, targets: &[&str]) -> Plan {
        let a = declared("A", vec![spends_more_than(1.0), reference_by_id("b1")]);
        let files: Vec<_> = std::iter::once(a).chain(self.others.iter().cloned()).collect();
        let existing = [
            remote_spender("a1", "A", 7.0),
            remote(
                "b1",
                "B",
                payload(vec![spends_more_than(8.0), reference_by_id("a1")]),
            ),
        ];
        let targets = targets.iter().map(|name| NamePattern::parse(name).unwrap());
        plan(&PlanInput {
            workspace: "test",
            endpoint: "MoEngage DC 01",
            declared: &files,
            observed: &observed([&existing[..], &self.existing].concat()),
            state: &state(vec![entry("a1", "A")]),
            compared_lists: &ComparedLists::default(),
            policy: &Policy {
                adoption: self.adoption,
                ..Policy::default()
            },
            overrides: Overrides::default(),
            selection: &Selection {
                targets: targets.collect(),
                excludes: Vec::new(),
            },
            now: Timestamp::UNIX_EPOCH,
        })
    }
}

fn b() -> DeclaredSegment {
    declared("B", vec![spends_more_than(2.0)])
}

fn with_id(segment: DeclaredSegment, id: &str) -> DeclaredSegment {
    DeclaredSegment {
        id: Some(SegmentId::new(id)),
        ..segment
    }
}

#[test]
fn a_segment_without_a_step_counts_with_its_remote_definition() {
    let allowing = |others: Vec<DeclaredSegment>, existing: Vec<ObservedSegment>| CycleThroughRemote {
        others,
        existing,
        adoption: Adoption::Allow,
    };
    let old = || remote_spender("o1", "Old", 9.0);
    let cases = [
        ("undeclared", allowing(vec![], vec![])),
        (
            "adoption refused",
            CycleThroughRemote {
                adoption: Adoption::Refuse,
                ..allowing(vec![b()], vec![])
            },
        ),
        (
            "two segments match",
            allowing(vec![with_previous_names(b(), &["Old"])], vec![old()]),
        ),
        (
            "two segments match, one of them archived",
            allowing(
                vec![with_previous_names(b(), &["Old"])],
                vec![archived_remote(old())],
            ),
        ),
        (
            "one segment for two declarations",
            allowing(
                vec![
                    with_id(declared("C", vec![spends_more_than(3.0)]), "o1"),
                    with_id(b(), "o1"),
                ],
                vec![old()],
            ),
        ),
        (
            "declared as archived",
            allowing(vec![declared_archived(b())], vec![]),
        ),
    ];
    for (reason, case) in cases {
        let plan = case.plan(&["A"]);
        let is_cycle = |conflict: &&Finding| {
            let path = ": `A` -> `B` -> `A`";
            conflict.code == Code::ReferenceLimit && conflict.message.ends_with(path)
        };
        let cycles: Vec<_> = plan.conflicts.iter().filter(is_cycle).collect();
        let [cycle] = cycles.as_slice() else {
            panic!("{reason}: {:?}", plan.conflicts)
        };
        assert_eq!(names(cycle)[0], "A", "{reason}");
        assert_eq!(holders(cycle), ["b1"], "{reason}");
    }
}

#[test]
fn a_step_that_removes_the_reference_runs_first() {
    let case = CycleThroughRemote {
        others: vec![b()],
        existing: vec![],
        adoption: Adoption::Allow,
    };
    for targets in [&["A"][..], &[], &["B"]] {
        let plan = case.plan(targets);
        let expected: &[&str] = match targets {
            ["B"] => &["update B <>"],
            _ => &["update B <>", "update A <1>"],
        };
        assert_eq!(steps(&plan), expected, "{targets:?}");
        assert_eq!(plan.conflicts, [], "{targets:?}");
    }
}

/// Depth, count and length follow the remote definition, too.
#[test]
fn a_segment_without_a_step_counts_with_its_remote_depth() {
    // `B` is deep in MoEngage and flat in its file; its step is in conflict.
    let chain = (1..=5).map(|depth| {
        let filters = if depth == 1 {
            vec![spends_more_than(20.0)]
        } else {
            vec![reference_by_id(&format!("x{}", depth - 1))]
        };
        remote(&format!("x{depth}"), &format!("Manual {depth}"), payload(filters))
    });
    let deep = remote("b1", "B", payload(vec![reference_by_id("x5")]));
    let existing: Vec<_> = chain.chain([deep]).collect();
    let refuse = Policy {
        adoption: Adoption::Refuse,
        ..Policy::default()
    };
    let files = [declared("A", vec![reference_by_id("b1")]), b()];
    for (policy, expected) in [(Policy::default(), 0), (refuse, 1)] {
        let plan = plan_with_policy(&files, existing.clone(), &State::default(), &policy);
        let is_too_deep = |conflict: &&Finding| {
            conflict.code == Code::ReferenceLimit && conflict.message.contains("is 7 levels deep")
        };
        let exceeded = plan.conflicts.iter().filter(is_too_deep).count();
        assert_eq!(exceeded, expected, "{:?}", plan.conflicts);
    }
}
