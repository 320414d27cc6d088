//! What to write for a field that is missing or has the wrong shape.

/// An example of a missing field.
pub(super) fn of_field(key: &str) -> Option<&'static str> {
    Some(match key {
        "executed" => {
            "add `executed: true` for users who performed the event, or `executed: false` for those who did not"
        }
        "primary_time_range" => {
            "add a time range such as `primary_time_range: {type: inTheLast, value: 30, period_unit: days}`"
        }
        "base_time_range" => "add `base_time_range: {type: previousPeriod}`",
        "filters" => "add `filters:` with a list, as in `filters: [{filter_type: …}]`",
        "included_filters" => "add `included_filters: {filter_operator: and, filters: [{filter_type: …}]}`",
        "days" => "add `days: 30`, the number of days",
        "segments" => "add `segments: segments/`, the directory of the segment files",
        "workspaces" => {
            "add `workspaces: {sandbox: {sandbox: .segctl/sandbox.json}}` to start with the sandbox"
        }
        "api_key" => {
            "add `api_key: ${MOENGAGE_API_KEY}`, or a command, `api_key: {command: [pass, moengage]}`"
        }
        "workspace_id" => "add `workspace_id: ${MOENGAGE_WORKSPACE_ID}`, or the workspace id itself",
        "token" => "add `token: ${SEGCTL_CALLBACK_TOKEN}`",
        "identifier" => "add an identifier such as `identifier: {attribute: email, type: string}`",
        "users" => "add `users: {path: users.csv}`",
        "members" => "add `members: {path: members.csv}`, or a list, `members: [user-1, user-2]`",
        "expires_in_days" => "add `expires_in_days: 30`",
        _ => return None,
    })
}

/// An example of a mapping that is written as another type.
pub(super) fn of_mapping(description: &str) -> Option<&'static str> {
    Some(match description {
        "a time range" => "write a time range such as `{type: inTheLast, value: 30, period_unit: days}`",
        "the time range of an affinity filter" => "write a time range such as `{type: inTheLast, days: 30}`",
        "a base time range" => "write `{type: previousPeriod}`",
        "an execution" => "write an execution such as `{type: atleast, count: 1}`",
        "a user list" => "write `{path: users.csv}`",
        "a member list" => "write `{path: members.csv}`, or a list, `[user-1, user-2]`",
        "an identifier" => "write an identifier such as `{attribute: email, type: string}`",
        "a command" => "write a command such as `{command: [pass, moengage]}`",
        "a workspace" => "write a workspace such as `{sandbox: .segctl/sandbox.json}`",
        "`guards`" => "write guards such as `{archive: 30%}`",
        "`rate_limits`" => "write rate limits such as `{get: [100/min]}`",
        "`publish`" => "write `{directory: DIRECTORY}` or `{bucket: s3://BUCKET/PREFIX}`",
        _ => return None,
    })
}
