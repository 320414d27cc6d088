//! Parts of a file's text that keep the whole text alive instead of copying it.
//!
//! State and cache hold a definition of each segment, and these are most of their text.

use super::nested_json::json_from_file;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::ops::{Deref, Range};
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct SharedText {
    /// In UTF-8.
    whole: Arc<Vec<u8>>,
    range: Range<usize>,
}

thread_local! {
    /// The file that this thread decodes. serde passes the text of a nested value, but not the owner of that text.
    static DECODED_FILE: RefCell<Option<Arc<Vec<u8>>>> = const { RefCell::new(None) };
}

/// Decodes a part of a file that segctl wrote. The definitions in the result share the text of the file.
pub fn decode_shared<T: DeserializeOwned>(file: &Arc<Vec<u8>>, part: &str) -> serde_json::Result<T> {
    let outer = DECODED_FILE.replace(Some(Arc::clone(file)));
    let decoded = json_from_file(part);
    DECODED_FILE.set(outer);
    decoded
}

impl SharedText {
    /// Copies `text` unless it is part of the file that this thread decodes.
    pub(super) fn of(text: &str) -> Self {
        let shared = DECODED_FILE.with_borrow(|file| {
            let whole = file.as_ref()?;
            let start = text.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
            let range = start..start + text.len();
            (range.end <= whole.len()).then(|| Self {
                whole: Arc::clone(whole),
                range,
            })
        });
        shared.unwrap_or_else(|| Self::from(text.to_owned()))
    }
}

impl From<String> for SharedText {
    fn from(text: String) -> Self {
        Self {
            range: 0..text.len(),
            whole: Arc::new(text.into_bytes()),
        }
    }
}

impl Deref for SharedText {
    type Target = str;

    fn deref(&self) -> &str {
        let text = self.whole.get(self.range.clone()).map(str::from_utf8);
        text.expect("a part of the file").expect("a part of a text")
    }
}

impl PartialEq for SharedText {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StoredDefinition;

    #[test]
    fn definitions_share_the_text_of_the_decoded_file() {
        let file = Arc::new(br#"[{"included_filters": {"a": 1}}, {"included_filters": {"a": 2}}]"#.to_vec());
        let text = str::from_utf8(&file).unwrap();
        let shared: Vec<StoredDefinition> = decode_shared(&file, text).unwrap();
        assert_eq!(Arc::strong_count(&file), 1 + shared.len());
        let copied: Vec<StoredDefinition> = json_from_file(text).unwrap();
        assert_eq!(Arc::strong_count(&file), 1 + shared.len());
        assert_eq!(shared, copied);
        assert_eq!(shared[1].payload().included_filters["a"], 2);
    }
}
