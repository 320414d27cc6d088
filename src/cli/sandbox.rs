//! `segctl sandbox`: runs the embedded sandbox as a server until Ctrl-C.

use super::arguments::{SandboxArguments, SandboxRateLimits};
use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::render::json::FORMAT_VERSION;
use crate::sandbox::{SandboxCredentials, SandboxOptions, Server};
use serde_json::json;
use std::fs;

pub(super) async fn run(arguments: &SandboxArguments, output: Output) -> Result<(), Failure> {
    let server = Server::start(options(arguments)?)
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
            "Sandbox listening on http://{}\n  workspace_id {}\n  api_key {}\n  db_name {}\n",
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
        let value = match limits {
            SandboxRateLimits::Off => "off",
            SandboxRateLimits::Documented => "documented",
        };
        options
            .set_switch("rate_limits", value)
            .map_err(|error| usage(&error))?;
    }
    for switch in &arguments.switches {
        let Some((name, value)) = switch.split_once('=') else {
            return Err(Failure::new(
                FailureKind::Usage,
                format!("invalid value `{switch}` for --set: expected NAME=VALUE"),
            ));
        };
        options.set_switch(name, value).map_err(|error| usage(&error))?;
    }
    if let Some(path) = &arguments.faults {
        let script = fs::read_to_string(path).map_err(|error| Failure::cannot_read(path, &error))?;
        options.set_faults(&script).map_err(|error| usage(&error))?;
    }
    Ok(options)
}
