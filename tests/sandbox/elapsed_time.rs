//! Effects of elapsed time: automatic archiving, expiry and deleted users.

use super::{FILE, SEGMENTS, Sandbox, city_definition, new_file_body, segment_id};
use serde_json::{Value, json};

/// A local file with two users. It exists until the first value is dropped.
fn file_with_two_users() -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a\nb\n").unwrap();
    let url = reqwest::Url::from_file_path(file.path()).unwrap();
    (file, url.to_string())
}

async fn user_count(sandbox: &Sandbox) -> usize {
    let contents = sandbox.contents_of("F").await;
    contents["file"]["users"].as_object().unwrap().len()
}

#[tokio::test]
async fn a_segment_is_archived_after_sixty_idle_days_and_a_run_resets_them() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let segment = sandbox.create_and_get_id("A", "Pune").await;
    let path = format!("{SEGMENTS}/{segment}");
    sandbox.advance_days(59).await;
    // Reads and updates do not reset the idle days.
    sandbox.get(&path).await;
    let update = json!({"included_filters": city_definition("Goa")});
    assert_eq!(sandbox.send("PATCH", &path, update.clone()).await.status, 200);
    assert_eq!(sandbox.list_names().await, ["A"]);
    let run = sandbox
        .send("POST", "/_sandbox/run", json!({"id": segment}))
        .await;
    assert_eq!(run.status, 200);
    sandbox.advance_days(59).await;
    assert_eq!(sandbox.list_names().await, ["A"]);
    sandbox.advance_days(1).await;
    assert!(sandbox.list_names().await.is_empty());
    // The archived segment is not listed and rejects updates. It still has its id and its name.
    assert_eq!(segment_id(&sandbox.get(&path).await), segment);
    assert_eq!(sandbox.send("PATCH", &path, update.clone()).await.status, 403);
    assert_eq!(sandbox.create("A", "Leh").await.status, 409);
    assert_eq!(sandbox.unarchive("A").await.status, 200);
    assert_eq!(sandbox.list_names().await, ["A"]);
    assert_eq!(sandbox.send("PATCH", &path, update).await.status, 200);
}

#[tokio::test]
async fn an_expired_file_segment_loses_its_users() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let (_file, url) = file_with_two_users();
    sandbox.send("POST", FILE, new_file_body("F", &url, 10)).await;
    sandbox.wait_for_queue().await;
    sandbox.advance_days(9).await;
    assert_eq!(
        (sandbox.list_names().await.len(), user_count(&sandbox).await),
        (1, 2)
    );
    sandbox.advance_days(1).await;
    assert_eq!(
        (sandbox.list_names().await.len(), user_count(&sandbox).await),
        (0, 0)
    );
}

#[tokio::test]
async fn an_archived_file_segment_loses_its_users_after_thirty_days() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let (_file, url) = file_with_two_users();
    sandbox.send("POST", FILE, new_file_body("F", &url, 300)).await;
    sandbox.wait_for_queue().await;
    sandbox.archive("F").await;
    sandbox.advance_days(29).await;
    assert_eq!(user_count(&sandbox).await, 2);
    // Unarchived before the thirtieth day: no user is deleted, and the days restart.
    sandbox.unarchive("F").await;
    sandbox.archive("F").await;
    sandbox.advance_days(29).await;
    assert_eq!(user_count(&sandbox).await, 2);
    sandbox.advance_days(1).await;
    assert_eq!(user_count(&sandbox).await, 0);
    // Unarchiving does not restore the deleted users.
    sandbox.unarchive("F").await;
    assert_eq!(
        (sandbox.list_names().await.len(), user_count(&sandbox).await),
        (1, 0)
    );
}

#[tokio::test]
async fn the_clock_only_advances_and_stops_at_the_last_timestamp() {
    let sandbox = Sandbox::with_switches(&[]).await;
    for body in [
        json!({"advance_seconds": -1}),
        json!({"advance_seconds": 0.5}),
        json!({}),
    ] {
        let rejected = sandbox.send("POST", "/_sandbox/clock", body).await;
        assert_eq!(rejected.status, 400);
    }
    // The sandbox still responds after the last time that a timestamp can represent.
    for _ in 0..80 {
        sandbox.advance(u32::MAX).await;
    }
    let created = sandbox.create("A", "Pune").await;
    assert_eq!(created.status, 201);
    let time: &Value = &created.body["data"]["created_time"];
    assert!(time.as_str().unwrap().starts_with("9999-12-"), "{time}");
}
