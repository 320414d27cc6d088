//! Live definitions to text: new segment files, and edits that bring a change into a file that somebody keeps.
//!
//! Text is a means here: whatever is written is read back by this crate's own decoder and compared in normal form
//! before anybody sees it, so a file can never say something else than the workspace. What a file cannot say in the
//! vocabulary is written as a `raw` filter; what it cannot say at all is refused. Nothing here touches the disk.

mod edit_error;
mod emit;
mod file_name;
mod new_file;
mod ordered_value;
mod patch;
mod remote_definition;
mod round_trip;
mod shorthand;
mod template;
mod text_edit;

pub use edit_error::EditError;
pub use file_name::file_name;
pub use new_file::{NewFile, segment_file_text};
pub use patch::{DeclarationUpdate, patch};
pub use remote_definition::NameLookup;
pub use template::{SegmentTemplate, template_text};
pub use text_edit::{Patch, TextEdit, apply_patches};
