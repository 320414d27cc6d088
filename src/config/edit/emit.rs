//! Trees to text: YAML through the emitter that knows what to quote, JSON for files that are kept as JSON.

use super::edit_error::EditError;
use super::ordered_value::OrderedValue;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;
use serde_yaml::{FlowMap, FlowSeq};

/// How a file is written, as far as new text has to fit in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Keys in quotes and braces around everything: the file may be read by others as JSON.
    pub(super) json: bool,
}

/// Text over several lines, to begin at `column`: groups and lists as blocks, what is short in braces.
pub(super) fn block(tree: &OrderedValue, style: Style, column: usize) -> Result<String, EditError> {
    if style.json {
        return Ok(json_lines(tree, column));
    }
    let text = yaml(&StyledValue {
        value: tree,
        inline: false,
    })?;
    let gap = format!("\n{}", " ".repeat(column));
    Ok(text.trim_end_matches('\n').replace('\n', &gap))
}

/// Text on one line that can stand anywhere, in braces too.
pub(super) fn inline(tree: &OrderedValue, style: Style) -> Result<String, EditError> {
    if style.json {
        return Ok(json(tree));
    }
    // Inside brackets the emitter quotes what only brackets make dangerous.
    let text = yaml(&StyledValue {
        value: &OrderedValue::List(vec![tree.clone()]),
        inline: true,
    })?;
    let text = text.trim_end_matches('\n');
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    Ok(inner.unwrap_or(text).to_owned())
}

/// A field on one line outside of braces; its value has to fit a line.
pub(super) fn field(key: &str, value: &OrderedValue, style: Style) -> Result<String, EditError> {
    if style.json {
        return Ok(format!("{}: {}", json_text(key), json(value)));
    }
    let text = document(&OrderedValue::Map(vec![(key.to_owned(), value.clone())]))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// A YAML document: fields that are never in braces themselves.
pub(super) fn document(tree: &OrderedValue) -> Result<String, EditError> {
    yaml(&StyledChildren {
        value: tree,
        inline: false,
    })
}

/// JSON on one line, spaced as people write it.
pub(super) fn json(tree: &OrderedValue) -> String {
    match tree {
        OrderedValue::Scalar(Value::String(text)) => json_text(text),
        OrderedValue::Scalar(value) => value.to_string(),
        OrderedValue::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        OrderedValue::Map(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", json_text(key), json(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

fn json_lines(tree: &OrderedValue, column: usize) -> String {
    let inner = format!("\n{}", " ".repeat(column + 2));
    let outer = format!("\n{}", " ".repeat(column));
    let lines = |open: char, parts: Vec<String>, close: char| {
        let parts = parts.join(&format!(",{inner}"));
        format!("{open}{inner}{parts}{outer}{close}")
    };
    match tree {
        _ if tree.fits_on_one_line() => json(tree),
        OrderedValue::Scalar(_) => json(tree),
        OrderedValue::List(items) => {
            let items = items.iter().map(|item| json_lines(item, column + 2));
            lines('[', items.collect(), ']')
        }
        OrderedValue::Map(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", json_text(key), json_lines(value, column + 2)));
            lines('{', fields.collect(), '}')
        }
    }
}

/// A text in JSON's quotes; what editors hide and YAML folds or refuses is escaped, too.
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

fn yaml(laid: &impl Serialize) -> Result<String, EditError> {
    let options = serde_yaml::ser_options! {
        compact_list_indent: false,
        // Texts in quotes stay on one line, so that indenting them changes nothing.
        prefer_block_scalars: false,
    };
    serde_yaml::to_string_with_options(laid, options).map_err(EditError::Serialization)
}

/// A tree with the decision which parts stand in braces.
struct StyledValue<'a> {
    value: &'a OrderedValue,
    /// Everything stands in braces.
    inline: bool,
}

impl Serialize for StyledValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inline = self.inline || self.value.fits_on_one_line();
        let parts = StyledChildren {
            value: self.value,
            inline,
        };
        match self.value {
            OrderedValue::Scalar(value) => value.serialize(serializer),
            OrderedValue::List(_) if inline => FlowSeq(parts).serialize(serializer),
            OrderedValue::Map(_) if inline => FlowMap(parts).serialize(serializer),
            OrderedValue::List(_) | OrderedValue::Map(_) => parts.serialize(serializer),
        }
    }
}

/// The parts of a list or map.
struct StyledChildren<'a> {
    value: &'a OrderedValue,
    inline: bool,
}

impl Serialize for StyledChildren<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let laid = |tree| StyledValue {
            value: tree,
            inline: self.inline,
        };
        match self.value {
            OrderedValue::Scalar(value) => value.serialize(serializer),
            OrderedValue::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&laid(item))?;
                }
                list.end()
            }
            OrderedValue::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, &laid(value))?;
                }
                map.end()
            }
        }
    }
}
