//! Invalid and hostile files: a diagnostic with its location, exit code 3, and no panic.

use super::{Repository, event_segment};
use std::fs;

/// File name, content, expected text and expected location.
fn invalid_file_cases() -> Vec<(&'static str, Vec<u8>, &'static str, &'static str)> {
    let deep = |open: &str, close: &str| {
        format!(
            "name: A\nincluded_filters: {}{}\n",
            open.repeat(10_000),
            close.repeat(10_000)
        )
        .into_bytes()
    };
    let indented: String = (0..10_000)
        .map(|level| format!("{}a:\n", " ".repeat(level % 3_000)))
        .collect();
    let bomb: String = (1..20).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let below = level - 1;
        text + &format!("a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}]\n")
    });
    vec![
        (
            "latin.yaml",
            b"name: caf\xe9\n".to_vec(),
            "not UTF-8",
            "latin.yaml:1:",
        ),
        ("nul.yaml", b"name: a\0b\n".to_vec(), "NUL", "nul.yaml:1:"),
        ("empty.yaml", Vec::new(), "declares no segment", "empty.yaml"),
        (
            "comment.yaml",
            b"# nothing\n".to_vec(),
            "declares no segment",
            "comment.yaml",
        ),
        (
            "tab.yaml",
            b"name: A\nincluded_filters:\n\tfilter_operator: and\n".to_vec(),
            "tab",
            "tab.yaml:3:",
        ),
        (
            "twice.yaml",
            b"name: A\nname: B\n".to_vec(),
            "name",
            "twice.yaml:2:",
        ),
        ("bomb.yaml", bomb.into_bytes(), "SEG006", "bomb.yaml:"),
        ("flow.yaml", deep("[", "]"), "SEG006", "flow.yaml:2:"),
        ("json.json", deep("{\"a\":", "}"), "SEG00", "json.json:2:"),
        ("indent.yaml", indented.into_bytes(), "SEG0", "indent.yaml:"),
        (
            "scalar.yaml",
            format!("name: {}\n", "x".repeat(10 << 20)).into_bytes(),
            "SEG006",
            "scalar.yaml:1:",
        ),
        (
            "kind.yaml",
            b"kind: fliter\nname: A\n".to_vec(),
            "did you mean `filter`",
            "kind.yaml:1:7",
        ),
        (
            "list.yaml",
            b"- name: A\n".to_vec(),
            "expected a mapping (a segment)",
            "list.yaml:1:1",
        ),
        (
            "unclosed.yaml",
            b"name: \"A\n".to_vec(),
            "SEG003",
            "unclosed.yaml:",
        ),
        (
            "merge.yaml",
            b"name: A\n<<: {a: b}\n".to_vec(),
            "SEG005",
            "merge.yaml:2:",
        ),
        (
            "number.yaml",
            b"name: 014\n".to_vec(),
            "quotes",
            "number.yaml:1:7",
        ),
        (
            "control.yaml",
            b"name: \"\\e[31mred\"\nnmae: x\n".to_vec(),
            "SEG010",
            "control.yaml:2:1",
        ),
    ]
}

#[test]
fn each_invalid_file_is_reported_with_its_location() {
    for (file, bytes, expected, location) in invalid_file_cases() {
        let repository = Repository::new();
        repository.write(&format!("segments/{file}"), bytes);
        let run = repository.run(&["validate"]);
        assert_eq!(run.code, Some(3), "{file}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{file}: {}", run.stderr);
        assert!(
            run.stderr.contains(&format!("segments/{location}")),
            "{file}: {}",
            run.stderr
        );
        assert!(!run.stderr.contains('\u{1b}'), "{file}: {}", run.stderr);
        assert!(run.stderr.len() < 100_000, "{file}: {} bytes", run.stderr.len());
    }
}

#[test]
fn every_error_of_every_file_is_reported_in_one_run() {
    let repository = Repository::new();
    for (file, bytes, ..) in invalid_file_cases() {
        repository.write(&format!("segments/{file}"), bytes);
    }
    let run = repository.run(&["validate"]);
    for (file, ..) in invalid_file_cases() {
        assert!(
            run.stderr.contains(&format!("segments/{file}")),
            "{file}: {}",
            run.stderr
        );
    }
    let two = "name: A\nlifecycle: activ\nincluded_filters: {filter_operator: nad, filters: [{filter_type: actions, \
               action_name: a, executed: yes, primary_time_range: {type: inTheLast, value: 0, period_unit: day}}]}\n";
    let repository = Repository::new();
    repository.write("segments/a.yaml", two);
    let found = repository.run(&["validate", "--json"]).stdout_json();
    let codes: Vec<_> = found["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|diagnostic| diagnostic["code"].clone())
        .collect();
    assert_eq!(
        codes,
        ["SEG013", "SEG013", "SEG012", "SEG014", "SEG013"],
        "{found:#}"
    );
}

#[test]
fn many_errors_are_counted() {
    let repository = Repository::new();
    for number in 0..500 {
        let text = event_segment(&format!("S{number}"), &format!("buy{number}"))
            .replace("action_name", "acton_name");
        repository.write(&format!("segments/{number:03}.yaml"), text);
    }
    let run = repository.run(&["validate"]);
    assert_eq!(run.code, Some(3));
    assert_eq!(run.stderr.matches("error[SEG010]").count(), 20);
    for part in [
        "segments/019.yaml:",
        "480 more not shown; --max-errors 0 shows all\n  SEG010: 480 errors\n",
        "470 more files: 470\n",
        "\n500 errors in 500 files\n",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(run.stderr.lines().count() < 250, "{}", run.stderr);
    for arguments in [["validate", "--max-errors", "3"], ["--max-errors", "3", "plan"]] {
        let run = repository.run(&arguments);
        assert_eq!(run.stderr.matches("error[SEG010]").count(), 3, "{}", run.stderr);
    }
    let run = repository.run_with_env(&["validate"], &[("SEGCTL_MAX_ERRORS", "0")]);
    assert_eq!(run.stderr.matches("error[SEG010]").count(), 500);
    let json = repository
        .run(&["validate", "--json", "--max-errors", "1"])
        .stdout_json();
    assert_eq!(json["diagnostics"].as_array().unwrap().len(), 500);
}

#[test]
fn a_saved_plan_names_what_is_wrong_with_it() {
    let repository = Repository::new();
    repository.write(
        "segments/vip.yaml",
        "name: VIP\nkind: cohort\npartner: p\ncohort_id: \"1\"\nmembers: {path: vip.csv}\n",
    );
    repository.write("segments/vip.csv", "u1\nu2\n");
    let run = repository.run(&["plan", "--out", "plan.json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let plan = repository.read("plan.json");
    let utf16: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(plan.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    for (bytes, part) in [
        (format!("\u{feff}{plan}").into_bytes(), "byte order mark"),
        (utf16, "UTF-16 text"),
    ] {
        repository.write("changed.json", bytes);
        for command in ["apply", "show"] {
            let run = repository.run(&[command, "changed.json"]);
            assert_eq!(run.code, Some(3), "{}", run.stderr);
            assert!(
                run.stderr.contains(part)
                    && run.stderr.contains("`changed.json`")
                    && run.stderr.contains("create the plan again"),
                "{}",
                run.stderr
            );
        }
    }
    fs::remove_file(repository.path().join("segments/vip.csv")).unwrap();
    let run = repository.run(&["apply", "plan.json"]);
    assert_ne!(run.code, Some(0));
    let shown = run.stdout + &run.stderr;
    assert!(shown.contains("segments/vip.csv"), "{shown}");
}

#[test]
fn an_unknown_workspace_is_reported() {
    let repository = Repository::new();
    repository.write(
        "segments/a.yaml",
        format!("{}workspaces: [dev, prod]\n", event_segment("A", "buy")),
    );
    let run = repository.run(&["validate"]);
    assert_eq!(run.code, Some(3));
    assert!(
        run.stderr.contains("SEG062") && run.stderr.contains("segments/a.yaml:9:"),
        "{}",
        run.stderr
    );
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let run = repository.run(&["plan", "--workspace", "prod"]);
    assert!(
        run.code == Some(64) && run.stderr.contains("`dev`"),
        "{}",
        run.stderr
    );
}

#[test]
fn windows_line_endings_are_accepted() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy").replace('\n', "\r\n"));
    assert_eq!(repository.run(&["validate"]).code, Some(0));
}

#[test]
fn missing_paths_and_settings_are_reported() {
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        "segments: [missing/, seg*/x.yaml]\nworkspaces: {dev: {sandbox: f}}\n",
    );
    let run = repository.run(&["validate"]);
    assert_eq!(run.code, Some(3));
    assert!(run.stderr.contains("missing/"), "{}", run.stderr);
    let empty = tempfile::tempdir().unwrap();
    let run = Repository { directory: empty }.run(&["plan"]);
    assert_eq!(run.code, Some(3));
    assert!(
        run.stderr.contains("segctl.yaml") && run.stderr.contains("--config"),
        "{}",
        run.stderr
    );
}

#[cfg(unix)]
#[test]
fn symlink_cycles_and_dangling_links_do_not_crash() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    std::os::unix::fs::symlink("..", repository.path().join("segments/up")).unwrap();
    std::os::unix::fs::symlink("missing.yaml", repository.path().join("segments/dangling.yaml")).unwrap();
    let run = repository.run(&["validate"]);
    assert!(run.stderr.contains("dangling.yaml"), "{}", run.stderr);
    fs::remove_file(repository.path().join("segments/dangling.yaml")).unwrap();
    let run = repository.run(&["validate"]);
    assert!(
        run.code == Some(0) || run.stderr.contains("segments/up"),
        "{} {}",
        run.stdout,
        run.stderr
    );
}
