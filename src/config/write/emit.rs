//! Trees to text: YAML through the emitter that knows what to quote, JSON for files that are kept as JSON.

use super::tree::Tree;
use super::unwritable::Unwritable;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;
use serde_yaml::{FlowMap, FlowSeq};

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
