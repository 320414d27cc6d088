//! Folders that a web server can enter. It usually runs as another user, and segctl may run with a strict umask.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Makes a folder with those above it. The folders that it makes can be entered by others; existing ones stay as they are.
pub(super) fn create_public_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    fs::create_dir_all(folder)?;
    missing.into_iter().try_for_each(make_enterable)
}

/// The folders, from `folder` up to `top` without it, that exist and that others cannot enter.
#[must_use]
pub fn closed_folders(folder: &Path, top: Option<&Path>) -> Vec<PathBuf> {
    let inside = folder
        .ancestors()
        .take_while(|folder| top != Some(folder) && !folder.as_os_str().is_empty());
    inside
        .filter(|folder| is_closed(folder))
        .map(Path::to_path_buf)
        .collect()
}

#[cfg(unix)]
fn make_enterable(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(unix)]
fn is_closed(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 == 0)
}

#[cfg(unix)]
pub(super) fn make_world_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_enterable(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn is_closed(_: &Path) -> bool {
    false
}

#[cfg(not(unix))]
pub(super) fn make_world_readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(folder: &Path) -> u32 {
        fs::metadata(folder).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(folder: &Path, mode: u32) {
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn made_folders_can_be_entered_and_existing_ones_stay() {
        let top = tempfile::tempdir().unwrap();
        let (web, lists) = (top.path().join("web"), top.path().join("web/x/lists"));
        fs::create_dir(&web).unwrap();
        set_mode(&web, 0o700);
        create_public_folder(&lists).unwrap();
        assert_eq!(
            (mode(&web), mode(&web.join("x")), mode(&lists)),
            (0o700, 0o755, 0o755)
        );
        assert_eq!(
            closed_folders(&lists, Some(top.path())),
            std::slice::from_ref(&web)
        );
        set_mode(&web, 0o711);
        assert_eq!(closed_folders(&lists, Some(top.path())), Vec::<PathBuf>::new());
        set_mode(&lists, 0o750);
        create_public_folder(&lists).unwrap();
        assert_eq!(mode(&lists), 0o750);
        assert_eq!(closed_folders(&lists, Some(top.path())), [lists]);
    }
}
