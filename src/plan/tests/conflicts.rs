use super::*;
use crate::plan::rereads::possible_references;

#[test]
fn a_definition_in_use_is_a_conflict_that_names_the_holder() {
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let plan = plan_for(
        &files,
        vec![remote("x1", "Manual", payload(vec![spends_more_than(1.0)]))],
    );
    assert_eq!(codes(&plan.conflicts), [Code::DefinitionTaken]);
    assert_eq!(holders(&plan.conflicts[0]), ["x1"]);
    assert!(plan.conflicts[0].message.contains("`Manual` (id x1)"));
}

#[test]
fn the_same_filters_in_another_order_are_a_warning() {
    let files = [declared("A", vec![spends_more_than(1.0), spends_more_than(2.0)])];
    let other = payload(vec![spends_more_than(2.0), spends_more_than(1.0)]);
    let plan = plan_for(&files, vec![remote("x1", "Manual", other)]);
    assert_eq!(plan.conflicts, []);
    assert_eq!(codes(&plan.warnings), [Code::LikelyDuplicate]);
}

#[test]
fn kind_mismatches_and_unknown_references_are_conflicts() {
    let files = [
        declared("Upload", vec![spends_more_than(1.0)]),
        declared("A", vec![member_of("Unknown")]),
    ];
    let upload = ObservedSegment {
        kind: RemoteKind::Other("FILE_V2".to_owned()),
        definition: None,
        ..remote("f1", "Upload", payload(vec![]))
    };
    let plan = plan_for(&files, vec![upload]);
    assert_eq!(
        codes(&plan.conflicts),
        [Code::KindMismatch, Code::UnknownReference]
    );
}

#[test]
fn reference_limits_count_remote_segments() {
    // A chain of six unmanaged segments, and one declared segment on top of it.
    let chain = (1..=6).map(|depth| {
        let filters = if depth == 1 {
            vec![spends_more_than(1.0)]
        } else {
            vec![reference_by_id(&format!("x{}", depth - 1))]
        };
        remote(&format!("x{depth}"), &format!("Manual {depth}"), payload(filters))
    });
    let files = [
        declared("A", vec![member_of("Manual 6")]),
        declared("B", vec![member_of("Manual 5"), spends_more_than(9.0)]),
    ];
    let plan = plan_for(&files, chain.collect());
    assert_eq!(codes(&plan.conflicts), [Code::ReferenceLimit]);
    let down = (1..=6).rev().map(|depth| format!("`Manual {depth}`"));
    let path = down.collect::<Vec<_>>().join(" -> ");
    assert_eq!(
        plan.conflicts[0].message,
        format!("`A` is 7 levels deep including its references; the limit is 6: `A` -> {path}")
    );
}

#[test]
fn a_reference_cycle_through_a_remote_segment_is_found() {
    let files = [declared("A", vec![member_of("Manual")])];
    let plan = plan_for(
        &files,
        vec![
            remote("a1", "A", payload(vec![spends_more_than(1.0)])),
            remote("x1", "Manual", payload(vec![reference_by_id("a1")])),
        ],
    );
    assert_eq!(codes(&plan.conflicts), [Code::ReferenceLimit]);
    assert_eq!(holders(&plan.conflicts[0]), ["x1"]);
    assert_eq!(
        plan.conflicts[0].message,
        "`A` references itself through the existing segment `Manual` (id x1): `A` -> `Manual` -> `A`"
    );
}

#[test]
fn a_file_segment_is_not_archived_as_a_filter_segment() {
    let files = [declared_archived(declared("Upload", vec![spends_more_than(1.0)]))];
    let upload = ObservedSegment {
        kind: RemoteKind::Other("FILE_V2".to_owned()),
        definition: None,
        ..remote("f1", "Upload", payload(vec![]))
    };
    let plan = plan_for(&files, vec![upload]);
    assert_eq!(codes(&plan.conflicts), [Code::KindMismatch]);
    assert_eq!(steps(&plan), [""; 0]);
}

#[test]
fn duplicate_definitions_are_found_after_references_are_resolved() {
    // One references the segment by name, the other by id.
    let files = [
        declared("A", vec![member_of("Manual")]),
        declared("B", vec![reference_by_id("x1")]),
    ];
    let unmanaged = remote_spender("x1", "Manual", 1.0);
    let plan = plan_for(&files, vec![unmanaged.clone()]);
    assert_eq!(codes(&plan.conflicts), [Code::DefinitionShared]);
    assert_eq!(names(&plan.conflicts[0]), ["A", "B"]);
    // If one of them already has the definition, only the other one has a conflict.
    let existing = remote("a1", "A", payload(vec![reference_by_id("x1")]));
    let plan = plan_for(&files, vec![unmanaged, existing]);
    assert_eq!(codes(&plan.conflicts), [Code::DefinitionTaken]);
}

#[test]
fn names_of_missing_segments_are_not_reserved() {
    let mut renamed = entry("a1", "Old");
    renamed.rename(SegmentName::new("New"));
    let recorded = state(vec![renamed]);
    let files = [
        declared("Old", vec![spends_more_than(1.0)]),
        declared("New", vec![spends_more_than(2.0)]),
    ];
    let reserved = plan_with_state(&files, vec![remote_spender("a1", "New", 2.0)], &recorded);
    assert_eq!(codes(&reserved.conflicts), [Code::NameReserved]);
    assert_eq!(plan_with_state(&files, vec![], &recorded).conflicts, []);
}

#[test]
fn archiving_a_segment_that_unmanaged_ones_reference_warns() {
    let files = [declared_archived(declared("A", vec![spends_more_than(1.0)]))];
    let unmanaged = remote("x1", "Manual", payload(vec![reference_by_id("a1")]));
    let unread = ObservedSegment {
        definition: None,
        ..remote("x2", "Unread", payload(vec![]))
    };
    let plan = plan_for(
        &files,
        vec![remote_spender("a1", "A", 1.0), unmanaged.clone(), unread],
    );
    assert_eq!(
        codes(&plan.warnings),
        [Code::StillReferenced, Code::ReferencesUnknown]
    );
    assert_eq!(holders(&plan.warnings[0]), ["a1", "x1"]);
    assert_eq!(
        (names(&plan.warnings[1]), holders(&plan.warnings[1])),
        (vec!["A"], vec!["a1", "x2"])
    );
    let archived = plan_for(
        &files,
        vec![remote_spender("a1", "A", 1.0), archived_remote(unmanaged)],
    );
    assert_eq!(archived.warnings, []);
}

#[test]
fn only_unread_filter_segments_may_reference_an_archived_segment() {
    let files = [declared_archived(declared("A", vec![spends_more_than(1.0)]))];
    let unread = ObservedSegment {
        definition: None,
        ..remote("x1", "Unread", payload(vec![]))
    };
    let file = ObservedSegment {
        kind: RemoteKind::Other("FILE".to_owned()),
        ..unread.clone()
    };
    for (other, count) in [
        (unread.clone(), 1),
        (file, 0),
        (archived_remote(unread.clone()), 0),
        (remote("x1", "Read", payload(vec![])), 0),
    ] {
        let remotes = vec![remote_spender("a1", "A", 1.0), other];
        let plan = plan_for(&files, remotes.clone());
        assert_eq!(plan.warnings.len(), count, "{:?}", plan.warnings);
        assert_eq!(possible_references(&plan, &observed(remotes)).len(), count);
    }
    // Without an archive nothing is unknown.
    let files = [declared("A", vec![spends_more_than(1.0)])];
    let plan = plan_for(&files, vec![remote_spender("a1", "A", 1.0), unread]);
    assert_eq!(plan.warnings, []);
}

#[test]
fn a_reference_to_a_former_name_names_the_renamed_segments() {
    let renamed = |name: &str, previous: &[&str]| {
        with_previous_names(declared(name, vec![spends_more_than(1.0)]), previous)
    };
    let recorded = StateEntry {
        previous_names: vec![SegmentName::new("Old")],
        ..entry("a1", "New")
    };
    let referrer = declared("Fans", vec![member_of("Old")]);
    let table = [
        // Applied or not, and with or without a remote segment.
        (
            vec![renamed("New", &["Old"])],
            vec![],
            State::default(),
            vec!["New"],
        ),
        (
            vec![renamed("New", &["Old"])],
            vec![remote_spender("a1", "Old", 1.0)],
            state(vec![entry("a1", "Old")]),
            vec!["New"],
        ),
        // Renamed without `previous_names`: the definition matches, or the state has the name.
        (
            vec![renamed("New", &[])],
            vec![remote_spender("a1", "Old", 1.0)],
            state(vec![entry("a1", "Old")]),
            vec!["New"],
        ),
        (
            vec![renamed("New", &[])],
            vec![remote_spender("a1", "New", 1.0)],
            state(vec![recorded]),
            vec!["New"],
        ),
        (
            vec![
                renamed("New", &["Old"]),
                with_previous_names(declared("Other", vec![spends_more_than(2.0)]), &["Older", "Old"]),
            ],
            vec![],
            State::default(),
            vec!["New", "Other"],
        ),
        (
            vec![renamed("Olds", &["Older"])],
            vec![],
            State::default(),
            vec![],
        ),
    ];
    for (files, existing, recorded, expected) in table {
        let files = [files, vec![referrer.clone()]].concat();
        let plan = plan_with_state(&files, existing, &recorded);
        let mut conflicts = plan.conflicts.iter();
        let conflict = conflicts.find(|conflict| conflict.code == Code::UnknownReference);
        let conflict = conflict.unwrap_or_else(|| panic!("{:?}", plan.conflicts));
        let quoted: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
        let is_explained = conflict
            .message
            .ends_with(&format!("a previous name of {}", quoted.join(" and ")));
        assert_eq!(is_explained, !expected.is_empty(), "{conflict:?}");
        let is_suggested = conflict.help.iter().any(|help| help.starts_with("did you mean"));
        assert_eq!(is_suggested, expected.is_empty(), "{conflict:?}");
    }
}

#[test]
fn a_reference_to_an_archived_declaration_without_an_id_is_explained() {
    let old = declared_archived(declared("Old", vec![spends_more_than(1.0)]));
    let files = [
        old,
        declared("Olds", vec![spends_more_than(2.0)]),
        declared("Fans", vec![member_of("Old")]),
    ];
    let plan = plan_for(&files, vec![]);
    assert_eq!(codes(&plan.conflicts), [Code::UnknownReference]);
    let message = &plan.conflicts[0].message;
    assert!(
        message.contains("references `Old`, which is declared archived at Old.yaml:1"),
        "{message}"
    );
    // With the id, the reference is resolved.
    let existing = archived_remote(remote_spender("a1", "Old", 1.0));
    assert_eq!(plan_for(&files, vec![existing]).conflicts, []);
}
