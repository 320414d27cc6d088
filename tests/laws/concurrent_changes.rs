//! Changes while a write waits, and interrupted runs: segctl overwrites no unread change, adopts no segment by accident,
//! and reports segments that it left unarchived.

use super::test_workspace::{EventDuringWait, TestWorkspace};
use segctl::apply::run_report::{SkipReason, StepOutcome};
use segctl::apply::{AbortReason, RunResult};
use segctl::model::{
    ApiBehavior, AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter,
    Group, GroupOperator, Lifecycle, Number, Operand, Origin, SegmentName,
};
use segctl::sandbox::{RateLimitMode, SandboxSettings};
use segctl::state::recovery::{Evidence, unrestored_segments};
use serde_json::{Value, json};

fn declared(amount: f64, lifecycle: Lifecycle) -> Vec<DeclaredSegment> {
    let test = DoubleTest::GreaterThan(Operand::Fixed(Number::new(amount).unwrap()));
    let filter = AttributeFilter {
        name: "spend".to_owned(),
        category: None,
        condition: Condition::Double { negate: false, test },
    };
    vec![DeclaredSegment {
        name: SegmentName::new("A"),
        id: None,
        previous_names: Vec::new(),
        protect: false,
        lifecycle,
        contents: Contents::from(Definition {
            included: Group {
                operator: GroupOperator::And,
                filters: vec![Filter::Attribute(filter)],
            },
            excluded: None,
        }),
        origin: Origin {
            file: "a.yaml".to_owned(),
            line: 1,
            column: 1,
        },
        reference_origins: Default::default(),
    }]
}

fn group(amount: u32) -> Value {
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

/// A workspace with the managed segment `A`.
async fn with_managed_segment() -> TestWorkspace {
    let workspace = workspace();
    let first = workspace.plan(&declared(1.0, Lifecycle::Active)).await;
    assert!(workspace.apply(&first).await.is_complete());
    workspace
}

fn patch_count(workspace: &TestWorkspace) -> usize {
    let log = workspace.request_log();
    log.iter().filter(|entry| entry.method == "PATCH").count()
}

fn rate_limit_first_patch() -> Value {
    json!([{"on": {"method": "PATCH"}, "fault": {"rate_limited": {"reset_in": 30}}}])
}

#[tokio::test]
async fn a_segment_edited_during_a_rate_limit_wait_is_not_overwritten() {
    for desired in [
        declared(2.0, Lifecycle::Active),
        declared(1.0, Lifecycle::Archived),
    ] {
        let workspace = with_managed_segment().await;
        let id = workspace
            .stored_state()
            .managed_entries()
            .next()
            .unwrap()
            .id
            .clone();
        let plan = workspace.plan(&desired).await;
        workspace.set_faults(&rate_limit_first_patch());
        workspace.during_next_wait(EventDuringWait::Edit(
            json!({"id": id.as_str(), "included_filters": group(99)}),
        ));
        let report = workspace.apply(&plan).await;
        assert_eq!(
            report.steps[0].outcome,
            StepOutcome::Skipped(SkipReason::Drifted),
            "{report:?}"
        );
        assert_eq!(patch_count(&workspace), 1);
        // The journal entries of the skipped write are removed.
        assert_eq!(workspace.stored_state().managed_entry(&id).unwrap().revisions, []);
        assert_eq!(workspace.stored_state().intents().count(), 0);
    }
}

#[tokio::test]
async fn no_request_is_sent_after_the_lock_is_lost() {
    for desired in [
        declared(2.0, Lifecycle::Active),
        declared(1.0, Lifecycle::Archived),
    ] {
        let workspace = with_managed_segment().await;
        let plan = workspace.plan(&desired).await;
        workspace.set_faults(&rate_limit_first_patch());
        workspace.during_next_wait(EventDuringWait::LockLost);
        let RunResult {
            report, abort_reason, ..
        } = workspace.apply_with_result(&plan).await;
        assert!(
            matches!(abort_reason, Some(AbortReason::StateWriteFailed(_))),
            "{abort_reason:?}"
        );
        assert!(
            matches!(report.steps[0].outcome, StepOutcome::Failed { .. }),
            "{report:?}"
        );
        assert_eq!(patch_count(&workspace), 1);
    }
}

#[tokio::test]
async fn an_external_segment_is_adopted_only_after_a_confirmed_write() {
    let workspace = workspace();
    let created = workspace.edit_in_dashboard(&json!({"name": "A", "included_filters": group(1)}));
    let id = segctl::model::SegmentId::new(created["data"]["id"].as_str().unwrap());
    let desired = declared(2.0, Lifecycle::Active);
    let plan = workspace.plan(&desired).await;
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH"}, "fault": {"reset": {"when": "before"}}},
        {"on": {"method": "GET", "nth": 2}, "times": 500, "fault": {"status": {"code": 500, "when": "before"}}},
    ]));
    let report = workspace.apply(&plan).await;
    assert!(
        matches!(report.steps[0].outcome, StepOutcome::Unknown { .. }),
        "{report:?}"
    );
    workspace.set_faults(&json!([]));
    // The old definition is recorded, but the segment is not managed: without its declaration, segctl does not change it.
    let state = workspace.stored_state();
    assert_eq!(
        (
            state.managed_entry(&id),
            state.any_entry(&id).unwrap().revisions.len()
        ),
        (None, 1)
    );
    assert!(workspace.plan(&[]).await.is_empty());

    assert!(
        workspace
            .apply(&workspace.plan(&desired).await)
            .await
            .is_complete()
    );
    let state = workspace.stored_state();
    assert_eq!(state.managed_entry(&id).unwrap().revisions.len(), 1);
    assert_eq!(workspace.plan(&[]).await.steps.len(), 1);
}

#[tokio::test]
async fn a_segment_left_unarchived_by_an_interrupted_run_is_reported() {
    let workspace = workspace();
    let upload = json!({"name": "A", "attribute_name": "email", "attribute_type": "string",
                        "file_url": "file:///nowhere", "expiry_time": 90});
    workspace.send_api_request("POST", "/v2/custom-segments/file-segment", &upload);
    workspace.send_api_request("PATCH", "/v2/custom-segments/archive", &json!({"name": "A"}));
    let desired = declared(1.0, Lifecycle::Active);
    let plan = workspace.plan(&desired).await;
    // All reads after the unarchive request fail.
    workspace.set_faults(&json!([
        {"on": {"method": "GET", "nth": 3}, "times": 500, "fault": {"status": {"code": 500, "when": "before"}}},
    ]));
    let report = workspace.apply(&plan).await;
    assert!(
        matches!(report.steps[0].outcome, StepOutcome::Unknown { .. }),
        "{report:?}"
    );
    workspace.set_faults(&json!([]));
    let (state, observed) = (workspace.stored_state(), workspace.observe(&desired).await);
    let unrestored: Vec<_> = unrestored_segments(&state, Evidence::new(&observed, ApiBehavior::default()))
        .map(|segment| segment.name.as_str())
        .collect();
    assert_eq!(unrestored, ["A"]);
    workspace.send_api_request("PATCH", "/v2/custom-segments/archive", &json!({"name": "A"}));
    let observed = workspace.observe(&desired).await;
    let evidence = Evidence::new(&observed, ApiBehavior::default());
    assert_eq!(unrestored_segments(&state, evidence).count(), 0);
}
