//! The parser's syntax errors in words for people who do not know the grammar.

use granit_parser::{ErrorKind, ScanError};

use crate::config::source::SourceFile;
use crate::diagnostic::Diagnostic;

/// What `error` says about `source`, with the usual cure where there is one.
pub(super) fn syntax_error(source: &SourceFile, error: &ScanError) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(source.text.len());
    let width = source
        .text
        .get(at..)
        .and_then(|rest| rest.chars().next())
        .map_or(0, |next| if next == '\n' { 0 } else { next.len_utf8() });
    let place = source.location(at..at + width);
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return super::tree_builder::nesting_error(place);
    }
    let (message, help) = message_and_help(error.kind());
    let diagnostic = Diagnostic::error("SEG003", message, place, "the YAML cannot be read from here on");
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
            "indent with spaces: YAML does not count tabs",
        ),
        Kind::TabAtBlockScalarStart | Kind::TabInPlainScalar => (
            "a tab stands where only spaces may",
            "replace the tab with spaces",
        ),
        Kind::UnclosedQuotedScalar | Kind::DocumentIndicatorInQuotedScalar => (
            "a quote is opened here and never closed",
            "close it, or double a quote that is part of the text",
        ),
        Kind::MappingValueNotAllowed => (
            "a second `:` in one value, or a key that is indented like a continuation of the line above",
            "put a text that holds `: ` in quotes; otherwise line the key up with its neighbours",
        ),
        Kind::ExpectedBlockMappingKey | Kind::InvalidIndentation | Kind::SimpleKeyExpected => (
            "this line does not continue what stands above it",
            "line it up with the key it belongs to, and see that the key ends in `:` and a space",
        ),
        Kind::ExpectedBlockSequenceEntry => (
            "a list goes on without `-`",
            "start each entry with `- `, or line a key up with the one that holds the list",
        ),
        Kind::BlockSequenceEntryNotAllowed => (
            "a list entry stands where none can",
            "start the list on the line after its key",
        ),
        Kind::ExpectedDocumentStart => (
            "this does not belong to the value above it, and no new document begins here",
            "line it up with what it belongs to, or begin a document with a line `---`",
        ),
        Kind::ExpectedFlowSequenceSeparator | Kind::ExpectedFlowMappingSeparator => (
            "`,` or the closing bracket is missing",
            "separate entries with commas and close the bracket",
        ),
        Kind::UnknownQuotedScalarEscape => (
            "an escape in double quotes that YAML does not know",
            "write the backslash twice, or use single quotes, which have no escapes",
        ),
        Kind::UnexpectedCharacter {
            character: '@' | '`' | '%',
        } => (
            "a text cannot begin with `@`, `%` or a backtick",
            "put the text in quotes",
        ),
        Kind::InvalidColonPlacement => (
            "a `:` stands where none can",
            "close the bracket that is open above, or put the text in quotes",
        ),
        _ if is_unclosed_bracket(kind) => ("a bracket is opened and never closed", "close it"),
        _ => return (kind.to_string(), None),
    };
    (message.to_owned(), Some(help))
}

fn is_unclosed_bracket(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnclosedFlowCollection { .. }
            | ErrorKind::UnexpectedEofFlowSequence
            | ErrorKind::UnexpectedEofFlowMapping
            | ErrorKind::UnexpectedEofImplicitFlowMapping
    )
}
