//! Finds the segment files that the directories, files and globs of `segments:` match.
//!
//! `.gitignore` and similar files have no effect: a rule on one machine must not hide a declared segment.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobBuilder;
use walkdir::{DirEntry, WalkDir};

use crate::diagnostic::{Diagnostic, Location};

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

/// The files that `patterns` match, sorted and without duplicates.
///
/// A pattern is a directory (all files in it, at any depth), a file, or a glob, relative to `base` or absolute.
/// Names that start with a dot are skipped, and links are followed. `settings`, the file with the patterns, declares no
/// segment. Diagnostics contain paths as `display_path` prints them.
#[must_use]
pub fn discover(
    base: &Path,
    settings: &Path,
    patterns: &[String],
    display_path: &dyn Fn(&Path) -> String,
) -> (Vec<PathBuf>, Vec<Diagnostic>) {
    let mut found = DiscoveredFiles {
        display_path,
        files: HashSet::new(),
        diagnostics: Vec::new(),
    };
    for pattern in patterns {
        let path = base.join(pattern);
        if path.is_dir() {
            found.add_directory(&path, pattern);
        } else if path.exists() {
            found.files.insert(FoundFile::at(path));
        } else if pattern.contains(WILDCARDS) {
            found.add_glob(base, pattern);
        } else {
            found.diagnostics.push(pattern_error(pattern, "does not exist"));
        }
    }
    let files = found.distinct_files(settings);
    (files, found.diagnostics)
}

struct DiscoveredFiles<'d> {
    display_path: &'d dyn Fn(&Path) -> String,
    files: HashSet<FoundFile>,
    diagnostics: Vec<Diagnostic>,
}

#[derive(PartialEq, Eq, Hash)]
struct FoundFile {
    path: PathBuf,
    is_link: bool,
}

impl FoundFile {
    fn at(path: PathBuf) -> Self {
        let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
        Self { path, is_link }
    }

    fn depth(&self) -> usize {
        self.path.components().count()
    }
}

impl DiscoveredFiles<'_> {
    /// Each file once, under its shortest path. A link to another found file is reported, because an editor of the link
    /// changes both.
    fn distinct_files(&mut self, settings: &Path) -> Vec<PathBuf> {
        let settings = fs::canonicalize(settings).ok();
        let mut found: HashMap<PathBuf, Vec<FoundFile>> = HashMap::new();
        let mut folders = CanonicalFolders::default();
        for file in std::mem::take(&mut self.files) {
            let canonical = folders.canonical_path(&file);
            if settings.as_ref() != Some(&canonical) {
                found.entry(canonical).or_default().push(file);
            }
        }
        let mut files = Vec::new();
        let mut links_to_files = Vec::new();
        for mut same in found.into_values() {
            if same.len() > 1 {
                same.sort_by_cached_key(|file| (file.is_link, file.depth(), file.path.clone()));
                // Two patterns can find the same link.
                let mut entries = BTreeSet::new();
                same.retain(|file| entries.insert(directory_entry(&file.path)));
            }
            let mut same = same.into_iter();
            let Some(first) = same.next() else { continue };
            let links = same.filter(|file| file.is_link);
            links_to_files.extend(links.map(|link| (first.path.clone(), link.path)));
            files.push(first.path);
        }
        links_to_files.sort();
        let warnings = links_to_files.iter();
        let warnings: Vec<_> = warnings
            .map(|(file, link)| self.link_warning(file, link))
            .collect();
        self.diagnostics.extend(warnings);
        files.sort();
        files
    }

    fn add_directory(&mut self, path: &Path, pattern: &str) {
        let (mut matching, diagnostics) = walk(path, self.display_path);
        let has_other_files = !matching.is_empty() && diagnostics.is_empty();
        matching.retain(|file| is_segment_file(&file.path));
        self.diagnostics.extend(diagnostics);
        if matching.is_empty() && has_other_files {
            let location = Location::whole_file(Arc::from(pattern));
            let message = format!("the directory `{pattern}` contains files, but no segment files");
            let warning = Diagnostic::warning("SEG007", message, location, "");
            self.diagnostics
                .push(warning.with_help("names of segment files end in .yaml, .yml or .json"));
        }
        self.files.extend(matching);
    }

    fn add_glob(&mut self, base: &Path, pattern: &str) {
        let (root, rest) = split_glob(pattern);
        let matcher = match GlobBuilder::new(&rest).literal_separator(true).build() {
            Ok(glob) => glob.compile_matcher(),
            Err(error) => {
                let what = format!("is not a valid glob: {}", error.kind());
                return self.diagnostics.push(pattern_error(pattern, &what));
            }
        };
        let root = base.join(root);
        if !root.is_dir() {
            return self.diagnostics.push(pattern_error(pattern, "matches no file"));
        }
        let (mut matching, diagnostics) = walk(&root, self.display_path);
        matching.retain(|file| {
            let relative = file.path.strip_prefix(&root).unwrap_or(&file.path);
            is_segment_file(&file.path) && matcher.is_match(relative)
        });
        if matching.is_empty() && diagnostics.is_empty() {
            self.diagnostics.push(pattern_error(pattern, "matches no file"));
        }
        self.diagnostics.extend(diagnostics);
        self.files.extend(matching);
    }

    fn link_warning(&self, file: &Path, link: &Path) -> Diagnostic {
        let [file, link] = [file, link].map(self.display_path);
        let message = format!("`{file}` and `{link}` are one file");
        let location = Location::whole_file(Arc::from(link));
        Diagnostic::warning("SEG007", message, location, "")
            .with_help("remove the link; segctl reads the file once")
    }
}

/// The canonical path of each folder with files. The system resolves every part of a path again for each file.
#[derive(Default)]
struct CanonicalFolders(HashMap<PathBuf, Option<PathBuf>>);

impl CanonicalFolders {
    fn canonical_path(&mut self, file: &FoundFile) -> PathBuf {
        let path = &file.path;
        let canonical = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) if !file.is_link => {
                let known = self.0.get(folder).cloned();
                let canonical = known.unwrap_or_else(|| {
                    let canonical = fs::canonicalize(folder).ok();
                    self.0.insert(folder.to_owned(), canonical.clone());
                    canonical
                });
                canonical.map(|folder| folder.join(name))
            }
            _ => fs::canonicalize(path).ok(),
        };
        canonical.unwrap_or_else(|| path.clone())
    }
}

/// The name in its directory, whatever path leads to the directory.
fn directory_entry(path: &Path) -> PathBuf {
    let directory = path.parent().and_then(|parent| fs::canonicalize(parent).ok());
    match (directory, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}

fn pattern_error(pattern: &str, what: &str) -> Diagnostic {
    let location = Location::whole_file(Arc::from(pattern));
    Diagnostic::error("SEG007", format!("`{pattern}` {what}"), location, "").with_help(
        "`segments:` accepts directories, files and globs, relative to segctl.yaml; \
         a directory may be empty",
    )
}

/// Splits a glob into the directory before the first wildcard, and the rest.
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

fn is_segment_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let is = |known: &&str| extension.is_some_and(|extension| extension.eq_ignore_ascii_case(known));
    EXTENSIONS.iter().any(is)
}

/// Whether a link without a target may have been a segment file or a directory of segment files. The lock files of
/// editors are such links; their names start with a dot.
fn may_lead_to_segments(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if name.starts_with('.') || name.ends_with(['~', '#']) {
        return false;
    }
    let extension = path.extension().and_then(|extension| extension.to_str());
    // `v1.2` is a directory; `notes.md` is none.
    let is_file =
        extension.is_some_and(|extension| extension.contains(|next: char| next.is_ascii_alphabetic()));
    is_segment_file(path) || !is_file
}

/// Everything below `root` except directories.
fn walk(root: &Path, display_path: &dyn Fn(&Path) -> String) -> (Vec<FoundFile>, Vec<Diagnostic>) {
    let (mut entries, mut diagnostics) = (Vec::new(), Vec::new());
    let visible = |entry: &DirEntry| entry.depth() == 0 || !is_hidden(entry);
    for entry in WalkDir::new(root)
        .follow_links(true)
        .into_iter()
        .filter_entry(visible)
    {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => entries.push(FoundFile {
                is_link: entry.path_is_symlink(),
                path: entry.into_path(),
            }),
            Err(error) => diagnostics.extend(walk_error(root, display_path, &error)),
        }
    }
    // The walk has the order of the file system.
    diagnostics.sort_by(|left, right| left.message.cmp(&right.message));
    (entries, diagnostics)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// `None` for a broken link that is not a segment file.
fn walk_error(
    root: &Path,
    display_path: &dyn Fn(&Path) -> String,
    error: &walkdir::Error,
) -> Option<Diagnostic> {
    let path = error.path().unwrap_or(root);
    let displayed = display_path(path);
    let location = Location::whole_file(Arc::from(displayed.as_str()));
    if let Some(ancestor) = error.loop_ancestor() {
        let ancestor = display_path(ancestor);
        let message = format!("the link `{displayed}` points to its parent `{ancestor}`");
        let warning = Diagnostic::warning("SEG007", message, location, "");
        return Some(warning.with_help("remove the link; segctl did not follow it"));
    }
    let cause = error.io_error().expect("an error without a loop is an I/O error");
    if cause.kind() != std::io::ErrorKind::NotFound {
        let message = format!("cannot read `{displayed}`: {cause}");
        let error = Diagnostic::error("SEG001", message, location, "");
        return Some(error.with_help("check the path and its permissions"));
    }
    may_lead_to_segments(path).then(|| {
        let message = format!("the target of the link `{displayed}` does not exist");
        let error = Diagnostic::error("SEG001", message, location, "");
        error.with_help("remove the link, or restore the file or directory that it points to")
    })
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

    fn discovered(base: &Path, patterns: &[&str]) -> (Vec<String>, Vec<String>) {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let display_path = |path: &Path| path.to_string_lossy().into_owned();
        let (files, diagnostics) = discover(base, &base.join("segctl.yaml"), &patterns, &display_path);
        let relative = |path: &PathBuf| path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
        let codes = diagnostics
            .iter()
            .map(|found| format!("{} {}", found.code, found.severity.as_str()))
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
            let (found_files, found_codes) = discovered(base.path(), patterns);
            assert_eq!(found_files, *files, "{patterns:?}");
            assert_eq!(found_codes, *codes, "{patterns:?}");
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

    #[cfg(unix)]
    #[test]
    fn files_of_editors_are_skipped_and_missing_directories_are_not() {
        use std::os::unix::fs::symlink;

        let base = file_tree(&[
            "s/a.yaml",
            "s/a.yaml~",
            "s/#a.yaml#",
            "s/.a.yaml.swp",
            "s/a.yaml.bak",
            "s/a.yaml.orig",
        ]);
        let link = |to: &str, name: &str| symlink(to, base.path().join(name)).unwrap();
        link("me@host.1234:1700000000", "s/.#a.yaml");
        link("gone", "s/#b.yaml#");
        link("gone", "s/b.yaml~");
        assert_eq!(discovered(base.path(), &["s"]), (vec!["s/a.yaml".into()], vec![]));
        for gone in ["s/teams", "s/v1.2", "s/b.YML"] {
            link("gone", gone);
            let (files, codes) = discovered(base.path(), &["s"]);
            assert_eq!(
                (files, codes),
                (vec!["s/a.yaml".into()], vec!["SEG001 error".to_owned()]),
                "{gone}"
            );
            fs::remove_file(base.path().join(gone)).unwrap();
        }
    }

    #[test]
    fn the_settings_file_declares_no_segment() {
        let base = file_tree(&["segctl.yaml", "a.yaml", "s/segctl.yaml"]);
        let all = ["a.yaml", "s/segctl.yaml"];
        for patterns in [&["."], &["**/*.yaml"]] {
            let (files, codes) = discovered(base.path(), patterns);
            let files: Vec<&str> = files.iter().map(|file| file.trim_start_matches("./")).collect();
            assert_eq!(
                (files.as_slice(), codes.len()),
                (all.as_slice(), 0),
                "{patterns:?}"
            );
        }
        assert_eq!(discovered(base.path(), &["*.yaml"]).0, ["a.yaml"]);
    }

    #[test]
    fn a_file_with_two_paths_is_found_once() {
        let base = file_tree(&["s/a.yaml", "s/deep/b.yaml"]);
        let absolute = base.path().join("s").to_str().unwrap().to_owned();
        let table: [&[&str]; 4] = [
            &["s", "s/../s"],
            &["s/../s", "./s"],
            &["./s/a.yaml", "s/a.yaml", "s/deep", "s/deep/../deep/*.yaml"],
            &[&absolute, "s/"],
        ];
        for patterns in table {
            let (files, codes) = discovered(base.path(), patterns);
            assert_eq!((files.len(), codes.len()), (2, 0), "{patterns:?} {files:?}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("a.yaml", base.path().join("s/current.yaml")).unwrap();
            for patterns in [&["s"][..], &["s", "s/../s"]] {
                let (files, codes) = discovered(base.path(), patterns);
                assert_eq!(files, ["s/a.yaml", "s/deep/b.yaml"]);
                assert_eq!(codes, ["SEG007 warning"]);
            }
        }
    }
}
