//! What a definition is, whoever wrote it: printed in the API's JSON, levelled to a normal form, digested,
//! and compared field by field.
//!
//! The planner compares nothing but normal forms, so a difference in spelling is never a change.

mod diff;
mod digest;
pub mod canonical;
mod encode;
pub mod references;
mod readable_references;

pub use diff::{FieldChange, diff};
pub use digest::{Digest, Digests};
pub use canonical::Identities;
pub use encode::encode;
