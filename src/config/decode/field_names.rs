//! The names of all fields of segment files and segctl.yaml.

/// A field with one of these names is not a misspelling of another field, even where it is not valid. Sorted.
pub(super) const FIELD_NAMES: &[&str] = &[
    "$schema",
    "action_name",
    "active_limit",
    "adoption",
    "aggregation_attributes",
    "aggregation_type",
    "api_behavior",
    "api_key",
    "archive",
    "archived_definitions_conflict",
    "array_filter_type",
    "attribute",
    "attribute_name",
    "attributes",
    "base_time_range",
    "bucket",
    "callback_url",
    "callbacks",
    "case_sensitive",
    "category",
    "cohort",
    "cohort_id",
    "command",
    "comparator",
    "count",
    "create",
    "created_time",
    "daily_user_limit",
    "data_center",
    "data_type",
    "days",
    "days1",
    "db_name",
    "default_workspace",
    "description",
    "directory",
    "dynamic_attribute_type",
    "endpoint",
    "excluded_filters",
    "executed",
    "execution",
    "expires_in_days",
    "extract_type",
    "file",
    "file_request_content_type",
    "filter_operator",
    "filter_type",
    "filters",
    "from",
    "get",
    "guards",
    "id",
    "identifier",
    "included_filters",
    "is_dynamic_value",
    "kind",
    "labels",
    "lifecycle",
    "list",
    "list_shows",
    "list_shows_archived",
    "listen",
    "manages",
    "members",
    "min_members",
    "min_segments",
    "name",
    "negate",
    "notify",
    "operator",
    "operator_type",
    "owner",
    "partner",
    "path",
    "percent_of_times",
    "percent_of_users",
    "period_unit",
    "previous_names",
    "primary_time_range",
    "project_name",
    "protect",
    "psychographic_attributes",
    "publish",
    "radius",
    "rate_limits",
    "raw",
    "rename_frees_names",
    "sandbox",
    "segments",
    "sha256",
    "source",
    "state",
    "time_zone",
    "to",
    "token",
    "type",
    "update",
    "updated_time",
    "url",
    "users",
    "value",
    "value1",
    "value_type",
    "workspace_id",
    "workspaces",
];

#[cfg(test)]
mod tests {
    use super::super::super::schema;
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn add_names(schema: &Value, names: &mut BTreeSet<String>) {
        match schema {
            Value::Object(fields) => {
                if let Some(Value::Object(properties)) = fields.get("properties") {
                    names.extend(properties.keys().cloned());
                }
                fields.values().for_each(|field| add_names(field, names));
            }
            Value::Array(items) => items.iter().for_each(|item| add_names(item, names)),
            _ => {}
        }
    }

    #[test]
    fn every_field_of_the_schemas_is_listed() {
        let mut names = BTreeSet::new();
        add_names(&schema::segment(), &mut names);
        add_names(&schema::settings(), &mut names);
        let listed: BTreeSet<String> = FIELD_NAMES.iter().map(|&name| name.to_owned()).collect();
        let missing: Vec<_> = names.difference(&listed).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(FIELD_NAMES.is_sorted());
    }
}
