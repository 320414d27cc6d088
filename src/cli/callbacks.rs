//! `segctl callbacks serve`: receives upload results between runs.

use super::arguments::{CallbacksArguments, CallbacksCommand, ServeArguments};
use super::callback_listener::{callback_token, lost_callback_printer};
use super::connection::open_state_store;
use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::project::Project;
use super::signals::Signals;
use crate::callbacks::{CallbackEvent, CallbackHandler, CallbackServer};
use crate::model::UploadResult;
use crate::render::json::FORMAT_VERSION;
use serde_json::json;
use std::process::ExitCode;

pub(super) async fn run(
    project: &Project,
    arguments: &CallbacksArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    match &arguments.command {
        CallbacksCommand::Serve(serve) => self::serve(project, serve, output).await,
    }
}

async fn serve(project: &Project, arguments: &ServeArguments, output: Output) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let name = workspace.name;
    let settings = workspace.settings.callbacks.as_ref().ok_or_else(|| {
        let message = format!("`callbacks` is not set for the workspace `{name}` in segctl.yaml");
        Failure::new(FailureKind::Usage, message)
            .with_help("set `callbacks: {url: https://…, token: ${SEGCTL_CALLBACK_TOKEN}}` for the workspace")
    })?;
    let listen = arguments.listen.or(settings.listen).ok_or_else(|| {
        Failure::new(FailureKind::Usage, "no address to listen on is set")
            .with_help("use --listen 0.0.0.0:8080, or set `callbacks.listen` in segctl.yaml")
    })?;
    let store = open_state_store(workspace)?;
    let token = callback_token(settings, &project.directory)?;
    let server = CallbackServer::start(listen, store, &token, callback_printer(output)).await?;
    let signals = Signals::listen(output)?;
    let address = format!("http://{}", server.address());
    if output.json {
        output.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "workspace": name,
            "listening_on": address,
        }));
    } else {
        output.print_result(&format!("Listening on {address} for callbacks of {name}\n"));
    }
    signals.cancel_token.cancelled().await;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn callback_printer(output: Output) -> Box<CallbackHandler> {
    let print_lost = lost_callback_printer(output);
    Box::new(move |event| {
        if let CallbackEvent::Stored(segment, result) = event {
            let segment = segment.map_or_else(String::new, |segment| format!(" for \"{segment}\""));
            output.print_status_line(&match result {
                UploadResult::Processed(counts) => {
                    // Only the state shows whether the upload added users.
                    let user_count = counts.user_count.map(|count| format!(", user_count {count}"));
                    let counts = counts.without_user_count();
                    format!(
                        "upload result{segment}: {counts}{}",
                        user_count.unwrap_or_default()
                    )
                }
                UploadResult::Failed { message } => format!("upload result{segment}: failed: {message}"),
            });
        }
        print_lost(event);
    })
}
