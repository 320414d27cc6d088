//! Where the data behind a plan comes from: one line, and the end of a plan or drift without changes.

use crate::diagnostic::phrases::count_noun;
use crate::model::Freshness;
use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// One line without its end; `None` when nothing comes from the cache, or only definitions of unmanaged segments that are
/// less than a minute old.
pub(super) fn freshness(document: &Freshness) -> Option<String> {
    let oldest = document.oldest_cached_at;
    let is_old = oldest.is_none_or(|at| at.duration_until(document.planned_at).as_secs() >= MINUTE);
    let is_worth_a_line = document.managed.cached > 0 || document.cached > 0 && is_old;
    if !is_worth_a_line && !document.offline {
        return None;
    }
    let (mut refreshed, mut cached) = (Vec::new(), Vec::new());
    if document.offline {
        let listed = format_age(document.listed_at, document.planned_at);
        cached.push(format!("segment list ({listed} old)"));
    } else {
        refreshed.push("segment list".to_owned());
    }
    if document.read > 0 {
        refreshed.push(count_noun(document.read, "definition"));
    }
    if document.cached > 0 {
        let count = if document.offline {
            count_noun(document.cached, "definition")
        } else {
            document.cached.to_string()
        };
        let oldest = format_age(document.oldest_cached_at, document.planned_at);
        cached.push(format!("{count} (oldest {oldest})"));
    }
    let not_read = (document.not_read > 0).then(|| document.not_read.to_string());
    let parts = [
        ("Refreshed", refreshed),
        ("Cached", cached),
        ("Not read", Vec::from_iter(not_read)),
    ];
    let sentences = parts
        .into_iter()
        .filter(|(_, items)| !items.is_empty())
        .map(|(label, items)| format!("{label}: {}.", items.join(", ")));
    Some(sentences.collect::<Vec<_>>().join(" "))
}

/// `No changes.` or `No drift.`, with what was not re-read.
pub(super) fn nothing_found(what: &str, document: Option<&Freshness>) -> String {
    let Some(document) = document.filter(|document| document.managed.cached > 0) else {
        return format!("{what}.");
    };
    let managed = document.managed;
    let oldest = format_age(managed.oldest_cached_at, document.planned_at);
    let advice = if document.offline {
        "a run without --offline reads them"
    } else {
        "--refresh=full reads all"
    };
    format!(
        "{what} in the {} checked; {} not re-read (oldest {oldest}; {advice}).",
        count_noun(managed.read, "segment"),
        managed.cached
    )
}

/// `of unknown age` for a moment that is unknown or in the future, because a clock was set back.
fn format_age(moment: Option<Timestamp>, now: Timestamp) -> String {
    let seconds = moment.map(|moment| moment.duration_until(now).as_secs());
    match seconds {
        None | Some(..0) => "of unknown age".to_owned(),
        Some(0..MINUTE) => "under 1 min".to_owned(),
        Some(seconds @ MINUTE..HOUR) => format!("{} min", seconds / MINUTE),
        Some(seconds @ HOUR..DAY) => format!("{} h", seconds / HOUR),
        Some(seconds) => match seconds / DAY {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ManagedFreshness;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// 300 definitions, of which 12 were read.
    fn document(oldest: Option<i64>) -> Freshness {
        let oldest = oldest.map(|age| at(1_000_000 - age));
        Freshness {
            planned_at: at(1_000_000),
            listed_at: Some(at(1_000_000)),
            offline: false,
            definitions: 300,
            read: 12,
            cached: 288,
            oldest_cached_at: oldest,
            not_read: 0,
            managed: ManagedFreshness {
                read: 12,
                cached: 150,
                oldest_cached_at: oldest,
            },
        }
    }

    fn offline() -> Freshness {
        Freshness {
            listed_at: Some(at(1_000_000 - HOUR)),
            definitions: 288,
            read: 0,
            not_read: 2,
            managed: ManagedFreshness {
                read: 0,
                ..document(Some(90 * MINUTE)).managed
            },
            ..document(Some(90 * MINUTE)).offline()
        }
    }

    #[test]
    fn the_sources_are_shown_on_one_line() {
        let of_unmanaged = |oldest, cached| Freshness {
            cached,
            managed: ManagedFreshness::default(),
            ..document(oldest)
        };
        let table = [
            (of_unmanaged(None, 0), None),
            (of_unmanaged(Some(59), 288), None),
            (
                of_unmanaged(Some(60), 288),
                Some("Refreshed: segment list, 12 definitions. Cached: 288 (oldest 1 min)."),
            ),
            (
                document(Some(59)),
                Some("Refreshed: segment list, 12 definitions. Cached: 288 (oldest under 1 min)."),
            ),
            (
                document(Some(3 * DAY + 5)),
                Some("Refreshed: segment list, 12 definitions. Cached: 288 (oldest 3 days)."),
            ),
            (
                document(None),
                Some("Refreshed: segment list, 12 definitions. Cached: 288 (oldest of unknown age)."),
            ),
            (
                offline(),
                Some("Cached: segment list (1 h old), 288 definitions (oldest 1 h). Not read: 2."),
            ),
        ];
        for (document, expected) in table {
            assert_eq!(freshness(&document).as_deref(), expected);
        }
    }

    #[test]
    fn a_result_without_changes_reports_what_was_not_re_read() {
        let one_read = Freshness {
            managed: ManagedFreshness {
                read: 1,
                ..document(Some(2 * HOUR)).managed
            },
            ..document(Some(2 * HOUR))
        };
        // Cached definitions of unmanaged segments do not matter.
        let all_read = Freshness {
            managed: ManagedFreshness {
                cached: 0,
                ..document(Some(2 * HOUR)).managed
            },
            ..document(Some(2 * HOUR))
        };
        let table = [
            (None, "No changes."),
            (Some(all_read), "No changes."),
            (
                Some(document(Some(2 * HOUR))),
                "No changes in the 12 segments checked; 150 not re-read (oldest 2 h; --refresh=full reads all).",
            ),
            (
                Some(one_read),
                "No changes in the 1 segment checked; 150 not re-read (oldest 2 h; --refresh=full reads all).",
            ),
            (
                Some(document(Some(-5))),
                "No changes in the 12 segments checked; 150 not re-read (oldest of unknown age; --refresh=full reads all).",
            ),
            (
                Some(offline()),
                "No changes in the 0 segments checked; 150 not re-read (oldest 1 h; a run without --offline reads them).",
            ),
        ];
        for (document, expected) in table {
            assert_eq!(nothing_found("No changes", document.as_ref()), expected);
        }
    }
}
