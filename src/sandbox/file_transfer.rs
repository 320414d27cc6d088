//! Fetching files of users, and calling back: on this machine only.

use reqwest::Url;
use std::fs::File;
use std::io::Read;
use std::time::Duration;
use std::{error, fmt, io};

/// The API's limit on a file, in bytes.
const FILE_SIZE_LIMIT: usize = 150 * 1024 * 1024;

/// A file of that size takes far less on one machine; a server that hangs must not hold up the queue.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there are no bytes.
#[derive(Debug)]
pub(super) enum DownloadError {
    /// The text is no URL.
    InvalidUrl(String),
    /// Neither http on loopback nor a file of this machine.
    NotLocal(String),
    /// The file cannot be read.
    File(io::Error),
    /// Nobody answers, or not to the end.
    Http(reqwest::Error),
    /// The server answers something else than the file.
    Status(reqwest::StatusCode),
    /// More than the API's limit.
    TooLarge,
}

impl fmt::Display for DownloadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUrl(url) => write!(formatter, "`{url}` is not a URL"),
            Self::NotLocal(url) => write!(
                formatter,
                "the sandbox fetches over http on loopback and from files of this machine only, not from `{url}`"
            ),
            Self::File(_) => formatter.write_str("the file cannot be read"),
            Self::Http(_) => formatter.write_str("the download failed"),
            Self::Status(status) => write!(formatter, "the download failed with status {status}"),
            Self::TooLarge => formatter.write_str("the file is over 150 MB"),
        }
    }
}

impl error::Error for DownloadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File(source) => Some(source),
            Self::Http(source) => Some(source),
            Self::InvalidUrl(_) | Self::NotLocal(_) | Self::Status(_) | Self::TooLarge => None,
        }
    }
}

/// The bytes at `url`, or why there are none.
pub(super) async fn download(url: &str) -> Result<Vec<u8>, DownloadError> {
    let url = Url::parse(url).map_err(|_| DownloadError::InvalidUrl(url.to_owned()))?;
    if url.scheme() == "file" {
        let reading = tokio::task::spawn_blocking(move || read_local_file(&url));
        return reading
            .await
            .map_err(|error| DownloadError::File(io::Error::other(error)))?;
    }
    let sent = local_http_client(&url)?.get(url).send().await;
    let mut answer = sent.map_err(DownloadError::Http)?;
    if !answer.status().is_success() {
        return Err(DownloadError::Status(answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(DownloadError::Http)? {
        if bytes.len() + chunk.len() > FILE_SIZE_LIMIT {
            return Err(DownloadError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Tells `url` what came of a file. Nobody is told when it does not answer.
pub(super) async fn send_callback(url: &str, body: &serde_json::Value) {
    let Ok(url) = Url::parse(url) else { return };
    if let Ok(client) = local_http_client(&url) {
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string());
        drop(request.send().await);
    }
}

fn read_local_file(url: &Url) -> Result<Vec<u8>, DownloadError> {
    let path = url
        .to_file_path()
        .map_err(|()| DownloadError::NotLocal(url.to_string()))?;
    let found = path.metadata().map_err(DownloadError::File)?;
    // Opening a pipe would wait for a writer that may never come.
    if !found.is_file() {
        return Err(DownloadError::File(io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    // One byte more than fits tells a file that is too large, however long it is.
    let file = File::open(path).map_err(DownloadError::File)?;
    file.take(FILE_SIZE_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(DownloadError::File)?;
    if bytes.len() > FILE_SIZE_LIMIT {
        return Err(DownloadError::TooLarge);
    }
    Ok(bytes)
}

/// A client for `url`, which has to be on this machine.
fn local_http_client(url: &Url) -> Result<reqwest::Client, DownloadError> {
    let is_loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if url.scheme() != "http" || !is_loopback {
        return Err(DownloadError::NotLocal(url.to_string()));
    }
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Every client of reqwest needs one, also for plain http. Another thread may come first with the same.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(DOWNLOAD_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    client.build().map_err(DownloadError::Http)
}

#[cfg(test)]
mod tests {
    use super::{DownloadError, download};
    use reqwest::Url;
    use std::fs;
    use std::path::Path;

    #[tokio::test]
    async fn only_local_files_and_loopback_urls_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users file.csv");
        fs::write(&path, "a\nb\n").unwrap();
        let url = |path: &Path| Url::from_file_path(path).unwrap().to_string();
        assert_eq!(download(&url(&path)).await.unwrap(), b"a\nb\n");
        let gone = download(&url(&folder.path().join("gone"))).await;
        assert!(matches!(gone, Err(DownloadError::File(_))), "{gone:?}");
        let directory = download(&url(folder.path())).await;
        assert!(matches!(directory, Err(DownloadError::File(_))), "{directory:?}");
        for elsewhere in [
            "http://example.com/users.csv",
            "http://127.0.0.1.example.com/users.csv",
            "https://127.0.0.1/users.csv",
            "ftp://localhost/users.csv",
        ] {
            let refused = download(elsewhere).await;
            assert!(matches!(refused, Err(DownloadError::NotLocal(_))), "{refused:?}");
        }
        let malformed = download("users.csv").await;
        assert!(
            matches!(malformed, Err(DownloadError::InvalidUrl(_))),
            "{malformed:?}"
        );
    }

    #[tokio::test]
    async fn files_over_the_limit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.csv");
        // A hole: it takes no room on the disk.
        fs::File::create(&path)
            .unwrap()
            .set_len(super::FILE_SIZE_LIMIT as u64 + 1)
            .unwrap();
        let refused = download(Url::from_file_path(&path).unwrap().as_str()).await;
        assert!(matches!(refused, Err(DownloadError::TooLarge)), "{refused:?}");
    }

    #[tokio::test]
    async fn an_unreachable_server_is_an_error() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let refused = download(&format!("http://{address}/users.csv")).await;
        assert!(matches!(refused, Err(DownloadError::Http(_))), "{refused:?}");
    }
}
