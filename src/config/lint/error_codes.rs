//! Codes of errors that are reported before the rules run, with their explanations.

pub struct ErrorCode {
    /// Never changes.
    pub code: &'static str,
    pub name: &'static str,
    pub explanation: &'static str,
}

pub(in crate::config) const LIST_HEADER: &str = "SEG045";
pub(in crate::config) const LIST_SIZE: &str = "SEG046";
pub(in crate::config) const LIST_UNREADABLE: &str = "SEG047";
pub(in crate::config) const LIST_FORMAT: &str = "SEG049";

/// Sorted by code.
pub const ERROR_CODES: &[ErrorCode] = &[
    ErrorCode {
        code: "SEG001",
        name: "file-unreadable",
        explanation: "A file does not exist, cannot be read, is not a regular file, or is larger than 16 MiB. \
                      Check its name and permissions. Paths in a file are relative to that file.",
    },
    ErrorCode {
        code: "SEG002",
        name: "file-not-text",
        explanation: "A file is not UTF-8 text. Save it as UTF-8.",
    },
    ErrorCode {
        code: "SEG003",
        name: "yaml-syntax",
        explanation: "The YAML has a syntax error: an indentation, a bracket, a quote or an alias is wrong. segctl \
                      did not read the rest of the file, so it may contain more errors.",
    },
    ErrorCode {
        code: "SEG004",
        name: "key-duplicate",
        explanation: "A mapping contains a key twice, and YAML parsers differ in which value they use. Remove one.",
    },
    ErrorCode {
        code: "SEG005",
        name: "yaml-unsupported",
        explanation: "segctl does not support merge keys, tags, keys that are not text, and aliases inside their \
                      own anchor. Write the values out. An alias can replace a whole value.",
    },
    ErrorCode {
        code: "SEG006",
        name: "yaml-too-large",
        explanation: "Nesting, aliases, text length or the number of values exceeds a limit that valid files do \
                      not reach. Split the file, or move an inner group to a separate segment and refer to it.",
    },
    ErrorCode {
        code: "SEG007",
        name: "segments-not-found",
        explanation: "An entry of `segments` matches no segment file, is not a valid pattern, or leads to one file \
                      by two links. Check the path. It is relative to segctl.yaml.",
    },
    ErrorCode {
        code: "SEG008",
        name: "file-empty",
        explanation: "A segment file declares no segment. Declare a segment in it, or delete the file.",
    },
    ErrorCode {
        code: "SEG010",
        name: "field-unknown",
        explanation: "A field is not valid here: it may be misspelled, or not apply with the fields beside it. For \
                      API fields that this version does not support, use `{raw: …}` instead of a filter.",
    },
    ErrorCode {
        code: "SEG011",
        name: "field-missing",
        explanation: "A required field is missing. Add it; the message names the field and its location.",
    },
    ErrorCode {
        code: "SEG012",
        name: "type-mismatch",
        explanation: "A value has the wrong type, such as a string instead of a list, or a number in quotes.",
    },
    ErrorCode {
        code: "SEG013",
        name: "keyword-invalid",
        explanation: "A field accepts a few keywords, spelled as in the API, and the value is not one of them.",
    },
    ErrorCode {
        code: "SEG014",
        name: "value-out-of-range",
        explanation: "A number, or the length of a text or a list, is outside the range that the field accepts.",
    },
    ErrorCode {
        code: "SEG015",
        name: "scalar-ambiguous",
        explanation: "YAML parsers disagree about values such as `no`, `1_000` or `014`. Put a string in quotes, \
                      or write a number in plain decimal digits.",
    },
    ErrorCode {
        code: "SEG016",
        name: "date-invalid",
        explanation: "A date must have the format `YYYY-MM-DD`, the long format of the API, or `MM-DD`.",
    },
    ErrorCode {
        code: "SEG017",
        name: "field-misplaced",
        explanation: "A field has no effect beside the others, such as `array_filter_type` with `negate`. Remove \
                      it, or change the field that it contradicts.",
    },
    ErrorCode {
        code: "SEG019",
        name: "execution-contradiction",
        explanation: "`executed: false` means exactly 0 times, and `execution` sets something else. Remove \
                      `execution`, or set `executed: true`.",
    },
    ErrorCode {
        code: LIST_HEADER,
        name: "list-header",
        explanation: "The first line of a member list is the name of its attribute in some spelling, or sets the \
                      separator of a spreadsheet (`sep=;`). MoEngage does not support a header and would look for a \
                      user with that value. Remove the line.",
    },
    ErrorCode {
        code: LIST_SIZE,
        name: "list-size",
        explanation: "A member list is empty, is larger than 150 MB, or has more than 5,000,000 users. Split it \
                      into several segments, and refer to them from one filter segment.",
    },
    ErrorCode {
        code: LIST_UNREADABLE,
        name: "list-unreadable",
        explanation: "A member list does not exist, cannot be read, or is not a regular file. Check its path and \
                      permissions. The path is relative to the file that contains it.",
    },
    ErrorCode {
        code: LIST_FORMAT,
        name: "list-format",
        explanation: "The file is not a member list: it is a Git LFS pointer, a web page, a JSON or XML document, an \
                      archive, another binary file, text in UTF-16, or has the conflict markers of git. Write one \
                      value a line as plain text in UTF-8.",
    },
    ErrorCode {
        code: "SEG060",
        name: "secret-in-file",
        explanation: "segctl.yaml contains a credential in plain text. Use an environment variable, `${NAME}`, or \
                      a command, and replace the credential.",
    },
    ErrorCode {
        code: "SEG061",
        name: "workspace-inconsistent",
        explanation: "The fields of a workspace contradict each other, or a required one is missing.",
    },
    ErrorCode {
        code: "SEG062",
        name: "workspace-unknown",
        explanation: "A segment names a workspace that is not in segctl.yaml. Correct the name, or add the \
                      workspace.",
    },
    ErrorCode {
        code: "SEG063",
        name: "storage-url-invalid",
        explanation: "A storage URL must be `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`, \
                      with letters, digits, `-`, `.` and `_`. Set credentials and endpoints in the environment.",
    },
];
