//! Which segment of the ledger is meant, and what is known of the others without asking anybody.

use super::super::connection;
use super::super::failure::{Failure, Kind};
use super::super::project::Project;
use crate::api::{Clock, SystemClock};
use crate::config::suggest::did_you_mean;
use crate::config::workspace::Workspace;
use crate::ledger::{Entry, Ledger};
use crate::model::{SegmentId, SegmentName};
use crate::observe::Refresh;
use crate::plan::guard::Allowances;
use crate::plan::recognise;
use crate::plan::selection::Selection;
use crate::plan::step::Known;
use crate::session::{Aim, Read};
use std::collections::BTreeMap;

/// What is known of a workspace without asking anybody.
pub(super) struct Recalled {
    pub(super) ledger: Ledger,
    /// Which segment has which name, in the files and at the service.
    pub(super) known: Known,
}

/// A segment of the ledger.
pub(super) struct Found<'a> {
    pub(super) entry: &'a Entry,
    /// Others that have or had its name.
    pub(super) others: Vec<&'a Entry>,
}

impl Recalled {
    /// Reads the ledger and what was seen last.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub(super) async fn read(
        project: &Project,
        (name, workspace): (&str, &Workspace),
    ) -> Result<Self, Failure> {
        let aim = Aim {
            workspace: name.to_owned(),
            declared: project.declared(name),
            directory: project.directory.clone(),
            policy: workspace.policy.clone(),
            allowances: Allowances::default(),
            selection: Selection::default(),
            refresh: Refresh::None,
        };
        let store = connection::store(project, name, workspace)?;
        // Without a snapshot some references have ids in place of names.
        let mut read = Read::local(aim, (&store, SystemClock.now()), &drop).await?;
        read.look_back();
        let (_, known) = recognise(&read.situation());
        Ok(Self {
            ledger: read.ledger,
            known,
        })
    }

    /// Finds a segment by any name it had, or else by the name that a file gives it and that is not applied yet.
    ///
    /// # Errors
    ///
    /// The ledger knows none.
    pub(super) fn find(&self, name: &str) -> Result<Found<'_>, Failure> {
        let wanted = SegmentName::new(name);
        let mut known = self.ledger.known_as(&wanted).into_iter();
        let declared = || self.known.ids.get(&wanted).and_then(|id| self.ledger.entry(id));
        match known.next().or_else(declared) {
            Some(entry) => Ok(Found {
                entry,
                others: known.collect(),
            }),
            None => Err(unknown(name, &self.ledger)),
        }
    }

    /// The names of the segments.
    pub(super) fn names(&self) -> BTreeMap<SegmentId, SegmentName> {
        let names = self.known.ids.iter();
        names.map(|(name, id)| (id.clone(), name.clone())).collect()
    }
}

/// Why a name leads to nothing, and which one may be meant.
pub(super) fn unknown(segment: &str, ledger: &Ledger) -> Failure {
    let failure = Failure::new(Kind::Error, format!("the ledger knows no segment `{segment}`"));
    let known: Vec<&str> = ledger.entries().map(|entry| entry.name.as_str()).collect();
    match did_you_mean(segment, known) {
        Some(name) => failure.with_help(format!("did you mean `{name}`?")),
        None => failure.with_help("`segctl ledger show` lists what it knows"),
    }
}
