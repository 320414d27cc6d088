//! `segctl show`: prints a plan from a file.

use super::arguments::ShowArguments;
use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::plan::saved::SavedPlan;
use crate::render::json::PlanDocument;
use crate::render::text;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

pub(super) fn run(arguments: &ShowArguments, output: Output) -> Result<(), Failure> {
    let text = read_text(&arguments.plan)?;
    let document = if SavedPlan::looks_like_saved_plan(&text) {
        let saved =
            SavedPlan::from_text(&text).map_err(|error| invalid_plan_file(&arguments.plan, &error))?;
        if !output.json {
            let (created_at, version) = (saved.created_at, &saved.segctl_version);
            output.print_status(&format!("Created at {created_at:.0} by segctl {version}.\n"));
        }
        PlanDocument::of_saved_plan(&saved.plan, saved.freshness)
    } else {
        PlanDocument::from_json(&text).map_err(|error| invalid_plan_file(&arguments.plan, &error))?
    };
    if output.json {
        output.print_json(&document);
    } else {
        let options = output.text_options(&arguments.compact);
        output.print_result(&text::plan(&document, options, &output.zone()));
    }
    Ok(())
}

/// Reads a plan that `segctl plan --out` saved.
pub(super) fn read_saved_plan(file: &Path) -> Result<SavedPlan, Failure> {
    SavedPlan::from_text(&read_text(file)?).map_err(|error| {
        invalid_plan_file(file, &error)
            .with_help("create a plan for `segctl apply` with `segctl plan --out FILE`")
    })
}

fn invalid_plan_file(file: &Path, error: &dyn std::error::Error) -> Failure {
    let mut failure = Failure::from_error(FailureKind::InvalidFiles, error);
    failure.message = format!("cannot use `{}`: {}", file.display(), failure.message);
    failure
}

fn read_text(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    };
    let bytes = read.map_err(|error| Failure::cannot_read(file, &error))?;
    plan_text(bytes).map_err(|message| {
        Failure::new(
            FailureKind::InvalidFiles,
            format!("cannot use `{}`: {message}", file.display()),
        )
        .with_help("another program changed the file: create the plan again, and copy its bytes unchanged")
    })
}

/// The text of a plan, or how another program encoded it.
fn plan_text(bytes: Vec<u8>) -> Result<String, &'static str> {
    if bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
        || bytes.get(..4).is_some_and(is_utf16)
    {
        return Err("the file is UTF-16 text, and a plan is UTF-8 text");
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("the file starts with a byte order mark, and a plan has none");
    }
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text")
}

/// JSON starts with ASCII characters: in UTF-16, every second byte is 0.
fn is_utf16(start: &[u8]) -> bool {
    matches!(start, [0, one, 0, two] | [one, 0, two, 0] if *one > 0 && *two > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_encoding_of_a_plan_is_named() {
        let utf16 =
            |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        for (bytes, expected) in [
            (b"{\"a\": 1}".to_vec(), Ok("{\"a\": 1}")),
            (b"\xef\xbb\xbf{}".to_vec(), Err("byte order mark")),
            (utf16("\u{feff}{\"a\": 1}", u16::to_le_bytes), Err("UTF-16")),
            (utf16("\u{feff}{\"a\": 1}", u16::to_be_bytes), Err("UTF-16")),
            (utf16("{\"a\": 1}", u16::to_le_bytes), Err("UTF-16")),
            (b"{\"a\": \"\xe9\"}".to_vec(), Err("not UTF-8")),
        ] {
            match (plan_text(bytes), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
                (found, expected) => panic!("{found:?} {expected:?}"),
            }
        }
    }
}
