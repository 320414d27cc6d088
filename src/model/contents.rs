//! What a segment's members come from, as declared in its file.

use super::filter::Reference;
use super::member_list::CohortKey;
use super::segment_kind::SegmentKind;
use super::stored_definition::StoredDefinition;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    Filter(DeclaredDefinition),
    File(FileSegment),
    Cohort(Cohort),
}

/// A definition as the JSON of the API, encoded once.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredDefinition {
    /// References by name stay names.
    pub encoded: StoredDefinition,
    /// In the order written, including nested and excluded ones, but not those inside `raw` filters.
    pub references: Vec<Reference>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSegment {
    pub identifier: Identifier,
    pub users: UserListSource,
    /// Days after its creation at which MoEngage archives the segment and drops its users; at least 1.
    pub expires_in_days: u32,
    /// MoEngage sends the result of each upload to this URL.
    pub callback_url: Option<String>,
    /// MoEngage also sends the result to these e-mail addresses.
    pub notify: Vec<String>,
}

/// The attribute that a file segment matches its users by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    pub attribute: String,
    pub kind: IdentifierType,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserListSource {
    /// A path relative to the folder of `segctl.yaml`.
    Local(String),
    /// A file that another process publishes.
    Published {
        /// MoEngage reads the list from this URL.
        url: String,
        /// The SHA-256 of the file in lowercase hexadecimal. segctl plans an upload when it changes.
        sha256: String,
    },
}

/// A segment whose members a partner syncs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cohort {
    pub key: CohortKey,
    pub members: MemberSource,
}

/// The members of a cohort, as values of `uid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberSource {
    /// A path relative to the folder of `segctl.yaml`.
    Local(String),
    Inline(Vec<String>),
}

super::keyword::keywords! {
    pub enum IdentifierType("identifier type") {
        Text = "string",
        Number = "double",
    }
}

impl Cohort {
    /// MoEngage matches cohort members by `uid` only.
    #[must_use]
    pub fn identifier() -> Identifier {
        Identifier {
            attribute: "uid".to_owned(),
            kind: IdentifierType::Text,
        }
    }
}

impl Contents {
    #[must_use]
    pub fn kind(&self) -> SegmentKind {
        match self {
            Self::Filter(_) => SegmentKind::Filter,
            Self::File(_) => SegmentKind::File,
            Self::Cohort(_) => SegmentKind::Cohort,
        }
    }

    #[must_use]
    pub fn definition(&self) -> Option<&StoredDefinition> {
        match self {
            Self::Filter(definition) => Some(&definition.encoded),
            Self::File(_) | Self::Cohort(_) => None,
        }
    }

    /// The path of a local member list.
    #[must_use]
    pub fn member_file_path(&self) -> Option<&str> {
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

    #[must_use]
    pub fn references(&self) -> &[Reference] {
        match self {
            Self::Filter(definition) => &definition.references,
            Self::File(_) | Self::Cohort(_) => &[],
        }
    }
}
