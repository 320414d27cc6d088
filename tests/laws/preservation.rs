//! segctl records each definition before it overwrites it. A refused write adopts no segment, and a rollback restores the
//! original state.

use super::test_workspace::TestWorkspace;
use segctl::apply::run_report::{RunReport, StepOutcome};
use segctl::apply::{AbortReason, RunResult};
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
        contents: Contents::from(Definition {
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
        reference_origins: Default::default(),
    }
}

fn spend_above(amount: u32) -> Value {
    json!({"filter_operator": "and", "filters": [{
        "filter_type": "user_attributes", "name": "spend", "data_type": "double", "operator": "greaterThan",
        "value": amount, "negate": false,
    }]})
}

fn workspace() -> TestWorkspace {
    TestWorkspace::new(SandboxSettings {
        rate_limits: RateLimitMode::Off,
        ..SandboxSettings::default()
    })
}

/// Creates a segment outside segctl, and returns its id.
fn create_externally(workspace: &TestWorkspace, name: &str, amount: u32, archived: bool) -> SegmentId {
    let created = workspace.edit_in_dashboard(
        &json!({"name": name, "archived": archived, "included_filters": spend_above(amount)}),
    );
    SegmentId::new(created["data"]["id"].as_str().unwrap())
}

fn first_outcome(report: &RunReport) -> &StepOutcome {
    &report.steps.first().unwrap().outcome
}

#[tokio::test]
async fn hidden_segments_that_exchange_definitions_converge_after_two_runs() {
    // The hidden segments, and the declared ones.
    let table = [
        (vec![("B", 2)], [("A", 2), ("B", 3)]),
        (vec![("A", 1), ("B", 2)], [("A", 2), ("B", 3)]),
        (vec![("A", 1), ("B", 2)], [("A", 3), ("B", 1)]),
        (vec![("A", 1), ("B", 2)], [("A", 2), ("B", 1)]),
    ];
    for (hidden, desired) in table {
        let workspace = TestWorkspace::new(SandboxSettings {
            rate_limits: RateLimitMode::Off,
            archived_definitions_conflict: true,
            ..SandboxSettings::default()
        });
        for (name, amount) in &hidden {
            create_externally(&workspace, name, *amount, true);
        }
        let files = desired.map(|(name, amount)| declared(name, amount));
        workspace.apply(&workspace.plan(&files).await).await;
        let report = workspace.apply(&workspace.plan(&files).await).await;
        assert!(report.is_complete(), "{hidden:?} {desired:?}: {report:?}");
        assert!(workspace.plan(&files).await.is_empty(), "{hidden:?} {desired:?}");
    }
}

#[tokio::test]
async fn the_definition_of_a_hidden_name_holder_is_recorded_before_the_overwrite() {
    let workspace = workspace();
    let id = create_externally(&workspace, "A", 9, true);
    let files = [declared("A", 1)];
    assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
    let state = workspace.stored_state();
    let revisions = &state.managed_entry(&id).unwrap().revisions;
    let values: Vec<&Value> = revisions
        .iter()
        .map(|revision| &revision.definition.included_filters["filters"][0]["value"])
        .collect();
    assert_eq!(values, [&json!(9)]);
}

#[tokio::test]
async fn a_hidden_name_holder_is_not_changed_if_adoption_is_refused() {
    let mut workspace = workspace();
    workspace.change_policy(|policy| policy.adoption = Adoption::Refuse);
    create_externally(&workspace, "A", 9, true);
    let files = [declared("A", 1)];
    let report = workspace.apply(&workspace.plan(&files).await).await;
    let StepOutcome::Failed { message } = first_outcome(&report) else {
        panic!("{report:?}")
    };
    assert!(message.contains("refuses adoption"), "{message}");
    assert!(
        workspace.request_log().iter().all(|entry| !entry.committed),
        "{:?}",
        workspace.request_log()
    );
}

#[tokio::test]
async fn a_rejected_update_does_not_adopt_the_segment() {
    let workspace = workspace();
    let id = create_externally(&workspace, "A", 9, false);
    let plan = workspace.plan(&[declared("A", 1)]).await;
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH"}, "fault": {"status": {"code": 400, "when": "before"}}},
    ]));
    let report = workspace.apply(&plan).await;
    assert!(
        matches!(first_outcome(&report), StepOutcome::Failed { .. }),
        "{report:?}"
    );
    assert_eq!(workspace.stored_state().managed_entry(&id), None);
    // Without its declaration, the unmanaged segment is not archived.
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
async fn a_rejected_update_reports_the_original_error() {
    let workspace = workspace();
    create_externally(&workspace, "A", 9, false);
    let plan = workspace.plan(&[declared("A", 1)]).await;
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH", "path_prefix": "/v3/"}, "fault": {"status": {"code": 403, "when": "before"}}},
        {"on": {"method": "PATCH", "path_prefix": "/v2/"}, "fault": {"status": {"code": 400, "when": "before"}}},
    ]));
    let report = workspace.apply(&plan).await;
    let StepOutcome::Failed { message } = first_outcome(&report) else {
        panic!("{report:?}")
    };
    assert!(message.starts_with("cannot update"), "{message}");
}

#[tokio::test]
async fn a_state_write_failure_stops_the_run_before_the_request() {
    let workspace = workspace();
    let files = [declared("A", 1)];
    assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
    let plan = workspace.plan(&[declared("A", 2)]).await;
    let before = workspace
        .request_log()
        .iter()
        .filter(|entry| entry.committed)
        .count();
    workspace.fail_state_writes();
    let RunResult {
        report, abort_reason, ..
    } = workspace.apply_with_result(&plan).await;
    let StepOutcome::Failed { message } = first_outcome(&report) else {
        panic!("{report:?}")
    };
    assert!(message.starts_with("nothing was written"), "{message}");
    assert!(
        matches!(abort_reason, Some(AbortReason::StateWriteFailed(_))),
        "{abort_reason:?}"
    );
    assert_eq!(
        workspace
            .request_log()
            .iter()
            .filter(|entry| entry.committed)
            .count(),
        before
    );
}

#[tokio::test]
async fn a_rollback_restores_the_state() {
    let workspace = workspace();
    let files = [declared("A", 1), declared("B", 2)];
    assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
    let before = workspace.stored_state();
    let swapped = [declared("A", 2), declared("B", 1)];
    let plan = workspace.plan(&swapped).await;
    assert_eq!(plan.steps.len(), 3, "{:?}", plan.steps);
    // The temporary change of A succeeds, and the update of B is refused.
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH", "nth": 2}, "fault": {"status": {"code": 400, "when": "before"}}},
    ]));
    let report = workspace.apply(&plan).await;
    assert_eq!(first_outcome(&report), &StepOutcome::RolledBack, "{report:?}");
    assert_eq!(workspace.stored_state(), before);
    assert!(workspace.plan(&files).await.is_empty());
}

#[tokio::test]
async fn the_original_definition_is_recorded_if_a_temporary_change_cannot_be_rolled_back() {
    let workspace = workspace();
    let files = [declared("A", 1), declared("B", 2)];
    assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
    let plan = workspace.plan(&[declared("A", 2), declared("B", 1)]).await;
    // The final step of A is refused, and B has the old definition of A.
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH", "nth": 3}, "fault": "active_limit"},
    ]));
    let report = workspace.apply(&plan).await;
    assert!(
        matches!(first_outcome(&report), StepOutcome::Applied { .. }),
        "{report:?}"
    );
    let state = workspace.stored_state();
    let entry = state.latest_by_name(&SegmentName::new("A")).unwrap();
    let definitions = entry
        .revisions
        .iter()
        .map(|revision| &revision.definition.included_filters);
    assert_eq!(definitions.collect::<Vec<_>>()[0], &spend_above(1));
}

#[tokio::test]
async fn a_temporary_change_edited_in_the_dashboard_is_not_rolled_back() {
    let workspace = workspace();
    let id = create_externally(&workspace, "A", 1, false);
    create_externally(&workspace, "B", 2, false);
    let plan = workspace.plan(&[declared("A", 2), declared("B", 1)]).await;
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH", "nth": 2}, "fault": {"status": {"code": 400, "when": "before"}}},
    ]));
    workspace.edit_after_patches(
        1,
        &json!({"id": id.as_str(), "included_filters": spend_above(77)}),
    );
    let report = workspace.apply(&plan).await;
    assert_ne!(first_outcome(&report), &StepOutcome::RolledBack, "{report:?}");
    let observed = workspace.observe(&[declared("A", 2)]).await;
    let definition = observed.segments[&id].definition.as_ref().unwrap();
    assert_eq!(definition.included_filters["filters"][0]["value"], json!(77));
}
