use std::sync::Arc;

use super::*;
use crate::diagnostic::Location;

const SEGMENT: &str = "name: Lapsed buyers\nkind: filter\nname: Lapsed\nlabels: [a]\n";

fn location(file: &str, text: &str, line: u32, part: &str) -> Location {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(line as usize - 1)
        .map(str::len)
        .sum();
    let start = line_start + text[line_start..].find(part).unwrap_or_default();
    Location {
        file: Arc::from(file),
        line,
        column: u32::try_from(text[line_start..start].chars().count() + 1).unwrap_or(0),
        span: start..start + part.len(),
    }
}

fn rendered(text: &str, diagnostics: &[Diagnostic]) -> String {
    diagnostics_text(
        diagnostics,
        &|file| (file != "missing.yaml").then_some(text),
        false,
    )
}

fn duplicate() -> Diagnostic {
    let second = location("a.yaml", SEGMENT, 3, "name");
    Diagnostic::error("SEG004", "duplicate key `name`", second, "duplicate")
        .with_label(location("a.yaml", SEGMENT, 1, "name"), "first defined here")
        .with_note("a note")
        .with_help("remove one of the two")
}

#[test]
fn two_locations_in_one_file_share_an_excerpt() {
    insta::assert_snapshot!(rendered(SEGMENT, &[duplicate()]), @r#"
    error[SEG004]: duplicate key `name`
     --> a.yaml:3:1
      |
    1 | name: Lapsed buyers
      | ---- first defined here
    2 | kind: filter
    3 | name: Lapsed
      | ^^^^ duplicate
      |
      = note: a note
      = help: remove one of the two

    1 error in 1 file
    "#);
}

#[test]
fn diagnostics_beyond_the_limit_are_counted() {
    let location = |file: String| Location::whole_file(Arc::from(file));
    let error =
        |number: usize, code| Diagnostic::error(code, "a message", location(format!("{number:02}.yaml")), "");
    let mut diagnostics = vec![Diagnostic::warning(
        "SEG025",
        "a warning",
        location("00.yaml".to_owned()),
        "",
    )];
    diagnostics.extend((0..14).map(|number| error(number, "SEG010")));
    diagnostics.push(error(3, "SEG013"));
    let text = |limit| limited_diagnostics_text(&diagnostics, &|_| None, false, limit);
    insta::assert_snapshot!(text(2), @r#"
    error[SEG010]: a message
    --> 00.yaml

    error[SEG010]: a message
    --> 01.yaml

    14 more not shown; --max-errors 0 shows all
      SEG010: 12 errors
      SEG013: 1 error
      SEG025: 1 warning
      03.yaml: 2
      00.yaml: 1
      02.yaml: 1
      04.yaml: 1
      05.yaml: 1
      06.yaml: 1
      07.yaml: 1
      08.yaml: 1
      09.yaml: 1
      10.yaml: 1
      3 more files: 3

    15 errors, 1 warning in 14 files
    "#);
    for unlimited in [0, 16] {
        assert_eq!(text(unlimited), diagnostics_text(&diagnostics, &|_| None, false));
    }
}

#[test]
fn each_file_has_its_own_excerpt() {
    let clash = Diagnostic::warning(
        "SEG040",
        "two segments have the same name",
        location("b.yaml", SEGMENT, 1, "Lapsed buyers"),
        "declared here",
    )
    .with_label(location("a.yaml", SEGMENT, 3, "Lapsed"), "and here")
    .with_label(Location::whole_file(Arc::from("segctl.yaml")), "")
    .with_label(location("missing.yaml", SEGMENT, 2, "kind"), "");
    insta::assert_snapshot!(rendered(SEGMENT, &[clash]), @r#"
    warning[SEG040]: two segments have the same name
     --> b.yaml:1:7
      |
    1 | name: Lapsed buyers
      |       ^^^^^^^^^^^^^ declared here
      |
     ::: a.yaml:3:7
      |
    3 | name: Lapsed
      |       ------ and here
      |
     ::: segctl.yaml
      |
     ::: missing.yaml:2:1

    1 warning in 1 file
    "#);
}

#[test]
fn a_whole_file_is_shown_without_an_excerpt() {
    let file = Location::whole_file(Arc::from("a.yaml"));
    let missing =
        Diagnostic::error("SEG001", "the file `a.yaml` does not exist", file, "").with_help("check it");
    insta::assert_snapshot!(rendered(SEGMENT, &[missing]), @r#"
    error[SEG001]: the file `a.yaml` does not exist
    --> a.yaml
     = help: check it

    1 error in 1 file
    "#);
}

#[test]
fn control_characters_are_escaped() {
    let text = "\u{feff}a:\t\"\u{1b}[2J\u{9b}\u{202e}é\u{7f}\" # x\r\nb: 1\r\n";
    let diagnostic = Diagnostic::error(
        "SEG010",
        "the name `\u{1b}[2J\n\u{9b}` is bad",
        location("\u{1b}a.yaml", text, 1, "é"),
        "this \u{1b}[31m",
    )
    .with_note("note \u{7}\u{202e}")
    .with_help("help \r");
    let shown = rendered(text, &[diagnostic]);
    assert!(
        !shown
            .chars()
            .any(|next| next != '\n' && crate::model::is_unprintable(next, None)),
        "{shown:?}"
    );
    insta::assert_snapshot!(shown, @r#"
    error[SEG010]: the name `\u{1b}[2J\n\u{9b}` is bad
     --> \u{1b}a.yaml:1:12
      |
    1 | a:    "␛[2J��é�" # x
      |              ^ this \u{1b}[31m
      |
      = note: note \u{7}\u{202e}
      = help: help \r

    1 error in 1 file
    "#);
}

#[test]
fn long_lines_and_long_files_are_cut() {
    let line = format!(
        "{}: [{}HERE, {}]",
        "k".repeat(20),
        "é, ".repeat(1_000_000),
        "y, ".repeat(1_000_000)
    );
    let text = format!("{}{line}\n{}", "a: 1\n".repeat(300_000), "b: 1\n".repeat(300_000));
    let diagnostic = Diagnostic::error(
        "SEG010",
        "found",
        location("a.yaml", &text, 300_001, "HERE"),
        "here",
    )
    .with_label(location("a.yaml", &text, 299_999, "1"), "near")
    .with_label(location("a.yaml", &text, 2, "1"), "far");
    let shown = rendered(&text, &[diagnostic]);
    assert!(shown.lines().all(|line| line.chars().count() <= 160), "{shown}");
    insta::assert_snapshot!(shown, @r#"
    error[SEG010]: found
          --> a.yaml:300001:3000024
           |
    299999 | a: 1
           |    - near
    300000 | a: 1
    300001 | …é, é, é, é, é, é, é, é, é, é, é, é, é, é, é, HERE, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y...
           |                                               ^^^^ here
           |
          ::: a.yaml:2:4
           |
         2 | a: 1
           |    - far

    1 error in 1 file
    "#);
}

#[test]
fn locations_at_and_beyond_the_end_of_a_file_are_shown() {
    let end = Location {
        file: Arc::from("a.yaml"),
        line: 2,
        column: 3,
        span: 7..7,
    };
    let at_end = Diagnostic::error("SEG003", "it ends", end.clone(), "here");
    insta::assert_snapshot!(rendered("a: 1\nb:", std::slice::from_ref(&at_end)), @r#"
    error[SEG003]: it ends
     --> a.yaml:2:3
      |
    2 | b:
      |   ^ here

    1 error in 1 file
    "#);
    insta::assert_snapshot!(rendered("a", &[at_end]), @r#"
    error[SEG003]: it ends
    --> a.yaml:2:3

    1 error in 1 file
    "#);
    let many_lines = Location {
        span: 3..60,
        line: 1,
        ..end
    };
    let diagnostic = Diagnostic::error("SEG010", "it is long", many_lines, "from here");
    insta::assert_snapshot!(rendered(&"a: b\n".repeat(20), &[diagnostic]), @r#"
    error[SEG010]: it is long
     --> a.yaml:1:3
      |
    1 | a: b
      |    ^ from here

    1 error in 1 file
    "#);
}

#[test]
fn json_has_the_same_content_as_text() {
    let file = Location::whole_file(Arc::from("a.yaml"));
    let diagnostics = [duplicate(), Diagnostic::warning("SEG007", "empty", file, "")];
    insta::assert_json_snapshot!(diagnostics_json(&diagnostics), @r#"
    [
      {
        "code": "SEG004",
        "help": [
          "remove one of the two"
        ],
        "labels": [
          {
            "column": 1,
            "file": "a.yaml",
            "line": 3,
            "message": "duplicate"
          },
          {
            "column": 1,
            "file": "a.yaml",
            "line": 1,
            "message": "first defined here"
          }
        ],
        "message": "duplicate key `name`",
        "notes": [
          "a note"
        ],
        "severity": "error"
      },
      {
        "code": "SEG007",
        "help": [],
        "labels": [
          {
            "column": null,
            "file": "a.yaml",
            "line": null,
            "message": ""
          }
        ],
        "message": "empty",
        "notes": [],
        "severity": "warning"
      }
    ]
    "#);
}

#[test]
fn summaries_count_severities_and_files() {
    let at = |file: &str| Location::whole_file(Arc::from(file));
    let error = |file: &str| Diagnostic::error("SEG001", "x", at(file), "");
    let warning = Diagnostic::warning("SEG001", "x", at("c.yaml"), "");
    assert_eq!(summary(&[]), "no errors");
    assert_eq!(summary(&[error("a.yaml")]), "1 error in 1 file");
    assert_eq!(
        summary(&[error("a.yaml"), warning, error("b.yaml")]),
        "2 errors, 1 warning in 3 files"
    );
    assert_eq!(rendered("", &[]), "");
}

#[test]
fn diagnostics_are_sorted_by_file_line_and_column() {
    let at = |file: &str, line, column| Location {
        file: Arc::from(file),
        line,
        column,
        span: 0..0,
    };
    let mut diagnostics = vec![
        Diagnostic::error("SEG010", "e", at("b.yaml", 1, 1), ""),
        Diagnostic::error("SEG010", "c", at("a.yaml", 10, 1), ""),
        Diagnostic::warning("SEG009", "b", at("a.yaml", 9, 7), ""),
        Diagnostic::error("SEG010", "a", at("a.yaml", 9, 1), ""),
        Diagnostic::error("SEG010", "d", at("a.yaml", 10, 2), ""),
    ];
    sort(&mut diagnostics);
    let order: String = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.message.as_str())
        .collect();
    assert_eq!(order, "abcde");
}

#[test]
fn color_is_added_only_on_request() {
    let colored = diagnostics_text(&[duplicate()], &|_| Some(SEGMENT), true);
    assert!(colored.contains("\u{1b}["));
    assert!(!rendered(SEGMENT, &[duplicate()]).contains('\u{1b}'));
}
