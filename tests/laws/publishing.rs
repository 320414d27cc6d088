//! Publishing a list takes time, and fails before or after the upload request.

use super::member_lists::{cohort, run_with_options, upload, users, workspace};
use super::test_workspace::TestWorkspace;
use futures_util::future::{BoxFuture, FutureExt, ready};
use jiff::SignedDuration;
use segctl::api::{CancelHandle, CancelToken};
use segctl::apply::run_report::StepOutcome;
use segctl::apply::{ApplyOptions, CallbackOptions};
use segctl::member_list::SortedValues;
use segctl::model::{
    Contents, DeclaredSegment, Lifecycle, ListDigest, UploadCounts, UploadResult, UserListSource,
};
use segctl::publish::{FolderPublisher, Publisher};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::{fmt, fs, io};

/// Runs after a list was published. Its argument is the number of earlier publications.
type OnPublished = dyn Fn(usize) -> io::Result<()> + Send + Sync;

/// A folder publisher that runs a hook after each publication.
struct HookedFolderPublisher {
    folder: FolderPublisher,
    publish_count: AtomicUsize,
    on_published: Box<OnPublished>,
}

impl fmt::Debug for HookedFolderPublisher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.folder.fmt(formatter)
    }
}

impl Publisher for HookedFolderPublisher {
    fn publish<'a>(
        &'a self,
        name: &'a ListDigest,
        list: &'a mut (dyn SortedValues + Send),
    ) -> BoxFuture<'a, io::Result<String>> {
        async move {
            let address = self.folder.publish(name, list).await?;
            (self.on_published)(self.publish_count.fetch_add(1, Ordering::Relaxed))?;
            Ok(address)
        }
        .boxed()
    }

    fn unpublish<'a>(&'a self, name: &'a ListDigest) -> BoxFuture<'a, io::Result<()>> {
        ready(self.folder.unpublish(name).now_or_never().unwrap()).boxed()
    }
}

/// Applies, and runs a hook after each publication.
async fn apply_and_publish(
    folder: &Path,
    workspace: &TestWorkspace,
    (declared, on_published): (DeclaredSegment, Box<OnPublished>),
) -> StepOutcome {
    apply_and_publish_until(
        (folder, workspace),
        (declared, on_published),
        CancelToken::never(),
    )
    .await
}

async fn apply_and_publish_until(
    (folder, workspace): (&Path, &TestWorkspace),
    (declared, on_published): (DeclaredSegment, Box<OnPublished>),
    cancel_token: CancelToken,
) -> StepOutcome {
    let publisher = HookedFolderPublisher {
        folder: FolderPublisher::at(folder.join("published"), None),
        publish_count: AtomicUsize::new(0),
        on_published,
    };
    let options = ApplyOptions {
        config_directory: folder.to_owned(),
        publisher: Some(Arc::new(publisher)),
        cancel_token,
        ..ApplyOptions::default()
    };
    let (_, report) = run_with_options(options, workspace, vec![declared], false).await;
    report.unwrap().steps.first().unwrap().outcome.clone()
}

fn no_hook() -> Box<OnPublished> {
    Box::new(|_| Ok(()))
}

fn fails_from(first: usize) -> Box<OnPublished> {
    Box::new(move |before| {
        if before < first {
            return Ok(());
        }
        Err(io::Error::other("the folder is not writable"))
    })
}

fn single_user(number: u8) -> BTreeSet<u8> {
    BTreeSet::from([number])
}

fn published_file_count(folder: &Path) -> usize {
    fs::read_dir(folder.join("published")).unwrap().count()
}

#[tokio::test]
async fn a_lock_lost_during_publishing_prevents_the_upload_request() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let lost = Mutex::new(workspace.clone());
    let loses_lock: Box<OnPublished> = Box::new(move |_| {
        lost.lock().unwrap().fail_state_writes();
        Ok(())
    });
    let outcome = apply_and_publish(folder, &workspace, (upload(folder, &single_user(1)), loses_lock)).await;
    assert!(matches!(outcome, StepOutcome::Failed { .. }), "{outcome:?}");
    let was_sent = workspace
        .request_log()
        .iter()
        .any(|entry| entry.path.contains("/file-segment"));
    assert!(!was_sent);
}

#[tokio::test]
async fn a_lost_upload_whose_list_cannot_be_republished_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let fault = json!({"on": {"path_prefix": "/v2/"}, "times": 1, "fault": {"reset": {"when": "after"}}});
    workspace.set_faults(&json!([fault]));
    let outcome = apply_and_publish(
        folder,
        &workspace,
        (upload(folder, &single_user(1)), fails_from(1)),
    )
    .await;
    assert!(matches!(outcome, StepOutcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn lists_of_failed_uploads_are_removed_after_a_day() {
    let lost = json!([{"on": {"path_prefix": "/v2/"}, "times": 50, "fault": {"reset": {"when": "before"}}}]);
    // In the first case publishing reports an error after it succeeded; in the second the upload requests are lost.
    for (faults, on_published) in [(json!([]), fails_from(0)), (lost, no_hook())] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let workspace = workspace();
        workspace.set_faults(&faults);
        let outcome = apply_and_publish(
            folder,
            &workspace,
            (upload(folder, &single_user(1)), on_published),
        )
        .await;
        assert!(!outcome.is_done(), "{outcome:?}");
        workspace.set_faults(&json!([]));
        assert_eq!(published_file_count(folder), 1);
        for (hours, left) in [(23, 1), (2, 0)] {
            workspace.advance(SignedDuration::from_hours(hours));
            let outcome = apply_and_publish(
                folder,
                &workspace,
                (cohort(&single_user(u8::try_from(hours).unwrap())), no_hook()),
            )
            .await;
            assert!(outcome.is_done(), "{outcome:?}");
            assert_eq!(published_file_count(folder), left, "{hours}");
        }
    }
}

#[tokio::test]
async fn a_hidden_name_conflict_is_reported_after_a_lost_upload() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let fault = json!({"on": {"path_prefix": "/v2/"}, "times": 50, "fault": {"reset": {"when": "before"}}});
    workspace.set_faults(&json!([fault]));
    let outcome = apply_and_publish(folder, &workspace, (upload(folder, &single_user(1)), no_hook())).await;
    assert!(matches!(outcome, StepOutcome::Unknown { .. }), "{outcome:?}");
    workspace.set_faults(&json!([]));
    let filters = json!({"filter_operator": "and", "filters": []});
    workspace.edit_in_dashboard(&json!({"name": "A", "included_filters": filters, "archived": true}));
    let outcome = apply_and_publish(folder, &workspace, (upload(folder, &single_user(1)), no_hook())).await;
    let StepOutcome::Failed { message } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        message.contains("the segment with this name is not listed"),
        "{message}"
    );
}

#[tokio::test]
async fn a_lost_upload_of_a_cancelled_run_makes_users_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let outcome = apply_and_publish(folder, &workspace, (upload(folder, &single_user(1)), no_hook())).await;
    assert!(outcome.is_done(), "{outcome:?}");
    let fault = json!({"on": {"path_prefix": "/v2/"}, "times": 1, "fault": {"reset": {"when": "after"}}});
    workspace.set_faults(&json!([fault]));
    let (cancel_handle, cancel_token) = CancelHandle::new();
    let stops: Box<OnPublished> = Box::new(move |_| {
        cancel_handle.cancel();
        Ok(())
    });
    let outcome = apply_and_publish_until(
        (folder, &workspace),
        (upload(folder, &single_user(2)), stops),
        cancel_token,
    )
    .await;
    assert!(matches!(outcome, StepOutcome::Unknown { .. }), "{outcome:?}");
    workspace.set_faults(&json!([]));
    // The earlier list is sent again, although it was the last one that the state recorded.
    let outcome = apply_and_publish(folder, &workspace, (upload(folder, &single_user(1)), no_hook())).await;
    assert!(outcome.is_done(), "{outcome:?}");
    assert_eq!(users(&workspace), Some(single_user(1)));
}

#[tokio::test]
async fn no_list_is_unpublished_without_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let outcome = apply_and_publish(folder, &workspace, (upload(folder, &single_user(1)), no_hook())).await;
    assert!(outcome.is_done(), "{outcome:?}");
    workspace.advance(SignedDuration::from_hours(25));
    let lost = Mutex::new(workspace.clone());
    let loses_lock: Box<OnPublished> = Box::new(move |_| {
        lost.lock().unwrap().fail_state_writes();
        Ok(())
    });
    let outcome = apply_and_publish(folder, &workspace, (upload(folder, &single_user(2)), loses_lock)).await;
    assert!(matches!(outcome, StepOutcome::Failed { .. }), "{outcome:?}");
    // The process that holds the lock now may have published the first list again.
    assert_eq!(published_file_count(folder), 2);
}

/// The first delivery of a duplicated request creates the segment; the run gets a name conflict.
#[tokio::test]
async fn a_create_that_may_have_been_duplicated_counts_as_written() {
    let duplicated = json!({"on": {"path_prefix": "/v2/"}, "times": 1, "fault": "replayed_post"});
    let stale = json!({"on": {"method": "GET"}, "times": 1, "fault": {"stale_list": {"missing_last": 1}}});
    for faults in [json!([duplicated]), json!([duplicated, stale])] {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace();
        let mut declared = upload(folder.path(), &single_user(1));
        if let Contents::File(upload) = &mut declared.contents {
            upload.users = UserListSource::Published {
                url: "https://example.com/users.csv".to_owned(),
                sha256: "00".repeat(32),
            };
        }
        let plan = workspace.plan(&[declared]).await;
        workspace.set_faults(&faults);
        let result = workspace.apply_with_result(&plan).await;
        let outcome = &result.report.steps.first().unwrap().outcome;
        assert!(matches!(outcome, StepOutcome::Failed { .. }), "{outcome:?}");
        assert!(result.has_written, "{faults}");
    }
}

/// The request of an earlier run was lost, this one arrives twice, and the state cannot be written any more.
#[tokio::test]
async fn a_duplicated_create_after_a_lost_one_never_counts_as_failed() {
    for state_writes in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let workspace = workspace();
        let to_uploads = |fault: Value| json!([{"on": {"path_prefix": "/v2/"}, "times": 1, "fault": fault}]);
        workspace.set_faults(&to_uploads(json!({"reset": {"when": "before"}})));
        let users = single_user(1);
        let first = apply_and_publish(folder, &workspace, (upload(folder, &users), fails_from(1))).await;
        assert!(matches!(first, StepOutcome::Unknown { .. }), "{first:?}");
        workspace.set_faults(&to_uploads(json!("replayed_post")));
        let failing = Mutex::new(workspace.clone());
        let on_published: Box<OnPublished> = Box::new(move |before| {
            if before == 0 {
                failing.lock().unwrap().fail_state_writes_after(state_writes);
            }
            Ok(())
        });
        let second = apply_and_publish(folder, &workspace, (upload(folder, &users), on_published)).await;
        let exists = workspace.sandbox_state()["segments"].as_object().unwrap().len() == 1;
        let has_failed = matches!(second, StepOutcome::Failed { .. });
        assert!(!exists || !has_failed, "{state_writes}: {second:?}");
        assert!(exists || state_writes == 0, "{state_writes}: {second:?}");
    }
}

/// If the first request of a step is lost, both requests may read the same list. The result of one does not cover the other.
#[tokio::test]
async fn a_list_that_a_lost_upload_may_still_read_stays_published() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    for (fault, left) in [
        (json!([]), 0),
        (
            json!([{"on": {"method": "PUT"}, "times": 1, "fault": {"reset": {"when": "after"}}}]),
            1,
        ),
    ] {
        let apply = async |users: &BTreeSet<u8>| {
            let options = ApplyOptions {
                config_directory: folder.to_owned(),
                publisher: Some(Arc::new(FolderPublisher::at(folder.join("published"), None))),
                callbacks: Some(CallbackOptions {
                    base_url: "https://hooks.example.com/secret".to_owned().into(),
                    timeout: None,
                    nonce: [7; 16],
                }),
                ..ApplyOptions::default()
            };
            drop(run_with_options(options, &workspace, vec![upload(folder, users)], false).await);
            let state = workspace.stored_state();
            let latest = state
                .all_entries()
                .find_map(|entry| entry.upload_state.as_ref()?.pending.last().cloned());
            if let Some(upload) = latest {
                let result = UploadResult::Processed(UploadCounts::default());
                workspace.store().save_callback(&upload, &result).await.unwrap();
            }
        };
        apply(&single_user(1)).await;
        workspace.set_faults(&fault);
        apply(&single_user(2)).await;
        workspace.set_faults(&json!([]));
        // This run reads the upload result, and unpublishes lists that the service does not read again.
        apply(&single_user(2)).await;
        assert!(published_file_count(folder) > left, "{fault}");
        workspace.advance(SignedDuration::from_hours(1));
        apply(&single_user(2)).await;
        assert_eq!(published_file_count(folder), left, "{fault}");
    }
}

/// MoEngage dropped the users while the segment was archived. A failed publication must not hide that.
#[tokio::test]
async fn an_unarchived_segment_without_users_gets_its_list_uploaded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let declared = || upload(folder, &single_user(1));
    let archived = DeclaredSegment {
        lifecycle: Lifecycle::Archived,
        ..declared()
    };
    for declared in [declared(), archived] {
        let outcome = apply_and_publish(folder, &workspace, (declared, no_hook())).await;
        assert!(outcome.is_done(), "{outcome:?}");
    }
    workspace.advance(SignedDuration::from_hours(24 * 40));
    drop(apply_and_publish(folder, &workspace, (declared(), fails_from(0))).await);
    let outcome = apply_and_publish(folder, &workspace, (declared(), no_hook())).await;
    assert!(outcome.is_done(), "{outcome:?}");
    assert_eq!(users(&workspace), Some(single_user(1)));
}
