//! Hints for API errors that depend on `api_behavior:` in segctl.yaml.

use crate::api::{ApiError, Operation, RequestError};
use crate::model::{ApiBehavior, Keyword as _, RequestContentType};

pub(super) fn hint(error: &RequestError, behavior: &ApiBehavior) -> Option<String> {
    match &error.kind {
        ApiError::ActiveLimit {
            limit: Some(limit), ..
        } if usize::try_from(*limit) != Ok(behavior.active_limit) => Some(format!(
            "set `api_behavior: {{active_limit: {limit}}}` in segctl.yaml so that plans check this limit"
        )),
        ApiError::NameTaken { .. } if behavior.rename_frees_names => Some(
            "if no segment has the name, a rename did not free it: remove `rename_frees_names: true` from segctl.yaml"
                .to_owned(),
        ),
        ApiError::DefinitionTaken { .. } if !behavior.archived_definitions_conflict => Some(
            "refer to that segment, or change the definition; if that segment is archived, set \
             `api_behavior: {archived_definitions_conflict: true}` in segctl.yaml so that plans check archived segments"
                .to_owned(),
        ),
        ApiError::DefinitionTaken { .. } => Some("refer to that segment, or change the definition".to_owned()),
        ApiError::NotFound { .. } if is_lifecycle_request(&error.operation) => Some(
            "if the segment was renamed in the dashboard, rename it back, or set its `id` in its file".to_owned(),
        ),
        ApiError::Refused { status, message }
            if is_file_request(&error.operation) && is_about_content_type(*status, message) =>
        {
            let sent = behavior.file_request_content_type;
            let other = match sent {
                RequestContentType::Json => RequestContentType::TextCsv,
                _ => RequestContentType::Json,
            };
            Some(format!(
                "segctl sent the Content-Type `{}`: set `api_behavior: {{file_request_content_type: {}}}` in segctl.yaml, or \
                 another type that MoEngage names",
                sent.as_str(),
                other.as_str()
            ))
        }
        _ => None,
    }
}

fn is_lifecycle_request(operation: &Operation) -> bool {
    matches!(operation, Operation::Archive(_) | Operation::Unarchive(_))
}

fn is_file_request(operation: &Operation) -> bool {
    matches!(operation, Operation::Upload(_) | Operation::ChangeUsers(..))
}

fn is_about_content_type(status: u16, message: &str) -> bool {
    let letters = message.chars().filter(|character| character.is_alphanumeric());
    let letters = letters.collect::<String>().to_lowercase();
    let names_it = ["contenttype", "mediatype", "mimetype"];
    status == 415 || status == 400 && names_it.iter().any(|phrase| letters.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SegmentName;

    fn of_upload(kind: &ApiError) -> RequestError {
        RequestError {
            operation: Operation::Upload(SegmentName::new("A")),
            kind: kind.clone(),
        }
    }

    #[test]
    fn a_setting_is_suggested_only_if_it_would_change_the_result() {
        let unset = ApiBehavior::default();
        let set = ApiBehavior {
            rename_frees_names: true,
            archived_definitions_conflict: true,
            active_limit: 2,
            ..unset
        };
        let full = ApiError::ActiveLimit {
            actual_count: Some(2),
            limit: Some(2),
        };
        let taken = ApiError::DefinitionTaken {
            existing_id: None,
            existing_name: None,
        };
        let named = ApiError::NameTaken {
            message: String::new(),
        };
        let table = [
            (&full, "active_limit: 2", (true, false)),
            (&named, "rename_frees_names: true", (false, true)),
            (&taken, "archived_definitions_conflict: true", (true, false)),
            (&taken, "change the definition", (true, true)),
        ];
        for (error, text, expected) in table {
            let error = of_upload(error);
            let has_hint = |behavior| hint(&error, behavior).is_some_and(|hint| hint.contains(text));
            assert_eq!((has_hint(&unset), has_hint(&set)), expected, "{text}");
        }
        let unspecific = ApiError::ActiveLimit {
            actual_count: None,
            limit: None,
        };
        assert_eq!(hint(&of_upload(&unspecific), &unset), None);
    }

    #[test]
    fn an_archive_of_an_unknown_name_may_have_missed_a_rename() {
        let name = SegmentName::new("A");
        let table = [
            (Operation::Archive(name.clone()), true),
            (Operation::Unarchive(name.clone()), true),
            (Operation::Upload(name), false),
        ];
        for (operation, expected) in table {
            let kind = ApiError::NotFound {
                message: "no such name".to_owned(),
            };
            let hint = hint(&RequestError { operation, kind }, &ApiBehavior::default());
            assert_eq!(hint.is_some_and(|hint| hint.contains("rename it back")), expected);
        }
    }

    #[test]
    fn a_rejected_content_type_of_a_file_request_names_the_key() {
        let refused = |status, message: &str| ApiError::Refused {
            status,
            message: message.to_owned(),
        };
        let table = [
            (refused(400, "Content-Type: unsupported"), true),
            (refused(400, "the content type is not one of text/csv"), true),
            (refused(415, "no message"), true),
            (refused(400, "file_url: must be a URL"), false),
            (refused(413, "Content-Type"), false),
        ];
        let csv = ApiBehavior {
            file_request_content_type: RequestContentType::TextCsv,
            ..ApiBehavior::default()
        };
        for (error, is_explained) in table {
            let key = |behavior: ApiBehavior| {
                let hint = hint(&of_upload(&error), &behavior)?;
                let (_, key) = hint.split_once("file_request_content_type: ")?;
                key.split_once('}').map(|(value, _)| value.to_owned())
            };
            let expected = is_explained.then(|| "text/csv".to_owned());
            assert_eq!(key(ApiBehavior::default()), expected, "{error}");
            let expected = is_explained.then(|| "application/json".to_owned());
            assert_eq!(key(csv), expected, "{error}");
        }
        let archive = RequestError {
            operation: Operation::Archive(SegmentName::new("A")),
            kind: refused(415, ""),
        };
        assert_eq!(hint(&archive, &csv), None);
    }
}
