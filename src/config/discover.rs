//! Directories and globs of `segments:` to the files they stand for.
//!
//! Reads names only. Ignore files of version control play no part: which files count follows from the
//! directory alone, so a file that is declared cannot go missing by a rule on somebody's machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;

use crate::diagnostic::{Diagnostic, Location};

/// The endings of files that can declare segments; JSON is YAML.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
/// What makes a pattern a glob.
const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

/// The files that `patterns` stand for, sorted and each once, below `base` or absolute as the pattern is.
///
/// A pattern is a directory (all files in it, at any depth), a file, or a glob. Names that begin with a dot
/// are passed over, links are followed. `SEG007` is a pattern that stands for nothing, `SEG001` something on
/// the way that cannot be read.
#[must_use]
pub fn discover(base: &Path, patterns: &[String]) -> (Vec<PathBuf>, Vec<Diagnostic>) {
    let mut found = DiscoveredFiles::default();
    for pattern in patterns {
        let path = base.join(pattern);
        if path.is_dir() {
            found.add_directory(&path, pattern);
        } else if path.exists() {
            found.files.insert(path);
        } else if pattern.contains(WILDCARDS) {
            found.add_glob(base, pattern);
        } else {
            found.diagnostics.push(no_match_error(pattern, "does not exist"));
        }
    }
    (found.files.into_iter().collect(), found.diagnostics)
}

#[derive(Default)]
struct DiscoveredFiles {
    files: BTreeSet<PathBuf>,
    diagnostics: Vec<Diagnostic>,
}

/// What one walk came upon.
#[derive(Default)]
struct WalkResult {
    /// Everything that is no directory.
    entries: Vec<PathBuf>,
    diagnostics: Vec<Diagnostic>,
}

impl DiscoveredFiles {
    fn add_directory(&mut self, path: &Path, pattern: &str) {
        let walked = walk(path);
        let silent = walked.entries.is_empty() || !walked.diagnostics.is_empty();
        let before = self.files.len();
        let matching: Vec<PathBuf> = walked
            .entries
            .into_iter()
            .filter(|entry| is_segment_file(entry))
            .collect();
        self.diagnostics.extend(walked.diagnostics);
        if matching.is_empty() && !silent && before == self.files.len() {
            let place = Location::whole_file(Arc::from(pattern));
            let message = format!("the directory `{pattern}` holds files, but none that declares segments");
            let fault = Diagnostic::warning("SEG007", message, place, "");
            self.diagnostics
                .push(fault.with_help("such files end in .yaml, .yml or .json"));
        }
        self.files.extend(matching);
    }

    fn add_glob(&mut self, base: &Path, pattern: &str) {
        let (root, rest) = split_glob(pattern);
        let matcher = match glob_matcher(&rest) {
            Ok(matcher) => matcher,
            Err(error) => {
                let place = Location::whole_file(Arc::from(pattern));
                let message = format!("`{pattern}` is not a valid glob: {}", error.kind());
                return self
                    .diagnostics
                    .push(Diagnostic::error("SEG007", message, place, ""));
            }
        };
        let root = base.join(root);
        if !root.is_dir() {
            return self.diagnostics.push(no_match_error(pattern, "matches no file"));
        }
        let walked = walk(&root);
        let matches = |entry: &PathBuf| {
            let relative = entry.strip_prefix(&root).unwrap_or(entry);
            is_segment_file(entry) && matcher.is_match(relative)
        };
        let matching: Vec<PathBuf> = walked.entries.into_iter().filter(matches).collect();
        if matching.is_empty() && walked.diagnostics.is_empty() {
            self.diagnostics.push(no_match_error(pattern, "matches no file"));
        }
        self.diagnostics.extend(walked.diagnostics);
        self.files.extend(matching);
    }
}

fn no_match_error(pattern: &str, what: &str) -> Diagnostic {
    let place = Location::whole_file(Arc::from(pattern));
    Diagnostic::error("SEG007", format!("`{pattern}` {what}"), place, "").with_help(
        "`segments:` takes directories, files and globs, relative to the file it stands in; \
         an empty directory is fine",
    )
}

/// The directory before the first part with a wildcard, and the rest.
fn split_glob(pattern: &str) -> (PathBuf, String) {
    let parts: Vec<&str> = pattern.split('/').collect();
    let literal = parts
        .iter()
        .position(|part| part.contains(WILDCARDS))
        .unwrap_or(parts.len());
    let (root, rest) = parts.split_at(literal);
    let mut directory = root.join("/");
    if pattern.starts_with('/') {
        directory.push('/');
    }
    (PathBuf::from(directory), rest.join("/"))
}

fn glob_matcher(glob: &str) -> Result<GlobMatcher, globset::Error> {
    let glob = GlobBuilder::new(glob).literal_separator(true).build()?;
    Ok(glob.compile_matcher())
}

fn is_segment_file(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| EXTENSIONS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

fn walk(root: &Path) -> WalkResult {
    let mut walked = WalkResult::default();
    let mut builder = WalkBuilder::new(root);
    builder.standard_filters(false).hidden(true).follow_links(true);
    for entry in builder.build() {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_dir()) => {}
            Ok(entry) => walked.entries.push(entry.into_path()),
            Err(error) => walked.diagnostics.extend(walk_error(root, None, error)),
        }
    }
    // The walk follows the order of the file system.
    walked
        .diagnostics
        .sort_by(|left, right| left.message.cmp(&right.message));
    walked
}

/// Nothing for a dangling link that could not have declared anything.
fn walk_error(root: &Path, path: Option<PathBuf>, error: ignore::Error) -> Option<Diagnostic> {
    let shown = |path: Option<&Path>| path.unwrap_or(root).to_string_lossy().into_owned();
    match error {
        ignore::Error::WithPath { path, err } => walk_error(root, Some(path), *err),
        ignore::Error::WithDepth { err, .. } => walk_error(root, path, *err),
        ignore::Error::Loop { ancestor, child } => {
            let child = shown(Some(&child));
            let message = format!("the link `{child}` leads back to `{}`", ancestor.display());
            let place = Location::whole_file(Arc::from(child));
            let fault = Diagnostic::warning("SEG007", message, place, "");
            Some(fault.with_note("it was not followed"))
        }
        ignore::Error::Io(error) => {
            let dangling = error.kind() == std::io::ErrorKind::NotFound;
            if dangling && !path.as_deref().is_some_and(is_segment_file) {
                return None;
            }
            let shown = shown(path.as_deref());
            let message = if dangling {
                format!("the link `{shown}` leads nowhere")
            } else {
                format!("`{shown}` cannot be read: {error}")
            };
            let place = Location::whole_file(Arc::from(shown));
            Some(Diagnostic::error("SEG001", message, place, ""))
        }
        other => {
            let shown = shown(path.as_deref());
            let message = format!("`{shown}` cannot be read: {other}");
            let place = Location::whole_file(Arc::from(shown));
            Some(Diagnostic::error("SEG001", message, place, ""))
        }
    }
}

#[cfg(test)]
mod tests {

    use std::fs;

    use super::*;

    fn file_tree(names: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::Builder::new().prefix("tree").tempdir().unwrap();
        for name in names {
            let path = directory.path().join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
        }
        directory
    }

    /// Files relative to the base, and codes with severities.
    fn discovered(base: &Path, patterns: &[&str]) -> (Vec<String>, Vec<String>) {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let (files, diagnostics) = discover(base, &patterns);
        let relative = |path: &PathBuf| path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
        let codes = diagnostics
            .iter()
            .map(|fault| format!("{} {}", fault.code, fault.severity.as_str()))
            .collect();
        (files.iter().map(relative).collect(), codes)
    }

    #[test]
    fn patterns_match_each_file_once_and_in_order() {
        let base = file_tree(&[
            "s/b.yaml",
            "s/a.yml",
            "s/deep/er/c.json",
            "s/deep/README.md",
            "s/.hidden.yaml",
            "s/.git/d.yaml",
            "s/x[1].yaml",
            "other/e.YAML",
            "empty/.gitkeep",
            "text/README.md",
        ]);
        let all = ["s/a.yml", "s/b.yaml", "s/deep/er/c.json", "s/x[1].yaml"];
        let table: &[(&[&str], &[&str], &[&str])] = &[
            (&["s"], &all, &[]),
            (&["s/"], &all, &[]),
            (&["s", "s/b.yaml", "s/*.yaml"], &all, &[]),
            (&["s/*.yaml"], &["s/b.yaml", "s/x[1].yaml"], &[]),
            (&["s/x[1].yaml"], &["s/x[1].yaml"], &[]),
            (
                &["s/**/*.json", "o*/*"],
                &["other/e.YAML", "s/deep/er/c.json"],
                &[],
            ),
            (&["{s,other}/?.{yml,YAML}"], &["other/e.YAML", "s/a.yml"], &[]),
            (&["s/../other"], &["s/../other/e.YAML"], &[]),
            (&["empty"], &[], &[]),
            (&["text"], &[], &["SEG007 warning"]),
            (
                &["none", "s/*.toml", "none/*.yaml", "s/{a"],
                &[],
                &["SEG007 error"; 4],
            ),
        ];
        for (patterns, files, codes) in table {
            let (found, faults) = discovered(base.path(), patterns);
            assert_eq!(found, *files, "{patterns:?}");
            assert_eq!(faults, *codes, "{patterns:?}");
        }
        let absolute = base.path().join("s/*.yml").to_str().unwrap().to_owned();
        assert_eq!(discovered(base.path(), &[&absolute]).0, ["s/a.yml"]);
    }

    #[cfg(unix)]
    #[test]
    fn symlinks_are_followed_but_not_in_cycles() {
        use std::os::unix::fs::symlink;

        let base = file_tree(&["s/in/a.yaml", "elsewhere/b.yaml"]);
        let link = |to: &str, name: &str| symlink(base.path().join(to), base.path().join(name)).unwrap();
        link("s", "s/in/loop");
        link("elsewhere/b.yaml", "s/b.yaml");
        assert_eq!(
            discovered(base.path(), &["s"]),
            (
                vec!["s/b.yaml".into(), "s/in/a.yaml".into()],
                vec!["SEG007 warning".into()]
            )
        );
        link("gone", "elsewhere/c.yaml");
        link("gone", "elsewhere/c.md");
        assert_eq!(
            discovered(base.path(), &["elsewhere"]),
            (vec!["elsewhere/b.yaml".into()], vec!["SEG001 error".into()])
        );
    }
}
