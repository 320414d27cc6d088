//! How many API requests a command sends, counted by the sandbox.

use super::{Repository, event_segment};
use segctl::sandbox::{SandboxCredentials, SandboxOptions, Server};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio::runtime::Runtime;

/// A repository whose workspace is a sandbox with a request log.
pub(super) struct CountingSandbox {
    pub(super) repository: Repository,
    pub(super) runtime: Runtime,
    server: Server,
    counted_entries: std::cell::Cell<usize>,
}

const CREDENTIAL_SETTINGS: &str = "workspace_id: shop, api_key: {command: [echo, key-1]}, db_name: db";
const UNLIMITED_RATES: &str = "rate_limits: {list: [100000/s], create: [100000/s], get: [100000/s], update: [100000/s], lifecycle: [100000/s]}";

impl CountingSandbox {
    fn new() -> Self {
        Self::with_switches(&[("rate_limits", "off")], UNLIMITED_RATES)
    }

    /// `limits` are the rate limits in segctl.yaml.
    pub(super) fn with_switches(switches: &[(&str, &str)], limits: &str) -> Self {
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

    /// Runs a command with `PATH`, since the secret command is `echo`. Returns the exit code, the output, and the number
    /// of requests by class.
    pub(super) fn run_and_count(&self, arguments: &[&str]) -> (Option<i32>, String, BTreeMap<String, usize>) {
        let path = std::env::var("PATH").unwrap_or_default();
        let run = self.repository.run_with_env(arguments, &[("PATH", &path)]);
        let log = self.control_request("GET", "log", "");
        let entries = log.as_array().unwrap();
        let mut requests = BTreeMap::new();
        for entry in &entries[self.counted_entries.replace(entries.len())..] {
            let class = entry["class"].as_str().unwrap_or("none").to_owned();
            *requests.entry(class).or_default() += 1;
        }
        (run.code, run.stdout + &run.stderr, requests)
    }

    pub(super) fn control_request(&self, method: &str, path: &str, body: &str) -> serde_json::Value {
        let url = format!("http://{}/_sandbox/{path}", self.server.address());
        // Fails if another test has installed a provider.
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

    /// Creates a segment outside segctl.
    fn create_in_dashboard(&self, name: &str) -> String {
        let filter = format!(
            r#"{{"filter_type": "user_attributes", "name": "{name}", "data_type": "bool", "operator": "exists"}}"#
        );
        let group = format!(r#"{{"filter_operator": "and", "filters": [{filter}]}}"#);
        let created = self.control_request(
            "POST",
            "segments",
            &format!(r#"{{"name": "{name}", "included_filters": {group}}}"#),
        );
        created["data"]["id"].as_str().unwrap().to_owned()
    }

    /// Declares `count` segments. `event` gives the event name of each.
    pub(super) fn declare_segments(&self, count: usize, event: impl Fn(usize) -> String) {
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

pub(super) fn total_requests(requests: &BTreeMap<String, usize>) -> usize {
    requests.values().sum()
}

pub(super) fn count_of_class(requests: &BTreeMap<String, usize>, class: &str) -> usize {
    requests.get(class).copied().unwrap_or(0)
}

#[test]
fn a_plan_reads_managed_segments_once_and_then_only_a_part() {
    const MANAGED: usize = 300;
    let shop = CountingSandbox::new();
    for number in 0..20 {
        shop.create_in_dashboard(&format!("dashboard{number}"));
    }
    shop.declare_segments(MANAGED, |number| format!("event_{number}"));
    let (code, output, requests) = shop.run_and_count(&["apply", "--auto-approve"]);
    assert_eq!(code, Some(0), "{output}");
    // A create may conflict with an unmanaged definition, so segctl reads all of them.
    assert_eq!(
        (
            count_of_class(&requests, "create"),
            count_of_class(&requests, "get"),
            count_of_class(&requests, "list")
        ),
        (MANAGED, 20, 1)
    );

    std::fs::remove_file(shop.repository.path().join(".segctl/shop/cache.json")).unwrap();
    let (code, output, requests) = shop.run_and_count(&["plan", "--detailed-exitcode"]);
    assert_eq!(
        (
            code,
            count_of_class(&requests, "list"),
            count_of_class(&requests, "get")
        ),
        (Some(0), 1, MANAGED),
        "{output}"
    );

    let (code, output, requests) =
        shop.run_and_count(&["plan", "--detailed-exitcode", "--refresh", "partial"]);
    assert_eq!((code, total_requests(&requests)), (Some(0), 13), "{output}");
    let (_, _, requests) = shop.run_and_count(&["plan", "--refresh", "none"]);
    assert_eq!(total_requests(&requests), 1);
    let (_, _, requests) = shop.run_and_count(&["plan", "--refresh", "full"]);
    assert_eq!(total_requests(&requests), 1 + MANAGED);

    // Seven changes: the plan re-reads the unmanaged definitions, because the cache was lost.
    const CHANGED: usize = 7;
    shop.declare_segments(MANAGED, |number| {
        let edit = if number < CHANGED { "changed" } else { "event" };
        format!("{edit}_{number}")
    });
    let (_, output, requests) = shop.run_and_count(&["plan", "--refresh", "partial", "--out", "plan.json"]);
    // Also the targets of the changes, of which some may be among the oldest.
    let gets = count_of_class(&requests, "get");
    assert!((12 + 20..=12 + 20 + CHANGED).contains(&gets), "{gets} {output}");
    let (code, output, requests) = shop.run_and_count(&["apply", "--auto-approve", "--refresh", "none"]);
    assert_eq!(code, Some(0), "{output}");
    assert!(total_requests(&requests) <= 2 + 2 * CHANGED, "{requests:?}");
    let (code, _, requests) = shop.run_and_count(&["apply", "plan.json"]);
    // The workspace already has the changes of the saved plan, so it is stale.
    assert_eq!((code, total_requests(&requests)), (Some(5), 1 + CHANGED));
    let (_, output, requests) = shop.run_and_count(&["plan", "--refresh", "partial"]);
    assert!(total_requests(&requests) <= 13 + CHANGED, "{output}");

    // An apply without a plan before it sends no more requests.
    shop.declare_segments(MANAGED, |number| {
        let edit = if number < 10 { "edited" } else { "event" };
        format!("{edit}_{number}")
    });
    let (code, output, requests) = shop.run_and_count(&["apply", "--auto-approve", "--refresh", "none"]);
    assert_eq!(
        (code, count_of_class(&requests, "update")),
        (Some(0), 10),
        "{output}"
    );
    assert!(total_requests(&requests) <= 2 + 2 * 10, "{requests:?}");

    // Without rate limits nothing has to wait, so everything is re-read by default: the targets once.
    shop.declare_segments(MANAGED, |number| format!("event_{number}"));
    let (code, output, requests) = shop.run_and_count(&["apply", "--auto-approve"]);
    assert_eq!(
        (
            code,
            count_of_class(&requests, "get"),
            count_of_class(&requests, "update")
        ),
        (Some(0), MANAGED, 10),
        "{output}"
    );
}

#[test]
fn adopted_segments_are_not_read_again() {
    const MANAGED: usize = 30;
    let shop = CountingSandbox::new();
    shop.declare_segments(MANAGED, |number| format!("event_{number}"));
    shop.run_and_count(&["apply", "--auto-approve"]);
    std::fs::remove_dir_all(shop.repository.path().join(".segctl/shop")).unwrap();
    let (code, output, requests) = shop.run_and_count(&["apply", "--auto-approve"]);
    assert_eq!(
        (code, total_requests(&requests)),
        (Some(0), 1 + MANAGED),
        "{output}"
    );
    let (code, output, requests) =
        shop.run_and_count(&["plan", "--detailed-exitcode", "--refresh", "partial"]);
    assert_eq!((code, total_requests(&requests)), (Some(0), 13), "{output}");
    for (command, expected) in [
        (["state", "rebuild"].as_slice(), 1 + MANAGED),
        (&["plan", "--json", "--refresh", "partial"], 13),
    ] {
        let (code, output, requests) = shop.run_and_count(command);
        assert_eq!((code, total_requests(&requests)), (Some(0), expected), "{output}");
    }
}

#[test]
fn a_saved_plan_makes_the_estimated_number_of_requests() {
    let shop = CountingSandbox::new();
    shop.declare_segments(5, |number| format!("event_{number}"));
    shop.run_and_count(&["apply", "--auto-approve"]);
    shop.declare_segments(5, |number| format!("other_{number}"));
    let (_, output, _) = shop.run_and_count(&["plan", "--max-updates", "100", "--out", "plan.json"]);
    assert!(
        output.contains("API requests: 11 (list 1, get 5, update 5)."),
        "{output}"
    );
    let (code, output, requests) = shop.run_and_count(&["apply", "plan.json"]);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(
        (
            total_requests(&requests),
            count_of_class(&requests, "get"),
            count_of_class(&requests, "update")
        ),
        (11, 5, 5)
    );
}

#[test]
fn a_saved_plan_reads_only_new_segments_that_may_conflict() {
    let shop = CountingSandbox::new();
    for number in 0..9 {
        shop.create_in_dashboard(&format!("dashboard{number}"));
    }
    shop.declare_segments(3, |number| format!("event_{number}"));
    shop.run_and_count(&["apply", "--auto-approve"]);
    shop.declare_segments(3, |number| format!("other_{number}"));
    shop.run_and_count(&["plan", "--max-updates", "100", "--out", "plan.json"]);
    for number in 9..11 {
        shop.create_in_dashboard(&format!("dashboard{number}"));
    }
    let (code, output, requests) = shop.run_and_count(&["apply", "plan.json"]);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(
        (
            count_of_class(&requests, "list"),
            count_of_class(&requests, "get"),
            count_of_class(&requests, "update")
        ),
        (1, 3 + 2, 3),
        "{output}"
    );

    // An archive cannot conflict with a new segment.
    shop.declare_segments(2, |number| format!("other_{number}"));
    shop.run_and_count(&["plan", "--max-archives", "100", "--out", "archives.json"]);
    shop.create_in_dashboard("dashboard11");
    let (code, output, requests) = shop.run_and_count(&["apply", "archives.json"]);
    assert_eq!((code, total_requests(&requests)), (Some(0), 3), "{output}");
}

#[test]
fn a_rename_reads_no_unmanaged_definitions() {
    let shop = CountingSandbox::new();
    for number in 0..20 {
        shop.create_in_dashboard(&format!("dashboard{number}"));
    }
    shop.declare_segments(3, |number| format!("event_{number}"));
    shop.run_and_count(&["apply", "--auto-approve"]);
    std::fs::remove_file(shop.repository.path().join(".segctl/shop/cache.json")).unwrap();
    let files = shop.repository.read("segments/all.yaml");
    let renamed = files.replace("name: S0\n", "name: Renamed\nprevious_names: [S0]\n");
    shop.repository.write("segments/all.yaml", renamed);
    let (code, output, requests) = shop.run_and_count(&["apply", "--auto-approve"]);
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("name \"S0\" -> \"Renamed\""), "{output}");
    // segctl reads the three managed segments, and not the renamed one again before the write.
    assert_eq!(
        (
            count_of_class(&requests, "list"),
            count_of_class(&requests, "get"),
            count_of_class(&requests, "update")
        ),
        (1, 3, 1),
        "{output}"
    );

    // A new definition may conflict with any unmanaged definition.
    let (renamed, edited) = (shop.repository.read("segments/all.yaml"), "edited");
    shop.repository
        .write("segments/all.yaml", renamed.replace("event_0", edited));
    let (_, output, requests) = shop.run_and_count(&["plan", "--refresh", "none"]);
    assert_eq!(
        (
            count_of_class(&requests, "list"),
            count_of_class(&requests, "get")
        ),
        (1, 20),
        "{output}"
    );
}

#[test]
fn lists_and_creates_have_separate_rate_limits_until_a_response_shows_otherwise() {
    const SHARED_LIMIT_TEXT: &str = "Rate limit: 50 list+create requests per minute";
    const SEPARATE_LIMIT_TEXT: &str = "50 create requests per minute";
    let plan_of_60_creates = |shop: &CountingSandbox| {
        shop.declare_segments(60, |number| format!("event_{number}"));
        let (code, output, _) = shop.run_and_count(&["plan"]);
        assert_eq!(code, Some(0), "{output}");
        output
    };
    let after_a_create = |shared: &str| {
        let shop = CountingSandbox::with_switches(&[("list_create_share_window", shared)], "rate_limits: {}");
        shop.declare_segments(1, |number| format!("event_{number}"));
        let (code, output, _) = shop.run_and_count(&["apply", "--auto-approve"]);
        assert_eq!(code, Some(0), "{output}");
        let note = "MoEngage counts list and create requests together";
        assert_eq!(output.contains(note), shared == "true", "{shared}: {output}");
        plan_of_60_creates(&shop)
    };
    for shared in ["true", "false"] {
        let shop = CountingSandbox::with_switches(&[("list_create_share_window", shared)], "rate_limits: {}");
        let output = plan_of_60_creates(&shop);
        assert!(
            output.contains(&format!(
                "API requests: 61 (list 1, create 60). Rate limit: {SEPARATE_LIMIT_TEXT}, 50 left."
            )),
            "{shared}: {output}"
        );
    }
    let output = after_a_create("true");
    assert!(output.contains(SHARED_LIMIT_TEXT), "{output}");
    let output = after_a_create("false");
    assert!(output.contains(SEPARATE_LIMIT_TEXT), "{output}");
}

#[test]
fn an_offline_plan_makes_no_requests_and_needs_no_credentials() {
    let shop = CountingSandbox::new();
    shop.declare_segments(3, |number| format!("event_{number}"));
    let (code, output, requests) = shop.run_and_count(&["plan", "--offline"]);
    assert_eq!((code, total_requests(&requests)), (Some(1), 0));
    assert!(output.contains("no cached data for workspace `shop`"), "{output}");
    shop.run_and_count(&["apply", "--auto-approve"]);
    shop.declare_segments(4, |number| format!("event_{number}"));
    // The variable with the key is not set, so a request is impossible.
    let settings = shop.repository.read("segctl.yaml");
    let settings = settings.replace("{command: [echo, key-1]}", "\"${UNSET_KEY}\"");
    shop.repository.write("segctl.yaml", settings);
    let (code, output, requests) = shop.run_and_count(&["plan", "--offline", "--detailed-exitcode"]);
    assert_eq!((code, total_requests(&requests)), (Some(2), 0), "{output}");
    assert!(
        output.contains("+ create \"S3\"") && output.contains("1 to create"),
        "{output}"
    );
    assert_eq!(shop.run_and_count(&["plan"]).0, Some(9));
}

#[test]
fn a_damaged_cache_only_costs_requests() {
    let shop = CountingSandbox::new();
    shop.declare_segments(3, |number| format!("event_{number}"));
    shop.run_and_count(&["apply", "--auto-approve"]);
    for file in ["cache.json", "requests/0.json"] {
        shop.repository
            .write(&format!(".segctl/shop/{file}"), "{\"format_version\": 1");
    }
    let (code, output, requests) = shop.run_and_count(&["plan", "--detailed-exitcode", "--refresh", "none"]);
    assert_eq!((code, total_requests(&requests)), (Some(0), 4), "{output}");
    assert!(output.contains("cache.json"), "{output}");
    let (_, output, requests) = shop.run_and_count(&["plan", "--refresh", "none"]);
    let no_changes = format!(
        "Workspace: shop (http://{})\n\nNo changes in the 0 segments checked; 3 not re-read (oldest under 1 min; \
         --refresh=full reads all).\n",
        shop.server.address()
    );
    assert_eq!((total_requests(&requests), output), (1, no_changes));
}

#[test]
fn an_outdated_cache_never_causes_a_wrong_write() {
    let shop = CountingSandbox::new();
    shop.declare_segments(1, |_| "event".to_owned());
    shop.run_and_count(&["apply", "--auto-approve"]);
    let state = shop.control_request("GET", "state", "");
    let id = state["segments"]
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
    let (code, output, _) = shop.run_and_count(&["apply", "--auto-approve", "--refresh", "none"]);
    assert_eq!(code, Some(8), "{output}");
    assert!(
        output.contains("the segment changed since the plan was created"),
        "{output}"
    );
    let (code, output, _) = shop.run_and_count(&["apply", "--auto-approve", "--refresh", "full"]);
    assert_eq!(code, Some(0), "{output}");
}
