//! Decodes YAML trees into model values and collects every error.
//!
//! Does not use serde, which loses the location of fields in a tagged enum and stops at the first error. The
//! decoder rejects exactly what the JSON Schema of a segment file rejects. Rules that depend on other fields or
//! other segments are in `lint`.

mod affinity;
mod aggregation;
mod attribute;
pub(in crate::config) mod codes;
pub(in crate::config) mod contents;
mod date;
mod datetime;
pub(in crate::config) mod decoder;
mod event;
mod examples;
mod field_names;
mod filter;
mod indentation;
mod numbers;
mod operands;
mod segment;
mod time_range;
mod written_date;

pub use segment::segment;
pub(in crate::config) use segment::{RESPONSE_FIELDS, definition_of, drop_trees, stored_definition};

#[cfg(test)]
mod tests;
