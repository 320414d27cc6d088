use super::*;
use crate::plan::step::GuardViolation;

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
    assert_eq!(
        (steps(&plan), plan.guard_violations),
        (vec![], Vec::<GuardViolation>::new())
    );
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
        plan_with_state(&files, existing.collect(), &state).guard_violations
    };
    let short = |missing, of, percent| {
        vec![GuardViolation::MissingSegments {
            missing,
            total: of,
            max_percent: percent,
        }]
    };
    // None is listed: no percentage permits that.
    assert_eq!(violations(0, 0), short(20, 20, None));
    assert_eq!(violations(0, 18), short(2, 2, None));
    assert_eq!(violations(0, 19), []);
    assert_eq!(violations(0, 20), []);
    // Some are listed: the limit is 30% of those that the configuration does not declare as archived.
    assert_eq!(violations(13, 0), short(7, 20, Some(30)));
    assert_eq!(violations(14, 0), []);
    assert_eq!(violations(13, 1), short(6, 19, Some(30)));
    assert_eq!(violations(13, 2), []);
    assert_eq!(violations(1, 19), []);
}
