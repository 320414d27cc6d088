//! Files that stand in the place of a list: pointers, web pages, error responses, archives and other binary files.

use std::fmt;

/// Enough for every signature, and for the first line of a text.
const PREFIX_BYTES: usize = 1024;

const LFS_POINTERS: [&str; 2] = [
    "version https://git-lfs.github.com/spec/",
    "version https://hawser.github.com/spec/",
];

const BYTE_ORDER_MARK: char = '\u{feff}';

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForeignFormat {
    LfsPointer,
    AnnexPointer,
    DvcPointer,
    Html,
    Xml,
    Json,
    HttpResponse,
    HttpError,
    Encrypted,
    Gzip,
    Zip,
    /// Another compressed file or archive, by its name.
    Archive(&'static str),
    /// Another kind of document or data file, by its name.
    Document(&'static str),
    Utf16,
    Utf32,
    Binary,
}

/// The first bytes of binary formats.
const SIGNATURES: &[(&[u8], ForeignFormat)] = &[
    (b"\x1f\x8b", ForeignFormat::Gzip),
    (b"PK\x03\x04", ForeignFormat::Zip),
    (b"PK\x05\x06", ForeignFormat::Zip),
    (b"PK\x07\x08", ForeignFormat::Zip),
    (b"BZh", ForeignFormat::Archive("bzip2")),
    (b"\xfd7zXZ\0", ForeignFormat::Archive("xz")),
    (b"\x28\xb5\x2f\xfd", ForeignFormat::Archive("zstd")),
    (b"\x04\x22\x4d\x18", ForeignFormat::Archive("lz4")),
    (b"7z\xbc\xaf\x27\x1c", ForeignFormat::Archive("7-Zip")),
    (b"Rar!\x1a\x07", ForeignFormat::Archive("RAR")),
    (b"%PDF-", ForeignFormat::Document("a PDF document")),
    (b"{\\rtf", ForeignFormat::Document("an RTF document")),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        ForeignFormat::Document("an old Excel workbook"),
    ),
    (b"PAR1", ForeignFormat::Document("a Parquet file")),
    (b"ORC", ForeignFormat::Document("an ORC file")),
    (b"Obj\x01", ForeignFormat::Document("an Avro file")),
    (b"ARROW1\0\0", ForeignFormat::Document("an Arrow file")),
    (
        b"SQLite format 3\0",
        ForeignFormat::Document("an SQLite database"),
    ),
    (b"\x89PNG\r\n", ForeignFormat::Document("an image")),
    (b"\xff\xd8\xff", ForeignFormat::Document("an image")),
    (b"GIF8", ForeignFormat::Document("an image")),
    (b"\0GITCRYPT\0", ForeignFormat::Encrypted),
    (b"\xff\xfe\0\0", ForeignFormat::Utf32),
    (b"\0\0\xfe\xff", ForeignFormat::Utf32),
    (b"\xff\xfe", ForeignFormat::Utf16),
    (b"\xfe\xff", ForeignFormat::Utf16),
];

/// Signatures of letters only could also begin a list.
const LETTER_SIGNATURES: [&[u8]; 4] = [b"BZh", b"PAR1", b"ORC", b"GIF8"];

/// The plain-text bodies of failed downloads.
const HTTP_ERRORS: [&str; 10] = [
    "bad credentials",
    "bad gateway",
    "bad request",
    "forbidden",
    "gateway timeout",
    "internal server error",
    "not found",
    "service unavailable",
    "too many requests",
    "unauthorized",
];

impl ForeignFormat {
    /// The format of a file that begins with `start`, and the line that shows it.
    pub(super) fn of_start(start: &[u8]) -> Option<(Self, u32)> {
        let start = start.get(..PREFIX_BYTES).unwrap_or(start);
        if let Some(format) = binary_format(start) {
            return Some((format, 1));
        }
        let text = valid_text(start);
        let trimmed =
            text.trim_start_matches(|letter: char| letter == BYTE_ORDER_MARK || letter.is_whitespace());
        let before = text.len() - trimmed.len();
        let lines_before = text.get(..before)?.matches('\n').count();
        let format = text_format(trimmed, start.len() < PREFIX_BYTES)?;
        Some((format, u32::try_from(lines_before).ok()?.saturating_add(1)))
    }

    /// The format that a later line shows, where files were concatenated.
    pub(super) fn of_line(line: &[u8]) -> Option<Self> {
        match line.first()? {
            b'v' => is_lfs_pointer(valid_text(line)).then_some(Self::LfsPointer),
            b'<' => {
                let text = valid_text(line);
                let is_document = starts_with_any(text, &["<!doctype", "<html", "<?xml"]);
                is_document.then(|| markup_format(text))
            }
            _ => None,
        }
    }
}

impl fmt::Display for ForeignFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::LfsPointer => "a Git LFS pointer",
            Self::AnnexPointer => "a git-annex pointer",
            Self::DvcPointer => "a DVC pointer",
            Self::Html => "an HTML page",
            Self::Xml => "an XML document",
            Self::Json => "a JSON document",
            Self::HttpResponse => "an HTTP response with its headers",
            Self::HttpError => "the error message of a web server",
            Self::Encrypted => "an encrypted file or a key",
            Self::Gzip => "a gzip archive",
            Self::Zip => "a zip archive, such as an Excel workbook (.xlsx)",
            Self::Archive(name) => return write!(formatter, "a compressed file ({name})"),
            Self::Document(name) => name,
            Self::Utf16 => "text in UTF-16",
            Self::Utf32 => "text in UTF-32",
            Self::Binary => "a binary file",
        })
    }
}

fn binary_format(start: &[u8]) -> Option<ForeignFormat> {
    let mut signatures = SIGNATURES.iter();
    let found = signatures.find(|(signature, _)| {
        start.starts_with(signature) && (!LETTER_SIGNATURES.contains(signature) || has_control_bytes(start))
    });
    if let Some((_, format)) = found {
        return Some(*format);
    }
    if start.get(257..262) == Some(b"ustar") {
        return Some(ForeignFormat::Archive("tar"));
    }
    if is_utf16_without_mark(start) {
        return Some(ForeignFormat::Utf16);
    }
    // A single control character is an error of its line.
    let controls = start.iter().filter(|byte| is_control_byte(**byte)).count();
    (controls > 2 && controls * 10 > start.len()).then_some(ForeignFormat::Binary)
}

fn is_control_byte(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0xe..=0x1a | 0x1c..=0x1f)
}

fn has_control_bytes(start: &[u8]) -> bool {
    start.iter().any(|byte| is_control_byte(*byte))
}

/// ASCII letters in UTF-16: every second byte is zero.
fn is_utf16_without_mark(start: &[u8]) -> bool {
    let zeros_at = |parity: usize| {
        let bytes = start.iter().skip(parity).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    let (even, odd) = (zeros_at(0), zeros_at(1));
    let half = start.len() / 2;
    half >= 2 && even.max(odd) * 10 >= half * 8 && even.min(odd) * 10 <= half * 2
}

/// The part before the first byte that is not UTF-8. The end of the prefix may be inside a character.
fn valid_text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
    }
}

fn text_format(text: &str, is_whole: bool) -> Option<ForeignFormat> {
    let first_line = text.lines().next()?;
    if is_lfs_pointer(text) {
        Some(ForeignFormat::LfsPointer)
    } else if first_line.contains("/annex/objects/") {
        Some(ForeignFormat::AnnexPointer)
    } else if first_line.trim_end() == "outs:" && text.contains("md5:") {
        Some(ForeignFormat::DvcPointer)
    } else if is_markup(text) {
        Some(markup_format(text))
    } else if is_json(text) {
        Some(ForeignFormat::Json)
    } else if first_line.starts_with("HTTP/") && first_line.contains(' ') {
        Some(ForeignFormat::HttpResponse)
    } else if starts_with_any(text, &["-----begin ", "age-encryption.org/", "$ansible_vault;"]) {
        Some(ForeignFormat::Encrypted)
    } else if is_whole && is_http_error(text) {
        Some(ForeignFormat::HttpError)
    } else {
        None
    }
}

fn is_lfs_pointer(text: &str) -> bool {
    LFS_POINTERS.iter().any(|pointer| text.starts_with(pointer))
}

fn starts_with_any(text: &str, starts: &[&str]) -> bool {
    starts.iter().any(|start| {
        let begin = text.get(..start.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    })
}

/// A declaration, a comment or a tag. An address in angle brackets is not a tag.
fn is_markup(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('<') else {
        return false;
    };
    if starts_with_any(rest, &["!doctype", "!--", "?xml"]) {
        return true;
    }
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || ":-_".contains(letter);
    let after_name = rest.trim_start_matches(is_name);
    let has_name =
        after_name.len() < rest.len() && rest.starts_with(|first: char| first.is_ascii_alphabetic());
    // `<null>` and `<NA>` are missing values.
    let is_missing = starts_with_any(rest, &["null>", "na>", "none>"]);
    has_name && !is_missing && after_name.starts_with(['>', '/', ' ', '\t', '\r', '\n'])
}

fn markup_format(text: &str) -> ForeignFormat {
    let lower = text.to_ascii_lowercase();
    let is_html = ["<!doctype html", "<html", "<head", "<body", "<title", "<script"];
    if is_html.iter().any(|tag| lower.contains(tag)) {
        ForeignFormat::Html
    } else {
        ForeignFormat::Xml
    }
}

/// An object or an array. A text in braces, such as `{3F2504E0-…}`, may be a value.
fn is_json(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('{') {
        return matches!(rest.trim_start().bytes().next(), None | Some(b'"' | b'}'));
    }
    let Some(rest) = text.strip_prefix('[') else {
        return false;
    };
    let is_in_lines = rest.starts_with(['\n', '\r']);
    let rest = rest.trim_start();
    is_in_lines
        || matches!(rest.bytes().next(), None | Some(b'"' | b'{' | b'[' | b']'))
        || is_number_array(rest)
}

fn is_number_array(rest: &str) -> bool {
    let after = rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || "+-.eE ".contains(letter));
    after.len() < rest.len() && after.starts_with(',')
}

/// A single line such as `404: Not Found`.
fn is_http_error(text: &str) -> bool {
    let mut lines = text.trim_end().lines();
    let line = lines.next().unwrap_or_default();
    let message = line.trim_start_matches(|letter: char| letter.is_ascii_digit() || ": ".contains(letter));
    let message = message.trim_end_matches('.').to_ascii_lowercase();
    lines.next().is_none() && HTTP_ERRORS.contains(&message.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_found_by_its_start() {
        use ForeignFormat::*;
        let utf16: Vec<u8> = "a@example.com\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let utf16_be: Vec<u8> = "a@example.com\n"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let mut tar = vec![b'a'; 257];
        tar.extend(b"ustar\0");
        let table: &[(&[u8], ForeignFormat, u32)] = &[
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n",
                LfsPointer,
                1,
            ),
            (b"\n\nversion https://git-lfs.github.com/spec/v1\n", LfsPointer, 3),
            (b"/annex/objects/SHA256E-s1--ab.csv\n", AnnexPointer, 1),
            (b"outs:\n- md5: ab\n  path: a.csv\n", DvcPointer, 1),
            (b"<!DOCTYPE html>\n<html>", Html, 1),
            (b"\xef\xbb\xbf\r\n  <HTML lang=en>", Html, 2),
            (b"<!-- a --><html>", Html, 1),
            (
                b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>",
                Xml,
                1,
            ),
            (b"<Error>", Xml, 1),
            (b"<ns:list/>", Xml, 1),
            (b"{\"message\":\"Not Found\"}", Json, 1),
            (b"{\n  \"a\": 1\n}", Json, 1),
            (b"{}", Json, 1),
            (b"[\"a\", \"b\"]", Json, 1),
            (b"[\n  1\n]", Json, 1),
            (b"[1, 2]", Json, 1),
            (b"[]", Json, 1),
            (b"[{\"uid\": 1}]", Json, 1),
            (b"HTTP/1.1 403 Forbidden\r\n", HttpResponse, 1),
            (b"404: Not Found", HttpError, 1),
            (b"Unauthorized\n", HttpError, 1),
            (b"-----BEGIN PGP MESSAGE-----\n", Encrypted, 1),
            (b"\x1f\x8b\x08\0", Gzip, 1),
            (b"PK\x03\x04\x14\0", Zip, 1),
            (b"BZh91AY&SY\x01\x02", Archive("bzip2"), 1),
            (&tar, Archive("tar"), 1),
            (b"%PDF-1.7\n", Document("a PDF document"), 1),
            (b"PAR1\x15\x04", Document("a Parquet file"), 1),
            (b"SQLite format 3\0", Document("an SQLite database"), 1),
            (b"\xff\xfea\0\n\0", Utf16, 1),
            (&utf16, Utf16, 1),
            (&utf16_be, Utf16, 1),
            (b"\x01\x02\x03\x04binary", Binary, 1),
        ];
        for (start, format, line) in table {
            let found = ForeignFormat::of_start(start);
            assert_eq!(
                found,
                Some((*format, *line)),
                "{:?}",
                String::from_utf8_lossy(start)
            );
        }
    }

    #[test]
    fn values_are_not_taken_for_another_format() {
        let long = "ä".repeat(PREFIX_BYTES);
        let table: &[&[u8]] = &[
            b"",
            b"\n",
            b"a@example.com\n",
            b"<ada@example.com>\n",
            b"<null>\nb\n",
            b"<3\n",
            b"{3F2504E0-4F89-41D3-9A0C-0305E82C3301}\n",
            b"[NULL]\n",
            b"[12]\n",
            b"version 2\n",
            b"PAR1234\nORCHID\n",
            b"GIF89\n",
            b"ORC\n",
            b"BZh\n",
            b"Not Found\nFound\n",
            b"HTTP\n",
            b"404\n",
            b"a\0\n",
            b"+491701234567\n",
            "J\u{fc}rgen\n".as_bytes(),
            b"J\xfcrgen\n",
            long.as_bytes(),
        ];
        for start in table {
            assert_eq!(
                ForeignFormat::of_start(start),
                None,
                "{:?}",
                String::from_utf8_lossy(start)
            );
        }
        for (line, format) in [
            (
                &b"version https://git-lfs.github.com/spec/v1"[..],
                Some(ForeignFormat::LfsPointer),
            ),
            (b"<!doctype html>", Some(ForeignFormat::Html)),
            (b"<?xml version='1.0'?>", Some(ForeignFormat::Xml)),
            (b"<b>", None),
            (b"v", None),
            (b"", None),
        ] {
            assert_eq!(ForeignFormat::of_line(line), format);
        }
    }
}
