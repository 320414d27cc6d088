//! File segments: the sandbox downloads a local file, processes it, and reports the result to the callback URL.

use super::{FILE, Sandbox, file_body, new_file_body, options, options_with_data_file};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// A server for one request. It responds with `text`, and the thread returns the body of the request.
fn serve_once(text: &'static str) -> (String, JoinHandle<String>) {
    serve_once_with_status("200 OK", text)
}

fn serve_once_with_status(status: &'static str, text: &'static str) -> (String, JoinHandle<String>) {
    serve_once_with_head(&format!("{status}\r\ncontent-type: text/csv"), text)
}

fn serve_once_with_head(head: &str, text: &'static str) -> (String, JoinHandle<String>) {
    let head = head.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
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
            "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            text.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        String::from_utf8(body).unwrap()
    });
    (url, server)
}

fn file_segment_body(file_url: &str) -> Value {
    new_file_body("F", file_url, 9)
}

async fn users_of_first_segment(sandbox: &Sandbox) -> Vec<String> {
    let state = sandbox.get("/_sandbox/state").await.body;
    let segments = state["segments"].as_object().unwrap();
    let users = &segments.values().next().unwrap()["contents"]["file"]["users"];
    users.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_file_is_fetched_and_its_result_is_called_back() {
    let sandbox = Sandbox::start(options()).await;
    let (file_url, file) = serve_once("a\nb\nb\n");
    let (callback_url, callback) = serve_once("");
    let mut body = file_segment_body(&file_url);
    body["callback_url"] = json!(callback_url);
    assert_eq!(sandbox.send("POST", FILE, body).await.status, 202);
    sandbox.wait_for_queue().await;
    file.join().unwrap();
    let result: Value = serde_json::from_str(&callback.join().unwrap()).unwrap();
    assert!(result["request_id"].is_string());
    for (key, value) in [
        ("db_name", json!("db")),
        ("segment_name", json!("F")),
        ("values_found", json!(3)),
        ("values_processed", json!(2)),
        ("user_count", json!(2)),
        ("status", json!(201)),
    ] {
        assert_eq!(result[key], value, "{key}");
    }
    assert_eq!(users_of_first_segment(&sandbox).await, ["a", "b"]);
}

#[tokio::test]
async fn local_files_are_read_and_failures_are_called_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("some users.csv");
    std::fs::write(&file, "a\n").unwrap();
    let url = reqwest::Url::from_file_path(&file).unwrap();
    let sandbox = Sandbox::start(options()).await;
    sandbox.send("POST", FILE, file_segment_body(url.as_str())).await;
    sandbox.wait_for_queue().await;
    assert_eq!(users_of_first_segment(&sandbox).await, ["a"]);
    for url in [
        "file:///missing/file",
        "http://example.com/users.csv",
        "https://files.example.com/users.csv",
    ] {
        let (callback_url, callback) = serve_once("");
        let mut change = file_segment_body(url);
        change.as_object_mut().unwrap().remove("expiry_time");
        change["callback_url"] = json!(callback_url);
        let accepted = sandbox.send("PUT", &format!("{FILE}/replace"), change).await;
        assert_eq!(accepted.status, 202);
        sandbox.wait_for_queue().await;
        let result: Value = serde_json::from_str(&callback.join().unwrap()).unwrap();
        assert_eq!(result["status"], 400, "{url}");
        assert!(result["error_message"].is_string());
        assert!(users_of_first_segment(&sandbox).await.is_empty());
    }
}

#[tokio::test]
async fn queued_files_are_processed_before_shutdown() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("sandbox.json");
    let file = directory.path().join("users.csv");
    std::fs::write(&file, "a\n").unwrap();
    let url = reqwest::Url::from_file_path(&file).unwrap();
    let sandbox = Sandbox::start(options_with_data_file(&data)).await;
    sandbox.send("POST", FILE, file_segment_body(url.as_str())).await;
    sandbox.server.stop().await;
    let sandbox = Sandbox::start(options_with_data_file(&data)).await;
    assert_eq!(users_of_first_segment(&sandbox).await, ["a"]);
}

/// A local file and its URL.
fn temporary_file_with_url(text: &[u8]) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let url = reqwest::Url::from_file_path(file.path()).unwrap();
    (file, url.to_string())
}

#[tokio::test]
async fn users_are_added_removed_and_replaced() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let (_file, url) = temporary_file_with_url(b"a\nb\n");
    sandbox.send("POST", FILE, file_segment_body(&url)).await;
    for (change, text, expected) in [
        ("add-users", "b\nc\n", ["a", "b", "c"].as_slice()),
        ("remove-users", "a\nunknown\n", &["b", "c"]),
        ("replace", "c\nd", &["c", "d"]),
        ("replace", "", &[]),
    ] {
        let (_file, url) = temporary_file_with_url(text.as_bytes());
        let path = format!("{FILE}/{change}");
        let changed = sandbox.send("PUT", &path, file_body("F", &url)).await;
        assert_eq!(changed.status, 202);
        sandbox.wait_for_queue().await;
        assert_eq!(users_of_first_segment(&sandbox).await, expected, "{change}");
    }
}

#[tokio::test]
async fn malformed_values_match_no_user() {
    let mut known = vec!["shared".to_owned(); 2];
    known.extend(["a", " b", "b", "c ", "c", "\"d\"", "d", "e,", "e", "f"].map(str::to_owned));
    let known = json!({"uid": known}).to_string();
    let sandbox = Sandbox::with_switches(&[("users", &known)]).await;
    let (_file, url) = temporary_file_with_url(b"a\r\n b\nc \n\"d\"\ne,\n\n\xff\nunknown\nshared\na\n");
    let (callback_url, callback) = serve_once("");
    let mut body = file_segment_body(&url);
    body["callback_url"] = json!(callback_url);
    sandbox.send("POST", FILE, body).await;
    sandbox.wait_for_queue().await;
    assert_eq!(users_of_first_segment(&sandbox).await, ["a", "shared"]);
    let result: Value = serde_json::from_str(&callback.join().unwrap()).unwrap();
    // A value of two users matches both.
    assert_eq!(
        (&result["user_count"], &result["status"]),
        (&json!(3), &json!(201))
    );
}

#[tokio::test]
async fn numeric_values_are_compared_as_numbers_and_others_match_no_user() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let (_file, url) = temporary_file_with_url(b"1\n1.0\n2.50\n-0\n0\nNaN\ninf\n-infinity\n1e999\none\n");
    let mut body = file_segment_body(&url);
    body["attribute_type"] = json!("double");
    sandbox.send("POST", FILE, body).await;
    sandbox.wait_for_queue().await;
    assert_eq!(users_of_first_segment(&sandbox).await, ["0", "1", "2.5"]);
}

#[tokio::test]
async fn a_failed_file_reports_the_reason_and_removes_all_users() {
    let directory = tempfile::tempdir().unwrap();
    let large = directory.path().join("large.csv");
    // One byte over 150 MB, as a sparse file.
    std::fs::File::create(&large)
        .unwrap()
        .set_len(150 * 1024 * 1024 + 1)
        .unwrap();
    let pipe = directory.path().join("pipe");
    let status = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(status.success());
    let sandbox = Sandbox::with_switches(&[]).await;
    for (path, reason) in [
        (large.as_path(), "150 MB"),
        (directory.path(), "not a regular file"),
        // Opening a pipe without a writer would block.
        (&pipe, "not a regular file"),
    ] {
        let (_file, url) = temporary_file_with_url(b"a\n");
        sandbox.send("POST", FILE, file_segment_body(&url)).await;
        let (callback_url, callback) = serve_once("");
        let mut change = file_body("F", reqwest::Url::from_file_path(path).unwrap().as_str());
        change["callback_url"] = json!(callback_url);
        sandbox.send("PUT", &format!("{FILE}/add-users"), change).await;
        sandbox.wait_for_queue().await;
        let result: Value = serde_json::from_str(&callback.join().unwrap()).unwrap();
        assert_eq!(
            super::field_names(&result),
            ["db_name", "error_message", "request_id", "segment_name", "status"]
        );
        assert_eq!(result["status"], 400);
        let message = result["error_message"].as_str().unwrap();
        assert!(message.contains(reason), "{message}");
        assert!(users_of_first_segment(&sandbox).await.is_empty());
    }
}

#[tokio::test]
async fn redirects_error_statuses_and_truncated_downloads_fail() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let (_file, url) = temporary_file_with_url(b"a\n");
    sandbox.send("POST", FILE, file_segment_body(&url)).await;
    for (status, reason) in [
        ("404 Not Found", "404"),
        ("500 Internal Server Error", "500"),
        // The sandbox follows no redirect, since it could lead to another machine.
        ("302 Found\r\nlocation: http://example.com/users.csv", "302"),
        // The body does not have the announced chunks.
        ("200 OK\r\ntransfer-encoding: chunked", "body"),
    ] {
        let (_file, url) = temporary_file_with_url(b"a\n");
        let path = format!("{FILE}/replace");
        sandbox.send("PUT", &path, file_body("F", &url)).await;
        let (file_url, _file) = serve_once_with_status(status, "b\n");
        let (callback_url, callback) = serve_once_with_status("503 Service Unavailable", "");
        let mut change = file_body("F", &file_url);
        change["callback_url"] = json!(callback_url);
        sandbox.send("PUT", &path, change).await;
        sandbox.wait_for_queue().await;
        let result: Value = serde_json::from_str(&callback.join().unwrap()).unwrap();
        assert_eq!(result["status"], 400, "{status}: {result}");
        let message = result["error_message"].as_str().unwrap();
        assert!(message.contains(reason), "{status}: {message}");
        assert!(users_of_first_segment(&sandbox).await.is_empty());
    }
}

#[tokio::test]
async fn a_list_is_read_only_with_a_list_type() {
    for (content_type, status) in [
        ("text/csv; charset=utf-8", 201),
        ("application/csv", 201),
        ("application/vnd.ms-excel", 201),
        ("text/plain", 201),
        ("application/octet-stream", 201),
        ("binary/octet-stream", 201),
        ("text/html", 400),
        ("application/x-csv", 400),
        ("", 400),
    ] {
        let head = match content_type {
            "" => "200 OK".to_owned(),
            named => format!("200 OK\r\ncontent-type: {named}"),
        };
        let sandbox = Sandbox::with_switches(&[]).await;
        let (file_url, file) = serve_once_with_head(&head, "a\n");
        let (callback_url, callback) = serve_once("");
        let mut body = file_segment_body(&file_url);
        body["callback_url"] = json!(callback_url);
        assert_eq!(sandbox.send("POST", FILE, body).await.status, 202);
        sandbox.wait_for_queue().await;
        file.join().unwrap();
        let result: Value = serde_json::from_str(&callback.join().unwrap()).unwrap();
        assert_eq!(result["status"], status, "{content_type}");
        let message = result["error_message"].as_str().unwrap_or_default();
        assert_eq!(message.contains("Content-Type"), status == 400, "{message}");
    }
}
