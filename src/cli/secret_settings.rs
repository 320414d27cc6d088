//! The values of settings that an environment variable or a command holds.

use super::failure::{Failure, FailureKind};
use super::home::expand_home;
use super::secret_command;
use crate::config::settings::ValueSource;
use std::env;
use std::path::Path;

/// Resolves settings and collects their problems, so that one error names every setting without a value. The error never
/// contains the output of a command, which may be the secret.
pub(super) struct SettingResolver<'d> {
    /// The directory of segctl.yaml.
    directory: &'d Path,
    unset: Vec<UnsetVariable>,
    failed_commands: Vec<String>,
}

struct UnsetVariable {
    name: String,
    key: String,
}

impl<'d> SettingResolver<'d> {
    pub(super) fn new(directory: &'d Path) -> Self {
        Self {
            directory,
            unset: Vec::new(),
            failed_commands: Vec::new(),
        }
    }

    /// The value of the setting `key`. After a problem, it is empty and [`finish`](Self::finish) fails.
    pub(super) fn value(&mut self, key: &str, source: &ValueSource) -> String {
        match source {
            ValueSource::Literal(value) => value.clone(),
            ValueSource::Environment(name) => env::var(name)
                .ok()
                .filter(|value| !value.is_empty())
                .unwrap_or_else(|| {
                    self.unset.push(UnsetVariable {
                        name: name.clone(),
                        key: key.to_owned(),
                    });
                    String::new()
                }),
            ValueSource::Command(words) => run_command(key, words, self.directory).unwrap_or_else(|error| {
                self.failed_commands.push(error);
                String::new()
            }),
        }
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        let unset = self.unset_message();
        let problems: Vec<&str> = self
            .failed_commands
            .iter()
            .map(String::as_str)
            .chain(unset.as_deref())
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        let mut failure = Failure::new(FailureKind::Credentials, problems.join("; "));
        if !self.failed_commands.is_empty() {
            failure = failure.with_help(
                "run the command manually: it must print the value in its first line, without prompting",
            );
        }
        if unset.is_some() {
            let names: Vec<&str> = self.unset.iter().map(|variable| &*variable.name).collect();
            failure = failure.with_help(format!(
                "set {}, or choose a workspace that needs no credentials with --workspace",
                names.join(", ")
            ));
        }
        Err(failure)
    }

    fn unset_message(&self) -> Option<String> {
        let variables = self.unset.iter();
        let named: Vec<String> = variables
            .map(|variable| format!("{} (`{}`)", variable.name, variable.key))
            .collect();
        match &*named {
            [] => None,
            [one] => Some(format!("environment variable {one} is not set")),
            [most @ .., last] => {
                let most = most.join(", ");
                Some(format!("environment variables {most} and {last} are not set"))
            }
        }
    }
}

fn run_command(key: &str, words: &[String], directory: &Path) -> Result<String, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(format!("`{key}`: the command is empty"));
    };
    let path = expand_home(program, key).map_err(|failure| failure.message)?;
    secret_command::first_line(&path, arguments, directory, secret_command::TIMEOUT)
        .map_err(|error| format!("`{key}`: command `{program}` {error}"))
}
