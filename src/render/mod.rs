//! Values to text and JSON. Decides nothing: what is shown, and in which order of importance, is in the
//! values. Writes nothing either: printing is for the command line.

pub mod diagnostic;
pub mod json;
pub mod shell_commands;
pub mod text;
