use std::fmt::Write as _;

use super::*;

fn parse_text(text: &str) -> (Vec<Node>, Vec<Diagnostic>) {
    parse(&SourceFile::new("a.yaml", text))
}

fn error_lines(text: &str) -> Vec<(&'static str, u32)> {
    let (_, diagnostics) = parse_text(text);
    diagnostics
        .iter()
        .map(|error| {
            let line = error.labels.first().map_or(0, |label| label.location.line);
            (error.code, line)
        })
        .collect()
}

/// The tree in one line: mappings in braces, text in quotes, rejected parts as `!`.
fn node_text(node: &Node) -> String {
    match &node.value {
        Yaml::Scalar(scalar) => match scalar.resolved {
            ScalarValue::Text => format!("{:?}", scalar.text),
            ScalarValue::Null => "null".to_owned(),
            _ => scalar.text.clone(),
        },
        Yaml::List(items) => format!("[{}]", items.iter().map(node_text).collect::<Vec<_>>().join(" ")),
        Yaml::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}:{}", key.text, node_text(value)))
                .collect::<Vec<_>>();
            format!("{{{}}}", entries.join(" "))
        }
        Yaml::Invalid => "!".to_owned(),
    }
}

fn trees_text(text: &str) -> String {
    let (nodes, _) = parse_text(text);
    nodes.iter().map(node_text).collect::<Vec<_>>().join(" --- ")
}

#[test]
fn a_document_is_parsed_again_without_the_rest_of_its_file() {
    let table = [
        "a: 1\n",
        "\u{feff}a: 1\r\n---\r\nb: [x]\r\n",
        "# c\n  a: 1\n  b: 2\n---\n# d\n  a: 3\n  b: 4\n",
        "{\"a\": 1}\n--- {b: é}\n--- # last\n- c\n",
        "---\n...\n---\n---\na: &x [1]\nb: *x\n...\n  c: |\n    ---d\n  e: &x 2\n  f: *x\n...\n# end\n",
        "%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n--- !!str\nb\n",
    ];
    for text in table {
        let source = SourceFile::new("a.yaml", text);
        let (documents, errors) = parse_documents(&source);
        assert!(!documents.is_empty() && errors.is_empty(), "{text}");
        for YamlDocument { bytes, root } in documents {
            assert_eq!(parse_again(&source, &bytes).as_ref(), Some(&root), "{text}");
            let with_errors = [&"{".repeat(bytes.start), source.slice(&bytes), "---\n}"].concat();
            let with_errors = SourceFile::new("a.yaml", with_errors);
            assert_eq!(parse_again(&with_errors, &bytes), Some(root), "{text}");
        }
    }
    let source = SourceFile::new("a.yaml", "a: 1\n");
    for outside in [4..9, usize::MAX - 1..usize::MAX] {
        assert_eq!(parse_again(&source, &outside), None);
    }
}

#[test]
fn valid_yaml_becomes_a_tree() {
    let table = [
        ("", ""),
        ("# nothing\n", ""),
        (
            "---\n...\n---\n# c\n---\na: 1\n...\n---\n- b\n",
            "{a:1} --- [\"b\"]",
        ),
        (
            "a: 1\nb: [x, {y: z}]\nc:\nd: ''\n",
            "{a:1 b:[\"x\" {y:\"z\"}] c:null d:\"\"}",
        ),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{a:\"x\\ny\\n\" b:\"x y\"}"),
        ("a: !!str 014\nb: '1'\n", "{a:\"014\" b:\"1\"}"),
        ("'<<': 1\n", "{<<:1}"),
        (
            "- &a [1, &b {c: d}]\n- *b\n- *a\n",
            "[[1 {c:\"d\"}] {c:\"d\"} [1 {c:\"d\"}]]",
        ),
        ("a: &x 1\n---\na: &x 2\nb: *x\n", "{a:1} --- {a:2 b:2}"),
        ("a: &x 1\nb: &x 2\nc: *x\n", "{a:1 b:2 c:2}"),
        ("\u{feff}a: 1\r\nb:\r\n  - c\r\n", "{a:1 b:[\"c\"]}"),
        ("{\n\t\"a\": [\n\t\t1,\n\t\t\"b\"\n\t]\n}\n", "{a:[1 \"b\"]}"),
        ("{\"a\":{\"b\":null}}", "{a:{b:null}}"),
    ];
    for (text, expected) in table {
        assert_eq!(error_lines(text), [], "{text:?}");
        assert_eq!(trees_text(text), expected, "{text:?}");
    }
}

#[test]
fn every_error_has_a_code_and_a_line() {
    let table: &[(&str, &[(&str, u32)])] = &[
        ("a:\n\tb: 1\n", &[("SEG003", 2)]),
        ("a: 1\nb: c: d\n", &[("SEG003", 2)]),
        ("a:\n  - 'x\nb: 1\n", &[("SEG003", 2)]),
        ("a: [1, 2\n", &[("SEG003", 1)]),
        ("a: [1, 2\nb: 3\n", &[("SEG003", 2)]),
        ("- a\nb: 1\n", &[("SEG003", 2)]),
        ("a: @x\n", &[("SEG003", 1)]),
        ("a: \"\\q\"\n", &[("SEG003", 1)]),
        ("a: \u{1}\n", &[("SEG003", 1)]),
        ("a: 1\n}\n", &[("SEG003", 2)]),
        ("'a' b\n", &[("SEG003", 1)]),
        ("[a]\nb\n", &[("SEG003", 2)]),
        ("a: *x\nb: &x 1\n", &[("SEG003", 1)]),
        ("a: 1\nb: 2\na: 3\n", &[("SEG004", 3)]),
        ("a: 1\n'a': 2\na: 3\n", &[("SEG004", 2), ("SEG004", 3)]),
        ("<<: 1\n", &[("SEG005", 1)]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", &[("SEG005", 3)]),
        ("a: !secret x\n", &[("SEG005", 1)]),
        ("a: !!int 1\nb: !<tag:x> []\n", &[("SEG005", 1), ("SEG005", 2)]),
        ("[a, b]: 1\n", &[("SEG005", 1)]),
        ("? {a: 1}\n: 2\n", &[("SEG005", 1)]),
        ("a: 1\n: 2\n", &[("SEG005", 2)]),
        ("a: &x b\n*x : 1\n", &[("SEG005", 2)]),
        ("&x a: 1\nb: *x\n", &[("SEG005", 2)]),
        ("a: &x [1, *x]\n", &[("SEG006", 1)]),
        ("&x\na: {b: *x}\n", &[("SEG006", 2)]),
        // Errors before a syntax error are reported; the rest of the file is not read.
        (
            "a: 1\na: 2\n---\nb: c: d\n---\ne: 1\ne: 2\n",
            &[("SEG004", 2), ("SEG003", 4)],
        ),
        // Nothing inside a rejected part is reported, even if an alias refers to it.
        ("a: 1\na: &x [2]\nb: *x\n", &[("SEG004", 2)]),
        ("[&x a]: 1\nb: *x\n", &[("SEG005", 1)]),
    ];
    for (text, expected) in table {
        assert_eq!(error_lines(text), *expected, "{text:?}");
    }
}

#[test]
fn invalid_parts_leave_the_rest_readable() {
    assert_eq!(trees_text("a: 1\na: {x: 2}\nb: 3\n"), "{a:1 b:3}");
    assert_eq!(trees_text("[a]: {x: 2}\nb: 3\n"), "{b:3}");
    assert_eq!(trees_text("a: !x 1\nb: *no\nc: [*no, 2]\n"), "{a:! b:! c:[! 2]}");
    assert_eq!(trees_text("a: 1\n---\nb: c: d\n"), "{a:1}");
    assert_eq!(
        trees_text("a: 1\na: &x [2]\nb: *x\nc: &y 4\nd: *y\n"),
        "{a:1 b:! c:4 d:4}"
    );
}

#[test]
fn duplicate_keys_report_both_locations_in_maps_of_any_size() {
    for others in [0, 1, 15, 16, 17, 500] {
        let mut text = "name: x\n".to_owned();
        (0..others).for_each(|number| writeln!(text, "key_{number}: 1").unwrap());
        text.push_str("name: y\n");
        let (nodes, diagnostics) = parse_text(&text);
        let lines: Vec<u32> = diagnostics
            .iter()
            .flat_map(|error| error.labels.iter().map(|label| label.location.line))
            .collect();
        assert_eq!(lines, [others + 2, 1]);
        assert!(matches!(
            nodes.first().map(|node| &node.value),
            Some(Yaml::Map(_))
        ));
    }
}

#[test]
fn spans_select_the_original_text() {
    let text = "\u{feff}# ü\r\nä: &x \"ö ü\"\r\nlist:\r\n  - one\r\n  - {k: [1, 2]}\r\nblock: |\r\n  ß\r\n\r\nempty:\r\nalias: [*x]\r\n";
    let (nodes, diagnostics) = parse_text(text);
    assert_eq!(diagnostics, []);
    let Some(Yaml::Map(entries)) = nodes.first().map(|node| node.value.clone()) else {
        return assert_eq!(trees_text(text), "a map");
    };
    let slices: Vec<(&str, &str)> = entries
        .iter()
        .map(|(key, node)| (&text[key.span.clone()], &text[node.span.clone()]))
        .collect();
    let expected = [
        ("ä", "\"ö ü\""),
        ("list", "- one\r\n  - {k: [1, 2]}"),
        ("block", "ß"),
        ("empty", ""),
        ("alias", "[*x]"),
    ];
    assert_eq!(slices, expected);
}

#[test]
fn excessive_nesting_is_rejected() {
    let indented: String = (0..10_000).fold(String::new(), |mut text, level| {
        // The width is capped: 10,000 levels of one space each would be 50 MB.
        writeln!(text, "{}a:", " ".repeat(level.min(300))).unwrap();
        text
    });
    let table = [
        "[".repeat(10_000),
        "[".repeat(10_000) + &"]".repeat(10_000),
        "{a: ".repeat(10_000),
        "- ".repeat(10_000),
        "? ".repeat(10_000),
        "a: ".to_owned() + &"[{b: ".repeat(5_000),
        indented,
    ];
    for text in table {
        let codes: Vec<&str> = error_lines(&text).iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, ["SEG006"], "{:.20}", text);
    }
    for (levels, expected) in [(200, 0), (201, 1)] {
        let flow = "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(error_lines(&flow).len(), expected, "{levels}");
        assert_eq!(error_lines(&"- ".repeat(levels)).len(), expected, "{levels}");
        let mixed = "- ".repeat(32) + &"[".repeat(levels - 32) + &"]".repeat(levels - 32);
        assert_eq!(error_lines(&mixed).len(), expected, "{levels}");
    }
}

#[test]
fn alias_expansion_is_limited() {
    let mut nodes = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut depth = "a0: &a0 [x]\n".to_owned();
    for level in 1..300 {
        let before = level - 1;
        let many = format!("*a{before}, ").repeat(9);
        writeln!(nodes, "a{level}: &a{level} [{many}]").unwrap();
        writeln!(depth, "a{level}: &a{level} [*a{before}]").unwrap();
    }
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(60_000), "*a, ".repeat(100));
    assert_eq!(error_lines(&nodes), [("SEG006", 5)]);
    assert_eq!(error_lines(&depth).first(), Some(&("SEG006", 200)));
    assert_eq!(error_lines(&text), [("SEG006", 2)]);
    assert_eq!(
        error_lines(&format!("a: &a x\nb: [{}]\n", "*a, ".repeat(20_000))),
        []
    );
}

#[test]
fn text_and_node_counts_are_limited() {
    assert_eq!(error_lines(&format!("a: {}\n", "x".repeat(64 * 1024))), []);
    assert_eq!(
        error_lines(&format!("b: 1\na: {}\n", "x".repeat(10 << 20))),
        [("SEG006", 2)]
    );
    assert_eq!(
        error_lines(&format!("a: \"{}\"\n", "x".repeat(100 << 10))),
        [("SEG006", 1)]
    );
    assert_eq!(
        error_lines(&format!("? {}\n: 1\n", "x".repeat(100 << 10))),
        [("SEG006", 1)]
    );
    assert_eq!(
        error_lines(&format!("[{}]", ",x".repeat(1_100_000).split_off(1))),
        [("SEG006", 1)]
    );
    let anchors: String = (0..11_000).map(|number| format!("- &a{number} x\n")).collect();
    assert_eq!(error_lines(&anchors), [("SEG006", 10_001)]);
    assert_eq!(error_lines(&"- !x y\n".repeat(500)).len(), 100);
}

#[test]
fn syntax_errors_have_help() {
    for text in [
        "a:\n\tb: 1\n",
        "a: b: c\n",
        "a: 'b\n",
        "a: [b\n",
        "a: @b\n",
        "- a\nb: 1\n",
        "a: 1\n  - b: 2\n",
    ] {
        let (_, diagnostics) = parse_text(text);
        assert!(
            diagnostics.iter().any(|error| !error.help.is_empty()),
            "{text:?} {diagnostics:?}"
        );
    }
}

#[test]
fn likely_mistakes_are_named_with_what_to_write() {
    // Text, `line:column`, part of the message, part of the help.
    let table = [
        (
            "name:T\nlifecycle: active\n",
            "1:5",
            "missing space after `name:`",
            "write `name: T`",
        ),
        (
            "name: A\nlifecycle:active\nb: 1\n",
            "2:10",
            "missing space after `lifecycle:`",
            "write `lifecycle: active`",
        ),
        (
            "a:\n  - b:c\n    d: 1\n",
            "2:6",
            "missing space after `b:`",
            "write `b: c`",
        ),
        (
            "a: {{MoeUserAttribute['x']}}\n",
            "1:4",
            "a text that starts with `{{` needs quotes",
            "in quotes: \"{{MoeUserAttribute['x']}}\"",
        ),
        (
            "a: [{{MoeUserAttribute[\"x\"]}}]\n",
            "1:5",
            "needs quotes",
            "in quotes: '{{MoeUserAttribute[\"x\"]}}'",
        ),
        (
            "a: {{ x }}\nb: 1\n",
            "1:4",
            "needs quotes",
            "in quotes: \"{{ x }}\"",
        ),
        ("- value: {{x}} b\n", "1:10", "needs quotes", "\"{{x}}\""),
        ("- {a: {{x}}}\n", "1:7", "needs quotes", "\"{{x}}\""),
        ("- {a: {{x}}, b: {{y}}}\n", "1:7", "needs quotes", "\"{{x}}\""),
        ("a: {{x}} {{y}}\n", "1:4", "needs quotes", "\"{{x}} {{y}}\""),
        (
            "operator: >=\n",
            "1:11",
            "cannot start with `>`",
            "use `operator: lessThan` with `negate: true`",
        ),
        (
            "- operator: >= 5\n",
            "1:13",
            "cannot start with `>`",
            "use `operator: lessThan`",
        ),
        (
            "filter_operator: ||\n",
            "1:18",
            "cannot start with `|`",
            "write `filter_operator: or`",
        ),
        (
            "a: >=b\n",
            "1:4",
            "cannot start with `>`",
            "put the text in quotes: \">=b\"",
        ),
        (
            "a: >- b\n",
            "1:4",
            "starts on the next line",
            "write the text on the next line",
        ),
        (
            "operator: !=\n",
            "1:11",
            "the tag `!=`",
            "use `operator: is` with `negate: true`",
        ),
        ("name: *\n", "1:7", "cannot start with `*`", "in quotes"),
        (
            "name: 'It's'\n",
            "1:11",
            "text after the closing quote",
            "`''` is a quote",
        ),
        (
            "name: \"A\"B\n",
            "1:10",
            "text after the closing quote",
            "`\\\"` is a quote",
        ),
        (
            "a: 1\n\u{feff}---\nb: 1\n",
            "2:1",
            "a byte order mark",
            "remove the byte order mark",
        ),
        (
            "name: A\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> topic\n",
            "2:1",
            "has a merge conflict",
            "keep one of the two versions",
        ),
        (
            "<<<<<<< HEAD\r\nb: 1\r\n||||||| base\r\n=======\r\nb: 2\r\n>>>>>>> 1234\r\n",
            "1:1",
            "has a merge conflict",
            "",
        ),
    ];
    for (text, place, message, help) in table {
        let (_, found) = parse_text(text);
        let [error] = found.as_slice() else {
            panic!("{text:?}: {found:#?}");
        };
        let location = &error.labels[0].location;
        assert_eq!(
            format!("{}:{}", location.line, location.column),
            place,
            "{error:#?}"
        );
        assert!(error.message.contains(message), "{error:#?}");
        assert!(error.help.join("\n").contains(help), "{error:#?}");
    }
    // None of these is a mistake.
    for text in [
        "a: \"{{x}}\"\n",
        "a: '<<<<<<< HEAD'\n",
        "a: x:y\n",
        "a: |\n  <<<<<<< HEAD\n  =======\n  >>>>>>> b\n",
    ] {
        assert_eq!(error_lines(text), [], "{text}");
    }
}

#[test]
fn comments_anchors_and_aliases_have_byte_spans() {
    let text =
        "a: &x {b: 1} # one\n# two: *x\nc: '# no'\nd: [*x, 2]\ne: &y\n  - |\n    # text\nf: *y # three\n";
    let marks = marks(text);
    let parts = [marks.comments, marks.anchors, marks.aliases]
        .map(|spans| spans.into_iter().map(|span| &text[span]).collect::<Vec<_>>());
    assert_eq!(parts[0], ["# one", "# two: *x", "# three"]);
    assert_eq!(parts[1], ["&x", "&y"]);
    assert_eq!(parts[2], ["*x", "*y"]);
}
