//! The schema of `segctl.yaml`.

use super::super::settings::DataCenter;
use super::builders::{
    ObjectSchema, any_of, boolean, count, described, keyword_enum, list, non_empty_list, non_empty_text, text,
};
use super::contents::http_url;
use crate::model::{Adoption, EndpointClass, Keyword, ListedKinds, RequestContentType};
use serde_json::{Value, json};

#[must_use]
pub fn settings() -> Value {
    let workspaces = json!({
        "type": "object",
        "minProperties": 1,
        "patternProperties": {"^[A-Za-z0-9_-]{1,64}$": any_of([sandbox(), moengage()])},
        "additionalProperties": false,
    });
    let segments = any_of([non_empty_text(), non_empty_list(&non_empty_text())]);
    let mut schema = ObjectSchema::default()
        .with_optional("$schema", text())
        .with_required("segments", segments)
        .with_optional("default_workspace", non_empty_text())
        .with_required("workspaces", described(workspaces, "Workspaces by name."))
        .closed();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = "https://raw.githubusercontent.com/segctl/segctl/main/schemas/segctl.schema.json".into();
    schema["title"] = "segctl settings".into();
    schema["description"] = "Locations of segment files, and the workspaces.".into();
    schema
}

fn sandbox() -> Value {
    let base = ObjectSchema::default().with_required("sandbox", non_empty_text());
    common_fields(base, false).closed()
}

fn moengage() -> Value {
    let with = |uses_data_center| {
        common_fields(ObjectSchema::default(), uses_data_center)
            .with_required("workspace_id", value_source(":"))
            .with_required("api_key", secret())
            .with_optional("db_name", value_source(""))
    };
    let url = json!({
        "type": "string",
        "pattern": r"^(https://[^/?#@:\s$]+|http://(127(\.[0-9]{1,3}){1,3}|localhost|\[::1\]))(:[0-9]{1,5})?(/[^?#$\s]*)?$",
    });
    any_of([
        with(true)
            .with_required("data_center", keyword_enum::<DataCenter>())
            .closed(),
        with(false).with_required("endpoint", url).closed(),
    ])
}

fn common_fields(base: ObjectSchema, uses_data_center: bool) -> ObjectSchema {
    let text = "Rate limits of these API requests, as COUNT/SPAN: 50/min, 10/3s, 4000/day.";
    let rate_limits = EndpointClass::ALL
        .iter()
        .fold(ObjectSchema::default(), |limits, class| {
            let window = json!({
                "type": "string",
                "pattern": r"^ *0*([1-9][0-9]{0,5}|1000000) */ *(0*[1-9][0-9]{0,6})?(s|sec|m|min|h|hour|d|day|days) *$",
            });
            limits.with_optional(class.as_str(), described(non_empty_list(&window), text))
        });
    base.with_optional("state", non_empty_text())
        .with_optional("time_zone", non_empty_text())
        .with_optional("rate_limits", rate_limits.closed())
        .with_optional("manages", list(&non_empty_text()))
        .with_optional("adoption", keyword_enum::<Adoption>())
        .with_optional("guards", guards())
        .with_optional("publish", publish(uses_data_center))
        .with_optional("callbacks", callbacks())
        .with_optional("api_behavior", api_behavior())
}

/// `uses_data_center`: MoEngage itself cannot read a local folder, so it needs a URL.
fn publish(uses_data_center: bool) -> Value {
    let mut folder_url = http_url();
    // The names of files are appended to it.
    folder_url["not"] = json!({"pattern": "[?#]"});
    let url = described(
        folder_url,
        "Base URL of the published files; the sandbox needs none.",
    );
    let folder = ObjectSchema::default().with_required("directory", non_empty_text());
    let folder = if uses_data_center {
        folder.with_required("url", url)
    } else {
        folder.with_optional("url", url)
    };
    let bucket = json!({
        "type": "string",
        "pattern": r"^(s3|gs|az)://[A-Za-z0-9._-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)*/?$",
    });
    any_of([
        folder.closed(),
        ObjectSchema::default().with_required("bucket", bucket).closed(),
    ])
}

fn callbacks() -> Value {
    let url = json!({
        "type": "string",
        "pattern": r"^(https://[^/?#:@\s][^?#\s]*|http://(127\.0\.0\.1|localhost|\[::1\])([:/][^?#\s]*)?)$",
        "description": "Public URL that MoEngage sends callbacks to: https, or http on loopback. Your proxy must \
                        forward all sub-paths to `listen`.",
    });
    let listen = json!({"type": "string", "pattern": r"^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"});
    ObjectSchema::default()
        .with_required("url", url)
        .with_required("token", secret())
        .with_optional("listen", listen)
        .closed()
}

fn guards() -> Value {
    let percent = json!({"type": "string", "pattern": "^([0-9]{1,2}|0[0-9]{2}|100)%$"});
    let mut members = percent.clone();
    members["description"] =
        json!("How many members of one cohort or users of one file segment a plan may remove.");
    ObjectSchema::default()
        .with_optional("archive", percent.clone())
        .with_optional("update", percent)
        .with_optional("min_segments", count(0))
        .with_optional("members", members)
        .with_optional("min_members", count(0))
        .closed()
}

fn api_behavior() -> Value {
    ObjectSchema::default()
        .with_optional("list_shows", keyword_enum::<ListedKinds>())
        .with_optional("file_request_content_type", keyword_enum::<RequestContentType>())
        .with_optional("list_shows_archived", boolean())
        .with_optional("rename_frees_names", boolean())
        .with_optional("archived_definitions_conflict", boolean())
        .with_optional("active_limit", count(1))
        .with_optional("daily_user_limit", count(1))
        .closed()
}

const VARIABLE_PATTERN: &str = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}";

/// Text that can be sent, without variables and the characters `refused`; one variable as the whole value; or a command.
fn value_source(refused: &str) -> Value {
    let text = json!({
        "type": "string",
        "minLength": 1,
        "pattern": format!(r"^({VARIABLE_PATTERN}|(?!.*\$\{{).*)$"),
        "not": {"pattern": format!(r"^\s|\s$|[\x00-\x1F\x7F{refused}]")},
    });
    any_of([text, command()])
}

fn secret() -> Value {
    any_of([
        json!({"type": "string", "pattern": format!("^{VARIABLE_PATTERN}$")}),
        command(),
    ])
}

fn command() -> Value {
    let words = non_empty_list(&non_empty_text());
    ObjectSchema::default().with_required("command", words).closed()
}
