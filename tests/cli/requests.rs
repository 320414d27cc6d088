//! How many calls a command makes, counted by the service.

use super::{Repository, segment};
use segctl::sandbox::{Credentials, Options, Server};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio::runtime::Runtime;

/// A repository whose workspace is a service of its own, which counts.
struct Counted {
    repository: Repository,
    runtime: Runtime,
    server: Server,
    seen: std::cell::Cell<usize>,
}

const KEYS: &str = "workspace_id: shop, api_key: {command: [echo, key-1]}, db_name: db";
const ANY: &str = "rate_limits: {list: [100000/s], create: [100000/s], get: [100000/s], update: [100000/s], lifecycle: [100000/s]}";

impl Counted {
    fn new() -> Self {
        Self::with(&[("rate_limits", "off")], ANY)
    }

    /// A service with these switches, and the limits that the workspace is told of.
    fn with(switches: &[(&str, &str)], limits: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut options = Options::standalone("127.0.0.1:0".parse().unwrap());
        options.credentials = Some(Credentials {
            workspace_id: "shop".to_owned(),
            api_key: "key-1".to_owned(),
            db_name: "db".to_owned(),
        });
        for (name, value) in switches {
            options.set(name, value).unwrap();
        }
        let server = runtime.block_on(Server::start(options)).unwrap();
        let repository = Repository::new();
        repository.write(
            "segctl.yaml",
            format!(
                "segments: segments/\nworkspaces: {{shop: {{endpoint: \"http://{}\", {KEYS}, {limits}}}}}\n",
                server.address()
            ),
        );
        Self {
            repository,
            runtime,
            server,
            seen: std::cell::Cell::new(0),
        }
    }

    /// Runs a command with the program `echo` in reach; its exit code and the calls that it made, by class.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, BTreeMap<String, usize>) {
        let path = std::env::var("PATH").unwrap_or_default();
        let run = self.repository.run_with(arguments, &[("PATH", &path)]);
        let log = self.control("GET", "log", "");
        let entries = log.as_array().unwrap();
        let mut calls = BTreeMap::new();
        for entry in &entries[self.seen.replace(entries.len())..] {
            let class = entry["class"].as_str().unwrap_or("none").to_owned();
            *calls.entry(class).or_default() += 1;
        }
        (run.code, run.out + &run.err, calls)
    }

    fn control(&self, method: &str, path: &str, body: &str) -> serde_json::Value {
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
    fn by_hand(&self, name: &str) -> String {
        let filter = format!(
            r#"{{"filter_type": "user_attributes", "name": "{name}", "data_type": "bool", "operator": "exists"}}"#
        );
        let group = format!(r#"{{"filter_operator": "and", "filters": [{filter}]}}"#);
        let made = self.control(
            "POST",
            "segments",
            &format!(r#"{{"name": "{name}", "included_filters": {group}}}"#),
        );
        made["data"]["id"].as_str().unwrap().to_owned()
    }

    /// Declares so many segments, each in the words of `event`.
    fn declare(&self, count: usize, event: impl Fn(usize) -> String) {
        let mut text = String::new();
        for number in 0..count {
            let _ = write!(text, "---\n{}", segment(&format!("S{number}"), &event(number)));
        }
        self.repository.write("segments/all.yaml", text);
    }
}

fn total(calls: &BTreeMap<String, usize>) -> usize {
    calls.values().sum()
}

fn of(calls: &BTreeMap<String, usize>, class: &str) -> usize {
    calls.get(class).copied().unwrap_or(0)
}

#[test]
fn a_plan_reads_what_is_managed_once_and_then_a_part() {
    const MANAGED: usize = 300;
    let shop = Counted::new();
    for number in 0..20 {
        shop.by_hand(&format!("hand{number}"));
    }
    shop.declare(MANAGED, |number| format!("event_{number}"));
    let (code, said, calls) = shop.run(&["apply", "--auto-approve"]);
    assert_eq!(code, Some(0), "{said}");
    // The definitions of others are read, since some are about to be stored.
    assert_eq!(
        (of(&calls, "create"), of(&calls, "get"), of(&calls, "list")),
        (MANAGED, 20, 1)
    );

    std::fs::remove_file(shop.repository.path().join(".segctl/shop/snapshot.json")).unwrap();
    let (code, said, calls) = shop.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(
        (code, of(&calls, "list"), of(&calls, "get")),
        (Some(0), 1, MANAGED),
        "{said}"
    );

    let (code, said, calls) = shop.run(&["plan", "--detailed-exitcode"]);
    assert_eq!((code, total(&calls)), (Some(0), 13), "{said}");
    let (_, _, calls) = shop.run(&["plan", "--refresh", "none"]);
    assert_eq!(total(&calls), 1);
    let (_, _, calls) = shop.run(&["plan", "--refresh", "full"]);
    assert_eq!(total(&calls), 1 + MANAGED);

    // Seven changes, after their plan: the others' definitions are read once more, as the snapshot was lost.
    const CHANGED: usize = 7;
    shop.declare(MANAGED, |number| {
        let edit = if number < CHANGED { "changed" } else { "event" };
        format!("{edit}_{number}")
    });
    let (_, said, calls) = shop.run(&["plan", "--out", "plan.json"]);
    assert_eq!(of(&calls, "get"), 12 + 20, "{said}");
    let (code, said, calls) = shop.run(&["apply", "--auto-approve"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(total(&calls) <= 2 + 2 * CHANGED, "{calls:?}");
    let (code, _, calls) = shop.run(&["apply", "plan.json"]);
    // What the plan wanted is there by now.
    assert_eq!((code, total(&calls)), (Some(5), 1 + CHANGED));
    let (_, said, calls) = shop.run(&["plan"]);
    assert!(total(&calls) <= 13, "{said}");

    // Without a plan before it, too.
    shop.declare(MANAGED, |number| {
        let edit = if number < 10 { "again" } else { "event" };
        format!("{edit}_{number}")
    });
    let (code, said, calls) = shop.run(&["apply", "--auto-approve"]);
    assert_eq!((code, of(&calls, "update")), (Some(0), 10), "{said}");
    assert!(total(&calls) <= 2 + 2 * 10, "{calls:?}");
}

#[test]
fn what_is_adopted_is_not_read_a_second_time() {
    const MANAGED: usize = 30;
    let shop = Counted::new();
    shop.declare(MANAGED, |number| format!("event_{number}"));
    shop.run(&["apply", "--auto-approve"]);
    std::fs::remove_dir_all(shop.repository.path().join(".segctl/shop")).unwrap();
    let (code, said, calls) = shop.run(&["apply", "--auto-approve"]);
    assert_eq!((code, total(&calls)), (Some(0), 1 + MANAGED), "{said}");
    let (code, said, calls) = shop.run(&["plan", "--detailed-exitcode"]);
    assert_eq!((code, total(&calls)), (Some(0), 13), "{said}");
    for (command, expected) in [(["ledger", "rebuild"], 1 + MANAGED), (["plan", "--json"], 13)] {
        let (code, said, calls) = shop.run(&command);
        assert_eq!((code, total(&calls)), (Some(0), expected), "{said}");
    }
}

#[test]
fn a_saved_plan_makes_the_calls_it_says() {
    let shop = Counted::new();
    shop.declare(5, |number| format!("event_{number}"));
    shop.run(&["apply", "--auto-approve"]);
    shop.declare(5, |number| format!("other_{number}"));
    let (_, said, _) = shop.run(&["plan", "--max-updates", "100", "--out", "plan.json"]);
    assert!(said.contains("11 calls: list 1, get 5, update 5."), "{said}");
    let (code, said, calls) = shop.run(&["apply", "plan.json"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        (total(&calls), of(&calls, "get"), of(&calls, "update")),
        (11, 5, 5)
    );
}

#[test]
fn a_saved_plan_reads_of_what_came_since_only_what_may_clash() {
    let shop = Counted::new();
    for number in 0..9 {
        shop.by_hand(&format!("hand{number}"));
    }
    shop.declare(3, |number| format!("event_{number}"));
    shop.run(&["apply", "--auto-approve"]);
    shop.declare(3, |number| format!("other_{number}"));
    shop.run(&["plan", "--max-updates", "100", "--out", "plan.json"]);
    for number in 9..11 {
        shop.by_hand(&format!("hand{number}"));
    }
    let (code, said, calls) = shop.run(&["apply", "plan.json"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        (of(&calls, "list"), of(&calls, "get"), of(&calls, "update")),
        (1, 3 + 2, 3),
        "{said}"
    );

    // What is only put away clashes with nobody.
    shop.declare(2, |number| format!("other_{number}"));
    shop.run(&["plan", "--max-archives", "100", "--out", "archives.json"]);
    shop.by_hand("hand11");
    let (code, said, calls) = shop.run(&["apply", "archives.json"]);
    assert_eq!((code, total(&calls)), (Some(0), 3), "{said}");
}

#[test]
fn a_rename_reads_nothing_of_others() {
    let shop = Counted::new();
    for number in 0..20 {
        shop.by_hand(&format!("hand{number}"));
    }
    shop.declare(3, |number| format!("event_{number}"));
    shop.run(&["apply", "--auto-approve"]);
    std::fs::remove_file(shop.repository.path().join(".segctl/shop/snapshot.json")).unwrap();
    let files = shop.repository.read("segments/all.yaml");
    let renamed = files.replace("name: S0\n", "name: Renamed\nprevious_names: [S0]\n");
    shop.repository.write("segments/all.yaml", renamed);
    let (code, said, calls) = shop.run(&["apply", "--auto-approve"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("name \"S0\" -> \"Renamed\""), "{said}");
    // The three that are managed, and the one that is written to once more.
    assert_eq!(
        (of(&calls, "list"), of(&calls, "get"), of(&calls, "update")),
        (1, 3 + 1, 1),
        "{said}"
    );

    // With a definition of its own it may clash with any of them.
    let (renamed, edited) = (shop.repository.read("segments/all.yaml"), "edited");
    shop.repository
        .write("segments/all.yaml", renamed.replace("event_0", edited));
    let (_, said, calls) = shop.run(&["plan", "--refresh", "none"]);
    assert_eq!((of(&calls, "list"), of(&calls, "get")), (1, 20), "{said}");
}

#[test]
fn lists_and_creates_are_one_pool_until_an_answer_proves_otherwise() {
    const POOLED: &str = "50/min list and create together";
    const APART: &str = "50/min creates";
    let said_of_60 = |shop: &Counted| {
        shop.declare(60, |number| format!("event_{number}"));
        let (code, said, _) = shop.run(&["plan"]);
        assert_eq!(code, Some(0), "{said}");
        said
    };
    let after_a_create = |shared: &str| {
        let shop = Counted::with(&[("list_create_share_window", shared)], "rate_limits: {}");
        shop.declare(1, |number| format!("event_{number}"));
        let (code, said, _) = shop.run(&["apply", "--auto-approve"]);
        assert_eq!(code, Some(0), "{said}");
        said_of_60(&shop)
    };
    for shared in ["true", "false"] {
        let shop = Counted::with(&[("list_create_share_window", shared)], "rate_limits: {}");
        let said = said_of_60(&shop);
        assert!(
            said.contains(&format!(
                "61 calls: list 1, create 60. {POOLED}, 49 left this minute"
            )),
            "{shared}: {said}"
        );
    }
    let said = after_a_create("true");
    assert!(said.contains(POOLED), "{said}");
    // Only answers about windows that end in the same second prove anything.
    let proves = |_| after_a_create("false").contains(APART);
    assert!((0..8).any(proves));
}

#[test]
fn an_offline_plan_calls_nobody_and_needs_no_credentials() {
    let shop = Counted::new();
    shop.declare(3, |number| format!("event_{number}"));
    let (code, said, calls) = shop.run(&["plan", "--offline"]);
    assert_eq!((code, total(&calls)), (Some(1), 0));
    assert!(said.contains("nothing was seen of this workspace yet"), "{said}");
    shop.run(&["apply", "--auto-approve"]);
    shop.declare(4, |number| format!("event_{number}"));
    // Neither the program nor the variable that would give the key is there.
    let settings = shop.repository.read("segctl.yaml");
    let settings = settings.replace("{command: [echo, key-1]}", "\"${NOBODY_SETS_THIS}\"");
    shop.repository.write("segctl.yaml", settings);
    let (code, said, calls) = shop.run(&["plan", "--offline", "--detailed-exitcode"]);
    assert_eq!((code, total(&calls)), (Some(2), 0), "{said}");
    assert!(
        said.contains("+ create \"S3\"") && said.contains("1 to create"),
        "{said}"
    );
    assert_eq!(shop.run(&["plan"]).0, Some(9));
}

#[test]
fn a_damaged_snapshot_costs_calls_and_nothing_else() {
    let shop = Counted::new();
    shop.declare(3, |number| format!("event_{number}"));
    shop.run(&["apply", "--auto-approve"]);
    for file in ["snapshot.json", "requests.jsonl"] {
        shop.repository
            .write(&format!(".segctl/shop/{file}"), "{\"format_version\": 1");
    }
    let (code, said, calls) = shop.run(&["plan", "--detailed-exitcode", "--refresh", "none"]);
    assert_eq!((code, total(&calls)), (Some(0), 4), "{said}");
    assert!(said.contains("snapshot.json"), "{said}");
    let (_, said, calls) = shop.run(&["plan", "--refresh", "none"]);
    assert_eq!((total(&calls), said.as_str()), (1, "No changes.\n"));
}

#[test]
fn what_was_seen_long_ago_never_leads_to_a_wrong_write() {
    let shop = Counted::new();
    shop.declare(1, |_| "event".to_owned());
    shop.run(&["apply", "--auto-approve"]);
    let log = shop.control("GET", "state", "");
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
    shop.control("POST", "segments", &edit);
    shop.declare(1, |_| "other".to_owned());
    let (code, said, _) = shop.run(&["apply", "--auto-approve", "--refresh", "none"]);
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("not as the plan saw it"), "{said}");
    let (code, said, _) = shop.run(&["apply", "--auto-approve", "--refresh", "full"]);
    assert_eq!(code, Some(0), "{said}");
}
