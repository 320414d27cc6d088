//! `previous_names` move the id with the name.

use super::*;
use std::collections::BTreeMap;

/// Declared segments, each with its previous names and the amount of its definition.
type Files<'a> = [(&'a str, &'a [&'a str], f64)];

fn files(files: &Files<'_>) -> Vec<DeclaredSegment> {
    let segment = |(name, previous, amount): &(&str, &[&str], f64)| {
        with_previous_names(declared(name, vec![spends_more_than(*amount)]), previous)
    };
    files.iter().map(segment).collect()
}

fn frees_names() -> Policy {
    let mut policy = Policy::default();
    policy.api_behavior.rename_frees_names = true;
    policy
}

/// An entry of a declaration that was applied with these previous names.
fn applied_with(id: &str, name: &str, used: &[&str]) -> StateEntry {
    StateEntry {
        used_previous_names: used.iter().copied().map(SegmentName::new).collect(),
        ..entry(id, name)
    }
}

/// The id of each declared segment with a step or without, and why it matches.
fn matches(plan: &Plan) -> BTreeMap<&str, (&str, &MatchReason)> {
    let written = plan.steps.iter().filter_map(|step| {
        let target = step.action.target()?;
        Some((step.segment.as_str(), (target.id.as_str(), &target.matched_by)))
    });
    let unchanged = plan.unchanged.iter().filter_map(|unchanged| {
        let (id, reason) = unchanged.remote.as_ref()?;
        Some((unchanged.segment.as_str(), (id.as_str(), reason)))
    });
    written.chain(unchanged).collect()
}

fn ids(plan: &Plan) -> Vec<(&str, &str)> {
    matches(plan)
        .into_iter()
        .map(|(name, (id, _))| (name, id))
        .collect()
}

fn two() -> Vec<ObservedSegment> {
    vec![remote_spender("a1", "A", 1.0), remote_spender("b1", "B", 2.0)]
}

const SWAP: &Files<'_> = &[("B", &["A"], 1.0), ("A", &["B"], 2.0)];

#[test]
fn a_swap_of_names_moves_the_ids() {
    let known = state(vec![entry("a1", "A"), entry("b1", "B")]);
    for state in [known, State::default()] {
        let plan = plan_with_policy(&files(SWAP), two(), &state, &frees_names());
        assert_eq!(plan.conflicts, []);
        assert_eq!(ids(&plan), [("A", "b1"), ("B", "a1")]);
        assert!(
            matches(&plan)
                .values()
                .all(|(_, reason)| **reason == MatchReason::PreviousName)
        );
        assert_eq!(steps(&plan), ["update B <>", "update A <1>", "update B <1,2>"]);
        // Only names change.
        for step in &plan.steps {
            let Action::Update(update) = &step.action else {
                panic!("{step:?}")
            };
            assert!(!update.changes_definition() && update.renames(), "{step:?}");
        }
    }
}

#[test]
fn a_definition_may_change_together_with_the_name() {
    let known = state(vec![entry("a1", "A"), entry("b1", "B")]);
    let edited: &Files<'_> = &[("B", &["A"], 11.0), ("A", &["B"], 2.0)];
    let plan = plan_with_policy(&files(edited), two(), &known, &frees_names());
    assert_eq!(plan.conflicts, []);
    assert_eq!(ids(&plan), [("A", "b1"), ("B", "a1")]);
}

#[test]
fn a_cycle_of_three_renames_moves_the_ids() {
    let existing = [two(), vec![remote_spender("c1", "C", 3.0)]].concat();
    let known = state(vec![entry("a1", "A"), entry("b1", "B"), entry("c1", "C")]);
    let cycle: &Files<'_> = &[("B", &["A"], 1.0), ("C", &["B"], 2.0), ("A", &["C"], 3.0)];
    let plan = plan_with_policy(&files(cycle), existing, &known, &frees_names());
    assert_eq!(plan.conflicts, []);
    assert_eq!(ids(&plan), [("A", "c1"), ("B", "a1"), ("C", "b1")]);
    assert_eq!(plan.steps.len(), 4);
}

#[test]
fn members_of_a_swap_may_refer_to_each_other() {
    let known = state(vec![entry("a1", "A"), entry("b1", "B")]);
    let existing = vec![
        remote(
            "a1",
            "A",
            payload(vec![reference_by_id("b1"), spends_more_than(1.0)]),
        ),
        remote_spender("b1", "B", 2.0),
    ];
    let files = [
        with_previous_names(declared("B", vec![member_of("A"), spends_more_than(1.0)]), &["A"]),
        with_previous_names(declared("A", vec![spends_more_than(2.0)]), &["B"]),
    ];
    for state in [known, State::default()] {
        let plan = plan_with_policy(&files, existing.clone(), &state, &frees_names());
        assert_eq!(plan.conflicts, []);
        assert_eq!(ids(&plan), [("A", "b1"), ("B", "a1")]);
        assert!(
            plan.steps.iter().all(|step| {
                matches!(&step.action, Action::Update(update) if !update.changes_definition())
            })
        );
    }
}

#[test]
fn members_of_a_swap_are_unarchived_before_a_temporary_step_refers_to_them() {
    let known = state(vec![entry("a1", "A"), entry("b1", "B")]);
    let definition = payload(vec![reference_by_id("b1"), spends_more_than(1.0)]);
    let existing = [remote("a1", "A", definition), remote_spender("b1", "B", 2.0)];
    let files = [
        with_previous_names(declared("B", vec![member_of("A"), spends_more_than(1.0)]), &["A"]),
        with_previous_names(declared("A", vec![spends_more_than(2.0)]), &["B"]),
    ];
    let plan = plan_with_policy(
        &files,
        existing.map(archived_remote).to_vec(),
        &known,
        &frees_names(),
    );
    assert_eq!(plan.conflicts, []);
    let number = |is_step: &dyn Fn(&Action) -> bool| {
        let step = plan.steps.iter().find(|step| is_step(&step.action));
        step.unwrap_or_else(|| panic!("{:?}", steps(&plan))).number
    };
    let unarchive =
        number(&|action| matches!(action, Action::Unarchive(target) if target.id.as_str() == "b1"));
    let temporary = number(&|action| action.temporary_change().is_some());
    let waits = &plan.steps[temporary - 1].depends_on;
    assert!(waits.contains(&unarchive), "{:?}", steps(&plan));
}

#[test]
fn an_applied_swap_is_not_applied_again() {
    let swapped = || vec![remote_spender("a1", "B", 1.0), remote_spender("b1", "A", 2.0)];
    let used = state(vec![
        applied_with("a1", "B", &["A"]),
        applied_with("b1", "A", &["B"]),
    ]);
    // The state was lost, and rebuilt or not.
    let rebuilt = state(vec![entry("a1", "B"), entry("b1", "A")]);
    for state in [&used, &rebuilt, &State::default()] {
        let plan = plan_with_policy(&files(SWAP), swapped(), state, &frees_names());
        assert_eq!((plan.conflicts.as_slice(), steps(&plan)), (&[][..], vec![]));
        assert_eq!(ids(&plan), [("A", "b1"), ("B", "a1")]);
    }
    // A later edit updates the segment with that name.
    let edited: &Files<'_> = &[("B", &["A"], 11.0), ("A", &["B"], 12.0)];
    let plan = plan_with_policy(&files(edited), swapped(), &used, &frees_names());
    assert_eq!(ids(&plan), [("A", "b1"), ("B", "a1")]);
    assert_eq!(steps(&plan), ["update B <>", "update A <>"]);
    // One definition that is as declared proves it without the state, too.
    let edited: &Files<'_> = &[("B", &["A"], 11.0), ("A", &["B"], 2.0)];
    let plan = plan_with_policy(&files(edited), swapped(), &State::default(), &frees_names());
    assert_eq!(
        (plan.conflicts.as_slice(), steps(&plan)),
        (&[][..], vec!["update B <>".to_owned()])
    );
}

#[test]
fn a_swap_can_be_reverted() {
    let swapped = vec![remote_spender("a1", "B", 1.0), remote_spender("b1", "A", 2.0)];
    let used = state(vec![
        applied_with("a1", "B", &["A"]),
        applied_with("b1", "A", &["B"]),
    ]);
    let back: &Files<'_> = &[("A", &["B"], 1.0), ("B", &["A"], 2.0)];
    let plan = plan_with_policy(&files(back), swapped, &used, &frees_names());
    assert_eq!(plan.conflicts, []);
    assert_eq!(ids(&plan), [("A", "a1"), ("B", "b1")]);
}

#[test]
fn an_interrupted_swap_is_continued() {
    let at = |entry: StateEntry, second| StateEntry {
        applied_at: Timestamp::from_second(second).unwrap(),
        ..entry
    };
    let temporary = SegmentName::new("B").temporary();
    let first = vec![
        remote_spender("a1", temporary.as_str(), 1.0),
        remote_spender("b1", "B", 2.0),
    ];
    let first_state = state(vec![at(applied_with("a1", "B", &["A"]), 1), entry("b1", "B")]);
    let second = vec![
        remote_spender("a1", temporary.as_str(), 1.0),
        remote_spender("b1", "A", 2.0),
    ];
    let second_state = state(vec![
        at(applied_with("a1", "B", &["A"]), 1),
        at(applied_with("b1", "A", &["B"]), 2),
    ]);
    let cases = [
        (&first, first_state, vec!["update A <>", "update B <1>"]),
        (&first, State::default(), vec!["update A <>", "update B <1>"]),
        (&second, second_state, vec!["update B <>"]),
        (&second, State::default(), vec!["update B <>"]),
    ];
    for (existing, state, expected) in cases {
        let plan = plan_with_policy(&files(SWAP), existing.clone(), &state, &frees_names());
        assert_eq!(plan.conflicts, []);
        assert_eq!(ids(&plan), [("A", "b1"), ("B", "a1")]);
        assert_eq!(steps(&plan), expected);
    }
}

#[test]
fn a_swap_in_the_dashboard_is_adopted() {
    let swapped = vec![remote_spender("a1", "B", 1.0), remote_spender("b1", "A", 2.0)];
    let before = state(vec![entry("a1", "A"), entry("b1", "B")]);
    let plan = plan_with_policy(&files(SWAP), swapped, &before, &frees_names());
    assert_eq!((plan.conflicts.as_slice(), steps(&plan)), (&[][..], vec![]));
    assert_eq!(ids(&plan), [("A", "b1"), ("B", "a1")]);
}

#[test]
fn a_swap_is_a_conflict_where_a_rename_frees_no_name() {
    let known = state(vec![entry("a1", "A"), entry("b1", "B")]);
    let plan = plan_with_state(&files(SWAP), two(), &known);
    let reserved = |conflict: &Finding| conflict.code == Code::NameReserved;
    assert!(
        plan.conflicts.len() == 2 && plan.conflicts.iter().all(reserved),
        "{:?}",
        plan.conflicts
    );
}

#[test]
fn a_swap_without_evidence_is_a_conflict() {
    // Both definitions were edited, and no state shows whether the names were swapped before.
    let edited: &Files<'_> = &[("B", &["A"], 11.0), ("A", &["B"], 12.0)];
    let plan = plan_with_policy(&files(edited), two(), &State::default(), &frees_names());
    assert_eq!(
        codes(&plan.conflicts),
        [Code::UndecidedRename, Code::UndecidedRename]
    );
    let conflict = &plan.conflicts[0];
    assert_eq!((names(conflict)[0], holders(conflict)), ("B", vec!["b1", "a1"]));
    assert_eq!(steps(&plan), [""; 0]);
    // No rebuilt state decides it either.
    let files = files(edited);
    let remotes = observed(two());
    let policy = frees_names();
    let input = PlanInput {
        workspace: "test",
        endpoint: "MoEngage DC 01",
        declared: &files,
        observed: &remotes,
        state: &State::default(),
        compared_lists: &ComparedLists::default(),
        policy: &policy,
        overrides: Overrides::default(),
        selection: &Selection::default(),
        now: Timestamp::UNIX_EPOCH,
    };
    assert_eq!(rebuild_state(&input).0, []);
}

#[test]
fn pinned_ids_swap_names_without_previous_names() {
    let mut files = files(&[("B", &[], 11.0), ("A", &[], 12.0)]);
    for (segment, id) in files.iter_mut().zip(["a1", "b1"]) {
        segment.id = Some(SegmentId::new(id));
    }
    let plan = plan_with_policy(&files, two(), &State::default(), &frees_names());
    assert_eq!(plan.conflicts, []);
    assert_eq!(ids(&plan), [("A", "b1"), ("B", "a1")]);
}

#[test]
fn a_previous_name_that_is_used_up_belongs_to_a_later_segment() {
    let existing = || vec![remote_spender("a1", "New", 1.0), remote_spender("b1", "Old", 2.0)];
    let files = files(&[("New", &["Old"], 11.0), ("Old", &[], 2.0)]);
    let used = state(vec![applied_with("a1", "New", &["Old"]), entry("b1", "Old")]);
    let plan = plan_with_state(&files, existing(), &used);
    assert_eq!(
        (plan.conflicts.as_slice(), steps(&plan)),
        (&[][..], vec!["update New <>".to_owned()])
    );
    // Without that record, the files claim one segment twice, unless it has the definition that one of them declares.
    let new = state(vec![entry("a1", "New"), entry("b1", "Old")]);
    assert_eq!(plan_with_state(&files, existing(), &new).conflicts, []);
    let files = self::files(&[("New", &["Old"], 11.0), ("Old", &[], 12.0)]);
    let plan = plan_with_state(&files, existing(), &new);
    assert_eq!(codes(&plan.conflicts), [Code::SharedTarget]);
    assert!(
        plan.conflicts[0]
            .message
            .ends_with("match the segment with id b1")
    );
}

#[test]
fn a_chain_of_renames_keeps_the_id_over_two_applies() {
    let once = state(vec![applied_with("a1", "B", &["A"])]);
    for previous in [&["A", "B"][..], &["B", "A"], &["B"]] {
        let files = files(&[("C", previous, 1.0)]);
        let plan = plan_with_state(&files, vec![remote_spender("a1", "B", 1.0)], &once);
        assert_eq!(
            (plan.conflicts.as_slice(), ids(&plan)),
            (&[][..], vec![("C", "a1")])
        );
        // There was no apply in between.
        if previous.contains(&"A") {
            let first = state(vec![entry("a1", "A")]);
            let plan = plan_with_state(&files, vec![remote_spender("a1", "A", 1.0)], &first);
            assert_eq!(
                (plan.conflicts.as_slice(), ids(&plan)),
                (&[][..], vec![("C", "a1")])
            );
        }
    }
}

#[test]
fn a_previous_name_finds_a_segment_that_was_renamed_outside_segctl() {
    let known = state(vec![entry("a1", "Old")]);
    let files = files(&[("New", &["Old"], 5.0)]);
    let plan = plan_with_state(&files, vec![remote_spender("a1", "Renamed", 1.0)], &known);
    assert_eq!(
        (plan.conflicts.as_slice(), ids(&plan)),
        (&[][..], vec![("New", "a1")])
    );
}

#[test]
fn a_segment_that_was_created_first_keeps_its_id() {
    // Both are new. The first run created `Old` and ended, or had `--target Old`.
    let files = files(&[("New", &["Old"], 1.0), ("Old", &[], 2.0)]);
    let created = || vec![remote_spender("o1", "Old", 2.0)];
    for state in [state(vec![entry("o1", "Old")]), State::default()] {
        let plan = plan_with_state(&files, created(), &state);
        assert_eq!(
            (plan.conflicts.as_slice(), steps(&plan)),
            (&[][..], vec!["create New <>".to_owned()])
        );
    }
    // `Old` existed before, and its file has another definition now.
    let plan = plan_with_policy(
        &files,
        vec![remote_spender("o1", "Old", 3.0)],
        &State::default(),
        &frees_names(),
    );
    assert_eq!(
        (plan.conflicts.as_slice(), ids(&plan)),
        (&[][..], vec![("New", "o1")])
    );
}
