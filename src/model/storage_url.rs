//! Where the state and published lists are stored: a directory, or a prefix in a bucket.

use super::keyword::{Keyword as _, keywords};
use std::fmt;

keywords! {
    pub enum ObjectStoreProvider("object store") {
        /// Also services with a compatible API.
        S3 = "s3",
        Gs = "gs",
        /// Azure calls a bucket a container.
        Az = "az",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateLocation {
    /// Relative to the folder of `segctl.yaml`.
    Directory(String),
    ObjectStore(ObjectStoreUrl),
}

/// Where segctl writes member lists for MoEngage to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishLocation {
    /// Relative to the folder of `segctl.yaml`.
    Folder {
        directory: String,
        /// The URL prefix of its files. `None` if the API endpoint is on this machine and reads the folder directly.
        url: Option<String>,
    },
    ObjectStore(ObjectStoreUrl),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStoreUrl {
    pub provider: ObjectStoreProvider,
    pub bucket: String,
    /// The common prefix of the objects' names, without a slash at either end. It may be empty.
    pub prefix: String,
}

impl StateLocation {
    /// Text with `://` is a URL, other text is a directory. Errors do not quote the text, which may contain a secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.contains("://") {
            return Ok(Self::Directory(text.to_owned()));
        }
        ObjectStoreUrl::parse(text).map(Self::ObjectStore)
    }
}

impl ObjectStoreUrl {
    /// Parses a URL such as `s3://bucket/prefix`. Errors do not quote the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let provider =
            ObjectStoreProvider::from_text(scheme).ok_or("expected `s3://`, `gs://` or `az://`")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || !bucket.bytes().all(is_url_safe) {
            return Err("expected a bucket name of letters, digits, `-`, `.` and `_` after `://`");
        }
        let is_part =
            |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_url_safe);
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            return Err("expected only letters, digits, `-`, `.` and `_` between the slashes of the prefix");
        }
        Ok(Self {
            provider,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

/// Characters that no URL escapes.
fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

impl fmt::Display for ObjectStoreUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.provider.as_str(), self.bucket)?;
        if !self.prefix.is_empty() {
            write!(formatter, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_directories_are_distinguished_and_printed_as_written() {
        for text in [
            "s3://team-state/segctl/production",
            "gs://team.state",
            "az://state/a_b/c-1.2",
        ] {
            let Ok(StateLocation::ObjectStore(url)) = StateLocation::parse(text) else {
                panic!("`{text}` is not parsed as a URL");
            };
            assert_eq!(url.to_string(), text);
            assert_eq!(
                StateLocation::parse(&format!("{text}/")),
                Ok(StateLocation::ObjectStore(url))
            );
        }
        for text in [".segctl/production", "C:\\state", "s3:/bucket", "s3"] {
            assert_eq!(
                StateLocation::parse(text),
                Ok(StateLocation::Directory(text.to_owned()))
            );
        }
    }

    #[test]
    fn invalid_storage_urls_are_rejected_and_not_quoted() {
        for (text, fragment) in [
            ("https://bucket/prefix", "`s3://`, `gs://` or `az://`"),
            ("S3://bucket", "`s3://`, `gs://` or `az://`"),
            ("s3://", "a bucket name"),
            ("s3:///prefix", "a bucket name"),
            ("s3://key:hunter2@bucket/prefix", "a bucket name"),
            ("s3://bucket//prefix", "between the slashes"),
            ("s3://bucket/../other", "between the slashes"),
            ("s3://bucket/prefix?versionId=1", "between the slashes"),
        ] {
            let error = StateLocation::parse(text).unwrap_err();
            assert!(error.contains(fragment) && !error.contains("hunter2"), "{error}");
        }
    }
}
