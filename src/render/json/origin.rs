//! The location of a declaration.

use crate::model::Origin;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginDocument {
    /// Relative to the folder of `segctl.yaml`, or as the user typed it.
    pub file: String,
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
}

impl OriginDocument {
    pub fn of(origin: &Origin) -> Self {
        Self {
            file: origin.file.clone(),
            line: origin.line,
            column: origin.column,
        }
    }
}
