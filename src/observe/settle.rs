//! What became of writes that a run was about to make when it ended, by what is there now. Pure.
//!
//! Nothing is guessed: a write took effect when what it was to leave is there. Where something else is, it may have been
//! undone since or never been made; either way the plan starts from what is there. What nothing shows, as whether a segment
//! is archived at a service that lists archived ones too, is taken down as unknown.

use super::members::ON_ITS_WAY;
use crate::definition::{Digest, Identities};
use crate::ledger::{Entry, Intent, Ledger, Record, Uploaded, Write};
use crate::model::{Behaviour, Lifecycle, LiveKind, LiveSegment, Observed, Payload, SegmentId, SegmentKind};
use jiff::Timestamp;

/// What to take down at `now` of the writes that `ledger` does not know the end of. All of them are settled then but those
/// that did not take effect and may yet.
#[must_use]
pub fn settle(ledger: &Ledger, (observed, behaviour): (&Observed, Behaviour), now: Timestamp) -> Vec<Record> {
    let mut settled = Vec::new();
    for intent in ledger.intents() {
        let learned = learned(ledger, (observed, behaviour), intent);
        // A clock that was set back says nothing.
        let age = now.duration_since(intent.at);
        let may_come = !age.is_negative() && age < ON_ITS_WAY;
        if learned.is_none() && may_come {
            continue;
        }
        match learned {
            Some(entry) => settled.push(Record::Entry(entry)),
            None => settled.extend(intent.published().map(Record::Published)),
        }
        settled.push(Record::Settled(intent.step.clone()));
    }
    settled
}

/// Segments that a run took out and did not put back before it ended, although they are not ours.
pub fn left_out<'o>(
    ledger: &'o Ledger,
    (observed, behaviour): (&'o Observed, Behaviour),
) -> impl Iterator<Item = &'o LiveSegment> {
    let taken_out = ledger.intents().filter(|intent| intent.takes_out);
    taken_out.filter_map(move |intent| {
        let mut segments = observed.segments.values();
        let live = match &intent.write {
            Write::TakeOut { name, .. } => segments.find(|live| live.name == *name),
            Write::Create { .. } | Write::Send { .. } | Write::Upload { .. } => None,
            Write::Update { id, .. } | Write::Lifecycle { id, .. } => observed.segments.get(id),
        };
        let is_left = |live: &&LiveSegment| live.listed && ledger.entry(&live.id).is_none();
        live.filter(is_left)
            .filter(|_| learned(ledger, (observed, behaviour), intent).is_none())
    })
}

/// What is known of the segment if the write took effect. What was written since is known better.
fn learned(ledger: &Ledger, seen: (&Observed, Behaviour), intent: &Intent) -> Option<Entry> {
    let entry = written(ledger, seen, intent)?;
    let known = ledger.entry(&entry.id);
    known
        .is_none_or(|known| known.applied_at <= intent.at)
        .then_some(entry)
}

fn written(ledger: &Ledger, (observed, behaviour): (&Observed, Behaviour), intent: &Intent) -> Option<Entry> {
    let mut segments = observed.segments.values();
    match &intent.write {
        // What was taken out to see what it is, and is what the step was to make, is what became of the step.
        Write::Create { definition, digest }
        | Write::TakeOut {
            definition, digest, ..
        } => {
            let live = segments.find(|live| live.name == intent.segment)?;
            let is_move = matches!(intent.write, Write::TakeOut { .. });
            has(live, definition).then(|| Entry {
                lifecycle_unknown: is_move && behaviour.list_shows_archived,
                ..stored(entry(ledger, live, intent), definition, digest)
            })
        }
        Write::Update {
            id,
            name,
            definition,
            digest,
        } => {
            let live = observed.segments.get(id)?;
            // With another name it was renamed by hand since, unless it had that definition before.
            let is_there = has(live, definition) && (live.name == *name || is_new(ledger, intent, id));
            is_there.then(|| stored(entry(ledger, live, intent), definition, digest))
        }
        // Nobody but its key tells one cohort from another, and nobody shows that; names are unique.
        Write::Send { sent } => {
            let live = segments.find(|live| is_without_filters(live, intent))?;
            Some(Entry {
                sent: Some(sent.clone()),
                ..made(entry(ledger, live, intent), SegmentKind::Cohort)
            })
        }
        Write::Upload { .. } => {
            let live = segments.find(|live| is_without_filters(live, intent))?;
            Some(Entry {
                uploaded: begun(intent).map(Box::new),
                ..made(entry(ledger, live, intent), SegmentKind::File)
            })
        }
        Write::Lifecycle { .. } if intent.takes_out => None,
        Write::Lifecycle { id, .. } if behaviour.list_shows_archived => {
            let live = observed.segments.get(id)?;
            Some(Entry {
                lifecycle_unknown: true,
                // Nobody can say that it became ours.
                only_kept: ledger.entry(id).is_none(),
                ..entry(ledger, live, intent)
            })
        }
        Write::Lifecycle { id, lifecycle, .. } => {
            let live = observed.segments.get(id)?;
            (live.lifecycle == *lifecycle).then(|| moved(entry(ledger, live, intent), *lifecycle, intent))
        }
    }
}

/// Whether a segment is the one that a run was about to make of members or users.
fn is_without_filters(live: &LiveSegment, intent: &Intent) -> bool {
    live.name == intent.segment && live.kind != LiveKind::Filter
}

/// A segment that was made.
fn made(entry: Entry, kind: SegmentKind) -> Entry {
    Entry {
        kind,
        lifecycle: Lifecycle::Active,
        lifecycle_unknown: false,
        ..entry
    }
}

/// What is known of the users of a file segment that a run was about to make.
fn begun(intent: &Intent) -> Option<Uploaded> {
    let Write::Upload {
        identifier,
        expires_in_days,
        ..
    } = &intent.write
    else {
        return None;
    };
    Some(Uploaded {
        made_at: Some(intent.at),
        unanswered_at: Some(intent.at),
        published: intent.published().into_iter().collect(),
        ..Uploaded::nothing(identifier.clone(), *expires_in_days)
    })
}

/// A segment that was put away or taken out.
fn moved(entry: Entry, lifecycle: Lifecycle, intent: &Intent) -> Entry {
    let mut entry = Entry { lifecycle, ..entry };
    if let Some(uploaded) = &mut entry.uploaded {
        match lifecycle {
            Lifecycle::Archived => uploaded.put_away_at = Some(intent.at),
            Lifecycle::Active => uploaded.take_out(intent.at),
        }
    }
    entry
}

/// Whether a run was about to replace another definition of a segment by that of its update.
fn is_new(ledger: &Ledger, intent: &Intent, id: &SegmentId) -> bool {
    let Write::Update { definition, .. } = &intent.write else {
        return false;
    };
    let replaced = ledger.kept(id).and_then(|entry| entry.replaced.last());
    replaced.is_some_and(|replaced| {
        replaced.run == intent.step.run && digest(&replaced.definition) != digest(definition)
    })
}

/// Whether a segment has a definition, both with ids in references.
fn has(live: &LiveSegment, definition: &Payload) -> bool {
    let found = live.definition.as_ref();
    let found = found.filter(|_| live.kind == LiveKind::Filter);
    found.is_some_and(|found| digest(found) == digest(definition))
}

fn digest(definition: &Payload) -> Digest {
    Digest::exact(definition, &Identities::default())
}

/// What is known of a segment, stamped with the run that was about to write it.
fn entry(ledger: &Ledger, live: &LiveSegment, intent: &Intent) -> Entry {
    let known = ledger.kept(&live.id).cloned();
    let known = known.unwrap_or_else(|| Entry::new(live.id.clone(), live.name.clone(), intent.at));
    let mut entry = Entry {
        protect: intent.protect,
        only_kept: false,
        applied_at: intent.at,
        run: intent.step.run.clone(),
        ..known
    };
    // What is taken out under another name gets the declared one by its update, which may not have come.
    let comes_out = matches!(
        &intent.write,
        Write::Lifecycle {
            lifecycle: Lifecycle::Active,
            ..
        }
    );
    if !comes_out || live.name == intent.segment {
        entry.rename(intent.segment.clone());
    }
    entry
}

fn stored(entry: Entry, definition: &Payload, digest: &str) -> Entry {
    Entry {
        lifecycle: Lifecycle::Active,
        lifecycle_unknown: false,
        definition: Some(definition.clone()),
        digest: Some(digest.to_owned()),
        ..entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Replaced, StepKey};
    use crate::model::SegmentName;
    use crate::observe::tests::payload;

    fn live(name: &str, amount: u8, lifecycle: Lifecycle) -> Observed {
        let live = LiveSegment {
            id: SegmentId::new("a1"),
            name: SegmentName::new(name),
            kind: LiveKind::Filter,
            lifecycle,
            source: None,
            created_time: None,
            listed: lifecycle == Lifecycle::Active,
            read_at: None,
            read_after: None,
            definition: Some(payload(amount)),
        };
        Observed {
            segments: [(live.id.clone(), live)].into(),
            ..Observed::default()
        }
    }

    /// A ledger that knows the segment as `Before`, or nothing of it, with a write under way.
    fn ledger(is_known: bool, write: Write) -> Ledger {
        let mut ledger = Ledger::default();
        if is_known {
            ledger.record(Entry::new(
                SegmentId::new("a1"),
                SegmentName::new("Before"),
                Timestamp::UNIX_EPOCH,
            ));
        }
        ledger.apply(Record::Intent(Intent {
            step: StepKey {
                run: "crashed".to_owned(),
                step: 1,
            },
            segment: SegmentName::new("One"),
            protect: true,
            at: Timestamp::from_second(5).unwrap(),
            takes_out: false,
            write,
        }));
        ledger
    }

    fn create() -> Write {
        Write::Create {
            definition: payload(1),
            digest: "digest".to_owned(),
        }
    }

    fn update() -> Write {
        Write::Update {
            id: SegmentId::new("a1"),
            name: SegmentName::new("One"),
            definition: payload(1),
            digest: "digest".to_owned(),
        }
    }

    fn take_out() -> Write {
        Write::TakeOut {
            name: SegmentName::new("One"),
            definition: payload(1),
            digest: "digest".to_owned(),
        }
    }

    fn put_away() -> Write {
        Write::Lifecycle {
            id: SegmentId::new("a1"),
            name: SegmentName::new("One"),
            lifecycle: Lifecycle::Archived,
        }
    }

    /// Settles long after.
    fn settle_into(ledger: &mut Ledger, seen: (&Observed, Behaviour)) {
        for record in settle(ledger, seen, Timestamp::from_second(600).unwrap()) {
            ledger.apply(record);
        }
        assert_eq!(ledger.intents().count(), 0);
    }

    #[test]
    fn an_update_of_what_was_renamed_by_hand_took_effect_where_its_definition_is_new() {
        for (before, took_effect) in [(2, true), (1, false)] {
            let mut ledger = ledger(true, update());
            let mut entry = ledger.entry(&SegmentId::new("a1")).cloned().unwrap();
            entry.keep(Replaced {
                name: SegmentName::new("Before"),
                definition: payload(before),
                replaced_at: Timestamp::from_second(5).unwrap(),
                run: "crashed".to_owned(),
            });
            ledger.record(entry);
            settle_into(
                &mut ledger,
                (&live("By hand", 1, Lifecycle::Active), Behaviour::default()),
            );
            let entry = ledger.entry(&SegmentId::new("a1")).unwrap();
            // Under the declared name, so that the rename is drift.
            let expected = if took_effect {
                ("One", Some("digest"))
            } else {
                ("Before", None)
            };
            assert_eq!((entry.name.as_str(), entry.digest.as_deref()), expected);
        }
    }

    #[test]
    fn whether_a_segment_is_archived_is_unknown_where_the_list_does_not_tell() {
        let behaviour = Behaviour {
            list_shows_archived: true,
            ..Behaviour::default()
        };
        let table = [
            (put_away(), true),
            (take_out(), true),
            (create(), false),
            (update(), false),
        ];
        for (write, is_unknown) in table {
            for is_known in [true, false] {
                let mut ledger = ledger(is_known, write.clone());
                settle_into(&mut ledger, (&live("One", 1, Lifecycle::Active), behaviour));
                let id = SegmentId::new("a1");
                let entry = ledger.kept(&id).unwrap();
                assert_eq!(
                    (entry.lifecycle, entry.lifecycle_unknown),
                    (Lifecycle::Active, is_unknown),
                    "{write:?}"
                );
                // What is not known to have been done makes nothing ours.
                let is_move = matches!(write, Write::Lifecycle { .. });
                assert_eq!(ledger.entry(&id).is_some(), is_known || !is_move, "{write:?}");
            }
        }
    }

    #[test]
    fn a_write_took_effect_when_what_it_was_to_leave_is_there() {
        use Lifecycle::{Active, Archived};
        let nothing = Observed::default();
        let table = [
            (create(), false, live("One", 1, Active), true),
            (create(), false, live("One", 2, Active), false),
            (create(), false, live("Other", 1, Active), false),
            (create(), false, nothing.clone(), false),
            (take_out(), false, live("One", 1, Active), true),
            (take_out(), false, live("One", 2, Active), false),
            (take_out(), false, nothing.clone(), false),
            (update(), true, live("One", 1, Active), true),
            (update(), true, live("One", 2, Active), false),
            (update(), true, live("Before", 1, Active), false),
            (update(), true, nothing.clone(), false),
            (put_away(), true, live("One", 3, Archived), true),
            (put_away(), false, live("One", 3, Archived), true),
            (put_away(), true, live("One", 3, Active), false),
            (put_away(), true, nothing, false),
        ];
        for (write, is_known, observed, took_effect) in table {
            let mut after = ledger(is_known, write.clone());
            let before = after.entry(&SegmentId::new("a1")).cloned();
            // A call that was lost a moment ago may still arrive.
            if !took_effect {
                let now = Timestamp::from_second(6).unwrap();
                assert_eq!(settle(&after, (&observed, Behaviour::default()), now), []);
            }
            settle_into(&mut after, (&observed, Behaviour::default()));
            let entry = after.entry(&SegmentId::new("a1")).cloned();
            if !took_effect {
                assert_eq!(entry, before, "{write:?}");
                continue;
            }
            let entry = entry.unwrap();
            assert_eq!(
                (entry.name.as_str(), entry.run.as_str(), entry.protect),
                ("One", "crashed", true)
            );
            let is_lifecycle = matches!(write, Write::Lifecycle { .. });
            assert_eq!(
                (entry.lifecycle, entry.digest.as_deref()),
                if is_lifecycle {
                    (Archived, None)
                } else {
                    (Active, Some("digest"))
                }
            );
        }
    }
}
