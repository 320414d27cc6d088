//! Trees to text: YAML through the emitter that knows what to quote, JSON for files that are kept as JSON.

use super::tree::Tree;
use super::unwritable::Unwritable;
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
pub(super) fn block(tree: &Tree, style: Style, column: usize) -> Result<String, Unwritable> {
    if style.json {
        return Ok(json_lines(tree, column));
    }
    let text = yaml(&Laid { tree, inline: false })?;
    let gap = format!("\n{}", " ".repeat(column));
    Ok(text.trim_end_matches('\n').replace('\n', &gap))
}

/// Text on one line that can stand anywhere, in braces too.
pub(super) fn inline(tree: &Tree, style: Style) -> Result<String, Unwritable> {
    if style.json {
        return Ok(json(tree));
    }
    // Inside brackets the emitter quotes what only brackets make dangerous.
    let text = yaml(&Laid {
        tree: &Tree::List(vec![tree.clone()]),
        inline: true,
    })?;
    let text = text.trim_end_matches('\n');
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    Ok(inner.unwrap_or(text).to_owned())
}

/// A field on one line outside of braces; its value has to fit a line.
pub(super) fn field(key: &str, value: &Tree, style: Style) -> Result<String, Unwritable> {
    if style.json {
        return Ok(format!("{}: {}", json_text(key), json(value)));
    }
    let text = document(&Tree::Map(vec![(key.to_owned(), value.clone())]))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// A YAML document: fields that are never in braces themselves.
pub(super) fn document(tree: &Tree) -> Result<String, Unwritable> {
    yaml(&Parts { tree, inline: false })
}

/// JSON on one line, spaced as people write it.
pub(super) fn json(tree: &Tree) -> String {
    match tree {
        Tree::Scalar(Value::String(text)) => json_text(text),
        Tree::Scalar(value) => value.to_string(),
        Tree::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        Tree::Map(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", json_text(key), json(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

fn json_lines(tree: &Tree, column: usize) -> String {
    let inner = format!("\n{}", " ".repeat(column + 2));
    let outer = format!("\n{}", " ".repeat(column));
    let lines = |open: char, parts: Vec<String>, close: char| {
        let parts = parts.join(&format!(",{inner}"));
        format!("{open}{inner}{parts}{outer}{close}")
    };
    match tree {
        _ if tree.fits_a_line() => json(tree),
        Tree::Scalar(_) => json(tree),
        Tree::List(items) => {
            let items = items.iter().map(|item| json_lines(item, column + 2));
            lines('[', items.collect(), ']')
        }
        Tree::Map(fields) => {
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

fn yaml(laid: &impl Serialize) -> Result<String, Unwritable> {
    let options = serde_yaml::ser_options! {
        compact_list_indent: false,
        // Texts in quotes stay on one line, so that indenting them changes nothing.
        prefer_block_scalars: false,
    };
    serde_yaml::to_string_with_options(laid, options).map_err(Unwritable::Emission)
}

/// A tree with the decision which parts stand in braces.
struct Laid<'a> {
    tree: &'a Tree,
    /// Everything stands in braces.
    inline: bool,
}

impl Serialize for Laid<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inline = self.inline || self.tree.fits_a_line();
        let parts = Parts {
            tree: self.tree,
            inline,
        };
        match self.tree {
            Tree::Scalar(value) => value.serialize(serializer),
            Tree::List(_) if inline => FlowSeq(parts).serialize(serializer),
            Tree::Map(_) if inline => FlowMap(parts).serialize(serializer),
            Tree::List(_) | Tree::Map(_) => parts.serialize(serializer),
        }
    }
}

/// The parts of a list or map.
struct Parts<'a> {
    tree: &'a Tree,
    inline: bool,
}

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let laid = |tree| Laid {
            tree,
            inline: self.inline,
        };
        match self.tree {
            Tree::Scalar(value) => value.serialize(serializer),
            Tree::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&laid(item))?;
                }
                list.end()
            }
            Tree::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, &laid(value))?;
                }
                map.end()
            }
        }
    }
}
