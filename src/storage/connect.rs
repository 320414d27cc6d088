//! Connects to object stores, with credentials from the environment only.

use super::error::describe_setup_error;
use crate::model::{ObjectStoreProvider, ObjectStoreUrl, is_loopback_http};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::signer::Signer;
use object_store::{ObjectStore, Result, RetryConfig};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// The lease of a lock outlasts all retries.
const MAX_RETRIES: usize = 4;

const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

pub trait SignedObjectStore: ObjectStore + Signer {}

impl<O: ObjectStore + Signer> SignedObjectStore for O {}

/// Prepares a connection without a request. Errors contain no secrets.
pub(super) fn connect(
    storage_url: &ObjectStoreUrl,
    variables: impl IntoIterator<Item = (String, String)>,
) -> std::result::Result<Arc<dyn SignedObjectStore>, String> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may install the same provider first.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let variables = allow_local_plain_http(storage_url.provider, variables.into_iter().collect())?;
    let store = match storage_url.provider {
        ObjectStoreProvider::S3 => s3(&storage_url.bucket, &variables),
        ObjectStoreProvider::Gs => gs(&storage_url.bucket, &variables),
        ObjectStoreProvider::Az => az(&storage_url.bucket, &variables),
    };
    store.map_err(|error| describe_setup_error(storage_url.provider, &error))
}

fn s3(bucket: &str, variables: &[(String, String)]) -> Result<Arc<dyn SignedObjectStore>> {
    let store = client_options("AWS_", variables)
        .fold(AmazonS3Builder::new(), |builder, (key, value)| {
            builder.with_config(key, value)
        })
        .with_bucket_name(bucket)
        // Not every S3-compatible store supports bulk deletes.
        .with_disable_bulk_delete(true)
        .with_retry(retry_config())
        .build()?;
    Ok(Arc::new(store))
}

fn gs(bucket: &str, variables: &[(String, String)]) -> Result<Arc<dyn SignedObjectStore>> {
    let store = client_options("GOOGLE_", variables)
        .fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| {
            builder.with_config(key, value)
        })
        .with_bucket_name(bucket)
        .with_retry(retry_config())
        .build()?;
    Ok(Arc::new(store))
}

fn az(container: &str, variables: &[(String, String)]) -> Result<Arc<dyn SignedObjectStore>> {
    let store = client_options("AZURE_", variables)
        .fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| {
            builder.with_config(key, value)
        })
        .with_container_name(container)
        .with_retry(retry_config())
        .build()?;
    Ok(Arc::new(store))
}

/// Allows plain http to a store on this machine. To another machine the user has to allow it.
fn allow_local_plain_http(
    provider: ObjectStoreProvider,
    mut variables: Vec<(String, String)>,
) -> std::result::Result<Vec<(String, String)>, String> {
    let (endpoints, allow_variable): (&[&str], _) = match provider {
        ObjectStoreProvider::S3 => (
            &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"],
            "AWS_ALLOW_HTTP",
        ),
        ObjectStoreProvider::Gs => (&[], "GOOGLE_ALLOW_HTTP"),
        ObjectStoreProvider::Az => (&["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"], "AZURE_ALLOW_HTTP"),
    };
    if variables.iter().any(|(name, _)| name == allow_variable) {
        return Ok(variables);
    }
    let is_plain = |(name, value): &&(String, String)| {
        endpoints.contains(&name.as_str()) && value.starts_with("http://")
    };
    let plain: Vec<_> = variables.iter().filter(is_plain).collect();
    if let Some((name, _)) = plain.iter().find(|(_, value)| !is_loopback_http(value)) {
        return Err(format!(
            "{name} uses plain http, which does not encrypt the data; use https, or set {allow_variable}=true to allow it"
        ));
    }
    if !plain.is_empty() {
        variables.push((allow_variable.to_owned(), "true".to_owned()));
    }
    Ok(variables)
}

/// The variables with this prefix that the client of the store supports.
fn client_options<K: FromStr>(
    prefix: &str,
    variables: &[(String, String)],
) -> impl Iterator<Item = (K, String)> {
    let prefixed = variables.iter().filter(move |(name, _)| name.starts_with(prefix));
    prefixed.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone())))
}

fn retry_config() -> RetryConfig {
    RetryConfig {
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    }
}
