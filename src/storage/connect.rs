//! Ways to the object stores, with credentials from the environment alone.

use super::{SignedObjectStore, error};
use crate::model::{ObjectStoreProvider, ObjectStoreUrl, is_loopback_http};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{Result, RetryConfig};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How often a request is repeated. A lock outlasts a store that is away for as long as all of them take.
const MAX_RETRIES: usize = 4;

/// After this no request is repeated any more.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes ready to reach the objects at `place`; no request is made yet.
///
/// # Errors
///
/// Why the variables do not lead there, in words that hold no secret.
pub fn connect(
    storage_url: &ObjectStoreUrl,
    variables: impl IntoIterator<Item = (String, String)>,
) -> std::result::Result<Arc<dyn SignedObjectStore>, String> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may come first; then the provider is the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let variables: Vec<_> = variables.into_iter().collect();
    let variables = allow_local_plain_http(storage_url.provider, variables)?;
    let store = match storage_url.provider {
        ObjectStoreProvider::S3 => s3(&storage_url.bucket, &variables),
        ObjectStoreProvider::Gs => gs(&storage_url.bucket, &variables),
        ObjectStoreProvider::Az => az(&storage_url.bucket, &variables),
    };
    store.map_err(|error| error::describe_setup_error(storage_url.provider, &error))
}

fn s3(bucket: &str, variables: &[(String, String)]) -> Result<Arc<dyn SignedObjectStore>> {
    let settings = client_options("AWS_", variables);
    let builder = settings.fold(AmazonS3Builder::new(), |builder, (key, value)| {
        builder.with_config(key, value)
    });
    let store = builder
        .with_bucket_name(bucket)
        // Not every store that speaks the protocol can delete several objects at once.
        .with_disable_bulk_delete(true)
        .with_retry(retry_config())
        .build()?;
    Ok(Arc::new(store))
}

fn gs(bucket: &str, variables: &[(String, String)]) -> Result<Arc<dyn SignedObjectStore>> {
    let settings = client_options("GOOGLE_", variables);
    let builder = settings.fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| {
        builder.with_config(key, value)
    });
    let store = builder
        .with_bucket_name(bucket)
        .with_retry(retry_config())
        .build()?;
    Ok(Arc::new(store))
}

fn az(container: &str, variables: &[(String, String)]) -> Result<Arc<dyn SignedObjectStore>> {
    let settings = client_options("AZURE_", variables);
    let builder = settings.fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| {
        builder.with_config(key, value)
    });
    let store = builder
        .with_container_name(container)
        .with_retry(retry_config())
        .build()?;
    Ok(Arc::new(store))
}

/// The variables with leave to use plain http, where the store is on this machine.
///
/// # Errors
///
/// The store is on another machine, plain http leads there, and nobody allowed that.
fn allow_local_plain_http(
    service: ObjectStoreProvider,
    mut variables: Vec<(String, String)>,
) -> std::result::Result<Vec<(String, String)>, String> {
    let (endpoints, allow_variable): (&[&str], _) = match service {
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
            "{name} is plain http, on which everybody on the way can read what is kept there; write https, or allow it with \
             {allow_variable}=true"
        ));
    }
    if !plain.is_empty() {
        variables.push((allow_variable.to_owned(), "true".to_owned()));
    }
    Ok(variables)
}

/// The variables that begin like this and that the store's client knows.
fn client_options<K: FromStr>(
    prefix: &str,
    variables: &[(String, String)],
) -> impl Iterator<Item = (K, String)> {
    let own = variables.iter().filter(move |(name, _)| name.starts_with(prefix));
    own.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone())))
}

fn retry_config() -> RetryConfig {
    RetryConfig {
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    }
}
