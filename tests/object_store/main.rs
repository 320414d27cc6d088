//! Ledgers in object stores: the same laws as in a directory, what is particular to them, and whole runs of the program.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod faults;
mod kept;
mod laws;
mod runs;
mod server;
mod shop;

use kept::{Kept, at, call, ledger, ledger_with, lock, record};
use segctl::ledger::{DirectoryStore, ObjectLedger};
use segctl::model::{LedgerPlace, ObjectPlace};
use server::{BUCKET, Server};

/// Where the ledger of the tests is.
fn place() -> ObjectPlace {
    match LedgerPlace::parse(&format!("s3://{BUCKET}/team/production")) {
        Ok(LedgerPlace::Objects(place)) => place,
        other => panic!("{other:?} is no address"),
    }
}

/// The name of an object of it.
fn named(name: &str) -> String {
    format!("team/production/{name}")
}

fn connect(server: &Server) -> ObjectLedger {
    ObjectLedger::connect(&place(), server.variables()).unwrap()
}

impl Kept for Server {
    type Store = ObjectLedger;

    fn reached(&self) -> ObjectLedger {
        connect(self)
    }
}

impl Kept for tempfile::TempDir {
    type Store = DirectoryStore;

    fn reached(&self) -> DirectoryStore {
        DirectoryStore::new(self.path().join("deep/down"))
    }
}

/// Holds the laws against both stores.
macro_rules! both {
    ($($name:ident)*) => {
        mod directory {
            $(#[tokio::test]
            async fn $name() {
                super::laws::$name(&tempfile::tempdir().unwrap()).await;
            })*
        }
        mod objects {
            $(#[tokio::test]
            async fn $name() {
                super::laws::$name(&super::Server::start()).await;
            })*
        }
    };
}

laws::every_law!(both);
