//! A new segment file for what is live.

use super::emit;
use super::law;
use super::live::{Live, Names, SIDES};
use super::tree::Tree;
use super::unwritable::Unwritable;
use crate::model::{Keyword, Lifecycle, Payload, SegmentId, SegmentName};

/// A live filter segment that is to become a file.
pub struct Pulled<'a> {
    /// For the comment at the top.
    pub id: &'a SegmentId,
    /// The name.
    pub name: &'a SegmentName,
    /// What the service says made the segment, for the comment.
    pub source: Option<&'a str>,
    /// When it was made, as the service says it (UTC), for the comment.
    pub created_time: Option<&'a str>,
    /// Whether it is in use.
    pub lifecycle: Lifecycle,
    /// Its filters as the service answered them.
    pub definition: &'a Payload,
    /// The names of the segments that it refers to.
    pub names: Names<'a>,
}

/// The text of a segment file that declares `pulled`, proven to be read back as the same definition.
///
/// The proof is one of form. A live segment that breaks a rule of `check`, such as one on names, is written all the
/// same: its file says so as soon as it is validated.
///
/// # Errors
///
/// When a part of the definition is not even JSON that a `raw` filter holds, such as a group that is none.
pub fn segment_file(pulled: &Pulled<'_>) -> Result<String, Unwritable> {
    let live = Live::new(pulled.definition, pulled.names, None);
    let mut fields = vec![("name".to_owned(), Tree::text(pulled.name.as_str()))];
    if pulled.lifecycle == Lifecycle::Archived {
        fields.push(("lifecycle".to_owned(), Tree::text(pulled.lifecycle.as_str())));
    }
    for side in SIDES {
        fields.extend(live.side(side)?.map(|group| (side.to_owned(), group)));
    }
    let text = format!("{}{}", heading(pulled), emit::document(&Tree::map(fields))?);
    let declaration = law::read(&text)?;
    law::holds(&declaration, &live.form, &live.identities)?;
    let segment = &declaration.segment;
    if segment.name != *pulled.name || segment.lifecycle != pulled.lifecycle {
        let path = if segment.name == *pulled.name {
            "lifecycle"
        } else {
            "name"
        };
        return Err(Unwritable::Differs {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// Where the file comes from, in a comment.
fn heading(pulled: &Pulled<'_>) -> String {
    let mut heading = format!("# pulled from id {}", pulled.id);
    if let Some(source) = pulled.source {
        heading.push_str(&format!(", source {source}"));
    }
    if let Some(created) = pulled.created_time {
        heading.push_str(&format!(", created {created}"));
    }
    // What ends a line would end the comment; what cannot be seen is refused by readers.
    let visible = |character: char| match character {
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => ' ',
        other if other.is_control() => ' ',
        other => other,
    };
    let mut line: String = heading.chars().map(visible).collect();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests;
