//! Connections to object stores with credentials from the environment, and readable errors.

mod connect;
pub mod error;

pub use connect::connect;

use object_store::ObjectStore;
use object_store::signer::Signer;

pub trait SignedObjectStore: ObjectStore + Signer {}

impl<O: ObjectStore + Signer> SignedObjectStore for O {}
