//! `segctl.yaml`.

use super::super::workspace::DataCenter;
use super::contents::address;
use super::object::{Fields, any_of, boolean, count, described, filled_list, filled_text, list, words};
use crate::model::{Adoption, EndpointClass, Keyword};
use serde_json::{Value, json};

/// The schema of `segctl.yaml`.
#[must_use]
pub fn workspace() -> Value {
    let workspaces = json!({
        "type": "object",
        "minProperties": 1,
        "patternProperties": {"^[A-Za-z0-9_-]{1,64}$": any_of([sandbox(), remote()])},
        "additionalProperties": false,
    });
    let segments = any_of([filled_text(), filled_list(&filled_text())]);
    let mut schema = Fields::default()
        .need(
            "segments",
            described(
                segments,
                "Directories or globs of segment files, relative to this file.",
            ),
        )
        .may(
            "default_workspace",
            described(filled_text(), "The workspace meant when none is named."),
        )
        .need("workspaces", described(workspaces, "The workspaces by name."))
        .done();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = "https://raw.githubusercontent.com/segctl/segctl/main/schemas/segctl.schema.json".into();
    schema["title"] = "segctl settings".into();
    schema["description"] = "Which files declare segments, and the workspaces they are for.".into();
    schema
}

fn sandbox() -> Value {
    let file = described(
        filled_text(),
        "The embedded service on this machine, kept in this file.",
    );
    common(Fields::default().need("sandbox", file), false).done()
}

fn remote() -> Value {
    let with = |is_far| {
        common(Fields::default(), is_far)
            .need("workspace_id", described(setting(), "The user of every call."))
            .need(
                "api_key",
                described(secret(), "The password of every call; never the key itself."),
            )
            .may(
                "db_name",
                described(setting(), "Needed by archive and unarchive."),
            )
    };
    let url =
        json!({"type": "string", "pattern": r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])(:|/|$))"});
    any_of([
        with(true)
            .need(
                "data_center",
                described(words::<DataCenter>(), "MoEngage's data centre."),
            )
            .done(),
        with(false)
            .need(
                "endpoint",
                described(url, "An https address; http is for loopback only."),
            )
            .done(),
    ])
}

fn common(base: Fields, is_far: bool) -> Fields {
    let limits = EndpointClass::ALL
        .iter()
        .fold(Fields::default(), |limits, class| {
            let windows = filled_list(&filled_text());
            let words = "Rolling windows for these calls, COUNT/SPAN: 50/min, 10/3s, 4000/day.";
            limits.may(class.as_str(), described(windows, words))
        });
    let base = base.may(
        "ledger",
        described(
            filled_text(),
            "Where the ledger is kept: a directory, relative to this file, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, \
             az://CONTAINER/PREFIX.",
        ),
    )
    .may(
        "time_zone",
        described(filled_text(), "The workspace's time zone, such as Asia/Kolkata."),
    )
    .may(
        "rate_limits",
        described(
            limits.done(),
            "Windows such as 50/min that replace the documented ones.",
        ),
    );
    policy(base, is_far)
}

/// What segctl may do to the workspace, how lists get there, and what is known of the service.
fn policy(base: Fields, is_far: bool) -> Fields {
    base.may(
        "owns",
        described(
            list(&filled_text()),
            "Patterns of names: undeclared live segments that fit are archived.",
        ),
    )
    .may(
        "adoption",
        described(
            words::<Adoption>(),
            "Whether declared segments that were made by hand are taken over.",
        ),
    )
    .may(
        "guards",
        described(
            guards(),
            "How much one plan may change; a plan over it is refused.",
        ),
    )
    .may(
        "publish",
        described(
            publish(is_far),
            "Where lists of users are put for the service to read.",
        ),
    )
    .may(
        "callbacks",
        described(
            callbacks(),
            "Where the service says what became of lists of users.",
        ),
    )
    .may(
        "service",
        described(behaviour(), "What is known of behaviour that is not documented."),
    )
}

/// What is far reads no folder of this machine.
fn publish(is_far: bool) -> Value {
    let url = described(
        address(),
        "What the addresses of its files begin with; missing where the service is the sandbox.",
    );
    let folder = "A folder that a web server serves, relative to this file.";
    let folder = Fields::default().need("directory", described(filled_text(), folder));
    let folder = if is_far {
        folder.need("url", url)
    } else {
        folder.may("url", url)
    };
    let bucket = described(
        json!({
            "type": "string",
            "pattern": r"^(s3|gs|az)://[A-Za-z0-9._-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)*/?$",
        }),
        "A bucket: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX. The service is told addresses that are \
         signed, and good for a day.",
    );
    any_of([folder.done(), Fields::default().need("bucket", bucket).done()])
}

fn callbacks() -> Value {
    let url = json!({
        "type": "string",
        "pattern": r"^(https://[^/?#][^?#]*|http://(127\.0\.0\.1|localhost|\[::1\])([:/][^?#]*)?)$",
    });
    Fields::default()
        .need(
            "url",
            described(
                url,
                "The address that the service calls, from outside: https, or http on loopback. Everything below it is \
                 passed on to where segctl listens.",
            ),
        )
        .need(
            "token",
            described(
                secret(),
                "The secret in the addresses that the service is told, at least 16 letters, digits, - and _: a variable, or a \
                 command.",
            ),
        )
        .may(
            "listen",
            described(
                json!({"type": "string", "pattern": r"^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"}),
                "Where to listen for what is passed on, such as 0.0.0.0:8080.",
            ),
        )
        .done()
}

fn guards() -> Value {
    let share = |words| {
        described(
            json!({"type": "string", "pattern": "^([0-9]{1,2}|0[0-9]{2}|100)%$"}),
            words,
        )
    };
    Fields::default()
        .may(
            "archive",
            share("The most that may be archived, of the managed active segments."),
        )
        .may("update", share("The most that may be updated."))
        .may(
            "above",
            described(
                count(0),
                "The guards do not hold for fewer managed segments than this.",
            ),
        )
        .done()
}

fn behaviour() -> Value {
    Fields::default()
        .may(
            "list_shows_archived",
            described(
                boolean(),
                "Whether the service's list shows archived segments. With true only the ledger tells which are archived: \
                 what the service or a person archives is not seen.",
            ),
        )
        .may(
            "rename_frees_names",
            described(
                boolean(),
                "Whether a rename frees the old name for other segments.",
            ),
        )
        .may(
            "archived_definitions_conflict",
            described(
                boolean(),
                "Whether the definition of an archived segment blocks others.",
            ),
        )
        .may(
            "active_limit",
            described(
                count(1),
                "Active segments that fit into the workspace, where the limit was raised.",
            ),
        )
        .may(
            "users_a_day",
            described(
                count(1),
                "Users that lists may add in 24 hours, of all segments together, where the limit was raised.",
            ),
        )
        .done()
}

const VARIABLE: &str = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}";

/// A value, a variable that is the whole value, or a command.
fn setting() -> Value {
    let text = json!({"type": "string", "minLength": 1, "pattern": format!(r"^({VARIABLE}|(?!.*\$\{{).*)$")});
    any_of([text, command()])
}

fn secret() -> Value {
    any_of([
        json!({"type": "string", "pattern": format!("^{VARIABLE}$")}),
        command(),
    ])
}

fn command() -> Value {
    let words = described(
        filled_list(&filled_text()),
        "A program and its arguments; its first line is the value.",
    );
    Fields::default().need("command", words).done()
}
