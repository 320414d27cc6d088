//! The configuration: from YAML files to declared segments, or to the errors in the files.
//!
//! `yaml` parses files into trees with spans, and `decode` turns trees into declared segments. Each stage
//! continues after an error, so that one run reports all of them. Nothing here reads a workspace.

pub mod declaration;
mod decode;
pub mod discover;
pub mod edit;
mod file_index;
pub mod lint;
mod load;
mod member_list_problems;
pub mod member_lists;
mod parallel;
pub mod schema;
pub mod settings;
pub mod source;
mod vocabulary;
pub mod yaml;

pub use declaration::{Declaration, PathElement};
pub use decode::segment as decode_segment;
pub use file_index::FileIndex;
pub use load::{LoadedConfig, load, load_with_index};
