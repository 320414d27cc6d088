use super::*;
use crate::model::{Adoption, NamePattern};

fn policy_managing(patterns: &[&str], adoption: Adoption) -> Policy {
    Policy {
        managed_patterns: patterns
            .iter()
            .map(|pattern| NamePattern::parse(pattern).unwrap())
            .collect(),
        adoption,
        ..Policy::default()
    }
}

fn match_reasons(plan: &Plan) -> Vec<(&str, bool, MatchReason)> {
    let steps = plan.steps.iter();
    steps
        .map(|step| {
            let target = step.action.target().unwrap();
            (step.segment.as_str(), step.adopts, target.matched_by.clone())
        })
        .collect()
}

#[test]
fn archiving_a_segment_matched_only_by_pattern_adopts_it() {
    let existing = || {
        vec![
            remote_spender("a1", "OW managed", 1.0),
            remote_spender("x1", "OW manual", 2.0),
            remote_spender("x2", "Manual", 3.0),
        ]
    };
    let recorded = state(vec![entry("a1", "OW managed")]);
    let plan = plan_with_policy(
        &[],
        existing(),
        &recorded,
        &policy_managing(&["No *", "OW *", "*anual"], Adoption::Allow),
    );
    let pattern = |text: &str| MatchReason::Pattern(text.to_owned());
    assert_eq!(
        match_reasons(&plan),
        [
            (
                "OW managed",
                false,
                MatchReason::RemovedFromConfiguration(SegmentName::new("OW managed"))
            ),
            ("OW manual", true, pattern("OW *")),
            ("Manual", true, pattern("*anual")),
        ]
    );
    assert_eq!(
        (
            plan.summary().archive,
            plan.summary().archive_unmanaged,
            plan.summary().adopt
        ),
        (3, 2, 0)
    );
    assert_eq!(
        codes(&plan.warnings),
        [Code::ArchiveUnmanaged, Code::ArchiveUnmanaged]
    );
    let reported: Vec<_> = plan
        .warnings
        .iter()
        .map(|warning| {
            let pattern = warning.message.split("it matches `").nth(1).unwrap();
            (pattern.split('`').next().unwrap(), warning.segments.len())
        })
        .collect();
    assert_eq!(reported, [("*anual", 1), ("OW *", 1)]);
    assert_eq!(plan.conflicts, []);
}

#[test]
fn refused_adoption_forbids_archiving_unmanaged_segments() {
    let existing = vec![
        remote_spender("a1", "OW managed", 1.0),
        remote_spender("x1", "OW manual", 2.0),
    ];
    let recorded = state(vec![entry("a1", "OW managed")]);
    let policy = policy_managing(&["OW *"], Adoption::Refuse);
    let plan = plan_with_policy(&[], existing.clone(), &recorded, &policy);
    assert_eq!(codes(&plan.conflicts), [Code::ArchiveRefused]);
    let conflict = &plan.conflicts[0];
    assert_eq!(holders(conflict), ["x1"]);
    assert!(conflict.message.contains("it matches `OW *`"), "{conflict:?}");
    // A declared id resolves the conflict.
    let file = DeclaredSegment {
        id: Some(SegmentId::new("x1")),
        ..declared("OW manual", vec![spends_more_than(2.0)])
    };
    let plan = plan_with_policy(&[file], existing, &recorded, &policy);
    assert_eq!(
        (plan.conflicts.len(), steps(&plan)),
        (0, vec!["archive OW managed <>".to_owned()])
    );
}

#[test]
fn one_create_and_one_archive_may_be_a_rename() {
    let recorded = state(vec![entry("a1", "A"), entry("b1", "B")]);
    let existing = vec![remote_spender("a1", "A", 1.0), remote_spender("b1", "B", 2.0)];
    let hints = |files: &[DeclaredSegment]| {
        let plan = plan_with_state(files, existing.clone(), &recorded);
        let hints = plan.warnings.into_iter();
        let hints = hints.filter(|warning| warning.code == Code::LikelyRename);
        hints
            .map(|warning| (warning.segments, warning.remote_ids))
            .collect::<Vec<_>>()
    };
    let new = declared("New", vec![spends_more_than(9.0)]);
    let kept = declared("B", vec![spends_more_than(2.0)]);
    assert_eq!(
        hints(&[new.clone(), kept.clone()]),
        [(vec![SegmentName::new("New")], vec![SegmentId::new("a1")])]
    );
    // With two candidates the rename is ambiguous.
    assert_eq!(hints(std::slice::from_ref(&new)), []);
    assert_eq!(
        hints(&[
            new.clone(),
            declared("Newer", vec![spends_more_than(8.0)]),
            kept.clone()
        ]),
        []
    );
    // `previous_names` declares the rename.
    assert_eq!(hints(&[with_previous_names(new, &["A"]), kept]), []);
}

#[test]
fn a_taken_definition_names_the_already_matched_segment() {
    let files = [declared("A", vec![spends_more_than(2.0)])];
    let unmanaged = remote_spender("x1", "Manual", 2.0);
    let own_id_helps = |existing| {
        let plan = plan_for(&files, existing);
        assert_eq!(codes(&plan.conflicts), [Code::DefinitionTaken]);
        let help = plan.conflicts[0].help.iter();
        help.filter(|help| help.contains("`A` has its own id")).count()
    };
    assert_eq!(own_id_helps(vec![unmanaged.clone()]), 0);
    assert_eq!(own_id_helps(vec![unmanaged, remote_spender("a1", "A", 1.0)]), 1);
}

/// Three segments that match the configuration, and one that differs.
fn existing_and_declared() -> (Vec<ObservedSegment>, Vec<DeclaredSegment>) {
    let amounts = [("A", 1.0), ("B", 2.0), ("C", 3.0), ("D", 4.0)];
    let existing = amounts.map(|(name, amount)| remote_spender(&name.to_lowercase(), name, amount));
    let mut files = amounts.map(|(name, amount)| declared(name, vec![spends_more_than(amount)]));
    files[3] = declared("D", vec![spends_more_than(9.0)]);
    (existing.to_vec(), files.to_vec())
}

#[test]
fn adoptions_are_changes_without_requests() {
    let (existing, files) = existing_and_declared();
    let equal = plan_for(&files[..3], existing.clone());
    assert!(!equal.is_empty() && equal.steps.is_empty() && equal.requests().is_empty());
    assert_eq!((equal.adoptions().count(), equal.summary().adopt), (3, 3));
    let with_update = plan_for(&files, existing.clone());
    assert_eq!(
        (with_update.adoptions().count(), with_update.summary().adopt),
        (3, 4)
    );
    // A managed segment is no adoption.
    let entries = existing
        .iter()
        .take(3)
        .map(|remote| entry(remote.id.as_str(), remote.name.as_str()));
    let managed = plan_with_state(&files[..3], existing.clone(), &state(entries.collect()));
    assert_eq!((managed.adoptions().count(), managed.summary().adopt), (0, 0));
    // With `adoption: refuse`, each is a conflict.
    let policy = policy_managing(&[], Adoption::Refuse);
    let refused = plan_with_policy(&files[..3], existing, &State::default(), &policy);
    assert_eq!((refused.conflicts.len(), refused.adoptions().count()), (3, 0));
}

#[test]
fn targets_and_excludes_select_adoptions() {
    let (existing, files) = existing_and_declared();
    let patterns = |patterns: &[&str]| -> Vec<NamePattern> {
        let patterns = patterns.iter();
        patterns
            .map(|pattern| NamePattern::parse(pattern).unwrap())
            .collect()
    };
    for (targets, excludes, adopted, excluded) in [
        (["A"].as_slice(), [].as_slice(), vec!["A"], (2, true, false)),
        (&[], &["A"], vec!["B", "C"], (1, false, true)),
        (&["A", "B"], &["B"], vec!["A"], (2, true, true)),
        (&["D"], &[], vec![], (3, true, false)),
    ] {
        let plan = plan(&PlanInput {
            workspace: "test",
            endpoint: "MoEngage DC 01",
            declared: &files,
            observed: &observed(existing.clone()),
            state: &State::default(),
            compared_lists: &ComparedLists::default(),
            policy: &Policy::default(),
            overrides: Overrides::default(),
            selection: &Selection {
                targets: patterns(targets),
                excludes: patterns(excludes),
            },
            now: Timestamp::UNIX_EPOCH,
        });
        let names: Vec<_> = plan.adoptions().map(|update| update.segment.as_str()).collect();
        assert_eq!(names, adopted);
        let found = &plan.excluded;
        assert_eq!((found.adoptions, found.by_target, found.by_exclude), excluded);
    }
}

#[test]
fn an_imported_segment_without_a_file_is_named_unless_it_is_declared_or_managed() {
    let (existing, files) = existing_and_declared();
    let mut observed = observed(existing);
    observed.imported = ["a", "b", "c"].map(SegmentId::new).into();
    let recorded = state(vec![entry("c", "C")]);
    let plan = plan(&PlanInput {
        workspace: "test",
        endpoint: "MoEngage DC 01",
        declared: &files[..1],
        observed: &observed,
        state: &recorded,
        compared_lists: &ComparedLists::default(),
        policy: &Policy::default(),
        overrides: Overrides::default(),
        selection: &Selection::default(),
        now: Timestamp::UNIX_EPOCH,
    });
    assert_eq!(codes(&plan.warnings), [Code::ImportedNotApplied]);
    assert_eq!(names(&plan.warnings[0]), ["B"]);
}
