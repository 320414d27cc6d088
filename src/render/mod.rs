//! Values to text and JSON. Renders and decides nothing: the values hold what is shown and in which order. The
//! command line prints.

pub mod diagnostic;
pub mod json;
pub mod text;
