//! Trees to values of the model, collecting every fault on the way.
//!
//! By hand, not by serde: a tagged enum read through serde loses the places of its fields, and stops at the
//! first fault. What is refused here is form alone, exactly what the JSON Schema of a segment file refuses;
//! what depends on other fields or other segments is for the rules of `check`.

mod affinity;
mod aggregation;
mod attribute;
pub(in crate::config) mod codes;
pub(in crate::config) mod contents;
mod date;
mod datetime;
pub(in crate::config) mod decoder;
mod event;
mod filter;
mod operands;
mod segment;
mod time_range;

pub use segment::segment;
