//! The age of the data behind a plan, in one line.

use crate::render::json::FreshnessDocument;
use crate::render::phrases::count_noun;
use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// One line without its end; `None` when all data is less than a minute old.
pub(super) fn freshness(document: &FreshnessDocument) -> Option<String> {
    let age = |time: Timestamp| time.duration_until(document.planned_at).as_secs();
    let listed = document.listed_at.map_or(0, age);
    let oldest = document.oldest_cached_at.map_or(0, age);
    if listed.max(oldest) < MINUTE {
        return None;
    }
    let (mut refreshed, mut cached) = (Vec::new(), Vec::new());
    let is_list_cached = listed >= MINUTE;
    if is_list_cached {
        cached.push(format!("segment list ({} old)", format_age(listed)));
    } else {
        refreshed.push("segment list".to_owned());
    }
    if document.definitions > document.cached {
        refreshed.push(count_noun(document.definitions - document.cached, "definition"));
    }
    if document.cached > 0 {
        let count = if is_list_cached {
            count_noun(document.cached, "definition")
        } else {
            document.cached.to_string()
        };
        cached.push(format!("{count} (oldest {})", format_age(oldest)));
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

fn format_age(seconds: i64) -> String {
    match seconds {
        ..MINUTE => "under 1 min".to_owned(),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => format!("{} h", seconds / HOUR),
        _ => match seconds / DAY {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_shown_on_one_line() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let document = |listed, oldest| FreshnessDocument {
            planned_at: at(1_000_000),
            listed_at: Some(at(1_000_000 - listed)),
            definitions: 300,
            cached: 288,
            oldest_cached_at: Some(at(1_000_000 - oldest)),
            not_read: 0,
        };
        let offline = FreshnessDocument {
            definitions: 288,
            not_read: 2,
            ..document(HOUR, 90 * MINUTE)
        };
        let table = [
            (document(0, 59), None),
            (
                document(0, 3 * DAY + 5),
                Some("Refreshed: segment list, 12 definitions. Cached: 288 (oldest 3 days)."),
            ),
            (
                offline,
                Some("Cached: segment list (1 h old), 288 definitions (oldest 1 h). Not read: 2."),
            ),
        ];
        for (document, expected) in table {
            assert_eq!(freshness(&document).as_deref(), expected);
        }
    }
}
