//! A bucket of an object store. Nobody can read it who is not told an address that is signed, and good for a while.

use super::{Publisher, file_name};
use crate::members::Values;
use crate::model::{ListDigest, ObjectPlace};
use crate::objects::{Objects, connect, fault};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use object_store::path::Path;
use object_store::signer::Method;
use object_store::{Error, ObjectStoreExt, PutPayload, WriteMultipart};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// For how long an address is good: as long as a published list is left where it is when nobody says that it was read.
const SIGNED_FOR: Duration = Duration::from_hours(24);

/// What is larger is sent in parts: stores take parts from 5 MB on, and a list has 150 MB at most.
const PART: usize = 8 * 1024 * 1024;

/// Parts that are under way at once.
const AT_ONCE: usize = 2;

/// A bucket of lists.
#[derive(Debug)]
pub struct Bucket {
    store: Arc<dyn Objects>,
    place: ObjectPlace,
}

impl Bucket {
    /// The bucket at `place`, which is reached as these variables say; no request is made yet.
    ///
    /// # Errors
    ///
    /// The variables do not say enough, or contradict each other.
    pub fn connect(
        place: &ObjectPlace,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> io::Result<Self> {
        let store =
            connect(place, variables).map_err(|reason| io::Error::other(format!("`{place}`: {reason}")))?;
        Ok(Self {
            store,
            place: place.clone(),
        })
    }

    fn path(&self, name: &ListDigest) -> Path {
        let name = file_name(name);
        Path::from(match self.place.prefix.as_str() {
            "" => name,
            prefix => format!("{prefix}/{name}"),
        })
    }

    async fn put(&self, name: &ListDigest, list: &mut (dyn Values + Send)) -> io::Result<String> {
        let path = self.path(name);
        let mut parts = None;
        let part = match self.put_parts(&path, list, &mut parts).await {
            Ok(part) => part,
            Err(error) => {
                // What was sent of it would stay, where nobody sees it.
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
            None => self.store.put(&path, PutPayload::from(part)).await,
        };
        put.map_err(self.refused())?;
        let signed = self.store.signed_url(Method::GET, &path, SIGNED_FOR).await;
        Ok(signed.map_err(self.refused())?.to_string())
    }

    /// Sends a list in parts where it is large; the last part comes back.
    async fn put_parts(
        &self,
        path: &Path,
        list: &mut (dyn Values + Send),
        parts: &mut Option<WriteMultipart>,
    ) -> io::Result<Vec<u8>> {
        let mut part = Vec::new();
        while let Some(value) = list.next()? {
            part.extend_from_slice(value);
            part.push(b'\n');
            if part.len() >= PART {
                let parts = match parts {
                    Some(parts) => parts,
                    None => parts.insert(self.begin(path).await?),
                };
                parts.wait_for_capacity(AT_ONCE).await.map_err(self.refused())?;
                parts.put(std::mem::take(&mut part).into());
            }
        }
        Ok(part)
    }

    async fn begin(&self, path: &Path) -> io::Result<WriteMultipart> {
        let upload = self.store.put_multipart(path).await.map_err(self.refused())?;
        Ok(WriteMultipart::new_with_chunk_size(upload, PART))
    }

    fn refused(&self) -> impl Fn(Error) -> io::Error {
        |error| {
            let reason = fault::reason(self.place.service, &error);
            io::Error::other(format!("`{}`: {reason}", self.place))
        }
    }
}

impl Publisher for Bucket {
    fn publish<'a>(
        &'a self,
        name: &'a ListDigest,
        list: &'a mut (dyn Values + Send),
    ) -> BoxFuture<'a, io::Result<String>> {
        self.put(name, list).boxed()
    }

    fn withdraw<'a>(&'a self, name: &'a ListDigest) -> BoxFuture<'a, io::Result<()>> {
        async {
            match self.store.delete(&self.path(name)).await {
                Ok(()) => Ok(()),
                Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.refused()(error)),
            }
        }
        .boxed()
    }
}
