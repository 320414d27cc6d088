//! `rate_limits`: the windows that replace the documented ones.

use super::super::decode::codes;
use super::super::decode::decoder::Decoder;
use super::super::yaml::{Node, Yaml};
use crate::model::EndpointClass;
use crate::rate_limit::Window;

/// The windows of one class of API requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitSettings {
    pub class: EndpointClass,
    pub windows: Vec<Window>,
}

const KEYS: [(EndpointClass, &str); 7] = [
    (EndpointClass::List, "list"),
    (EndpointClass::Create, "create"),
    (EndpointClass::Get, "get"),
    (EndpointClass::Update, "update"),
    (EndpointClass::Lifecycle, "lifecycle"),
    (EndpointClass::File, "file"),
    (EndpointClass::Cohort, "cohort"),
];

pub(super) fn rate_limits(decoder: &Decoder<'_>, node: &Node) -> Option<Vec<RateLimitSettings>> {
    let mut fields = decoder.fields(node, "`rate_limits`")?;
    let mut limits = Vec::new();
    for (class, key) in KEYS {
        if let Some(node) = fields.take(key) {
            let windows = windows(decoder, node);
            limits.push(windows.map(|windows| RateLimitSettings { class, windows }));
        }
    }
    fields.finish();
    limits.into_iter().collect()
}

fn windows(decoder: &Decoder<'_>, node: &Node) -> Option<Vec<Window>> {
    if let Yaml::Scalar(scalar) = &node.value
        && let Some(window) = window_in_words(&scalar.text)
    {
        return decoder.wrong_type_with_help(node, "a list of rate limits", format!("write `[{window}]`"));
    }
    decoder.non_empty_list(node, window)
}

fn window(decoder: &Decoder<'_>, node: &Node) -> Option<Window> {
    let text = decoder.non_empty_text(node)?;
    match Window::parse(&text) {
        Ok(window) => Some(window),
        Err(error) => {
            let message = error.to_string();
            let (message, help) = message.split_once(": ").unwrap_or((&message, ""));
            decoder.error::<()>(codes::OUT_OF_RANGE, &node.span, message, "not a rate limit");
            match window_in_words(&text) {
                Some(window) => decoder.add_help(format!("write `{window}`")),
                None => decoder.add_help(help),
            }
            None
        }
    }
}

/// The rate limit that a text means: `5 per second`, `300 an hour`, `100 requests / 15 minutes`.
fn window_in_words(text: &str) -> Option<String> {
    let text = text.to_lowercase().replace('/', " / ");
    let end = text
        .find(|next: char| !next.is_ascii_digit() && !"_,".contains(next))
        .unwrap_or(text.len());
    let (count, rest) = text.split_at_checked(end)?;
    let count = count.replace(['_', ','], "");
    let (mut span, mut unit) = (1, None);
    for word in rest.split([' ', '-']).filter(|word| !word.is_empty()) {
        let start = word
            .find(|next: char| !next.is_ascii_digit())
            .unwrap_or(word.len());
        let (digits, word) = word.split_at_checked(start)?;
        if !digits.is_empty() {
            span = digits.parse::<u32>().ok()?;
        }
        match word {
            "" | "/" | "per" | "a" | "an" | "each" | "every" | "in" | "p" => {}
            "request" | "requests" | "call" | "calls" | "req" | "reqs" | "api" | "times" => {}
            "s" | "sec" | "secs" | "second" | "seconds" | "rps" => unit = Some("s"),
            "m" | "min" | "mins" | "minute" | "minutes" | "rpm" => unit = Some("min"),
            "h" | "hr" | "hrs" | "hour" | "hours" => unit = Some("h"),
            "d" | "day" | "days" => unit = Some("day"),
            _ => return None,
        }
    }
    let window = format!("{count}/{span}{}", unit?);
    Window::parse(&window).is_ok().then_some(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_in_words_are_understood() {
        for (text, window) in [
            ("5 per second", Some("5/1s")),
            ("300 an hour", Some("300/1h")),
            ("100 requests / 15 minutes", Some("100/15min")),
            ("4,000 calls a day", Some("4000/1day")),
            ("10rps", Some("10/1s")),
            ("60/minute", Some("60/1min")),
            ("10 every 3 seconds", Some("10/3s")),
            ("100/min", Some("100/1min")),
            ("many per day", None),
            ("5", None),
            ("0 per second", None),
            ("5 per fortnight", None),
        ] {
            assert_eq!(window_in_words(text).as_deref(), window, "{text}");
        }
    }
}
