//! A new segment file for a remote filter segment.

use super::edit_error::EditError;
use super::emit;
use super::ordered_value::OrderedValue;
use super::remote_definition::{NameLookup, RemoteDefinition, TOP_LEVEL_GROUPS};
use super::round_trip;
use crate::model::{Keyword, Lifecycle, Payload, SegmentName};

pub struct NewFile<'a> {
    /// The origin, for the comment at the top.
    pub comment: &'a str,
    pub name: &'a SegmentName,
    pub lifecycle: Lifecycle,
    pub protect: bool,
    /// As MoEngage returned it.
    pub definition: &'a Payload,
    /// The names of referenced segments.
    pub names: NameLookup<'a>,
}

/// The text parses to the same definition. It may break a lint rule, such as one on names; `validate` reports that.
pub fn segment_file_text(new: &NewFile<'_>) -> Result<String, EditError> {
    let remote = RemoteDefinition::new(new.definition, new.names, None);
    let mut fields = vec![("name".to_owned(), OrderedValue::text(new.name.as_str()))];
    if new.lifecycle == Lifecycle::Archived {
        fields.push(("lifecycle".to_owned(), OrderedValue::text(new.lifecycle.as_str())));
    }
    if new.protect {
        fields.push(("protect".to_owned(), OrderedValue::from_json(&true.into())));
    }
    for key in TOP_LEVEL_GROUPS {
        fields.extend(remote.top_level_group(key)?.map(|group| (key.to_owned(), group)));
    }
    let text = format!(
        "{}{}",
        comment_line(new.comment),
        emit::document(&OrderedValue::map(fields))?
    );
    let declaration = round_trip::read_declaration(&text)?;
    round_trip::verify_definition(&declaration, &remote.canonical, &remote.identities)?;
    let segment = &declaration.segment;
    let checks = [
        ("name", segment.name == *new.name),
        ("lifecycle", segment.lifecycle == new.lifecycle),
        ("protect", segment.protect == new.protect),
    ];
    match checks.into_iter().find(|(_, is_equal)| !is_equal) {
        None => Ok(text),
        Some((field, _)) => Err(EditError::mismatch(field)),
    }
}

pub(super) fn comment_line(comment: &str) -> String {
    // A line end would end the comment, and YAML readers reject invisible characters.
    let is_invisible = |character: char| {
        let is_special = matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        );
        is_special || character.is_control()
    };
    format!("# {}\n", comment.replace(is_invisible, " "))
}

#[cfg(test)]
mod tests;
