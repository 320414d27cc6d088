//! Fetching files of users: from this machine only.

use std::path::Path;
use std::time::Duration;

/// The API's limit on a file, in bytes.
const SIZE_LIMIT: usize = 150 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(30);

/// The bytes at `url`, or why there are none.
pub(super) async fn download(url: &str) -> Result<Vec<u8>, String> {
    let bytes = if let Some(path) = url.strip_prefix("file://") {
        std::fs::read(Path::new(path)).map_err(|error| error.to_string())?
    } else {
        get(url).await?
    };
    if bytes.len() > SIZE_LIMIT {
        Err("file is over 150 MB".to_owned())
    } else {
        Ok(bytes)
    }
}

/// Tells `url` what came of a file. Nobody is told when it does not answer.
pub(super) async fn call_back(url: &str, body: &serde_json::Value) {
    if let Ok(client) = client(url) {
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string());
        drop(request.send().await);
    }
}

async fn get(url: &str) -> Result<Vec<u8>, String> {
    let answer = client(url)?
        .get(url)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("download failed with status {}", answer.status()));
    }
    let bytes = answer.bytes().await.map_err(|error| error.to_string())?;
    Ok(bytes.to_vec())
}

/// A client for `url`, which has to be on this machine.
fn client(url: &str) -> Result<reqwest::Client, String> {
    let parsed = reqwest::Url::parse(url).map_err(|error| error.to_string())?;
    let is_loopback = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if parsed.scheme() != "http" || !is_loopback {
        return Err("the sandbox fetches from http on loopback and from file URLs only".to_owned());
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(DEADLINE)
        .redirect(reqwest::redirect::Policy::none());
    client.build().map_err(|error| error.to_string())
}
