//! Values of credentials: literal, from an environment variable, or from a command.

use super::super::decode::codes;
use super::super::decode::decoder::Decoder;
use super::super::yaml::{Node, Yaml};
use super::{LITERAL_SECRET, ValueSource};
use crate::model::credential_problem;

/// The value of the field `key`.
pub(super) fn value_source(decoder: &Decoder<'_>, key: &'static str, node: &Node) -> Option<ValueSource> {
    if matches!(node.value, Yaml::Map(_)) {
        return command_source(decoder, node);
    }
    let text = decoder.non_empty_text(node)?;
    match environment_variable(&text) {
        Some(name) => Some(ValueSource::Environment(name.to_owned())),
        None if text.contains("${") => {
            let message = "an environment variable must be the whole value, as in `${NAME}`";
            decoder.error_with_help(
                codes::OUT_OF_RANGE,
                &node.span,
                message,
                "contains other text",
                VARIABLE_HELP,
            )
        }
        None if looks_like_variable(&text) => misspelled_variable(decoder, node),
        None => match credential_problem(key, &text) {
            Some(problem) => {
                let message = format!("`{key}` {problem}");
                decoder.error(
                    codes::OUT_OF_RANGE,
                    &node.span,
                    message,
                    "cannot be sent to MoEngage",
                )
            }
            None => Some(ValueSource::Literal(text)),
        },
    }
}

/// The messages never repeat the value: it may be the secret.
pub(super) fn secret_source(decoder: &Decoder<'_>, node: &Node) -> Option<ValueSource> {
    match &node.value {
        Yaml::Map(_) => command_source(decoder, node),
        Yaml::Scalar(scalar) if environment_variable(&scalar.text).is_some() => {
            environment_variable(&scalar.text).map(|name| ValueSource::Environment(name.to_owned()))
        }
        Yaml::Invalid => None,
        Yaml::Scalar(scalar) if looks_like_variable(&scalar.text) => misspelled_variable(decoder, node),
        Yaml::Scalar(_) | Yaml::List(_) => {
            let message = "segctl.yaml must not contain a secret";
            decoder.error::<()>(LITERAL_SECRET, &node.span, message, "looks like a literal secret");
            decoder.add_help("use an environment variable, `${MOENGAGE_API_KEY}`, or a command, `{command: [pass, moengage]}`");
            decoder.add_help("if the file was ever committed, replace the key in MoEngage");
            None
        }
    }
}

fn environment_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let is_name_character = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let starts_with_digit = name.starts_with(|first: char| first.is_ascii_digit());
    (!name.is_empty() && !starts_with_digit && name.chars().all(is_name_character)).then_some(name)
}

const VARIABLE_HELP: &str =
    "write a variable as `${NAME}`, without a default; NAME has letters, digits and `_`";

/// A variable in the notation of a shell, of Windows or of a pipeline: `$KEY`, `${KEY:-x}`, `%KEY%`, `env.KEY`.
fn looks_like_variable(text: &str) -> bool {
    let text = text.trim();
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
    };
    let between = |start: &str, end: &str| text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    between("${", "}").is_some()
        || between("$(", ")").is_some_and(is_name)
        || between("%", "%").is_some_and(is_name)
        || between("{{", "}}").is_some()
        || ["$env:", "$", "env.", "env:", "ENV."].iter().any(|start| {
            text.strip_prefix(start)
                .is_some_and(|name| is_name(name) && is_variable_name(name))
        })
}

/// Variables are written in capitals, and secrets are not.
fn is_variable_name(name: &str) -> bool {
    !name.bytes().any(|byte| byte.is_ascii_lowercase()) && name.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// The message does not repeat the value: a default may be the secret.
fn misspelled_variable<T>(decoder: &Decoder<'_>, node: &Node) -> Option<T> {
    let message = "a variable is written `${NAME}`, without a default";
    decoder.error_with_help(
        codes::OUT_OF_RANGE,
        &node.span,
        message,
        "not read as a variable",
        VARIABLE_HELP,
    )
}

fn command_source(decoder: &Decoder<'_>, node: &Node) -> Option<ValueSource> {
    let mut fields = decoder.fields(node, "a command")?;
    let command = fields.required("command", |decoder, node| {
        if let Yaml::List(words) = &node.value
            && let Some(program) = words.first()
        {
            decoder.path(program)?;
        }
        decoder.non_empty_list(node, Decoder::non_empty_text)
    });
    fields.finish();
    command.map(ValueSource::Command)
}
