//! Sources of credentials, and that segctl never prints or stores them.

use super::{Repository, event_segment};
use segctl::sandbox::{SandboxCredentials, SandboxOptions, Server};
use std::fs;
use std::path::Path;

const SECRET_KEY: &str = "canary-7f3a91";

fn settings_with_key(endpoint: &str, api_key: &str) -> String {
    format!(
        "segments: segments/\nworkspaces:\n  live:\n    endpoint: {endpoint}\n    workspace_id: shop\n    api_key: \
         {api_key}\n    db_name: shop_db\n"
    )
}

#[test]
fn a_missing_environment_variable_is_reported_with_help() {
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        settings_with_key("https://api-01.example.com", "${SHOP_KEY}"),
    );
    for arguments in [["plan"].as_slice(), &["apply", "--auto-approve"]] {
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(9), "{}", run.stderr);
        assert!(
            run.stderr.contains("SHOP_KEY") && run.stderr.contains("help"),
            "{}",
            run.stderr
        );
    }
    let run = repository.run(&["plan", "--json"]);
    assert_eq!(
        (run.code, run.stdout_json()["error"]["exit_code"].clone()),
        (Some(9), 9.into())
    );
}

#[test]
fn all_missing_environment_variables_are_reported_at_once() {
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        "segments: segments/\nworkspaces: {live: {data_center: \"01\", workspace_id: \"${SHOP}\", api_key: \"${SHOP_KEY}\", db_name: \
         \"${SHOP_DB}\"}}\n",
    );
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    for (set, expected) in [
        (
            [].as_slice(),
            "environment variables SHOP (`workspace_id`), SHOP_KEY (`api_key`) and SHOP_DB (`db_name`) are not set",
        ),
        (
            &[("SHOP", "shop"), ("SHOP_KEY", "")],
            "environment variables SHOP_KEY (`api_key`) and SHOP_DB (`db_name`) are not set",
        ),
        (
            &[("SHOP", "shop"), ("SHOP_KEY", "key")],
            "environment variable SHOP_DB (`db_name`) is not set",
        ),
    ] {
        let run = repository.run_with_env(&["plan"], set);
        assert_eq!(run.code, Some(9), "{}", run.stderr);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
}

#[test]
fn a_secret_command_below_the_settings_file_is_found_from_anywhere() {
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        settings_with_key("http://127.0.0.1:9", "{command: [./bin/no-key]}"),
    );
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write("sub/x", "");
    let mut command = repository.command(&["plan", "--config", "../segctl.yaml"]);
    command.current_dir(repository.path().join("sub"));
    let missing = super::CommandResult::from_output(&command.output().unwrap());
    assert!(missing.stderr.contains("cannot be run"), "{}", missing.stderr);
    repository.write("bin/no-key", "#!/bin/sh\necho locked >&2\nexit 4\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let program = repository.path().join("bin/no-key");
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        let run = super::CommandResult::from_output(&command.output().unwrap());
        assert_eq!(run.code, Some(9), "{}", run.stderr);
        let expected = "`api_key`: command `./bin/no-key` failed with exit code 4: locked";
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
}

#[test]
fn a_failed_secret_command_is_reported() {
    let repository = Repository::new();
    for command in ["[sh, -c, exit 1]", "[no-such-program-here]"] {
        repository.write(
            "segctl.yaml",
            settings_with_key("https://api-01.example.com", &format!("{{command: {command}}}")),
        );
        let run = repository.run(&["plan"]);
        assert_eq!(run.code, Some(9), "{}", run.stderr);
        assert!(run.stderr.contains("api_key"), "{}", run.stderr);
    }
}

#[test]
fn a_literal_api_key_is_rejected_and_never_printed() {
    let literals = [
        SECRET_KEY.to_owned(),
        format!("\"{SECRET_KEY}"),
        format!("[{SECRET_KEY}]"),
        format!("x${{{SECRET_KEY}}}"),
    ];
    for api_key in &literals {
        let repository = Repository::new();
        repository.write(
            "segctl.yaml",
            settings_with_key("https://api-01.example.com", api_key),
        );
        for arguments in [["validate"].as_slice(), &["plan"], &["validate", "--json"]] {
            let run = repository.run(arguments);
            assert_eq!(run.code, Some(3), "{api_key}: {}", run.stderr);
            assert!(
                !format!("{}{}", run.stdout, run.stderr).contains(SECRET_KEY),
                "{}{}",
                run.stdout,
                run.stderr
            );
        }
        let run = repository.run(&["validate"]);
        assert!(run.stderr.contains("segctl.yaml:"), "{}", run.stderr);
    }
    let repository = Repository::new();
    let text = settings_with_key("https://api-01.example.com", "${K}").replace("api_key", "api_kye");
    repository.write("segctl.yaml", text.replace("${K}", SECRET_KEY));
    let run = repository.run(&["validate"]);
    assert!(
        run.stderr.contains("did you mean `api_key`") && !run.stderr.contains(SECRET_KEY),
        "{}",
        run.stderr
    );
}

fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn the_api_key_is_in_no_output_log_or_file() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mut options = SandboxOptions::standalone("127.0.0.1:0".parse().unwrap());
    options.credentials = Some(SandboxCredentials {
        workspace_id: "shop".to_owned(),
        api_key: SECRET_KEY.to_owned(),
        db_name: "shop_db".to_owned(),
    });
    options.set_switch("rate_limits", "off").unwrap();
    let server = runtime.block_on(Server::start(options)).unwrap();
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        settings_with_key(&format!("http://{}", server.address()), "${SHOP_KEY}"),
    );
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let logged = [
        ("SHOP_KEY", SECRET_KEY),
        ("SEGCTL_LOG", "trace"),
        ("RUST_BACKTRACE", "1"),
    ];
    let mut output = String::new();
    for arguments in [
        ["plan"].as_slice(),
        &["apply", "--auto-approve"],
        &["plan", "--json"],
        &[
            "apply",
            "--auto-approve",
            "--json",
            "--report-file",
            "report.json",
        ],
    ] {
        let run = repository.run_with_env(arguments, &logged);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        output += &(run.stdout + &run.stderr);
    }
    assert!(
        output.contains("answered"),
        "the log contains the requests: {output}"
    );

    let wrong = repository.run_with_env(&["plan"], &[("SHOP_KEY", "wrong-0e11")]);
    assert_eq!(wrong.code, Some(9), "{}", wrong.stderr);
    output += &(wrong.stdout + &wrong.stderr);
    assert!(
        !output.contains(SECRET_KEY) && !output.contains("wrong-0e11"),
        "{output}"
    );
    for file in files_below(repository.path()) {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(SECRET_KEY), "{}", file.display());
    }
    runtime.block_on(server.stop());
}
