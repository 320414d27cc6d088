//! `segctl callbacks serve`: hears what the service says of lists while no run does.

use super::arguments::{CallbacksArguments, CallbacksCommand, ServeArguments};
use super::connection::store;
use super::failure::{Failure, Kind};
use super::hearing::{token, told};
use super::output::Output;
use super::project::Project;
use super::signals::Signals;
use crate::callbacks::{Heard, Listening, Receiver};
use crate::model::Callback;
use crate::render::document::FORMAT_VERSION;
use serde_json::json;
use std::process::ExitCode;

/// Runs the command.
///
/// # Errors
///
/// The workspace says nothing of callbacks, the secret is missing, or the address cannot be had.
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
    let (name, workspace) = project.workspace(&arguments.workspace)?;
    let settings = workspace.callbacks.as_ref().ok_or_else(|| {
        let message = format!("segctl.yaml says nothing of `callbacks` of the workspace `{name}`");
        Failure::new(Kind::Usage, message)
            .with_help("say `callbacks: {url: https://…, token: ${SEGCTL_CALLBACK_TOKEN}}` under it")
    })?;
    let listen = arguments.listen.or(settings.listen).ok_or_else(|| {
        Failure::new(Kind::Usage, "nothing says where to listen")
            .with_help("say --listen 0.0.0.0:8080, or `listen` under `callbacks` in segctl.yaml")
    })?;
    let kept = (store(project, name, workspace)?, &token(settings)?);
    let receiver = Receiver::start(listen, kept, said(output)).await?;
    let signals = Signals::listen(output)?;
    let address = format!("http://{}", receiver.address());
    if output.json {
        output.document(&json!({
            "format_version": FORMAT_VERSION,
            "workspace": name,
            "listens_on": address,
        }));
    } else {
        output.result(&format!("Callbacks of {name} are heard on {address}\n"));
    }
    signals.stop.raised().await;
    receiver.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Tells of every callback.
fn said(output: Output) -> Box<Listening> {
    let told = told(output);
    Box::new(move |heard| {
        if let Heard::Kept(segment, callback) = heard {
            let segment = segment.map_or_else(String::new, |segment| format!(" of \"{segment}\""));
            output.line(&match callback {
                Callback::Processed(processed) => format!("list{segment}: {processed}"),
                Callback::Failed { message } => format!("list{segment}: failed: {message}"),
            });
        }
        told(heard);
    })
}
