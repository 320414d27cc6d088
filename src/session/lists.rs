//! The declared lists, held against what the ledger knows of the members that were sent.

use super::{Notes, Read, SessionError};
use crate::api::Batches;
use crate::ledger::{Entry, Ledger, LedgerStore, Sent};
use crate::members::Nobody;
use crate::members::check::Faults;
use crate::members::compare::Change;
use crate::members::source::Source;
use crate::model::{
    Cohort, CohortKey, Contents, Identifier, Lifecycle, Observed, SegmentId, SegmentName, Users,
};
use crate::observe::members::{KeptError, KeptMembers};
use crate::plan::members::{Compared, Since};
use crate::plan::uploads::{ComparedUsers, SinceUpload};
use std::path::Path;
use std::{fmt, io};

/// Why a list cannot be planned with.
#[derive(Debug)]
pub enum ListError {
    /// It cannot be read.
    Unreadable(io::Error),
    /// The service would not take it, or would take it for something else.
    Faulty(Box<Faults>),
}

impl fmt::Display for ListError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(formatter, "its list cannot be read: {error}"),
            Self::Faulty(faults) => match faults.first().next() {
                Some((0, fault)) => write!(formatter, "its list cannot be used: {fault}"),
                Some((line, fault)) => write!(formatter, "line {line} of its list cannot be used: {fault}"),
                None => formatter.write_str("its list cannot be used"),
            },
        }
    }
}

impl From<io::Error> for ListError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl Read {
    /// Reads the lists of the declared segments, and what `store` keeps of those that were sent.
    ///
    /// # Errors
    ///
    /// A list cannot be used, or the ledger cannot be read.
    pub async fn read_lists<S: LedgerStore>(
        &mut self,
        (store, on_note): (&S, &Notes),
    ) -> Result<(), SessionError> {
        let declared = self.aim.declared.iter();
        let active = declared.filter(|segment| segment.lifecycle == Lifecycle::Active);
        for segment in active {
            let name = &segment.name;
            let unusable = |error| SessionError::List(name.clone(), error);
            match &segment.contents {
                Contents::Cohort(cohort) => {
                    let known = known((&self.ledger, &self.observed), &cohort.key);
                    let sent = known.as_ref().map(|(_, sent)| sent);
                    let kept = loaded(KeptMembers::load(store, sent).await, (name, on_note))?;
                    let known = known.zip(kept.as_ref());
                    let compared = compared((name, cohort), &self.aim.directory, known);
                    self.lists
                        .cohorts
                        .insert(name.clone(), compared.map_err(unusable)?);
                }
                Contents::File(upload) => {
                    let Users::Local(path) = &upload.users else {
                        continue;
                    };
                    let entries = self.ledger.all_kept();
                    let own = entries.filter(|entry| entry.name == *name && entry.uploaded.is_some());
                    let known = own.max_by_key(|entry| entry.applied_at);
                    let listing = known.and_then(|entry| entry.uploaded.as_ref()?.users.as_ref()?.values());
                    let kept = loaded(KeptMembers::load_list(store, listing).await, (name, on_note))?;
                    let known = known.filter(|_| listing.is_some()).zip(kept.as_ref());
                    let path = self.aim.directory.join(path);
                    let compared = compared_users(&path, &upload.identifier, known);
                    self.lists.users.insert(name.clone(), compared.map_err(unusable)?);
                }
                Contents::Filter(_) => {}
            }
        }
        Ok(())
    }
}

/// What is kept; nothing where it is of no use, which is told of.
fn loaded(
    kept: Result<KeptMembers, KeptError>,
    (name, on_note): (&SegmentName, &Notes),
) -> Result<Option<KeptMembers>, SessionError> {
    match kept {
        Ok(kept) => Ok(Some(kept)),
        Err(KeptError::Store(error)) => Err(error.into()),
        Err(error) => {
            on_note(format!("nobody knows who is in `{name}`: {error}"));
            Ok(None)
        }
    }
}

/// Holds the list of a file segment against the one that was uploaded last.
fn compared_users(
    path: &Path,
    identifier: &Identifier,
    known: Option<(&Entry, &KeptMembers)>,
) -> Result<ComparedUsers, ListError> {
    let source = Source::File(path.to_owned());
    let comparison = match known {
        Some((_, kept)) => source.compare(identifier, &mut kept.known()?, |_, _| Ok(())),
        None => source.compare(identifier, &mut Nobody, |_, _| Ok(())),
    };
    let comparison = comparison?.map_err(|faults| ListError::Faulty(Box::new(faults)))?;
    Ok(ComparedUsers {
        list: comparison.new,
        since: known.map(|(entry, _)| SinceUpload {
            id: entry.id.clone(),
            added: comparison.added,
            removed: comparison.removed,
        }),
    })
}

fn compared(
    (name, cohort): (&SegmentName, &Cohort),
    base: &Path,
    known: Option<((Option<SegmentId>, Sent), &KeptMembers)>,
) -> Result<Compared, ListError> {
    let none = || Calls::of(name, cohort);
    let (mut whole, mut adds, mut removes) = (none(), none(), none());
    let each = |change: Change, value: &[u8]| {
        if change != Change::Removed {
            whole.count(value);
        }
        match change {
            Change::Kept => {}
            Change::Added => adds.count(value),
            Change::Removed => removes.count(value),
        }
        Ok(())
    };
    let source = Source::of(&cohort.members, base);
    let comparison = match &known {
        Some((_, kept)) => source.compare(&Cohort::identifier(), &mut kept.known()?, each),
        None => source.compare(&Cohort::identifier(), &mut Nobody, each),
    };
    let comparison = comparison?.map_err(|faults| ListError::Faulty(Box::new(faults)))?;
    let calls = adds.finish() + removes.finish();
    Ok(Compared {
        list: comparison.new,
        calls: whole.finish(),
        since: known.map(|((id, sent), _)| Since {
            id,
            sent,
            added: comparison.added,
            removed: comparison.removed,
            calls,
        }),
    })
}

/// What the ledger knows of a cohort's members, and of which segment; `None` in place of one that a run was about to make.
fn known((ledger, observed): (&Ledger, &Observed), key: &CohortKey) -> Option<(Option<SegmentId>, Sent)> {
    let entries = ledger
        .all_kept()
        .filter_map(|entry| Some((entry, entry.sent.as_deref()?)));
    // A workspace that was made anew has the cohort anew, too.
    let own = entries.filter(|(entry, sent)| sent.key == *key && observed.segments.contains_key(&entry.id));
    let last = own.max_by_key(|(entry, _)| entry.applied_at);
    let begun = || Some((None, ledger.being_made(key)?));
    last.map(|(entry, sent)| (Some(entry.id.clone()), sent.clone()))
        .or_else(begun)
}

/// How many calls it takes to send members.
struct Calls {
    batches: Batches,
    full: usize,
}

impl Calls {
    fn of(name: &SegmentName, cohort: &Cohort) -> Self {
        Self {
            batches: Batches::of(name, &cohort.key),
            full: 0,
        }
    }

    fn count(&mut self, value: &[u8]) {
        let value = String::from_utf8_lossy(value).into_owned();
        self.full += usize::from(self.batches.push(value).is_some());
    }

    fn finish(mut self) -> usize {
        self.full + usize::from(self.batches.finish().is_some())
    }
}
