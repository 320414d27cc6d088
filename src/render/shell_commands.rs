//! Commands to be pasted into a shell. Names are other people's: a name must never be run.

use crate::model::{SegmentName, is_unprintable};

/// Writes a file for a live segment.
#[must_use]
pub fn import(name: &SegmentName) -> String {
    // A name is a pattern of itself: the two wildcards are characters that no name may hold.
    command_line("segctl pull", name.as_str())
}

/// Shows what a segment was before each change.
#[must_use]
pub fn state_history(name: &str) -> String {
    command_line("segctl ledger history", name)
}

/// Makes a segment nobody's.
#[must_use]
pub fn state_rm(name: &SegmentName) -> String {
    command_line("segctl ledger forget", name.as_str())
}

/// Applies everything but a segment.
#[must_use]
pub fn apply_excluding(name: &SegmentName) -> String {
    // A flag takes what follows for its own with a sign in between, whatever it begins with.
    format!("segctl apply --exclude={}", shell_quote(name.as_str()))
}

fn command_line(words: &str, argument: &str) -> String {
    // What begins with a dash would be taken for a flag.
    let end_of_flags = if argument.starts_with('-') { "-- " } else { "" };
    format!("{words} {end_of_flags}{}", shell_quote(argument))
}

/// One word of a POSIX shell, in which nothing is special.
fn shell_quote(text: &str) -> String {
    let mut before = None;
    let has_hidden = text
        .chars()
        .any(|next| is_unprintable(next, before.replace(next)));
    if has_hidden {
        // Only what can be seen can be pasted: `printf` makes the rest.
        return format!("\"$(printf '{}')\"", printf_escape(text));
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A format of `printf` that prints `text` and holds nothing special in single quotes.
fn printf_escape(text: &str) -> String {
    let mut format = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' => format.push(char::from(byte)),
            _ => format.push_str(&format!("\\{byte:03o}")),
        }
    }
    format
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn any_name_is_quoted_as_one_shell_word() {
        for name in [
            "Buyers 7d",
            "`touch x`",
            "it's; rm -r 'x'",
            "!history $HOME \"quoted\" \\",
            "[a] {b,c} ~ # * ?",
            "-flag",
            "a\u{202e}b\u{1b}[31m%s\\n`'",
            "é\nb",
        ] {
            let line = import(&SegmentName::new(name));
            let arguments = line.strip_prefix("segctl pull ").unwrap();
            let echo = format!("printf '%s|' {}", arguments.trim_start_matches("-- "));
            let read = Command::new("sh").args(["-c", &echo]).output().unwrap();
            assert_eq!(
                String::from_utf8(read.stdout).unwrap(),
                format!("{name}|"),
                "{line}"
            );
            assert_eq!(crate::model::escape_unprintable(&line), line);
        }
        assert_eq!(state_rm(&SegmentName::new("-x")), "segctl ledger forget -- '-x'");
    }
}
