//! `segctl sandbox`: the embedded service on its own, until it is interrupted.

use super::arguments::{SandboxArguments, SandboxRateLimits};
use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::render::json::FORMAT_VERSION;
use crate::sandbox::{SandboxCredentials, SandboxOptions, Server};
use serde_json::json;
use std::fs;

/// Serves until interrupted, then saves and ends.
///
/// # Errors
///
/// The service cannot be started with these arguments.
pub(super) async fn run(arguments: &SandboxArguments, output: Output) -> Result<(), Failure> {
    let options = options(arguments)?;
    let server = Server::start(options)
        .await
        .map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
    let credentials = server.credentials();
    if output.json {
        output.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "endpoint": format!("http://{}", server.address()),
            "workspace_id": credentials.workspace_id,
            "api_key": credentials.api_key,
            "db_name": credentials.db_name,
        }));
    } else {
        output.print_result(&format!(
            "The sandbox listens on http://{}\n  workspace_id {}\n  api_key {}\n  db_name {}\n",
            server.address(),
            credentials.workspace_id,
            credentials.api_key,
            credentials.db_name
        ));
    }
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
    server.stop().await;
    Ok(())
}

fn options(arguments: &SandboxArguments) -> Result<SandboxOptions, Failure> {
    let usage = |error: &dyn std::error::Error| Failure::from_error(FailureKind::Usage, error);
    let mut options = SandboxOptions::standalone(arguments.listen);
    options.data_file.clone_from(&arguments.data);
    options.credentials = Some(SandboxCredentials {
        workspace_id: arguments.workspace_id.clone(),
        api_key: arguments
            .api_key
            .clone()
            .unwrap_or_else(|| "sandbox-key".to_owned()),
        db_name: arguments.db_name.clone(),
    });
    if let Some(limits) = arguments.rate_limits {
        let word = if limits == SandboxRateLimits::Off {
            "off"
        } else {
            "documented"
        };
        options
            .set_switch("rate_limits", word)
            .map_err(|error| usage(&error))?;
    }
    for switch in &arguments.switches {
        let Some((name, value)) = switch.split_once('=') else {
            return Err(Failure::new(
                FailureKind::Usage,
                format!("`{switch}` is not of the form NAME=VALUE"),
            ));
        };
        options.set_switch(name, value).map_err(|error| usage(&error))?;
    }
    if let Some(path) = &arguments.faults {
        let shown = path.display();
        let script = fs::read_to_string(path)
            .map_err(|error| Failure::new(FailureKind::Error, format!("cannot read `{shown}`: {error}")))?;
        options.set_faults(&script).map_err(|error| usage(&error))?;
    }
    Ok(options)
}
