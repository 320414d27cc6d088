//! The operations of the API, and the paths that lead to them.

use super::error_responses::EndpointFamily;
use super::http_message::HttpRequest;
use super::rate_limit_class::RateLimitClass;
use super::state::FileOperation;

#[derive(Clone, Copy, Debug)]
pub(super) enum Route<'a> {
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

impl Route<'_> {
    pub(super) fn endpoint_family(self) -> EndpointFamily {
        match self {
            Self::List | Self::Create | Self::Get(_) | Self::Update(_) => EndpointFamily::V3,
            Self::CreateFile | Self::ChangeFile(_) | Self::Archive | Self::Unarchive => EndpointFamily::V2,
            Self::Cohort => EndpointFamily::V1,
        }
    }

    pub(super) fn rate_limit_class(self) -> RateLimitClass {
        match self {
            Self::List => RateLimitClass::List,
            Self::Create => RateLimitClass::Create,
            Self::Get(_) => RateLimitClass::Get,
            Self::Update(_) => RateLimitClass::Update,
            Self::CreateFile | Self::ChangeFile(_) => RateLimitClass::File,
            Self::Archive | Self::Unarchive => RateLimitClass::Lifecycle,
            Self::Cohort => RateLimitClass::Cohort,
        }
    }

    pub(super) fn is_write(self) -> bool {
        !matches!(self, Self::List | Self::Get(_))
    }
}

/// `None` if there is no such endpoint.
pub(super) fn route_request(request: &HttpRequest) -> Option<Route<'_>> {
    Some(
        match (request.method.as_str(), request.path_without_trailing_slash()) {
            ("GET", "/v3/custom-segments") => Route::List,
            ("POST", "/v3/custom-segments") => Route::Create,
            ("POST", "/v2/custom-segments/file-segment") => Route::CreateFile,
            ("PUT", "/v2/custom-segments/file-segment/add-users") => Route::ChangeFile(FileOperation::Add),
            ("PUT", "/v2/custom-segments/file-segment/remove-users") => {
                Route::ChangeFile(FileOperation::Remove)
            }
            ("PUT", "/v2/custom-segments/file-segment/replace") => Route::ChangeFile(FileOperation::Replace),
            ("PATCH", "/v2/custom-segments/archive") => Route::Archive,
            ("PATCH", "/v2/custom-segments/unarchive") => Route::Unarchive,
            ("POST", "/v1/integrations/cohortsync") => Route::Cohort,
            (method, path) => {
                let id = path
                    .strip_prefix("/v3/custom-segments/")
                    .filter(|id| !id.contains('/'))?;
                match method {
                    "GET" => Route::Get(id),
                    "PATCH" => Route::Update(id),
                    _ => return None,
                }
            }
        },
    )
}
