//! What a definition is, whoever wrote it: printed in the API's JSON, levelled to a normal form, digested,
//! and compared field by field.
//!
//! The planner compares nothing but normal forms, so a difference in spelling is never a change.

mod diff;
mod digest;
pub mod normal;
mod print;
pub mod references;
mod spelled;

pub use diff::{FieldChange, diff};
pub use digest::{Digest, Digests};
pub use normal::Identities;
pub use print::encode;
