//! Where a ledger is kept, as settings say it: a directory, or a place in an object store.

use super::keyword::{Keyword as _, keywords};
use std::fmt;

keywords! {
    /// Services that keep objects in buckets.
    pub enum ObjectStoreProvider("object store") {
        /// Amazon S3, and whatever speaks its protocol.
        S3 = "s3",
        /// Google Cloud Storage.
        Gs = "gs",
        /// Azure Blob Storage, where a bucket is called a container.
        Az = "az",
    }
}

/// Where a ledger is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateLocation {
    /// A directory, relative to the settings.
    Directory(String),
    /// Objects in a bucket.
    ObjectStore(ObjectStoreUrl),
}

/// Where lists of users are put for the service to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishLocation {
    /// A folder, relative to the settings.
    Folder {
        /// Its path.
        directory: String,
        /// What the addresses of its files begin with; `None` where the service is on this machine and reads the folder.
        url: Option<String>,
    },
    /// Objects in a bucket.
    ObjectStore(ObjectStoreUrl),
}

/// Objects of a bucket whose names begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStoreUrl {
    /// Who keeps the bucket.
    pub provider: ObjectStoreProvider,
    /// The bucket.
    pub bucket: String,
    /// What the names of the objects begin with, without a slash at either end; may be empty.
    pub prefix: String,
}

impl StateLocation {
    /// Reads a setting: what has `://` in it is an address, and anything else a directory.
    ///
    /// # Errors
    ///
    /// What is wrong with an address, in words that do not repeat it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.contains("://") {
            return Ok(Self::Directory(text.to_owned()));
        }
        ObjectStoreUrl::parse(text).map(Self::ObjectStore)
    }
}

impl ObjectStoreUrl {
    /// Reads an address such as `s3://bucket/prefix`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words that do not repeat it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (service, rest) = text.split_once("://").unwrap_or_default();
        let service =
            ObjectStoreProvider::from_text(service).ok_or("expected `s3://`, `gs://` or `az://`")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || !bucket.bytes().all(is_url_safe) {
            return Err("expected a bucket's name after `://`: letters, digits, `-`, `.` and `_`");
        }
        let is_part =
            |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_url_safe);
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            return Err("expected words of letters, digits, `-`, `.` and `_` between the slashes");
        }
        Ok(Self {
            provider: service,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

/// What stands for itself in every address.
fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

impl fmt::Display for ObjectStoreUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            provider: service,
            bucket,
            prefix,
        } = self;
        write!(formatter, "{}://{bucket}", service.as_str())?;
        if !prefix.is_empty() {
            write!(formatter, "/{prefix}")?;
        }
        Ok(())
    }
}

/// Whether an address is one of plain http on this machine, where nobody listens in.
#[must_use]
pub fn is_loopback_http(address: &str) -> bool {
    let hosts = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let is_end = |rest: &str| rest.is_empty() || rest.starts_with([':', '/']);
    // What stands before an `@` is no host.
    let mut rests = hosts.iter().filter_map(|host| address.strip_prefix(host));
    rests.any(is_end) && !address.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_on_a_loopback_host_is_accepted() {
        for address in [
            "http://127.0.0.1",
            "http://127.0.0.1:8333",
            "http://localhost/x",
            "http://[::1]:9/x",
        ] {
            assert!(is_loopback_http(address), "{address}");
        }
        for address in [
            "https://127.0.0.1",
            "http://store.example",
            "http://localhost.example",
            "http://127.0.0.10",
            "http://localhost:80@store.example",
            "127.0.0.1",
        ] {
            assert!(!is_loopback_http(address), "{address}");
        }
    }

    #[test]
    fn urls_and_directories_are_distinguished_and_printed_as_written() {
        for text in [
            "s3://team-ledgers/segctl/production",
            "gs://team.ledgers",
            "az://ledgers/a_b/c-1.2",
        ] {
            let Ok(StateLocation::ObjectStore(place)) = StateLocation::parse(text) else {
                panic!("{text} is an address");
            };
            assert_eq!(place.to_string(), text);
            assert_eq!(
                StateLocation::parse(&format!("{text}/")),
                Ok(StateLocation::ObjectStore(place))
            );
        }
        for text in [".segctl/production", "C:\\ledgers", "s3:/bucket", "s3"] {
            assert_eq!(
                StateLocation::parse(text),
                Ok(StateLocation::Directory(text.to_owned()))
            );
        }
    }

    #[test]
    fn invalid_storage_urls_are_rejected_and_not_quoted() {
        for (text, words) in [
            ("https://bucket/prefix", "`s3://`, `gs://` or `az://`"),
            ("S3://bucket", "`s3://`, `gs://` or `az://`"),
            ("s3://", "a bucket's name"),
            ("s3:///prefix", "a bucket's name"),
            ("s3://key:hunter2@bucket/prefix", "a bucket's name"),
            ("s3://bucket//prefix", "between the slashes"),
            ("s3://bucket/../other", "between the slashes"),
            ("s3://bucket/prefix?versionId=1", "between the slashes"),
        ] {
            let refused = StateLocation::parse(text).unwrap_err();
            assert!(
                refused.contains(words) && !refused.contains("hunter2"),
                "{refused}"
            );
        }
    }
}
