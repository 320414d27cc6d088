//! What a scalar means in YAML 1.2, and how other parsers may read it.
//!
//! The decoder decides whether a scalar is valid for a field: `on` can be an operator, or a boolean of YAML 1.1.

#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// Without quotes, escapes and folding.
    pub text: String,
    pub plain: bool,
    pub resolved: ScalarValue,
}

/// The core schema of YAML 1.2. Quoted and block scalars are always text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarValue {
    Null,
    Bool(bool),
    /// A whole number, decimal, `0o` octal or `0x` hexadecimal.
    Integer(i64),
    /// Any other number, whole ones beyond 64 bits included. May be infinite or not a number.
    Float(f64),
    Text,
}

impl Scalar {
    #[must_use]
    pub fn plain(text: String) -> Self {
        let resolved = resolve(&text);
        Self {
            text,
            plain: true,
            resolved,
        }
    }

    #[must_use]
    pub fn quoted(text: String) -> Self {
        Self {
            text,
            plain: false,
            resolved: ScalarValue::Text,
        }
    }

    /// How another parser may read this scalar where a string is expected; follows the words "is read as".
    ///
    /// Plain decimal numbers are not ambiguous: every parser reads a number, so the decoder reports a wrong
    /// type. Dates are not ambiguous either: every parser preserves their text.
    #[must_use]
    pub fn ambiguity(&self) -> Option<String> {
        if !self.plain {
            return None;
        }
        match self.resolved {
            ScalarValue::Null => Some("null".to_owned()),
            ScalarValue::Bool(value) => Some(format!("the boolean {value}")),
            ScalarValue::Integer(value) => integer_ambiguity(&self.text, value),
            ScalarValue::Float(value) => float_ambiguity(&self.text, value),
            ScalarValue::Text => yaml_1_1_boolean(&self.text).or_else(|| yaml_1_1_number(&self.text)),
        }
    }
}

fn resolve(text: &str) -> ScalarValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => ScalarValue::Null,
        "true" | "True" | "TRUE" => ScalarValue::Bool(true),
        "false" | "False" | "FALSE" => ScalarValue::Bool(false),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || ".+-".contains(first)) => {
            number(text).unwrap_or(ScalarValue::Text)
        }
        _ => ScalarValue::Text,
    }
}

fn number(text: &str) -> Option<ScalarValue> {
    if let Some(digits) = text.strip_prefix("0o") {
        return parse_in_base(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return parse_in_base(digits, 16);
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(ScalarValue::Float(f64::NAN));
    }
    let unsigned = unsigned(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
        return Some(ScalarValue::Float(f64::INFINITY * sign));
    }
    // The float parser alone would accept `+inf`, and would scan long texts.
    let decimal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if unsigned.starts_with(['e', 'E', '+', '-']) || !unsigned.bytes().all(decimal) {
        return None;
    }
    if let Ok(whole) = text.parse() {
        return Some(ScalarValue::Integer(whole));
    }
    text.parse().ok().map(ScalarValue::Float)
}

fn parse_in_base(digits: &str, base: u32) -> Option<ScalarValue> {
    // `from_str_radix` would accept a sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    match i64::from_str_radix(digits, base) {
        Ok(whole) => Some(ScalarValue::Integer(whole)),
        Err(_) => u128::from_str_radix(digits, base)
            .ok()
            .map(|large| ScalarValue::Float(large as f64)),
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn integer_ambiguity(text: &str, value: i64) -> Option<String> {
    let digits = unsigned(text);
    if digits.starts_with("0o") || digits.starts_with("0x") {
        return Some(format!("the number {value}"));
    }
    if digits.len() == 1 || !digits.starts_with('0') {
        return None;
    }
    match i64::from_str_radix(digits, 8) {
        Ok(octal) if octal != value.abs() => {
            let octal = if value < 0 { -octal } else { octal };
            Some(format!("the number {octal} by YAML 1.1 and {value} by YAML 1.2"))
        }
        _ => Some(format!("the number {value}, without the leading zero")),
    }
}

fn float_ambiguity(text: &str, value: f64) -> Option<String> {
    if text.ends_with(['f', 'F']) && !text.starts_with("0x") {
        return Some(if value < 0.0 { "minus infinity" } else { "infinity" }.to_owned());
    }
    if value.is_nan() {
        return Some("\"not a number\"".to_owned());
    }
    text.contains(['e', 'E', 'x', 'o'])
        .then(|| format!("the number {}", short_number(value)))
}

/// Plain notation would write 1e300 as 301 digits.
fn short_number(value: f64) -> String {
    if value == 0.0 || (1e-6..1e15).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

fn yaml_1_1_boolean(text: &str) -> Option<String> {
    let value = match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => true,
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => false,
        _ => return None,
    };
    Some(format!("the boolean {value} by YAML 1.1"))
}

/// The numbers of YAML 1.1 that YAML 1.2 removed: with underscores, binary, and base 60.
fn yaml_1_1_number(text: &str) -> Option<String> {
    let digits = unsigned(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let plain = digits.replace('_', "");
    let value = if let Some(binary) = plain.strip_prefix("0b") {
        i64::from_str_radix(binary, 2).ok()?
    } else if plain.contains(':') {
        parse_base_60(&plain)?
    } else if plain.len() < digits.len() {
        match number(&plain)? {
            ScalarValue::Integer(value) => value,
            _ => return Some("a number by YAML 1.1".to_owned()),
        }
    } else {
        return None;
    };
    let sign = if text.starts_with('-') { "-" } else { "" };
    Some(format!("the number {sign}{value} by YAML 1.1"))
}

/// `12:30` as hours and minutes: 750.
fn parse_base_60(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let first: i64 = parts.next()?.parse().ok()?;
    parts.try_fold(first, |value, part| {
        let digit: i64 = part.parse().ok()?;
        let valid = part.len() <= 2 && (0..60).contains(&digit) && !part.starts_with('+');
        value.checked_mul(60)?.checked_add(digit).filter(|_| valid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let table = [
            ("", ScalarValue::Null),
            ("~", ScalarValue::Null),
            ("NULL", ScalarValue::Null),
            ("nULL", ScalarValue::Text),
            ("True", ScalarValue::Bool(true)),
            ("false", ScalarValue::Bool(false)),
            ("tRUE", ScalarValue::Text),
            ("yes", ScalarValue::Text),
            ("0", ScalarValue::Integer(0)),
            ("-014", ScalarValue::Integer(-14)),
            ("+7", ScalarValue::Integer(7)),
            ("0o14", ScalarValue::Integer(12)),
            ("0x1F", ScalarValue::Integer(31)),
            ("0x-1", ScalarValue::Text),
            ("-0x1", ScalarValue::Text),
            ("9223372036854775807", ScalarValue::Integer(i64::MAX)),
            (
                "9223372036854775808",
                ScalarValue::Float(9_223_372_036_854_775_808.0),
            ),
            (
                "0xFFFFFFFFFFFFFFFF",
                ScalarValue::Float(18_446_744_073_709_551_615.0),
            ),
            ("1.5", ScalarValue::Float(1.5)),
            (".5", ScalarValue::Float(0.5)),
            ("1.", ScalarValue::Float(1.0)),
            ("1.e2", ScalarValue::Float(100.0)),
            ("-1e3", ScalarValue::Float(-1000.0)),
            ("-.inf", ScalarValue::Float(f64::NEG_INFINITY)),
            ("+inf", ScalarValue::Text),
            ("inf", ScalarValue::Text),
            (".", ScalarValue::Text),
            ("-", ScalarValue::Text),
            ("--1", ScalarValue::Text),
            ("1-1", ScalarValue::Text),
            ("+e3", ScalarValue::Text),
            ("1_000", ScalarValue::Text),
            ("12:30", ScalarValue::Text),
            ("2026-01-31", ScalarValue::Text),
        ];
        for (text, expected) in table {
            assert_eq!(Scalar::plain(text.into()).resolved, expected, "{text:?}");
            assert_eq!(
                Scalar::quoted(text.into()).resolved,
                ScalarValue::Text,
                "{text:?}"
            );
        }
        assert!(matches!(Scalar::plain(".nan".into()).resolved, ScalarValue::Float(x) if x.is_nan()));
    }

    #[test]
    fn ambiguous_scalars_name_the_other_reading() {
        let table = [
            ("no", Some("the boolean false by YAML 1.1")),
            ("Y", Some("the boolean true by YAML 1.1")),
            ("on", Some("the boolean true by YAML 1.1")),
            ("TRUE", Some("the boolean true")),
            ("~", Some("null")),
            ("", Some("null")),
            ("014", Some("the number 12 by YAML 1.1 and 14 by YAML 1.2")),
            ("-014", Some("the number -12 by YAML 1.1 and -14 by YAML 1.2")),
            ("007", Some("the number 7, without the leading zero")),
            ("089", Some("the number 89, without the leading zero")),
            ("0o14", Some("the number 12")),
            ("0x1F", Some("the number 31")),
            ("0b11", Some("the number 3 by YAML 1.1")),
            ("1_000", Some("the number 1000 by YAML 1.1")),
            ("1_0.5", Some("a number by YAML 1.1")),
            ("1e3", Some("the number 1000")),
            ("1e300", Some("the number 1e300")),
            ("12:30", Some("the number 750 by YAML 1.1")),
            ("-1:30:00", Some("the number -5400 by YAML 1.1")),
            (".inf", Some("infinity")),
            ("-.INF", Some("minus infinity")),
            (".nan", Some("\"not a number\"")),
            ("12:60", None),
            ("12:", None),
            ("42", None),
            ("0", None),
            ("1.5", None),
            ("2026-01-31", None),
            ("2026-01-31T10:00:00Z", None),
            ("a_b", None),
            ("1_b", None),
            ("purchase", None),
        ];
        for (text, expected) in table {
            let [plain, quoted] = [Scalar::plain(text.into()), Scalar::quoted(text.into())];
            assert_eq!(plain.ambiguity().as_deref(), expected, "{text:?}");
            assert_eq!(quoted.ambiguity(), None, "{text:?}");
        }
    }
}
