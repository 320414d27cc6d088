//! What the credentials of a workspace may contain: they are sent in HTTP headers.

/// Why `text` cannot be sent. `name` is the key in `segctl.yaml`.
#[must_use]
pub fn credential_problem(name: &str, text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("is empty")
    } else if text.chars().any(char::is_control) {
        Some("contains a line break or another control character")
    } else if text.trim() != text {
        Some("begins or ends with a space")
    } else if name == "workspace_id" && text.contains(':') {
        // Basic authentication ends the user name at the first colon.
        Some("contains a colon")
    } else {
        None
    }
}
