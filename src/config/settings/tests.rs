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

#[test]
fn a_percentage_without_a_percent_sign_gets_a_fix() {
    let text = "segments: a\nworkspaces: {dev: {sandbox: f, guards: {update: 0}}}\n";
    let (read, diagnostics) = parse_settings(&SourceFile::new("segctl.yaml", text));
    assert_eq!(read, None);
    let help: Vec<_> = diagnostics.iter().flat_map(|found| &found.help).collect();
    assert_eq!(help, ["write `0%`"]);
}
