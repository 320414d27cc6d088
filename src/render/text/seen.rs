//! How old what a plan saw is, in one line.

use crate::render::document::SeenDocument;
use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// One line without its end; `None` where everything was read for the plan, or a moment before.
pub(super) fn seen(document: &SeenDocument) -> Option<String> {
    let age = |moment: Timestamp| moment.duration_until(document.planned_at).as_secs();
    let listed = document.listed_at.map_or(0, age);
    let oldest = document.oldest.map_or(0, age);
    if listed.max(oldest) < MINUTE {
        return None;
    }
    let list = if listed < MINUTE {
        "list just now".to_owned()
    } else {
        format!("list {} ago", words(listed))
    };
    let unread = match document.unread {
        0 => String::new(),
        1 => "; 1 definition was never read".to_owned(),
        count => format!("; {count} definitions were never read"),
    };
    Some(format!(
        "Seen: {list}, {} of {} definitions from the snapshot, the oldest read {} ago{unread}.",
        document.remembered,
        document.definitions,
        words(oldest)
    ))
}

/// In the largest unit that is whole.
fn words(seconds: i64) -> String {
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
    fn ages_are_told_in_one_line() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let document = |listed, oldest| SeenDocument {
            planned_at: at(1_000_000),
            listed_at: Some(at(1_000_000 - listed)),
            definitions: 300,
            remembered: 288,
            oldest: Some(at(1_000_000 - oldest)),
            unread: 0,
        };
        assert_eq!(seen(&document(0, 59)), None);
        assert_eq!(
            seen(&document(0, 3 * DAY + 5)).as_deref(),
            Some(
                "Seen: list just now, 288 of 300 definitions from the snapshot, the oldest read 3 days ago."
            )
        );
        let offline = SeenDocument {
            unread: 2,
            ..document(HOUR, 90 * MINUTE)
        };
        assert_eq!(
            seen(&offline).as_deref(),
            Some(
                "Seen: list 1 hour ago, 288 of 300 definitions from the snapshot, the oldest read 1 hour ago; 2 \
                 definitions were never read."
            )
        );
    }
}
