//! `segctl.yaml`.

use super::super::settings::DataCenter;
use super::builders::{
    ObjectSchema, any_of, boolean, count, described, keyword_enum, list, non_empty_list, non_empty_text,
};
use super::contents::http_url;
use crate::model::{Adoption, EndpointClass, Keyword};
use serde_json::{Value, json};

/// The schema of `segctl.yaml`.
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
        .with_required(
            "segments",
            described(
                segments,
                "Directories or globs of segment files, relative to this file.",
            ),
        )
        .with_optional(
            "default_workspace",
            described(non_empty_text(), "The workspace meant when none is named."),
        )
        .with_required("workspaces", described(workspaces, "The workspaces by name."))
        .closed();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = "https://raw.githubusercontent.com/segctl/segctl/main/schemas/segctl.schema.json".into();
    schema["title"] = "segctl settings".into();
    schema["description"] = "Which files declare segments, and the workspaces they are for.".into();
    schema
}

fn sandbox() -> Value {
    let file = described(
        non_empty_text(),
        "The embedded service on this machine, kept in this file.",
    );
    common_fields(ObjectSchema::default().with_required("sandbox", file), false).closed()
}

fn moengage() -> Value {
    let with = |uses_data_center| {
        common_fields(ObjectSchema::default(), uses_data_center)
            .with_required(
                "workspace_id",
                described(value_source(), "The user of every call."),
            )
            .with_required(
                "api_key",
                described(secret(), "The password of every call; never the key itself."),
            )
            .with_optional(
                "db_name",
                described(value_source(), "Needed by archive and unarchive."),
            )
    };
    let url =
        json!({"type": "string", "pattern": r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])(:|/|$))"});
    any_of([
        with(true)
            .with_required(
                "data_center",
                described(keyword_enum::<DataCenter>(), "MoEngage's data centre."),
            )
            .closed(),
        with(false)
            .with_required(
                "endpoint",
                described(url, "An https address; http is for loopback only."),
            )
            .closed(),
    ])
}

fn common_fields(base: ObjectSchema, uses_data_center: bool) -> ObjectSchema {
    let limits = EndpointClass::ALL
        .iter()
        .fold(ObjectSchema::default(), |limits, class| {
            let windows = non_empty_list(&non_empty_text());
            let words = "Rolling windows for these calls, COUNT/SPAN: 50/min, 10/3s, 4000/day.";
            limits.with_optional(class.as_str(), described(windows, words))
        });
    let base = base.with_optional(
        "ledger",
        described(
            non_empty_text(),
            "Where the ledger is kept: a directory, relative to this file, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, \
             az://CONTAINER/PREFIX.",
        ),
    )
    .with_optional(
        "time_zone",
        described(non_empty_text(), "The workspace's time zone, such as Asia/Kolkata."),
    )
    .with_optional(
        "rate_limits",
        described(
            limits.closed(),
            "Windows such as 50/min that replace the documented ones.",
        ),
    );
    policy(base, uses_data_center)
}

/// What segctl may do to the workspace, how lists get there, and what is known of the service.
fn policy(base: ObjectSchema, uses_data_center: bool) -> ObjectSchema {
    base.with_optional(
        "owns",
        described(
            list(&non_empty_text()),
            "Patterns of names: undeclared live segments that fit are archived.",
        ),
    )
    .with_optional(
        "adoption",
        described(
            keyword_enum::<Adoption>(),
            "Whether declared segments that were made by hand are taken over.",
        ),
    )
    .with_optional(
        "guards",
        described(
            guards(),
            "How much one plan may change; a plan over it is refused.",
        ),
    )
    .with_optional(
        "publish",
        described(
            publish(uses_data_center),
            "Where lists of users are put for the service to read.",
        ),
    )
    .with_optional(
        "callbacks",
        described(
            callbacks(),
            "Where the service says what became of lists of users.",
        ),
    )
    .with_optional(
        "service",
        described(
            api_behavior(),
            "What is known of behaviour that is not documented.",
        ),
    )
}

/// What is far reads no folder of this machine.
fn publish(uses_data_center: bool) -> Value {
    let url = described(
        http_url(),
        "What the addresses of its files begin with; missing where the service is the sandbox.",
    );
    let folder = "A folder that a web server serves, relative to this file.";
    let folder = ObjectSchema::default().with_required("directory", described(non_empty_text(), folder));
    let folder = if uses_data_center {
        folder.with_required("url", url)
    } else {
        folder.with_optional("url", url)
    };
    let bucket = described(
        json!({
            "type": "string",
            "pattern": r"^(s3|gs|az)://[A-Za-z0-9._-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)*/?$",
        }),
        "A bucket: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX. The service is told addresses that are \
         signed, and good for a day.",
    );
    any_of([
        folder.closed(),
        ObjectSchema::default().with_required("bucket", bucket).closed(),
    ])
}

fn callbacks() -> Value {
    let url = json!({
        "type": "string",
        "pattern": r"^(https://[^/?#][^?#]*|http://(127\.0\.0\.1|localhost|\[::1\])([:/][^?#]*)?)$",
    });
    ObjectSchema::default()
        .with_required(
            "url",
            described(
                url,
                "The address that the service calls, from outside: https, or http on loopback. Everything below it is \
                 passed on to where segctl listens.",
            ),
        )
        .with_required(
            "token",
            described(
                secret(),
                "The secret in the addresses that the service is told, at least 16 letters, digits, - and _: a variable, or a \
                 command.",
            ),
        )
        .with_optional(
            "listen",
            described(
                json!({"type": "string", "pattern": r"^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"}),
                "Where to listen for what is passed on, such as 0.0.0.0:8080.",
            ),
        )
        .closed()
}

fn guards() -> Value {
    let share = |words| {
        described(
            json!({"type": "string", "pattern": "^([0-9]{1,2}|0[0-9]{2}|100)%$"}),
            words,
        )
    };
    ObjectSchema::default()
        .with_optional(
            "archive",
            share("The most that may be archived, of the managed active segments."),
        )
        .with_optional("update", share("The most that may be updated."))
        .with_optional(
            "above",
            described(
                count(0),
                "The guards do not hold for fewer managed segments than this.",
            ),
        )
        .closed()
}

fn api_behavior() -> Value {
    ObjectSchema::default()
        .with_optional(
            "list_shows_archived",
            described(
                boolean(),
                "Whether the service's list shows archived segments. With true only the ledger tells which are archived: \
                 what the service or a person archives is not seen.",
            ),
        )
        .with_optional(
            "rename_frees_names",
            described(
                boolean(),
                "Whether a rename frees the old name for other segments.",
            ),
        )
        .with_optional(
            "archived_definitions_conflict",
            described(
                boolean(),
                "Whether the definition of an archived segment blocks others.",
            ),
        )
        .with_optional(
            "active_limit",
            described(
                count(1),
                "Active segments that fit into the workspace, where the limit was raised.",
            ),
        )
        .with_optional(
            "users_a_day",
            described(
                count(1),
                "Users that lists may add in 24 hours, of all segments together, where the limit was raised.",
            ),
        )
        .closed()
}

const VARIABLE_PATTERN: &str = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}";

/// A value, a variable that is the whole value, or a command.
fn value_source() -> Value {
    let text = json!({"type": "string", "minLength": 1, "pattern": format!(r"^({VARIABLE_PATTERN}|(?!.*\$\{{).*)$")});
    any_of([text, command()])
}

fn secret() -> Value {
    any_of([
        json!({"type": "string", "pattern": format!("^{VARIABLE_PATTERN}$")}),
        command(),
    ])
}

fn command() -> Value {
    let words = described(
        non_empty_list(&non_empty_text()),
        "A program and its arguments; its first line is the value.",
    );
    ObjectSchema::default().with_required("command", words).closed()
}
