//! The texts of values, entries and items, and of collections whose entries or items come, go or move.

use super::super::super::yaml::Node;
use super::super::edit_error::EditError;
use super::super::emit;
use super::super::ordered_value::OrderedValue;
use super::super::text_edit::{Patch, TextEdit, apply_patches};
use super::editor::{Editor, Edits, Piece, UnknownLayout, ValuePosition};
use std::ops::Range;

const INDENT: usize = 2;

impl Editor<'_> {
    pub(super) fn replace(&mut self, position: ValuePosition, node: &Node, value: &OrderedValue) -> Edits {
        let source = self.source;
        let span = self.value_span(position, node).ok_or(UnknownLayout)?;
        self.lose_all(&span);
        if position.flow || source.style.json {
            let text = self.flow_value(value, span.start)?;
            return Ok(vec![self.edit(span, &text)]);
        }
        let gap = source.slice(position.start..span.start);
        let is_blank = gap.trim().is_empty();
        let is_indented = gap.contains('\n') && source.column(span.start) > position.column;
        let start = if is_blank { position.start } else { span.start };
        let edit = if value.fits_on_one_line() {
            let text = emit::inline(value, source.style)?;
            match is_blank {
                true => self.edit(start..span.end, &format!(" {text}")),
                false if is_indented || !gap.contains('\n') => self.edit(span, &text),
                false => return Err(UnknownLayout),
            }
        } else if position.item || is_indented {
            let text = emit::block(value, source.style, source.column(span.start))?;
            self.edit(span, &text)
        } else {
            self.edit(
                start..span.end,
                &block_below(value, position.column, source.style)?,
            )
        };
        Ok(vec![edit])
    }

    /// The text of a new entry, without the indentation of its first line. `at` is where another entry begins.
    pub(super) fn entry_text(
        &self,
        flow: bool,
        at: usize,
        name: &str,
        value: &OrderedValue,
    ) -> Result<String, EditError> {
        let (source, style) = (self.source, self.source.style);
        if style.json {
            let value = self.flow_value(value, at)?;
            return Ok(format!("{}: {value}", emit::json(&OrderedValue::text(name))));
        }
        if flow {
            let text = emit::inline(&OrderedValue::Map(vec![(name.to_owned(), value.clone())]), style)?;
            let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            return Ok(inner.unwrap_or(&text).to_owned());
        }
        if value.fits_on_one_line() {
            return emit::field(name, value, style);
        }
        Ok(format!(
            "{name}:{}",
            block_below(value, source.column(at), style)?
        ))
    }

    pub(super) fn item_text(&self, flow: bool, at: usize, value: &OrderedValue) -> Result<String, EditError> {
        if flow {
            return self.flow_value(value, at);
        }
        let column = self.source.column(at) + INDENT;
        Ok(format!("- {}", emit::block(value, self.source.style, column)?))
    }

    /// JSON may have several lines there.
    fn flow_value(&self, value: &OrderedValue, at: usize) -> Result<String, EditError> {
        let source = self.source;
        if source.style.json {
            let line = source.slice(source.line_start(at)..at);
            return emit::block(value, source.style, line.len() - line.trim_start().len());
        }
        emit::inline(value, source.style)
    }

    /// In block style, the lines of an entry or item with the comments above, beside and in it, without the
    /// indentation of the first line.
    pub(super) fn piece_span(&self, flow: bool, span: &Range<usize>) -> Range<usize> {
        let source = self.source;
        if flow {
            return span.clone();
        }
        let column = source.column(span.start);
        let start = match source.begins_line(span.start) {
            true => source.leading_comments_start(span.start),
            false => span.start,
        };
        let mut end = source.line_end(span.end);
        // A comment with more indentation than the piece is in it.
        while source.comment_column(end).is_some_and(|found| found > column) {
            end = source.line_end(end);
        }
        let text = source.slice(start..end);
        let indentation = text.len() - text.trim_start_matches(' ').len();
        start + indentation..start + text.trim_end_matches(['\r', '\n']).len()
    }

    /// The edits of a collection. `spans` are those of its old entries or items.
    pub(super) fn assemble(&mut self, flow: bool, spans: &[Range<usize>], pieces: Vec<Piece>) -> Edits {
        let is_in_order =
            |(index, piece): (usize, &Piece)| matches!(piece, Piece::Old(old, _) if *old == index);
        if pieces.len() == spans.len() && pieces.iter().enumerate().all(is_in_order) {
            let edits = pieces.into_iter().map(|piece| match piece {
                Piece::Old(_, edits) => edits,
                Piece::New(_) => Vec::new(),
            });
            return Ok(edits.flatten().collect());
        }
        let is_line = |span: &Range<usize>| self.source.begins_line(span.start);
        if !flow && !spans.iter().skip(1).all(is_line) {
            return Err(UnknownLayout);
        }
        let old: Vec<_> = spans.iter().map(|span| self.piece_span(flow, span)).collect();
        let (Some(first), Some(last)) = (old.first(), old.last()) else {
            return Err(UnknownLayout);
        };
        let region = first.start..last.end;
        let mut texts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            texts.push(match piece {
                Piece::Old(index, edits) => {
                    let span = old.get(index).ok_or(UnknownLayout)?;
                    (Some(index), self.edited(span, edits)?)
                }
                Piece::New(text) => (None, text),
            });
        }
        let text = match flow {
            true => self.join_flow(&old, &texts),
            false => self.join_lines(&old, &texts),
        };
        Ok(vec![self.edit(region, &text)])
    }

    /// Two pieces that are neighbours as before keep what is between them.
    fn join_flow(&mut self, old: &[Range<usize>], pieces: &[(Option<usize>, String)]) -> String {
        let source = self.source;
        let gaps: Vec<_> = old.windows(2).map(|pair| pair[0].end..pair[1].start).collect();
        let first = old.first().map_or(0, |first| first.start);
        let separator = match source.begins_line(first) {
            true => format!(",\n{}", " ".repeat(source.column(first))),
            false => ", ".to_owned(),
        };
        let mut text = String::new();
        let mut kept = Vec::new();
        for (position, (index, piece)) in pieces.iter().enumerate() {
            let before = position.checked_sub(1).and_then(|before| pieces.get(before)?.0);
            let gap = before.filter(|before| *index == Some(before + 1));
            kept.extend(gap);
            match gap.and_then(|gap| gaps.get(gap)) {
                Some(gap) => text.push_str(source.slice(gap.clone())),
                None if position > 0 => text.push_str(&separator),
                None => {}
            }
            text.push_str(piece);
        }
        for (index, gap) in gaps.iter().enumerate() {
            if !kept.contains(&index) {
                self.lose_comments(gap);
            }
        }
        text
    }

    /// Lines between two old pieces stay before the first later one that remains.
    fn join_lines(&self, old: &[Range<usize>], pieces: &[(Option<usize>, String)]) -> String {
        let source = self.source;
        let first = old.first().map_or(0, |first| first.start);
        let indentation = " ".repeat(source.column(first));
        let lines_between = |index: usize| {
            let before = index.checked_sub(1).and_then(|before| old.get(before));
            let range = before
                .zip(old.get(index))
                .map(|(before, next)| source.line_end(before.end)..source.line_start(next.start));
            source.slice(range.unwrap_or_default())
        };
        let mut text = String::new();
        let mut written = 1;
        for (position, (index, piece)) in pieces.iter().enumerate() {
            let passed = index.map_or(written, |index| written.max(index + 1));
            // A piece after a dash begins in the middle of its line.
            if position > 0 || source.begins_line(first) {
                text.extend((written..passed).map(lines_between));
                written = passed;
                text.push_str(&indentation);
            }
            text.push_str(piece);
            text.push('\n');
        }
        text.extend((written..old.len()).map(lines_between));
        let start = if source.begins_line(first) {
            indentation.len()
        } else {
            0
        };
        text.trim_end_matches('\n')
            .get(start..)
            .unwrap_or_default()
            .to_owned()
    }

    /// The text of `range` with edits.
    fn edited(&self, range: &Range<usize>, edits: Vec<TextEdit>) -> Result<String, UnknownLayout> {
        let mut shifted = Vec::with_capacity(edits.len());
        for TextEdit { range: place, text } in edits {
            let start = place.start.checked_sub(range.start).ok_or(UnknownLayout)?;
            let range = start..start + place.len();
            shifted.push(TextEdit { range, text });
        }
        Ok(apply_patches(
            self.source.slice(range.clone()),
            [&Patch::new(shifted)],
        )?)
    }

    /// The new text gets the line endings of the surrounding lines.
    fn edit(&self, range: Range<usize>, text: &str) -> TextEdit {
        let newline = self.source.line_ending(range.start);
        let text = text.replace("\r\n", "\n").replace('\n', newline);
        TextEdit { range, text }
    }
}

/// A block on the lines below its key, which is at `column`.
fn block_below(value: &OrderedValue, column: usize, style: emit::Style) -> Result<String, EditError> {
    let column = column + INDENT;
    Ok(format!(
        "\n{}{}",
        " ".repeat(column),
        emit::block(value, style, column)?
    ))
}
