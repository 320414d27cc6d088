//! The API requests of this client, as messages name them and as rate limits count them.

use crate::model::{EndpointClass, MemberChange, SegmentId, SegmentName, UserChange};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    List,
    ListNamed(SegmentName),
    Get(SegmentId),
    Create(SegmentName),
    Update(SegmentId),
    Archive(SegmentName),
    Unarchive(SegmentName),
    Upload(SegmentName),
    ChangeUsers(SegmentName, UserChange),
    /// Creates the cohort if it does not exist.
    SyncMembers(SegmentName, MemberChange),
}

/// The generations of the API differ in what their credentials are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationFamily {
    /// v3, with the workspace id in MOE-APPKEY.
    FilterSegments,
    /// v2, with the database name in MOE-DBNAME.
    FilesAndLifecycle,
    /// v1, with the workspace id in MOE-APPKEY.
    Cohorts,
}

impl Operation {
    #[must_use]
    pub fn family(&self) -> OperationFamily {
        match self.class() {
            EndpointClass::List | EndpointClass::Get | EndpointClass::Create | EndpointClass::Update => {
                OperationFamily::FilterSegments
            }
            EndpointClass::File | EndpointClass::Lifecycle => OperationFamily::FilesAndLifecycle,
            EndpointClass::Cohort => OperationFamily::Cohorts,
        }
    }

    /// `None` if the request contains no name.
    #[must_use]
    pub fn segment_name(&self) -> Option<&SegmentName> {
        match self {
            Self::List | Self::Get(_) | Self::Update(_) => None,
            Self::ListNamed(name)
            | Self::Create(name)
            | Self::Archive(name)
            | Self::Unarchive(name)
            | Self::Upload(name)
            | Self::ChangeUsers(name, _)
            | Self::SyncMembers(name, _) => Some(name),
        }
    }

    #[must_use]
    pub fn class(&self) -> EndpointClass {
        match self {
            Self::List | Self::ListNamed(_) => EndpointClass::List,
            Self::Get(_) => EndpointClass::Get,
            Self::Create(_) => EndpointClass::Create,
            Self::Update(_) => EndpointClass::Update,
            Self::Archive(_) | Self::Unarchive(_) => EndpointClass::Lifecycle,
            Self::Upload(_) | Self::ChangeUsers(..) => EndpointClass::File,
            Self::SyncMembers(..) => EndpointClass::Cohort,
        }
    }

    #[must_use]
    pub fn is_write(&self) -> bool {
        match self {
            Self::List | Self::ListNamed(_) | Self::Get(_) => false,
            Self::Create(_)
            | Self::Update(_)
            | Self::Archive(_)
            | Self::Unarchive(_)
            | Self::Upload(_)
            | Self::ChangeUsers(..)
            | Self::SyncMembers(..) => true,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => write!(formatter, "list the segments"),
            Self::ListNamed(name) => write!(formatter, "look up the segment name `{name}`"),
            Self::Get(id) => write!(formatter, "read the segment with id `{id}`"),
            Self::Create(name) => write!(formatter, "create segment `{name}`"),
            Self::Update(id) => write!(formatter, "update the segment with id `{id}`"),
            Self::Archive(name) => write!(formatter, "archive segment `{name}`"),
            Self::Unarchive(name) => write!(formatter, "unarchive segment `{name}`"),
            Self::Upload(name) => write!(formatter, "upload segment `{name}`"),
            Self::ChangeUsers(name, change) => {
                let what = match change {
                    UserChange::Add => "add users to",
                    UserChange::Remove => "remove users from",
                    UserChange::Replace => "replace the users of",
                };
                write!(formatter, "{what} segment `{name}`")
            }
            Self::SyncMembers(name, change) => {
                let what = match change {
                    MemberChange::Add => "add members to",
                    MemberChange::Remove => "remove members from",
                };
                write!(formatter, "{what} segment `{name}`")
            }
        }
    }
}
