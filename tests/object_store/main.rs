//! States in object stores: the store contract, faults of object stores, and runs of the `segctl` program.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod bucket_repository;
mod cli_runs;
mod contract;
mod faults;
mod fixtures;
mod s3_double;

use fixtures::{
    StoreFixture, at_second, journal_entry, lock_of_run, request_record, state_with_entries,
    state_with_one_segment,
};
use s3_double::{BUCKET, S3Double};
use segctl::model::{ObjectStoreUrl, StateLocation};
use segctl::state::StateStore;
use segctl::storage::ObjectStorage;

fn state_location() -> ObjectStoreUrl {
    match StateLocation::parse(&format!("s3://{BUCKET}/team/production")) {
        Ok(StateLocation::ObjectStore(url)) => url,
        other => panic!("not an object store URL: {other:?}"),
    }
}

/// The full name of an object of the state.
fn object_name(name: &str) -> String {
    format!("team/production/{name}")
}

fn connect_store(server: &S3Double) -> StateStore {
    StateStore::new(ObjectStorage::connect(&state_location(), server.environment()).unwrap())
}

impl StoreFixture for S3Double {
    fn open_store(&self) -> StateStore {
        connect_store(self)
    }
}

impl StoreFixture for tempfile::TempDir {
    fn open_store(&self) -> StateStore {
        StateStore::in_directory(self.path().join("deep/down"))
    }
}

/// Runs the contract tests against both storages.
macro_rules! test_both_stores {
    ($($name:ident)*) => {
        mod directory {
            $(#[tokio::test]
            async fn $name() {
                super::contract::$name(&tempfile::tempdir().unwrap()).await;
            })*
        }
        mod objects {
            $(#[tokio::test]
            async fn $name() {
                super::contract::$name(&super::S3Double::start()).await;
            })*
        }
    };
}

contract::for_every_contract_test!(test_both_stores);
