//! Codes of the errors that the decoder reports; [`ERROR_CODES`](super::super::lint::ERROR_CODES) explains them.

pub(in crate::config) const UNKNOWN_FIELD: &str = "SEG010";
pub(in crate::config) const MISSING_FIELD: &str = "SEG011";
pub(in crate::config) const WRONG_TYPE: &str = "SEG012";
pub(in crate::config) const UNKNOWN_KEYWORD: &str = "SEG013";
pub(in crate::config) const OUT_OF_RANGE: &str = "SEG014";
pub(in crate::config) const AMBIGUOUS_SCALAR: &str = "SEG015";
pub(in crate::config) const INVALID_DATE: &str = "SEG016";
pub(in crate::config) const MISPLACED_FIELD: &str = "SEG017";
pub(in crate::config) const EXECUTION_CONTRADICTION: &str = "SEG019";
