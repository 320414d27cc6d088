//! Values to text: YAML, or JSON in files that are JSON.

use super::edit_error::EditError;
use super::ordered_value::OrderedValue;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;
use serde_yaml::{FlowMap, FlowSeq};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Quoted keys and braces everywhere: other programs may read the file as JSON.
    pub(super) json: bool,
}

/// Several lines that begin at `column`: groups and lists as blocks, short values in braces.
pub(super) fn block(value: &OrderedValue, style: Style, column: usize) -> Result<String, EditError> {
    if style.json {
        return Ok(json_lines(value, column));
    }
    let inline = false;
    let text = yaml(&StyledValue { value, inline })?;
    let gap = format!("\n{}", " ".repeat(column));
    Ok(text.trim_end_matches('\n').replace('\n', &gap))
}

/// One line that is valid everywhere, also inside braces.
pub(super) fn inline(value: &OrderedValue, style: Style) -> Result<String, EditError> {
    if style.json {
        return Ok(json(value));
    }
    // Inside brackets the emitter also quotes text that only brackets make ambiguous.
    let value = &OrderedValue::List(vec![value.clone()]);
    let text = yaml(&StyledValue { value, inline: true })?;
    let text = text.trim_end_matches('\n');
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    Ok(inner.unwrap_or(text).to_owned())
}

/// One line outside braces; the value must fit on one line.
pub(super) fn field(key: &str, value: &OrderedValue, style: Style) -> Result<String, EditError> {
    if style.json {
        return Ok(json_field(key, &json(value)));
    }
    let text = document(&OrderedValue::Map(vec![(key.to_owned(), value.clone())]))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// The top-level fields are never in braces.
pub(super) fn document(value: &OrderedValue) -> Result<String, EditError> {
    let inline = false;
    yaml(&StyledChildren { value, inline })
}

pub(super) fn json(value: &OrderedValue) -> String {
    match value {
        OrderedValue::Scalar(Value::String(text)) => json_text(text),
        OrderedValue::Scalar(value) => value.to_string(),
        OrderedValue::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        OrderedValue::Map(fields) => {
            let fields = fields.iter().map(|(key, value)| json_field(key, &json(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

fn json_lines(value: &OrderedValue, column: usize) -> String {
    let inner = format!("\n{}", " ".repeat(column + 2));
    let outer = format!("\n{}", " ".repeat(column));
    let lines = |open: char, parts: Vec<String>, close: char| {
        let parts = parts.join(&format!(",{inner}"));
        format!("{open}{inner}{parts}{outer}{close}")
    };
    match value {
        OrderedValue::Scalar(_) => json(value),
        _ if value.fits_on_one_line() => json(value),
        OrderedValue::List(items) => {
            let items = items.iter().map(|item| json_lines(item, column + 2));
            lines('[', items.collect(), ']')
        }
        OrderedValue::Map(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| json_field(key, &json_lines(value, column + 2)));
            lines('{', fields.collect(), '}')
        }
    }
}

fn json_field(key: &str, value: &str) -> String {
    format!("{}: {value}", json_text(key))
}

/// Also escapes characters that editors hide and YAML folds or rejects.
fn json_text(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    for character in Value::from(text).to_string().chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                written.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => written.push(character),
        }
    }
    written
}

fn yaml(styled: &impl Serialize) -> Result<String, EditError> {
    let options = serde_yaml::ser_options! {
        compact_list_indent: false,
        // Quoted text stays on one line, so that indentation does not change it.
        prefer_block_scalars: false,
    };
    serde_yaml::to_string_with_options(styled, options).map_err(EditError::Serialization)
}

struct StyledValue<'a> {
    value: &'a OrderedValue,
    inline: bool,
}

impl Serialize for StyledValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inline = self.inline || self.value.fits_on_one_line();
        let value = self.value;
        let parts = StyledChildren { value, inline };
        match self.value {
            OrderedValue::Scalar(value) => value.serialize(serializer),
            OrderedValue::List(_) if inline => FlowSeq(parts).serialize(serializer),
            OrderedValue::Map(_) if inline => FlowMap(parts).serialize(serializer),
            OrderedValue::List(_) | OrderedValue::Map(_) => parts.serialize(serializer),
        }
    }
}

struct StyledChildren<'a> {
    value: &'a OrderedValue,
    inline: bool,
}

impl Serialize for StyledChildren<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inline = self.inline;
        let styled = |value| StyledValue { value, inline };
        match self.value {
            OrderedValue::Scalar(value) => value.serialize(serializer),
            OrderedValue::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&styled(item))?;
                }
                list.end()
            }
            OrderedValue::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, &styled(value))?;
                }
                map.end()
            }
        }
    }
}
