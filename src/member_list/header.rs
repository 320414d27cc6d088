//! Header lines. MoEngage would read a header as a value.

/// Words in headers of email columns, without case, spaces, `-` and `_`.
const EMAIL_HEADERS: &[&str] = &[
    "correo",
    "correoelectronico",
    "correoelectrónico",
    "courriel",
    "email",
    "emailadresse",
    "emailaddress",
    "emailaddresses",
    "emailid",
    "emails",
    "eposta",
    "mail",
    "mailaddress",
    "mailid",
    "primaryemail",
    "uem",
    "useremail",
];

const PHONE_HEADERS: &[&str] = &[
    "cell",
    "cellphone",
    "contactnumber",
    "handynummer",
    "mobile",
    "mobileno",
    "mobilenumber",
    "mobilephone",
    "msisdn",
    "phone",
    "phoneno",
    "phonenumber",
    "phonenumbers",
    "phones",
    "tel",
    "telefon",
    "telefonnummer",
    "telefono",
    "telephone",
    "umb",
    "whatsapp",
];

const ID_HEADERS: &[&str] = &[
    "accountid",
    "clientid",
    "contactid",
    "customerid",
    "customerids",
    "custid",
    "externalid",
    "id",
    "ids",
    "memberid",
    "profileid",
    "subscriberid",
    "uid",
    "uids",
    "uniqueid",
    "userid",
    "userids",
    "useruid",
];

/// The longest line that is compared with headers.
const MAX_HEADER_BYTES: usize = 64;

/// Separators of programs that read CSV: `sep=;` in the first line.
const SEPARATOR_PREFIX: &[u8] = b"sep=";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderMatch {
    /// The name of the attribute, in any spelling.
    Attribute,
    /// A usual header of another attribute.
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ColumnKind {
    Email,
    Phone,
    Id,
}

/// The headers of the column of one attribute.
pub(super) struct HeaderWords {
    /// In simple spelling.
    attribute: String,
    kind: Option<ColumnKind>,
}

impl HeaderWords {
    pub(super) fn of(attribute: &str) -> Self {
        let simple = simple_spelling(attribute);
        let kind = kind_of_header(&simple).or_else(|| kind_of_words(attribute, &simple));
        Self {
            attribute: simple,
            kind,
        }
    }

    /// Whether a line, without quotes and spaces around it, is a header.
    pub(super) fn matches(&self, line: &str) -> Option<HeaderMatch> {
        if line.is_empty() || line.len() > MAX_HEADER_BYTES || line.contains('@') {
            return None;
        }
        // As in `users.email`.
        let column = line.rsplit('.').next().unwrap_or(line);
        for written in [line, column] {
            let simple = simple_spelling(written);
            if simple.is_empty() {
                continue;
            }
            let kind = kind_of_header(&simple);
            let has_same_kind = self.kind.is_some()
                && (kind == self.kind || !has_digit(&simple) && kind_of_words(written, &simple) == self.kind);
            if simple == self.attribute || has_same_kind {
                return Some(HeaderMatch::Attribute);
            }
            if kind.is_some() {
                return Some(HeaderMatch::Other);
            }
        }
        None
    }
}

/// Without case, spaces and punctuation.
fn simple_spelling(text: &str) -> String {
    let letters = text.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

fn kind_of_header(simple: &str) -> Option<ColumnKind> {
    let kinds = [
        (ColumnKind::Email, EMAIL_HEADERS),
        (ColumnKind::Phone, PHONE_HEADERS),
        (ColumnKind::Id, ID_HEADERS),
    ];
    let mut kinds = kinds.into_iter();
    kinds.find_map(|(kind, headers)| headers.contains(&simple).then_some(kind))
}

/// By a part of a longer header, such as `Registered Email` and `Loyalty Card ID`.
fn kind_of_words(written: &str, simple: &str) -> Option<ColumnKind> {
    let contains = |words: &[&str]| words.iter().any(|word| simple.contains(word));
    let mut words = written.split([' ', '_', '-']);
    let last = words.next_back().unwrap_or_default();
    if contains(&["email"]) {
        Some(ColumnKind::Email)
    } else if contains(&["phone", "mobile", "msisdn"]) {
        Some(ColumnKind::Phone)
    } else if last.eq_ignore_ascii_case("id") && words.next().is_some() {
        Some(ColumnKind::Id)
    } else {
        None
    }
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether the line sets the separator for spreadsheets: `sep=;`.
pub(super) fn is_separator_setting(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let prefix = line.get(..SEPARATOR_PREFIX.len());
    let is_setting = prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(SEPARATOR_PREFIX));
    is_setting && line.len() <= SEPARATOR_PREFIX.len() + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_in_any_spelling_are_found() {
        use HeaderMatch::{Attribute, Other};
        let table = [
            ("email", "email", Some(Attribute)),
            ("email", "Email", Some(Attribute)),
            ("email", "E-mail", Some(Attribute)),
            ("email", "Email Address", Some(Attribute)),
            ("email", "EMAIL_ADDRESS:", Some(Attribute)),
            ("email", "users.email", Some(Attribute)),
            ("email", "Registered Email", Some(Attribute)),
            ("u_em", "Email", Some(Attribute)),
            ("uid", "user_id", Some(Attribute)),
            ("uid", "User ID", Some(Attribute)),
            ("uid", "customer id", Some(Attribute)),
            ("uid", "UID", Some(Attribute)),
            ("uid", "Loyalty Card ID", Some(Attribute)),
            ("u_mb", "Mobile Number", Some(Attribute)),
            ("loyalty number", "Loyalty-Number", Some(Attribute)),
            ("address2", "Address 2", Some(Attribute)),
            ("crm_id", "CRM ID", Some(Attribute)),
            ("loyalty number", "Email", Some(Other)),
            ("uid", "Phone", Some(Other)),
            ("email", "email@example.com", None),
            ("email", "ada", None),
            ("email", "email5", None),
            ("uid", "covid", None),
            ("uid", "u1", None),
            ("uid", "user", None),
            ("uid", "madrid", None),
            ("uid", "device_id_12", None),
            ("loyalty number", "gold", None),
            ("---", "---", None),
        ];
        for (attribute, line, expected) in table {
            assert_eq!(
                HeaderWords::of(attribute).matches(line),
                expected,
                "{attribute}: {line}"
            );
        }
    }

    #[test]
    fn a_separator_setting_is_found() {
        for line in [
            &b"sep=;"[..],
            b"SEP=,",
            b"\xef\xbb\xbfsep=|",
            b"\"sep=;\"",
            b"sep=\t",
        ] {
            assert!(is_separator_setting(line), "{line:?}");
        }
        for line in [&b"sep=value"[..], b"sep", b"", b"separate"] {
            assert!(!is_separator_setting(line), "{line:?}");
        }
    }
}
