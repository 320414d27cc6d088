//! Text for remote definitions: new segment files, and edits of existing files.
//!
//! The decoder reads every text back, and segctl compares it in canonical form. A filter outside the vocabulary becomes
//! a `raw` filter. A definition that no text can express is an error. Nothing here accesses the disk.

mod edit_error;
mod emit;
mod file_name;
mod new_file;
mod ordered_value;
mod patch;
mod readable_yaml;
mod remote_definition;
mod round_trip;
mod shorthand;
mod template;
mod text_edit;

pub use edit_error::EditError;
pub use file_name::file_name;
pub use new_file::{NewFile, segment_file_text};
pub use patch::{DeclarationUpdate, patch};
pub use readable_yaml::readable_yaml;
pub use remote_definition::NameLookup;
pub use template::{SegmentTemplate, template_text};
pub use text_edit::{Patch, TextEdit, apply_patches};
