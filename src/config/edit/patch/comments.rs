//! Keeps the comments of a file when its text changes.
//!
//! Each comment has an owner: the filter or group that it is above, beside or in. segctl restores comments that the new
//! text lost or moved to another owner, at the new position of their owner.

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

/// Returns `after`, with restored comments if necessary. `form` and `new_form` are the canonical forms of the texts.
pub(super) fn preserve_comments(
    (before, form): (&Declaration, &Value),
    (after, new_form): (String, &Value),
) -> Result<String, EditError> {
    let source = SourceText::new(&before.source.text, &before.document);
    let old = CommentMap::from_document(&source, &before.document, form);
    if old.comments.is_empty() {
        return Ok(after);
    }
    let Some(restored) = with_restored_comments(&old, &after, new_form)? else {
        return Ok(after);
    };
    let read = round_trip::read_declaration(&restored)?;
    let source = SourceText::new(&read.source.text, &read.document);
    let new = CommentMap::from_document(&source, &read.document, new_form);
    match misplaced_comments(&old, &new).first() {
        None => Ok(restored),
        Some(lost) => Err(EditError::LostComment {
            text: lost.comment.text.to_owned(),
        }),
    }
}

fn with_restored_comments(
    old: &CommentMap<'_>,
    text: &str,
    form: &Value,
) -> Result<Option<String>, EditError> {
    let read = round_trip::read_declaration(text)?;
    let source = SourceText::new(&read.source.text, &read.document);
    let new = CommentMap::from_document(&source, &read.document, form);
    let misplaced = misplaced_comments(old, &new);
    if misplaced.is_empty() {
        return Ok(None);
    }
    let moved: Vec<&Comment<'_>> = misplaced.iter().filter_map(|one| one.current).collect();
    let removals = moved.iter().map(|comment| removal_edit(&source, comment));
    let mut edits: Vec<TextEdit> = removals.collect();
    let stays = |comment: &&Comment<'_>| moved.iter().all(|other| other.span != comment.span);
    let line = |comment: &Comment<'_>| source.line_start(comment.span.start);
    let mut commented_lines: Vec<usize> = new.comments.iter().filter(stays).map(line).collect();
    for one in &misplaced {
        let edit = restoring_edit(&source, one, |line| commented_lines.contains(&line));
        if !edit.text.ends_with('\n') {
            commented_lines.push(source.line_start(edit.range.start));
        }
        edits.push(edit);
    }
    Ok(Some(apply_patches(text, [&Patch::new(edits)])?))
}

struct MisplacedComment<'a> {
    comment: &'a Comment<'a>,
    new_owner: &'a CommentOwner<'a>,
    /// The comment in the new text, if it is anywhere.
    current: Option<&'a Comment<'a>>,
}

fn misplaced_comments<'a>(old: &'a CommentMap<'_>, new: &'a CommentMap<'_>) -> Vec<MisplacedComment<'a>> {
    let new_owners = match_owners(old, new);
    let mut free: Vec<&Comment<'_>> = new.comments.iter().collect();
    let mut take = |is_match: &dyn Fn(&Comment<'_>) -> bool| {
        let index = free.iter().position(|comment| is_match(comment))?;
        Some(free.remove(index))
    };
    let mut missing = Vec::new();
    for comment in &old.comments {
        let new_owner = comment
            .owner
            .and_then(|owner| new_owners.get(owner).copied().flatten());
        if take(&|other| other.text == comment.text && other.owner == new_owner).is_some() {
            continue;
        }
        let owner = comment.owner.and_then(|owner| old.owners.get(owner));
        let new_owner = new_owner.and_then(|new_owner| new.owners.get(new_owner));
        if let (Some(owner), Some(new_owner)) = (owner, new_owner)
            && !is_about_removed_field(comment, owner, new_owner)
        {
            missing.push((comment, new_owner));
        }
    }
    let misplaced = missing.into_iter().map(|(comment, new_owner)| MisplacedComment {
        comment,
        new_owner,
        current: take(&|other| other.text == comment.text && other.owner.is_some()),
    });
    misplaced.collect()
}

/// A change from or to a raw filter moves the fields, so their comments stay.
fn is_about_removed_field(
    comment: &Comment<'_>,
    owner: &CommentOwner<'_>,
    new_owner: &CommentOwner<'_>,
) -> bool {
    let is_raw = |item: &CommentOwner<'_>| super::has_field(item.node, "raw");
    let is_removed = |field: &str| !super::has_field(new_owner.node, field);
    comment.field.is_some_and(is_removed) && !is_raw(owner) && !is_raw(new_owner)
}

fn removal_edit(source: &SourceText<'_>, comment: &Comment<'_>) -> TextEdit {
    let line = source.line_start(comment.span.start);
    let before = source.slice(line..comment.span.start).trim_end();
    let range = if before.is_empty() {
        line..source.line_end(comment.span.end)
    } else {
        line + before.len()..comment.span.end
    };
    TextEdit {
        range,
        text: String::new(),
    }
}

/// Beside the owner, if the comment was there and the line has no other comment; else above the owner.
fn restoring_edit(
    source: &SourceText<'_>,
    misplaced: &MisplacedComment<'_>,
    has_comment: impl Fn(usize) -> bool,
) -> TextEdit {
    let (comment, new_owner) = (misplaced.comment, misplaced.new_owner);
    let field = comment.field.and_then(|field| new_owner.field_span(field));
    let anchor = field
        .filter(|span| source.begins_line(span.start))
        .unwrap_or_else(|| new_owner.span.clone());
    let line = source.line_start(anchor.start);
    let is_one_line = source.begins_line(anchor.start) && source.line_start(anchor.end) == line;
    if comment.position == CommentPosition::EndOfLine && is_one_line && !has_comment(line) {
        let end = line + content_end(source.slice(line..source.line_end(anchor.end)), anchor.end - line);
        return TextEdit {
            range: end..end,
            text: format!("{}{}", " ".repeat(comment.spaces_before.max(1)), comment.text),
        };
    }
    let indentation = " ".repeat(source.column(anchor.start));
    TextEdit {
        range: line..line,
        text: format!("{indentation}{}{}", comment.text, source.line_ending(line)),
    }
}

/// The end of the line without its comment; commas, brackets and one comment may follow `end`.
fn content_end(line: &str, end: usize) -> usize {
    let tail = line.get(end..).unwrap_or_default();
    let tail = tail.find(" #").and_then(|at| tail.get(..at)).unwrap_or(tail);
    end + tail.trim_end().len()
}
