//! Publishing a list takes its time and fails, before or after the service was told of it.

use super::members::{cohort, run_with, upload, users, workspace};
use super::workspace::Workspace;
use futures_util::future::{BoxFuture, FutureExt, ready};
use jiff::SignedDuration;
use segctl::api::{CancelToken, CancelHandle};
use segctl::apply::receipt::StepOutcome;
use segctl::apply::{CallbackOptions, ApplyOptions};
use segctl::ledger::StateStore;
use segctl::members::SortedValues;
use segctl::model::{UploadResult, Contents, DeclaredSegment, Lifecycle, ListDigest, UploadCounts, UserListSource};
use segctl::publish::{FolderPublisher, Publisher};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::{fmt, fs, io};

/// What happens when a list is published, by how many were before.
type Then = dyn Fn(usize) -> io::Result<()> + Send + Sync;

/// A folder where something happens once a list is in it.
struct Eventful {
    folder: FolderPublisher,
    published: AtomicUsize,
    then: Box<Then>,
}

impl fmt::Debug for Eventful {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.folder.fmt(formatter)
    }
}

impl Publisher for Eventful {
    fn publish<'a>(
        &'a self,
        name: &'a ListDigest,
        list: &'a mut (dyn SortedValues + Send),
    ) -> BoxFuture<'a, io::Result<String>> {
        async move {
            let address = self.folder.publish(name, list).await?;
            (self.then)(self.published.fetch_add(1, Ordering::Relaxed))?;
            Ok(address)
        }
        .boxed()
    }

    fn unpublish<'a>(&'a self, name: &'a ListDigest) -> BoxFuture<'a, io::Result<()>> {
        ready(self.folder.unpublish(name).now_or_never().unwrap()).boxed()
    }
}

/// Applies what is declared, and has something happen when a list was published.
async fn run(
    folder: &Path,
    workspace: &Workspace,
    (declared, then): (DeclaredSegment, Box<Then>),
) -> StepOutcome {
    run_until((folder, workspace), (declared, then), CancelToken::never()).await
}

/// As [`run`], as long as nobody wants it to stop.
async fn run_until(
    (folder, workspace): (&Path, &Workspace),
    (declared, then): (DeclaredSegment, Box<Then>),
    stop: CancelToken,
) -> StepOutcome {
    let publisher = Eventful {
        folder: FolderPublisher::at(folder.join("published"), None),
        published: AtomicUsize::new(0),
        then,
    };
    let settings = ApplyOptions {
        config_directory: folder.to_owned(),
        publisher: Some(Arc::new(publisher)),
        cancel_token: stop,
        ..ApplyOptions::default()
    };
    let (_, receipt) = run_with(settings, workspace, vec![declared], false).await;
    receipt.unwrap().steps.first().unwrap().outcome.clone()
}

fn nothing() -> Box<Then> {
    Box::new(|_| Ok(()))
}

fn fails_from(first: usize) -> Box<Then> {
    Box::new(move |before| {
        if before < first {
            return Ok(());
        }
        Err(io::Error::other("the place is out of order"))
    })
}

fn list(number: u8) -> BTreeSet<u8> {
    BTreeSet::from([number])
}

fn published(folder: &Path) -> usize {
    fs::read_dir(folder.join("published")).unwrap().count()
}

#[tokio::test]
async fn a_lock_that_is_lost_while_a_list_is_published_is_missed_before_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let lost = Mutex::new(workspace.clone());
    let loses_lock: Box<Then> = Box::new(move |_| {
        lost.lock().unwrap().lock_ledger();
        Ok(())
    });
    let outcome = run(folder, &workspace, (upload(folder, &list(1)), loses_lock)).await;
    assert!(matches!(outcome, StepOutcome::Failed { .. }), "{outcome:?}");
    let is_told = workspace
        .log()
        .iter()
        .any(|call| call.path.contains("/file-segment"));
    assert!(!is_told);
}

#[tokio::test]
async fn a_list_that_cannot_be_published_again_leaves_open_what_the_lost_call_did() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let fault = json!({"on": {"path_prefix": "/v2/"}, "times": 1, "fault": {"reset": {"when": "after"}}});
    workspace.set_faults(&json!([fault]));
    let outcome = run(folder, &workspace, (upload(folder, &list(1)), fails_from(1))).await;
    assert!(matches!(outcome, StepOutcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn what_was_published_for_nothing_goes_a_day_later() {
    let lost = json!([{"on": {"path_prefix": "/v2/"}, "times": 50, "fault": {"reset": {"when": "before"}}}]);
    // It was published and said not to be; and nobody knows what became of the call about it.
    for (faults, then) in [(json!([]), fails_from(0)), (lost, nothing())] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let workspace = workspace();
        workspace.set_faults(&faults);
        let outcome = run(folder, &workspace, (upload(folder, &list(1)), then)).await;
        assert!(!outcome.is_done(), "{outcome:?}");
        workspace.set_faults(&json!([]));
        assert_eq!(published(folder), 1);
        for (hours, left) in [(23, 1), (2, 0)] {
            workspace.advance(SignedDuration::from_hours(hours));
            let outcome = run(
                folder,
                &workspace,
                (cohort(&list(u8::try_from(hours).unwrap())), nothing()),
            )
            .await;
            assert!(outcome.is_done(), "{outcome:?}");
            assert_eq!(published(folder), left, "{hours}");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_taken_unseen_is_told_of_although_a_call_before_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let fault = json!({"on": {"path_prefix": "/v2/"}, "times": 50, "fault": {"reset": {"when": "before"}}});
    workspace.set_faults(&json!([fault]));
    let outcome = run(folder, &workspace, (upload(folder, &list(1)), nothing())).await;
    assert!(matches!(outcome, StepOutcome::Unknown { .. }), "{outcome:?}");
    workspace.set_faults(&json!([]));
    let filters = json!({"filter_operator": "and", "filters": []});
    workspace.by_hand(&json!({"name": "A", "included_filters": filters, "archived": true}));
    let outcome = run(folder, &workspace, (upload(folder, &list(1)), nothing())).await;
    let StepOutcome::Failed { message } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(message.contains("archived and not listed"), "{message}");
}

#[tokio::test]
async fn after_a_call_that_was_lost_when_the_run_was_stopped_nobody_is_taken_to_be_known() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let outcome = run(folder, &workspace, (upload(folder, &list(1)), nothing())).await;
    assert!(outcome.is_done(), "{outcome:?}");
    let fault = json!({"on": {"path_prefix": "/v2/"}, "times": 1, "fault": {"reset": {"when": "after"}}});
    workspace.set_faults(&json!([fault]));
    let (stopper, stop) = CancelHandle::new();
    let stops: Box<Then> = Box::new(move |_| {
        stopper.cancel();
        Ok(())
    });
    let outcome = run_until((folder, &workspace), (upload(folder, &list(2)), stops), stop).await;
    assert!(matches!(outcome, StepOutcome::Unknown { .. }), "{outcome:?}");
    workspace.set_faults(&json!([]));
    // The list that it had before is sent again, although that is what the ledger knew last.
    let outcome = run(folder, &workspace, (upload(folder, &list(1)), nothing())).await;
    assert!(outcome.is_done(), "{outcome:?}");
    assert_eq!(users(&workspace), Some(list(1)));
}

#[tokio::test]
async fn nothing_is_withdrawn_without_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let outcome = run(folder, &workspace, (upload(folder, &list(1)), nothing())).await;
    assert!(outcome.is_done(), "{outcome:?}");
    workspace.advance(SignedDuration::from_hours(25));
    let lost = Mutex::new(workspace.clone());
    let loses_lock: Box<Then> = Box::new(move |_| {
        lost.lock().unwrap().lock_ledger();
        Ok(())
    });
    let outcome = run(folder, &workspace, (upload(folder, &list(2)), loses_lock)).await;
    assert!(matches!(outcome, StepOutcome::Failed { .. }), "{outcome:?}");
    // Whoever has the lock by now may have published the first list again.
    assert_eq!(published(folder), 2);
}

/// The first delivery of a doubled call made the segment, and what is heard is that the name is taken.
#[tokio::test]
async fn a_call_that_may_have_been_doubled_may_have_written() {
    let doubled = json!({"on": {"path_prefix": "/v2/"}, "times": 1, "fault": "replayed_post"});
    let lagging = json!({"on": {"method": "GET"}, "times": 1, "fault": {"stale_list": {"missing_last": 1}}});
    for faults in [json!([doubled]), json!([doubled, lagging])] {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace();
        let mut declared = upload(folder.path(), &list(1));
        if let Contents::File(upload) = &mut declared.contents {
            upload.users = UserListSource::Published {
                url: "https://example.com/users.csv".to_owned(),
                sha256: "00".repeat(32),
            };
        }
        let plan = workspace.plan(&[declared]).await;
        workspace.set_faults(&faults);
        let ended = workspace.apply_until(&plan).await;
        let outcome = &ended.report.steps.first().unwrap().outcome;
        assert!(matches!(outcome, StepOutcome::Failed { .. }), "{outcome:?}");
        assert!(ended.has_written, "{faults}");
    }
}

/// Two calls of a step read one file where the first was lost: what is said of the second says nothing of the first.
#[tokio::test]
async fn what_a_lost_call_may_still_read_stays_when_another_was_heard_of() {
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
            let settings = ApplyOptions {
                config_directory: folder.to_owned(),
                publisher: Some(Arc::new(FolderPublisher::at(folder.join("published"), None))),
                callbacks: Some(CallbackOptions {
                    base_url: "https://hooks.example.com/secret".to_owned().into(),
                    timeout: None,
                    nonce: [7; 16],
                }),
                ..ApplyOptions::default()
            };
            drop(run_with(settings, &workspace, vec![upload(folder, users)], false).await);
            let ledger = workspace.ledger();
            let latest = ledger
                .all_entries()
                .find_map(|entry| entry.upload_state.as_ref()?.pending.last().cloned());
            if let Some(upload) = latest {
                let said = UploadResult::Processed(UploadCounts::default());
                workspace.save_callback(&upload, &said).await.unwrap();
            }
        };
        apply(&list(1)).await;
        workspace.set_faults(&fault);
        apply(&list(2)).await;
        workspace.set_faults(&json!([]));
        // Learns what was said, and takes away what was read and is not read again.
        apply(&list(2)).await;
        assert!(published(folder) > left, "{fault}");
        workspace.advance(SignedDuration::from_hours(1));
        apply(&list(2)).await;
        assert_eq!(published(folder), left, "{fault}");
    }
}

/// Its users were dropped while it was away, and that a list could not be published does not bring them back.
#[tokio::test]
async fn what_came_out_without_its_users_has_none_until_they_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workspace = workspace();
    let declared = || upload(folder, &list(1));
    let away = DeclaredSegment {
        lifecycle: Lifecycle::Archived,
        ..declared()
    };
    for declared in [declared(), away] {
        let outcome = run(folder, &workspace, (declared, nothing())).await;
        assert!(outcome.is_done(), "{outcome:?}");
    }
    workspace.advance(SignedDuration::from_hours(24 * 40));
    drop(run(folder, &workspace, (declared(), fails_from(0))).await);
    let outcome = run(folder, &workspace, (declared(), nothing())).await;
    assert!(outcome.is_done(), "{outcome:?}");
    assert_eq!(users(&workspace), Some(list(1)));
}
