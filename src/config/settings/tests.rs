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
        "default_workspace: dev\n{PRODUCTION_SETTINGS}    ledger: .ledger\n    time_zone: Asia/Kolkata\n    rate_limits: {{get: [10/s]}}\n    service: {{list_shows_archived: true}}\n  dev:\n    sandbox: box.json\n"
    );
    let (read, diagnostics) = parse_settings(&SourceFile::new("segctl.yaml", text));
    assert_eq!(diagnostics, []);
    let read = read.unwrap();
    assert_eq!(read.segments, ["segments/"]);
    let production = &read.workspaces["production"];
    assert_eq!(
        production.state,
        Some(StateLocation::Directory(".ledger".to_owned()))
    );
    assert!(production.policy.api_behavior.list_shows_archived);
    assert_eq!(production.rate_limits[0].windows[0].0, "10/s");
    let ConnectionSettings::MoEngage {
        endpoint, api_key, ..
    } = &production.connection
    else {
        panic!("a service")
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
        let said = format!(
            "{} {:?} {:?}",
            diagnostics[0].message, diagnostics[0].help, diagnostics[0].labels
        );
        assert!(
            !said.contains("hunter2") && !said.contains("1234567890"),
            "{said}"
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
        (
            &format!("{PRODUCTION_SETTINGS}    time_zone: Mars/Olympus\n"),
            vec![(codes::UNKNOWN_KEYWORD, 7)],
        ),
        (
            &format!("{PRODUCTION_SETTINGS}    ledger: s3://key:hunter2@bucket/prefix\n"),
            vec![(INVALID_STORAGE_URL, 7)],
        ),
        (
            &format!("{PRODUCTION_SETTINGS}    publish: {{bucket: s3://key:hunter2@bucket/prefix}}\n"),
            vec![(INVALID_STORAGE_URL, 7)],
        ),
        (
            &format!("{PRODUCTION_SETTINGS}    publish: {{bucket: s3://bucket, directory: web}}\n"),
            vec![(codes::UNKNOWN_FIELD, 7)],
        ),
        (
            &format!("{PRODUCTION_SETTINGS}    rate_limits: {{gets: [1/s]}}\n"),
            vec![(codes::UNKNOWN_FIELD, 7)],
        ),
        (
            &format!("{PRODUCTION_SETTINGS}    api_key2: x\n"),
            vec![(codes::UNKNOWN_FIELD, 7)],
        ),
        (
            &format!(
                "{PRODUCTION_SETTINGS}    callbacks: {{url: \"http://hooks.example\", token: \"${{T}}\"}}\n"
            ),
            vec![(codes::OUT_OF_RANGE, 7)],
        ),
        (
            &format!(
                "{PRODUCTION_SETTINGS}    callbacks: {{url: \"https://hooks.example/?a\", token: \"${{T}}\"}}\n"
            ),
            vec![(codes::OUT_OF_RANGE, 7)],
        ),
        (
            &format!(
                "{PRODUCTION_SETTINGS}    callbacks: {{url: \"https://hooks.example\", token: hunter2}}\n"
            ),
            vec![(LITERAL_SECRET, 7)],
        ),
        (
            &format!(
                "{PRODUCTION_SETTINGS}    callbacks: {{url: \"https://hooks.example\", token: \"${{T}}\", listen: 8080}}\n"
            ),
            vec![(codes::WRONG_TYPE, 7)],
        ),
        (
            &format!(
                "{PRODUCTION_SETTINGS}    callbacks: {{url: \"https://hooks.example\", token: \"${{T}}\", listen: here}}\n"
            ),
            vec![(codes::OUT_OF_RANGE, 7)],
        ),
        (
            &format!("{PRODUCTION_SETTINGS}    callbacks: {{listen: \"0.0.0.0:1\"}}\n"),
            vec![(codes::MISSING_FIELD, 7), (codes::MISSING_FIELD, 7)],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(diagnostic_codes(text), expected, "{text}");
    }
}

#[test]
fn a_percentage_without_a_percent_sign_gets_a_fix() {
    let text = "segments: a\nworkspaces: {dev: {sandbox: f, guards: {update: 0}}}\n";
    let (read, diagnostics) = parse_settings(&SourceFile::new("segctl.yaml", text));
    assert_eq!(read, None);
    let help: Vec<_> = diagnostics.iter().flat_map(|found| &found.help).collect();
    assert_eq!(help, ["write `0%`"]);
}
