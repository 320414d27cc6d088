//! JSON Schemas of segment files and `segctl.yaml`, for editors and for programs that generate files.
//!
//! A property test compares the schemas with the decoder: both accept the same documents. `segctl validate` checks
//! what a schema cannot express: other segments, and arithmetic over several fields.

mod attribute;
mod builders;
mod contents;
mod date;
mod event;
mod hover;
mod segment;
mod settings;

pub use segment::segment;
pub use settings::settings;

use serde_json::Value;

#[must_use]
pub fn pretty(schema: &Value) -> String {
    format!("{schema:#}\n")
}
