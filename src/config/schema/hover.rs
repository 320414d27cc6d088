//! What an editor says of a field when a person points at it.
//!
//! By name: a field means the same wherever it stands. Fields that do not (`type`) are described where they are.

/// The words for a field; `None` where the place says more than the name.
pub(super) fn hover_text(field: &str) -> Option<&'static str> {
    let words = match field {
        "aggregation_type" => "What is made of the attribute's numbers; the median is approximate.",
        "attribute_name" => "The event's attribute, a number.",
        "case_sensitive" => "Whether upper and lower case differ; they do not by default.",
        "category" => {
            "The dashboard's category of the attribute; sent when given, without a meaning for who matches."
        }
        "comparator" => {
            "Tests the change since `base_time_range`, plain or in percent, in place of the number itself."
        }
        "count" => "How many times.",
        "data_type" => {
            "The attribute's type at the service. Stored values of any other type never match, and are not converted."
        }
        "days" => "So many days ago. Of `between`, the later end.",
        "days1" => "So many days ago: the earlier end.",
        "dynamic_attribute_type" => {
            "The other attribute's type, that of an element where this one is a list."
        }
        "executed" => "Whether it happened; false means not once in the window.",
        "execution" => "How often it happened; at least once when left out.",
        "extract_type" => {
            "The part of the date that is compared, whatever the larger units are; the whole date when left out. \
             Hours are 0 to 23, weekdays 0 to 6, and which day is 0 is not documented."
        }
        "filter_operator" => "`and`: every filter has to hold. `or`: one is enough.",
        "filter_type" => {
            "What is asked of a user: an attribute, an event, affinity, membership of another segment, or a group of \
             filters."
        }
        "filters" => "The filters that are combined.",
        "from" => "The day, or the first of several; in the workspace's time zone.",
        "is_dynamic_value" => "Whether `value` is the user's own value of another attribute.",
        "name" => "The attribute's name at the service.",
        "negate" => "NOT. Users without the attribute match a negated condition.",
        "operator" => {
            "How the attribute is compared. `exists` holds for empty values too; `between` of numbers leaves `value1` \
             itself out."
        }
        "operator_type" => {
            "Predominant: more often than with any other value. Minimum: at least a percentage of the times. Top and \
             bottom: among the most or the least active users."
        }
        "percent_of_times" => "At least this percentage of the occurrences, 1 to 100.",
        "percent_of_users" => "This percentage of the users, 1 to 100.",
        "period_unit" => {
            "What the window counts in. Weeks start on Monday, months are those of the calendar; beside dates it says \
             nothing."
        }
        "to" => "The last day, included.",
        "value" => "What is compared with. Of `between`, the lower or nearer end.",
        "value1" => "The other end of `between`: numbers lie below it, dates may be on it.",
        "value_type" => {
            "`absolute` is a date of the calendar in the workspace's time zone; the relative ones count units back \
             from now, or on from it."
        }
        _ => return None,
    };
    Some(words)
}
