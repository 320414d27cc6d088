//! The file that stores the sandbox's state.

use super::{ARCHIVE, SEGMENTS, Sandbox, options, options_with_data_file, segment_id};
use segctl::sandbox::{SandboxError, SandboxOptions, Server};
use serde_json::{Value, json};

async fn start_error(options: SandboxOptions) -> SandboxError {
    let started = Server::start(options).await;
    started.err().unwrap()
}

#[tokio::test]
async fn state_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sandbox.json");
    let mut options = options_with_data_file(&file);
    options.set_switch("list_includes_archived", "true").unwrap();
    let sandbox = Sandbox::start(options).await;
    let created = sandbox.create("A", "Pune").await;
    sandbox.send("PATCH", ARCHIVE, json!({"name": "A"})).await;
    let body = json!({"advance_seconds": 86_400});
    sandbox.send("POST", "/_sandbox/clock", body).await;
    let remaining = sandbox.get(SEGMENTS).await.headers["x-ratelimit-remaining"].clone();
    assert_eq!(remaining, "49");
    let before = sandbox.get("/_sandbox/state").await.body;
    sandbox.server.stop().await;

    let sandbox = Sandbox::start(options_with_data_file(&file)).await;
    let after = sandbox.get("/_sandbox/state").await.body;
    assert_eq!(after, before);
    assert_eq!(sandbox.list_names().await, ["A"]);
    assert_eq!(sandbox.create("B", "Pune").await.status, 201);
    let next = segment_id(&sandbox.create("C", "Goa").await);
    assert!(next > segment_id(&created));
}

#[tokio::test]
async fn a_write_is_saved_before_the_response() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sandbox.json");
    let sandbox = Sandbox::start(options_with_data_file(&file)).await;
    assert!(!file.exists());
    sandbox.create("A", "Pune").await;
    let saved: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(saved["format_version"], 1);
    assert_eq!(saved["segments"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn two_sandboxes_on_one_data_file_see_each_others_writes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sandbox.json");
    let one = Sandbox::start(options_with_data_file(&file)).await;
    let other = Sandbox::start(options_with_data_file(&file)).await;
    one.get(SEGMENTS).await;
    let first = segment_id(&one.create("A", "Pune").await);
    let second = segment_id(&other.create("B", "Goa").await);
    assert_ne!(first, second);
    for sandbox in [&one, &other] {
        assert_eq!(sandbox.list_names().await, ["A", "B"]);
    }
    // Neither overwrites the other's segments when it stops, and the requests of both count.
    one.server.stop().await;
    other.server.stop().await;
    let sandbox = Sandbox::start(options_with_data_file(&file)).await;
    assert_eq!(sandbox.list_names().await, ["A", "B"]);
    let remaining = sandbox.get(SEGMENTS).await.headers["x-ratelimit-remaining"].clone();
    assert_eq!(remaining, "45");
}

#[tokio::test]
async fn an_invalid_data_file_is_rejected_and_left_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sandbox.json");
    for (text, reason) in [
        ("", "EOF"),
        ("{\"segments\": 1}", "format_version"),
        ("{\"format_version\": 2, \"extra\": true}", "format version 2"),
        ("{\"format_version\": 1, \"extra\": true}", "unknown field"),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = start_error(options_with_data_file(&file)).await;
        assert!(matches!(error, SandboxError::Corrupt { .. }), "{error:?}");
        let message = error.to_string();
        for part in ["sandbox.json", reason, "move it away"] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
}

#[tokio::test]
async fn the_server_listens_on_loopback_only() {
    let mut all_interfaces = options();
    all_interfaces.listen = ([0, 0, 0, 0], 0).into();
    let error = start_error(all_interfaces).await;
    assert!(matches!(error, SandboxError::NotLoopback(_)));
    let sandbox = Sandbox::start(options()).await;
    let mut used_address = options();
    used_address.listen = sandbox.server.address();
    assert!(matches!(
        start_error(used_address).await,
        SandboxError::Listen { .. }
    ));
    let mut unusable_path = options();
    unusable_path.data_file = Some("/dev/null/sandbox.json".into());
    assert!(matches!(
        start_error(unusable_path).await,
        SandboxError::File { .. }
    ));
}
