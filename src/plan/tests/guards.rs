use super::*;
use crate::plan::step::GuardViolation;

#[test]
fn re_created_segments_do_not_count_as_missing() {
    let names: Vec<String> = (0..20).map(|number| format!("S{number}")).collect();
    let gone = names.iter().map(|name| entry(&format!("old-{name}"), name));
    let anew = names.iter().map(|name| StateEntry {
        applied_at: Timestamp::from_second(5).unwrap(),
        ..entry(&format!("new-{name}"), name)
    });
    let amounts = (1..=20).map(f64::from);
    let files: Vec<_> = names
        .iter()
        .zip(amounts.clone())
        .map(|(name, amount)| declared(name, vec![spends_more_than(amount)]))
        .collect();
    let live = names
        .iter()
        .zip(amounts)
        .map(|(name, amount)| remote_spender(&format!("new-{name}"), name, amount));
    let plan = plan_with_state(&files, live.collect(), &state(gone.chain(anew).collect()));
    assert_eq!(
        (steps(&plan), plan.guard_violations),
        (vec![], Vec::<GuardViolation>::new())
    );
}

#[test]
fn missing_segments_count_only_where_steps_would_write() {
    let names: Vec<String> = (0..20).map(|number| format!("S{number}")).collect();
    let entries = names.iter().map(|name| entry(&format!("id-{name}"), name));
    let ledger = state(entries.collect());
    let amounts: Vec<f64> = (1..=20).map(f64::from).collect();
    let refusals = |listed: usize, agreed: usize| {
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
        let live = names.iter().zip(&amounts).enumerate();
        let live = live.map(|(index, (name, amount))| {
            let live = remote_spender(&format!("id-{name}"), name, *amount);
            if index < listed {
                live
            } else {
                archived_remote(live)
            }
        });
        plan_with_state(&files, live.collect(), &ledger).guard_violations
    };
    let short = |missing, of, percent| {
        vec![GuardViolation::MissingSegments {
            missing,
            total: of,
            max_percent: percent,
        }]
    };
    // None is listed: no share allows that.
    assert_eq!(refusals(0, 0), short(20, 20, None));
    assert_eq!(refusals(0, 18), short(2, 2, None));
    assert_eq!(refusals(0, 19), []);
    assert_eq!(refusals(0, 20), []);
    // Some are: 30% is the limit, of those that the files do not say the same of.
    assert_eq!(refusals(13, 0), short(7, 20, Some(30)));
    assert_eq!(refusals(14, 0), []);
    assert_eq!(refusals(13, 1), short(6, 19, Some(30)));
    assert_eq!(refusals(13, 2), []);
    assert_eq!(refusals(1, 19), []);
}
