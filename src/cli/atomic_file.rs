//! Atomic replacement of files: readers see the old or the new content, never a part of one.

use super::failure::Failure;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file that was writable when it was prepared.
#[derive(Debug)]
pub(super) struct AtomicFile {
    display_path: PathBuf,
    destination: Destination,
}

#[derive(Debug)]
enum Destination {
    /// A file, with its permissions if it exists.
    File(PathBuf, Option<Permissions>),
    /// A pipe or a device, which cannot be replaced by a file.
    Stream(PathBuf),
}

impl AtomicFile {
    /// Checks that `path` can be written, without changing it.
    pub(super) fn prepare(path: &Path) -> Result<Self, Failure> {
        let file = Self {
            destination: destination(path).map_err(|error| Failure::cannot_write(path, &error))?,
            display_path: path.to_owned(),
        };
        if let Destination::File(target, _) = &file.destination {
            let temporary = temporary_path(target);
            File::create(&temporary)
                .and_then(|_| fs::remove_file(&temporary))
                .map_err(|error| Failure::cannot_write(path, &error))?;
        }
        Ok(file)
    }

    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        let written = match &self.destination {
            Destination::Stream(path) => fs::write(path, text),
            Destination::File(path, permissions) => {
                StagedFile::create(path.clone(), permissions.as_ref(), text).and_then(StagedFile::commit)
            }
        };
        written.map_err(|error| Failure::cannot_write(&self.display_path, &error))
    }
}

/// The new text of one file.
pub(super) struct Replacement {
    pub(super) path: PathBuf,
    pub(super) old_text: String,
    pub(super) new_text: String,
}

/// Replaces the texts of all files or of none: every new text is on the disk before the first file changes. If a file
/// then cannot be replaced, the ones before it get their old texts back.
pub(super) fn replace_all(replacements: &[Replacement]) -> Result<(), Failure> {
    let mut staged = Vec::new();
    for replacement in replacements {
        let path = &replacement.path;
        let file = match destination(path) {
            Ok(Destination::File(target, permissions)) => {
                StagedFile::create(target, permissions.as_ref(), &replacement.new_text)
            }
            Ok(Destination::Stream(_)) => Err(io::Error::other("it is no regular file")),
            Err(error) => Err(error),
        };
        staged.push(file.map_err(|error| Failure::cannot_write(path, &error))?);
    }
    commit_all(staged, replacements)
}

fn commit_all(staged: Vec<StagedFile>, replacements: &[Replacement]) -> Result<(), Failure> {
    for (index, (file, replacement)) in staged.into_iter().zip(replacements).enumerate() {
        if let Err(error) = file.commit() {
            let mut failure = Failure::cannot_write(&replacement.path, &error);
            for earlier in replacements.iter().take(index) {
                if let Err(error) =
                    AtomicFile::prepare(&earlier.path).and_then(|file| file.write(&earlier.old_text))
                {
                    failure.causes.extend(error.to_lines());
                }
            }
            return Err(failure);
        }
    }
    Ok(())
}

/// A complete new file beside the one that it will replace. It is deleted unless it is committed.
struct StagedFile {
    target: PathBuf,
    temporary: PathBuf,
}

impl StagedFile {
    fn create(target: PathBuf, permissions: Option<&Permissions>, text: &str) -> io::Result<Self> {
        let temporary = temporary_path(&target);
        let mut file = File::create(&temporary)?;
        // From here on, an error deletes the file.
        let staged = Self { target, temporary };
        file.write_all(text.as_bytes())?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions.clone())?;
        }
        // Without this, the rename may reach the disk before the bytes do.
        file.sync_all()?;
        Ok(staged)
    }

    fn commit(self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // After a commit, there is no such file.
        drop(fs::remove_file(&self.temporary));
    }
}

fn destination(path: &Path) -> io::Result<Destination> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // Replaces the target of a symbolic link, not the link.
        Ok(found) if found.is_file() => Ok(Destination::File(
            fs::canonicalize(path)?,
            Some(found.permissions()),
        )),
        Ok(_) => Ok(Destination::Stream(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Destination::File(path.to_owned(), None)),
        Err(error) => Err(error),
    }
}

/// In the same directory, because a rename does not cross file systems. It does not contain the name of the file, which
/// may have the greatest allowed length.
fn temporary_path(path: &Path) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".segctl-{}-{number}.new", process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_complete_and_no_temporary_file_remains() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        for text in ["one", "two"] {
            let before = fs::read_to_string(&path).ok();
            let file = AtomicFile::prepare(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).ok(), before);
            file.write(text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(names(directory.path()), ["report.json"]);
        }
    }

    #[test]
    fn an_unwritable_path_is_rejected_before_writing() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing/report.json");
        for path in [directory.path(), &missing] {
            let failure = AtomicFile::prepare(path).unwrap_err();
            let message = failure.message;
            assert!(message.contains(&path.display().to_string()), "{message}");
        }
        assert!(names(directory.path()).is_empty());
    }

    fn replacements(directory: &Path, names: &[&str]) -> Vec<Replacement> {
        let replacement = |name: &&str| Replacement {
            path: directory.join(name),
            old_text: "old".to_owned(),
            new_text: "new".to_owned(),
        };
        names.iter().map(replacement).collect()
    }

    #[test]
    fn all_files_are_replaced_or_none() {
        // As long as file systems allow.
        let long = "x".repeat(250) + ".yaml";
        for (files, unwritable, text) in [
            (["a.yaml", "b.yaml", &long], None, "new"),
            (["a.yaml", "b.yaml", "c.yaml"], Some("c.yaml"), "old"),
            (["c.yaml", "a.yaml", "b.yaml"], Some("c.yaml"), "old"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            for file in files {
                fs::write(directory.path().join(file), "old").unwrap();
            }
            if let Some(file) = unwritable {
                fs::remove_file(directory.path().join(file)).unwrap();
                fs::create_dir(directory.path().join(file)).unwrap();
            }
            let replaced = replace_all(&replacements(directory.path(), &files));
            assert_eq!(replaced.is_err(), unwritable.is_some());
            for file in files.iter().filter(|file| Some(**file) != unwritable) {
                assert_eq!(
                    fs::read_to_string(directory.path().join(file)).unwrap(),
                    text,
                    "{file}"
                );
            }
            assert_eq!(names(directory.path()).len(), 3, "{:?}", names(directory.path()));
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_old_texts_return_if_a_later_file_cannot_be_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["a.yaml", "b.yaml"] {
            fs::write(path(name), "old").unwrap();
        }
        let replacements = replacements(directory.path(), &["a.yaml", "b.yaml"]);
        let staged: Vec<StagedFile> = replacements
            .iter()
            .map(|replacement| StagedFile::create(replacement.path.clone(), None, "new").unwrap())
            .collect();
        // A rename never replaces a directory by a file.
        fs::remove_file(path("b.yaml")).unwrap();
        fs::create_dir(path("b.yaml")).unwrap();
        let failure = commit_all(staged, &replacements).unwrap_err();
        assert!(failure.message.contains("b.yaml"), "{}", failure.message);
        assert_eq!(fs::read_to_string(path("a.yaml")).unwrap(), "old");
        assert_eq!(names(directory.path()), ["a.yaml", "b.yaml"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_permissions_and_devices_are_preserved() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        AtomicFile::prepare(&link).unwrap().write("new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        AtomicFile::prepare(Path::new("/dev/null"))
            .unwrap()
            .write("x")
            .unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
