use super::*;

#[test]
fn re_created_segments_do_not_count_as_missing() {
    let names: Vec<String> = (0..20).map(|number| format!("S{number}")).collect();
    let missing = names.iter().map(|name| entry(&format!("old-{name}"), name));
    let recreated = names.iter().map(|name| StateEntry {
        applied_at: Timestamp::from_second(5).unwrap(),
        ..entry(&format!("new-{name}"), name)
    });
    let amounts = (1..=20).map(f64::from);
    let files: Vec<_> = names
        .iter()
        .zip(amounts.clone())
        .map(|(name, amount)| declared(name, vec![spends_more_than(amount)]))
        .collect();
    let existing = names
        .iter()
        .zip(amounts)
        .map(|(name, amount)| remote_spender(&format!("new-{name}"), name, amount));
    let plan = plan_with_state(
        &files,
        existing.collect(),
        &state(missing.chain(recreated).collect()),
    );
    assert_eq!((steps(&plan), plan.guard_violations), (vec![], Vec::new()));
}

#[test]
fn missing_segments_count_only_where_steps_would_write() {
    let names: Vec<String> = (0..20).map(|number| format!("S{number}")).collect();
    let entries = names.iter().map(|name| entry(&format!("id-{name}"), name));
    let state = state(entries.collect());
    let amounts: Vec<f64> = (1..=20).map(f64::from).collect();
    let violations = |listed: usize, agreed: usize| {
        let files = names.iter().zip(&amounts).enumerate();
        let files: Vec<_> = files
            .map(|(index, (name, amount))| {
                let segment = declared(name, vec![spends_more_than(*amount)]);
                let is_agreed = (listed..listed + agreed).contains(&index);
                if is_agreed {
                    declared_archived(segment)
                } else {
                    segment
                }
            })
            .collect();
        let existing = names.iter().zip(&amounts).enumerate();
        let existing = existing.map(|(index, (name, amount))| {
            let existing = remote_spender(&format!("id-{name}"), name, *amount);
            if index < listed {
                existing
            } else {
                archived_remote(existing)
            }
        });
        let plan = plan_with_state(&files, existing.collect(), &state);
        assert!(
            plan.guard_violations
                .iter()
                .all(|violation| violation.code == Code::MissingSegments)
        );
        let messages = plan.guard_violations.into_iter();
        messages.map(|violation| violation.message).collect::<Vec<_>>()
    };
    let none = |missing: usize| {
        format!(
            "MoEngage lists no active segments; the state and the configuration have {missing} active segments"
        )
    };
    let short = |missing: usize, of: usize| {
        format!(
            "MoEngage does not list {missing} of {of} segments that are active in the state; the limit is 30%"
        )
    };
    // None is listed: no percentage permits that.
    assert_eq!(violations(0, 0), [none(20)]);
    assert_eq!(violations(0, 18), [none(2)]);
    assert_eq!(violations(0, 19), [""; 0]);
    assert_eq!(violations(0, 20), [""; 0]);
    // Some are listed: the limit is 30% of those that the configuration does not declare as archived.
    assert_eq!(violations(13, 0), [short(7, 20)]);
    assert_eq!(violations(14, 0), [""; 0]);
    assert_eq!(violations(13, 1), [short(6, 19)]);
    assert_eq!(violations(13, 2), [""; 0]);
    assert_eq!(violations(1, 19), [""; 0]);
}

#[test]
fn updates_of_archived_segments_are_a_part_of_all_segments() {
    let entries = ["One", "Two", "Three"].map(|name| entry(name, name));
    let state = state(entries.to_vec());
    let files = [("One", 1.0), ("Two", 2.0), ("Three", 3.0)]
        .map(|(name, amount)| declared(name, vec![spends_more_than(amount + 10.0)]));
    // Two are unarchived first.
    let existing = vec![
        remote_spender("One", "One", 1.0),
        archived_remote(remote_spender("Two", "Two", 2.0)),
        archived_remote(remote_spender("Three", "Three", 3.0)),
    ];
    let violations = |update: u32| {
        let guards = crate::model::Guards {
            update,
            min_segments: 1,
            archive: 100,
            ..Policy::default().guards
        };
        let policy = Policy {
            guards,
            ..Policy::default()
        };
        let plan = plan_with_policy(&files, existing.clone(), &state, &policy);
        let messages = plan.guard_violations.into_iter();
        messages.map(|violation| violation.message).collect::<Vec<_>>()
    };
    assert_eq!(
        violations(99),
        ["would update 3 of 3 managed segments (100%); the limit is 99%"]
    );
    assert_eq!(violations(100), [""; 0]);
}
