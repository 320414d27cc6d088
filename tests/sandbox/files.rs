//! Files of users: fetched from this machine, processed, called back.

use super::{FILE, Sandbox, kept_in, options};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// A server for one request: answers `text`, and gives the body that came.
fn answer_once(text: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            text.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        String::from_utf8(body).unwrap()
    });
    (url, serving)
}

fn body(file_url: &str) -> Value {
    json!({"name": "F", "attribute_name": "uid", "attribute_type": "string", "file_url": file_url, "expiry_time": 9})
}

async fn settle(sandbox: &Sandbox) {
    let settled = sandbox.call("POST", "/_sandbox/settle", Value::Null).await;
    assert_eq!(settled.body, json!({"queued": 0}));
}

async fn users(sandbox: &Sandbox) -> Vec<String> {
    let state = sandbox.get("/_sandbox/state").await.body;
    let segments = state["segments"].as_object().unwrap();
    let users = &segments.values().next().unwrap()["contents"]["file"]["users"];
    users.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_file_is_fetched_and_its_outcome_called_back() {
    let sandbox = Sandbox::start(options()).await;
    let (file_url, file) = answer_once("a\nb\nb\n");
    let (callback_url, callback) = answer_once("");
    let mut body = body(&file_url);
    body["callback_url"] = json!(callback_url);
    assert_eq!(sandbox.call("POST", FILE, body).await.status, 202);
    settle(&sandbox).await;
    file.join().unwrap();
    let said: Value = serde_json::from_str(&callback.join().unwrap()).unwrap();
    assert!(said["request_id"].is_string());
    for (key, value) in [
        ("db_name", json!("db")),
        ("segment_name", json!("F")),
        ("values_found", json!(3)),
        ("values_processed", json!(2)),
        ("user_count", json!(2)),
        ("status", json!(201)),
    ] {
        assert_eq!(said[key], value, "{key}");
    }
    assert_eq!(users(&sandbox).await, ["a", "b"]);
}

#[tokio::test]
async fn files_of_the_machine_and_failures() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("some users.csv");
    std::fs::write(&file, "a\n").unwrap();
    let url = reqwest::Url::from_file_path(&file).unwrap();
    let sandbox = Sandbox::start(options()).await;
    sandbox.call("POST", FILE, body(url.as_str())).await;
    settle(&sandbox).await;
    assert_eq!(users(&sandbox).await, ["a"]);
    for url in ["file:///nowhere/at/all", "http://example.com/users.csv", "no url"] {
        let (callback_url, callback) = answer_once("");
        let mut change = body(url);
        change.as_object_mut().unwrap().remove("expiry_time");
        change["callback_url"] = json!(callback_url);
        let taken = sandbox.call("PUT", &format!("{FILE}/replace"), change).await;
        assert_eq!(taken.status, 202);
        settle(&sandbox).await;
        let said: Value = serde_json::from_str(&callback.join().unwrap()).unwrap();
        assert_eq!(said["status"], 400, "{url}");
        assert!(said["error_message"].is_string());
        assert!(users(&sandbox).await.is_empty());
    }
}

#[tokio::test]
async fn queued_files_are_processed_before_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("sandbox.json");
    let file = directory.path().join("users.csv");
    std::fs::write(&file, "a\n").unwrap();
    let url = reqwest::Url::from_file_path(&file).unwrap();
    let sandbox = Sandbox::start(kept_in(&data)).await;
    sandbox.call("POST", FILE, body(url.as_str())).await;
    sandbox.server.stop().await;
    let sandbox = Sandbox::start(kept_in(&data)).await;
    assert_eq!(users(&sandbox).await, ["a"]);
}
