//! Cohorts and file segments end with exactly the declared members and users, wherever earlier runs were interrupted.

use super::test_workspace::TestWorkspace;
use jiff::SignedDuration;
use proptest::prelude::*;
use segctl::api::{Client, Clock};
use segctl::apply::run_report::{RunReport, StepOutcome};
use segctl::model::{
    Cohort, CohortKey, Contents, DeclaredSegment, FileSegment, Identifier, IdentifierType, Lifecycle,
    ListedKinds, MemberSource, Origin, Policy, PublishLocation, SegmentName, UserChange, UserListSource,
};
use segctl::observe::Refresh;
use segctl::plan::guards::Overrides;
use segctl::plan::step::{Action, Code, Plan};
use segctl::plan::targeting::Selection;
use segctl::publish::FolderPublisher;
use segctl::rate_limit::RateLimits as ClientLimits;
use segctl::reconcile::{PlanRequest, Reconciler};
use segctl::sandbox::{RateLimitMode, SandboxSettings};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Four of these fill a request.
fn uid(number: u8) -> String {
    format!("{number:030000}")
}

pub(crate) fn cohort(members: &BTreeSet<u8>) -> DeclaredSegment {
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
            members: MemberSource::Inline(members.iter().map(|number| uid(*number)).collect()),
        }),
        origin: Origin {
            file: "a.yaml".to_owned(),
            line: 1,
            column: 1,
        },
        reference_origins: BTreeMap::new(),
    }
}

/// A file segment whose list is a file in a folder.
pub(crate) fn upload(folder: &Path, users: &BTreeSet<u8>) -> DeclaredSegment {
    let lines: String = users
        .iter()
        .map(|number| format!("{number}@example.com\n"))
        .collect();
    fs::write(folder.join("a.csv"), lines).unwrap();
    DeclaredSegment {
        contents: Contents::File(FileSegment {
            identifier: Identifier {
                attribute: "email".to_owned(),
                kind: IdentifierType::Text,
            },
            users: UserListSource::Local("a.csv".to_owned()),
            expires_in_days: 90,
            callback_url: None,
            notify: Vec::new(),
        }),
        ..cohort(users)
    }
}

/// The users of the file segment; `None` if there is none.
pub(crate) fn users(workspace: &TestWorkspace) -> Option<BTreeSet<u8>> {
    let state = workspace.sandbox_state();
    let segments = state["segments"].as_object().unwrap();
    let file = segments.values().find(|segment| segment["name"] == "A")?;
    let users = file["contents"]["file"]["users"].as_object().unwrap();
    let number = |user: &String| user.split('@').next().unwrap().parse().unwrap();
    Some(users.keys().map(number).collect())
}

/// The people in the segment that requests below this path change.
fn people_of_kind(workspace: &TestWorkspace, prefix: &str) -> Option<BTreeSet<u8>> {
    if prefix == "/v1/" {
        members(workspace)
    } else {
        users(workspace)
    }
}

pub(crate) fn workspace() -> TestWorkspace {
    TestWorkspace::new(SandboxSettings {
        rate_limits: RateLimitMode::Off,
        ..SandboxSettings::default()
    })
}

/// Plans, and applies unless the plan is blocked.
async fn run(
    workspace: &TestWorkspace,
    declared: Vec<DeclaredSegment>,
    force_upload: bool,
) -> (Plan, Option<RunReport>) {
    run_with_lists(Path::new(""), workspace, declared, force_upload).await
}

/// Like [`run`], with lists in a folder.
async fn run_with_lists(
    folder: &Path,
    workspace: &TestWorkspace,
    declared: Vec<DeclaredSegment>,
    force_upload: bool,
) -> (Plan, Option<RunReport>) {
    let options = segctl::apply::ApplyOptions {
        config_directory: folder.to_owned(),
        publisher: Some(Arc::new(FolderPublisher::at(folder.join("published"), None))),
        ..segctl::apply::ApplyOptions::default()
    };
    run_with_options(options, workspace, declared, force_upload).await
}

/// Like [`run`], with apply options.
pub(crate) async fn run_with_options(
    options: segctl::apply::ApplyOptions,
    workspace: &TestWorkspace,
    declared: Vec<DeclaredSegment>,
    force_upload: bool,
) -> (Plan, Option<RunReport>) {
    let reconciler = Reconciler {
        client: Client::new(workspace.clone(), workspace.clone(), ClientLimits::default(), 1)
            .with_cancellation(options.cancel_token.clone()),
        clock: workspace.clone(),
        store: workspace.store(),
        on_note: Box::new(|_| {}),
    };
    let location = PublishLocation::Folder {
        directory: "published".to_owned(),
        url: None,
    };
    let policy = Policy {
        publish: Some(location),
        api_behavior: options.api_behavior,
        ..Policy::default()
    };
    let request = PlanRequest {
        workspace: "w".to_owned(),
        endpoint: String::new(),
        declared,
        directory: options.config_directory.clone(),
        policy: policy.clone(),
        overrides: Overrides {
            force_upload,
            ..Overrides::default()
        },
        selection: Selection::default(),
        refresh: Refresh::Full,
    };
    let mut read = reconciler.load_workspace(request).await.unwrap();
    let plan = reconciler.plan(&mut read).await.unwrap();
    if plan.is_blocked() {
        return (plan, None);
    }
    let options = segctl::apply::ApplyOptions {
        run_id: workspace.now().to_string(),
        recovered_writes: read.recovered_writes,
        ..options
    };
    let result = reconciler
        .apply(&plan, read.state, &policy, BTreeMap::new(), options, &|_| {})
        .await;
    workspace.finish_uploads();
    (plan, Some(result.report))
}

/// The members of the cohort; `None` if there is none.
fn members(workspace: &TestWorkspace) -> Option<BTreeSet<u8>> {
    let state = workspace.sandbox_state();
    let segments = state["segments"].as_object().unwrap();
    let cohort = segments.values().find(|segment| segment["name"] == "A")?;
    let members = cohort["contents"]["cohort"]["members"].as_array().unwrap();
    let number = |uid: &Value| uid.as_str().unwrap().parse().unwrap();
    Some(members.iter().map(number).collect())
}

/// Added and removed members, and the number of requests.
type ExpectedSync = (u64, u64, usize);

/// The change of users, and how many are added and removed.
type ExpectedUpload = (Option<UserChange>, u64, u64);

fn planned_syncs(plan: &Plan) -> Vec<ExpectedSync> {
    let syncs = plan.steps.iter().filter_map(|step| match &step.action {
        Action::SyncCohort(sync) => Some((sync.added, sync.removed, sync.requests)),
        _ => None,
    });
    syncs.collect()
}

/// A failure of a run: a request fails, or the state cannot be written after so many writes.
#[derive(Clone, Debug)]
enum InjectedFailure {
    None,
    Request(Value),
    StateWrite(usize),
}

fn injected_failure(prefix: &'static str) -> impl Strategy<Value = InjectedFailure> {
    let fault = prop_oneof![
        Just(json!({"reset": {"when": "before"}})),
        Just(json!({"reset": {"when": "after"}})),
        Just(json!({"status": {"code": 500, "when": "after"}})),
        Just(json!({"status": {"code": 503, "when": "before"}})),
        Just(json!({"rate_limited": {"reset_in": 30}})),
    ];
    prop_oneof![
        Just(InjectedFailure::None),
        (1_usize..8, 1_usize..8, fault).prop_map(move |(nth, times, fault)| {
            let on = json!({"path_prefix": prefix, "nth": nth});
            InjectedFailure::Request(json!({"on": on, "times": times, "fault": fault}))
        }),
        (1_usize..8).prop_map(InjectedFailure::StateWrite),
    ]
}

fn inject_failure(workspace: &TestWorkspace, failure: InjectedFailure) {
    match failure {
        InjectedFailure::None => {}
        InjectedFailure::Request(fault) => workspace.set_faults(&json!([fault])),
        InjectedFailure::StateWrite(after) => workspace.fail_state_writes_after(after),
    }
}

fn clear_failures(workspace: &TestWorkspace) {
    workspace.set_faults(&json!([]));
    workspace.allow_state_writes();
}

fn number_set() -> impl Strategy<Value = BTreeSet<u8>> {
    proptest::collection::btree_set(0_u8..24, 1..24)
}

proptest! {
    #![proptest_config(crate::fixed_seeds::config(200))]

    #[test]
    fn users_converge_after_interrupted_runs(
        runs in proptest::collection::vec((number_set(), injected_failure("/v2/")), 0..4),
        desired in number_set(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            let workspace = workspace();
            for (list, failure) in runs {
                inject_failure(&workspace, failure);
                let declared = vec![upload(folder, &list)];
                let (plan, report) = run_with_lists(folder, &workspace, declared, false).await;
                prop_assert!(!plan.is_blocked(), "{:?}", plan.conflicts);
                if report.is_some_and(|report| report.is_complete()) && !plan.is_empty() {
                    prop_assert_eq!(users(&workspace), Some(list));
                }
                clear_failures(&workspace);
            }
            let (_, report) = run_with_lists(folder, &workspace, vec![upload(folder, &desired)], false).await;
            let report = report.unwrap();
            prop_assert!(report.is_complete(), "{report:?}");
            prop_assert_eq!(users(&workspace), Some(desired.clone()));
            let (plan, _) = run_with_lists(folder, &workspace, vec![upload(folder, &desired)], false).await;
            prop_assert!(plan.is_empty() && !plan.is_blocked(), "{plan:?}");
            prop_assert!(workspace.member_list_count() <= 2);
            Ok(())
        })?;
    }

    #[test]
    fn members_converge_after_interrupted_runs(
        runs in proptest::collection::vec((number_set(), injected_failure("/v1/")), 0..4),
        desired in number_set(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let workspace = workspace();
            for (list, failure) in runs {
                inject_failure(&workspace, failure);
                let (plan, report) = run(&workspace, vec![cohort(&list)], false).await;
                prop_assert!(!plan.is_blocked(), "{:?}", plan.conflicts);
                if report.is_some_and(|report| report.is_complete()) && !plan.is_empty() {
                    prop_assert_eq!(members(&workspace), Some(list));
                }
                clear_failures(&workspace);
            }
            let (plan, report) = run(&workspace, vec![cohort(&desired)], false).await;
            let report = report.unwrap();
            prop_assert!(report.is_complete(), "{report:?} of {:?}", planned_syncs(&plan));
            prop_assert_eq!(members(&workspace), Some(desired.clone()));
            let (plan, _) = run(&workspace, vec![cohort(&desired)], false).await;
            prop_assert!(plan.is_empty() && !plan.is_blocked(), "{:?}", planned_syncs(&plan));
            // Member lists that are no longer needed are deleted.
            prop_assert_eq!(workspace.member_list_count(), 1);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn only_changed_members_are_sent() {
    let workspace = workspace();
    let table: [(&[u8], ExpectedSync); 5] = [
        (&[1, 2, 3], (3, 0, 1)),
        (&[1, 2, 3, 4], (1, 0, 1)),
        (&[2, 3, 4], (0, 1, 1)),
        (&[2, 3, 5], (1, 1, 2)),
        (&[10, 11, 12, 13, 14, 15], (6, 3, 3)),
    ];
    for (list, desired) in table {
        let list: BTreeSet<u8> = list.iter().copied().collect();
        let (plan, report) = run(&workspace, vec![cohort(&list)], false).await;
        assert_eq!(planned_syncs(&plan), [desired]);
        assert!(report.unwrap().is_complete());
        assert_eq!(members(&workspace), Some(list.clone()));
        let (again, _) = run(&workspace, vec![cohort(&list)], false).await;
        assert!(again.is_empty());
    }
}

#[tokio::test]
async fn a_lost_state_makes_members_unknown_until_a_forced_upload() {
    let workspace = workspace();
    let list = |numbers: &[u8]| numbers.iter().copied().collect::<BTreeSet<u8>>();
    run(&workspace, vec![cohort(&list(&[1, 2]))], false).await;
    workspace.lose_state();
    let (plan, report) = run(&workspace, vec![cohort(&list(&[2, 3]))], false).await;
    assert!(report.is_none());
    assert!(
        matches!(plan.conflicts.as_slice(), [conflict] if conflict.code == Code::MembersUnknown),
        "{plan:?}"
    );
    let (plan, report) = run(&workspace, vec![cohort(&list(&[2, 3]))], true).await;
    assert_eq!(planned_syncs(&plan), [(2, 0, 1)]);
    assert!(report.unwrap().is_complete());
    // segctl cannot remove a member that it does not know.
    assert_eq!(members(&workspace), Some(list(&[1, 2, 3])));
    let (plan, _) = run(&workspace, vec![cohort(&list(&[2, 3]))], false).await;
    assert!(plan.is_empty() && !plan.is_blocked(), "{plan:?}");
}

#[tokio::test]
async fn a_cohort_name_dropped_by_the_api_is_not_a_success_where_lists_show_cohorts() {
    for setting in [Some(ListedKinds::All), None] {
        a_dropped_cohort_name_is_reported(setting).await;
    }
}

/// If a list may hide cohorts, the answer is the only result, and a note explains what it does not show.
async fn a_dropped_cohort_name_is_reported(setting: Option<ListedKinds>) {
    let workspace = workspace();
    let mut options = segctl::apply::ApplyOptions::default();
    options.api_behavior.list_shows = setting;
    let filter = json!({"filter_type": "user_attributes", "name": "spend", "data_type": "double",
                        "operator": "greaterThan", "value": 1, "negate": false});
    workspace.edit_in_dashboard(
        &json!({"name": "A", "included_filters": {"filter_operator": "and", "filters": [filter]}}),
    );
    workspace.send_api_request("PATCH", "/v2/custom-segments/archive", &json!({"name": "A"}));
    let (_, report) = run_with_options(options, &workspace, vec![cohort(&[1].into())], false).await;
    let report = report.unwrap();
    let outcome = &report.steps.first().unwrap().outcome;
    let is_expected = match (setting, outcome) {
        (Some(_), StepOutcome::Unknown { message }) => message.contains("drops"),
        (None, StepOutcome::Applied { notes, .. }) => notes.iter().any(|note| note.contains("drops")),
        _ => false,
    };
    assert!(is_expected, "{report:?}");
}

/// The user list uploads of a plan.
fn planned_uploads(plan: &Plan) -> Vec<(Option<UserChange>, Option<u64>, Option<u64>)> {
    let uploads = plan.steps.iter().filter_map(|step| match &step.action {
        Action::UploadUserList(upload) => Some((upload.change, upload.added, upload.removed)),
        _ => None,
    });
    uploads.collect()
}

#[tokio::test]
async fn a_list_is_uploaded_with_the_cheapest_request() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let table: [(&[u8], ExpectedUpload); 5] = [
        (&[1, 2, 3], (None, 3, 0)),
        (&[1, 2, 3, 4], (Some(UserChange::Add), 1, 0)),
        (&[2, 3, 4], (Some(UserChange::Remove), 0, 1)),
        (&[2, 3, 5], (Some(UserChange::Replace), 1, 1)),
        (&[7], (Some(UserChange::Replace), 1, 3)),
    ];
    for (list, (change, added, removed)) in table {
        let list: BTreeSet<u8> = list.iter().copied().collect();
        let (plan, report) = run_with_lists(folder, &workspace, vec![upload(folder, &list)], false).await;
        assert_eq!(planned_uploads(&plan), [(change, Some(added), Some(removed))]);
        assert!(report.unwrap().is_complete());
        assert_eq!(users(&workspace), Some(list.clone()));
        let (again, _) = run_with_lists(folder, &workspace, vec![upload(folder, &list)], false).await;
        assert!(again.is_empty());
    }
}

/// MoEngage drops the users of a segment that is archived for a month. A shorter archive keeps them.
#[tokio::test]
async fn users_are_uploaded_again_if_the_segment_was_archived_for_a_month() {
    for (days, is_lost) in [(28, false), (31, true)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let workspace = workspace();
        let list: BTreeSet<u8> = [1, 2].into();
        let active = || upload(folder, &list);
        let archived = || DeclaredSegment {
            lifecycle: Lifecycle::Archived,
            ..active()
        };
        run_with_lists(folder, &workspace, vec![active()], false).await;
        let (plan, _) = run_with_lists(folder, &workspace, vec![archived()], false).await;
        assert!(
            matches!(plan.warnings.as_slice(), [warning] if warning.code == Code::UsersLost),
            "{plan:?}"
        );
        workspace.advance(SignedDuration::from_hours(24 * days));
        let (plan, report) = run_with_lists(folder, &workspace, vec![active()], false).await;
        let desired = [(Some(UserChange::Replace), Some(2), Some(0))];
        assert_eq!(
            planned_uploads(&plan),
            desired.get(..usize::from(is_lost)).unwrap()
        );
        assert!(report.unwrap().is_complete());
        assert_eq!(users(&workspace), Some(list.clone()));
        let (again, _) = run_with_lists(folder, &workspace, vec![active()], false).await;
        assert!(again.is_empty());
    }
}

/// If a run is interrupted after it unarchived a segment without users, a later run uploads them.
#[tokio::test]
async fn lost_users_are_uploaded_again_after_an_interrupted_unarchive() {
    let mut ended_early = 0;
    for writes in 0..8 {
        for is_unarchived_manually in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            let workspace = workspace();
            let list: BTreeSet<u8> = [1, 2].into();
            let active = || upload(folder, &list);
            run_with_lists(folder, &workspace, vec![active()], false).await;
            let archived = DeclaredSegment {
                lifecycle: Lifecycle::Archived,
                ..active()
            };
            run_with_lists(folder, &workspace, vec![archived], false).await;
            workspace.advance(SignedDuration::from_hours(24 * 31));
            if is_unarchived_manually {
                workspace.send_api_request("PATCH", "/v2/custom-segments/unarchive", &json!({"name": "A"}));
            }
            workspace.fail_state_writes_after(writes);
            let (_, report) = run_with_lists(folder, &workspace, vec![active()], false).await;
            ended_early += usize::from(!report.unwrap().is_complete());
            workspace.allow_state_writes();
            for _ in 0..2 {
                run_with_lists(folder, &workspace, vec![active()], false).await;
            }
            assert_eq!(
                users(&workspace),
                Some(list.clone()),
                "{writes} {is_unarchived_manually}"
            );
            let (again, _) = run_with_lists(folder, &workspace, vec![active()], false).await;
            assert!(again.is_empty() && !again.is_blocked());
        }
    }
    assert!(ended_early > 4, "{ended_early}");
}

#[tokio::test]
async fn a_lost_member_list_is_uploaded_in_full_when_forced() {
    let workspace = workspace();
    let list = |numbers: &[u8]| numbers.iter().copied().collect::<BTreeSet<u8>>();
    run(&workspace, vec![cohort(&list(&[1, 2]))], false).await;
    workspace.lose_member_lists();
    let (plan, _) = run(&workspace, vec![cohort(&list(&[2, 3]))], false).await;
    assert!(
        matches!(plan.conflicts.as_slice(), [conflict] if conflict.code == Code::MembersUnknown),
        "{:?}",
        plan.conflicts
    );
    let (plan, report) = run(&workspace, vec![cohort(&list(&[2, 3]))], true).await;
    assert_eq!(planned_syncs(&plan), [(2, 0, 1)]);
    assert!(report.unwrap().is_complete());
    let (plan, _) = run(&workspace, vec![cohort(&list(&[2, 3]))], false).await;
    assert!(plan.is_empty() && !plan.is_blocked());
}

/// A list stays published for a day. The first upload after that removes it.
#[tokio::test]
async fn published_lists_are_removed_after_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let published = || fs::read_dir(folder.join("published")).unwrap().count();
    for (hours, numbers, left) in [(0, vec![1], 1), (23, vec![2], 2), (2, vec![3], 2)] {
        workspace.advance(SignedDuration::from_hours(hours));
        let list: BTreeSet<u8> = numbers.into_iter().collect();
        let (_, report) = run_with_lists(folder, &workspace, vec![upload(folder, &list)], false).await;
        assert!(report.unwrap().is_complete());
        assert_eq!((published(), users(&workspace)), (left, Some(list)));
    }
}

/// A lost request may arrive after its run. The next request for the segment waits until it cannot arrive any more.
#[tokio::test]
async fn a_write_after_a_lost_request_waits_until_it_can_no_longer_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let list = |number: u8| BTreeSet::from([number]);
    let cases: [(&str, &dyn Fn(u8) -> DeclaredSegment); 2] = [
        ("/v1/", &|number| cohort(&list(number))),
        ("/v2/", &|number| upload(folder, &list(number))),
    ];
    for (prefix, declared) in cases {
        let workspace = workspace();
        run_with_lists(folder, &workspace, vec![declared(1)], false).await;
        let fault =
            json!({"on": {"path_prefix": prefix}, "times": 50, "fault": {"reset": {"when": "before"}}});
        workspace.set_faults(&json!([fault]));
        let (_, report) = run_with_lists(folder, &workspace, vec![declared(2)], false).await;
        let outcome = &report.unwrap().steps.first().unwrap().outcome.clone();
        assert!(matches!(outcome, StepOutcome::Unknown { .. }), "{outcome:?}");
        workspace.set_faults(&json!([]));
        let lost_at = workspace.now();
        let (_, report) = run_with_lists(folder, &workspace, vec![declared(3)], false).await;
        assert!(report.unwrap().is_complete());
        let waited = lost_at.duration_until(workspace.now());
        assert!(waited >= SignedDuration::from_mins(4), "{prefix} {waited}");
        let found = people_of_kind(&workspace, prefix);
        assert_eq!(found, Some(list(3)));
        // A request with a response needs no wait.
        let before = workspace.now();
        run_with_lists(folder, &workspace, vec![declared(4)], false).await;
        assert!(before.duration_until(workspace.now()) < SignedDuration::from_mins(1));
    }
}

#[tokio::test]
async fn fixed_upload_fields_produce_an_expiry_warning_and_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let expiring_in = |days: u32| {
        let mut declared = upload(folder, &[1, 2].into());
        if let Contents::File(upload) = &mut declared.contents {
            upload.expires_in_days = days;
        }
        vec![declared]
    };
    run_with_lists(folder, &workspace, expiring_in(30), false).await;
    workspace.advance(SignedDuration::from_hours(24 * 20));
    let (plan, _) = run_with_lists(folder, &workspace, expiring_in(30), false).await;
    assert!(plan.is_empty());
    assert!(
        matches!(plan.warnings.as_slice(), [warning]
            if warning.code == Code::Expires && warning.message.contains(" expires on ")),
        "{plan:?}"
    );
    let (plan, _) = run_with_lists(folder, &workspace, expiring_in(90), false).await;
    assert!(
        matches!(plan.conflicts.as_slice(), [conflict] if conflict.code == Code::FixedAtUpload),
        "{plan:?}"
    );
}

#[tokio::test]
async fn a_plan_that_removes_too_many_members_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let list = |range: std::ops::Range<u8>| vec![upload(folder, &range.collect())];
    let violation = |plan: &Plan| match plan.guard_violations.as_slice() {
        [] => None,
        [violation] if violation.code == Code::GuardMembers => {
            let mut words = violation.message.strip_prefix("would remove ")?.split(' ');
            let (removed, total) = (words.next()?, words.nth(1)?);
            Some((removed.parse::<u64>().unwrap(), total.parse::<u64>().unwrap()))
        }
        other => panic!("{other:?}"),
    };
    run_with_lists(folder, &workspace, list(0..100), false).await;
    let (plan, report) = run_with_lists(folder, &workspace, list(0..69), false).await;
    assert_eq!((violation(&plan), report.is_none()), (Some((31, 100)), true));
    let (plan, report) = run_with_lists(folder, &workspace, list(0..70), false).await;
    assert_eq!(violation(&plan), None);
    assert!(report.unwrap().is_complete());
    // A list of fewer than 100 members is not guarded.
    let (plan, _) = run_with_lists(folder, &workspace, list(0..1), false).await;
    assert_eq!(violation(&plan), None);
    // Members of a request without an answer count.
    let list = |range: std::ops::Range<u8>| vec![cohort(&range.collect())];
    let workspace = self::workspace();
    run(&workspace, list(0..100), false).await;
    let fault = json!({"on": {"path_prefix": "/v1/"}, "times": 50, "fault": {"reset": {"when": "before"}}});
    workspace.set_faults(&json!([fault]));
    run(&workspace, list(0..104), false).await;
    workspace.set_faults(&json!([]));
    let (plan, _) = run(&workspace, list(0..60), false).await;
    assert_eq!(violation(&plan), Some((44, 104)));
}
