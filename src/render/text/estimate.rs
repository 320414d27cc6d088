//! What a plan costs, in one line.

use crate::model::{EndpointClass, Keyword};
use crate::plan::estimate::describe_classes;
use crate::render::json::{BlockedClassDocument, EstimateDocument, WindowDocument};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Reads before writes, as a run makes them.
const CLASS_ORDER: [EndpointClass; 7] = [
    EndpointClass::List,
    EndpointClass::Get,
    EndpointClass::Create,
    EndpointClass::Update,
    EndpointClass::Lifecycle,
    EndpointClass::File,
    EndpointClass::Cohort,
];

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How many calls the plan makes, what they wait for, and when they are done by the clocks of `zone`; one line
/// without its end.
#[must_use]
pub fn estimate(document: &EstimateDocument, zone: &TimeZone) -> String {
    if document.total == 0 {
        return "No calls.".to_owned();
    }
    let clock = EstimateClock {
        zone,
        now: document.estimated_at,
    };
    let done = clock.time(document.finishes_at);
    let ending = match (
        document.waits_for.as_str(),
        document.limiting_windows.first(),
        document.blocked_classes.first(),
    ) {
        ("window", Some(window), _) => format!("{}: done about {done}.", rate_limit(window)),
        ("service", _, Some(closed)) => format!("{}: done about {done}.", blocked(closed, &clock)),
        _ => format!("No waiting: done {}.", clock.within(document.finishes_at)),
    };
    format!("{} {ending}", request_counts(document))
}

fn request_counts(document: &EstimateDocument) -> String {
    let of = |class: &EndpointClass| {
        let word = class.as_str();
        document
            .requests
            .get(word)
            .filter(|count| **count > 0)
            .map(|count| format!("{word} {count}"))
    };
    let parts: Vec<_> = CLASS_ORDER.iter().filter_map(of).collect();
    let noun = if document.total == 1 { "call" } else { "calls" };
    format!("{} {noun}: {}.", document.total, parts.join(", "))
}

fn rate_limit(window: &WindowDocument) -> String {
    let classes: Vec<_> = window
        .classes
        .iter()
        .filter_map(|word| EndpointClass::from_text(word))
        .collect();
    let span = match window.span_seconds {
        MINUTE => "this minute".to_owned(),
        HOUR => "this hour".to_owned(),
        DAY => "this day".to_owned(),
        _ => "now".to_owned(),
    };
    format!(
        "{} {}, {} left {span}",
        window.limit,
        describe_classes(&classes),
        window.left
    )
}

fn blocked(closed: &BlockedClassDocument, clock: &EstimateClock<'_>) -> String {
    let class = EndpointClass::from_text(&closed.class);
    let calls = class.map_or_else(|| closed.class.clone(), |class| describe_classes(&[class]));
    format!("The service takes no {calls} before {}", clock.time(closed.until))
}

/// Tells times from the moment of the estimate on.
struct EstimateClock<'a> {
    zone: &'a TimeZone,
    now: Timestamp,
}

impl EstimateClock<'_> {
    /// The minute by which `moment` is past, with the date when that is not today.
    fn time(&self, moment: Timestamp) -> String {
        let second = moment.as_second();
        let minute = second.saturating_add((-second).rem_euclid(MINUTE));
        let minute = Timestamp::from_second(minute).unwrap_or(moment);
        let [now, then] = [self.now, minute].map(|moment| moment.to_zoned_datetime(self.zone.clone()));
        let format = if now.date() == then.date() {
            "%H:%M %Z"
        } else {
            "%Y-%m-%d %H:%M %Z"
        };
        then.strftime(format).to_string()
    }

    /// How soon `moment` is.
    fn within(&self, moment: Timestamp) -> String {
        let seconds = self
            .now
            .duration_until(moment)
            .max(SignedDuration::ZERO)
            .as_secs();
        match (seconds + MINUTE - 1) / MINUTE {
            0 | 1 => "within a minute".to_owned(),
            minutes if minutes < 60 => format!("within {minutes} minutes"),
            _ => format!("about {}", self.time(moment)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RequestRecord;
    use crate::plan::estimate as plan;
    use crate::rate_limit::{RateLimiter, RateLimits};
    use std::collections::BTreeMap;

    fn document(calls: &[(&str, usize)], done_after: i64) -> EstimateDocument {
        let asked_at: Timestamp = "2026-11-26T14:10:30Z".parse().unwrap();
        let done_at = asked_at + SignedDuration::from_secs(done_after);
        EstimateDocument {
            requests: calls
                .iter()
                .map(|(class, count)| ((*class).to_owned(), *count))
                .collect::<BTreeMap<_, _>>(),
            total: calls.iter().map(|(_, count)| count).sum(),
            estimated_at: asked_at,
            finishes_at: done_at,
            wait_seconds: 0,
            waits_for: "nothing".to_owned(),
            limiting_windows: Vec::new(),
            blocked_classes: Vec::new(),
        }
    }

    fn waiting(
        mut document: EstimateDocument,
        classes: &[&str],
        limit: &str,
        span_seconds: i64,
    ) -> EstimateDocument {
        document.waits_for = "window".to_owned();
        document.limiting_windows.push(WindowDocument {
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            limit: limit.to_owned(),
            max_requests: 200,
            span_seconds,
            used: 139,
            left: 61,
            needed: 75,
            wait_seconds: 1800,
        });
        document
    }

    #[test]
    fn the_estimate_is_one_line() {
        let mixed = [("list", 1), ("get", 61), ("create", 75), ("update", 0)];
        let table = [
            (document(&[], 0), "No calls."),
            (
                waiting(document(&mixed, 2460), &["create"], "200/h", HOUR),
                "137 calls: list 1, get 61, create 75. 200/h creates, 61 left this hour: done about 14:52 UTC.",
            ),
            (
                waiting(document(&mixed, 100), &["list", "create"], "50/min", MINUTE),
                "137 calls: list 1, get 61, create 75. 50/min list and create together, 61 left this minute: \
                 done about 14:13 UTC.",
            ),
            (
                waiting(document(&[("create", 2)], 35_400), &["create"], "1000/day", DAY),
                "2 calls: create 2. 1000/day creates, 61 left this day: done about 2026-11-27 00:01 UTC.",
            ),
            (
                waiting(document(&[("update", 2)], 60), &["update"], "10/3s", 3),
                "2 calls: update 2. 10/3s updates, 61 left now: done about 14:12 UTC.",
            ),
            (
                document(&[("list", 1)], 1),
                "1 call: list 1. No waiting: done within a minute.",
            ),
            (
                document(&[("get", 120)], 61),
                "120 calls: get 120. No waiting: done within 2 minutes.",
            ),
            (
                document(&[("get", 9000)], 4500),
                "9000 calls: get 9000. No waiting: done about 15:26 UTC.",
            ),
        ];
        for (document, text) in table {
            assert_eq!(estimate(&document, &TimeZone::UTC), text);
        }
    }

    #[test]
    fn the_estimate_matches_the_rate_limit_windows() {
        let asked_at: Timestamp = "2026-11-26T14:10:30Z".parse().unwrap();
        let mut pacing = RateLimiter::new(RateLimits::default());
        pacing.merge_log([RequestRecord::ListAndCreateSeparate], asked_at);
        let earlier = (0..139).map(|number| asked_at - SignedDuration::from_secs(1200 + number));
        for moment in earlier {
            pacing.record_counted(EndpointClass::Create, moment);
        }
        let pairs = [EndpointClass::Get, EndpointClass::Create].repeat(75);
        let calls = [vec![EndpointClass::List], pairs].concat();
        let document = EstimateDocument::new(&plan::estimate(&calls, pacing, asked_at));
        assert_eq!(
            estimate(&document, &TimeZone::UTC),
            "151 calls: list 1, get 75, create 75. 200/h creates, 61 left this hour: done about 14:49 UTC."
        );
        let json = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<EstimateDocument>(&json).unwrap(), document);
        assert!(json.contains(r#""asked_at":"2026-11-26T14:10:30Z""#), "{json}");
    }

    #[test]
    fn a_blocked_class_is_shown_with_the_time_it_opens() {
        let mut document = document(&[("create", 1)], 600);
        document.waits_for = "service".to_owned();
        document.blocked_classes.push(BlockedClassDocument {
            class: "create".to_owned(),
            until: "2026-11-26T14:20:00Z".parse().unwrap(),
            wait_seconds: 570,
        });
        let text = "1 call: create 1. The service takes no creates before 14:20 UTC: done about 14:21 UTC.";
        assert_eq!(estimate(&document, &TimeZone::UTC), text);
    }

    #[test]
    fn times_are_shown_in_the_given_time_zone() {
        let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
        let table = [(2460, "20:22"), (15_600, "2026-11-27 00:01")];
        for (after, time) in table {
            let document = waiting(document(&[("create", 1)], after), &["create"], "200/h", HOUR);
            let text = estimate(&document, &kolkata);
            assert!(text.ends_with(&format!("done about {time} IST.")), "{text}");
        }
    }
}
