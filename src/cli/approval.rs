//! Questions that only `yes` answers.

use super::failure::{Failure, Kind};
use super::output::Output;
use std::io::{self, BufRead, IsTerminal};

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `yes`, to the letter.
    Yes,
    /// Anything else.
    No,
    /// Nobody is there to be asked.
    Nobody,
}

/// Asks, where there is somebody to ask.
///
/// # Errors
///
/// The answer cannot be read.
pub(super) async fn ask(question: &str, output: Output) -> Result<Answer, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(Answer::Nobody);
    }
    output.note(&format!("{question} Only `yes` is taken for one: "));
    // Elsewhere, so that a signal is heard while somebody thinks it over.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await.map_err(io::Error::other).flatten();
    let answer = answer.map_err(|error| Failure::caused(Kind::Error, &error))?;
    Ok(if answer.trim() == "yes" {
        Answer::Yes
    } else {
        Answer::No
    })
}
