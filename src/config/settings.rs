//! `segctl.yaml`: which files declare segments, and which workspaces they are for.
//!
//! Secrets are never in the file: they are named, and looked up only by the command that needs them.

mod callbacks;
mod policy;

pub use callbacks::CallbackSettings;

use super::decode::codes;
use super::decode::decoder::{Decoder, Fields};
use super::source::SourceFile;
use super::yaml::{self, Node, Yaml};
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{EndpointClass, Policy, StateLocation, is_loopback_http, keywords};
use std::collections::BTreeMap;

/// A secret written into the file.
const LITERAL_SECRET: &str = "SEG060";
/// A workspace that is both or neither of a sandbox and a service, or a default that is none of them.
const INCONSISTENT_WORKSPACE: &str = "SEG061";

/// An address of a bucket that leads nowhere.
const INVALID_STORAGE_URL: &str = "SEG063";

keywords! {
    /// MoEngage's data centres.
    pub enum DataCenter("data center") {
        /// United States.
        Dc01 = "01",
        /// European Union.
        Dc02 = "02",
        /// India.
        Dc03 = "03",
        /// United States.
        Dc04 = "04",
        /// Singapore.
        Dc05 = "05",
        /// Indonesia.
        Dc06 = "06",
        /// The one numbered 101.
        Dc101 = "101",
    }
}

/// What `segctl.yaml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSettings {
    /// Directories or globs, relative to the file.
    pub segments: Vec<String>,
    /// The workspace meant when none is named.
    pub default_workspace: Option<String>,
    /// The workspaces by name.
    pub workspaces: BTreeMap<String, WorkspaceSettings>,
}

/// One workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceSettings {
    /// What answers the calls.
    pub connection: ConnectionSettings,
    /// Where the ledger is kept; default is the directory `.segctl/<workspace>`.
    pub state: Option<StateLocation>,
    /// The zone that dates in filters are read in; the workspace's setting at the service decides.
    pub time_zone: Option<String>,
    /// Windows that replace the documented ones.
    pub rate_limits: Vec<RateLimitSettings>,
    /// What segctl may do to it, and what is known of the service.
    pub policy: Policy,
    /// Where the service says what became of lists; `None` where nobody listens.
    pub callbacks: Option<CallbackSettings>,
}

/// The windows of one class of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitSettings {
    /// Which calls.
    pub class: EndpointClass,
    /// Texts such as `50/min`, with their places.
    pub windows: Vec<(String, Location)>,
}

/// What answers the calls of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionSettings {
    /// The embedded service, kept in this file.
    Sandbox {
        /// Relative to `segctl.yaml`.
        file: String,
    },
    /// MoEngage.
    MoEngage {
        /// Where it is.
        endpoint: EndpointSetting,
        /// The user of every call.
        workspace_id: ValueSource,
        /// The password of every call.
        api_key: ValueSource,
        /// Needed by archive and unarchive.
        db_name: Option<ValueSource>,
    },
}

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointSetting {
    /// By data centre.
    DataCenter(DataCenter),
    /// By address.
    Url(String, Location),
}

/// A value, or where to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// The value itself; never of a secret.
    Literal(String),
    /// The name of an environment variable.
    Environment(String),
    /// A program and its arguments; its first line of output is the value.
    Command(Vec<String>),
}

/// Reads `segctl.yaml`; `None` when it has a fault, which is among the diagnostics then.
#[must_use]
pub fn parse_settings(source: &SourceFile) -> (Option<ProjectSettings>, Vec<Diagnostic>) {
    let (documents, mut diagnostics) = yaml::parse(source);
    let mut reader = Decoder::new(source);
    let settings = match documents.as_slice() {
        [document] => decode_settings(&mut reader, document),
        [] if !diagnostics.is_empty() => None,
        [] => reader.error(
            codes::MISSING_FIELD,
            &(0..0),
            "the file is empty",
            "expected `segments` and `workspaces`",
        ),
        [_, second, ..] => reader.error(
            codes::MISPLACED_FIELD,
            &second.span,
            "the file holds more than one document",
            "expected one",
        ),
    };
    let settings = settings.filter(|_| diagnostics.is_empty());
    diagnostics.extend(reader.into_diagnostics());
    (settings.filter(|_| diagnostics.is_empty()), diagnostics)
}

fn decode_settings(reader: &mut Decoder<'_>, document: &Node) -> Option<ProjectSettings> {
    let mut fields = reader.fields(document, "segctl.yaml")?;
    let segments = reader
        .require(&mut fields, "segments")
        .and_then(|node| match &node.value {
            Yaml::List(_) => reader.non_empty_list(node, Decoder::non_empty_text),
            _ => reader.non_empty_text(node).map(|text| vec![text]),
        });
    let default = fields.take("default_workspace");
    let default_workspace = default.map(|node| reader.non_empty_text(node));
    let workspaces = reader
        .require(&mut fields, "workspaces")
        .and_then(|node| decode_workspaces(reader, node));
    reader.finish(&fields);
    let default_workspace = optional(default_workspace)?;
    let workspaces = workspaces?;
    if let (Some(node), Some(name)) = (default, &default_workspace)
        && !workspaces.contains_key(name)
    {
        let message = format!("the default workspace `{name}` is not one of the workspaces");
        return reader.error(
            INCONSISTENT_WORKSPACE,
            &node.span,
            message,
            "not declared under `workspaces`",
        );
    }
    Some(ProjectSettings {
        segments: segments?,
        default_workspace,
        workspaces,
    })
}

fn decode_workspaces(reader: &mut Decoder<'_>, node: &Node) -> Option<BTreeMap<String, WorkspaceSettings>> {
    let Yaml::Map(entries) = &node.value else {
        return reader.wrong_type(node, "workspaces by name");
    };
    if entries.is_empty() {
        return reader.error(
            codes::OUT_OF_RANGE,
            &node.span,
            "there is no workspace",
            "needs at least one",
        );
    }
    let read: Vec<_> = entries
        .iter()
        .map(|(key, node)| {
            if !is_workspace_name(&key.text) {
                let message = format!("`{}` is no name for a workspace", key.text);
                reader.error::<()>(
                    INCONSISTENT_WORKSPACE,
                    &key.span,
                    message,
                    "letters, digits, `-` and `_` only",
                )?;
            }
            Some((key.text.clone(), decode_workspace(reader, node)?))
        })
        .collect();
    read.into_iter().collect()
}

/// The name becomes a directory of the ledger, so it is kept to what every file system takes.
fn is_workspace_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn decode_workspace(reader: &mut Decoder<'_>, node: &Node) -> Option<WorkspaceSettings> {
    let mut fields = reader.fields(node, "a workspace")?;
    let service = match fields.take("sandbox") {
        Some(node) => {
            fields.describe("a sandbox workspace");
            reader
                .non_empty_text(node)
                .map(|file| ConnectionSettings::Sandbox { file })
        }
        None => moengage_connection(reader, &mut fields),
    };
    let ledger = fields.take("ledger").map(|node| state_location(reader, node));
    let time_zone = fields.take("time_zone").map(|node| time_zone(reader, node));
    let rate_limits = match fields.take("rate_limits") {
        Some(node) => rate_limits(reader, node),
        None => Some(Vec::new()),
    };
    let uses_data_center = matches!(
        &service,
        Some(ConnectionSettings::MoEngage {
            endpoint: EndpointSetting::DataCenter(_),
            ..
        })
    );
    let policy = policy::policy(reader, &mut fields, uses_data_center);
    let callbacks = callbacks::callbacks(reader, &mut fields);
    reader.finish(&fields);
    Some(WorkspaceSettings {
        connection: service?,
        state: optional(ledger)?,
        time_zone: optional(time_zone)?,
        rate_limits: rate_limits?,
        policy: policy?,
        callbacks: callbacks?,
    })
}

/// What was written is not repeated: addresses of other programs may hold a key.
fn state_location(reader: &mut Decoder<'_>, node: &Node) -> Option<StateLocation> {
    let text = reader.non_empty_text(node)?;
    match StateLocation::parse(&text) {
        Ok(place) => Some(place),
        Err(fault) => {
            let message = "the ledger's address cannot be used";
            reader.error::<()>(INVALID_STORAGE_URL, &node.span, message, fault);
            reader.add_help("an address is `s3://BUCKET/PREFIX`; credentials come from the environment");
            None
        }
    }
}

/// Absent is fine; present and faulty is not.
fn optional<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(read) => read.map(Some),
        None => Some(None),
    }
}

fn moengage_connection(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<ConnectionSettings> {
    let endpoint = match (fields.take("data_center"), fields.take("endpoint")) {
        (Some(_), Some(node)) => {
            let message = "`data_center` and `endpoint` both say where the service is";
            reader.error(
                INCONSISTENT_WORKSPACE,
                &node.span,
                message,
                "leave one of them out",
            )
        }
        (Some(node), None) => data_center(reader, node).map(EndpointSetting::DataCenter),
        (None, Some(node)) => endpoint_url(reader, node),
        (None, None) => {
            reader.require(fields, "data_center");
            reader.add_help(
                "say `data_center: \"01\"`, or `endpoint`, or `sandbox: FILE` for the embedded service",
            );
            None
        }
    };
    let workspace_id = reader
        .require(fields, "workspace_id")
        .and_then(|node| value_source(reader, node));
    let api_key = reader
        .require(fields, "api_key")
        .and_then(|node| secret_source(reader, node));
    let db_name = fields.take("db_name").map(|node| value_source(reader, node));
    Some(ConnectionSettings::MoEngage {
        endpoint: endpoint?,
        workspace_id: workspace_id?,
        api_key: api_key?,
        db_name: optional(db_name)?,
    })
}

fn data_center(reader: &mut Decoder<'_>, node: &Node) -> Option<DataCenter> {
    // Text first: a plain 01 is a number to most readers, and the answer says to quote it.
    reader.text(node)?;
    reader.keyword(node)
}

fn endpoint_url(reader: &mut Decoder<'_>, node: &Node) -> Option<EndpointSetting> {
    let text = reader.non_empty_text(node)?;
    if is_loopback_http(&text) || text.starts_with("https://") {
        return Some(EndpointSetting::Url(text, reader.location(&node.span)));
    }
    reader.error(
        codes::OUT_OF_RANGE,
        &node.span,
        "the endpoint is no https address",
        "http is for loopback only",
    )
}

/// A value that may stand in the file.
fn value_source(reader: &mut Decoder<'_>, node: &Node) -> Option<ValueSource> {
    if matches!(node.value, Yaml::Map(_)) {
        return command_source(reader, node);
    }
    let text = reader.non_empty_text(node)?;
    match environment_variable(&text) {
        Some(name) => Some(ValueSource::Environment(name.to_owned())),
        None if text.contains("${") => {
            let message = "a variable has to be the whole value, as in `${NAME}`";
            reader.error(codes::OUT_OF_RANGE, &node.span, message, "not a variable alone")
        }
        None => Some(ValueSource::Literal(text)),
    }
}

/// A value that must not stand in the file. What was written is never repeated: it may be the secret.
fn secret_source(reader: &mut Decoder<'_>, node: &Node) -> Option<ValueSource> {
    match &node.value {
        Yaml::Map(_) => command_source(reader, node),
        Yaml::Scalar(scalar) if environment_variable(&scalar.text).is_some() => {
            environment_variable(&scalar.text).map(|name| ValueSource::Environment(name.to_owned()))
        }
        Yaml::Invalid => None,
        Yaml::Scalar(_) | Yaml::List(_) => {
            let message = "a secret must not stand in segctl.yaml";
            reader.error::<()>(
                LITERAL_SECRET,
                &node.span,
                message,
                "this looks like the secret itself",
            );
            reader.add_help("name an environment variable, `${MOENGAGE_API_KEY}`, or a program, `{command: [pass, moengage]}`");
            reader.add_help("if the file was ever committed, replace the key at MoEngage");
            None
        }
    }
}

fn environment_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (starts && rest).then_some(name)
}

fn command_source(reader: &mut Decoder<'_>, node: &Node) -> Option<ValueSource> {
    let mut fields = reader.fields(node, "a command")?;
    let command = reader
        .require(&mut fields, "command")
        .and_then(|node| reader.non_empty_list(node, Decoder::non_empty_text));
    reader.finish(&fields);
    command.map(ValueSource::Command)
}

fn time_zone(reader: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let name = reader.non_empty_text(node)?;
    match jiff::tz::TimeZone::get(&name) {
        Ok(_) => Some(name),
        Err(_) => {
            let message = format!("unknown time zone `{name}`");
            reader.error(
                codes::UNKNOWN_KEYWORD,
                &node.span,
                message,
                "expected a name such as `Asia/Kolkata`",
            )
        }
    }
}

fn rate_limits(reader: &mut Decoder<'_>, node: &Node) -> Option<Vec<RateLimitSettings>> {
    let mut fields = reader.fields(node, "the rate limits")?;
    let mut limits = Vec::new();
    for (class, key) in RATE_LIMIT_KEYS {
        if let Some(node) = fields.take(key) {
            let windows = reader.non_empty_list(node, |reader, node| {
                Some((reader.non_empty_text(node)?, reader.location(&node.span)))
            });
            limits.push(windows.map(|windows| RateLimitSettings { class, windows }));
        }
    }
    reader.finish(&fields);
    limits.into_iter().collect()
}

const RATE_LIMIT_KEYS: [(EndpointClass, &str); 7] = [
    (EndpointClass::List, "list"),
    (EndpointClass::Create, "create"),
    (EndpointClass::Get, "get"),
    (EndpointClass::Update, "update"),
    (EndpointClass::Lifecycle, "lifecycle"),
    (EndpointClass::File, "file"),
    (EndpointClass::Cohort, "cohort"),
];

#[cfg(test)]
mod tests;
