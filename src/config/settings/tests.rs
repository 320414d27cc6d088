use super::*;

const PRODUCTION_SETTINGS: &str = "segments: segments/
workspaces:
  production:
    data_center: \"01\"
    workspace_id: ${ID}
    api_key: ${KEY}
";

fn diagnostic_codes(text: &str) -> Vec<(&'static str, u32)> {
    let (settings, diagnostics) = parse_settings(&SourceFile::new("segctl.yaml", text));
    assert_eq!(settings.is_none(), !diagnostics.is_empty(), "{diagnostics:?}");
    diagnostics
        .iter()
        .map(|found| (found.code, found.labels[0].location.line))
        .collect()
}

#[test]
fn a_moengage_workspace_and_a_sandbox_are_read() {
    let text = format!(
        "default_workspace: dev\n{PRODUCTION_SETTINGS}    state: .state\n    time_zone: Asia/Kolkata\n    rate_limits: {{get: [10/s]}}\n    api_behavior: {{list_shows_archived: true}}\n  dev:\n    sandbox: box.json\n"
    );
    let (read, diagnostics) = parse_settings(&SourceFile::new("segctl.yaml", text));
    assert_eq!(diagnostics, []);
    let read = read.unwrap();
    assert_eq!(read.segments, ["segments/"]);
    let production = &read.workspaces["production"];
    assert_eq!(
        production.state,
        Some(StateLocation::Directory(".state".to_owned()))
    );
    assert!(production.policy.api_behavior.list_shows_archived);
    assert_eq!(production.rate_limits[0].windows[0].to_string(), "10/s");
    let ConnectionSettings::MoEngage {
        endpoint, api_key, ..
    } = &production.connection
    else {
        panic!("not a MoEngage connection")
    };
    assert_eq!(*endpoint, EndpointSetting::DataCenter(DataCenter::Dc01));
    assert_eq!(*api_key, ValueSource::Environment("KEY".to_owned()));
    assert_eq!(
        read.workspaces["dev"].connection,
        ConnectionSettings::Sandbox {
            file: "box.json".to_owned()
        }
    );
}

#[test]
fn a_literal_secret_is_rejected_and_not_printed() {
    for written in [
        "hunter2",
        "\"1234567890\"",
        "1234567890",
        "[hunter2]",
        "prefix${KEY}",
    ] {
        let text = PRODUCTION_SETTINGS.replace("${KEY}", written);
        let (read, diagnostics) = parse_settings(&SourceFile::new("segctl.yaml", text));
        assert_eq!(read, None);
        assert_eq!(diagnostics[0].code, LITERAL_SECRET);
        let shown = format!("{diagnostics:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("1234567890"),
            "{shown}"
        );
    }
}

#[test]
fn errors_are_reported_with_their_lines() {
    let table = [
        ("", vec![(codes::MISSING_FIELD, 1)]),
        ("segments: a\n", vec![(codes::MISSING_FIELD, 1)]),
        ("segments: a\nworkspaces: {}\n", vec![(codes::OUT_OF_RANGE, 2)]),
        (
            "segments: a\nworkspaces: {dev: {sandbox: f}}\nsegmets: b\n",
            vec![(codes::UNKNOWN_FIELD, 3)],
        ),
        (
            "segments: a\ndefault_workspace: prod\nworkspaces: {dev: {sandbox: f}}\n",
            vec![(INCONSISTENT_WORKSPACE, 2)],
        ),
        (
            "segments: a\nworkspaces: {../up: {sandbox: f}}\n",
            vec![(INCONSISTENT_WORKSPACE, 2)],
        ),
        (
            "segments: a\nworkspaces: {dev: {sandbox: f, data_center: \"01\"}}\n",
            vec![(codes::UNKNOWN_FIELD, 2)],
        ),
        (
            &PRODUCTION_SETTINGS.replace("\"01\"", "01"),
            vec![(codes::AMBIGUOUS_SCALAR, 4)],
        ),
        (
            &PRODUCTION_SETTINGS.replace("\"01\"", "\"07\""),
            vec![(codes::UNKNOWN_KEYWORD, 4)],
        ),
        (
            &PRODUCTION_SETTINGS.replace("data_center: \"01\"", "endpoint: http://example.com"),
            vec![(codes::OUT_OF_RANGE, 4)],
        ),
        (
            &PRODUCTION_SETTINGS.replace("data_center: \"01\"", "endpoint: http://localhost.example.com"),
            vec![(codes::OUT_OF_RANGE, 4)],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(diagnostic_codes(text), expected, "{text}");
    }
}

#[test]
fn invalid_workspace_fields_are_reported_with_their_lines() {
    let bucket = "s3://key:hunter2@bucket/prefix";
    let callbacks = |fields: &str| format!("callbacks: {{{fields}}}");
    let https = "url: \"https://hooks.example\"";
    let token = "token: \"${T}\"";
    let table = [
        ("time_zone: Mars/Olympus".to_owned(), codes::UNKNOWN_KEYWORD),
        (format!("state: {bucket}"), INVALID_STORAGE_URL),
        (format!("publish: {{bucket: {bucket}}}"), INVALID_STORAGE_URL),
        (
            "publish: {bucket: s3://bucket, directory: web}".to_owned(),
            codes::UNKNOWN_FIELD,
        ),
        ("rate_limits: {gets: [1/s]}".to_owned(), codes::UNKNOWN_FIELD),
        ("api_key2: x".to_owned(), codes::UNKNOWN_FIELD),
        (
            callbacks(&format!("url: \"http://hooks.example\", {token}")),
            codes::OUT_OF_RANGE,
        ),
        (
            callbacks(&format!("url: \"https://hooks.example/?a\", {token}")),
            codes::OUT_OF_RANGE,
        ),
        (callbacks(&format!("{https}, token: hunter2")), LITERAL_SECRET),
        (
            callbacks(&format!("{https}, {token}, listen: 8080")),
            codes::WRONG_TYPE,
        ),
        (
            callbacks(&format!("{https}, {token}, listen: here")),
            codes::OUT_OF_RANGE,
        ),
    ];
    for (field, code) in table {
        let text = format!("{PRODUCTION_SETTINGS}    {field}\n");
        assert_eq!(diagnostic_codes(&text), [(code, 7)], "{text}");
    }
    let text = format!("{PRODUCTION_SETTINGS}    callbacks: {{listen: \"0.0.0.0:1\"}}\n");
    assert_eq!(diagnostic_codes(&text), [(codes::MISSING_FIELD, 7); 2]);
}

/// One error: its line, a part of its message, and a part of its help. Returns all of it.
fn assert_one_error(text: &str, line: u32, [message, help]: [&str; 2]) -> String {
    let (read, found) = parse_settings(&SourceFile::new("segctl.yaml", text));
    assert_eq!(read, None, "{text}");
    let [error] = found.as_slice() else {
        panic!("{text} {found:#?}");
    };
    let label = &error.labels[0];
    assert_eq!(label.location.line, line, "{text} {error:#?}");
    assert!(error.message.contains(message), "{text} {error:#?}");
    assert!(error.help.join("\n").contains(help), "{text} {error:#?}");
    format!("{error:?}")
}

#[test]
fn endpoints_are_read_as_plan_reads_them() {
    let endpoint =
        |url: &str| PRODUCTION_SETTINGS.replace("data_center: \"01\"", &format!("endpoint: {url}"));
    for url in [
        "https://gateway.example/moe/",
        "http://127.0.0.1:8020",
        "http://LOCALHOST:8020",
        "http://127.1",
        "\"http://[::1]:8020\"",
        "https://localhost",
    ] {
        let (read, found) = parse_settings(&SourceFile::new("segctl.yaml", endpoint(url)));
        assert!(read.is_some(), "{url} {found:#?}");
    }
    for (url, message, help) in [
        (
            "https://me:hunter2@api.example",
            "a user name or a password",
            "remove it and set `workspace_id`",
        ),
        (
            "http://me:hunter2@127.0.0.1:8020",
            "a user name or a password",
            "remove it",
        ),
        (
            "https://api.example/?key=hunter2",
            "a query or a fragment",
            "remove the part after `?` or `#`",
        ),
        (
            "https://api.example/#hunter2",
            "a query or a fragment",
            "remove the part",
        ),
        (
            "https://api.example:hunter2",
            "not a valid URL",
            "set `data_center: \"01\"`",
        ),
        (
            "https://api.example:99999",
            "not a valid URL",
            "set `data_center: \"01\"`",
        ),
        (
            "https://bad host/",
            "not a valid URL",
            "set `data_center: \"01\"`",
        ),
        (
            "api-01.moengage.com",
            "not a valid URL",
            "set `data_center: \"01\"`",
        ),
        ("http://api.example", "unencrypted to `api.example`", "use https"),
        ("ftp://api.example", "unsupported scheme `ftp`", "use `https`"),
        (
            "${ENDPOINT}",
            "contains a variable",
            "declare one workspace for each endpoint",
        ),
        (
            "https://${HOST}/v3",
            "contains a variable",
            "write the URL itself",
        ),
    ] {
        let error = assert_one_error(&endpoint(url), 4, [message, help]);
        assert!(!error.contains("hunter2"), "{error}");
        let shown = SourceFile::new("segctl.yaml", endpoint(url)).redacted_text();
        assert!(!shown.contains("hunter2@"), "{shown}");
    }
}

#[test]
fn values_in_other_notations_get_the_value_to_write() {
    let with = |field: &str| format!("{PRODUCTION_SETTINGS}    {field}\n");
    let data_center = |written: &str| PRODUCTION_SETTINGS.replace("\"01\"", written);
    for (text, line, message, help) in [
        (
            with("rate_limits: {get: 5 per second}"),
            7,
            "a list of rate limits",
            "write `[5/1s]`",
        ),
        (
            with("rate_limits: {get: 100/min}"),
            7,
            "a list of rate limits",
            "write `[100/1min]`",
        ),
        (
            with("rate_limits: {get: [300 an hour]}"),
            7,
            "not a valid rate limit",
            "write `300/1h`",
        ),
        (
            with("rate_limits: {get: [50/min, many]}"),
            7,
            "not a valid rate limit",
            "COUNT/SPAN",
        ),
        (with("rate_limits: {get: [0/min]}"), 7, "out of range", ""),
        (with("rate_limits: {get: [5/400day]}"), 7, "out of range", ""),
        (
            data_center("1"),
            4,
            "found the number 1",
            "write `data_center: \"01\"`",
        ),
        (data_center("01"), 4, "`01` is read as", "write \"01\""),
        (
            data_center("\"1\""),
            4,
            "invalid data center",
            "write `data_center: \"01\"`",
        ),
        (
            data_center("DC-101"),
            4,
            "invalid data center",
            "write `data_center: \"101\"`",
        ),
        (
            data_center("api-03.moengage.com"),
            4,
            "invalid data center",
            "write `data_center: \"03\"`",
        ),
        (
            data_center("india"),
            4,
            "invalid data center",
            "did you mean `03`?",
        ),
        (data_center("7"), 4, "invalid data center", ""),
        (
            format!("default_workspace: prodution\n{PRODUCTION_SETTINGS}"),
            1,
            "unknown workspace `prodution`",
            "did you mean `production`?",
        ),
        (
            PRODUCTION_SETTINGS.replace("api_key", "api_secret"),
            6,
            "unknown field",
            "did you mean `api_key`?",
        ),
        (
            PRODUCTION_SETTINGS.replace("segments:", "segment:"),
            1,
            "unknown field",
            "did you mean `segments`?",
        ),
        (
            "segments: a\nworkspaces:\n  dev:\n  sandbox: f\n".to_owned(),
            4,
            "`sandbox` is indented too little: `dev` is empty",
            "indent the fields of the workspace below `dev`",
        ),
        (
            with("guards:\n    archive: 30%"),
            8,
            "`archive` is indented too little",
            "below `guards`",
        ),
        (
            with("manages: \"CRM *\""),
            7,
            "expected a list",
            "write it as a list: [\"CRM *\"]",
        ),
    ] {
        assert_one_error(&text, line, [message, help]);
    }
}

#[test]
fn variables_of_other_tools_are_not_secrets() {
    for written in [
        "${KEY:-hunter2}",
        "$KEY",
        "\"${ KEY }\"",
        "\"%KEY%\"",
        "env.KEY",
        "$(KEY)",
        "\"${{ secrets.KEY }}\"",
        "$env:KEY",
    ] {
        for field in ["${KEY}", "${ID}"] {
            let text = PRODUCTION_SETTINGS.replace(field, written);
            let error = assert_one_error(
                &text,
                if field == "${ID}" { 5 } else { 6 },
                ["`${NAME}`", "`${NAME}`, without a default"],
            );
            assert!(
                !error.contains("hunter2") && !error.contains("committed"),
                "{error}"
            );
            assert!(error.contains(codes::OUT_OF_RANGE), "{error}");
        }
    }
}

#[test]
fn the_schema_of_an_editor_is_accepted() {
    let text = format!("$schema: ./schemas/segctl.schema.json\n{PRODUCTION_SETTINGS}");
    assert_eq!(parse_settings(&SourceFile::new("segctl.yaml", text)).1, []);
    assert_one_error(
        &format!("$schema: 1\n{PRODUCTION_SETTINGS}"),
        1,
        ["expected a string", ""],
    );
}

#[test]
fn a_percentage_without_a_percent_sign_gets_a_fix() {
    let text = "segments: a\nworkspaces: {dev: {sandbox: f, guards: {update: 0}}}\n";
    let (read, diagnostics) = parse_settings(&SourceFile::new("segctl.yaml", text));
    assert_eq!(read, None);
    let help: Vec<_> = diagnostics.iter().flat_map(|found| &found.help).collect();
    assert_eq!(help, ["write `0%`"]);
}

#[test]
fn a_variable_without_quotes_in_a_flow_mapping_is_explained() {
    for (written, quoted) in [
        (
            "{data_center: \"01\", workspace_id: w, api_key: ${KEY}}",
            "\"${KEY}\"",
        ),
        (
            "{data_center: \"01\", api_key: ${MY_KEY}, workspace_id: w}",
            "\"${MY_KEY}\"",
        ),
        (
            "{workspace_id: \"${ID}\", api_key: ${KEY:-hunter2}}",
            "\"${NAME}\"",
        ),
        ("{\n    workspace_id: w,\n    api_key: ${KEY},\n  }", "\"${KEY}\""),
        ("{api_key: {command: [pass, ${KEY}]}}", "\"${KEY}\""),
        ("{manages: [${A}, B]}", "\"${A}\""),
    ] {
        let text = format!("segments: s\nworkspaces:\n  prod: {written}\n");
        let line = 3 + written
            .lines()
            .position(|line| line.contains(": $") || line.contains("[$") || line.contains(", $"))
            .unwrap_or(0);
        let line = u32::try_from(line).unwrap_or(0);
        let message = "a variable within `{…}` or `[…]` needs quotes";
        let shown = assert_one_error(&text, line, [message, quoted]);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[cfg(not(feature = "object-store"))]
#[test]
fn object_stores_are_errors_of_their_workspace_only() {
    let text = format!(
        "{PRODUCTION_SETTINGS}    state: s3://team-state/production\n    publish:\n      bucket: gs://lists\n  dev:\n    sandbox: box.json\n"
    );
    let (read, found) = parse_settings(&SourceFile::new("segctl.yaml", text));
    assert_eq!(found, []);
    let read = read.unwrap();
    let lines = |workspace: &str| -> Vec<_> {
        let found = read.workspaces[workspace].unsupported.iter();
        found
            .map(|found| {
                (
                    found.code,
                    found.labels[0].location.line,
                    found.labels[0].location.column,
                )
            })
            .collect()
    };
    assert_eq!(
        lines("production"),
        [(INVALID_STORAGE_URL, 7, 12), (INVALID_STORAGE_URL, 9, 15)]
    );
    assert_eq!(lines("dev"), []);
}
