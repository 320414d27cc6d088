//! The store contract and runs of the `segctl` program against SeaweedFS, a third-party object store that supports
//! conditional writes. `tests/object_store` tests faults.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

#[path = "../object_store/bucket_repository.rs"]
mod bucket_repository;
#[path = "../object_store/contract.rs"]
mod contract;
#[path = "../object_store/fixtures.rs"]
mod fixtures;
mod seaweedfs;

use bucket_repository::{APPLY, BucketFixture, BucketRepository, CommandResult};
use fixtures::StoreFixture;
use seaweedfs::{SECRET, SeaweedServer};
use segctl::model::StateLocation;
use segctl::state::StateStore;
use segctl::storage::ObjectStorage;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// A prefix in the server's bucket, with its own state.
struct BucketPrefix<'a> {
    server: &'a SeaweedServer,
    name: &'static str,
}

impl BucketFixture for BucketPrefix<'_> {
    const SECRET: &'static str = SECRET;

    fn state_url(&self) -> String {
        format!("s3://{}/team/{}", seaweedfs::BUCKET, self.name)
    }

    fn environment(&self) -> Vec<(String, String)> {
        self.server.environment()
    }
}

impl StoreFixture for BucketPrefix<'_> {
    fn open_store(&self) -> StateStore {
        let Ok(StateLocation::ObjectStore(url)) = StateLocation::parse(&self.state_url()) else {
            panic!("not an object store URL: {}", self.state_url());
        };
        StateStore::new(ObjectStorage::connect(&url, self.environment()).unwrap())
    }
}

/// Runs the contract tests against one server, because it takes some seconds to start. Each has its own prefix.
macro_rules! run_contract_tests_in_sequence {
    ($($name:ident)*) => {
        #[tokio::test]
        async fn every_store_contract_test_passes() {
            let server = SeaweedServer::start().await;
            $(
                let name = stringify!($name);
                contract::$name(&BucketPrefix { server: &server, name }).await;
                println!("{name}: ok");
            )*
        }
    };
}

contract::for_every_contract_test!(run_contract_tests_in_sequence);

#[test]
fn runs_converge_after_kills_and_concurrent_runs() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(SeaweedServer::start());
    let prefix = |name| BucketPrefix {
        server: &server,
        name,
    };
    BucketRepository::new(prefix("commands"), &["A", "B"]).assert_every_command_works();
    // A list of this size is a multipart upload.
    BucketRepository::new(prefix("lists"), &[]).assert_list_is_uploaded(400_000);
    assert_killed_run_is_continued(&BucketRepository::new(prefix("killed"), &SEGMENT_NAMES));
    assert_concurrent_runs_apply_or_fail(&BucketRepository::new(prefix("concurrent"), &SEGMENT_NAMES));
}

const SEGMENT_NAMES: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

fn assert_killed_run_is_continued(shop: &BucketRepository<BucketPrefix<'_>>) {
    let mut command = shop.command(&["apply", "--auto-approve", "--parallelism", "1"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let second = lines.find(|line| line.as_ref().unwrap().starts_with("+ create \"B\": applied"));
    assert!(second.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    shop.assert_converges("killed after the second step");
    assert_eq!(shop.segment_count(), SEGMENT_NAMES.len());
}

fn assert_concurrent_runs_apply_or_fail(shop: &BucketRepository<BucketPrefix<'_>>) {
    let start = |_| {
        let mut command = shop.command(&APPLY);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(start).collect();
    let outputs = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap());
    let runs: Vec<CommandResult> = outputs
        .map(|output| CommandResult::from_output::<BucketPrefix<'_>>(&output))
        .collect();
    assert!(runs.iter().any(|run| run.code == Some(0)), "{runs:?}");
    assert!(runs.iter().all(|run| matches!(run.code, Some(0 | 7))), "{runs:?}");
    shop.assert_converges("four concurrent runs");
    assert_eq!(shop.segment_count(), SEGMENT_NAMES.len());
}
