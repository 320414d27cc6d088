//! Ledgers in a store that knows nothing of segctl: the laws of every store, and whole runs of the program, against
//! SeaweedFS, which keeps conditions of writes. Faults are the business of `tests/object_store`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

#[path = "../object_store/kept.rs"]
mod kept;
#[path = "../object_store/laws.rs"]
mod laws;
mod server;
#[path = "../object_store/shop.rs"]
mod shop;

use kept::Kept;
use segctl::ledger::ObjectLedger;
use segctl::model::LedgerPlace;
use server::{SECRET, Server};
use shop::{APPLY, Bucket, Run, Shop};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// A part of the server's bucket, with a ledger of its own.
struct Part<'a> {
    server: &'a Server,
    name: &'static str,
}

impl Bucket for Part<'_> {
    const SECRET: &'static str = SECRET;

    fn ledger(&self) -> String {
        format!("s3://{}/team/{}", server::BUCKET, self.name)
    }

    fn variables(&self) -> Vec<(String, String)> {
        self.server.variables()
    }
}

impl Kept for Part<'_> {
    type Store = ObjectLedger;

    fn reached(&self) -> ObjectLedger {
        let Ok(LedgerPlace::Objects(place)) = LedgerPlace::parse(&self.ledger()) else {
            panic!("{} is no address", self.ledger());
        };
        ObjectLedger::connect(&place, self.variables()).unwrap()
    }
}

/// Holds the laws, each in a part of its own, against one server: it takes some seconds to start.
macro_rules! one_after_the_other {
    ($($name:ident)*) => {
        #[tokio::test]
        async fn the_laws_of_every_store_hold() {
            let server = Server::start().await;
            $(
                let name = stringify!($name);
                laws::$name(&Part { server: &server, name }).await;
                println!("{name}: ok");
            )*
        }
    };
}

laws::every_law!(one_after_the_other);

#[test]
fn runs_go_on_from_what_others_left_whatever_ended_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    let part = |name| Part {
        server: &server,
        name,
    };
    Shop::new(part("commands"), &["A", "B"]).assert_ledger_serves_every_command();
    // So many are sent in parts.
    Shop::new(part("lists"), &[]).assert_a_list_is_read(400_000);
    a_run_that_was_killed_is_gone_on_from(&Shop::new(part("killed"), &NAMES));
    of_many_runs_at_once_each_applies_or_is_refused(&Shop::new(part("crowd"), &NAMES));
}

const NAMES: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

fn a_run_that_was_killed_is_gone_on_from(shop: &Shop<Part<'_>>) {
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
    assert_eq!(shop.segments(), NAMES.len());
}

fn of_many_runs_at_once_each_applies_or_is_refused(shop: &Shop<Part<'_>>) {
    let start = |_| {
        let mut command = shop.command(&APPLY);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(start).collect();
    let ended = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap());
    let runs: Vec<Run> = ended.map(|output| Run::of::<Part<'_>>(&output)).collect();
    assert!(runs.iter().any(|run| run.code == Some(0)), "{runs:?}");
    assert!(runs.iter().all(|run| matches!(run.code, Some(0 | 7))), "{runs:?}");
    shop.assert_converges("one of four");
    assert_eq!(shop.segments(), NAMES.len());
}
