//! Single edits in block and flow style: replace a value, insert or remove an item or a field.

use super::super::super::yaml::{Key, Node};
use super::super::edit_error::EditError;
use super::super::emit;
use super::super::ordered_value::OrderedValue;
use super::super::text_edit::TextEdit;
use super::document_editor::{DocumentEditor, TooFineGrained};
use super::source_text::ValuePosition;
use std::ops::Range;

const INDENT: usize = 2;

impl DocumentEditor<'_, '_> {
    pub(super) fn replace(
        &mut self,
        position: ValuePosition,
        node: &Node,
        value: &OrderedValue,
    ) -> Result<(), TooFineGrained> {
        let span = self.source.value_span(position, node).ok_or(TooFineGrained)?;
        if position.flow || self.source.style.json {
            let text = self.flow_value(value, span.start)?;
            self.push_edit(span, text);
            return Ok(());
        }
        let source = self.source;
        let gap = source.slice(position.start..span.start);
        let is_own_line = gap.contains('\n');
        let is_gap_blank = gap.trim().is_empty();
        if value.fits_on_one_line() {
            let text = emit::inline(value, source.style)?;
            if is_gap_blank {
                self.push_edit(position.start..span.end, format!(" {text}"));
            } else if !is_own_line || source.column(span.start) > position.column {
                self.push_edit(span, text);
            } else {
                return Err(TooFineGrained);
            }
        } else if position.item || (is_own_line && source.column(span.start) > position.column) {
            let column = source.column(span.start);
            let text = emit::block(value, source.style, column)?;
            self.push_edit(span, text);
        } else {
            let column = position.column + INDENT;
            let start = if is_gap_blank { position.start } else { span.start };
            let text = on_new_line(column, &emit::block(value, source.style, column)?);
            self.push_edit(start..span.end, text);
        }
        Ok(())
    }

    pub(super) fn block_item_text(
        &self,
        anchor: &Node,
        value: &OrderedValue,
    ) -> Result<String, TooFineGrained> {
        let dash = self.source.item_dash(anchor).ok_or(TooFineGrained)?;
        let column = self.source.column(dash);
        let item = emit::block(value, self.source.style, column + INDENT)?;
        Ok(format!("{}- {item}", " ".repeat(column)))
    }

    /// The lines of an item of a block list, with the comments above and beside it.
    pub(super) fn item_span(&self, item: &Node) -> Result<Range<usize>, TooFineGrained> {
        let dash = self.source.item_dash(item).ok_or(TooFineGrained)?;
        let start = self.source.leading_comments_start(dash);
        let lines = self.source.slice(start..self.source.line_end(item.span.end));
        Ok(start..start + lines.trim_end_matches(['\r', '\n']).len())
    }

    /// Inserts lines below `anchor`, or above it if they become the first item.
    pub(super) fn insert_block_item(
        &mut self,
        anchor: &Node,
        is_first: bool,
        lines: &str,
    ) -> Result<(), TooFineGrained> {
        if is_first {
            let at = self.item_span(anchor)?.start;
            self.push_edit(at..at, format!("{lines}\n"));
        } else {
            self.insert_line(anchor.span.end, lines);
        }
        Ok(())
    }

    pub(super) fn insert_in_flow(&mut self, anchor: &Range<usize>, is_first: bool, text: &str) {
        let source = self.source;
        let gap = if source.begins_line(anchor.start) {
            format!("\n{}", " ".repeat(source.column(anchor.start)))
        } else {
            " ".to_owned()
        };
        if is_first {
            self.push_edit(anchor.start..anchor.start, format!("{text},{gap}"));
        } else {
            self.push_edit(anchor.end..anchor.end, format!(",{gap}{text}"));
        }
    }

    pub(super) fn insert_block_field(
        &mut self,
        end: usize,
        column: usize,
        (key, value): (&str, &OrderedValue),
    ) -> Result<(), TooFineGrained> {
        let style = self.source.style;
        let field = if value.fits_on_one_line() {
            emit::field(key, value, style)?
        } else {
            let inner = column + INDENT;
            format!("{key}:{}", on_new_line(inner, &emit::block(value, style, inner)?))
        };
        self.insert_line(end, &format!("{}{field}", " ".repeat(column)));
        Ok(())
    }

    /// Removes whole lines, with the comments above and beside them.
    pub(super) fn remove_lines(&mut self, start: usize, end: usize) -> Result<(), TooFineGrained> {
        if !self.source.begins_line(start) {
            return Err(TooFineGrained);
        }
        let lines = self.source.leading_comments_start(start)..self.source.line_end(end);
        self.push_edit(lines, String::new());
        Ok(())
    }

    /// Removes each span with one of the commas beside it.
    pub(super) fn remove_in_flow(
        &mut self,
        spans: &[Range<usize>],
        removed: &[bool],
    ) -> Result<(), TooFineGrained> {
        let is_removed = |index: usize| removed.get(index).copied().unwrap_or(false);
        let mut index = 0;
        while index < spans.len() {
            if !is_removed(index) {
                index += 1;
                continue;
            }
            let first = index;
            while is_removed(index) {
                index += 1;
            }
            let before = first.checked_sub(1).and_then(|before| spans.get(before));
            let last = spans.get(index - 1).ok_or(TooFineGrained)?;
            let start = spans.get(first).ok_or(TooFineGrained)?.start;
            let range = match (spans.get(index), before) {
                (Some(next), _) if self.is_comma(last.end..next.start) => start..next.start,
                (None, Some(before)) if self.is_comma(before.end..start) => before.end..last.end,
                _ => return Err(TooFineGrained),
            };
            self.push_edit(range, String::new());
        }
        Ok(())
    }

    /// JSON may have several lines there.
    pub(super) fn flow_value(&self, value: &OrderedValue, at: usize) -> Result<String, EditError> {
        let source = self.source;
        if source.style.json {
            let line = source.slice(source.line_start(at)..at);
            let indentation = line.len() - line.trim_start().len();
            return emit::block(value, source.style, indentation);
        }
        emit::inline(value, source.style)
    }

    pub(super) fn flow_field(
        &self,
        key: &Key,
        name: &str,
        value: &OrderedValue,
    ) -> Result<String, EditError> {
        if self.source.style.json {
            let value = self.flow_value(value, key.span.start)?;
            return Ok(format!("{}: {value}", emit::json(&OrderedValue::text(name))));
        }
        let map = OrderedValue::Map(vec![(name.to_owned(), value.clone())]);
        let text = emit::inline(&map, self.source.style)?;
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        Ok(inner.unwrap_or(&text).to_owned())
    }

    fn is_comma(&self, range: Range<usize>) -> bool {
        self.source.slice(range).trim() == ","
    }

    fn insert_line(&mut self, at: usize, line: &str) {
        let end = self.source.line_end(at);
        let text = if self.source.slice(0..end).ends_with('\n') {
            format!("{line}\n")
        } else {
            format!("\n{line}")
        };
        self.push_edit(end..end, text);
    }

    /// The new text gets the line endings of the surrounding lines.
    pub(super) fn push_edit(&mut self, range: Range<usize>, text: String) {
        let newline = self.source.line_ending(range.start);
        let text = text.replace("\r\n", "\n").replace('\n', newline);
        self.edits.push(TextEdit { range, text });
    }
}

fn on_new_line(column: usize, text: &str) -> String {
    format!("\n{}{text}", " ".repeat(column))
}
