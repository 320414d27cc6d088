//! Reads one file and converts byte spans to locations.
//!
//! Spans are bytes of the text on disk, including byte-order mark and carriage returns. They match the offsets
//! of editors.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::diagnostic::{Diagnostic, Location};

/// 16 MiB. A thousand segments of the largest size need a tenth of it.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

const BYTE_ORDER_MARK: char = '\u{feff}';

#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The display name in diagnostics.
    pub file: Arc<str>,
    pub text: String,
    /// Byte offset of the first character of each line; never empty. Only messages need it.
    line_starts: OnceLock<Vec<usize>>,
}

impl SourceFile {
    #[must_use]
    pub fn new(file: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
            line_starts: OnceLock::new(),
        }
    }

    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            // Column 1 is the first visible character.
            let first = if self.text.starts_with(BYTE_ORDER_MARK) {
                BYTE_ORDER_MARK.len_utf8()
            } else {
                0
            };
            let after_breaks = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(first).chain(after_breaks).collect()
        })
    }

    /// The location of `span`, clamped to the text and to character boundaries.
    #[must_use]
    pub fn location(&self, span: Range<usize>) -> Location {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.floor_char_boundary(span.end).max(start);
        let line = self.line_starts().partition_point(|&first| first <= start).max(1);
        let first = self.line_starts().get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(first..start).unwrap_or("");
        Location {
            file: Arc::clone(&self.file),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
            span: start..end,
        }
    }

    /// The text without the values of fields that may be secrets. Replaces byte by byte, so spans stay valid.
    ///
    /// Excerpts of `segctl.yaml` use this text: an error beside a secret must not print the secret.
    #[must_use]
    pub fn redacted_text(&self) -> String {
        let lines = self.text.split_inclusive('\n');
        lines.map(|line| redact_user_info(&redact_secret(line))).collect()
    }

    /// Empty if `span` is not inside the text.
    #[must_use]
    pub fn slice(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or("")
    }
}

/// Reads a regular UTF-8 file of at most 16 MiB. Never opens a device or a pipe, because that could block.
pub fn read(path: &Path, display_name: &str) -> Result<SourceFile, Diagnostic> {
    let unreadable = |message: String| {
        let location = Location::whole_file(Arc::from(display_name));
        Diagnostic::error("SEG001", message, location, "")
    };
    let failed = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => unreadable(format!("the file `{display_name}` does not exist"))
            .with_help("check the path; it is relative to the file that contains it"),
        _ => unreadable(format!("cannot read `{display_name}`: {error}"))
            .with_help("check that the current user has read access"),
    };
    let metadata = fs::metadata(path).map_err(|error| failed(&error))?;
    if metadata.is_dir() {
        return Err(unreadable(format!("`{display_name}` is a directory, not a file")));
    }
    if !metadata.is_file() {
        return Err(unreadable(format!("`{display_name}` is not a regular file")));
    }
    let too_large = || {
        let limit = FILE_LIMIT >> 20;
        let message = format!("the file `{display_name}` is larger than {limit} MiB");
        unreadable(message).with_help("split it into several files")
    };
    if metadata.len() > FILE_LIMIT {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    // The file may grow, and some file systems report no length.
    File::open(path)
        .and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(too_large());
    }
    decode_text(bytes, display_name)
}

fn redact_secret(line: &str) -> String {
    const SECRET_KEYWORDS: [&str; 6] = ["key", "secret", "token", "pass", "api", "auth"];
    let lower = line.to_ascii_lowercase();
    if lower.trim_start().starts_with("api_behavior:") {
        return line.to_owned();
    }
    let keyword_position = SECRET_KEYWORDS.iter().filter_map(|word| lower.find(word)).min();
    let value = keyword_position
        .and_then(|at| Some(at + line.get(at..)?.find(':')? + 1))
        .unwrap_or(line.len());
    let (field, value) = line.split_at(value);
    let keep = |character: char| character.is_whitespace() || "${}[],:\"'".contains(character);
    let redact = |character: char| {
        if keep(character) {
            character.to_string()
        } else {
            "*".repeat(character.len_utf8())
        }
    };
    field
        .chars()
        .map(String::from)
        .chain(value.chars().map(redact))
        .collect()
}

/// Replaces what a URL has between `//` and `@`: a user name and a password.
fn redact_user_info(line: &str) -> String {
    let Some(start) = line.find("//").map(|at| at + 2) else {
        return line.to_owned();
    };
    let (before, rest) = line.split_at(start);
    match rest.rfind('@').map(|at| rest.split_at(at)) {
        Some((user_info, after)) => format!("{before}{}{after}", "*".repeat(user_info.len())),
        None => line.to_owned(),
    }
}

fn decode_text(bytes: Vec<u8>, display_name: &str) -> Result<SourceFile, Diagnostic> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let location = Location::whole_file(Arc::from(display_name));
        let message = format!("the file `{display_name}` is UTF-16 text");
        return Err(Diagnostic::error("SEG002", message, location, "").with_help("save the file as UTF-8"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => match text.find('\0') {
            None => Ok(SourceFile::new(display_name, text)),
            Some(at) => {
                let message = format!("byte {at} of `{display_name}` is NUL, so this is not a text file");
                let location = location_after(display_name, text.get(..at).unwrap_or(""));
                let error = Diagnostic::error("SEG002", message, location, "the NUL byte");
                Err(error.with_help("save the file as UTF-8 text"))
            }
        },
        Err(error) => {
            let error_at = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let before = String::from_utf8_lossy(bytes.get(..error_at).unwrap_or(&[]));
            let message = format!("byte {error_at} of `{display_name}` is not UTF-8");
            let location = location_after(display_name, &before);
            let error = Diagnostic::error("SEG002", message, location, "invalid byte");
            Err(error.with_help("save the file as UTF-8"))
        }
    }
}

fn location_after(display_name: &str, before: &str) -> Location {
    SourceFile::new(display_name, before).location(before.len()..before.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted_and_spans_stay_valid() {
        let text = "a: b\n  api_key: hünter # x\nw: {api_kye: \"s3cret\"}\nname: plain\nendpoint: https://me:p@ss/s3cret@host/a\n";
        let redacted = SourceFile::new("segctl.yaml", text).redacted_text();
        assert_eq!(redacted.len(), text.len());
        assert!(
            !redacted.contains("nter") && !redacted.contains("s3cret"),
            "{redacted}"
        );
        assert!(
            redacted.contains("a: b\n  api_key: ")
                && redacted.contains("name: plain")
                && redacted.contains("*@host/a"),
            "{redacted}"
        );
    }

    #[test]
    fn locations_count_lines_and_characters_from_one() {
        let source = SourceFile::new("a.yaml", "\u{feff}a: ü\r\nb: ü!\n");
        let at = |text: &str| {
            let start = source.text.find(text).unwrap_or(usize::MAX);
            let location = source.location(start..start + text.len());
            let text = source.slice(&location.span).to_owned();
            (location.line, location.column, text)
        };
        assert_eq!(at("a"), (1, 1, "a".into()));
        assert_eq!(at("b"), (2, 1, "b".into()));
        assert_eq!(at("!"), (2, 5, "!".into()));
    }

    #[test]
    fn spans_are_clamped_to_the_text_and_to_character_boundaries() {
        let source = SourceFile::new("a.yaml", "\u{feff}ü");
        for (span, clamped) in [(0..0, 0..0), (4..5, 3..5), (9..12, 5..5)] {
            let location = source.location(span);
            assert_eq!((location.line, location.span), (1, clamped));
        }
    }

    #[test]
    fn non_text_files_are_rejected_with_a_location() {
        let table: [(&[u8], &str); 7] = [
            (b"a: 1\n", ""),
            (b"\xef\xbb\xbfa: 1\n", ""),
            (b"a: 1\nb: \xff\n", "SEG002 2:4"),
            (b"a: 1\n\xc3\xbc\xc3", "SEG002 2:2"),
            (b"\xff\xfea\0", "SEG002 0:0"),
            (b"\xfe\xff\0a", "SEG002 0:0"),
            (b"a: \0", "SEG002 1:4"),
        ];
        for (bytes, expected) in table {
            let found = decode_text(bytes.to_vec(), "a.yaml").err().map(|error| {
                let location = &error.labels.first().unwrap().location;
                format!("{} {}:{}", error.code, location.line, location.column)
            });
            assert_eq!(found.unwrap_or_default(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn only_regular_files_within_the_size_limit_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("valid.yaml"), "a: 1\n").unwrap();
        // Sparse: uses no disk space.
        File::create(path("large.yaml"))
            .unwrap()
            .set_len(FILE_LIMIT + 1)
            .unwrap();
        let reads = |path: &Path| match read(path, "shown.yaml") {
            Ok(source) => source.text,
            Err(error) => format!("{} {}", error.code, error.message),
        };
        assert_eq!(reads(&path("valid.yaml")), "a: 1\n");
        let rejected = [
            (
                path("missing.yaml"),
                "SEG001 the file `shown.yaml` does not exist",
            ),
            (path(""), "SEG001 `shown.yaml` is a directory, not a file"),
            (
                path("large.yaml"),
                "SEG001 the file `shown.yaml` is larger than 16 MiB",
            ),
        ];
        for (path, expected) in rejected {
            assert_eq!(reads(&path), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_rejected_without_waiting_for_a_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe.yaml");
        let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(status.success());
        let error = read(&path, "pipe.yaml").unwrap_err();
        assert_eq!(error.message, "`pipe.yaml` is not a regular file");
    }
}
