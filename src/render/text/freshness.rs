//! How old what a plan saw is, in one line.

use crate::render::json::FreshnessDocument;
use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// One line without its end; `None` where everything was read for the plan, or a moment before.
pub(super) fn freshness(document: &FreshnessDocument) -> Option<String> {
    let age = |moment: Timestamp| moment.duration_until(document.planned_at).as_secs();
    let listed = document.listed_at.map_or(0, age);
    let oldest = document.oldest_cached_at.map_or(0, age);
    if listed.max(oldest) < MINUTE {
        return None;
    }
    let list = if listed < MINUTE {
        "list just now".to_owned()
    } else {
        format!("list {} ago", format_age(listed))
    };
    let unread = match document.not_read {
        0 => String::new(),
        1 => "; 1 definition was never read".to_owned(),
        count => format!("; {count} definitions were never read"),
    };
    Some(format!(
        "Seen: {list}, {} of {} definitions from the snapshot, the oldest read {} ago{unread}.",
        document.cached,
        document.definitions,
        format_age(oldest)
    ))
}

/// In the largest unit that is whole.
fn format_age(seconds: i64) -> String {
    let units = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")];
    let Some((length, unit)) = units.into_iter().find(|(length, _)| seconds >= *length) else {
        return "less than a minute".to_owned();
    };
    let count = seconds / length;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
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
        assert_eq!(freshness(&document(0, 59)), None);
        assert_eq!(
            freshness(&document(0, 3 * DAY + 5)).as_deref(),
            Some(
                "Seen: list just now, 288 of 300 definitions from the snapshot, the oldest read 3 days ago."
            )
        );
        let offline = FreshnessDocument {
            not_read: 2,
            ..document(HOUR, 90 * MINUTE)
        };
        assert_eq!(
            freshness(&offline).as_deref(),
            Some(
                "Seen: list 1 hour ago, 288 of 300 definitions from the snapshot, the oldest read 1 hour ago; 2 \
                 definitions were never read."
            )
        );
    }
}
