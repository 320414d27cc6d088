//! What to do about a refusal, where that depends on what segctl.yaml says of the service.

use crate::api::ApiError;
use crate::model::ApiBehavior;

/// What to do; `None` where there is nothing to say beyond the error's own words.
pub(super) fn hint(error: &ApiError, behaviour: &ApiBehavior) -> Option<String> {
    match error {
        ApiError::ActiveLimit {
            limit: Some(limit), ..
        } if !matches_limit(behaviour.active_limit, *limit) => Some(format!(
            "with `service: {{active_limit: {limit}}}` in segctl.yaml the plan knows it beforehand"
        )),
        ApiError::NameTaken { .. } if behaviour.rename_frees_names => Some(
            "if no segment has it, a rename did not free it: take `rename_frees_names: true` out of segctl.yaml"
                .to_owned(),
        ),
        ApiError::DefinitionTaken { .. } if !behaviour.archived_definitions_conflict => Some(
            "refer to that one, or change the definition; if that one is archived: with \
             `service: {archived_definitions_conflict: true}` in segctl.yaml plans count the archived ones that they see"
                .to_owned(),
        ),
        ApiError::DefinitionTaken { .. } => Some("refer to that one, or change the definition".to_owned()),
        _ => None,
    }
}

fn matches_limit(configured: usize, reported: u64) -> bool {
    u64::try_from(configured).is_ok_and(|set| set == reported)
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
        for (error, words, expected) in table {
            let says = |behaviour| hint(error, behaviour).is_some_and(|advice| advice.contains(words));
            assert_eq!((says(&unset), says(&set)), expected, "{words}");
        }
        let silent = ApiError::ActiveLimit {
            actual_count: None,
            limit: None,
        };
        assert_eq!(hint(&silent, &unset), None);
    }
}
