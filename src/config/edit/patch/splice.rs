//! Single edits: a value replaced, an item or field put in or taken out, in block and flow style.

use super::super::super::yaml::{Key, Node};
use super::super::edit_error::EditError;
use super::super::emit;
use super::super::ordered_value::OrderedValue;
use super::super::text_edit::TextEdit;
use super::document_editor::{DocumentEditor, TooFineGrained};
use super::source_text::ValuePosition;
use std::ops::Range;

/// Spaces that a block stands further in than what it belongs to.
const INDENT: usize = 2;

impl DocumentEditor<'_, '_> {
    /// Puts `tree` in the place of a value.
    pub(super) fn replace(
        &mut self,
        slot: ValuePosition,
        node: &Node,
        tree: &OrderedValue,
    ) -> Result<(), TooFineGrained> {
        let span = self.source.value_span(slot, node).ok_or(TooFineGrained)?;
        if slot.flow || self.source.style.json {
            let text = self.flow_value(tree, span.start)?;
            self.push_edit(span, text);
            return Ok(());
        }
        let page = self.source;
        let gap = page.slice(slot.start..span.start);
        let is_own_line = gap.contains('\n');
        let is_gap_blank = gap.trim().is_empty();
        if tree.fits_on_one_line() {
            let text = emit::inline(tree, page.style)?;
            if is_gap_blank {
                self.push_edit(slot.start..span.end, format!(" {text}"));
            } else if !is_own_line || page.column(span.start) > slot.column {
                self.push_edit(span, text);
            } else {
                return Err(TooFineGrained);
            }
        } else if slot.item || (is_own_line && page.column(span.start) > slot.column) {
            let column = page.column(span.start);
            let text = emit::block(tree, page.style, column)?;
            self.push_edit(span, text);
        } else {
            let column = slot.column + INDENT;
            let start = if is_gap_blank { slot.start } else { span.start };
            let text = on_new_line(column, &emit::block(tree, page.style, column)?);
            self.push_edit(start..span.end, text);
        }
        Ok(())
    }

    /// The line or lines of an item of a block list in which `anchor` stands.
    pub(super) fn block_item_text(
        &self,
        anchor: &Node,
        tree: &OrderedValue,
    ) -> Result<String, TooFineGrained> {
        let column = self
            .source
            .column(self.source.item_dash(anchor).ok_or(TooFineGrained)?);
        let item = emit::block(tree, self.source.style, column + INDENT)?;
        Ok(format!("{}- {item}", " ".repeat(column)))
    }

    /// The lines of an item of a block list as they stand, with the comments above and beside them.
    pub(super) fn item_span(&self, item: &Node) -> Result<Range<usize>, TooFineGrained> {
        let dash = self.source.item_dash(item).ok_or(TooFineGrained)?;
        let start = self.source.leading_comments_start(dash);
        let lines = self.source.slice(start..self.source.line_end(item.span.end));
        Ok(start..start + lines.trim_end_matches(['\r', '\n']).len())
    }

    /// Puts lines into a block list: below `anchor`, or above it when they are to be the first.
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

    /// Puts an item or field into brackets or braces, behind what `anchor` covers or before it.
    pub(super) fn insert_in_flow(&mut self, anchor: &Range<usize>, is_first: bool, text: &str) {
        let page = self.source;
        let gap = if page.begins_line(anchor.start) {
            format!("\n{}", " ".repeat(page.column(anchor.start)))
        } else {
            " ".to_owned()
        };
        if is_first {
            self.push_edit(anchor.start..anchor.start, format!("{text},{gap}"));
        } else {
            self.push_edit(anchor.end..anchor.end, format!(",{gap}{text}"));
        }
    }

    /// Puts a field into a block map, below what ends at `end`.
    pub(super) fn insert_block_field(
        &mut self,
        end: usize,
        column: usize,
        (key, tree): (&str, &OrderedValue),
    ) -> Result<(), TooFineGrained> {
        let style = self.source.style;
        let field = if tree.fits_on_one_line() {
            emit::field(key, tree, style)?
        } else {
            let inner = column + INDENT;
            format!("{key}:{}", on_new_line(inner, &emit::block(tree, style, inner)?))
        };
        self.insert_line(end, &format!("{}{field}", " ".repeat(column)));
        Ok(())
    }

    /// Takes whole lines out, from that of `start` to that of `end`: an item or field with the comments above and
    /// beside it.
    pub(super) fn remove_lines(&mut self, start: usize, end: usize) -> Result<(), TooFineGrained> {
        if !self.source.begins_line(start) {
            return Err(TooFineGrained);
        }
        self.push_edit(
            self.source.leading_comments_start(start)..self.source.line_end(end),
            String::new(),
        );
        Ok(())
    }

    /// Takes those of the `spans` out that are `gone`, each with one of the commas beside it.
    pub(super) fn remove_in_flow(
        &mut self,
        spans: &[Range<usize>],
        gone: &[bool],
    ) -> Result<(), TooFineGrained> {
        let is_gone = |index: usize| gone.get(index).copied().unwrap_or(false);
        let mut index = 0;
        while index < spans.len() {
            if !is_gone(index) {
                index += 1;
                continue;
            }
            let first = index;
            while is_gone(index) {
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

    /// A value for a place in brackets or braces; JSON may take several lines there.
    pub(super) fn flow_value(&self, tree: &OrderedValue, at: usize) -> Result<String, EditError> {
        let page = self.source;
        if page.style.json {
            let line = page.slice(page.line_start(at)..at);
            let indentation = line.len() - line.trim_start().len();
            return emit::block(tree, page.style, indentation);
        }
        emit::inline(tree, page.style)
    }

    /// A field for a place in braces.
    pub(super) fn flow_field(&self, key: &Key, name: &str, tree: &OrderedValue) -> Result<String, EditError> {
        if self.source.style.json {
            let value = self.flow_value(tree, key.span.start)?;
            return Ok(format!("{}: {value}", emit::json(&OrderedValue::text(name))));
        }
        let map = OrderedValue::Map(vec![(name.to_owned(), tree.clone())]);
        let text = emit::inline(&map, self.source.style)?;
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        Ok(inner.unwrap_or(&text).to_owned())
    }

    fn is_comma(&self, range: Range<usize>) -> bool {
        self.source.slice(range).trim() == ","
    }

    /// Puts a line below that of `at`.
    fn insert_line(&mut self, at: usize, line: &str) {
        let end = self.source.line_end(at);
        let text = if self.source.slice(0..end).ends_with('\n') {
            format!("{line}\n")
        } else {
            format!("\n{line}")
        };
        self.push_edit(end..end, text);
    }

    /// Takes an edit down; its lines end as those around it.
    pub(super) fn push_edit(&mut self, range: Range<usize>, text: String) {
        let newline = self.source.line_ending(range.start);
        let text = text.replace("\r\n", "\n").replace('\n', newline);
        self.edits.push(TextEdit { range, text });
    }
}

fn on_new_line(column: usize, text: &str) -> String {
    format!("\n{}{text}", " ".repeat(column))
}
