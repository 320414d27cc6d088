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
