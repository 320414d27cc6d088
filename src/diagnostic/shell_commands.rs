//! Commands for pasting into a shell. Other people choose the names, so a name must never be executed.

use crate::model::{SegmentName, is_unprintable};

pub fn import(name: &SegmentName) -> String {
    // A name is a pattern that matches itself: names cannot contain the two wildcards.
    command_line("segctl import", name.as_str())
}

pub fn state_history(name: &str) -> String {
    command_line("segctl state history", name)
}

pub fn state_rm(name: &SegmentName) -> String {
    command_line("segctl state rm", name.as_str())
}

pub fn apply_plan(file: &str) -> String {
    command_line("segctl apply", file)
}

pub fn apply_excluding(name: &SegmentName) -> String {
    // With `=`, a name that begins with a dash is still the flag's value.
    format!("segctl apply --exclude={}", shell_quote(name.as_str()))
}

pub fn plan_targets(names: &[&SegmentName]) -> String {
    let targets = names
        .iter()
        .map(|name| format!(" --target={}", shell_quote(name.as_str())));
    format!("segctl plan{}", targets.collect::<String>())
}

fn command_line(command: &str, argument: &str) -> String {
    // Otherwise an argument that begins with a dash would be read as a flag.
    let end_of_flags = if argument.starts_with('-') { "-- " } else { "" };
    format!("{command} {end_of_flags}{}", shell_quote(argument))
}

/// One word of a POSIX shell without special characters.
fn shell_quote(text: &str) -> String {
    let mut before = None;
    let has_hidden = text
        .chars()
        .any(|next| is_unprintable(next, before.replace(next)));
    if has_hidden {
        // Only visible characters can be pasted: `printf` writes the others.
        return format!("\"$(printf '{}')\"", printf_escape(text));
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A format of `printf` that prints `text`; it has no special characters within single quotes.
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
            let arguments = line.strip_prefix("segctl import ").unwrap();
            let echo = format!("printf '%s|' {}", arguments.trim_start_matches("-- "));
            let printed = Command::new("sh").args(["-c", &echo]).output().unwrap();
            assert_eq!(
                String::from_utf8(printed.stdout).unwrap(),
                format!("{name}|"),
                "{line}"
            );
            assert_eq!(crate::model::escape_unprintable(&line), line);
        }
        assert_eq!(state_rm(&SegmentName::new("-x")), "segctl state rm -- '-x'");
    }
}
