//! The rules for segment names.

pub(super) fn name_error(name: &str) -> Option<&'static str> {
    const FORBIDDEN: [char; 10] = [':', '|', '*', '?', '\\', '<', '>', '=', '$', '"'];
    if name.trim().is_empty() {
        return Some("the name is empty");
    }
    if name.chars().count() > 200 {
        return Some("the name is longer than 200 characters");
    }
    if name.contains(FORBIDDEN) {
        return Some("the name has a character that is not allowed");
    }
    if name.starts_with('.') {
        return Some("the name starts with a period");
    }
    (name == "All Users").then_some("the name is reserved")
}
