//! Ways to object stores, with credentials from the environment alone, and what their refusals mean to a person.

mod connect;
pub mod error;

pub use connect::connect;

use object_store::ObjectStore;
use object_store::signer::Signer;

/// A bucket, and addresses at which others read what is in it.
pub trait SignedObjectStore: ObjectStore + Signer {}

impl<O: ObjectStore + Signer> SignedObjectStore for O {}
