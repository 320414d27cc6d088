//! Downloads member lists and sends callbacks, on this machine only.

use super::list_types::{LIST_TYPES, is_list_type, media_type};
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use std::fs::File;
use std::io::Read;
use std::time::Duration;
use std::{error, fmt, io};

/// The API's limit on a file, in bytes.
const FILE_SIZE_LIMIT: usize = 150 * 1024 * 1024;

/// Far more than the largest file needs locally. A server that hangs must not block the queue.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) enum DownloadError {
    InvalidUrl(String),
    NotLocal(String),
    File(io::Error),
    Http(reqwest::Error),
    Status(reqwest::StatusCode),
    /// The media type, empty if the server sends none.
    ContentType(String),
    TooLarge,
}

impl fmt::Display for DownloadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUrl(url) => write!(formatter, "`{url}` is not a URL"),
            Self::NotLocal(url) => write!(
                formatter,
                "cannot download `{url}`: the sandbox reads only local files and http URLs on loopback"
            ),
            Self::File(_) => formatter.write_str("the file cannot be read"),
            Self::Http(_) => formatter.write_str("the download failed"),
            Self::Status(status) => write!(formatter, "the download failed with status {status}"),
            Self::ContentType(found) => {
                let found = if found.is_empty() {
                    "no Content-Type".to_owned()
                } else {
                    format!("the Content-Type `{found}`")
                };
                write!(
                    formatter,
                    "the server of the list answered with {found}; accepted are {}",
                    LIST_TYPES.join(", ")
                )
            }
            Self::TooLarge => formatter.write_str("the file is over 150 MB"),
        }
    }
}

impl error::Error for DownloadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File(source) => Some(source),
            Self::Http(source) => Some(source),
            Self::InvalidUrl(_)
            | Self::NotLocal(_)
            | Self::Status(_)
            | Self::ContentType(_)
            | Self::TooLarge => None,
        }
    }
}

pub(super) async fn download(url: &str) -> Result<Vec<u8>, DownloadError> {
    let url = Url::parse(url).map_err(|_| DownloadError::InvalidUrl(url.to_owned()))?;
    if url.scheme() == "file" {
        let task = tokio::task::spawn_blocking(move || read_local_file(&url));
        let ended = task.await;
        return ended.map_err(|error| DownloadError::File(io::Error::other(error)))?;
    }
    let sent = local_http_client(&url)?.get(url).send().await;
    let mut response = sent.map_err(DownloadError::Http)?;
    if !response.status().is_success() {
        return Err(DownloadError::Status(response.status()));
    }
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = content_type.map(media_type).unwrap_or_default();
    if !is_list_type(&content_type) {
        return Err(DownloadError::ContentType(content_type));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(DownloadError::Http)? {
        if bytes.len() + chunk.len() > FILE_SIZE_LIMIT {
            return Err(DownloadError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Sends the result of a file to `url`. Failures are ignored.
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
    let metadata = path.metadata().map_err(DownloadError::File)?;
    // Opening a pipe waits for a writer, possibly for ever.
    if !metadata.is_file() {
        return Err(DownloadError::File(io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    // One byte over the limit proves that the file is too large.
    let file = File::open(path).map_err(DownloadError::File)?;
    file.take(FILE_SIZE_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(DownloadError::File)?;
    if bytes.len() > FILE_SIZE_LIMIT {
        return Err(DownloadError::TooLarge);
    }
    Ok(bytes)
}

fn local_http_client(url: &Url) -> Result<reqwest::Client, DownloadError> {
    let is_loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if url.scheme() != "http" || !is_loopback {
        return Err(DownloadError::NotLocal(url.to_string()));
    }
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // reqwest needs a provider even for plain http. It fails if another thread has installed one, which is fine.
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
        let missing = download(&url(&folder.path().join("missing"))).await;
        assert!(matches!(missing, Err(DownloadError::File(_))), "{missing:?}");
        let directory = download(&url(folder.path())).await;
        assert!(matches!(directory, Err(DownloadError::File(_))), "{directory:?}");
        for remote in [
            "http://example.com/users.csv",
            "http://127.0.0.1.example.com/users.csv",
            "https://127.0.0.1/users.csv",
            "ftp://localhost/users.csv",
        ] {
            let result = download(remote).await;
            assert!(matches!(result, Err(DownloadError::NotLocal(_))), "{result:?}");
        }
        let malformed = download("users.csv").await;
        assert!(
            matches!(malformed, Err(DownloadError::InvalidUrl(_))),
            "{malformed:?}"
        );
    }

    #[tokio::test]
    async fn files_over_the_limit_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.csv");
        // A sparse file: it occupies no disk space.
        fs::File::create(&path)
            .unwrap()
            .set_len(super::FILE_SIZE_LIMIT as u64 + 1)
            .unwrap();
        let result = download(Url::from_file_path(&path).unwrap().as_str()).await;
        assert!(matches!(result, Err(DownloadError::TooLarge)), "{result:?}");
    }

    #[tokio::test]
    async fn an_unreachable_server_is_an_error() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let result = download(&format!("http://{address}/users.csv")).await;
        assert!(matches!(result, Err(DownloadError::Http(_))), "{result:?}");
    }
}
