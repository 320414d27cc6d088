//! What time does on its own.

use super::{FILE, SEGMENTS, Sandbox, id, lives_in, new_file};
use serde_json::{Value, json};

/// A file of this machine with two users, and what keeps it there.
fn two_users() -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a\nb\n").unwrap();
    let url = reqwest::Url::from_file_path(file.path()).unwrap();
    (file, url.to_string())
}

async fn users(sandbox: &Sandbox) -> usize {
    let contents = sandbox.contents("F").await;
    contents["file"]["users"].as_object().unwrap().len()
}

#[tokio::test]
async fn sixty_idle_days_archive_and_a_run_starts_them_anew() {
    let sandbox = Sandbox::with(&[]).await;
    let segment = sandbox.created("A", "Pune").await;
    let path = format!("{SEGMENTS}/{segment}");
    sandbox.advance_days(59).await;
    // Reads and updates are no runs.
    sandbox.get(&path).await;
    let update = json!({"included_filters": lives_in("Goa")});
    assert_eq!(sandbox.call("PATCH", &path, update.clone()).await.status, 200);
    assert_eq!(sandbox.listed().await, ["A"]);
    let run = sandbox
        .call("POST", "/_sandbox/run", json!({"id": segment}))
        .await;
    assert_eq!(run.status, 200);
    sandbox.advance_days(59).await;
    assert_eq!(sandbox.listed().await, ["A"]);
    sandbox.advance_days(1).await;
    assert!(sandbox.listed().await.is_empty());
    // Hidden and closed to updates, though not gone: found by its id, and its name is taken.
    assert_eq!(id(&sandbox.get(&path).await), segment);
    assert_eq!(sandbox.call("PATCH", &path, update.clone()).await.status, 403);
    assert_eq!(sandbox.create("A", "Leh").await.status, 409);
    assert_eq!(sandbox.unarchive("A").await.status, 200);
    assert_eq!(sandbox.listed().await, ["A"]);
    assert_eq!(sandbox.call("PATCH", &path, update).await.status, 200);
}

#[tokio::test]
async fn a_file_expires_and_its_users_go() {
    let sandbox = Sandbox::with(&[]).await;
    let (_file, url) = two_users();
    sandbox.call("POST", FILE, new_file("F", &url, 10)).await;
    sandbox.settle().await;
    sandbox.advance_days(9).await;
    assert_eq!((sandbox.listed().await.len(), users(&sandbox).await), (1, 2));
    sandbox.advance_days(1).await;
    assert_eq!((sandbox.listed().await.len(), users(&sandbox).await), (0, 0));
}

#[tokio::test]
async fn thirty_days_in_the_archive_destroy_the_users_of_a_file() {
    let sandbox = Sandbox::with(&[]).await;
    let (_file, url) = two_users();
    sandbox.call("POST", FILE, new_file("F", &url, 300)).await;
    sandbox.settle().await;
    sandbox.archive("F").await;
    sandbox.advance_days(29).await;
    assert_eq!(users(&sandbox).await, 2);
    // Back in time: nobody is lost, and the days start anew.
    sandbox.unarchive("F").await;
    sandbox.archive("F").await;
    sandbox.advance_days(29).await;
    assert_eq!(users(&sandbox).await, 2);
    sandbox.advance_days(1).await;
    assert_eq!(users(&sandbox).await, 0);
    // For good.
    sandbox.unarchive("F").await;
    assert_eq!((sandbox.listed().await.len(), users(&sandbox).await), (1, 0));
}

#[tokio::test]
async fn the_clock_never_goes_back_and_has_an_end() {
    let sandbox = Sandbox::with(&[]).await;
    for body in [
        json!({"advance_seconds": -1}),
        json!({"advance_seconds": 0.5}),
        json!({}),
    ] {
        let refused = sandbox.call("POST", "/_sandbox/clock", body).await;
        assert_eq!(refused.status, 400);
    }
    // Far beyond the last moment that can be told, the service still answers.
    for _ in 0..80 {
        sandbox.advance(u32::MAX).await;
    }
    let created = sandbox.create("A", "Pune").await;
    assert_eq!(created.status, 201);
    let time: &Value = &created.body["data"]["created_time"];
    assert!(time.as_str().unwrap().starts_with("9999-12-"), "{time}");
}
