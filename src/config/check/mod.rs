//! placeholder
use super::declaration::Declaration;
use crate::diagnostic::Diagnostic;
pub(crate) fn check(_declarations: &[&Declaration]) -> Vec<Diagnostic> {
    Vec::new()
}
