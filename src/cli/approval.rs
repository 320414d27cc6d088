//! Questions that only `yes` answers.

use super::failure::{Failure, FailureKind};
use super::output::Output;
use std::io::{self, BufRead, IsTerminal};

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PromptAnswer {
    /// `yes`, to the letter.
    Yes,
    /// Anything else.
    No,
    /// Nobody is there to be asked.
    NoTerminal,
}

/// Asks, where there is somebody to ask.
///
/// # Errors
///
/// The answer cannot be read.
pub(super) async fn ask(question: &str, output: Output) -> Result<PromptAnswer, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(PromptAnswer::NoTerminal);
    }
    output.print_status(&format!("{question} Only `yes` is taken for one: "));
    // Elsewhere, so that a signal is heard while somebody thinks it over.
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
