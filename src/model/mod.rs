//! The vocabulary: names, ids, filters, values, windows, references, segment kinds.
//!
//! No I/O, no YAML and no API JSON; the stages that use it import it and it imports none of them.

mod identity;

pub use identity::{ALL_USERS_ID, SegmentId, SegmentName};
