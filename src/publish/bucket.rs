//! Publishes lists in a private bucket, which MoEngage reads with signed URLs.

use super::{Publisher, file_name};
use crate::member_list::SortedValues;
use crate::model::{ListDigest, ObjectStoreUrl};
use crate::storage::Bucket;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use object_store::path::Path;
use object_store::signer::Method;
use object_store::{Error, ObjectStoreExt, PutPayload, WriteMultipart};
use std::io;
use std::time::Duration;

/// As long as a list without a reported result stays published.
const SIGNED_URL_LIFETIME: Duration = Duration::from_hours(24);

/// Larger lists are uploaded in parts. Stores accept parts from 5 MB on, and a list has at most 150 MB.
const PART_BYTES: usize = 8 * 1024 * 1024;

const MAX_PARALLEL_PARTS: usize = 2;

#[derive(Debug)]
pub struct BucketPublisher(Bucket);

impl BucketPublisher {
    /// Reads the setup from environment variables. Sends no request.
    pub fn connect(
        url: &ObjectStoreUrl,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> io::Result<Self> {
        let bucket = Bucket::connect(url, variables);
        bucket
            .map(Self)
            .map_err(|reason| io::Error::other(format!("`{url}`: {reason}")))
    }

    fn path(&self, name: &ListDigest) -> Path {
        self.0.path(&file_name(name))
    }

    async fn upload(&self, name: &ListDigest, list: &mut (dyn SortedValues + Send)) -> io::Result<String> {
        let path = self.path(name);
        let mut parts = None;
        let part = match self.upload_parts(&path, list, &mut parts).await {
            Ok(part) => part,
            Err(error) => {
                // Without an abort the store would retain the uploaded parts.
                if let Some(parts) = parts {
                    drop(parts.abort().await);
                }
                return Err(error);
            }
        };
        let put = match parts {
            Some(mut parts) => {
                parts.put(part.into());
                parts.finish().await
            }
            None => self.0.store.put(&path, PutPayload::from(part)).await,
        };
        put.map_err(self.storage_error())?;
        let signed = self.0.store.signed_url(Method::GET, &path, SIGNED_URL_LIFETIME);
        Ok(signed.await.map_err(self.storage_error())?.to_string())
    }

    /// Uploads all but the last part of a list, and returns the last one.
    async fn upload_parts(
        &self,
        path: &Path,
        list: &mut (dyn SortedValues + Send),
        parts: &mut Option<WriteMultipart>,
    ) -> io::Result<Vec<u8>> {
        let mut part = Vec::new();
        while let Some(value) = list.next()? {
            part.extend_from_slice(value);
            part.push(b'\n');
            if part.len() >= PART_BYTES {
                let parts = match parts {
                    Some(parts) => parts,
                    None => parts.insert(self.start_multipart(path).await?),
                };
                parts
                    .wait_for_capacity(MAX_PARALLEL_PARTS)
                    .await
                    .map_err(self.storage_error())?;
                parts.put(std::mem::take(&mut part).into());
            }
        }
        Ok(part)
    }

    async fn start_multipart(&self, path: &Path) -> io::Result<WriteMultipart> {
        let upload = self.0.store.put_multipart(path).await;
        let upload = upload.map_err(self.storage_error())?;
        Ok(WriteMultipart::new_with_chunk_size(upload, PART_BYTES))
    }

    fn storage_error(&self) -> impl Fn(Error) -> io::Error {
        |error| io::Error::other(format!("`{}`: {}", self.0.url, self.0.describe(&error)))
    }
}

impl Publisher for BucketPublisher {
    fn publish<'a>(
        &'a self,
        name: &'a ListDigest,
        list: &'a mut (dyn SortedValues + Send),
    ) -> BoxFuture<'a, io::Result<String>> {
        self.upload(name, list).boxed()
    }

    fn unpublish<'a>(&'a self, name: &'a ListDigest) -> BoxFuture<'a, io::Result<()>> {
        async {
            match self.0.store.delete(&self.path(name)).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.storage_error()(error)),
            }
        }
        .boxed()
    }
}
