//! Dates in other spellings: `31/12/2025`, `Dec 31, 2025`, `20251231`, a Unix time.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The number of a month that is written as a word or as its first three letters.
pub(super) fn month_number(word: &str) -> Option<i8> {
    let word = word.trim_end_matches('.').to_ascii_lowercase();
    let found = MONTHS.iter().zip(1_i8..).find(|(name, _)| {
        let name = name.to_ascii_lowercase();
        word.len() >= 3
            && (name == word
                || (name.starts_with(&word) && word.len() == 3)
                || word == "sept" && name == "september")
    });
    found.map(|(_, number)| number)
}

/// Why a text in the form `YYYY-MM-DD` is no date: `February 2025 has no day 30`.
pub(super) fn impossible_day(text: &str) -> Option<String> {
    let day = text.split(['T', ' ']).next()?;
    let numbers: Vec<i16> = day.split('-').map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[year, month, day] = numbers.as_slice() else {
        return None;
    };
    // A year at the end is another spelling.
    if year < 1000 {
        return None;
    }
    let Some(name) = usize::try_from(month)
        .ok()
        .and_then(|month| MONTHS.get(month.checked_sub(1)?))
    else {
        return Some(format!("there is no month {month}"));
    };
    let is_valid = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).is_ok();
    (!is_valid).then(|| format!("{name} {year} has no day {day}"))
}

/// What to write instead of `text`, in the form `YYYY-MM-DD`.
pub(super) fn date_help(text: &str) -> Option<String> {
    match dates_in(text).as_slice() {
        [date] => Some(format!("write `{date}`")),
        [first, second] => Some(format!(
            "write `{first}` for {}, or `{second}` for {}",
            in_words(*first),
            in_words(*second)
        )),
        _ => word_help(text),
    }
}

/// What to write instead of `text`, in the form `MM-DD`.
pub(super) fn month_day_help(text: &str) -> Option<String> {
    // Any leap year works.
    let dates = match numbers_and_month(text) {
        (numbers, Some(month)) => match numbers.as_slice() {
            [day] => valid_date(2024, month, *day).into_iter().collect(),
            _ => Vec::new(),
        },
        (numbers, None) => match numbers.as_slice() {
            [first, second] => either_order(text, 2024, *first, *second),
            _ => dates_in(text),
        },
    };
    let short = |date: &Date| format!("{:02}-{:02}", date.month(), date.day());
    match dates.as_slice() {
        [date] => Some(format!("write `{}`", short(date))),
        [first, second] => Some(format!("write `{}` or `{}`", short(first), short(second))),
        _ => None,
    }
}

/// The date of a whole number: `20251231`, or seconds or milliseconds since 1970.
pub(super) fn date_of_number(number: i64) -> Option<Date> {
    let date = |year: i64, month: i64, day: i64| {
        Date::new(
            year.try_into().ok()?,
            month.try_into().ok()?,
            day.try_into().ok()?,
        )
        .ok()
    };
    let timestamp = match number {
        19_000_101..=21_001_231 => return date(number / 10_000, number / 100 % 100, number % 100),
        100_000_000..=9_999_999_999 => Timestamp::from_second(number),
        100_000_000_000..=9_999_999_999_999 => Timestamp::from_millisecond(number),
        _ => return None,
    };
    Some(TimeZone::UTC.to_datetime(timestamp.ok()?).date())
}

fn word_help(text: &str) -> Option<String> {
    let relative = |days: &str, direction: &str| {
        format!("for a date relative to today, write `value: {days}` with `value_type: {direction}`")
    };
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "today" | "now" | "now()" | "current_date" => relative("0", "relative_past"),
        "yesterday" => relative("1", "relative_past"),
        "tomorrow" => relative("1", "relative_future"),
        word if word.ends_with(" ago") => relative(&digits(word)?, "relative_past"),
        word if word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("write a whole date: `{word}-01-01`")
        }
        _ => return None,
    })
}

fn digits(text: &str) -> Option<String> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

/// The possible meanings of a date in another spelling; two if day and month can be swapped.
fn dates_in(text: &str) -> Vec<Date> {
    if let Ok(number) = text.trim().parse::<i64>() {
        return date_of_number(number).into_iter().collect();
    }
    let (numbers, month) = numbers_and_month(text);
    let date = match (numbers.as_slice(), month) {
        (&[first, second, ..], Some(month)) => valid_date(first.max(second), month, first.min(second)),
        (&[year, month, day, ..], None) if year >= 1000 => i8::try_from(month)
            .ok()
            .and_then(|month| valid_date(year, month, day)),
        (&[first, second, year, ..], None) if year >= 1000 => return either_order(text, year, first, second),
        _ => None,
    };
    date.into_iter().collect()
}

fn either_order(text: &str, year: i64, first: i64, second: i64) -> Vec<Date> {
    let date = |month: i64, day: i64| valid_date(year, i8::try_from(month).ok()?, day);
    // With points, the day is first everywhere.
    let month_first = date(first, second).filter(|_| !text.contains('.'));
    let mut dates: Vec<Date> = [month_first, date(second, first)].into_iter().flatten().collect();
    dates.dedup();
    dates
}

fn valid_date(year: i64, month: i8, day: i64) -> Option<Date> {
    let date = i16::try_from(year).ok().zip(i8::try_from(day).ok());
    date.and_then(|(year, day)| Date::new(year, month, day).ok())
}

/// The numbers of a text before any time of day, and its month if that is a word.
fn numbers_and_month(text: &str) -> (Vec<i64>, Option<i8>) {
    let mut numbers = Vec::new();
    let mut month = None;
    let text = text.trim().trim_end_matches('Z');
    let day = match text.split_once('T') {
        Some((day, time)) if time.starts_with(|first: char| first.is_ascii_digit()) => day,
        _ => text,
    };
    for part in day.split([' ', ',', '/', '.', '-', '\'']) {
        if part.is_empty() || part.contains(':') {
            continue;
        }
        let number = part.trim_end_matches(|last: char| last.is_ascii_alphabetic());
        if let Some(found) = month_number(part) {
            month = Some(found);
        } else if let Ok(number) = number.parse() {
            numbers.push(number);
        } else if !WEEKDAYS
            .iter()
            .any(|day| part.to_ascii_lowercase().starts_with(day))
            && part != "of"
        {
            return (Vec::new(), None);
        }
    }
    (numbers, month)
}

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(super) fn is_weekday(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    WEEKDAYS.iter().any(|day| word.starts_with(day)) && word.chars().all(char::is_alphabetic)
}

fn in_words(date: Date) -> String {
    let month = usize::try_from(date.month() - 1)
        .ok()
        .and_then(|index| MONTHS.get(index));
    format!("{} {}", date.day(), month.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_dates_get_the_date_to_write() {
        let table = [
            ("31/12/2025", Some("write `2025-12-31`")),
            ("12/31/2025", Some("write `2025-12-31`")),
            ("2025/12/31", Some("write `2025-12-31`")),
            ("2025.12.31", Some("write `2025-12-31`")),
            ("31.12.2025", Some("write `2025-12-31`")),
            ("10.12.2025", Some("write `2025-12-10`")),
            ("31-12-2025", Some("write `2025-12-31`")),
            (
                "10/12/2025",
                Some("write `2025-10-12` for 12 October, or `2025-12-10` for 10 December"),
            ),
            ("5/5/2025", Some("write `2025-05-05`")),
            ("2025-1-5", Some("write `2025-01-05`")),
            ("20251231", Some("write `2025-12-31`")),
            ("Dec 31, 2025", Some("write `2025-12-31`")),
            ("December 31st, 2025", Some("write `2025-12-31`")),
            ("31 December 2025", Some("write `2025-12-31`")),
            ("Wed, 31 Dec 2025", Some("write `2025-12-31`")),
            ("2025-Dec-31", Some("write `2025-12-31`")),
            ("2025-12-31 10:00", Some("write `2025-12-31`")),
            ("2025-12-31T10:00:00+05:30", Some("write `2025-12-31`")),
            ("31/12/2025 10:00:00", Some("write `2025-12-31`")),
            ("1767139200", Some("write `2025-12-31`")),
            ("1767139200000", Some("write `2025-12-31`")),
            (
                "today",
                Some("for a date relative to today, write `value: 0` with `value_type: relative_past`"),
            ),
            (
                "30 days ago",
                Some("for a date relative to today, write `value: 30` with `value_type: relative_past`"),
            ),
            ("2025", Some("write a whole date: `2025-01-01`")),
            ("32/13/2025", None),
            ("soon", None),
            ("", None),
        ];
        for (text, help) in table {
            assert_eq!(date_help(text).as_deref(), help, "{text}");
        }
    }

    #[test]
    fn impossible_days_are_explained() {
        for (text, reason) in [
            ("2025-02-30", Some("February 2025 has no day 30")),
            ("2025-02-29T00:00:00.000Z", Some("February 2025 has no day 29")),
            ("2025-06-31", Some("June 2025 has no day 31")),
            ("2025-13-01", Some("there is no month 13")),
            ("2025-01-00", Some("January 2025 has no day 0")),
            ("2025-01-31", None),
            ("31-12-2025", None),
        ] {
            assert_eq!(impossible_day(text).as_deref(), reason, "{text}");
        }
    }

    #[test]
    fn days_of_the_year_and_months_are_understood() {
        for (text, help) in [
            ("12/25", Some("write `12-25`")),
            ("25.12.", Some("write `12-25`")),
            ("25-12", Some("write `12-25`")),
            ("2-5", Some("write `02-05` or `05-02`")),
            ("Dec 25", Some("write `12-25`")),
            ("25 December", Some("write `12-25`")),
            ("2025-12-25", Some("write `12-25`")),
            ("spring", None),
        ] {
            assert_eq!(month_day_help(text).as_deref(), help, "{text}");
        }
        assert_eq!(month_number("July"), Some(7));
        assert_eq!(month_number("sept."), Some(9));
        assert_eq!(month_number("Ju"), None);
        assert!(is_weekday("Monday") && !is_weekday("month1"));
    }
}
