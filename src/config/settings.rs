//! `segctl.yaml`: which files declare segments, and the workspaces they are for.
//!
//! The file never contains secrets. It names them, and a command resolves only those that it needs.

mod callbacks;
mod policy;
mod rate_limits;
mod unsupported;
mod value_sources;

pub use callbacks::CallbackSettings;
pub use rate_limits::RateLimitSettings;

use self::value_sources::{secret_source, value_source};
use super::decode::codes;
use super::decode::decoder::{Decoder, Fields};
use super::source::SourceFile;
use super::yaml::{self, Key, Node, ScalarValue, Yaml};
use crate::diagnostic::Diagnostic;
use crate::model::{EndpointError, EndpointUrl, Keyword, Policy, StateLocation, did_you_mean, keywords};
use std::collections::BTreeMap;

const LITERAL_SECRET: &str = "SEG060";
const INCONSISTENT_WORKSPACE: &str = "SEG061";
const INVALID_STORAGE_URL: &str = "SEG063";

keywords! {
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
        Dc101 = "101",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSettings {
    /// Directories or globs, relative to `segctl.yaml`.
    pub segments: Vec<String>,
    pub default_workspace: Option<String>,
    pub workspaces: BTreeMap<String, WorkspaceSettings>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceSettings {
    pub connection: ConnectionSettings,
    /// `None` means the directory `.segctl/<workspace>`.
    pub state: Option<StateLocation>,
    /// The time zone of dates in filters, as the workspace has it in MoEngage.
    pub time_zone: Option<String>,
    /// Override the documented limits.
    pub rate_limits: Vec<RateLimitSettings>,
    pub policy: Policy,
    /// `None` when segctl receives no upload results.
    pub callbacks: Option<CallbackSettings>,
    /// Errors that only this build of segctl has in the workspace.
    pub unsupported: Vec<Diagnostic>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionSettings {
    /// The embedded sandbox, stored in `file`, which is relative to `segctl.yaml`.
    Sandbox { file: String },
    MoEngage {
        endpoint: EndpointSetting,
        /// The user name of every API request.
        workspace_id: ValueSource,
        /// The password of every API request.
        api_key: ValueSource,
        /// Archive and unarchive need it.
        db_name: Option<ValueSource>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointSetting {
    DataCenter(DataCenter),
    Url(EndpointUrl),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// Never for a secret.
    Literal(String),
    Environment(String),
    /// A program and its arguments; the first line of its output is the value.
    Command(Vec<String>),
}

/// Reads `segctl.yaml`. The settings are `None` when a diagnostic is an error.
#[must_use]
pub fn parse_settings(source: &SourceFile) -> (Option<ProjectSettings>, Vec<Diagnostic>) {
    let (documents, mut diagnostics) = yaml::parse(source);
    let decoder = Decoder::new(source);
    let settings = match documents.as_slice() {
        [document] => decode_settings(&decoder, document),
        [] if !diagnostics.is_empty() => None,
        [] => decoder.error(
            codes::MISSING_FIELD,
            &(0..0),
            "the file is empty",
            "expected `segments` and `workspaces`",
        ),
        [_, second, ..] => decoder.error(
            codes::MISPLACED_FIELD,
            &second.span,
            "the file contains more than one YAML document",
            "remove this document",
        ),
    };
    diagnostics.extend(decoder.into_diagnostics());
    (settings.filter(|_| diagnostics.is_empty()), diagnostics)
}

fn decode_settings(decoder: &Decoder<'_>, document: &Node) -> Option<ProjectSettings> {
    let mut fields = decoder.fields(document, "segctl.yaml")?;
    // The schema that an editor uses.
    let schema = fields.optional("$schema", Decoder::text);
    let segments = fields.required("segments", |decoder, node| match &node.value {
        Yaml::List(_) => decoder.non_empty_list(node, Decoder::non_empty_text),
        _ => decoder.non_empty_text(node).map(|text| vec![text]),
    });
    let default = fields.optional("default_workspace", |decoder, node| {
        Some((node, decoder.non_empty_text(node)?))
    });
    let workspaces = fields.required("workspaces", decode_workspaces);
    fields.finish();
    let default = default?;
    let workspaces = workspaces?;
    if let Some((node, name)) = &default
        && !workspaces.contains_key(name)
    {
        let message = format!("`default_workspace` names the unknown workspace `{name}`");
        let label = "not declared under `workspaces`";
        decoder.error::<()>(INCONSISTENT_WORKSPACE, &node.span, message, label);
        if let Some(suggestion) = did_you_mean(name, workspaces.keys().map(String::as_str)) {
            decoder.add_help(format!("did you mean `{suggestion}`?"));
        }
        return None;
    }
    schema?;
    Some(ProjectSettings {
        segments: segments?,
        default_workspace: default.map(|(_, name)| name),
        workspaces,
    })
}

fn decode_workspaces(decoder: &Decoder<'_>, node: &Node) -> Option<BTreeMap<String, WorkspaceSettings>> {
    let Yaml::Map(entries) = &node.value else {
        return decoder.wrong_type(node, "workspaces by name");
    };
    if entries.is_empty() {
        let message = "`workspaces` is empty";
        return decoder.error(
            codes::OUT_OF_RANGE,
            &node.span,
            message,
            "add at least one workspace",
        );
    }
    if let Some((workspace, field)) = unindented_fields(entries) {
        let message = format!(
            "`{}` is indented too little: `{}` is empty",
            field.text, workspace.text
        );
        let label = format!("belongs to `{}`", workspace.text);
        return decoder.error_with_help(
            codes::UNKNOWN_FIELD,
            &field.span,
            message,
            label,
            format!("indent the fields of the workspace below `{}`", workspace.text),
        );
    }
    let decoded: Vec<_> = entries
        .iter()
        .map(|(key, node)| {
            if !is_workspace_name(&key.text) {
                let message = format!("`{}` is not a valid workspace name", key.text);
                let label = "use 1 to 64 letters, digits, `-` and `_`";
                return decoder.error(INCONSISTENT_WORKSPACE, &key.span, message, label);
            }
            Some((key.text.clone(), decode_workspace(decoder, node)?))
        })
        .collect();
    decoded.into_iter().collect()
}

/// An empty workspace, and the first of its fields, which stand beside it.
fn unindented_fields(entries: &[(Key, Node)]) -> Option<(&Key, &Key)> {
    let is_empty =
        |node: &Node| matches!(&node.value, Yaml::Scalar(scalar) if scalar.plain && scalar.text.is_empty());
    let empty = entries.iter().position(|(_, node)| is_empty(node))?;
    let (workspace, _) = entries.get(empty)?;
    let (field, _) = entries.get(empty + 1)?;
    let connection = [
        "sandbox",
        "data_center",
        "endpoint",
        "workspace_id",
        "api_key",
        "db_name",
    ];
    connection
        .contains(&field.text.as_str())
        .then_some((workspace, field))
}

/// The name becomes a directory of the state, so it must be valid on every file system.
fn is_workspace_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn decode_workspace(decoder: &Decoder<'_>, node: &Node) -> Option<WorkspaceSettings> {
    let mut fields = decoder.fields(node, "a workspace")?;
    let connection = match fields.take("sandbox") {
        Some(node) => {
            fields.describe("a sandbox workspace");
            let file = decoder.path(node);
            file.map(|file| ConnectionSettings::Sandbox { file })
        }
        None => moengage_connection(&mut fields),
    };
    let state = fields.optional("state", state_location);
    let time_zone = fields.optional("time_zone", time_zone);
    let rate_limits = fields.or_default("rate_limits", rate_limits::rate_limits);
    let uses_data_center = matches!(
        &connection,
        Some(ConnectionSettings::MoEngage {
            endpoint: EndpointSetting::DataCenter(_),
            ..
        })
    );
    let policy = policy::policy(&mut fields, uses_data_center);
    let callbacks = fields.optional("callbacks", callbacks::callback_settings);
    fields.finish();
    let (state, policy) = (state?, policy?);
    let unsupported = unsupported::unsupported_settings(decoder, node, state.as_ref(), &policy);
    Some(WorkspaceSettings {
        connection: connection?,
        state,
        time_zone: time_zone?,
        rate_limits: rate_limits?,
        policy,
        callbacks: callbacks?,
        unsupported,
    })
}

/// The message does not repeat the value: URLs of other programs may contain a key.
fn state_location(decoder: &Decoder<'_>, node: &Node) -> Option<StateLocation> {
    let text = decoder.path(node)?;
    match StateLocation::parse(&text) {
        Ok(location) => Some(location),
        Err(error) => decoder.error_with_help(
            INVALID_STORAGE_URL,
            &node.span,
            "invalid `state` location",
            error,
            "use a directory or `s3://BUCKET/PREFIX`; credentials come from the environment",
        ),
    }
}

fn moengage_connection(fields: &mut Fields<'_>) -> Option<ConnectionSettings> {
    let endpoint = match (fields.take("data_center"), fields.take("endpoint")) {
        (Some(_), Some(node)) => {
            let message = "`data_center` and `endpoint` exclude each other";
            let label = "remove one of them";
            fields
                .decoder
                .error(INCONSISTENT_WORKSPACE, &node.span, message, label)
        }
        (Some(node), None) => data_center(fields.decoder, node).map(EndpointSetting::DataCenter),
        (None, Some(node)) => endpoint_url(fields.decoder, node),
        (None, None) => {
            fields.require("data_center");
            fields.decoder.add_help(
                "set `data_center: \"01\"`, or `endpoint: URL`, or `sandbox: FILE` for the embedded sandbox",
            );
            None
        }
    };
    let workspace_id = fields.required("workspace_id", |decoder, node| {
        value_source(decoder, "workspace_id", node)
    });
    let api_key = fields.required("api_key", secret_source);
    let db_name = fields.optional("db_name", |decoder, node| value_source(decoder, "db_name", node));
    Some(ConnectionSettings::MoEngage {
        endpoint: endpoint?,
        workspace_id: workspace_id?,
        api_key: api_key?,
        db_name: db_name?,
    })
}

fn data_center(decoder: &Decoder<'_>, node: &Node) -> Option<DataCenter> {
    // Most YAML readers take an unquoted 01 for a number.
    let Yaml::Scalar(scalar) = &node.value else {
        return decoder.wrong_type(node, "a string (data center)");
    };
    let center = DataCenter::from_text(&scalar.text);
    if let Some(center) = center
        .filter(|_| !scalar.plain || scalar.ambiguity().is_none() && scalar.resolved == ScalarValue::Text)
    {
        return Some(center);
    }
    let found = center.or_else(|| numbered_data_center(&scalar.text));
    let Some(found) = found else {
        return decoder.keyword(node);
    };
    if scalar.resolved == ScalarValue::Text {
        let message = format!("invalid data center `{}`", scalar.text);
        decoder.error::<()>(codes::UNKNOWN_KEYWORD, &node.span, message, "expected its number");
    } else if scalar.ambiguity().is_some() {
        decoder.text(node);
        return None;
    } else {
        decoder.wrong_type::<()>(node, "a string (data center)");
    }
    decoder.add_help(format!("write `data_center: \"{}\"`", found.as_str()));
    None
}

/// The data center whose number a text contains: `1`, `dc01`, `api-01.moengage.com`.
fn numbered_data_center(text: &str) -> Option<DataCenter> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number: u32 = digits.parse().ok()?;
    let all = DataCenter::ALL.iter().copied();
    all.into_iter()
        .find(|center| center.as_str().parse() == Ok(number))
}

fn endpoint_url(decoder: &Decoder<'_>, node: &Node) -> Option<EndpointSetting> {
    let text = decoder.non_empty_text(node)?;
    match EndpointUrl::parse(&text) {
        Ok(url) => Some(EndpointSetting::Url(url)),
        Err(error) => {
            let message = error.to_string();
            let (message, help) = message.split_once(": ").unwrap_or((&message, ""));
            decoder.error::<()>(
                codes::OUT_OF_RANGE,
                &node.span,
                message,
                "not accepted as `endpoint`",
            );
            if !help.is_empty() {
                decoder.add_help(help);
            }
            if matches!(error, EndpointError::InvalidUrl(_)) {
                decoder.add_help("for an API of MoEngage, set `data_center: \"01\"` instead of `endpoint`");
            }
            None
        }
    }
}

fn time_zone(decoder: &Decoder<'_>, node: &Node) -> Option<String> {
    let name = decoder.non_empty_text(node)?;
    if jiff::tz::TimeZone::get(&name).is_ok() {
        return Some(name);
    }
    let message = format!("unknown time zone `{name}`");
    let label = "expected a name such as `Asia/Kolkata`";
    decoder.error(codes::UNKNOWN_KEYWORD, &node.span, message, label)
}

#[cfg(test)]
mod tests;
