//! How the service reads a file of users.

use std::collections::BTreeSet;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileValues {
    /// Values that can match a user, in order, each once.
    pub(super) values: Vec<String>,
    /// Lines that hold something.
    pub(super) lines_found: usize,
}

/// One value a line. Values with spaces around them, in quotes or with a comma at the end match nobody, and what is
/// not UTF-8 neither; empty lines and repeated values are passed over.
pub(super) fn parse_file(bytes: &[u8]) -> FileValues {
    let mut read = FileValues::default();
    let mut seen = BTreeSet::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        read.lines_found += 1;
        let Ok(value) = std::str::from_utf8(line) else {
            continue;
        };
        let quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
        if value.trim() == value && !quoted && !value.ends_with(',') && seen.insert(value) {
            read.values.push(value.to_owned());
        }
    }
    read
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
            let read = parse_file(bytes);
            assert_eq!((read.values.len(), read.lines_found), (0, found), "{bytes:?}");
        }
    }

    #[test]
    fn values_with_spaces_quotes_commas_or_invalid_utf8_are_ignored() {
        let read = parse_file(b"a\r\nb\n b\n\"c\"\nd,\n\na\n\xff\xfe\ne");
        assert_eq!(read.values, ["a", "b", "e"]);
        assert_eq!(read.lines_found, 8);
    }
}
