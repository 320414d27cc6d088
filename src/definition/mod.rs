//! Definitions: encoded as the JSON of the API, in canonical form, digested, and compared field by field.
//!
//! The planner compares only canonical forms, so a difference in spelling is never a change.

pub mod canonical;
mod canonical_definition;
mod categories;
mod diff;
mod digest;
mod documented;
mod encode;
mod readable_references;
pub mod references;
mod request_form;
mod respelling;

pub use canonical::Identities;
pub use canonical_definition::CanonicalDefinition;
pub use diff::{FieldChange, diff};
pub use digest::{Digest, Digests};
pub use documented::without_undocumented_fields;
pub use encode::encode;
pub use request_form::request_form;
pub use respelling::is_respelling;
