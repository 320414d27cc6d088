//! Live definitions to text: new segment files, and edits that bring a change into a file that somebody keeps.
//!
//! Text is a means here: whatever is written is read back by this crate's own decoder and compared in normal form
//! before anybody sees it, so a file can never say something else than the workspace. What a file cannot say in the
//! vocabulary is written as a `raw` filter; what it cannot say at all is refused. Nothing here touches the disk.

mod edit;
mod emit;
mod file;
mod file_name;
mod law;
mod live;
mod patch;
mod spell;
mod stub;
mod tree;
mod unwritable;

pub use edit::{TextEdit, Patch, apply_patches};
pub use file::{NewFile, segment_file_text};
pub use file_name::file_name;
pub use live::NameLookup;
pub use patch::{DeclarationUpdate, patch};
pub use stub::{SegmentTemplate, template_text};
pub use unwritable::EditError;
