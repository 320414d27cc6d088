//! JSON Schemas of what people write, for editors and for whoever generates files.
//!
//! Written by hand like the decoder, and held to it by a property test: a document has the form that the decoder
//! takes exactly when it is valid here. Words come from the model's enums, so they are stated once. What depends on
//! other segments, or on arithmetic over several fields, is not form; `segctl validate` checks it.

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

/// A schema as it stands in a file: indented, with a line end.
#[must_use]
pub fn pretty(schema: &Value) -> String {
    // A JSON value always serialises.
    serde_json::to_string_pretty(schema).unwrap_or_default() + "\n"
}
