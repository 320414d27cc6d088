//! Prompts that accept only `yes`.

use super::failure::{Failure, FailureKind};
use super::output::Output;
use std::io::{self, BufRead, IsTerminal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PromptAnswer {
    Yes,
    /// Anything but `yes`.
    No,
    /// Standard input is not a terminal.
    NoTerminal,
}

pub(super) async fn ask(question: &str, output: Output) -> Result<PromptAnswer, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(PromptAnswer::NoTerminal);
    }
    output.print_status(&format!("{question} Only \"yes\" will be accepted: "));
    // A blocking read on the runtime would delay the handling of signals.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await.map_err(io::Error::other).flatten();
    let answer = answer.map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
    Ok(if answer.trim() == "yes" {
        PromptAnswer::Yes
    } else {
        PromptAnswer::No
    })
}
