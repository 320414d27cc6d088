//! What makes a segment's members, as its file says it.

use super::filter::{Definition, Reference};
use super::member_list::CohortKey;
use super::segment::SegmentKind;
use serde::{Deserialize, Serialize};

/// What makes a segment's members.
#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    /// Filters, evaluated by the service.
    Filter(Definition),
    /// A list of users that is uploaded.
    File(FileSegment),
    /// Members that are synchronised.
    Cohort(Cohort),
}

/// The users of a file segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSegment {
    /// What the values of the list are.
    pub identifier: Identifier,
    /// Where the list is.
    pub users: UserListSource,
    /// Days after its creation at which the service archives the segment and drops its users; at least 1.
    pub expires_in_days: u32,
    /// Where the service tells what came of each upload.
    pub callback_url: Option<String>,
    /// E-mail addresses that the service tells it, too.
    pub notify: Vec<String>,
}

/// The attribute by whose values a file segment knows its users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    /// Its name.
    pub attribute: String,
    /// Its type.
    pub kind: IdentifierType,
}

/// Where the list of a file segment is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserListSource {
    /// A file, by its path from the folder of `segctl.yaml`.
    Local(String),
    /// A file that somebody else publishes.
    Published {
        /// Where the service reads it.
        url: String,
        /// The SHA-256 of its bytes in lower-case hex: a change of it is a change of the segment.
        sha256: String,
    },
}

/// A segment whose members a partner synchronises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cohort {
    /// What the service knows it by.
    pub key: CohortKey,
    /// Who is in it.
    pub members: MemberSource,
}

/// The members of a cohort, by their `uid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberSource {
    /// A file, by its path from the folder of `segctl.yaml`.
    Local(String),
    /// Written where the segment is declared.
    Inline(Vec<String>),
}

super::keyword::keywords! {
    /// The type of the attribute by whose values a file segment knows its users.
    pub enum IdentifierType("identifier type") {
        /// Text.
        Text = "string",
        /// A number.
        Number = "double",
    }
}

impl Cohort {
    /// What the members of every cohort are: the service matches them by nothing else.
    #[must_use]
    pub fn identifier() -> Identifier {
        Identifier {
            attribute: "uid".to_owned(),
            kind: IdentifierType::Text,
        }
    }
}

impl Contents {
    /// The word for it in files.
    #[must_use]
    pub fn kind(&self) -> SegmentKind {
        match self {
            Self::Filter(_) => SegmentKind::Filter,
            Self::File(_) => SegmentKind::File,
            Self::Cohort(_) => SegmentKind::Cohort,
        }
    }

    /// The filters, where it is made of filters.
    #[must_use]
    pub fn definition(&self) -> Option<&Definition> {
        match self {
            Self::Filter(definition) => Some(definition),
            Self::File(_) | Self::Cohort(_) => None,
        }
    }

    /// The path of the file that its members are in, where they are in one.
    pub fn member_file_path_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::File(FileSegment {
                users: UserListSource::Local(path),
                ..
            })
            | Self::Cohort(Cohort {
                members: MemberSource::Local(path),
                ..
            }) => Some(path),
            Self::Filter(_) | Self::File(_) | Self::Cohort(_) => None,
        }
    }

    /// Every reference to other segments, in the order written. Only filters have any.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        self.definition().map(Definition::references).unwrap_or_default()
    }
}
