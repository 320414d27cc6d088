//! Ways to the object stores, with credentials from the environment alone.

use super::bucket::Bucket;
use super::fault;
use crate::ledger::StoreError;
use crate::model::{ObjectPlace, ObjectService};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{ObjectStore, Result, RetryConfig};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How often a request is repeated. A lock outlasts a store that is away for as long as all of them take.
const RETRIES: usize = 4;

/// After this no request is repeated any more.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes ready to reach the objects at `place`; no request is made yet.
pub(super) fn connect(
    place: &ObjectPlace,
    variables: impl IntoIterator<Item = (String, String)>,
) -> std::result::Result<Bucket, StoreError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may come first; then the provider is the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let variables: Vec<_> = variables.into_iter().collect();
    let store = match place.service {
        ObjectService::S3 => s3(&place.bucket, &variables),
        ObjectService::Gs => gs(&place.bucket, &variables),
        ObjectService::Az => az(&place.bucket, &variables),
    };
    let store = store.map_err(|error| StoreError::Object {
        operation: "open",
        object: place.to_string(),
        reason: fault::setup(place.service, &error),
    })?;
    Ok(Bucket::new(store, place.clone()))
}

fn s3(bucket: &str, variables: &[(String, String)]) -> Result<Arc<dyn ObjectStore>> {
    let settings = settings("AWS_", variables);
    let builder = settings.fold(AmazonS3Builder::new(), |builder, (key, value)| {
        builder.with_config(key, value)
    });
    let store = builder
        .with_bucket_name(bucket)
        // Not every store that speaks the protocol can delete several objects at once.
        .with_disable_bulk_delete(true)
        .with_retry(retry())
        .build()?;
    Ok(Arc::new(store))
}

fn gs(bucket: &str, variables: &[(String, String)]) -> Result<Arc<dyn ObjectStore>> {
    let settings = settings("GOOGLE_", variables);
    let builder = settings.fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| {
        builder.with_config(key, value)
    });
    let store = builder.with_bucket_name(bucket).with_retry(retry()).build()?;
    Ok(Arc::new(store))
}

fn az(container: &str, variables: &[(String, String)]) -> Result<Arc<dyn ObjectStore>> {
    let settings = settings("AZURE_", variables);
    let builder = settings.fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| {
        builder.with_config(key, value)
    });
    let store = builder
        .with_container_name(container)
        .with_retry(retry())
        .build()?;
    Ok(Arc::new(store))
}

/// The variables that begin like this and that the store's client knows.
fn settings<K: FromStr>(prefix: &str, variables: &[(String, String)]) -> impl Iterator<Item = (K, String)> {
    let own = variables.iter().filter(move |(name, _)| name.starts_with(prefix));
    own.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone())))
}

fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    }
}
