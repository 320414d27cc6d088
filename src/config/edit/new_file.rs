//! A new segment file for what is live, or was.

use super::edit_error::EditError;
use super::emit;
use super::ordered_value::OrderedValue;
use super::remote_definition::{NameLookup, RemoteDefinition, TOP_LEVEL_GROUPS};
use super::round_trip;
use crate::model::{Keyword, Lifecycle, Payload, SegmentName};

/// A filter segment that is to become a file.
pub struct NewFile<'a> {
    /// Where it comes from, for the comment at the top.
    pub comment: &'a str,
    /// The name.
    pub name: &'a SegmentName,
    /// Whether it is in use.
    pub lifecycle: Lifecycle,
    /// Whether it must not be put away.
    pub protect: bool,
    /// Its filters as the service answered them.
    pub definition: &'a Payload,
    /// The names of the segments that it refers to.
    pub names: NameLookup<'a>,
}

/// The text of a segment file that declares `new`, proven to be read back as the same definition.
///
/// The proof is one of form. A live segment that breaks a rule of `check`, such as one on names, is written all the
/// same: its file says so as soon as it is validated.
///
/// # Errors
///
/// When a part of the definition is not even JSON that a `raw` filter holds, such as a group that is none.
pub fn segment_file_text(new: &NewFile<'_>) -> Result<String, EditError> {
    let live = RemoteDefinition::new(new.definition, new.names, None);
    let mut fields = vec![("name".to_owned(), OrderedValue::text(new.name.as_str()))];
    if new.lifecycle == Lifecycle::Archived {
        fields.push(("lifecycle".to_owned(), OrderedValue::text(new.lifecycle.as_str())));
    }
    if new.protect {
        fields.push(("protect".to_owned(), OrderedValue::from_json(&true.into())));
    }
    for side in TOP_LEVEL_GROUPS {
        fields.extend(live.top_level_group(side)?.map(|group| (side.to_owned(), group)));
    }
    let text = format!(
        "{}{}",
        comment_line(new.comment),
        emit::document(&OrderedValue::map(fields))?
    );
    let declaration = round_trip::read_declaration(&text)?;
    round_trip::verify_definition(&declaration, &live.canonical, &live.identities)?;
    let segment = &declaration.segment;
    let facts = [
        ("name", segment.name == *new.name),
        ("lifecycle", segment.lifecycle == new.lifecycle),
        ("protect", segment.protect == new.protect),
    ];
    match facts.into_iter().find(|(_, is_said)| !is_said) {
        None => Ok(text),
        Some((path, _)) => Err(EditError::RoundTripMismatch {
            path: path.to_owned(),
        }),
    }
}

/// Where the file comes from, in a comment.
pub(super) fn comment_line(comment: &str) -> String {
    // What ends a line would end the comment; what cannot be seen is refused by readers.
    let visible = |character: char| match character {
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => ' ',
        other if other.is_control() => ' ',
        other => other,
    };
    let comment: String = comment.chars().map(visible).collect();
    format!("# {comment}\n")
}

#[cfg(test)]
mod tests;
