//! The media types of a member list.

/// MoEngage reads no list that is served with another type.
pub(super) const LIST_TYPES: [&str; 6] = [
    "text/csv",
    "application/csv",
    "application/vnd.ms-excel",
    "text/plain",
    "application/octet-stream",
    "binary/octet-stream",
];

/// `content_type` without parameters such as the character set.
pub(super) fn media_type(content_type: &str) -> String {
    let (name, _) = content_type.split_once(';').unwrap_or((content_type, ""));
    name.trim().to_ascii_lowercase()
}

pub(super) fn is_list_type(media_type: &str) -> bool {
    LIST_TYPES.contains(&media_type)
}

#[cfg(test)]
mod tests {
    use super::{is_list_type, media_type};

    #[test]
    fn parameters_and_case_do_not_matter() {
        for (content_type, is_list) in [
            ("text/csv", true),
            ("Text/CSV; charset=utf-8; header=absent", true),
            ("application/vnd.ms-excel", true),
            (" binary/octet-stream ", true),
            ("text/html", false),
            ("application/json", false),
            ("text/csvx", false),
            ("", false),
        ] {
            assert_eq!(is_list_type(&media_type(content_type)), is_list, "{content_type}");
        }
    }
}
