//! Edits of existing segment files: shown as diffs, and written if the files did not change since they were read.

use super::failure::{Failure, FailureKind};
use super::output::{Output, write_file_atomically};
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

    /// Writes all files, or none if one changed since it was read, because the edits can depend on each other.
    pub(super) fn write(&self, output: Output) -> Result<(), Failure> {
        let directory =
            std::env::current_dir().map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
        for (file, (text, _)) in &self.0 {
            let current = fs::read_to_string(directory.join(file));
            if !current.is_ok_and(|current| current == *text) {
                let message = format!("`{file}` changed while segctl was running; no file was written");
                return Err(Failure::new(FailureKind::Error, message).with_help("run the command again"));
            }
        }
        for (file, (text, patches)) in &self.0 {
            write_file_atomically(&directory.join(file), &patched_text(text, patches)?)?;
            output.print_status_line(&format!("wrote {file}"));
        }
        Ok(())
    }
}

fn patched_text(text: &str, patches: &[&Patch]) -> Result<String, Failure> {
    apply_patches(text, patches.iter().copied())
        .map_err(|error| Failure::from_error(FailureKind::Error, &error))
}
