//! Members of cohorts: those that the service ends with are exactly those declared, wherever runs before ended.

use super::workspace::Workspace;
use proptest::prelude::*;
use segctl::api::{Client, Clock, RateLimits as ClientLimits};
use segctl::apply::receipt::{Outcome, Receipt};
use segctl::model::{
    Cohort, CohortKey, Contents, DeclaredSegment, Lifecycle, Members, Origin, Policy, SegmentName,
};
use segctl::observe::Refresh;
use segctl::plan::guard::Allowances;
use segctl::plan::selection::Selection;
use segctl::plan::step::{Action, Conflict, Plan};
use segctl::sandbox::{RateLimits, Settings};
use segctl::session::{Aim, Session};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// So long that four fill a call.
fn uid(number: u8) -> String {
    format!("{number:030000}")
}

fn cohort(members: &BTreeSet<u8>) -> DeclaredSegment {
    DeclaredSegment {
        name: SegmentName::new("A"),
        id: None,
        previous_names: Vec::new(),
        protect: false,
        lifecycle: Lifecycle::Active,
        contents: Contents::Cohort(Cohort {
            key: CohortKey {
                partner: "acme".to_owned(),
                cohort_id: "1".to_owned(),
            },
            members: Members::Listed(members.iter().map(|number| uid(*number)).collect()),
        }),
        origin: Origin {
            file: "a.yaml".to_owned(),
            line: 1,
            column: 1,
        },
    }
}

fn workspace() -> Workspace {
    Workspace::new(Settings {
        rate_limits: RateLimits::Off,
        ..Settings::default()
    })
}

/// Plans, and applies where nothing forbids it.
async fn run(workspace: &Workspace, declared: Vec<DeclaredSegment>, resend: bool) -> (Plan, Option<Receipt>) {
    let session = Session {
        client: Client::new(workspace.clone(), workspace.clone(), ClientLimits::default(), 1),
        clock: workspace.clone(),
        store: workspace.clone(),
        on_note: Box::new(|_| {}),
    };
    let policy = Policy::default();
    let aim = Aim {
        workspace: "w".to_owned(),
        declared,
        directory: PathBuf::new(),
        policy: policy.clone(),
        allowances: Allowances {
            resend,
            ..Allowances::default()
        },
        selection: Selection::default(),
        refresh: Refresh::Full,
    };
    let mut read = session.read(aim).await.unwrap();
    let plan = session.plan(&mut read).await.unwrap();
    if plan.is_forbidden() {
        return (plan, None);
    }
    let settings = segctl::apply::Settings {
        run: workspace.now().to_string(),
        has_settled: read.has_settled,
        ..segctl::apply::Settings::default()
    };
    let what = (&plan, read.ledger, &policy);
    let ended = session.apply(what, Default::default(), settings, &|_| {}).await;
    (plan, Some(ended.receipt))
}

/// The members that the service has, by their numbers; `None` where there is no cohort.
fn members(workspace: &Workspace) -> Option<BTreeSet<u8>> {
    let state = workspace.state();
    let segments = state["segments"].as_object().unwrap();
    let cohort = segments.values().find(|segment| segment["name"] == "A")?;
    let members = cohort["contents"]["cohort"]["members"].as_array().unwrap();
    let number = |uid: &Value| uid.as_str().unwrap().parse().unwrap();
    Some(members.iter().map(number).collect())
}

fn changes(plan: &Plan) -> Vec<(u64, u64, usize)> {
    let sent = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Send(sending) => Some((sending.added, sending.removed, sending.calls)),
        _ => None,
    });
    sent.collect()
}

/// What happens to a run: a call of it goes wrong, or the ledger cannot be written any more.
#[derive(Clone, Debug)]
enum Mishap {
    Nothing,
    Call(Value),
    Ledger(usize),
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let fault = prop_oneof![
        Just(json!({"reset": {"when": "before"}})),
        Just(json!({"reset": {"when": "after"}})),
        Just(json!({"status": {"code": 500, "when": "after"}})),
        Just(json!({"status": {"code": 503, "when": "before"}})),
        Just(json!({"rate_limited": {"reset_in": 30}})),
    ];
    prop_oneof![
        Just(Mishap::Nothing),
        (1_usize..8, 1_usize..8, fault).prop_map(|(nth, times, fault)| {
            let on = json!({"path_prefix": "/v1/", "nth": nth});
            Mishap::Call(json!({"on": on, "times": times, "fault": fault}))
        }),
        (1_usize..8).prop_map(Mishap::Ledger),
    ]
}

fn list() -> impl Strategy<Value = BTreeSet<u8>> {
    proptest::collection::btree_set(0_u8..24, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn members_are_those_declared_wherever_runs_before_ended(
        runs in proptest::collection::vec((list(), mishap()), 0..4),
        wanted in list(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let workspace = workspace();
            for (list, mishap) in runs {
                match mishap {
                    Mishap::Nothing => {}
                    Mishap::Call(fault) => workspace.set_faults(&json!([fault])),
                    Mishap::Ledger(after) => workspace.lock_ledger_after(after),
                }
                let (plan, receipt) = run(&workspace, vec![cohort(&list)], false).await;
                prop_assert!(!plan.is_forbidden(), "{:?}", plan.conflicts);
                if receipt.is_some_and(|receipt| receipt.is_complete()) && !plan.is_empty() {
                    prop_assert_eq!(members(&workspace), Some(list));
                }
                workspace.set_faults(&json!([]));
                workspace.unlock_ledger();
            }
            let (plan, receipt) = run(&workspace, vec![cohort(&wanted)], false).await;
            let receipt = receipt.unwrap();
            prop_assert!(receipt.is_complete(), "{receipt:?} of {:?}", changes(&plan));
            prop_assert_eq!(members(&workspace), Some(wanted.clone()));
            let (plan, _) = run(&workspace, vec![cohort(&wanted)], false).await;
            prop_assert!(plan.is_empty() && !plan.is_forbidden(), "{:?}", changes(&plan));
            // Nothing is kept that is of no use.
            prop_assert_eq!(workspace.kept_lists(), 1);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn no_more_is_sent_than_what_changes() {
    let workspace = workspace();
    let table: [(&[u8], (u64, u64, usize)); 5] = [
        (&[1, 2, 3], (3, 0, 1)),
        (&[1, 2, 3, 4], (1, 0, 1)),
        (&[2, 3, 4], (0, 1, 1)),
        (&[2, 3, 5], (1, 1, 2)),
        (&[10, 11, 12, 13, 14, 15], (6, 3, 3)),
    ];
    for (list, wanted) in table {
        let list: BTreeSet<u8> = list.iter().copied().collect();
        let (plan, receipt) = run(&workspace, vec![cohort(&list)], false).await;
        assert_eq!(changes(&plan), [wanted]);
        assert!(receipt.unwrap().is_complete());
        assert_eq!(members(&workspace), Some(list.clone()));
        let (again, _) = run(&workspace, vec![cohort(&list)], false).await;
        assert!(again.is_empty());
    }
}

#[tokio::test]
async fn of_a_lost_ledger_nobody_knows_the_members_and_all_are_sent_when_asked_to() {
    let workspace = workspace();
    let list = |numbers: &[u8]| numbers.iter().copied().collect::<BTreeSet<u8>>();
    run(&workspace, vec![cohort(&list(&[1, 2]))], false).await;
    workspace.forget();
    let (plan, receipt) = run(&workspace, vec![cohort(&list(&[2, 3]))], false).await;
    assert!(receipt.is_none());
    assert!(
        matches!(plan.conflicts.as_slice(), [Conflict::MembersUnknown { .. }]),
        "{plan:?}"
    );
    let (plan, receipt) = run(&workspace, vec![cohort(&list(&[2, 3]))], true).await;
    assert_eq!(changes(&plan), [(2, 0, 1)]);
    assert!(receipt.unwrap().is_complete());
    // Nobody can remove whom nobody knows of.
    assert_eq!(members(&workspace), Some(list(&[1, 2, 3])));
    let (plan, _) = run(&workspace, vec![cohort(&list(&[2, 3]))], false).await;
    assert!(plan.is_empty() && !plan.is_forbidden(), "{plan:?}");
}

#[tokio::test]
async fn a_name_that_the_service_drops_is_no_success() {
    let workspace = workspace();
    let filter = json!({"filter_type": "user_attributes", "name": "spend", "data_type": "double",
                        "operator": "greaterThan", "value": 1, "negate": false});
    workspace
        .by_hand(&json!({"name": "A", "included_filters": {"filter_operator": "and", "filters": [filter]}}));
    workspace.by_hand_at("PATCH", "/v2/custom-segments/archive", &json!({"name": "A"}));
    let (_, receipt) = run(&workspace, vec![cohort(&[1].into())], false).await;
    let receipt = receipt.unwrap();
    let outcome = &receipt.entries.first().unwrap().outcome;
    let is_told = matches!(outcome, Outcome::Unknown { message } if message.contains("drops"));
    assert!(is_told, "{receipt:?}");
}
