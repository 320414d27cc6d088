//! Names of fields.

use super::{Synonyms, folded};

/// The field that a field of another tool stands for, if it is one of `absent`.
#[must_use]
pub(in crate::config) fn field_for<'a>(
    written: &str,
    absent: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = folded(written);
    let mut absent = absent.into_iter();
    absent.find(|key| {
        let synonyms = FIELD_SYNONYMS.iter().find(|(known, _)| known == key);
        synonyms.is_some_and(|(_, words)| words.contains(&word.as_str()))
    })
}

/// Fields without case and separators. A word that is itself a field of the API stands only where it is not valid.
const FIELD_SYNONYMS: &[Synonyms] = &[
    (
        "name",
        &[
            "title",
            "segmentname",
            "label",
            "attribute",
            "attributename",
            "attr",
            "property",
            "field",
            "column",
        ],
    ),
    (
        "action_name",
        &["event", "eventname", "name", "action", "eventtype"],
    ),
    (
        "attribute_name",
        &["name", "attribute", "attr", "property", "field"],
    ),
    (
        "filter_operator",
        &[
            "operator",
            "op",
            "combine",
            "join",
            "logic",
            "logicaloperator",
            "condition",
            "match",
        ],
    ),
    ("filters", &["conditions", "rules", "clauses", "criteria"]),
    ("filter_type", &["type", "kind"]),
    ("data_type", &["type", "datatypes", "valuetype", "dtype"]),
    ("operator", &["op", "comparison", "filteroperator", "condition"]),
    ("value", &["values", "val", "equals"]),
    ("value1", &["value2", "max", "upper", "tovalue", "endvalue"]),
    (
        "primary_time_range",
        &[
            "timerange",
            "daterange",
            "period",
            "timewindow",
            "window",
            "time",
            "within",
        ],
    ),
    ("period_unit", &["unit", "units", "period", "timeunit"]),
    ("executed", &["performed", "did", "hasdone", "done", "occurred"]),
    ("execution", &["frequency", "occurrences", "occurrence"]),
    (
        "included_filters",
        &[
            "filters",
            "include",
            "includes",
            "included",
            "definition",
            "conditions",
            "rules",
            "query",
            "where",
        ],
    ),
    (
        "excluded_filters",
        &["exclude", "excludes", "excluded", "exclusions"],
    ),
    (
        "attributes",
        &["filters", "properties", "eventattributes", "conditions", "where"],
    ),
    ("case_sensitive", &["casesensitivity", "matchcase"]),
    ("negate", &["not", "negated", "invert", "inverted", "exclude"]),
    ("lifecycle", &["status", "state", "archived"]),
    ("labels", &["tags", "label"]),
    ("owner", &["team", "author", "createdby"]),
    ("description", &["desc", "comment", "notes", "note"]),
    (
        "previous_names",
        &[
            "previousname",
            "oldname",
            "oldnames",
            "formername",
            "renamedfrom",
            "movedfrom",
            "aliases",
        ],
    ),
    ("members", &["users", "list", "values"]),
    ("users", &["members", "list", "file"]),
    (
        "expires_in_days",
        &["expiry", "expires", "expiresin", "ttl", "expirydays"],
    ),
    ("notify", &["emails", "email", "notifications"]),
    ("api_key", &["apisecret", "key", "secret", "password", "token"]),
    ("workspace_id", &["appid", "workspace", "username", "user"]),
    ("db_name", &["database", "db", "databasename"]),
    ("data_center", &["datacentre", "dc", "region", "cluster"]),
    ("endpoint", &["url", "baseurl", "host", "apiurl"]),
    ("segments", &["files", "paths", "segment", "sources"]),
    ("workspaces", &["environments", "envs", "targets", "workspace"]),
    ("default_workspace", &["default", "defaultenvironment"]),
    ("time_zone", &["tz", "zone"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_other_tools_lead_to_absent_fields() {
        let known = ["action_name", "executed"];
        assert_eq!(field_for("eventName", known), Some("action_name"));
        assert_eq!(field_for("event_name", known), Some("action_name"));
        assert_eq!(field_for("eventName", ["executed"]), None);
    }
}
