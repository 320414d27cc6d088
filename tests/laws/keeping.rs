//! Nothing is lost and nothing becomes ours by accident: what is overwritten is kept first, what was refused leaves no
//! trace, and what was taken back is as it was.

use super::workspace::Workspace;
use segctl::apply::receipt::{StepOutcome, RunReport};
use segctl::apply::{RunResult, AbortReason};
use segctl::model::{
    Adoption, AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, Number, Operand, Origin, SegmentId, SegmentName,
};
use segctl::sandbox::{RateLimitMode, SandboxSettings};
use serde_json::{Value, json};

fn declared(name: &str, amount: u32) -> DeclaredSegment {
    let test = DoubleTest::GreaterThan(Operand::Fixed(Number::new(f64::from(amount)).unwrap()));
    DeclaredSegment {
        name: SegmentName::new(name),
        id: None,
        previous_names: Vec::new(),
        protect: false,
        lifecycle: Lifecycle::Active,
        contents: Contents::Filter(Definition {
            included: Group {
                operator: GroupOperator::And,
                filters: vec![Filter::Attribute(AttributeFilter {
                    name: "spend".to_owned(),
                    category: None,
                    condition: Condition::Double { negate: false, test },
                })],
            },
            excluded: None,
        }),
        origin: Origin {
            file: format!("{name}.yaml"),
            line: 1,
            column: 1,
        },
    }
}

fn spends(amount: u32) -> Value {
    json!({"filter_operator": "and", "filters": [{
        "filter_type": "user_attributes", "name": "spend", "data_type": "double", "operator": "greaterThan",
        "value": amount, "negate": false,
    }]})
}

fn workspace() -> Workspace {
    Workspace::new(SandboxSettings {
        rate_limits: RateLimitMode::Off,
        ..SandboxSettings::default()
    })
}

/// Makes a segment by hand; its id.
fn by_hand(workspace: &Workspace, name: &str, amount: u32, archived: bool) -> SegmentId {
    let made =
        workspace.by_hand(&json!({"name": name, "archived": archived, "included_filters": spends(amount)}));
    SegmentId::new(made["data"]["id"].as_str().unwrap())
}

fn first(receipt: &RunReport) -> &StepOutcome {
    &receipt.steps.first().unwrap().outcome
}

#[tokio::test]
async fn hidden_segments_whose_definitions_move_are_as_declared_after_two_runs() {
    // What is hidden, and what the files say.
    let table = [
        (vec![("B", 2)], [("A", 2), ("B", 3)]),
        (vec![("A", 1), ("B", 2)], [("A", 2), ("B", 3)]),
        (vec![("A", 1), ("B", 2)], [("A", 3), ("B", 1)]),
        (vec![("A", 1), ("B", 2)], [("A", 2), ("B", 1)]),
    ];
    for (hidden, wanted) in table {
        let workspace = Workspace::new(SandboxSettings {
            rate_limits: RateLimitMode::Off,
            archived_definitions_conflict: true,
            ..SandboxSettings::default()
        });
        for (name, amount) in &hidden {
            by_hand(&workspace, name, *amount, true);
        }
        let files = wanted.map(|(name, amount)| declared(name, amount));
        workspace.apply(&workspace.plan(&files).await).await;
        let receipt = workspace.apply(&workspace.plan(&files).await).await;
        assert!(receipt.is_complete(), "{hidden:?} {wanted:?}: {receipt:?}");
        assert!(workspace.plan(&files).await.is_empty(), "{hidden:?} {wanted:?}");
    }
}

#[tokio::test]
async fn a_hidden_holder_of_a_name_is_kept_before_it_is_overwritten() {
    let workspace = workspace();
    let id = by_hand(&workspace, "A", 9, true);
    let files = [declared("A", 1)];
    assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
    let ledger = workspace.ledger();
    let replaced = &ledger.managed_entry(&id).unwrap().revisions;
    let values: Vec<&Value> = replaced
        .iter()
        .map(|replaced| &replaced.definition.included_filters["filters"][0]["value"])
        .collect();
    assert_eq!(values, [&json!(9)]);
}

#[tokio::test]
async fn a_hidden_holder_of_a_name_stays_where_adoption_is_refused() {
    let mut workspace = workspace();
    workspace.allow(|policy| policy.adoption = Adoption::Refuse);
    by_hand(&workspace, "A", 9, true);
    let files = [declared("A", 1)];
    let receipt = workspace.apply(&workspace.plan(&files).await).await;
    let StepOutcome::Failed { message } = first(&receipt) else {
        panic!("{receipt:?}")
    };
    assert!(message.contains("refuses adoption"), "{message}");
    assert!(
        workspace.log().iter().all(|entry| !entry.committed),
        "{:?}",
        workspace.log()
    );
}

#[tokio::test]
async fn an_update_that_is_refused_makes_nothing_ours() {
    let workspace = workspace();
    let id = by_hand(&workspace, "A", 9, false);
    let plan = workspace.plan(&[declared("A", 1)]).await;
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH"}, "fault": {"status": {"code": 400, "when": "before"}}},
    ]));
    let receipt = workspace.apply(&plan).await;
    assert!(matches!(first(&receipt), StepOutcome::Failed { .. }), "{receipt:?}");
    assert_eq!(workspace.ledger().managed_entry(&id), None);
    // The file is given up: what somebody else made is not archived for it.
    assert!(
        workspace
            .plan(&[declared("B", 2)])
            .await
            .steps
            .iter()
            .all(|step| step.origin.is_some())
    );
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_told_as_it_is() {
    let workspace = workspace();
    by_hand(&workspace, "A", 9, false);
    let plan = workspace.plan(&[declared("A", 1)]).await;
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH", "path_prefix": "/v3/"}, "fault": {"status": {"code": 403, "when": "before"}}},
        {"on": {"method": "PATCH", "path_prefix": "/v2/"}, "fault": {"status": {"code": 400, "when": "before"}}},
    ]));
    let receipt = workspace.apply(&plan).await;
    let StepOutcome::Failed { message } = first(&receipt) else {
        panic!("{receipt:?}")
    };
    assert!(message.starts_with("cannot update"), "{message}");
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_stops_before_the_write() {
    let workspace = workspace();
    let files = [declared("A", 1)];
    assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
    let plan = workspace.plan(&[declared("A", 2)]).await;
    let before = workspace.log().iter().filter(|entry| entry.committed).count();
    workspace.lock_ledger();
    let RunResult { report: receipt, abort_reason: stop, .. } = workspace.apply_until(&plan).await;
    let StepOutcome::Failed { message } = first(&receipt) else {
        panic!("{receipt:?}")
    };
    assert!(message.starts_with("nothing was written"), "{message}");
    assert!(matches!(stop, Some(AbortReason::StateWriteFailed(_))), "{stop:?}");
    assert_eq!(
        workspace.log().iter().filter(|entry| entry.committed).count(),
        before
    );
}

#[tokio::test]
async fn what_is_taken_back_is_remembered_as_it_was() {
    let workspace = workspace();
    let files = [declared("A", 1), declared("B", 2)];
    assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
    let known = workspace.ledger();
    let swapped = [declared("A", 2), declared("B", 1)];
    let plan = workspace.plan(&swapped).await;
    assert_eq!(plan.steps.len(), 3, "{:?}", plan.steps);
    // The passing step of A is let through, and B is refused.
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH", "nth": 2}, "fault": {"status": {"code": 400, "when": "before"}}},
    ]));
    let receipt = workspace.apply(&plan).await;
    assert_eq!(first(&receipt), &StepOutcome::RolledBack, "{receipt:?}");
    assert_eq!(workspace.ledger(), known);
    assert!(workspace.plan(&files).await.is_empty());
}

#[tokio::test]
async fn what_was_replaced_on_the_way_is_kept_where_it_cannot_be_taken_back() {
    let workspace = workspace();
    let files = [declared("A", 1), declared("B", 2)];
    assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
    let plan = workspace.plan(&[declared("A", 2), declared("B", 1)]).await;
    // The final step of A is refused, and B has what A had.
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH", "nth": 3}, "fault": "active_limit"},
    ]));
    let receipt = workspace.apply(&plan).await;
    assert!(matches!(first(&receipt), StepOutcome::Applied { .. }), "{receipt:?}");
    let ledger = workspace.ledger();
    let entry = ledger.latest_by_name(&SegmentName::new("A")).unwrap();
    let replaced = entry
        .revisions
        .iter()
        .map(|replaced| &replaced.definition.included_filters);
    assert_eq!(replaced.collect::<Vec<_>>()[0], &spends(1));
}

#[tokio::test]
async fn what_somebody_changed_in_passing_is_not_taken_back() {
    let workspace = workspace();
    let id = by_hand(&workspace, "A", 1, false);
    by_hand(&workspace, "B", 2, false);
    let plan = workspace.plan(&[declared("A", 2), declared("B", 1)]).await;
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH", "nth": 2}, "fault": {"status": {"code": 400, "when": "before"}}},
    ]));
    workspace.by_hand_after(1, &json!({"id": id.as_str(), "included_filters": spends(77)}));
    let receipt = workspace.apply(&plan).await;
    assert_ne!(first(&receipt), &StepOutcome::RolledBack, "{receipt:?}");
    let observed = workspace.observe(&[declared("A", 2)]).await;
    let definition = observed.segments[&id].definition.as_ref().unwrap();
    assert_eq!(definition.included_filters["filters"][0]["value"], json!(77));
}
