//! What changes while a write waits, and what is left when a run ends on the way: nothing that is not ours is overwritten
//! unseen, taken for ours, or left behind untold.

use super::test_workspace::{EventDuringWait, TestWorkspace};
use segctl::apply::run_report::{SkipReason, StepOutcome};
use segctl::apply::{AbortReason, RunResult};
use segctl::model::{
    ApiBehavior, AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter,
    Group, GroupOperator, Lifecycle, Number, Operand, Origin, SegmentName,
};
use segctl::sandbox::{RateLimitMode, SandboxSettings};
use segctl::state::recovery::unrestored_segments;
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
        contents: Contents::Filter(Definition {
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

/// A workspace in which `A` is ours.
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

/// The first PATCH is not taken for half a minute.
fn rate_limit_first_patch() -> Value {
    json!([{"on": {"method": "PATCH"}, "fault": {"rate_limited": {"reset_in": 30}}}])
}

#[tokio::test]
async fn a_segment_edited_during_a_rate_limit_wait_is_not_overwritten() {
    for wanted in [
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
        let plan = workspace.plan(&wanted).await;
        workspace.set_faults(&rate_limit_first_patch());
        workspace.during_next_wait(EventDuringWait::Edit(
            json!({"id": id.as_str(), "included_filters": group(99)}),
        ));
        let receipt = workspace.apply(&plan).await;
        assert_eq!(
            receipt.steps[0].outcome,
            StepOutcome::Skipped(SkipReason::Drifted),
            "{receipt:?}"
        );
        assert_eq!(patch_count(&workspace), 1);
        // What was taken down for it is taken back.
        assert_eq!(workspace.stored_state().managed_entry(&id).unwrap().revisions, []);
        assert_eq!(workspace.stored_state().intents().count(), 0);
    }
}

#[tokio::test]
async fn no_request_is_sent_after_the_lock_is_lost() {
    for wanted in [
        declared(2.0, Lifecycle::Active),
        declared(1.0, Lifecycle::Archived),
    ] {
        let workspace = with_managed_segment().await;
        let plan = workspace.plan(&wanted).await;
        workspace.set_faults(&rate_limit_first_patch());
        workspace.during_next_wait(EventDuringWait::LockLost);
        let RunResult {
            report: receipt,
            abort_reason: stop,
            ..
        } = workspace.apply_with_result(&plan).await;
        assert!(matches!(stop, Some(AbortReason::StateWriteFailed(_))), "{stop:?}");
        assert!(
            matches!(receipt.steps[0].outcome, StepOutcome::Failed { .. }),
            "{receipt:?}"
        );
        assert_eq!(patch_count(&workspace), 1);
    }
}

#[tokio::test]
async fn an_external_segment_is_adopted_only_after_a_confirmed_write() {
    let workspace = workspace();
    let made = workspace.edit_in_dashboard(&json!({"name": "A", "included_filters": group(1)}));
    let id = segctl::model::SegmentId::new(made["data"]["id"].as_str().unwrap());
    let wanted = declared(2.0, Lifecycle::Active);
    let plan = workspace.plan(&wanted).await;
    workspace.set_faults(&json!([
        {"on": {"method": "PATCH"}, "fault": {"reset": {"when": "before"}}},
        {"on": {"method": "GET", "nth": 2}, "times": 500, "fault": {"status": {"code": 500, "when": "before"}}},
    ]));
    let receipt = workspace.apply(&plan).await;
    assert!(
        matches!(receipt.steps[0].outcome, StepOutcome::Unknown { .. }),
        "{receipt:?}"
    );
    workspace.set_faults(&json!([]));
    // Its definition is kept, and it is still theirs: without the file nothing is done to it.
    let ledger = workspace.stored_state();
    assert_eq!(
        (
            ledger.managed_entry(&id),
            ledger.any_entry(&id).unwrap().revisions.len()
        ),
        (None, 1)
    );
    assert!(workspace.plan(&[]).await.is_empty());

    assert!(
        workspace
            .apply(&workspace.plan(&wanted).await)
            .await
            .is_complete()
    );
    let ledger = workspace.stored_state();
    assert_eq!(ledger.managed_entry(&id).unwrap().revisions.len(), 1);
    assert_eq!(workspace.plan(&[]).await.steps.len(), 1);
}

#[tokio::test]
async fn a_segment_left_unarchived_by_an_interrupted_run_is_reported() {
    let workspace = workspace();
    let upload = json!({"name": "A", "attribute_name": "email", "attribute_type": "string",
                        "file_url": "file:///nowhere", "expiry_time": 90});
    workspace.call_api_directly("POST", "/v2/custom-segments/file-segment", &upload);
    workspace.call_api_directly("PATCH", "/v2/custom-segments/archive", &json!({"name": "A"}));
    let wanted = declared(1.0, Lifecycle::Active);
    let plan = workspace.plan(&wanted).await;
    // Nothing can be read from the unarchive on.
    workspace.set_faults(&json!([
        {"on": {"method": "GET", "nth": 3}, "times": 500, "fault": {"status": {"code": 500, "when": "before"}}},
    ]));
    let receipt = workspace.apply(&plan).await;
    assert!(
        matches!(receipt.steps[0].outcome, StepOutcome::Unknown { .. }),
        "{receipt:?}"
    );
    workspace.set_faults(&json!([]));
    let (ledger, observed) = (workspace.stored_state(), workspace.observe(&wanted).await);
    let left: Vec<_> = unrestored_segments(&ledger, (&observed, ApiBehavior::default()))
        .map(|live| live.name.as_str())
        .collect();
    assert_eq!(left, ["A"]);
    workspace.call_api_directly("PATCH", "/v2/custom-segments/archive", &json!({"name": "A"}));
    let observed = workspace.observe(&wanted).await;
    assert_eq!(
        unrestored_segments(&ledger, (&observed, ApiBehavior::default())).count(),
        0
    );
}
