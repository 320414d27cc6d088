//! Edits of existing segment files: shown as diffs, and written if the files did not change since they were read.

use super::atomic_file::{Replacement, replace_all};
use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::config::declaration::Declaration;
use crate::config::edit::{Patch, apply_patches};
use crate::render::json::PatchDocument;
use std::collections::BTreeMap;
use std::fs;

pub(super) type DeclarationPatch<'a> = (&'a Declaration, Patch);

/// The original text and the patches of each file. A file can contain several declarations.
pub(super) struct FileEdits<'a>(BTreeMap<&'a str, (&'a str, Vec<&'a Patch>)>);

impl<'a> FileEdits<'a> {
    pub(super) fn of(patches: &'a [DeclarationPatch<'_>]) -> Self {
        let mut files: BTreeMap<&str, (&str, Vec<&Patch>)> = BTreeMap::new();
        for (declaration, patch) in patches {
            let (file, text) = declaration.file_name_and_text();
            files.entry(file).or_insert((text, Vec::new())).1.push(patch);
        }
        Self(files)
    }

    pub(super) fn diffs(&self) -> Result<Vec<PatchDocument>, Failure> {
        let documents = self.0.iter().map(|(file, (text, patches))| {
            let after = patched_text(text, patches)?;
            Ok(PatchDocument::new(file, text, &after))
        });
        documents.collect()
    }

    /// Writes all files or none, because the edits can depend on each other.
    pub(super) fn write(&self, output: Output) -> Result<(), Failure> {
        let directory =
            std::env::current_dir().map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
        let mut replacements = Vec::new();
        for (file, (text, patches)) in &self.0 {
            let path = directory.join(file);
            let current = fs::read_to_string(&path);
            if !current.is_ok_and(|current| current == *text) {
                let message = format!("`{file}` changed while segctl was running; no file was written");
                return Err(Failure::new(FailureKind::Error, message).with_help("run the command again"));
            }
            replacements.push(Replacement {
                path,
                old_text: (*text).to_owned(),
                new_text: patched_text(text, patches)?,
            });
        }
        replace_all(&replacements).map_err(|failure| {
            failure.with_help("no file was changed; run the command again when it can be written")
        })?;
        for file in self.0.keys() {
            output.print_status_line(&format!("wrote {file}"));
        }
        Ok(())
    }
}

fn patched_text(text: &str, patches: &[&Patch]) -> Result<String, Failure> {
    apply_patches(text, patches.iter().copied())
        .map_err(|error| Failure::from_error(FailureKind::Error, &error))
}
