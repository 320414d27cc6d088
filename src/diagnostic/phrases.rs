//! Counts and enumerations in messages.

/// A list in a message names at most this many items.
const MAX_NAMES: usize = 5;

pub fn count_noun(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// As in `a`, `b` and `c`.
pub fn join_with_and(words: &[String]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}

/// The first words, and how many more there are.
pub fn join_limited(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<_> = words.collect();
    if words.len() > MAX_NAMES {
        let more = words.split_off(MAX_NAMES).len();
        words.push(format!("{more} more"));
    }
    join_with_and(&words)
}

/// As in 1,234,567.
pub fn with_thousands_separators(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
