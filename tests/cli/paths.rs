//! Paths that begin with `~/`, and the permissions of published lists.

use super::Repository;
use std::fs;
use std::path::Path;

const FILE_SEGMENT: &str = "kind: file\nname: A\nidentifier: {attribute: email, type: string}\nusers: {path: LIST}\nexpires_in_days: 30\n";

fn repository(workspace: &str, list: &str) -> Repository {
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        format!("segments: segments/\nworkspaces: {{dev: {{{workspace}}}}}\n"),
    );
    repository.write("segments/a.yaml", FILE_SEGMENT.replace("LIST", list));
    repository.write("segments/list.csv", "a@example.com\n");
    repository
}

#[test]
fn a_leading_tilde_is_the_home_directory() {
    let home = tempfile::tempdir().unwrap();
    let variables = [("HOME", home.path().to_str().unwrap())];
    fs::write(home.path().join("list.csv"), "a@example.com\n").unwrap();
    let settings = "sandbox: ~/box/sandbox.json, state: ~/state, publish: {directory: ~/web/lists}";
    let repository = repository(settings, "~/list.csv");
    let run = repository.run_with_env(&["apply", "--auto-approve"], &variables);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    for made in ["box/sandbox.json", "state/state.json", "web/lists"] {
        assert!(home.path().join(made).exists(), "{made}");
    }
    assert!(!repository.path().join("~").exists() && !repository.path().join("segments/~").exists());
    let run = repository.run_with_env(&["plan"], &variables);
    assert!(run.stdout.contains("No changes."), "{}", run.stdout);
}

#[test]
fn a_home_directory_that_is_not_known_is_an_error() {
    for (settings, list) in [
        ("sandbox: ~/box.json", "list.csv"),
        ("sandbox: .segctl/box.json, state: ~/state", "list.csv"),
        (
            "sandbox: .segctl/box.json, publish: {directory: ~/web}",
            "list.csv",
        ),
        (
            "sandbox: .segctl/box.json, publish: {directory: web}",
            "~/list.csv",
        ),
    ] {
        let repository = repository(settings, list);
        let run = repository.run(&["apply", "--auto-approve"]);
        assert_eq!(run.code, Some(3), "{settings} {list}: {}", run.stderr);
        assert!(run.stderr.contains("HOME"), "{}", run.stderr);
    }
}

#[test]
fn the_home_directory_of_another_user_is_an_error() {
    for (settings, list) in [
        ("sandbox: ~ada/box.json", "list.csv"),
        ("sandbox: box.json, state: ~ada/state", "list.csv"),
        ("sandbox: box.json, publish: {directory: ~ada}", "list.csv"),
        ("sandbox: box.json", "~ada/list.csv"),
        (
            "data_center: \"01\", workspace_id: W, api_key: {command: [~ada/key]}",
            "list.csv",
        ),
    ] {
        let run = repository(settings, list).run(&["validate"]);
        assert_eq!(run.code, Some(3), "{settings} {list}: {}", run.stderr);
        assert!(run.stderr.contains("write the path out"), "{}", run.stderr);
    }
}

#[cfg(unix)]
#[test]
fn published_folders_can_be_entered_whatever_the_umask_is() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;
    let repository = repository(
        "sandbox: .segctl/box.json, publish: {directory: web/lists}",
        "list.csv",
    );
    let apply = |folder: &Path| {
        let script = "umask 077; exec \"$0\" apply --auto-approve --force-upload";
        let output = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_segctl")])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let errors = apply(repository.path());
    assert!(!errors.contains("cannot enter"), "{errors}");
    let web = repository.path().join("web");
    assert_eq!((mode(&web), mode(&web.join("lists"))), (0o755, 0o755));
    let mut lists = fs::read_dir(web.join("lists")).unwrap();
    assert_eq!(mode(&lists.next().unwrap().unwrap().path()), 0o644);
    fs::set_permissions(&web, fs::Permissions::from_mode(0o700)).unwrap();
    repository.write("segments/list.csv", "a@example.com\nb@example.com\n");
    let errors = apply(repository.path());
    assert!(
        errors.contains("note: other users cannot enter `web`"),
        "{errors}"
    );
    assert_eq!(mode(&web), 0o700);
}
