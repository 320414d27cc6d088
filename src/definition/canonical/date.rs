//! Dates in the form that segctl sends. MoEngage may return another precision, or no `Z`.

use jiff::civil::{Date, DateTime, Time};
use serde_json::{Map, Value};

/// Which moment a date without a time is, and what the last second of a day means.
#[derive(Clone, Copy)]
enum Edge {
    Start,
    End,
}

const END_OF_DAY: Time = Time::constant(23, 59, 59, 999_000_000);

/// Rewrites the dates in `value` and `value1`; other text stays unchanged.
pub(super) fn canonicalize_dates(fields: &mut Map<String, Value>) {
    for (key, edge) in [("value", Edge::Start), ("value1", Edge::End)] {
        match fields.get_mut(key) {
            Some(Value::Array(dates)) => dates.iter_mut().for_each(|date| canonicalize_date(date, edge)),
            Some(date) => canonicalize_date(date, edge),
            None => {}
        }
    }
}

fn canonicalize_date(value: &mut Value, edge: Edge) {
    let Some(moment) = value.as_str().and_then(|text| moment(text, edge)) else {
        return;
    };
    *value = moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into();
}

/// The wall time. `None` for another offset than UTC, which is a different moment.
fn moment(text: &str, edge: Edge) -> Option<DateTime> {
    let is_date = text.len() == "YYYY-MM-DD".len();
    let date: Date = text.get(..10)?.parse().ok()?;
    if is_date {
        return Some(match edge {
            Edge::Start => date.to_datetime(Time::midnight()),
            Edge::End => date.to_datetime(END_OF_DAY),
        });
    }
    let time = text.get(10..)?.strip_prefix(['T', 't', ' '])?;
    let time = ["Z", "z", "+00:00", "+0000"]
        .iter()
        .find_map(|suffix| time.strip_suffix(suffix))
        .unwrap_or(time);
    let is_plain = time
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    // The parser reads a leap second as the second before it.
    if !is_plain || time.get(6..8) == Some("60") {
        return None;
    }
    let time: Time = time.parse().ok()?;
    let is_last_second = (time.hour(), time.minute(), time.second()) == (23, 59, 59);
    Some(match edge {
        // The documentation counts days to the second, and payloads to the millisecond.
        Edge::End if is_last_second => date.to_datetime(END_OF_DAY),
        Edge::Start | Edge::End => date.to_datetime(time),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn spellings_of_a_moment_are_one_text_and_other_text_is_unchanged() {
        let table = [
            (
                "2026-01-31",
                "2026-01-31T00:00:00.000Z",
                "2026-01-31T23:59:59.999Z",
            ),
            (
                "2026-01-31T00:00:00",
                "2026-01-31T00:00:00.000Z",
                "2026-01-31T00:00:00.000Z",
            ),
            (
                "2026-01-31 00:00:00",
                "2026-01-31T00:00:00.000Z",
                "2026-01-31T00:00:00.000Z",
            ),
            (
                "2026-01-31T00:00Z",
                "2026-01-31T00:00:00.000Z",
                "2026-01-31T00:00:00.000Z",
            ),
            (
                "2026-01-31T00:00:00.000000Z",
                "2026-01-31T00:00:00.000Z",
                "2026-01-31T00:00:00.000Z",
            ),
            (
                "2026-01-31T00:00:00.000+00:00",
                "2026-01-31T00:00:00.000Z",
                "2026-01-31T00:00:00.000Z",
            ),
            (
                "2026-01-31T08:30:01.25Z",
                "2026-01-31T08:30:01.250Z",
                "2026-01-31T08:30:01.250Z",
            ),
            (
                "2026-01-31T23:59:59Z",
                "2026-01-31T23:59:59.000Z",
                "2026-01-31T23:59:59.999Z",
            ),
            (
                "2026-01-31T23:59:59.999999",
                "2026-01-31T23:59:59.999Z",
                "2026-01-31T23:59:59.999Z",
            ),
        ];
        for (text, start, end) in table {
            let mut fields = Map::from_iter([
                ("value".to_owned(), json!([text])),
                ("value1".to_owned(), json!(text)),
            ]);
            canonicalize_dates(&mut fields);
            assert_eq!(
                Value::Object(fields),
                json!({"value": [start], "value1": end}),
                "{text}"
            );
        }
        for text in [
            "",
            "01-31",
            "2026-02-30",
            "2026-01-31T00:00:00+05:30",
            "2026-01-31T23:59:60Z",
            "2026-01-31T",
            "{{MoeUserAttribute['signup']}}",
            "2026-01-31TT00:00:00Z",
        ] {
            let mut value = json!(text);
            canonicalize_date(&mut value, Edge::End);
            assert_eq!(value, json!(text));
        }
    }
}
