//! The codes of faults in form, found while files are found, read and decoded: explained here, beside the
//! rules, so that every code can be looked up in one place.

/// A code that is raised before the rules run.
pub struct DecodeCode {
    /// Stable for ever.
    pub code: &'static str,
    /// What the fault is called, in kebab-case.
    pub name: &'static str,
    /// Why it is a fault and what to do about it, in a few sentences.
    pub explanation: &'static str,
}

/// The first line of a list is the name of the attribute.
pub(in crate::config) const LIST_HEADER: &str = "SEG045";
/// A list is empty or too large.
pub(in crate::config) const LIST_SIZE: &str = "SEG046";
/// A list cannot be read.
pub(in crate::config) const LIST_UNREADABLE: &str = "SEG047";

/// Every code of a fault in form, by code.
pub const DECODE_CODES: &[DecodeCode] = &[
    DecodeCode {
        code: "SEG001",
        name: "file-unreadable",
        explanation: "A file is missing, may not be read, is no regular file, or is larger than 16 MiB. Check its \
                      name and permissions; names in a file are relative to that file.",
    },
    DecodeCode {
        code: "SEG002",
        name: "file-not-text",
        explanation: "A file is not UTF-8 text. Save it as UTF-8.",
    },
    DecodeCode {
        code: "SEG003",
        name: "yaml-syntax",
        explanation: "The YAML cannot be read: an indentation, a bracket, a quote or an alias is wrong. The rest \
                      of the file was left alone, so mending it may bring up more.",
    },
    DecodeCode {
        code: "SEG004",
        name: "key-duplicate",
        explanation: "A key stands twice in one map. Readers of YAML differ in which of the two they take, so \
                      keep one.",
    },
    DecodeCode {
        code: "SEG005",
        name: "yaml-unsupported",
        explanation: "Merge keys, tags, keys that are not text, and aliases inside their own anchor are not part \
                      of the YAML that segment files use. Write the values out; an alias can stand for a whole \
                      value.",
    },
    DecodeCode {
        code: "SEG006",
        name: "yaml-too-large",
        explanation: "Nesting, aliases, texts or the number of values pass a limit that no sound file reaches. \
                      Split the file, or name an inner group as a segment of its own and refer to it.",
    },
    DecodeCode {
        code: "SEG007",
        name: "segments-not-found",
        explanation: "An entry of `segments` in segctl.yaml leads to no segment file, or is not a pattern. Check \
                      the path; it is relative to segctl.yaml.",
    },
    DecodeCode {
        code: "SEG008",
        name: "nothing-declared",
        explanation: "A segment file holds no segment, which is more often an accident than a wish. Declare a \
                      segment in it, or delete the file.",
    },
    DecodeCode {
        code: "SEG010",
        name: "field-unknown",
        explanation: "A field is not known where it stands; it may be misspelt, belong elsewhere, or make no sense \
                      with the fields beside it. For what the API knows and this version does not, use \
                      `{raw: …}` in place of a filter.",
    },
    DecodeCode {
        code: "SEG011",
        name: "field-missing",
        explanation: "A field that the API needs is left out. Add it; the message says which and where.",
    },
    DecodeCode {
        code: "SEG012",
        name: "type-wrong",
        explanation: "A value is of another type than its field takes: text where a list belongs, a number in \
                      quotes. The message says what was expected and what was found.",
    },
    DecodeCode {
        code: "SEG013",
        name: "word-unknown",
        explanation: "A field takes one of a few words, spelt as the API spells them, and this is none of them.",
    },
    DecodeCode {
        code: "SEG014",
        name: "value-out-of-range",
        explanation: "A number, or the length of a list, lies outside of what the API takes.",
    },
    DecodeCode {
        code: "SEG015",
        name: "scalar-ambiguous",
        explanation: "A plain value such as `no`, `1_000` or `014` means one thing to some readers of YAML and \
                      another to others. Put it in quotes if it is text, or write the number plainly.",
    },
    DecodeCode {
        code: "SEG016",
        name: "date-malformed",
        explanation: "A date is not of the form that its field takes: `YYYY-MM-DD`, the API's long form of it, or \
                      `MM-DD`.",
    },
    DecodeCode {
        code: "SEG017",
        name: "field-misplaced",
        explanation: "A field that is known has no meaning beside the others, such as `array_filter_type` under \
                      `negate`. Take it out, or change what it contradicts.",
    },
    DecodeCode {
        code: "SEG019",
        name: "execution-contradicts",
        explanation: "`executed: false` means exactly 0 times; an `execution` beside it that says otherwise \
                      contradicts it. Leave `execution` out, or say `executed: true`.",
    },
    DecodeCode {
        code: LIST_HEADER,
        name: "list-header",
        explanation: "The first line of a list is the name of its attribute. The service knows no header: it would look \
                      for a user whose value is that word. Take the line out.",
    },
    DecodeCode {
        code: LIST_SIZE,
        name: "list-size",
        explanation: "A list has no value at all, more than 150 MB, which is what the service downloads at most, or more \
                      than the 5,000,000 users that a segment can have. Split it into several segments, and refer to \
                      them from one of filters.",
    },
    DecodeCode {
        code: LIST_UNREADABLE,
        name: "list-unreadable",
        explanation: "The file of a list is missing, may not be read, or is no regular file. Check its name, which is \
                      relative to the file that names it, and its permissions.",
    },
    DecodeCode {
        code: "SEG060",
        name: "secret-in-file",
        explanation: "segctl.yaml holds a credential as plain text, where everybody who reads the repository can \
                      see it. Take it from the environment, `${NAME}`, or from a command, and replace the one \
                      that was written down.",
    },
    DecodeCode {
        code: "SEG061",
        name: "workspace-inconsistent",
        explanation: "The fields of a workspace in segctl.yaml contradict each other, or one that the others need \
                      is left out.",
    },
    DecodeCode {
        code: "SEG062",
        name: "workspace-unknown",
        explanation: "A segment names a workspace that segctl.yaml does not have. Correct the name, or add the \
                      workspace to segctl.yaml.",
    },
    DecodeCode {
        code: "SEG063",
        name: "ledger-address-unusable",
        explanation: "A `ledger` with `://` in it is the address of objects in a bucket: `s3://BUCKET/PREFIX`, \
                      `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`, in letters, digits, `-`, `.` and `_`. Keys and \
                      endpoints are not part of it: they come from the environment.",
    },
];
