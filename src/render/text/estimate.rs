//! The cost of a plan, in one line.

use crate::model::{EndpointClass, Keyword};
use crate::plan::estimate::duration::{format_duration, round_up_seconds};
use crate::render::json::{EstimateDocument, WindowDocument};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Reads before writes, in the order of a run.
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

/// One line without its end; times are in `zone`.
pub fn estimate(document: &EstimateDocument, zone: &TimeZone) -> String {
    if document.total == 0 {
        return "No API requests.".to_owned();
    }
    let clock = |time| clock_time(time, document.estimated_at, zone);
    let finish = format!("Estimated finish: {}.", clock(document.finishes_at));
    let (window, blocked) = (
        document.limiting_windows.first(),
        document.blocked_classes.first(),
    );
    let ending = match (document.waits_for.as_str(), window, blocked) {
        ("window", Some(window), _) => format!("{} {finish}", rate_limit(window)),
        ("blocked_class", _, Some(blocked)) => format!(
            "Rate limited: MoEngage accepts no {} requests before {}. {finish}",
            blocked.class,
            clock(blocked.until)
        ),
        _ => match minutes(document.estimated_at.duration_until(document.finishes_at)) {
            ..=1 => "Estimated time: under 1 minute.".to_owned(),
            minutes @ 2..60 => format!("Estimated time: {minutes} minutes."),
            _ => finish,
        },
    };
    format!("{} {ending}", request_counts(document))
}

fn request_counts(document: &EstimateDocument) -> String {
    let count = |class: &EndpointClass| {
        let count = document.requests.get(class.as_str())?;
        (*count > 0).then(|| format!("{} {count}", class.as_str()))
    };
    let counts: Vec<_> = CLASS_ORDER.iter().filter_map(count).collect();
    format!("API requests: {} ({}).", document.total, counts.join(", "))
}

fn rate_limit(window: &WindowDocument) -> String {
    let span = match window.span_seconds {
        MINUTE => "minute".to_owned(),
        HOUR => "hour".to_owned(),
        DAY => "day".to_owned(),
        seconds => format_duration(SignedDuration::from_secs(seconds)),
    };
    format!(
        "Rate limit: {} {} requests per {span}, {} left.",
        window.max_requests,
        window.classes.join("+"),
        window.left
    )
}

/// Rounded up to the minute, with the date unless it is the date of `now`.
fn clock_time(time: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let second = time.as_second();
    let minute = second.saturating_add((-second).rem_euclid(MINUTE));
    let minute = Timestamp::from_second(minute).unwrap_or(time);
    let [now, then] = [now, minute].map(|time| time.to_zoned_datetime(zone.clone()));
    let format = if now.date() == then.date() {
        "%H:%M %Z"
    } else {
        "%Y-%m-%d %H:%M %Z"
    };
    then.strftime(format).to_string()
}

/// Whole seconds, rounded up to minutes.
fn minutes(duration: SignedDuration) -> i64 {
    round_up_seconds(SignedDuration::from_secs(duration.as_secs()), MINUTE) / MINUTE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::estimate as plan;
    use crate::rate_limit::{RateLimiter, RateLimits};
    use crate::render::json::BlockedClassDocument;
    use std::collections::BTreeMap;

    fn document(requests: &[(&str, usize)], finishes_after: i64) -> EstimateDocument {
        let estimated_at: Timestamp = "2026-11-26T14:10:30Z".parse().unwrap();
        EstimateDocument {
            requests: requests
                .iter()
                .map(|(class, count)| ((*class).to_owned(), *count))
                .collect::<BTreeMap<_, _>>(),
            total: requests.iter().map(|(_, count)| count).sum(),
            estimated_at,
            finishes_at: estimated_at + SignedDuration::from_secs(finishes_after),
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
        max_requests: usize,
        span_seconds: i64,
    ) -> EstimateDocument {
        document.waits_for = "window".to_owned();
        document.limiting_windows.push(WindowDocument {
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            limit: limit.to_owned(),
            max_requests,
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
            (document(&[], 0), "No API requests."),
            (
                waiting(document(&mixed, 2460), &["create"], "200/h", 200, HOUR),
                "API requests: 137 (list 1, get 61, create 75). Rate limit: 200 create requests per hour, 61 left. \
                 Estimated finish: 14:52 UTC.",
            ),
            (
                waiting(document(&mixed, 100), &["list", "create"], "50/min", 50, MINUTE),
                "API requests: 137 (list 1, get 61, create 75). Rate limit: 50 list+create requests per minute, 61 left. \
                 Estimated finish: 14:13 UTC.",
            ),
            (
                waiting(
                    document(&[("create", 2)], 35_400),
                    &["create"],
                    "1000/day",
                    1000,
                    DAY,
                ),
                "API requests: 2 (create 2). Rate limit: 1000 create requests per day, 61 left. Estimated finish: \
                 2026-11-27 00:01 UTC.",
            ),
            (
                waiting(document(&[("update", 2)], 60), &["update"], "10/3s", 10, 3),
                "API requests: 2 (update 2). Rate limit: 10 update requests per 3s, 61 left. Estimated finish: 14:12 UTC.",
            ),
            (
                document(&[("list", 1)], 1),
                "API requests: 1 (list 1). Estimated time: under 1 minute.",
            ),
            (
                document(&[("get", 120)], 61),
                "API requests: 120 (get 120). Estimated time: 2 minutes.",
            ),
            (
                document(&[("get", 9000)], 4500),
                "API requests: 9000 (get 9000). Estimated finish: 15:26 UTC.",
            ),
        ];
        for (document, text) in table {
            assert_eq!(estimate(&document, &TimeZone::UTC), text);
        }
    }

    #[test]
    fn the_estimate_matches_the_rate_limit_windows() {
        let now: Timestamp = "2026-11-26T14:10:30Z".parse().unwrap();
        let mut limiter = RateLimiter::new(RateLimits::default());
        for number in 0..139 {
            limiter.record_counted(
                EndpointClass::Create,
                now - SignedDuration::from_secs(1200 + number),
            );
        }
        let pairs = [EndpointClass::Get, EndpointClass::Create].repeat(75);
        let requests = [vec![EndpointClass::List], pairs].concat();
        let document = EstimateDocument::new(&plan::estimate(&requests, limiter, now));
        assert_eq!(
            estimate(&document, &TimeZone::UTC),
            "API requests: 151 (list 1, get 75, create 75). Rate limit: 200 create requests per hour, 61 left. Estimated \
             finish: 14:49 UTC."
        );
        let json = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<EstimateDocument>(&json).unwrap(), document);
        assert!(
            json.contains(r#""estimated_at":"2026-11-26T14:10:30Z""#),
            "{json}"
        );
    }

    #[test]
    fn a_blocked_class_is_shown_with_the_time_it_opens() {
        let mut document = document(&[("create", 1)], 600);
        document.waits_for = "blocked_class".to_owned();
        document.blocked_classes.push(BlockedClassDocument {
            class: "create".to_owned(),
            until: "2026-11-26T14:20:00Z".parse().unwrap(),
            wait_seconds: 570,
        });
        let text = "API requests: 1 (create 1). Rate limited: MoEngage accepts no create requests before 14:20 UTC. \
                    Estimated finish: 14:21 UTC.";
        assert_eq!(estimate(&document, &TimeZone::UTC), text);
    }

    #[test]
    fn times_are_shown_in_the_given_time_zone() {
        let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
        for (after, time) in [(2460, "20:22"), (15_600, "2026-11-27 00:01")] {
            let document = waiting(document(&[("create", 1)], after), &["create"], "200/h", 200, HOUR);
            let text = estimate(&document, &kolkata);
            assert!(
                text.ends_with(&format!("Estimated finish: {time} IST.")),
                "{text}"
            );
        }
    }
}
