//! How many calls a command makes, counted by the service.

use super::{Repository, event_segment};
use segctl::sandbox::{SandboxCredentials, SandboxOptions, Server};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio::runtime::Runtime;

/// A repository whose workspace is a service of its own, which counts.
struct CountingSandbox {
    repository: Repository,
    runtime: Runtime,
    server: Server,
    counted_entries: std::cell::Cell<usize>,
}

const CREDENTIAL_SETTINGS: &str = "workspace_id: shop, api_key: {command: [echo, key-1]}, db_name: db";
const UNLIMITED_RATES: &str = "rate_limits: {list: [100000/s], create: [100000/s], get: [100000/s], update: [100000/s], lifecycle: [100000/s]}";

impl CountingSandbox {
    fn new() -> Self {
        Self::with_switches(&[("rate_limits", "off")], UNLIMITED_RATES)
    }

    /// A service with these switches, and the limits that the workspace is told of.
    fn with_switches(switches: &[(&str, &str)], limits: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut options = SandboxOptions::standalone("127.0.0.1:0".parse().unwrap());
        options.credentials = Some(SandboxCredentials {
            workspace_id: "shop".to_owned(),
            api_key: "key-1".to_owned(),
            db_name: "db".to_owned(),
        });
        for (name, value) in switches {
            options.set_switch(name, value).unwrap();
        }
        let server = runtime.block_on(Server::start(options)).unwrap();
        let repository = Repository::new();
        repository.write(
            "segctl.yaml",
            format!(
                "segments: segments/\nworkspaces: {{shop: {{endpoint: \"http://{}\", {CREDENTIAL_SETTINGS}, {limits}}}}}\n",
                server.address()
            ),
        );
        Self {
            repository,
            runtime,
            server,
            counted_entries: std::cell::Cell::new(0),
        }
    }

    /// Runs a command with the program `echo` in reach; its exit code and the calls that it made, by class.
    fn run_and_count(&self, arguments: &[&str]) -> (Option<i32>, String, BTreeMap<String, usize>) {
        let path = std::env::var("PATH").unwrap_or_default();
        let run = self.repository.run_with_env(arguments, &[("PATH", &path)]);
        let log = self.control_request("GET", "log", "");
        let entries = log.as_array().unwrap();
        let mut calls = BTreeMap::new();
        for entry in &entries[self.counted_entries.replace(entries.len())..] {
            let class = entry["class"].as_str().unwrap_or("none").to_owned();
            *calls.entry(class).or_default() += 1;
        }
        (run.code, run.stdout + &run.stderr, calls)
    }

    fn control_request(&self, method: &str, path: &str, body: &str) -> serde_json::Value {
        let url = format!("http://{}/_sandbox/{path}", self.server.address());
        // Refused when another test was first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .request(method.parse().unwrap(), url)
            .basic_auth("shop", Some("key-1"))
            .body(body.to_owned());
        let text = self
            .runtime
            .block_on(async { request.send().await.unwrap().text().await.unwrap() });
        serde_json::from_str(&text).unwrap()
    }

    /// Makes a segment without segctl.
    fn create_in_dashboard(&self, name: &str) -> String {
        let filter = format!(
            r#"{{"filter_type": "user_attributes", "name": "{name}", "data_type": "bool", "operator": "exists"}}"#
        );
        let group = format!(r#"{{"filter_operator": "and", "filters": [{filter}]}}"#);
        let made = self.control_request(
            "POST",
            "segments",
            &format!(r#"{{"name": "{name}", "included_filters": {group}}}"#),
        );
        made["data"]["id"].as_str().unwrap().to_owned()
    }

    /// Declares so many segments, each in the words of `event`.
    fn declare_segments(&self, count: usize, event: impl Fn(usize) -> String) {
        let mut text = String::new();
        for number in 0..count {
            let _ = write!(
                text,
                "---\n{}",
                event_segment(&format!("S{number}"), &event(number))
            );
        }
        self.repository.write("segments/all.yaml", text);
    }
}

fn total_requests(calls: &BTreeMap<String, usize>) -> usize {
    calls.values().sum()
}

fn count_of_class(calls: &BTreeMap<String, usize>, class: &str) -> usize {
    calls.get(class).copied().unwrap_or(0)
}

#[test]
fn a_plan_reads_managed_segments_once_and_then_only_a_part() {
    const MANAGED: usize = 300;
    let shop = CountingSandbox::new();
    for number in 0..20 {
        shop.create_in_dashboard(&format!("hand{number}"));
    }
    shop.declare_segments(MANAGED, |number| format!("event_{number}"));
    let (code, said, calls) = shop.run_and_count(&["apply", "--auto-approve"]);
    assert_eq!(code, Some(0), "{said}");
    // The definitions of others are read, since some are about to be stored.
    assert_eq!(
        (
            count_of_class(&calls, "create"),
            count_of_class(&calls, "get"),
            count_of_class(&calls, "list")
        ),
        (MANAGED, 20, 1)
    );

    std::fs::remove_file(shop.repository.path().join(".segctl/shop/snapshot.json")).unwrap();
    let (code, said, calls) = shop.run_and_count(&["plan", "--detailed-exitcode"]);
    assert_eq!(
        (
            code,
            count_of_class(&calls, "list"),
            count_of_class(&calls, "get")
        ),
        (Some(0), 1, MANAGED),
        "{said}"
    );

    let (code, said, calls) = shop.run_and_count(&["plan", "--detailed-exitcode"]);
    assert_eq!((code, total_requests(&calls)), (Some(0), 13), "{said}");
    let (_, _, calls) = shop.run_and_count(&["plan", "--refresh", "none"]);
    assert_eq!(total_requests(&calls), 1);
    let (_, _, calls) = shop.run_and_count(&["plan", "--refresh", "full"]);
    assert_eq!(total_requests(&calls), 1 + MANAGED);

    // Seven changes, after their plan: the others' definitions are read once more, as the snapshot was lost.
    const CHANGED: usize = 7;
    shop.declare_segments(MANAGED, |number| {
        let edit = if number < CHANGED { "changed" } else { "event" };
        format!("{edit}_{number}")
    });
    let (_, said, calls) = shop.run_and_count(&["plan", "--out", "plan.json"]);
    assert_eq!(count_of_class(&calls, "get"), 12 + 20, "{said}");
    let (code, said, calls) = shop.run_and_count(&["apply", "--auto-approve"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(total_requests(&calls) <= 2 + 2 * CHANGED, "{calls:?}");
    let (code, _, calls) = shop.run_and_count(&["apply", "plan.json"]);
    // What the plan wanted is there by now.
    assert_eq!((code, total_requests(&calls)), (Some(5), 1 + CHANGED));
    let (_, said, calls) = shop.run_and_count(&["plan"]);
    assert!(total_requests(&calls) <= 13, "{said}");

    // Without a plan before it, too.
    shop.declare_segments(MANAGED, |number| {
        let edit = if number < 10 { "again" } else { "event" };
        format!("{edit}_{number}")
    });
    let (code, said, calls) = shop.run_and_count(&["apply", "--auto-approve"]);
    assert_eq!((code, count_of_class(&calls, "update")), (Some(0), 10), "{said}");
    assert!(total_requests(&calls) <= 2 + 2 * 10, "{calls:?}");
}

#[test]
fn adopted_segments_are_not_read_again() {
    const MANAGED: usize = 30;
    let shop = CountingSandbox::new();
    shop.declare_segments(MANAGED, |number| format!("event_{number}"));
    shop.run_and_count(&["apply", "--auto-approve"]);
    std::fs::remove_dir_all(shop.repository.path().join(".segctl/shop")).unwrap();
    let (code, said, calls) = shop.run_and_count(&["apply", "--auto-approve"]);
    assert_eq!((code, total_requests(&calls)), (Some(0), 1 + MANAGED), "{said}");
    let (code, said, calls) = shop.run_and_count(&["plan", "--detailed-exitcode"]);
    assert_eq!((code, total_requests(&calls)), (Some(0), 13), "{said}");
    for (command, expected) in [(["ledger", "rebuild"], 1 + MANAGED), (["plan", "--json"], 13)] {
        let (code, said, calls) = shop.run_and_count(&command);
        assert_eq!((code, total_requests(&calls)), (Some(0), expected), "{said}");
    }
}

#[test]
fn a_saved_plan_makes_the_estimated_number_of_requests() {
    let shop = CountingSandbox::new();
    shop.declare_segments(5, |number| format!("event_{number}"));
    shop.run_and_count(&["apply", "--auto-approve"]);
    shop.declare_segments(5, |number| format!("other_{number}"));
    let (_, said, _) = shop.run_and_count(&["plan", "--max-updates", "100", "--out", "plan.json"]);
    assert!(said.contains("11 calls: list 1, get 5, update 5."), "{said}");
    let (code, said, calls) = shop.run_and_count(&["apply", "plan.json"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        (
            total_requests(&calls),
            count_of_class(&calls, "get"),
            count_of_class(&calls, "update")
        ),
        (11, 5, 5)
    );
}

#[test]
fn a_saved_plan_reads_only_new_segments_that_may_conflict() {
    let shop = CountingSandbox::new();
    for number in 0..9 {
        shop.create_in_dashboard(&format!("hand{number}"));
    }
    shop.declare_segments(3, |number| format!("event_{number}"));
    shop.run_and_count(&["apply", "--auto-approve"]);
    shop.declare_segments(3, |number| format!("other_{number}"));
    shop.run_and_count(&["plan", "--max-updates", "100", "--out", "plan.json"]);
    for number in 9..11 {
        shop.create_in_dashboard(&format!("hand{number}"));
    }
    let (code, said, calls) = shop.run_and_count(&["apply", "plan.json"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        (
            count_of_class(&calls, "list"),
            count_of_class(&calls, "get"),
            count_of_class(&calls, "update")
        ),
        (1, 3 + 2, 3),
        "{said}"
    );

    // What is only put away clashes with nobody.
    shop.declare_segments(2, |number| format!("other_{number}"));
    shop.run_and_count(&["plan", "--max-archives", "100", "--out", "archives.json"]);
    shop.create_in_dashboard("hand11");
    let (code, said, calls) = shop.run_and_count(&["apply", "archives.json"]);
    assert_eq!((code, total_requests(&calls)), (Some(0), 3), "{said}");
}

#[test]
fn a_rename_reads_no_unmanaged_definitions() {
    let shop = CountingSandbox::new();
    for number in 0..20 {
        shop.create_in_dashboard(&format!("hand{number}"));
    }
    shop.declare_segments(3, |number| format!("event_{number}"));
    shop.run_and_count(&["apply", "--auto-approve"]);
    std::fs::remove_file(shop.repository.path().join(".segctl/shop/snapshot.json")).unwrap();
    let files = shop.repository.read("segments/all.yaml");
    let renamed = files.replace("name: S0\n", "name: Renamed\nprevious_names: [S0]\n");
    shop.repository.write("segments/all.yaml", renamed);
    let (code, said, calls) = shop.run_and_count(&["apply", "--auto-approve"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("name \"S0\" -> \"Renamed\""), "{said}");
    // The three that are managed, and the one that is written to once more.
    assert_eq!(
        (
            count_of_class(&calls, "list"),
            count_of_class(&calls, "get"),
            count_of_class(&calls, "update")
        ),
        (1, 3 + 1, 1),
        "{said}"
    );

    // With a definition of its own it may clash with any of them.
    let (renamed, edited) = (shop.repository.read("segments/all.yaml"), "edited");
    shop.repository
        .write("segments/all.yaml", renamed.replace("event_0", edited));
    let (_, said, calls) = shop.run_and_count(&["plan", "--refresh", "none"]);
    assert_eq!(
        (count_of_class(&calls, "list"), count_of_class(&calls, "get")),
        (1, 20),
        "{said}"
    );
}

#[test]
fn lists_and_creates_share_a_rate_limit_until_a_response_proves_otherwise() {
    const SHARED_LIMIT_TEXT: &str = "50/min list and create together";
    const SEPARATE_LIMIT_TEXT: &str = "50/min creates";
    let said_of_60 = |shop: &CountingSandbox| {
        shop.declare_segments(60, |number| format!("event_{number}"));
        let (code, said, _) = shop.run_and_count(&["plan"]);
        assert_eq!(code, Some(0), "{said}");
        said
    };
    let after_a_create = |shared: &str| {
        let shop = CountingSandbox::with_switches(&[("list_create_share_window", shared)], "rate_limits: {}");
        shop.declare_segments(1, |number| format!("event_{number}"));
        let (code, said, _) = shop.run_and_count(&["apply", "--auto-approve"]);
        assert_eq!(code, Some(0), "{said}");
        said_of_60(&shop)
    };
    for shared in ["true", "false"] {
        let shop = CountingSandbox::with_switches(&[("list_create_share_window", shared)], "rate_limits: {}");
        let said = said_of_60(&shop);
        assert!(
            said.contains(&format!(
                "61 calls: list 1, create 60. {SHARED_LIMIT_TEXT}, 49 left this minute"
            )),
            "{shared}: {said}"
        );
    }
    let said = after_a_create("true");
    assert!(said.contains(SHARED_LIMIT_TEXT), "{said}");
    // Only answers about windows that end in the same second prove anything.
    let proves = |_| after_a_create("false").contains(SEPARATE_LIMIT_TEXT);
    assert!((0..8).any(proves));
}

#[test]
fn an_offline_plan_makes_no_requests_and_needs_no_credentials() {
    let shop = CountingSandbox::new();
    shop.declare_segments(3, |number| format!("event_{number}"));
    let (code, said, calls) = shop.run_and_count(&["plan", "--offline"]);
    assert_eq!((code, total_requests(&calls)), (Some(1), 0));
    assert!(said.contains("nothing was seen of this workspace yet"), "{said}");
    shop.run_and_count(&["apply", "--auto-approve"]);
    shop.declare_segments(4, |number| format!("event_{number}"));
    // Neither the program nor the variable that would give the key is there.
    let settings = shop.repository.read("segctl.yaml");
    let settings = settings.replace("{command: [echo, key-1]}", "\"${NOBODY_SETS_THIS}\"");
    shop.repository.write("segctl.yaml", settings);
    let (code, said, calls) = shop.run_and_count(&["plan", "--offline", "--detailed-exitcode"]);
    assert_eq!((code, total_requests(&calls)), (Some(2), 0), "{said}");
    assert!(
        said.contains("+ create \"S3\"") && said.contains("1 to create"),
        "{said}"
    );
    assert_eq!(shop.run_and_count(&["plan"]).0, Some(9));
}

#[test]
fn a_damaged_cache_only_costs_requests() {
    let shop = CountingSandbox::new();
    shop.declare_segments(3, |number| format!("event_{number}"));
    shop.run_and_count(&["apply", "--auto-approve"]);
    for file in ["snapshot.json", "requests.jsonl"] {
        shop.repository
            .write(&format!(".segctl/shop/{file}"), "{\"format_version\": 1");
    }
    let (code, said, calls) = shop.run_and_count(&["plan", "--detailed-exitcode", "--refresh", "none"]);
    assert_eq!((code, total_requests(&calls)), (Some(0), 4), "{said}");
    assert!(said.contains("snapshot.json"), "{said}");
    let (_, said, calls) = shop.run_and_count(&["plan", "--refresh", "none"]);
    assert_eq!((total_requests(&calls), said.as_str()), (1, "No changes.\n"));
}

#[test]
fn an_outdated_cache_never_causes_a_wrong_write() {
    let shop = CountingSandbox::new();
    shop.declare_segments(1, |_| "event".to_owned());
    shop.run_and_count(&["apply", "--auto-approve"]);
    let log = shop.control_request("GET", "state", "");
    let id = log["segments"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    let edit = format!(
        r#"{{"id": "{id}", "included_filters": {{"filter_operator": "and", "filters": [{{"filter_type": "user_attributes", "name": "x", "data_type": "bool", "operator": "exists"}}]}}}}"#
    );
    shop.control_request("POST", "segments", &edit);
    shop.declare_segments(1, |_| "other".to_owned());
    let (code, said, _) = shop.run_and_count(&["apply", "--auto-approve", "--refresh", "none"]);
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("not as the plan saw it"), "{said}");
    let (code, said, _) = shop.run_and_count(&["apply", "--auto-approve", "--refresh", "full"]);
    assert_eq!(code, Some(0), "{said}");
}
