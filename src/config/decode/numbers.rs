//! Numbers in other spellings: with separators, signs of currencies, units.

/// The plain number in a text such as `1,000`, `1.000,50`, `$5`, `30d` or `10%`; `None` if it is not clear.
pub(super) fn number_in(text: &str) -> Option<String> {
    let text = text
        .trim()
        .trim_start_matches(['$', '€', '£', '₹', '<', '>', '=', '~']);
    let text = text.trim_end_matches(|last: char| last.is_alphabetic() || " %$€£₹+".contains(last));
    let text = text.trim();
    if let Some(number) = without_separators(text) {
        return Some(number);
    }
    if text.matches(',').count() == 1
        && let Some((whole, fraction)) = text.split_once(',')
    {
        // A comma as the decimal separator, with points between thousands.
        let whole = if whole.contains('.') {
            without_separators(whole)?
        } else {
            whole.to_owned()
        };
        let number = format!("{whole}.{fraction}");
        return is_plain(&number).then_some(number);
    }
    is_plain(text).then(|| text.to_owned())
}

/// `1000` for `1,000`, `1_000`, `1 000`, `1'000` or `1.000.000`; a fraction is kept.
pub(super) fn without_separators(text: &str) -> Option<String> {
    let separator = text.chars().find(|next| ",_ '’\u{a0}\u{202f}.".contains(*next))?;
    let (integer, fraction) = match text.rsplit_once('.').filter(|_| separator != '.') {
        Some((integer, fraction)) => (integer, Some(fraction)),
        None => (text, None),
    };
    let mut groups = integer.split(separator);
    let first = groups.next()?.trim();
    let groups: Vec<&str> = groups.map(str::trim).collect();
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_group = |part: &&str| is_digits(part) && part.len() == 3;
    let sign = if first.starts_with('-') { "-" } else { "" };
    let first = first.trim_start_matches('-');
    let is_number = is_digits(first) && first.len() <= 3 && first != "0" && groups.iter().all(is_group);
    // `1.000` alone is a number with a fraction.
    if !is_number || groups.is_empty() || (separator == '.' && groups.len() == 1 && !text.contains(',')) {
        return None;
    }
    let digits = groups.concat();
    let fraction = fraction.filter(|fraction| is_digits(fraction));
    Some(match fraction {
        Some(fraction) => format!("{sign}{first}{digits}.{fraction}"),
        None => format!("{sign}{first}{digits}"),
    })
}

fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_numbers_are_understood() {
        for (text, number) in [
            ("1,000", Some("1000")),
            ("1,000,000", Some("1000000")),
            ("1,000.50", Some("1000.50")),
            ("1_000", Some("1000")),
            ("1 000", Some("1000")),
            ("1'000", Some("1000")),
            ("-1,000", Some("-1000")),
            ("1.000.000", Some("1000000")),
            ("1,5", Some("1.5")),
            ("12,50 €", Some("12.50")),
            ("$5", Some("5")),
            ("30d", Some("30")),
            ("30 days", Some("30")),
            ("10%", Some("10")),
            (">= 3", Some("3")),
            ("1.5", Some("1.5")),
            ("one", None),
            ("1,2,3", None),
            ("2026-01-01", None),
            ("", None),
        ] {
            assert_eq!(number_in(text).as_deref(), number, "{text}");
        }
    }
}
