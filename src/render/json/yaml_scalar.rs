//! Names that can be pasted into YAML.

use serde_yaml::FlowSeq;

/// A name for use in braces and brackets, in quotes where YAML would read it as something else.
pub(super) fn yaml_scalar(name: &str) -> String {
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    let text = serde_yaml::to_string_with_options(&FlowSeq(vec![name]), options);
    let inner = text.as_deref().ok().map(str::trim_end);
    let inner = inner.and_then(|text| text.strip_prefix('[')?.strip_suffix(']'));
    inner.map_or_else(|| name.to_string(), str::to_owned)
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
        ] {
            let text = yaml_scalar(name);
            let parsed: Vec<String> = serde_yaml::from_str(&format!("[{text}]")).unwrap();
            assert_eq!(parsed, [name]);
        }
        assert_eq!(yaml_scalar("Buyers 7d"), "Buyers 7d");
    }
}
