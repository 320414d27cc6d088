//! The people in cohorts and file segments: a dozen numbers, and their spellings in lists.

use segctl::model::{MemberSource, UserListSource};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::{fmt, fs};

const PEOPLE_COUNT: u8 = 12;

/// A set of people, one bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct People(u16);

impl People {
    /// At least one person, even if no bit is set.
    pub(crate) fn from_bits(bits: u64) -> Self {
        let bits = u16::try_from(bits % (1 << PEOPLE_COUNT)).unwrap();
        Self(bits.max(1))
    }

    pub(crate) fn numbers(self) -> impl Iterator<Item = u8> {
        (0..PEOPLE_COUNT).filter(move |number| self.0 & (1 << number) != 0)
    }

    pub(crate) fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(crate) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(crate) fn contains_all(self, others: Self) -> bool {
        others.without(self) == Self::default()
    }

    pub(crate) fn from_values<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        let numbers = values.into_iter().map(parse_number);
        Self(numbers.fold(0, |bits, number| bits | (1 << number)))
    }

    /// Reads a file with one value per line.
    pub(crate) fn from_lines(bytes: &[u8]) -> Self {
        Self::from_values(std::str::from_utf8(bytes).unwrap().lines())
    }
}

impl fmt::Debug for People {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.numbers()).finish()
    }
}

/// Zeros for long values: four long values fill a request.
static ZEROS: LazyLock<String> = LazyLock::new(|| "0".repeat(LONG_UID_LENGTH));

const LONG_UID_LENGTH: usize = 30_000;

/// The id of a member, short or very long.
pub(crate) fn uid(number: u8, is_long: bool) -> String {
    let short = number.to_string();
    if is_long {
        format!("{}{short}", &ZEROS[short.len()..])
    } else {
        short
    }
}

fn parse_number(value: &str) -> u8 {
    let value = value.split('@').next().unwrap_or_default();
    let digits = if value.len() == LONG_UID_LENGTH {
        &value[LONG_UID_LENGTH - 2..]
    } else {
        value
    };
    let number: u8 = digits.parse().unwrap();
    assert!(number < PEOPLE_COUNT, "there is no person {number}");
    number
}

/// The directory of list files. Their names contain their people, so they never change and all runs share them.
pub(crate) fn lists_directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/simulator-lists"))
}

static WRITTEN_FILES: Mutex<BTreeSet<People>> = Mutex::new(BTreeSet::new());

/// The path of a file with these people, relative to `lists_directory`.
pub(crate) fn list_file_for(people: People) -> String {
    let name = format!("{:03x}.csv", people.0);
    let mut written = WRITTEN_FILES.lock().unwrap();
    if !written.contains(&people) {
        fs::create_dir_all(lists_directory()).unwrap();
        let lines: String = people
            .numbers()
            .map(|number| format!("{number}@example.com\n"))
            .collect();
        // Another process may write it at the same time.
        let temporary = tempfile::NamedTempFile::new_in(lists_directory()).unwrap();
        fs::write(temporary.path(), lines).unwrap();
        temporary.persist(lists_directory().join(&name)).unwrap();
        written.insert(people);
    }
    name
}

fn people_in_path(path: &str) -> People {
    let digits = PathBuf::from(path)
        .file_stem()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    People(u16::from_str_radix(&digits, 16).unwrap())
}

/// The declared people of a cohort.
pub(crate) fn people_in_members(members: &MemberSource) -> People {
    match members {
        MemberSource::Local(path) => people_in_path(path),
        MemberSource::Inline(uids) => People::from_values(uids.iter().map(String::as_str)),
    }
}

/// The declared people of a file segment.
pub(crate) fn people_in_users(users: &UserListSource) -> People {
    match users {
        UserListSource::Local(path) => people_in_path(path),
        UserListSource::Published { .. } => unreachable!("the simulator only declares local lists"),
    }
}

/// The people in a request that syncs members.
pub(crate) fn people_in_sync(body: &Value) -> People {
    let members = body["parameters"]["members"].as_array();
    let uids = members
        .into_iter()
        .flatten()
        .filter_map(|member| member["uid"].as_str());
    People::from_values(uids)
}

/// The people in a segment of the sandbox's state.
pub(crate) fn people_in_sandbox(contents: &Value) -> People {
    let members = contents["cohort"]["members"].as_array().into_iter().flatten();
    let users = contents["file"]["users"].as_object().into_iter().flatten();
    let values = members
        .filter_map(Value::as_str)
        .chain(users.map(|(user, _)| user.as_str()));
    People::from_values(values)
}
