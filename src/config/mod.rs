//! Text to declared segments, or to everything that is wrong with the files.
//!
//! Files become spanned trees (`yaml`), trees become declared segments; each step keeps going after a
//! fault, so that one run names all of them with file, line, column and the fix. Strict on purpose: what
//! people write is checked to the letter. Nothing here knows what is live in a workspace.

pub mod declaration;
mod decode;
pub mod discover;
pub mod edit;
pub mod lint;
mod load;
pub mod member_lists;
mod parallel;
pub mod schema;
pub mod settings;
pub mod source;
pub mod suggest;
pub mod yaml;

pub use declaration::{Declaration, PathElement};
pub use decode::segment as decode_segment;
pub use load::{LoadedConfig, load};
