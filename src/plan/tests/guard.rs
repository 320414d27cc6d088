use super::*;
use crate::plan::step::Refusal;

#[test]
fn a_workspace_that_was_made_anew_is_not_short_for_ever() {
    let names: Vec<String> = (0..20).map(|number| format!("S{number}")).collect();
    let gone = names.iter().map(|name| entry(&format!("old-{name}"), name));
    let anew = names.iter().map(|name| Entry {
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
        .map(|(name, amount)| spender(&format!("new-{name}"), name, amount));
    let plan = planned_with(&files, live.collect(), &ledger(gone.chain(anew).collect()));
    assert_eq!((steps(&plan), plan.refusals), (vec![], Vec::<Refusal>::new()));
}

#[test]
fn a_list_is_too_short_only_for_what_would_be_written() {
    let names: Vec<String> = (0..20).map(|number| format!("S{number}")).collect();
    let entries = names.iter().map(|name| entry(&format!("id-{name}"), name));
    let ledger = ledger(entries.collect());
    let amounts: Vec<f64> = (1..=20).map(f64::from).collect();
    let refusals = |listed: usize, agreed: usize| {
        let files = names.iter().zip(&amounts).enumerate();
        let files: Vec<_> = files
            .map(|(index, (name, amount))| {
                let segment = declared(name, vec![spends_more_than(*amount)]);
                let is_agreed = (listed..listed + agreed).contains(&index);
                if is_agreed { archived(segment) } else { segment }
            })
            .collect();
        let live = names.iter().zip(&amounts).enumerate();
        let live = live.map(|(index, (name, amount))| {
            let live = spender(&format!("id-{name}"), name, *amount);
            if index < listed { live } else { put_away(live) }
        });
        planned_with(&files, live.collect(), &ledger).refusals
    };
    let short = |missing, of, percent| vec![Refusal::ShortList { missing, of, percent }];
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
