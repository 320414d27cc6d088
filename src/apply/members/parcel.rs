//! What has to be sent to a cohort, put together in one pass over its list.

use crate::ledger::Sent;
use crate::members::compare::{Change, compare};
use crate::members::kept::{KeptReader, KeptWriter};
use crate::members::source::Source;
use crate::members::{Before as _, Nobody};
use crate::model::{Cohort, ListDigest, Listing};
use crate::observe::members::KeptMembers;
use crate::plan::step::Sending;
use std::io;
use std::path::Path;

/// Members that are ready to be sent; their lists are compressed.
pub(super) struct Parcel {
    pub(super) added: Vec<u8>,
    pub(super) removed: Vec<u8>,
    /// Who is in the cohort before the first call.
    pub(super) before: Sent,
    /// Lists that the ledger has to keep from before the first call on.
    pub(super) to_keep: Vec<(ListDigest, Vec<u8>)>,
}

impl Parcel {
    /// Puts together what makes of the members that are `kept` those of the declared list, whose path is from `base`; `None`
    /// where it is not the list that was planned with.
    pub(super) fn pack(sending: &Sending, kept: &KeptMembers, base: &Path) -> io::Result<Option<Self>> {
        let list = || KeptWriter::to(Vec::new());
        let (mut whole, mut added, mut removed) = (list(), list(), list());
        let each = |change: Change, value: &[u8]| {
            if change != Change::Removed {
                whole.push(value)?;
            }
            match change {
                Change::Kept => Ok(()),
                Change::Added => added.push(value),
                Change::Removed => removed.push(value),
            }
        };
        let source = Source::of(&sending.cohort.members, base);
        let found = source.compare(&Cohort::identifier(), &mut kept.known()?, each)?;
        if found.ok().is_none_or(|found| found.new != sending.list) {
            return Ok(None);
        }
        let mut to_keep = vec![(sending.list.digest.clone(), whole.finish()?)];
        let before = match &sending.before {
            Some(sent) if sent.whole().is_some() => sent.clone(),
            _ => standing(sending, kept, &mut to_keep)?,
        };
        Ok(Some(Self {
            added: added.finish()?,
            removed: removed.finish()?,
            before,
            to_keep,
        }))
    }
}

/// Who is in a cohort where that takes more than one list to say, as lists of its own.
fn standing(
    sending: &Sending,
    kept: &KeptMembers,
    to_keep: &mut Vec<(ListDigest, Vec<u8>)>,
) -> io::Result<Sent> {
    let (mut surely, mut possibly) = (KeptWriter::to(Vec::new()), KeptWriter::to(Vec::new()));
    let mut known = kept.known()?;
    while let Some((value, is_sure)) = known.next_known()? {
        possibly.push(value)?;
        if is_sure {
            surely.push(value)?;
        }
    }
    let mut keep = |bytes: Vec<u8>| {
        let listing = compare(&mut KeptReader::of(bytes.as_slice()), &mut Nobody, |_, _| Ok(()))?.new;
        if listing != Listing::nobody() {
            to_keep.push((listing.digest.clone(), bytes));
        }
        io::Result::Ok(listing)
    };
    let (surely, possibly) = (keep(surely.finish()?)?, keep(possibly.finish()?)?);
    Ok(Sent {
        key: sending.cohort.key.clone(),
        possibly: (possibly != surely).then_some(possibly),
        surely,
        under_way: None,
        unanswered_at: None,
    })
}
