//! Reads a member list.

use std::collections::BTreeSet;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileValues {
    /// The distinct values that can match a user, in the order of the file.
    pub(super) values: Vec<String>,
    /// The number of lines that are not empty.
    pub(super) lines_found: usize,
}

/// One value a line. A value matches no user if it has spaces around it, quotes, a comma at the end, or invalid UTF-8.
/// Empty lines and duplicates are ignored.
pub(super) fn parse_file(bytes: &[u8]) -> FileValues {
    let mut file = FileValues::default();
    let mut seen = BTreeSet::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        file.lines_found += 1;
        let Ok(value) = std::str::from_utf8(line) else {
            continue;
        };
        let quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
        if value.trim() == value && !quoted && !value.ends_with(',') && seen.insert(value) {
            file.values.push(value.to_owned());
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::parse_file;

    #[test]
    fn an_unpaired_quote_is_part_of_the_value() {
        for (text, matches) in [
            ("6\"", true),
            ("\"", true),
            ("a\"b", true),
            ("\"a", true),
            ("\"\"", false),
            ("\"a\"", false),
        ] {
            assert_eq!(!parse_file(text.as_bytes()).values.is_empty(), matches, "{text}");
        }
    }

    #[test]
    fn blank_lines_hold_no_values() {
        for (bytes, found) in [(&b""[..], 0), (b"\n\r\n", 0), (b"  \n\t", 2)] {
            let file = parse_file(bytes);
            assert_eq!((file.values.len(), file.lines_found), (0, found), "{bytes:?}");
        }
    }

    #[test]
    fn values_with_spaces_quotes_commas_or_invalid_utf8_are_ignored() {
        let file = parse_file(b"a\r\nb\n b\n\"c\"\nd,\n\na\n\xff\xfe\ne");
        assert_eq!(file.values, ["a", "b", "e"]);
        assert_eq!(file.lines_found, 8);
    }
}
