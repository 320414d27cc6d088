//! Credentials: where they come from, and that they go nowhere.

use super::{Repository, segment};
use segctl::sandbox::{Credentials, Options, Server};
use std::fs;
use std::path::Path;

const CANARY: &str = "canary-7f3a91";

fn settings(endpoint: &str, api_key: &str) -> String {
    format!(
        "segments: segments/\nworkspaces:\n  live:\n    endpoint: {endpoint}\n    workspace_id: shop\n    api_key: \
         {api_key}\n    db_name: shop_db\n"
    )
}

#[test]
fn a_missing_variable_is_named_with_the_cure() {
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        settings("https://api-01.example.com", "${SHOP_KEY}"),
    );
    for arguments in [["plan"].as_slice(), &["apply", "--auto-approve"]] {
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(9), "{}", run.err);
        assert!(
            run.err.contains("SHOP_KEY") && run.err.contains("help"),
            "{}",
            run.err
        );
    }
    let run = repository.run(&["plan", "--json"]);
    assert_eq!(
        (run.code, run.json()["error"]["exit_code"].clone()),
        (Some(9), 9.into())
    );
}

#[test]
fn a_command_that_gives_nothing_is_named() {
    let repository = Repository::new();
    for command in ["[sh, -c, exit 1]", "[no-such-program-here]"] {
        repository.write(
            "segctl.yaml",
            settings("https://api-01.example.com", &format!("{{command: {command}}}")),
        );
        let run = repository.run(&["plan"]);
        assert_eq!(run.code, Some(9), "{}", run.err);
        assert!(run.err.contains("api_key"), "{}", run.err);
    }
}

#[test]
fn a_literal_key_is_refused_and_never_repeated() {
    let written = [
        CANARY.to_owned(),
        format!("\"{CANARY}"),
        format!("[{CANARY}]"),
        format!("x${{{CANARY}}}"),
    ];
    for api_key in &written {
        let repository = Repository::new();
        repository.write("segctl.yaml", settings("https://api-01.example.com", api_key));
        for arguments in [["validate"].as_slice(), &["plan"], &["validate", "--json"]] {
            let run = repository.run(arguments);
            assert_eq!(run.code, Some(3), "{api_key}: {}", run.err);
            assert!(
                !format!("{}{}", run.out, run.err).contains(CANARY),
                "{}{}",
                run.out,
                run.err
            );
        }
        let run = repository.run(&["validate"]);
        assert!(run.err.contains("segctl.yaml:"), "{}", run.err);
    }
    let repository = Repository::new();
    let text = settings("https://api-01.example.com", "${K}").replace("api_key", "api_kye");
    repository.write("segctl.yaml", text.replace("${K}", CANARY));
    let run = repository.run(&["validate"]);
    assert!(
        run.err.contains("did you mean `api_key`") && !run.err.contains(CANARY),
        "{}",
        run.err
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
fn the_key_is_in_no_output_log_or_file() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mut options = Options::standalone("127.0.0.1:0".parse().unwrap());
    options.credentials = Some(Credentials {
        workspace_id: "shop".to_owned(),
        api_key: CANARY.to_owned(),
        db_name: "shop_db".to_owned(),
    });
    options.set("rate_limits", "off").unwrap();
    let server = runtime.block_on(Server::start(options)).unwrap();
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        settings(&format!("http://{}", server.address()), "${SHOP_KEY}"),
    );
    repository.write("segments/a.yaml", segment("A", "buy"));
    let logged = [
        ("SHOP_KEY", CANARY),
        ("SEGCTL_LOG", "trace"),
        ("RUST_BACKTRACE", "1"),
    ];
    let mut said = String::new();
    for arguments in [
        ["plan"].as_slice(),
        &["apply", "--auto-approve"],
        &["plan", "--json"],
        &[
            "apply",
            "--auto-approve",
            "--json",
            "--receipt-into",
            "receipt.json",
        ],
    ] {
        let run = repository.run_with(arguments, &logged);
        assert_eq!(run.code, Some(0), "{}", run.err);
        said += &(run.out + &run.err);
    }
    assert!(said.contains("answered"), "the log has the calls: {said}");

    let wrong = repository.run_with(&["plan"], &[("SHOP_KEY", "wrong-0e11")]);
    assert_eq!(wrong.code, Some(9), "{}", wrong.err);
    said += &(wrong.out + &wrong.err);
    assert!(!said.contains(CANARY) && !said.contains("wrong-0e11"), "{said}");
    for file in files_below(repository.path()) {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(CANARY), "{}", file.display());
    }
    runtime.block_on(server.stop());
}
