//! Live definitions to text: new segment files, and edits that bring a change into a file that somebody keeps.
//!
//! Text is a means here: whatever is written is read back by this crate's own decoder and compared in normal form
//! before anybody sees it, so a file can never say something else than the workspace. What a file cannot say in the
//! vocabulary is written as a `raw` filter; what it cannot say at all is refused. Nothing here touches the disk.

mod text_edit;
mod emit;
mod new_file;
mod file_name;
mod round_trip;
mod remote_definition;
mod patch;
mod shorthand;
mod template;
mod ordered_value;
mod edit_error;

pub use text_edit::{TextEdit, Patch, apply_patches};
pub use new_file::{NewFile, segment_file_text};
pub use file_name::file_name;
pub use remote_definition::NameLookup;
pub use patch::{DeclarationUpdate, patch};
pub use template::{SegmentTemplate, template_text};
pub use edit_error::EditError;
