//! Mistakes in YAML that a syntax error alone does not explain: merge conflicts, `{{…}}` without quotes, `key:value`,
//! and operators that YAML reads as its own signs.

use crate::config::source::SourceFile;
use crate::config::vocabulary;
use crate::diagnostic::Diagnostic;
use std::ops::Range;

const SYNTAX: &str = "SEG003";

/// The first conflict of a merge that was not resolved.
pub(super) fn merge_conflict(source: &SourceFile) -> Option<Diagnostic> {
    let mut start = None;
    let mut has_middle = false;
    let mut at = 0;
    for line in source.text.split_inclusive('\n') {
        let text = line.trim_end();
        if text == "<<<<<<<" || text.starts_with("<<<<<<< ") {
            start.get_or_insert(at..at + text.len());
        } else if start.is_some() && text == "=======" {
            has_middle = true;
        } else if has_middle && (text == ">>>>>>>" || text.starts_with(">>>>>>> ")) {
            let message = format!("`{}` has a merge conflict", source.file);
            let location = source.location(start?);
            return Some(
                Diagnostic::error(SYNTAX, message, location, "the conflict starts here").with_help(
                    "keep one of the two versions, and delete the lines `<<<<<<<`, `=======` and `>>>>>>>`",
                ),
            );
        }
        at += line.len();
    }
    None
}

/// The mistake that probably caused the syntax error at byte `at`.
pub(super) fn near(source: &SourceFile, at: usize) -> Option<Diagnostic> {
    let line = line_range(source, at.min(source.text.len()));
    template(source, &line, at)
        .or_else(|| variable(source, &line, at))
        .or_else(|| symbol(source, &line))
        .or_else(|| missing_space(source, line.clone()))
        .or_else(|| missing_space(source, line_above(source, &line)?))
}

/// `{{…}}` that contains byte `at`. YAML reads it as a mapping inside a mapping.
pub(super) fn template_around(source: &SourceFile, at: usize) -> Option<Diagnostic> {
    template(source, &line_range(source, at), at)
}

fn template(source: &SourceFile, line: &Range<usize>, at: usize) -> Option<Diagnostic> {
    let before = source.slice(&(line.start..(at + 1).min(line.end)));
    let start = line.start + before.find("{{")?;
    let rest = source.slice(&(start..line.end));
    let text = templates(rest).unwrap_or(rest.trim_end());
    let end = text.len();
    let message = "a text that starts with `{{` needs quotes";
    let location = source.location(start..start + end);
    let quoted = if text.contains('"') {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        format!("\"{text}\"")
    };
    Some(
        Diagnostic::error(SYNTAX, message, location, "YAML reads a mapping here")
            .with_help(format!("write the whole value in quotes: {quoted}")),
    )
}

/// The template at the start of `rest`, and those after it that no bracket or comma separates from it: the mapping around
/// the value may have more brackets.
fn templates(rest: &str) -> Option<&str> {
    let mut end = rest.find("}}")? + 2;
    while let Some(after) = rest.get(end..)
        && let Some(start) = after.find("{{")
        && !after[..start].contains(['{', '}', '[', ']', ','])
        && let Some(length) = after[start..].find("}}")
    {
        end += start + length + 2;
    }
    rest.get(..end)
}

/// `${NAME}` within `{…}` or `[…]`: YAML reads the text `$` and a mapping. The message does not repeat a default, which
/// may be a secret.
fn variable(source: &SourceFile, line: &Range<usize>, at: usize) -> Option<Diagnostic> {
    let before = source.slice(&(line.start..(at + 1).min(line.end)));
    let start = line.start + before.rfind('$')?;
    let rest = source.slice(&(start..line.end)).strip_prefix("${")?;
    // The parser stops at the bracket or after it.
    let is_near = at <= start + 2;
    let end = rest.find('}').filter(|_| is_near)?;
    let is_name = |next: char| next.is_ascii_alphanumeric() || next == '_';
    let name = rest.get(..end).filter(|name| name.chars().all(is_name));
    let location = source.location(start..start + "${".len() + end + "}".len());
    let message = "a variable within `{…}` or `[…]` needs quotes";
    Some(
        Diagnostic::error(SYNTAX, message, location, "YAML reads a mapping here").with_help(format!(
            "write the whole value in quotes: \"${{{}}}\"",
            name.unwrap_or("NAME")
        )),
    )
}

/// `operator: >=` and `filter_operator: ||`: YAML reads `>` and `|` as the start of a text on the next lines.
fn symbol(source: &SourceFile, line: &Range<usize>) -> Option<Diagnostic> {
    let text = source.slice(line);
    let (key, value) = text.split_once(": ")?;
    let written = value.trim();
    // `>-` and `|2` are signs of YAML.
    let is_sign = written
        .get(1..)
        .is_some_and(|rest| rest.starts_with(['>', '<', '=', '|', '!', '~']));
    if !written.starts_with(['>', '|']) || !is_sign {
        return None;
    }
    let start = line.start + text.len() - value.trim_start().len();
    let location = source.location(start..start + written.len());
    let message = format!("a text cannot start with `{}`", written.get(..1)?);
    let help = operator_help(key.trim_start_matches([' ', '-']), written);
    let help = help.unwrap_or_else(|| format!("put the text in quotes: \"{written}\""));
    Some(Diagnostic::error(SYNTAX, message, location, "YAML syntax error").with_help(help))
}

/// What to write for an operator that is not text in YAML.
pub(super) fn operator_help(key: &str, written: &str) -> Option<String> {
    let symbol = written.split_whitespace().next()?;
    if key == "filter_operator" {
        let word = vocabulary::keyword_for("group operator", symbol, &["and", "or"])?;
        return Some(format!("write `filter_operator: {word}`"));
    }
    let operators = [
        "is",
        "in",
        "lessThan",
        "greaterThan",
        "between",
        "exists",
        "contains",
    ];
    let help = vocabulary::operator_help(symbol, &operators, None);
    help.filter(|_| key == "operator")
}

/// `key:value` without a space, which YAML reads as one text.
fn missing_space(source: &SourceFile, line: Range<usize>) -> Option<Diagnostic> {
    let text = source.slice(&line);
    let content = text.trim_start_matches([' ', '-']);
    let (key, value) = content.split_once(':')?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_key =
        !key.is_empty() && key.bytes().all(is_word) && key.starts_with(|first: char| first.is_alphabetic());
    if !is_key || value.starts_with([' ', '/', ':', '\r', '\t']) || value.trim().is_empty() {
        return None;
    }
    let start = line.start + text.len() - content.len();
    let colon = start + key.len();
    let location = source.location(colon..colon + 1);
    let message = format!("missing space after `{key}:`");
    let help = format!("write `{key}: {}`", value.trim_end());
    Some(Diagnostic::error(SYNTAX, message, location, "put a space after `:`").with_help(help))
}

fn line_range(source: &SourceFile, at: usize) -> Range<usize> {
    let at = source.text.floor_char_boundary(at);
    let start = source
        .slice(&(0..at))
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let end = source.text.get(at..).and_then(|rest| rest.find('\n'));
    start..end.map_or(source.text.len(), |end| at + end)
}

/// The line above `line` that is not empty.
fn line_above(source: &SourceFile, line: &Range<usize>) -> Option<Range<usize>> {
    let before = source.slice(&(0..line.start)).trim_end();
    (!before.is_empty()).then(|| line_range(source, before.len() - 1))
}
