//! Commands that edit several files edit all of them or none. The directory of one file has so long a path that no
//! temporary file fits into it, which also stops a user with all permissions.

use super::{CommandResult, Repository, event_segment};
use std::fs;
use std::path::PathBuf;

/// The longest path that Linux accepts, in bytes.
const LONGEST_PATH: usize = 4095;

/// A directory below `segments/` that has room for a file name of seven bytes, and not for the name of a temporary file.
fn deep_directory(repository: &Repository) -> PathBuf {
    let length = LONGEST_PATH - 1 - "a.yaml_".len();
    let mut path = fs::canonicalize(repository.path()).unwrap().join("segments");
    while path.as_os_str().len() < length {
        let left = length - path.as_os_str().len() - 1;
        // A separator and a name of at least one byte must still fit.
        let name = match left {
            0..=200 => left,
            201..=202 => 100,
            _ => 200,
        };
        path.push("z".repeat(name));
    }
    assert_eq!(path.as_os_str().len(), length);
    fs::create_dir_all(&path).unwrap();
    path
}

fn repository() -> Repository {
    let repository = Repository::new();
    let settings = repository.read("segctl.yaml");
    // The absolute path must be the longest, not the path that this test writes.
    assert!(settings.contains("segments: segments/"));
    repository
}

fn assert_refused(run: &CommandResult, code: i32, parts: &[&str]) {
    assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

/// Every file below `segments/`, with its content.
fn files(repository: &Repository) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![fs::canonicalize(repository.path()).unwrap().join("segments")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn drift_updates_all_files_or_none() {
    let repository = repository();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let deep = deep_directory(&repository).join("z.yaml");
    fs::write(&deep, event_segment("Z", "visit")).unwrap();
    let run = repository.run(&["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let remote = repository.read(".segctl/box.json");
    let changed = remote
        .replace("\"buy\"", "\"purchase\"")
        .replace("\"visit\"", "\"view\"");
    repository.write(".segctl/box.json", changed);
    let before = files(&repository);
    let run = repository.run(&["drift", "--update-files"]);
    assert!(
        run.stdout.contains("purchase") && run.stdout.contains("view"),
        "{}",
        run.stdout
    );
    assert_refused(&run, 1, &["cannot write `", "z.yaml`", "no file was changed"]);
    assert!(!run.stderr.contains("wrote "), "{}", run.stderr);
    assert_eq!(files(&repository), before);

    fs::remove_file(deep).unwrap();
    repository.write("segments/z.yaml", event_segment("Z", "visit"));
    let run = repository.run(&["drift", "--update-files"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(repository.read("segments/a.yaml").contains("purchase"));
    assert!(repository.read("segments/z.yaml").contains("view"));
}

#[test]
fn import_writes_all_files_or_none() {
    let repository = repository();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write(
        "segments/z.yaml",
        event_segment("Segment with a long name", "visit"),
    );
    repository.run(&["apply", "--auto-approve"]);
    fs::remove_dir_all(repository.path().join("segments")).unwrap();
    fs::remove_dir_all(repository.path().join(".segctl/dev")).unwrap();
    let deep = deep_directory(&repository);
    let deep = deep.to_str().unwrap();
    let run = repository.run(&["import", "--all", "--output-dir", deep]);
    assert_refused(
        &run,
        1,
        &[
            "cannot write `",
            "segment-with-a-long-name.yaml`",
            "no file was written",
        ],
    );
    assert!(!run.stderr.contains("wrote "), "{}", run.stderr);
    assert_eq!(files(&repository), []);
    let run = repository.run(&["import", "A", "--output-dir", deep]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(files(&repository).len(), 1);
}

/// Lists do not depend on each other: those that can be fixed are fixed, and the others are named.
#[test]
fn a_list_that_cannot_be_replaced_stays_and_is_named() {
    let repository = repository();
    let segment = |name: &str| {
        format!(
            "kind: file\nname: {name}\nidentifier: {{attribute: uid, type: string}}\nusers: {{path: {name}.csv}}\n\
             expires_in_days: 30\n"
        )
    };
    repository.write("segments/a.yaml", segment("a"));
    repository.write("segments/a.csv", "u1\n u2\n");
    let deep = deep_directory(&repository);
    fs::write(deep.join("z.yaml"), segment("z")).unwrap();
    fs::write(deep.join("z.csv"), "u1\n u2\n").unwrap();
    let run = repository.run(&["validate", "--fix"]);
    assert_refused(
        &run,
        3,
        &["cannot fix ", "z.csv: ", "fixed segments/a.csv: 1 line changed"],
    );
    assert_eq!(repository.read("segments/a.csv"), "u1\nu2\n");
    assert_eq!(fs::read_to_string(deep.join("z.csv")).unwrap(), "u1\n u2\n");
    assert_eq!(files(&repository).len(), 4);
}
