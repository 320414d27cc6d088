//! Codes, messages and help texts for the problems of member lists. Lists have no excerpts, so a message must be complete.

use super::lint::{LIST_FORMAT, LIST_HEADER, LIST_SIZE, LIST_VALUE_DUPLICATE, LIST_VALUE_INVALID};
use crate::member_list::check::ListFileError;
use crate::member_list::foreign_format::ForeignFormat;
use crate::member_list::suspicion::{Suspicion, SuspiciousLines};
use crate::member_list::value::LineError;
use crate::model::escape_unprintable;

pub(super) fn code_and_message(error: ListFileError) -> (&'static str, String) {
    match error {
        ListFileError::Header | ListFileError::SeparatorSetting => (LIST_HEADER, error.to_string()),
        ListFileError::NotAList(_) => (LIST_FORMAT, error.to_string()),
        ListFileError::Line(LineError::ConflictMarker) => (LIST_FORMAT, error.to_string()),
        ListFileError::Line(_) => (
            LIST_VALUE_INVALID,
            format!("this line cannot match a user: {error}"),
        ),
        ListFileError::Columns { .. } => (
            LIST_VALUE_INVALID,
            format!("this line cannot match a user: {error}"),
        ),
        ListFileError::Duplicate { first } => (
            LIST_VALUE_DUPLICATE,
            format!("this line repeats the value of line {first}"),
        ),
        ListFileError::NoValues | ListFileError::TooManyUsers | ListFileError::TooManyBytes => {
            (LIST_SIZE, error.to_string())
        }
    }
}

pub(super) fn error_help(error: ListFileError) -> &'static str {
    match error {
        ListFileError::NotAList(format) => format_help(format),
        ListFileError::Header => "remove the line: MoEngage would look for a user with that value",
        ListFileError::SeparatorSetting => "remove the line",
        ListFileError::Columns { .. } => "export only the column of the attribute",
        ListFileError::NoValues => "to empty a segment, archive it: `lifecycle: archived`",
        ListFileError::TooManyUsers | ListFileError::TooManyBytes => {
            "split the list into several segments, and refer to them from one filter segment"
        }
        ListFileError::Line(error) => line_help(error),
        ListFileError::Duplicate { .. } => FIX_HELP,
    }
}

pub(super) fn suspicion_message(suspicion: Suspicion, lines: &SuspiciousLines) -> String {
    let example = escape_unprintable(&lines.example);
    match lines.count {
        1 => format!("this line is probably not a value: `{example}` is {suspicion}"),
        count => format!("{count} lines are probably not values: the first, `{example}`, is {suspicion}"),
    }
}

const FIX_HELP: &str = "`segctl validate --fix` fixes it";

fn format_help(format: ForeignFormat) -> &'static str {
    match format {
        ForeignFormat::LfsPointer => {
            "run `git lfs pull`; in CI, check out the repository with its LFS files (`lfs: true`)"
        }
        ForeignFormat::AnnexPointer => "run `git annex get` for the file",
        ForeignFormat::DvcPointer => "run `dvc pull`, and refer to the file that it downloads",
        ForeignFormat::Html | ForeignFormat::Xml | ForeignFormat::HttpResponse | ForeignFormat::HttpError => {
            "download the list again; `curl --fail` does not save the page of an error or of a login"
        }
        ForeignFormat::Json => "check the source of the file; write one value a line",
        ForeignFormat::Encrypted => "decrypt the file before segctl reads it",
        ForeignFormat::Gzip | ForeignFormat::Archive(_) => "decompress the file: a list is plain text",
        ForeignFormat::Zip => "save the sheet as CSV (UTF-8), or unpack the archive: a list is plain text",
        ForeignFormat::Utf16 | ForeignFormat::Utf32 => "save the file as UTF-8",
        ForeignFormat::Document(_) | ForeignFormat::Binary => {
            "export the list as plain text in UTF-8 with one value a line"
        }
    }
}

fn line_help(error: LineError) -> &'static str {
    match error {
        LineError::ConflictMarker => "resolve the merge conflict in the file",
        LineError::LostDigits => "export the column as text: the lost digits cannot be restored",
        LineError::NotUtf8 => "save the file as UTF-8",
        LineError::CarriageReturn => "save the file with the line ends of Unix (LF)",
        LineError::Tab => "export only the column of the attribute",
        _ if error.is_fixable() => FIX_HELP,
        _ => "correct the line or remove it",
    }
}

pub(super) fn suspicion_help(suspicion: Suspicion) -> &'static str {
    match suspicion {
        Suspicion::MissingValue | Suspicion::SpreadsheetError => {
            "export only the rows that have a value, or remove the lines"
        }
        Suspicion::Float => "export the ids as text, or as whole numbers without `.0`",
        Suspicion::DamagedText => "export the list again as UTF-8",
        Suspicion::BlankCharacter => "type the value again: such characters come from copied text",
        Suspicion::ListMarker => "remove the markers: a list has one value a line",
        Suspicion::Header | Suspicion::Footer | Suspicion::Comment | Suspicion::Rule => {
            "remove the line: MoEngage would look for a user with that value"
        }
        Suspicion::TextGuard => FIX_HELP,
    }
}
