//! Comments of a text, and what became of them in the next one.
//!
//! Each comment has an owner: the filter, group or side that it stands above or beside, or in. Those that the new text
//! lost, or that stand at something else in it, are put back where their owner stands now.

mod comment_map;
mod comment_owners;

use self::comment_map::{Comment, CommentMap, CommentOwner, CommentPosition};
use self::comment_owners::match_owners;
use super::super::super::declaration::Declaration;
use super::super::edit_error::EditError;
use super::super::round_trip;
use super::super::text_edit::{Patch, TextEdit, apply_patches};
use super::source_text::SourceText;
use serde_json::Value;

/// A text that keeps the comments of `before`: `after` as it is, or with comments put back.
///
/// The forms are what the two texts say.
pub(super) fn preserve_comments(
    (before, form): (&Declaration, &Value),
    (after, new_form): (String, &Value),
) -> Result<String, EditError> {
    let page = SourceText::new(&before.source.text, &before.document);
    let old = CommentMap::from_document(&page, &before.document, form);
    if old.comments.is_empty() {
        return Ok(after);
    }
    let Some(mended) = with_restored_comments(&old, &after, new_form)? else {
        return Ok(after);
    };
    let read = round_trip::read_declaration(&mended)?;
    let page = SourceText::new(&read.source.text, &read.document);
    let new = CommentMap::from_document(&page, &read.document, new_form);
    match misplaced_comments(&old, &new).first() {
        None => Ok(mended),
        Some(lost) => Err(EditError::LostComment {
            text: lost.comment.text.to_owned(),
        }),
    }
}

/// The text with the comments of `old` put back; nothing where none is astray.
fn with_restored_comments(
    old: &CommentMap<'_>,
    text: &str,
    form: &Value,
) -> Result<Option<String>, EditError> {
    let read = round_trip::read_declaration(text)?;
    let page = SourceText::new(&read.source.text, &read.document);
    let new = CommentMap::from_document(&page, &read.document, form);
    let astray = misplaced_comments(old, &new);
    if astray.is_empty() {
        return Ok(None);
    }
    let leaving: Vec<&Comment<'_>> = astray.iter().filter_map(|one| one.current).collect();
    let mut edits: Vec<TextEdit> = leaving.iter().map(|note| removal_edit(&page, note)).collect();
    let mut filled = Vec::new();
    for one in &astray {
        let edit = restoring_edit(&page, one, |line| {
            let stays = |note: &&Comment<'_>| !leaving.iter().any(|gone| gone.span == note.span);
            let mut notes = new
                .comments
                .iter()
                .filter(stays)
                .map(|note| page.line_start(note.span.start));
            filled.contains(&line) || notes.any(|other| other == line)
        });
        if !edit.text.ends_with('\n') {
            filled.push(page.line_start(edit.range.start));
        }
        edits.push(edit);
    }
    Ok(Some(apply_patches(text, [&Patch::new(edits)])?))
}

/// A comment that is not where its owner is.
struct MisplacedComment<'a> {
    comment: &'a Comment<'a>,
    /// Where its owner stands now.
    new_owner: &'a CommentOwner<'a>,
    /// Where it stands now, if anywhere.
    current: Option<&'a Comment<'a>>,
}

fn misplaced_comments<'a>(old: &'a CommentMap<'_>, new: &'a CommentMap<'_>) -> Vec<MisplacedComment<'a>> {
    let homes = match_owners(old, new);
    let mut free: Vec<&Comment<'_>> = new.comments.iter().collect();
    let mut take = |is_it: &dyn Fn(&Comment<'_>) -> bool| {
        let place = free.iter().position(|note| is_it(note))?;
        Some(free.remove(place))
    };
    let mut missing = Vec::new();
    for note in &old.comments {
        let home = note.owner.and_then(|owner| homes.get(owner).copied().flatten());
        let is_there = take(&|other| other.text == note.text && other.owner == home).is_some();
        let item = home.and_then(|home| new.owners.get(home));
        let owner = note.owner.and_then(|owner| old.owners.get(owner));
        if let (false, Some(home), Some(owner)) = (is_there, item, owner)
            && !is_about_removed_field(note, owner, home)
        {
            missing.push((note, home));
        }
    }
    let missing = missing.into_iter().map(|(note, home)| MisplacedComment {
        comment: note,
        new_owner: home,
        current: take(&|other| other.text == note.text && other.owner.is_some()),
    });
    missing.collect()
}

/// Whether a comment is about a field that its filter has no more. Raw filters have other fields.
fn is_about_removed_field(note: &Comment<'_>, owner: &CommentOwner<'_>, home: &CommentOwner<'_>) -> bool {
    let is_raw = |item: &CommentOwner<'_>| super::has_field(item.node, "raw");
    let is_gone = |field: &str| !super::has_field(home.node, field);
    note.field.is_some_and(is_gone) && !is_raw(owner) && !is_raw(home)
}

/// Takes a comment out, with its line where it is alone there.
fn removal_edit(page: &SourceText<'_>, note: &Comment<'_>) -> TextEdit {
    let line = page.line_start(note.span.start);
    let before = page.slice(line..note.span.start).trim_end();
    let range = if before.is_empty() {
        line..page.line_end(note.span.end)
    } else {
        line + before.len()..note.span.end
    };
    TextEdit {
        range,
        text: String::new(),
    }
}

/// Puts a comment beside what it is about, if it stood so and there is room, or above it.
fn restoring_edit(
    page: &SourceText<'_>,
    astray: &MisplacedComment<'_>,
    is_filled: impl Fn(usize) -> bool,
) -> TextEdit {
    let MisplacedComment {
        comment: note,
        new_owner: home,
        ..
    } = astray;
    let field = note.field.and_then(|field| home.field_span(field));
    let about = field
        .filter(|span| page.begins_line(span.start))
        .unwrap_or_else(|| home.span.clone());
    let line = page.line_start(about.start);
    let is_one_line = page.begins_line(about.start) && page.line_start(about.end) == line;
    if note.position == CommentPosition::EndOfLine && is_one_line && !is_filled(line) {
        let end = line + content_end(page.slice(line..page.line_end(about.end)), about.end - line);
        return TextEdit {
            range: end..end,
            text: format!("{}{}", " ".repeat(note.spaces_before.max(1)), note.text),
        };
    }
    let indentation = " ".repeat(page.column(about.start));
    TextEdit {
        range: line..line,
        text: format!("{indentation}{}{}", note.text, page.line_ending(line)),
    }
}

/// How much of a line comes before a comment; what is behind `end` are commas, brackets and one comment.
fn content_end(line: &str, end: usize) -> usize {
    let tail = line.get(end..).unwrap_or_default();
    let tail = tail.find(" #").and_then(|at| tail.get(..at)).unwrap_or(tail);
    end + tail.trim_end().len()
}
