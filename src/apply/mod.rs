//! x
pub mod receipt;
