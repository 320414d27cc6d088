//! Explains the parser's syntax errors without terms from the YAML grammar.

use granit_parser::{ErrorKind, ScanError};

use super::likely_mistakes;
use crate::config::source::SourceFile;
use crate::diagnostic::Diagnostic;

pub(super) fn syntax_error(source: &SourceFile, error: &ScanError) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(source.text.len());
    let is_limit = *error.kind() == ErrorKind::RecursionLimitExceeded;
    if let Some(mistake) = likely_mistakes::near(source, at).filter(|_| !is_limit) {
        return mistake;
    }
    let next = source.text.get(at..).and_then(|rest| rest.chars().next());
    let width = next.filter(|next| *next != '\n').map_or(0, char::len_utf8);
    let location = source.location(at..at + width);
    if is_limit {
        return super::tree_builder::nesting_error(location);
    }
    let (message, help) = message_and_help(error.kind());
    let diagnostic = Diagnostic::error("SEG003", message, location, "YAML syntax error");
    match help {
        Some(help) => diagnostic.with_help(help),
        None => diagnostic,
    }
}

fn message_and_help(kind: &ErrorKind) -> (String, Option<&'static str>) {
    use ErrorKind as Kind;
    let (message, help) = match kind {
        Kind::TabInBlockIndentation | Kind::TabInIndentation | Kind::TabNotAllowed => (
            "a tab is used as indentation",
            "indent with spaces: YAML does not allow tabs",
        ),
        Kind::TabAtBlockScalarStart | Kind::TabInPlainScalar => {
            ("a tab is not allowed here", "replace the tab with spaces")
        }
        Kind::UnclosedQuotedScalar | Kind::DocumentIndicatorInQuotedScalar => (
            "unclosed quote",
            "close the quote, or double a quote that is part of the text",
        ),
        Kind::MappingValueNotAllowed => (
            "a second `:` in one value, or a key that is indented like a continuation of the line above",
            "put a text that contains `: ` in quotes; otherwise indent the key like its neighbors",
        ),
        Kind::ExpectedBlockMappingKey | Kind::InvalidIndentation | Kind::SimpleKeyExpected => (
            "this line does not continue the lines above it",
            "indent it like the key it belongs to, and check that the key ends with `:` and a space",
        ),
        Kind::ExpectedBlockSequenceEntry => (
            "list item without `-`",
            "start each item with `- `, or indent a key like the key of the list",
        ),
        Kind::BlockSequenceEntryNotAllowed => (
            "a list item is not allowed here",
            "start the list on the line after its key",
        ),
        Kind::ExpectedDocumentStart => (
            "this does not belong to the value above it, and no new document starts here",
            "indent it like the value it belongs to, or start a document with a line `---`",
        ),
        Kind::ExpectedFlowSequenceSeparator | Kind::ExpectedFlowMappingSeparator => (
            "missing `,` or closing bracket",
            "separate the entries with commas and close the bracket",
        ),
        Kind::UnknownQuotedScalarEscape => (
            "unknown escape sequence in double quotes",
            "double the backslash, or use single quotes, which have no escapes",
        ),
        Kind::UnexpectedCharacter {
            character: '@' | '`' | '%',
        } => (
            "a text cannot start with `@`, `%` or a backtick",
            "put the text in quotes",
        ),
        Kind::InvalidColonPlacement => (
            "a `:` is not allowed here",
            "close the open bracket above, or put the text in quotes",
        ),
        Kind::BomInsideDocument => (
            "a byte order mark is inside a document",
            "remove the byte order mark: segctl reads one only at the start of a file",
        ),
        Kind::InvalidTrailingSingleQuotedScalar => (
            "text after the closing quote",
            "put the whole value in quotes; inside single quotes, `''` is a quote",
        ),
        Kind::InvalidTrailingDoubleQuotedScalar => (
            "text after the closing quote",
            "put the whole value in quotes; inside double quotes, `\\\"` is a quote",
        ),
        Kind::InvalidBlockScalarHeader => (
            "a text after `>` or `|` starts on the next line",
            "write the text on the next line, indented, or put it in quotes on this line",
        ),
        Kind::MissingAnchorOrAliasName => ("a text cannot start with `*` or `&`", "put the text in quotes"),
        Kind::UnclosedFlowCollection { .. }
        | Kind::UnexpectedEofFlowSequence
        | Kind::UnexpectedEofFlowMapping
        | Kind::UnexpectedEofImplicitFlowMapping => ("unclosed bracket", "close the bracket"),
        _ => return (kind.to_string(), None),
    };
    (message.to_owned(), Some(help))
}
