//! Writes without a response: if segctl cannot verify the outcome, it reports it as unknown, and the next run converges.

use super::test_workspace::TestWorkspace;
use segctl::api::Clock;
use segctl::apply::run_report::{RunReport, StepOutcome};
use segctl::model::{
    AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, Number, Operand, Origin, SegmentName,
};
use segctl::sandbox::{RateLimitMode, SandboxSettings};
use serde_json::{Value, json};

fn declared(amount: f64, lifecycle: Lifecycle) -> Vec<DeclaredSegment> {
    let test = DoubleTest::GreaterThan(Operand::Fixed(Number::new(amount).unwrap()));
    let condition = Condition::Double { negate: false, test };
    let filter = AttributeFilter {
        name: "spend".to_owned(),
        category: None,
        condition,
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

/// The first request with `method` is reset before or after its effect. All later reads fail.
fn lost_response_then_no_reads(method: &str, when: &str, path: &str) -> Value {
    json!([
        {"on": {"method": method, "path_prefix": path}, "fault": {"reset": {"when": when}}},
        {"on": {"method": "GET", "nth": 2}, "times": 500, "fault": {"status": {"code": 500, "when": "before"}}},
    ])
}

fn first_outcome(report: &RunReport) -> &StepOutcome {
    &report.steps.first().unwrap().outcome
}

#[tokio::test]
async fn a_lost_update_that_cannot_be_verified_is_unknown() {
    for when in ["before", "after"] {
        let workspace = TestWorkspace::new(SandboxSettings {
            rate_limits: RateLimitMode::Off,
            ..SandboxSettings::default()
        });
        let first = workspace.plan(&declared(1.0, Lifecycle::Active)).await;
        assert!(workspace.apply(&first).await.is_complete());
        let desired = declared(2.0, Lifecycle::Active);
        let plan = workspace.plan(&desired).await;
        workspace.set_faults(&lost_response_then_no_reads("PATCH", when, "/v3/"));
        let report = workspace.apply(&plan).await;
        assert!(
            matches!(first_outcome(&report), StepOutcome::Unknown { .. }),
            "{when}: {report:?}"
        );

        workspace.set_faults(&json!([]));
        let next = workspace.plan(&desired).await;
        assert!(workspace.apply(&next).await.is_complete());
        assert!(workspace.plan(&desired).await.is_empty(), "{when}");
    }
}

#[tokio::test]
async fn a_lost_archive_is_verified_by_archiving_again() {
    for (when, is_idempotent) in [
        ("before", true),
        ("after", true),
        ("before", false),
        ("after", false),
    ] {
        let workspace = TestWorkspace::new(SandboxSettings {
            rate_limits: RateLimitMode::Off,
            archive_idempotent: is_idempotent,
            ..SandboxSettings::default()
        });
        let first = workspace.plan(&declared(1.0, Lifecycle::Active)).await;
        assert!(workspace.apply(&first).await.is_complete());
        let desired = declared(1.0, Lifecycle::Archived);
        let plan = workspace.plan(&desired).await;
        // A rename in the dashboard does not archive the segment.
        let id = workspace
            .stored_state()
            .managed_entries()
            .next()
            .unwrap()
            .id
            .clone();
        workspace.edit_after_patches(1, &json!({"id": id.as_str(), "name": "B"}));
        workspace.set_faults(&json!([
            {"on": {"method": "PATCH"}, "fault": {"reset": {"when": when}}},
        ]));
        let report = workspace.apply(&plan).await;
        assert!(report.is_complete(), "{when} {is_idempotent}: {report:?}");
        workspace.set_faults(&json!([]));
        assert!(
            workspace.plan(&desired).await.is_empty(),
            "{when} {is_idempotent}"
        );
        assert!(!workspace.observe(&desired).await.segments[&id].listed);
    }
}

#[tokio::test]
async fn every_archive_retry_uses_its_response() {
    for (lost, requests) in [(1, 2), (4, 5), (5, 5)] {
        let workspace = TestWorkspace::new(SandboxSettings {
            rate_limits: RateLimitMode::Off,
            ..SandboxSettings::default()
        });
        let first = workspace.plan(&declared(1.0, Lifecycle::Active)).await;
        assert!(workspace.apply(&first).await.is_complete());
        let desired = declared(1.0, Lifecycle::Archived);
        let plan = workspace.plan(&desired).await;
        let before = workspace.request_log().len();
        workspace.set_faults(&json!([
            {"on": {"method": "PATCH"}, "times": lost, "fault": {"reset": {"when": "after"}}},
        ]));
        let report = workspace.apply(&plan).await;
        let log = workspace.request_log().split_off(before);
        let sent = log
            .iter()
            .filter(|entry| entry.path.ends_with("/archive"))
            .count();
        assert_eq!(
            (sent, report.is_complete()),
            (requests, lost < 5),
            "{lost}: {report:?}"
        );
    }
}

#[tokio::test]
async fn writes_are_retried_with_backoff_during_an_outage() {
    let outage = json!({"status": {"code": 503, "when": "before"}});
    let (active, changed) = (declared(1.0, Lifecycle::Active), declared(2.0, Lifecycle::Active));
    let table = [
        (Vec::new(), &active, "POST"),
        (active.clone(), &changed, "PATCH"),
        (active.clone(), &declared(1.0, Lifecycle::Archived), "PATCH"),
    ];
    for (before, desired, method) in table {
        let workspace = TestWorkspace::new(SandboxSettings {
            rate_limits: RateLimitMode::Off,
            ..SandboxSettings::default()
        });
        assert!(
            workspace
                .apply(&workspace.plan(&before).await)
                .await
                .is_complete()
        );
        let plan = workspace.plan(desired).await;
        let started_at = workspace.now();
        workspace.set_faults(&json!([{"on": {"method": method}, "times": 4, "fault": outage}]));
        let report = workspace.apply(&plan).await;
        assert!(report.is_complete(), "{report:?}");
        // Backoffs of up to 1, 2, 4 and 8 seconds.
        let waited = started_at.duration_until(workspace.now()).as_millis();
        assert!((500..=15_000).contains(&waited), "{waited}");
    }
}

#[tokio::test]
async fn an_archived_segment_of_another_kind_stays_archived_and_blocks_its_name() {
    let workspace = TestWorkspace::new(SandboxSettings {
        rate_limits: RateLimitMode::Off,
        ..SandboxSettings::default()
    });
    let upload = json!({"name": "A", "attribute_name": "email", "attribute_type": "string",
                        "file_url": "file:///nowhere", "expiry_time": 90});
    workspace.send_api_request("POST", "/v2/custom-segments/file-segment", &upload);
    workspace.send_api_request("PATCH", "/v2/custom-segments/archive", &json!({"name": "A"}));
    let desired = declared(1.0, Lifecycle::Active);
    let report = workspace.apply(&workspace.plan(&desired).await).await;
    let StepOutcome::Failed { message } = first_outcome(&report) else {
        panic!("{report:?}")
    };
    assert!(message.contains("FILE_V2"), "{message}");
    let last = workspace.request_log().pop().unwrap();
    assert_eq!(
        (last.path.as_str(), last.status),
        ("/v2/custom-segments/archive", 200)
    );
}

#[tokio::test]
async fn a_confirmed_create_is_applied_even_if_all_later_reads_fail() {
    let workspace = TestWorkspace::new(SandboxSettings {
        rate_limits: RateLimitMode::Off,
        ..SandboxSettings::default()
    });
    let desired = declared(1.0, Lifecycle::Active);
    let plan = workspace.plan(&desired).await;
    workspace.set_faults(&json!([
        {"on": {"method": "GET"}, "times": 500, "fault": {"status": {"code": 500, "when": "before"}}},
    ]));
    let report = workspace.apply(&plan).await;
    assert!(report.is_complete(), "{report:?}");
    workspace.set_faults(&json!([]));
    assert!(workspace.plan(&desired).await.is_empty());
}

#[tokio::test]
async fn a_name_conflict_after_a_duplicated_create_is_unknown() {
    let workspace = TestWorkspace::new(SandboxSettings {
        rate_limits: RateLimitMode::Off,
        ..SandboxSettings::default()
    });
    let desired = declared(1.0, Lifecycle::Active);
    let plan = workspace.plan(&desired).await;
    workspace.set_faults(&json!([
        {"on": {"method": "POST"}, "fault": "replayed_post"},
        {"on": {"method": "GET"}, "fault": {"stale_list": {"missing_last": 1}}},
        {"on": {"method": "GET"}, "times": 500, "fault": {"status": {"code": 500, "when": "before"}}},
    ]));
    let report = workspace.apply(&plan).await;
    assert!(
        matches!(first_outcome(&report), StepOutcome::Unknown { .. }),
        "{report:?}"
    );
    // The intent stays in the state, so the next run verifies the outcome.
    assert_eq!(workspace.stored_state().intents().count(), 1);
}

#[tokio::test]
async fn a_segment_missing_from_a_listing_with_archived_segments_is_still_archived() {
    let workspace = TestWorkspace::new(SandboxSettings {
        rate_limits: RateLimitMode::Off,
        list_includes_archived: true,
        ..SandboxSettings::default()
    });
    let in_use = workspace.plan(&declared(1.0, Lifecycle::Active)).await;
    assert!(workspace.apply(&in_use).await.is_complete());
    workspace.set_faults(&json!([{"on": {"method": "GET"}, "fault": {"stale_list": {"missing_last": 1}}}]));
    let plan = workspace.plan(&declared(1.0, Lifecycle::Archived)).await;
    let actions: Vec<_> = plan.steps.iter().map(|step| step.action.as_str()).collect();
    assert_eq!(actions, ["archive"]);
}

/// The response to the first request with `method` is lost, and listings lack the last write. Later requests get `fault`.
fn lost_response_with_stale_list(method: &str, fault: &Value) -> Value {
    json!([
        {"on": {"method": method}, "fault": {"reset": {"when": "after"}}},
        {"on": {"method": "GET"}, "times": 500, "fault": {"stale_list": {"missing_last": 1}}},
        {"on": {"method": method}, "times": 500, "fault": fault},
    ])
}

#[tokio::test]
async fn a_lost_write_missing_from_a_stale_listing_is_unknown() {
    let limited = json!({"rate_limited": {"reset_in": 1}});
    let table = [
        ("POST", Vec::new(), Lifecycle::Active, &limited),
        // The retry finds that an active segment has the name.
        ("POST", Vec::new(), Lifecycle::Active, &Value::Null),
        (
            "PATCH",
            declared(1.0, Lifecycle::Active),
            Lifecycle::Archived,
            &limited,
        ),
    ];
    for (method, first, lifecycle, fault) in table {
        let workspace = TestWorkspace::new(SandboxSettings {
            rate_limits: RateLimitMode::Off,
            archive_idempotent: false,
            ..SandboxSettings::default()
        });
        assert!(workspace.apply(&workspace.plan(&first).await).await.is_complete());
        let desired = declared(1.0, lifecycle);
        let plan = workspace.plan(&desired).await;
        let mut script = lost_response_with_stale_list(method, fault);
        if fault.is_null() {
            script.as_array_mut().unwrap().pop();
        }
        workspace.set_faults(&script);
        let report = workspace.apply(&plan).await;
        assert!(
            matches!(first_outcome(&report), StepOutcome::Unknown { .. }),
            "{method} {fault}: {report:?}"
        );

        workspace.set_faults(&json!([]));
        let next = workspace.plan(&desired).await;
        assert!(workspace.apply(&next).await.is_complete());
        assert!(workspace.plan(&desired).await.is_empty(), "{method} {fault}");
    }
}
