//! Hints for API errors that depend on `api_behavior:` in segctl.yaml.

use crate::api::ApiError;
use crate::model::ApiBehavior;

pub(super) fn hint(error: &ApiError, behavior: &ApiBehavior) -> Option<String> {
    match error {
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
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let has_hint = |behavior| hint(error, behavior).is_some_and(|hint| hint.contains(text));
            assert_eq!((has_hint(&unset), has_hint(&set)), expected, "{text}");
        }
        let unspecific = ApiError::ActiveLimit {
            actual_count: None,
            limit: None,
        };
        assert_eq!(hint(&unspecific, &unset), None);
    }
}
