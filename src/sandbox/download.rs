//! Fetching files of users, and calling back: on this machine only.

use reqwest::Url;
use std::fs::{self, File};
use std::io::Read;
use std::time::Duration;

/// The API's limit on a file, in bytes.
const SIZE_LIMIT: usize = 150 * 1024 * 1024;

/// A file of that size takes far less on one machine; a server that hangs must not hold up the queue.
const DEADLINE: Duration = Duration::from_secs(30);

const TOO_LARGE: &str = "the file is over 150 MB";

/// The bytes at `url`, or why there are none.
pub(super) async fn download(url: &str) -> Result<Vec<u8>, String> {
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    if url.scheme() == "file" {
        let reading = tokio::task::spawn_blocking(move || read(&url));
        return reading.await.map_err(|error| error.to_string())?;
    }
    let sent = client(&url)?.get(url).send().await;
    let mut answer = sent.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("the download failed with status {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| error.to_string())? {
        if bytes.len() + chunk.len() > SIZE_LIMIT {
            return Err(TOO_LARGE.to_owned());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Tells `url` what came of a file. Nobody is told when it does not answer.
pub(super) async fn call_back(url: &str, body: &serde_json::Value) {
    let Ok(url) = Url::parse(url) else { return };
    if let Ok(client) = client(&url) {
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string());
        drop(request.send().await);
    }
}

fn read(url: &Url) -> Result<Vec<u8>, String> {
    let path = url
        .to_file_path()
        .map_err(|()| "the URL names no file of this machine".to_owned())?;
    let failed = |error: std::io::Error| error.to_string();
    // Opening a pipe waits for a writer, for ever if there is none.
    if !fs::metadata(&path).map_err(failed)?.is_file() {
        return Err("the URL names no file but something else".to_owned());
    }
    let mut bytes = Vec::new();
    // One byte more than fits tells a file that is too large, however long it is.
    let file = File::open(path).map_err(failed)?;
    file.take(SIZE_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > SIZE_LIMIT {
        return Err(TOO_LARGE.to_owned());
    }
    Ok(bytes)
}

/// A client for `url`, which has to be on this machine.
fn client(url: &Url) -> Result<reqwest::Client, String> {
    let is_loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if url.scheme() != "http" || !is_loopback {
        return Err("the sandbox fetches from http on loopback and from file URLs only".to_owned());
    }
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Every client of reqwest needs one, also for plain http. Another thread may come first with the same.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(DEADLINE)
        .redirect(reqwest::redirect::Policy::none());
    client.build().map_err(|error| error.to_string())
}
