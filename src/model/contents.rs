//! What makes a segment's members, as its file says it.

use super::filter::{Definition, Reference};
use super::segment::SegmentKind;

/// What makes a segment's members.
#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    /// Filters, evaluated by the service.
    Filter(Definition),
    /// A list of users that is uploaded.
    File(Upload),
    /// Members that are synchronised.
    Cohort(Cohort),
}

/// The users of a file segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// What the values of the list are.
    pub identifier: Identifier,
    /// Where the list is.
    pub users: Users,
    /// Days after its creation at which the service archives the segment and drops its users; at least 1.
    pub expires_in_days: u32,
    /// Where the service tells what came of each upload.
    pub callback_url: Option<String>,
    /// E-mail addresses that the service tells it, too.
    pub notify: Vec<String>,
}

/// The attribute by whose values a file segment knows its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// Its name.
    pub attribute: String,
    /// Its type.
    pub kind: IdentifierType,
}

/// Where the list of a file segment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Users {
    /// A file beside the one that declares the segment, by its path from there.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// Who synchronises it. With `cohort_id` it is the cohort's identity, which never changes.
    pub partner: String,
    /// The partner's own id of it.
    pub cohort_id: String,
    /// Who is in it.
    pub members: Members,
}

/// The members of a cohort, by their `uid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// A file beside the one that declares the segment, by its path from there.
    Local(String),
    /// Written where the segment is declared.
    Listed(Vec<String>),
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

    /// Every reference to other segments, in the order written. Only filters have any.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        self.definition().map(Definition::references).unwrap_or_default()
    }
}
