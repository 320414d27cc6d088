//! Checks of member lists and of `validate --fix`.

use super::Repository;
use serde_json::Value;
use std::fs;

/// A repository with a segment that reads the list `data/list`: a cohort for `uid`, a file segment otherwise.
fn repository_with_list(kind: &str, list: &[u8]) -> Repository {
    let repository = Repository::new();
    let (identifier, members) = match kind {
        "uid" => (
            "",
            "partner: acme\ncohort_id: '1'\nmembers: {path: ../data/list}\n",
        ),
        "double" => ("{attribute: email, type: double}", ""),
        _ => ("{attribute: email, type: string}", ""),
    };
    let text = if members.is_empty() {
        format!(
            "kind: file\nname: A\nidentifier: {identifier}\nusers: {{path: ../data/list}}\nexpires_in_days: 30\n"
        )
    } else {
        format!("kind: cohort\nname: A\n{members}")
    };
    repository.write("segments/a.yaml", text);
    fs::create_dir(repository.path().join("data")).unwrap();
    fs::write(repository.path().join("data/list"), list).unwrap();
    repository
}

/// The errors of `validate`, each as code, line and message.
fn error_diagnostics(repository: &Repository, arguments: &[&str]) -> Vec<String> {
    let run = repository.run(&[&["validate", "--json"], arguments].concat());
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let found = document["diagnostics"].as_array().unwrap().iter();
    let errors: Vec<String> = found
        .filter(|found| found["severity"] == "error")
        .map(|found| {
            let line = found["labels"][0]["line"].as_u64().unwrap_or_default();
            format!(
                "{} {line} {}",
                found["code"].as_str().unwrap(),
                found["message"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        run.code,
        Some(if errors.is_empty() { 0 } else { 3 }),
        "{}",
        run.stdout
    );
    errors
}

#[test]
fn a_well_formed_list_is_valid() {
    for (kind, list) in [
        ("string", &b"a@example.com\nb@example.com\n"[..]),
        ("string", b"a@example.com\r\nb@example.com"),
        ("string", "J\u{fc}rgen\n\u{6771}\u{4eac}\n".as_bytes()),
        ("double", b"1\n2.5\n-3\n"),
        ("uid", b"u1\nu2\n"),
    ] {
        assert_eq!(
            error_diagnostics(&repository_with_list(kind, list), &[]),
            [""; 0],
            "{kind}"
        );
    }
}

#[test]
fn every_error_of_a_list_is_reported_with_its_line() {
    let table: [(&str, &[u8], &str); 34] = [
        ("string", b"", "SEG046 0 "),
        ("string", b"email\na\n", "SEG045 1 "),
        ("uid", b"uid\na\n", "SEG045 1 "),
        (
            "string",
            b"a\nb\na\n",
            "SEG044 3 this line repeats the value of line 1",
        ),
        ("double", b"1\n1.0\n", "SEG044 2 "),
        ("string", b"a\n\nb\n", "SEG043 2 "),
        ("string", b"a\nb \n", "SEG043 2 "),
        ("string", b"\xef\xbb\xbfa\n", "SEG043 1 "),
        ("string", b"a,\n", "SEG043 1 "),
        ("string", b"\"a\"\n", "SEG043 1 "),
        ("string", b"a,b\n", "SEG043 1 "),
        ("string", b"a\nb\xff\n", "SEG043 2 "),
        ("string", b"a\tb\n", "SEG043 1 "),
        ("double", b"1\ntwo\n", "SEG043 2 "),
        ("double", b"12345678901234567890\n", "SEG043 1 "),
        ("uid", b" u1\n", "SEG043 1 "),
        ("string", "a\nb\u{200b}\n".as_bytes(), "SEG043 2 "),
        ("uid", "u\u{ad}1\n".as_bytes(), "SEG043 1 "),
        (
            "string",
            b"8.2E+11\n",
            "SEG043 1 this line cannot match a user: the number has lost digits",
        ),
        (
            "string",
            b"a;Anna\nb;Bert\n",
            "SEG043 1 this line cannot match a user: a semicolon makes a second column",
        ),
        (
            "uid",
            b"u1|x\nu2|y\n",
            "SEG043 1 this line cannot match a user: a bar makes a second column",
        ),
        ("string", b"E-Mail Address\na\n", "SEG045 1 "),
        ("uid", b"\"User ID\"\na\n", "SEG045 1 "),
        ("string", b"sep=;\na\n", "SEG045 1 "),
        (
            "string",
            b"a\rb\r",
            "SEG043 1 this line cannot match a user: the line contains a carriage return",
        ),
        (
            "string",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 2\n",
            "SEG049 1 the file is a Git LFS pointer",
        ),
        (
            "uid",
            b"<!doctype html>\n<p>Sign in, please</p>\n",
            "SEG049 1 the file is an HTML page",
        ),
        (
            "string",
            b"<?xml version=\"1.0\"?>\n<Error/>\n",
            "SEG049 1 the file is an XML document",
        ),
        (
            "double",
            b"{\"error\": \"x\"}\n",
            "SEG049 1 the file is a JSON document",
        ),
        (
            "string",
            b"[\n  \"a\"\n]\n",
            "SEG049 1 the file is a JSON document",
        ),
        (
            "string",
            b"\x1f\x8b\x08\0\0\0",
            "SEG049 1 the file is a gzip archive",
        ),
        (
            "string",
            b"PK\x03\x04\x14\0",
            "SEG049 1 the file is a zip archive",
        ),
        (
            "string",
            b"\xff\xfea\0\n\0",
            "SEG049 1 the file is text in UTF-16",
        ),
        (
            "string",
            b"a\n=======\nb\n",
            "SEG049 2 the line is a conflict marker",
        ),
    ];
    for (kind, list, start) in table {
        let errors = error_diagnostics(&repository_with_list(kind, list), &[]);
        assert!(
            matches!(errors.as_slice(), [only] if only.starts_with(start)),
            "{kind} {list:?}: {errors:?}"
        );
    }
}

#[test]
fn repeated_errors_of_a_list_are_summarized() {
    let repository = repository_with_list("string", "a \n".repeat(1_000).as_bytes());
    let run = repository.run(&["validate"]);
    assert_eq!(run.stderr.matches("SEG043").count(), 10, "{}", run.stderr);
    assert!(
        run.stderr.contains("`data/list` has 990 more errors"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_unreadable_list_is_reported_where_it_is_declared() {
    let repository = repository_with_list("string", b"a\n");
    fs::remove_file(repository.path().join("data/list")).unwrap();
    let run = repository.run(&["validate"]);
    assert_eq!(run.code, Some(3));
    for expected in [
        "error[SEG047]: the member list `data/list` does not exist",
        "segments/a.yaml:4:15",
    ] {
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
    fs::create_dir(repository.path().join("data/list")).unwrap();
    let run = repository.run(&["validate", "--fix"]);
    assert_eq!(run.code, Some(3));
    assert!(run.stderr.contains("it is not a regular file"), "{}", run.stderr);
}

#[test]
fn fix_changes_only_unambiguous_lines() {
    let repository = repository_with_list("string", b"\xef\xbb\xbfa\n\n\"b\"\na \nc,d\n");
    assert_eq!(
        error_diagnostics(&repository, &["--fix"]),
        ["SEG043 3 this line cannot match a user: a comma makes a second column"]
    );
    let list = || fs::read_to_string(repository.path().join("data/list")).unwrap();
    assert_eq!(list(), "a\nb\nc,d\n");
    fs::write(repository.path().join("data/list"), "b \na\n").unwrap();
    let run = repository.run(&["validate", "--fix"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("fixed data/list: 1 line changed, 0 lines removed"),
        "{}",
        run.stderr
    );
    // `--fix` does not write a list without errors.
    let before = fs::metadata(repository.path().join("data/list"))
        .unwrap()
        .modified()
        .unwrap();
    let run = repository.run(&["validate", "--fix"]);
    assert!(!run.stderr.contains("fixed"), "{}", run.stderr);
    let after = fs::metadata(repository.path().join("data/list"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!((list().as_str(), after), ("b\na\n", before));
    assert_eq!(fs::read_dir(repository.path().join("data")).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn fix_preserves_symlinks_and_permissions() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let repository = repository_with_list("string", b"");
    let data = repository.path().join("data");
    fs::remove_file(data.join("list")).unwrap();
    fs::write(data.join("real"), "a \n").unwrap();
    fs::set_permissions(data.join("real"), fs::Permissions::from_mode(0o664)).unwrap();
    symlink("real", data.join("list")).unwrap();
    assert_eq!(error_diagnostics(&repository, &["--fix"]), [""; 0]);
    assert!(fs::symlink_metadata(data.join("list")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(data.join("real")).unwrap(), "a\n");
    assert_eq!(
        fs::metadata(data.join("real")).unwrap().permissions().mode() & 0o777,
        0o664
    );
}

#[test]
fn a_list_without_publish_settings_is_rejected_and_other_segments_apply() {
    let repository = repository_with_list("string", b"a\n");
    repository.write(
        "segments/b.yaml",
        "name: B\nincluded_filters: {filter_operator: and, filters: [{filter_type: custom_segments, name: A}]}\n",
    );
    repository.write("segments/c.yaml", super::event_segment("C", "buy"));
    let run = repository.run(&["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    assert!(
        run.stdout.contains("MoEngage reads lists from a URL"),
        "{}",
        run.stdout
    );
    let run = repository.run(&["apply", "--auto-approve", "--target", "C"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

#[test]
fn a_list_outside_the_project_is_checked_and_not_fixed() {
    let repository = repository_with_list("string", b"a\n");
    let outside = tempfile::tempdir().unwrap();
    let list = outside.path().join("list");
    fs::write(&list, "a \n").unwrap();
    let text = fs::read_to_string(repository.path().join("segments/a.yaml")).unwrap();
    repository.write(
        "segments/a.yaml",
        text.replace("../data/list", list.to_str().unwrap()),
    );
    let run = repository.run(&["validate", "--fix"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(
        run.stderr.contains("cannot fix ")
            && run
                .stderr
                .contains(": it is outside of the folder of segctl.yaml")
            && run.stderr.contains("SEG043"),
        "{}",
        run.stderr
    );
    assert_eq!(fs::read_to_string(&list).unwrap(), "a \n");
}

#[test]
fn a_list_read_with_two_identifier_types_is_not_fixed() {
    let repository = repository_with_list("double", b"1.0\n1 \n");
    let list = || fs::read_to_string(repository.path().join("data/list")).unwrap();
    assert_eq!(repository.run(&["validate", "--fix"]).code, Some(0));
    assert_eq!(list(), "1.0\n");
    // As strings these are two users.
    fs::write(repository.path().join("data/list"), "1.0\n1 \n").unwrap();
    let text = fs::read_to_string(repository.path().join("segments/a.yaml")).unwrap();
    repository.write(
        "segments/b.yaml",
        text.replace("name: A", "name: B").replace("double", "string"),
    );
    let run = repository.run(&["validate", "--fix"]);
    assert!(
        run.stderr
            .contains("cannot fix data/list: segments use it with identifiers of different types"),
        "{}",
        run.stderr
    );
    assert_eq!(list(), "1.0\n1 \n");
}

#[test]
fn errors_of_a_shared_list_are_reported_once() {
    let repository = repository_with_list("string", b"a \n");
    let text = fs::read_to_string(repository.path().join("segments/a.yaml")).unwrap();
    repository.write(
        "segments/b.yaml",
        text.replace("name: A", "name: B")
            .replace("../data/list", "../segments/../data/list"),
    );
    assert_eq!(error_diagnostics(&repository, &[]).len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn pipes_and_symlink_loops_are_rejected_as_lists() {
    for (command, expected) in [
        ("mkfifo list", "it is not a regular file"),
        ("ln -s list list", "cannot read the member list `data/list`"),
    ] {
        let repository = repository_with_list("string", b"");
        let data = repository.path().join("data");
        fs::remove_file(data.join("list")).unwrap();
        let status = std::process::Command::new("sh")
            .args(["-c", command])
            .current_dir(&data)
            .status();
        assert!(status.unwrap().success());
        let run = repository.run(&["validate", "--fix"]);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
}

/// The warnings of `validate` for a list: each as code, line and message.
fn warnings(repository: &Repository) -> Vec<String> {
    let document = repository.run(&["validate", "--json"]).stdout_json();
    let found = document["diagnostics"].as_array().unwrap().iter();
    let warnings = found.filter(|found| found["severity"] == "warning");
    let shown = |found: &Value| {
        let (code, message) = (
            found["code"].as_str().unwrap(),
            found["message"].as_str().unwrap(),
        );
        format!("{code} {} {message}", found["labels"][0]["line"])
    };
    warnings.map(shown).collect()
}

#[test]
fn debris_of_exports_gets_one_warning_for_each_kind() {
    let table: [(&[u8], &str); 6] = [
        (
            b"a\nNULL\nNaN\n",
            "SEG050 2 2 lines are probably not values: the first, `NULL`, is a missing value",
        ),
        (
            b"#REF!\na\n",
            "SEG050 1 this line is probably not a value: `#REF!` is an error of a spreadsheet",
        ),
        (
            b"=\"0123\"\n'0124\n",
            "SEG050 1 2 lines are probably not values: the first, `=\"0123\"`,",
        ),
        (
            b"1001.0\n1002.0\n",
            "SEG050 1 2 lines are probably not values: the first, `1001.0`,",
        ),
        (
            b"a\nb\nTotal: 2\n",
            "SEG050 3 this line is probably not a value: `Total: 2`",
        ),
        (
            b"Phone\na\n",
            "SEG050 1 this line is probably not a value: `Phone` is a column header",
        ),
    ];
    for (list, start) in table {
        let repository = repository_with_list("string", list);
        let found = warnings(&repository);
        assert!(
            matches!(found.as_slice(), [only] if only.starts_with(start)),
            "{list:?}: {found:?}"
        );
    }
    let sound = "+491701234567\nauth0|5f7c\nuser#1\n#2\n123456789012345678901234\nJos\u{e9}\n";
    assert_eq!(
        warnings(&repository_with_list("string", sound.as_bytes())),
        [""; 0]
    );
}

#[test]
fn a_plan_notes_values_that_are_probably_not_meant() {
    let repository = repository_with_list("uid", b"u1\nNULL\n");
    let run = repository.run(&["plan"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let note = "note: the member list of `A` has 1 line that MoEngage would probably not match; line 2 is a missing value";
    assert!(run.stderr.contains(note), "{}", run.stderr);
}

#[test]
fn fix_removes_text_guards_and_invisible_characters_and_leaves_other_files_alone() {
    let repository = repository_with_list("string", "=\"0123\"\n'0124\nb\u{200b}\nc\n".as_bytes());
    let list = repository.path().join("data/list");
    assert_eq!(error_diagnostics(&repository, &["--fix"]), [""; 0]);
    assert_eq!(fs::read_to_string(&list).unwrap(), "0123\n0124\nb\nc\n");
    for foreign in [
        "<!doctype html>\n <b>a</b> \n",
        "<<<<<<< HEAD\na\n=======\na \n>>>>>>> x\n",
    ] {
        fs::write(&list, foreign).unwrap();
        assert_eq!(repository.run(&["validate", "--fix"]).code, Some(3));
        assert_eq!(fs::read_to_string(&list).unwrap(), foreign);
    }
}

#[test]
fn a_missing_directory_for_temporary_files_is_named() {
    // Few long values need more than the memory of one run.
    let line = |number: usize| format!("{number:063000}\n");
    let list: String = (0..1_100).map(line).collect();
    let repository = repository_with_list("uid", list.as_bytes());
    for command in [&["validate"][..], &["apply", "--auto-approve"]] {
        let run = repository.run_with_env(command, &[("TMPDIR", "/nonexistent/temp")]);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert!(
            run.stderr
                .contains("cannot write a temporary file in `/nonexistent/temp` (TMPDIR)")
                && !run.stderr.contains("does not exist"),
            "{}",
            run.stderr
        );
    }
}
