//! Edits of files that people keep: shown as differences, and written when the files are still as they were read.

use super::failure::{Failure, FailureKind};
use super::output::{Output, write_file_atomically};
use crate::config::declaration::Declaration;
use crate::config::edit::{Patch, apply_patches};
use crate::render::json::PatchDocument;
use std::collections::BTreeMap;
use std::fs;

/// A declaration and the edits that bring it up to date.
pub(super) type DeclarationPatch<'a> = (&'a Declaration, Patch);

/// The edits of each file, which may hold several declarations, with the file's text as it was read.
pub(super) struct FileEdits<'a>(BTreeMap<&'a str, (&'a str, Vec<&'a Patch>)>);

impl<'a> FileEdits<'a> {
    /// Puts the edits of one file together.
    #[must_use]
    pub(super) fn of(patches: &'a [DeclarationPatch<'_>]) -> Self {
        let mut files: BTreeMap<&str, (&str, Vec<&Patch>)> = BTreeMap::new();
        for (declaration, patch) in patches {
            let (file, text) = declaration.file_name_and_text();
            files.entry(file).or_insert((text, Vec::new())).1.push(patch);
        }
        Self(files)
    }

    /// What changes in each file.
    ///
    /// # Errors
    ///
    /// Edits that touch each other.
    pub(super) fn diffs(&self) -> Result<Vec<PatchDocument>, Failure> {
        let documents = self.0.iter().map(|(file, (text, patches))| {
            let after = patched_text(text, patches)?;
            Ok(PatchDocument::new(file, text, &after))
        });
        documents.collect()
    }

    /// Writes the files; none where one of them changed since it was read, since what they say may hang together.
    ///
    /// # Errors
    ///
    /// A file that changed, or one that cannot be written.
    pub(super) fn write(&self, output: Output) -> Result<(), Failure> {
        let here =
            std::env::current_dir().map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
        let is_as_read =
            |file: &str, text: &str| fs::read_to_string(here.join(file)).is_ok_and(|now| now == text);
        let mut files = self.0.iter();
        if let Some((file, _)) = files.find(|(file, (text, _))| !is_as_read(file, text)) {
            let message = format!("`{file}` changed while this ran; nothing was written");
            return Err(Failure::new(FailureKind::Error, message).with_help("run it again"));
        }
        for (file, (text, patches)) in &self.0 {
            let path = here.join(file);
            write_file_atomically(&path, &patched_text(text, patches)?)?;
            output.print_status_line(&format!("wrote {file}"));
        }
        Ok(())
    }
}

fn patched_text(text: &str, patches: &[&Patch]) -> Result<String, Failure> {
    apply_patches(text, patches.iter().copied())
        .map_err(|error| Failure::from_error(FailureKind::Error, &error))
}
