//! Names that can be pasted into YAML.

use crate::model::{escape_unprintable, is_unprintable};
use serde_yaml::FlowSeq;

/// A name for use in braces and brackets, in quotes where YAML would read it as something else.
pub fn yaml_scalar(name: &str) -> String {
    if escape_unprintable(name) != name {
        return escaped_scalar(name);
    }
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    let text = serde_yaml::to_string_with_options(&FlowSeq(vec![name]), options);
    let inner = text.as_deref().ok().map(str::trim_end);
    let inner = inner.and_then(|text| text.strip_prefix('[')?.strip_suffix(']'));
    inner.map_or_else(|| name.to_string(), str::to_owned)
}

/// In double quotes, with the escapes of YAML.
fn escaped_scalar(name: &str) -> String {
    let mut text = String::from('"');
    for next in name.chars() {
        match u32::from(next) {
            _ if matches!(next, '"' | '\\') => text.extend(['\\', next]),
            code if is_unprintable(next, None) => text.push_str(&format!("\\U{code:08X}")),
            _ => text.push(next),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_yaml_would_misread_are_quoted() {
        for name in [
            "Buyers, gold # 1",
            "123",
            "no",
            "a: b",
            "{x}",
            "it's",
            "[a",
            "- b",
            "é, ü",
            "Buy\u{200b}ers",
            "a\u{a0}\"b\\",
        ] {
            let text = yaml_scalar(name);
            let parsed: Vec<String> = serde_yaml::from_str(&format!("[{text}]")).unwrap();
            assert_eq!(parsed, [name]);
        }
        assert_eq!(yaml_scalar("Buyers 7d"), "Buyers 7d");
    }
}
