//! Checks a list of 2,000,000 users and compares it with the last uploaded list, as a plan does.
//!
//! The time is compared with `sort -u` of the same file. A second measurement also writes the compressed list, as an apply
//! does. The benchmark fails if the ratio is over 4 or the peak memory over 200 MiB.

#![expect(clippy::unwrap_used, reason = "a failing benchmark may panic")]

mod figures;
mod measure;

use figures::{Figures, milliseconds, ratio};
use measure::{peak_memory, shortest_time};
use segctl::member_list::check::check;
use segctl::member_list::compressed_list::{ListReader, ListWriter};
use segctl::member_list::diff::{ListDiff, ValueChange};
use segctl::member_list::{EmptyList, PreviousMembers};
use segctl::model::{Identifier, IdentifierType};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

const USERS: u64 = 2_000_000;
/// One user in so many was added since the last upload, and as many were removed.
const CHANGED: u64 = 100;
const RUNS: usize = 5;

const MAX_RATIO: f64 = 4.0;
const MAX_MEMORY_MIB: f64 = 200.0;

fn email() -> Identifier {
    Identifier {
        attribute: "email".to_owned(),
        kind: IdentifierType::Text,
    }
}

fn main() -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let (before, file) = (folder.path().join("before.csv"), folder.path().join("users.csv"));
    write_users(&before, 0);
    write_users(&file, USERS / CHANGED);
    let (last, next) = (folder.path().join("last.gz"), folder.path().join("next.gz"));
    check_and_write((&before, &mut EmptyList), &last);

    let changed = USERS / CHANGED;
    let baseline = shortest_time(RUNS, || sort_unique(&file));
    let planned = shortest_time(RUNS, || {
        let found = check_and_compare((&file, &mut open_stored_list(&last)), |_, _| Ok(()));
        assert_eq!(
            (found.new.count, found.added, found.removed),
            (USERS, changed, changed)
        );
    });
    let written = shortest_time(RUNS, || {
        let found = check_and_write((&file, &mut open_stored_list(&last)), &next);
        assert_eq!(
            (found.new.count, found.added, found.removed),
            (USERS, changed, changed)
        );
    });
    let megabytes = |path: &Path| fs::metadata(path).unwrap().len() as f64 / 1e6;
    let mut figures = Figures::default();
    figures.show("list of 2,000,000 users, MB", megabytes(&file));
    figures.show("the stored list, MB", megabytes(&next));
    figures.show("floor: sort -u, ms", milliseconds(baseline));
    figures.show("check, compare and write, ms", milliseconds(written));
    figures.show("check and compare, ms", milliseconds(planned));
    figures.check(
        "check and compare, to the floor",
        ratio(planned, baseline),
        MAX_RATIO,
    );
    if let Some(peak) = peak_memory(std::process::id()) {
        figures.check("peak MiB", peak, MAX_MEMORY_MIB);
    }
    figures.exit_code()
}

fn check_and_compare(
    (file, old): (&Path, &mut dyn PreviousMembers),
    each: impl FnMut(ValueChange, &[u8]) -> io::Result<()>,
) -> ListDiff {
    let input = BufReader::new(File::open(file).unwrap());
    check(input, &email(), old, each).unwrap().comparison.unwrap()
}

/// Like `check_and_compare`, but also writes the compressed list.
fn check_and_write(lists: (&Path, &mut dyn PreviousMembers), path: &Path) -> ListDiff {
    let mut writer = ListWriter::to(BufWriter::new(File::create(path).unwrap()));
    let found = check_and_compare(lists, |change, value| match change {
        ValueChange::Added | ValueChange::Unchanged => writer.push(value),
        ValueChange::Removed => Ok(()),
    });
    writer.finish().unwrap().flush().unwrap();
    found
}

fn open_stored_list(path: &Path) -> ListReader<BufReader<File>> {
    ListReader::of(BufReader::new(File::open(path).unwrap()))
}

fn sort_unique(file: &Path) {
    let mut command = Command::new("sort");
    let command = command
        .arg("-u")
        .arg(file)
        .env("LC_ALL", "C")
        .stdout(Stdio::null());
    assert!(command.status().unwrap().success());
}

/// Writes users in random order, with the numbers from `from` on.
fn write_users(path: &Path, from: u64) {
    let mut output = BufWriter::new(File::create(path).unwrap());
    for number in from..from + USERS {
        // The factor is odd, so every number is unique.
        let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        writeln!(output, "user.{scattered:016x}@example.com").unwrap();
    }
    output.flush().unwrap();
}
