//! Field descriptions that editors show on hover, by field name.
//!
//! A field that means different things in different places (`type`, `url`) is described where its schema is built.

/// `None` for a field that is described where its schema is built.
pub(super) fn hover_text(field: &str) -> Option<&'static str> {
    let text = match field {
        "action_name" => "Event code, not its label in the dashboard.",
        "active_limit" => "Maximum number of active segments, if MoEngage raised the limit of the workspace.",
        "adoption" => "Whether apply adopts declared segments that were created outside segctl.",
        "aggregation_attributes" => {
            "Condition on the sum, mean, minimum, maximum or median of an attribute of the occurrences."
        }
        "aggregation_type" => "How the numbers of the attribute are aggregated; the median is approximate.",
        "api_behavior" => "Undocumented API behavior of the workspace.",
        "api_key" => "Password of every API request: a variable or a command, never the key itself.",
        "archive" => "Maximum percentage of the managed active segments that one plan may archive.",
        "archived_definitions_conflict" => {
            "Whether a new segment may not have the definition of an archived segment."
        }
        "attribute" => "Attribute that the list identifies users by; each value must belong to one user.",
        "attribute_name" => "Numeric attribute of the event.",
        "attributes" => "Conditions that an occurrence must match to count.",
        "base_time_range" => "Earlier time range to compare with.",
        "bucket" => {
            "Bucket for the lists: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX. MoEngage receives \
             pre-signed URLs that are valid for 24 hours."
        }
        "callback_url" => "URL that MoEngage sends the result of each upload to.",
        "callbacks" => "Where MoEngage sends the results of uploads.",
        "case_sensitive" => "Whether the comparison is case-sensitive; default: false.",
        "category" => "Category of the attribute in the dashboard. It does not change which users match.",
        "cohort_id" => "Id of the cohort at the partner; it cannot be changed later.",
        "command" => "A program and its arguments; the first line of its output is the value.",
        "comparator" => {
            "Compare the change since `base_time_range`, absolute or in percent, instead of the number."
        }
        "count" => "Number of times.",
        "daily_user_limit" => {
            "Maximum number of users added in 24 hours by all lists together, if MoEngage raised the limit."
        }
        "data_center" => "MoEngage data center.",
        "data_type" => "Type of the attribute in MoEngage. Values stored with another type never match.",
        "days" => "Number of days ago; with `between`, the later end.",
        "days1" => "Number of days ago: the earlier end.",
        "db_name" => "Required to archive and unarchive.",
        "default_workspace" => "Workspace to use when the command line names none.",
        "description" => "For readers of the repository; never sent.",
        "directory" => "Folder that a web server publishes, relative to this file.",
        "dynamic_attribute_type" => {
            "Type of the other attribute; with a list attribute, the type of its elements."
        }
        "endpoint" => "An https URL; http is allowed only for loopback addresses.",
        "executed" => "Whether the event happened; false means not once in the time range.",
        "execution" => "How often the event happened; default: at least once.",
        "expires_in_days" => {
            "Days after creation at which MoEngage archives the segment and removes its users."
        }
        "extract_type" => {
            "Part of the date to compare, whatever the larger units are; default: the whole date. Hours are 0 to 23, \
             weekdays 0 to 6. MoEngage does not document which weekday is 0."
        }
        "file_request_content_type" => {
            "Content-Type of the requests that create or change a file segment; default: application/json."
        }
        "filter_operator" => "`and`: every filter must match. `or`: one is enough.",
        "filter_type" => {
            "Filter condition: an attribute, an event, an affinity, membership of another segment, or a group of \
             filters."
        }
        "filters" => "Filters to combine.",
        "from" => "The day, or the first day of a range, in the time zone of the workspace.",
        "guards" => "How much one plan may change; a plan that exceeds a guard is blocked.",
        "identifier" => "What the values of the list are.",
        "is_dynamic_value" => "Whether `value` is another attribute of the same user.",
        "labels" => "For readers of the repository; never sent.",
        "lifecycle" => "`active` (default) or `archived`.",
        "list_shows" => {
            "The kinds of segments that the API lists. Without it, segctl concludes that from what was listed before."
        }
        "list_shows_archived" => {
            "Whether the API lists archived segments. If true, only the state knows which segments are archived, and \
             segctl does not notice a segment that is archived elsewhere."
        }
        "listen" => "Address that receives the forwarded callbacks, such as 0.0.0.0:8080.",
        "manages" => "Name patterns: segctl archives matching segments that are not in the configuration.",
        "members" => "The `uid` of each member.",
        "min_members" => "The guard `members` applies to lists with at least this number of members.",
        "min_segments" => "The guards `archive` and `update` apply from this number of managed segments.",
        "name" => "Name of the attribute in MoEngage.",
        "negate" => "NOT. Users without the attribute match a negated condition.",
        "notify" => "E-mail addresses that MoEngage sends the result of each upload to.",
        "operator" => {
            "How to compare the attribute. `exists` also matches empty values; `between` of numbers excludes `value1`."
        }
        "operator_type" => {
            "Predominant: more often than with any other value. Minimum: at least a percentage of the times. Top and \
             bottom: among the most or the least active users."
        }
        "owner" => "Owner contact; never sent.",
        "partner" => "Partner that syncs the members; it cannot be changed later.",
        "percent_of_times" => "Minimum percentage of the occurrences, 1 to 100.",
        "percent_of_users" => "Percentage of the users, 1 to 100.",
        "period_unit" => {
            "Unit of the time range. Weeks start on Monday, months are calendar months; it has no effect with dates."
        }
        "previous_names" => "Earlier names: an existing segment with one of them is renamed.",
        "project_name" => "Portfolio workspaces only; `moe_portfolio` means any project.",
        "protect" => "Whether segctl must never archive the segment, even when its file is removed.",
        "psychographic_attributes" => "Attribute values that users prefer.",
        "publish" => "Where segctl publishes user lists for MoEngage to read.",
        "radius" => "Meters around the point.",
        "rate_limits" => "Rate limits that override the documented ones, such as 50/min.",
        "raw" => "Sent unchanged; segctl does not check it.",
        "rename_frees_names" => "Whether other segments can use the old name after a rename.",
        "sandbox" => "File of the embedded sandbox, relative to this file.",
        "segments" => "Directories or globs of segment files, relative to this file.",
        "sha256" => "SHA-256 of the file; a new digest means a new list.",
        "state" => {
            "Location of the state: a directory, relative to this file, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, \
             az://CONTAINER/PREFIX."
        }
        "time_zone" => "Time zone of the workspace, such as Asia/Kolkata.",
        "to" => "The last day, inclusive.",
        "token" => {
            "Secret part of the callback URLs, at least 16 letters, digits, - and _: a variable or a command."
        }
        "update" => "Maximum percentage of the managed active segments that one plan may update.",
        "users" => "Users of the segment.",
        "value" => "Value to compare with; with `between`, the lower or nearer end.",
        "value1" => "Upper or farther end of `between`; exclusive for numbers, inclusive for dates.",
        "value_type" => {
            "`absolute`: a date in the time zone of the workspace. The relative types count units back from now, or \
             forward."
        }
        "workspace_id" => "User name of every API request.",
        _ => return None,
    };
    Some(text)
}
