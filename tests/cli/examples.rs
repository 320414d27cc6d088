//! The examples, applied to an empty workspace, and each of them changed, archived and unarchived.

use super::Repository;
use std::fs;
use std::path::{Path, PathBuf};

/// A copy of the examples with a sandbox without rate limits.
fn examples_repository() -> Repository {
    examples_repository_with(r#"{"rate_limits": "off"}"#)
}

pub(super) fn examples_repository_with(sandbox_settings: &str) -> Repository {
    let repository = Repository::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let settings = fs::read_to_string(root.join("segctl.yaml")).unwrap();
    let unlimited = "rate_limits: {list: [100000/s], create: [100000/s], get: [100000/s], update: [100000/s], lifecycle: [100000/s]}";
    let sandbox = "    sandbox: .segctl/sandbox.json\n";
    assert!(settings.contains(sandbox));
    repository.write(
        "segctl.yaml",
        settings.replace(sandbox, &format!("{sandbox}    {unlimited}\n")),
    );
    repository.write(
        ".segctl/sandbox.json",
        format!(r#"{{"format_version": 1, "settings": {sandbox_settings}}}"#),
    );
    for file in files_below(&root.join("segments")) {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        // One document per file, so that each can be changed alone.
        if file
            .extension()
            .is_some_and(|extension| extension == "txt" || extension == "csv")
        {
            repository.write(&name, fs::read_to_string(&file).unwrap());
            continue;
        }
        for (number, document) in fs::read_to_string(&file).unwrap().split("\n---\n").enumerate() {
            let name = if number == 0 {
                name.clone()
            } else {
                format!("{name}-{number}.yaml")
            };
            repository.write(&name, format!("{}\n", document.trim_end()));
        }
    }
    repository
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    files.sort();
    files
}

fn sandbox_segments(repository: &Repository) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(&repository.read(".segctl/sandbox.json")).unwrap()["segments"]
        .clone()
}

/// Changes one field of the first filter, and with it the definition.
fn with_changed_filter(text: &str) -> String {
    for (field, value) in [("action_name", "changed_event"), ("name", "changed_attribute")] {
        let start = text.find("included_filters").unwrap();
        for prefix in [format!("\"{field}\": \""), format!("{field}: ")] {
            let Some(found) = text[start..].find(&prefix).map(|at| start + at + prefix.len()) else {
                continue;
            };
            let line = &text[text[..found].rfind('\n').map_or(0, |at| at + 1)..found];
            if line.contains("custom_segments") {
                continue;
            }
            let end = text[found..].find([',', '\n', '}', '"']).unwrap() + found;
            return format!("{}{value}{}", &text[..found], &text[end..]);
        }
    }
    // All filters are references: add one filter.
    let (head, tail) = text.split_once("  filters:\n").unwrap();
    let indent: String = tail.chars().take_while(|character| *character == ' ').collect();
    let filter = "{filter_type: user_attributes, name: changed, data_type: bool, operator: exists}";
    format!("{head}  filters:\n{indent}- {filter}\n{tail}")
}

#[test]
fn the_examples_converge_and_a_second_apply_writes_nothing() {
    let repository = examples_repository();
    let run = repository.run(&["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.lines().last().unwrap().starts_with("Apply complete: "),
        "{}",
        run.stdout
    );
    assert_eq!(run.stderr, "");
    let before = sandbox_segments(&repository);
    let run = repository.run(&["apply", "--auto-approve"]);
    assert_eq!((run.code, run.plan_text()), (Some(0), "No changes.\n"));
    assert_eq!(sandbox_segments(&repository), before);
}

/// The steps of a plan as `~ name`, and the lines below them.
fn parse_steps(plan: &str) -> (Vec<String>, Vec<&str>) {
    // The lines of definitions have a mark and more than one space.
    let is_step = |line: &&str| {
        let mut marks = ["+ ", "~ ", "- ", "^ "].iter();
        marks.any(|mark| line.strip_prefix(mark).is_some_and(|rest| !rest.starts_with(' ')))
    };
    let step =
        |line: &str| line.chars().next().unwrap_or_default().to_string() + line.split('"').nth(1).unwrap();
    (
        plan.lines().filter(is_step).map(step).collect(),
        plan.lines().filter(|line| line.starts_with("    ")).collect(),
    )
}

#[test]
fn each_example_can_be_changed_archived_and_unarchived() {
    let repository = examples_repository();
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let mut count = 0;
    for file in files_below(&repository.path().join("segments")) {
        let text = fs::read_to_string(&file).unwrap();
        if !text.contains("included_filters") {
            // Cohorts, file segments, and their lists.
            continue;
        }
        let is_json = file.extension().is_some_and(|extension| extension == "json");
        if text.contains("lifecycle: archived") {
            // Declared as archived and not in MoEngage: segctl never creates it.
            fs::write(&file, with_changed_filter(&text)).unwrap();
            assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n");
            continue;
        }
        let name = declared_name(&file);
        let with = |text: &str, lifecycle: &str| {
            if is_json {
                text.replacen('{', &format!("{{\"lifecycle\": \"{lifecycle}\","), 1)
            } else {
                format!("lifecycle: {lifecycle}\n{text}")
            }
        };

        fs::write(&file, with_changed_filter(&text)).unwrap();
        let run = repository.run(&["plan"]);
        let (found, below) = parse_steps(&run.stdout);
        assert_eq!(run.stderr, "");
        assert_eq!(found, [format!("~{name}")], "{}", file.display());
        assert!(
            below.iter().any(|line| line.contains("cluded_filters")),
            "{below:?}"
        );

        // Archiving a referenced segment gives a warning, and the referencing segments stay unchanged.
        fs::write(&file, with(&text, "archived")).unwrap();
        let run = repository.run(&["apply", "--auto-approve"]);
        assert_eq!(
            parse_steps(&run.stdout).0.first(),
            Some(&format!("-{name}")),
            "{}{}",
            run.stdout,
            run.stderr
        );
        assert!(run.stdout.contains("Plan: 1 to archive.\n"), "{}", run.stdout);
        assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n");

        fs::write(&file, with(&with_changed_filter(&text), "active")).unwrap();
        let run = repository.run(&["apply", "--auto-approve"]);
        assert_eq!(
            parse_steps(&run.stdout).0[..2],
            [format!("^{name}"), format!("~{name}")],
            "{}{}",
            run.stdout,
            run.stderr
        );
        assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n");
        count += 1;
    }
    assert_eq!(count, 48);
}

fn declared_name(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let line = text
        .lines()
        .find(|line| line.trim_start().trim_start_matches('"').starts_with("name"))
        .unwrap();
    let value = line
        .split_once(':')
        .unwrap()
        .1
        .trim()
        .trim_end_matches(',')
        .trim_matches(['"', '\'']);
    value.to_owned()
}
