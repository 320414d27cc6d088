//! What became of writes that a run was about to make when it ended, by what is there now. Pure.
//!
//! Nothing is guessed: a write took effect when what it was to leave is there. Where something else is, it may have been
//! undone since or never been made; either way the plan starts from what is there.

use crate::definition::{Digest, Identities};
use crate::ledger::{Entry, Intent, Ledger, Record, Write};
use crate::model::{Lifecycle, LiveKind, LiveSegment, Observed, Payload};
use jiff::{SignedDuration, Timestamp};

/// For how long a call that was not answered may still be on its way: several times as long as an answer is waited for.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(5);

/// What to take down at `now` of the writes that `ledger` does not know the end of. All of them are settled then but those
/// that did not take effect and may yet.
#[must_use]
pub fn settle(ledger: &Ledger, observed: &Observed, now: Timestamp) -> Vec<Record> {
    let mut settled = Vec::new();
    for intent in ledger.intents() {
        let learned = learned(ledger, observed, intent);
        // A clock that was set back says nothing.
        let age = now.duration_since(intent.at);
        let may_come = !age.is_negative() && age < ON_ITS_WAY;
        if learned.is_none() && may_come {
            continue;
        }
        settled.extend(learned.map(Record::Entry));
        settled.push(Record::Settled(intent.step.clone()));
    }
    settled
}

/// Segments that a run took out and did not put back before it ended, although they are not ours.
pub fn left_out<'o>(ledger: &'o Ledger, observed: &'o Observed) -> impl Iterator<Item = &'o LiveSegment> {
    let taken_out = ledger.intents().filter(|intent| intent.takes_out);
    taken_out.filter_map(move |intent| {
        let mut segments = observed.segments.values();
        let live = match &intent.write {
            Write::TakeOut { name, .. } => segments.find(|live| live.name == *name),
            Write::Create { .. } => None,
            Write::Update { id, .. } | Write::Lifecycle { id, .. } => observed.segments.get(id),
        };
        let is_left = |live: &&LiveSegment| live.listed && ledger.entry(&live.id).is_none();
        live.filter(is_left)
            .filter(|_| learned(ledger, observed, intent).is_none())
    })
}

/// What is known of the segment if the write took effect. What was written since is known better.
fn learned(ledger: &Ledger, observed: &Observed, intent: &Intent) -> Option<Entry> {
    let entry = written(ledger, observed, intent)?;
    let known = ledger.entry(&entry.id);
    known
        .is_none_or(|known| known.applied_at <= intent.at)
        .then_some(entry)
}

fn written(ledger: &Ledger, observed: &Observed, intent: &Intent) -> Option<Entry> {
    let mut segments = observed.segments.values();
    match &intent.write {
        // What was taken out to see what it is, and is what the step was to make, is what became of the step.
        Write::Create { definition, digest }
        | Write::TakeOut {
            definition, digest, ..
        } => {
            let live = segments.find(|live| live.name == intent.segment)?;
            let entry = has(live, definition).then(|| entry(ledger, live, intent));
            entry.map(|entry| stored(entry, definition, digest))
        }
        Write::Update {
            id,
            name,
            definition,
            digest,
        } => {
            let live = observed.segments.get(id)?;
            let is_there = live.name == *name && has(live, definition);
            is_there.then(|| stored(entry(ledger, live, intent), definition, digest))
        }
        Write::Lifecycle { .. } if intent.takes_out => None,
        Write::Lifecycle { id, lifecycle, .. } => {
            let live = observed.segments.get(id)?;
            (live.lifecycle == *lifecycle).then(|| Entry {
                lifecycle: *lifecycle,
                ..entry(ledger, live, intent)
            })
        }
    }
}

/// Whether a segment has a definition, both with ids in references.
fn has(live: &LiveSegment, definition: &Payload) -> bool {
    let unnamed = Identities::default();
    let found = live.definition.as_ref();
    let found = found.filter(|_| live.kind == LiveKind::Filter);
    found.is_some_and(|found| Digest::exact(found, &unnamed) == Digest::exact(definition, &unnamed))
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
    entry.rename(intent.segment.clone());
    entry
}

fn stored(entry: Entry, definition: &Payload, digest: &str) -> Entry {
    Entry {
        lifecycle: Lifecycle::Active,
        definition: Some(definition.clone()),
        digest: Some(digest.to_owned()),
        ..entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::StepKey;
    use crate::model::{SegmentId, SegmentName};
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
                assert_eq!(settle(&after, &observed, Timestamp::from_second(6).unwrap()), []);
            }
            for record in settle(&after, &observed, Timestamp::from_second(600).unwrap()) {
                after.apply(record);
            }
            assert_eq!(after.intents().count(), 0);
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
