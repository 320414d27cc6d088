//! Which operation a call asks for.

use super::call::Call;
use super::limits::Class;
use super::replies::Family;
use super::state::FileOperation;

/// The operations of the API.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation<'a> {
    List,
    Create,
    Get(&'a str),
    Update(&'a str),
    CreateFile,
    ChangeFile(FileOperation),
    Archive,
    Unarchive,
    Cohort,
}

impl Operation<'_> {
    pub(super) fn family(self) -> Family {
        match self {
            Self::List | Self::Create | Self::Get(_) | Self::Update(_) => Family::V3,
            Self::CreateFile | Self::ChangeFile(_) | Self::Archive | Self::Unarchive => Family::V2,
            Self::Cohort => Family::V1,
        }
    }

    pub(super) fn class(self) -> Class {
        match self {
            Self::List => Class::List,
            Self::Create => Class::Create,
            Self::Get(_) => Class::Get,
            Self::Update(_) => Class::Update,
            Self::CreateFile | Self::ChangeFile(_) => Class::File,
            Self::Archive | Self::Unarchive => Class::Lifecycle,
            Self::Cohort => Class::Cohort,
        }
    }

    pub(super) fn is_write(self) -> bool {
        !matches!(self, Self::List | Self::Get(_))
    }
}

/// The operation that `call` asks for; `None` where there is no such endpoint.
pub(super) fn route(call: &Call) -> Option<Operation<'_>> {
    Some(match (call.method.as_str(), call.route()) {
        ("GET", "/v3/custom-segments") => Operation::List,
        ("POST", "/v3/custom-segments") => Operation::Create,
        ("POST", "/v2/custom-segments/file-segment") => Operation::CreateFile,
        ("PUT", "/v2/custom-segments/file-segment/add-users") => Operation::ChangeFile(FileOperation::Add),
        ("PUT", "/v2/custom-segments/file-segment/remove-users") => {
            Operation::ChangeFile(FileOperation::Remove)
        }
        ("PUT", "/v2/custom-segments/file-segment/replace") => Operation::ChangeFile(FileOperation::Replace),
        ("PATCH", "/v2/custom-segments/archive") => Operation::Archive,
        ("PATCH", "/v2/custom-segments/unarchive") => Operation::Unarchive,
        ("POST", "/v1/integrations/cohortsync") => Operation::Cohort,
        (method, path) => {
            let id = path
                .strip_prefix("/v3/custom-segments/")
                .filter(|id| !id.contains('/'))?;
            match method {
                "GET" => Operation::Get(id),
                "PATCH" => Operation::Update(id),
                _ => return None,
            }
        }
    })
}
