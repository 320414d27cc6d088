//! The file that keeps the state.

use super::{ARCHIVE, SEGMENTS, Sandbox, id, kept_in, options};
use segctl::sandbox::{Options, SandboxError, Server};
use serde_json::{Value, json};

async fn refused(options: Options) -> SandboxError {
    let started = Server::start(options).await;
    started.err().unwrap()
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sandbox.json");
    let mut options = kept_in(&file);
    options.set("list_includes_archived", "true").unwrap();
    let sandbox = Sandbox::start(options).await;
    let created = sandbox.create("A", "Pune").await;
    sandbox.call("PATCH", ARCHIVE, json!({"name": "A"})).await;
    let body = json!({"advance_seconds": 86_400});
    sandbox.call("POST", "/_sandbox/clock", body).await;
    let left = sandbox.get(SEGMENTS).await.headers["x-ratelimit-remaining"].clone();
    assert_eq!(left, "49");
    let before = sandbox.get("/_sandbox/state").await.body;
    sandbox.server.stop().await;

    let sandbox = Sandbox::start(kept_in(&file)).await;
    let after = sandbox.get("/_sandbox/state").await.body;
    assert_eq!(after, before);
    assert_eq!(sandbox.listed().await, ["A"]);
    assert_eq!(sandbox.create("B", "Pune").await.status, 201);
    let next = id(&sandbox.create("C", "Goa").await);
    assert!(next > id(&created));
}

#[tokio::test]
async fn a_write_is_kept_before_it_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sandbox.json");
    let sandbox = Sandbox::start(kept_in(&file)).await;
    assert!(!file.exists());
    sandbox.create("A", "Pune").await;
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(kept["format_version"], 1);
    assert_eq!(kept["segments"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn two_services_on_one_file_see_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sandbox.json");
    let one = Sandbox::start(kept_in(&file)).await;
    let other = Sandbox::start(kept_in(&file)).await;
    one.get(SEGMENTS).await;
    let first = id(&one.create("A", "Pune").await);
    let second = id(&other.create("B", "Goa").await);
    assert_ne!(first, second);
    for sandbox in [&one, &other] {
        assert_eq!(sandbox.listed().await, ["A", "B"]);
    }
    // Nobody overwrites the other's work at the end, and calls of both count.
    one.server.stop().await;
    other.server.stop().await;
    let sandbox = Sandbox::start(kept_in(&file)).await;
    assert_eq!(sandbox.listed().await, ["A", "B"]);
    let left = sandbox.get(SEGMENTS).await.headers["x-ratelimit-remaining"].clone();
    assert_eq!(left, "45");
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sandbox.json");
    for (text, reason) in [
        ("", "EOF"),
        ("{\"segments\": 1}", "format_version"),
        ("{\"format_version\": 2, \"news\": true}", "format version 2"),
        ("{\"format_version\": 1, \"news\": true}", "unknown field"),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = refused(kept_in(&file)).await;
        assert!(matches!(error, SandboxError::Corrupt { .. }), "{error:?}");
        let message = error.to_string();
        for part in ["sandbox.json", reason, "move it away"] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
}

#[tokio::test]
async fn only_this_machine_is_served() {
    let mut elsewhere = options();
    elsewhere.listen = ([0, 0, 0, 0], 0).into();
    let error = refused(elsewhere).await;
    assert!(matches!(error, SandboxError::NotLoopback(_)));
    let sandbox = Sandbox::start(options()).await;
    let mut taken = options();
    taken.listen = sandbox.server.address();
    assert!(matches!(refused(taken).await, SandboxError::Listen { .. }));
    let mut nowhere = options();
    nowhere.data = Some("/dev/null/sandbox.json".into());
    assert!(matches!(refused(nowhere).await, SandboxError::File { .. }));
}
