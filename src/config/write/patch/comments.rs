//! Comments of a text, and what became of them in the next one.
//!
//! Each comment has an owner: the filter, group or side that it stands above or beside, or in. Those that the new text
//! lost, or that stand at something else in it, are put back where their owner stands now.

mod homes;
mod notes;

use self::homes::homes;
use self::notes::{Item, Note, Notes, Place};
use super::super::super::declaration::Declaration;
use super::super::edit::{Edit, Patch, apply};
use super::super::law;
use super::super::unwritable::Unwritable;
use super::page::Page;
use serde_json::Value;

/// A text that keeps the comments of `before`: `after` as it is, or with comments put back.
///
/// The forms are what the two texts say.
pub(super) fn kept(
    (before, form): (&Declaration, &Value),
    (after, new_form): (String, &Value),
) -> Result<String, Unwritable> {
    let page = Page::new(&before.source.text, &before.document);
    let old = Notes::of(&page, &before.document, form);
    if old.notes.is_empty() {
        return Ok(after);
    }
    let Some(mended) = mended(&old, &after, new_form)? else {
        return Ok(after);
    };
    let read = law::read(&mended)?;
    let page = Page::new(&read.source.text, &read.document);
    let new = Notes::of(&page, &read.document, new_form);
    match astray(&old, &new).first() {
        None => Ok(mended),
        Some(lost) => Err(Unwritable::Comment {
            text: lost.note.text.to_owned(),
        }),
    }
}

/// The text with the comments of `old` put back; nothing where none is astray.
fn mended(old: &Notes<'_>, text: &str, form: &Value) -> Result<Option<String>, Unwritable> {
    let read = law::read(text)?;
    let page = Page::new(&read.source.text, &read.document);
    let new = Notes::of(&page, &read.document, form);
    let astray = astray(old, &new);
    if astray.is_empty() {
        return Ok(None);
    }
    let leaving: Vec<&Note<'_>> = astray.iter().filter_map(|one| one.found).collect();
    let mut edits: Vec<Edit> = leaving.iter().map(|note| without(&page, note)).collect();
    let mut filled = Vec::new();
    for one in &astray {
        let edit = put_back(&page, one, |line| {
            let stays = |note: &&Note<'_>| !leaving.iter().any(|gone| gone.span == note.span);
            let mut notes = new
                .notes
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
    Ok(Some(apply(text, [&Patch::new(edits)])?))
}

/// A comment that is not where its owner is.
struct Astray<'a> {
    note: &'a Note<'a>,
    /// Where its owner stands now.
    home: &'a Item<'a>,
    /// Where it stands now, if anywhere.
    found: Option<&'a Note<'a>>,
}

fn astray<'a>(old: &'a Notes<'_>, new: &'a Notes<'_>) -> Vec<Astray<'a>> {
    let homes = homes(old, new);
    let mut free: Vec<&Note<'_>> = new.notes.iter().collect();
    let mut take = |is_it: &dyn Fn(&Note<'_>) -> bool| {
        let place = free.iter().position(|note| is_it(note))?;
        Some(free.remove(place))
    };
    let mut missing = Vec::new();
    for note in &old.notes {
        let home = note.owner.and_then(|owner| homes.get(owner).copied().flatten());
        let is_there = take(&|other| other.text == note.text && other.owner == home).is_some();
        let item = home.and_then(|home| new.items.get(home));
        let owner = note.owner.and_then(|owner| old.items.get(owner));
        if let (false, Some(home), Some(owner)) = (is_there, item, owner)
            && !is_about_what_went(note, owner, home)
        {
            missing.push((note, home));
        }
    }
    let missing = missing.into_iter().map(|(note, home)| Astray {
        note,
        home,
        found: take(&|other| other.text == note.text && other.owner.is_some()),
    });
    missing.collect()
}

/// Whether a comment is about a field that its filter has no more. Raw filters have other fields.
fn is_about_what_went(note: &Note<'_>, owner: &Item<'_>, home: &Item<'_>) -> bool {
    let is_raw = |item: &Item<'_>| super::has(item.node, "raw");
    let is_gone = |field: &str| !super::has(home.node, field);
    note.field.is_some_and(is_gone) && !is_raw(owner) && !is_raw(home)
}

/// Takes a comment out, with its line where it is alone there.
fn without(page: &Page<'_>, note: &Note<'_>) -> Edit {
    let line = page.line_start(note.span.start);
    let before = page.slice(line..note.span.start).trim_end();
    let range = if before.is_empty() {
        line..page.line_end(note.span.end)
    } else {
        line + before.len()..note.span.end
    };
    Edit {
        range,
        text: String::new(),
    }
}

/// Puts a comment beside what it is about, if it stood so and there is room, or above it.
fn put_back(page: &Page<'_>, astray: &Astray<'_>, is_filled: impl Fn(usize) -> bool) -> Edit {
    let Astray { note, home, .. } = astray;
    let field = note.field.and_then(|field| home.field(field));
    let about = field
        .filter(|span| page.begins_line(span.start))
        .unwrap_or_else(|| home.span.clone());
    let line = page.line_start(about.start);
    let is_one_line = page.begins_line(about.start) && page.line_start(about.end) == line;
    if note.place == Place::Beside && is_one_line && !is_filled(line) {
        let end = line + content(page.slice(line..page.line_end(about.end)), about.end - line);
        return Edit {
            range: end..end,
            text: format!("{}{}", " ".repeat(note.gap.max(1)), note.text),
        };
    }
    let indentation = " ".repeat(page.column(about.start));
    Edit {
        range: line..line,
        text: format!("{indentation}{}{}", note.text, page.newline(line)),
    }
}

/// How much of a line comes before a comment; what is behind `end` are commas, brackets and one comment.
fn content(line: &str, end: usize) -> usize {
    let tail = line.get(end..).unwrap_or_default();
    let tail = tail.find(" #").and_then(|at| tail.get(..at)).unwrap_or(tail);
    end + tail.trim_end().len()
}
