//! Single edits: a value replaced, an item or field put in or taken out, in block and flow style.

use super::super::super::yaml::{Key, Node};
use super::super::edit::Edit;
use super::super::emit;
use super::super::tree::Tree;
use super::super::unwritable::Unwritable;
use super::page::Slot;
use super::walk::{Coarse, Walk};
use std::ops::Range;

/// Spaces that a block stands further in than what it belongs to.
const INDENT: usize = 2;

impl Walk<'_, '_> {
    /// Puts `tree` in the place of a value.
    pub(super) fn replace(&mut self, slot: Slot, node: &Node, tree: &Tree) -> Result<(), Coarse> {
        let span = self.page.value_span(slot, node).ok_or(Coarse)?;
        if slot.flow || self.page.style.json {
            let text = self.in_flow(tree, span.start)?;
            self.edit(span, text);
            return Ok(());
        }
        let page = self.page;
        let gap = page.slice(slot.start..span.start);
        let is_own_line = gap.contains('\n');
        let is_gap_blank = gap.trim().is_empty();
        if tree.fits_a_line() {
            let text = emit::inline(tree, page.style)?;
            if is_gap_blank {
                self.edit(slot.start..span.end, format!(" {text}"));
            } else if !is_own_line || page.column(span.start) > slot.column {
                self.edit(span, text);
            } else {
                return Err(Coarse);
            }
        } else if slot.item || (is_own_line && page.column(span.start) > slot.column) {
            let column = page.column(span.start);
            let text = emit::block(tree, page.style, column)?;
            self.edit(span, text);
        } else {
            let column = slot.column + INDENT;
            let start = if is_gap_blank { slot.start } else { span.start };
            let text = on_new_line(column, &emit::block(tree, page.style, column)?);
            self.edit(start..span.end, text);
        }
        Ok(())
    }

    /// The line or lines of an item of a block list in which `anchor` stands.
    pub(super) fn block_item(&self, anchor: &Node, tree: &Tree) -> Result<String, Coarse> {
        let column = self.page.column(self.page.dash(anchor).ok_or(Coarse)?);
        let item = emit::block(tree, self.page.style, column + INDENT)?;
        Ok(format!("{}- {item}", " ".repeat(column)))
    }

    /// The lines of an item of a block list as they stand, with the comments above and beside them.
    pub(super) fn item_lines(&self, item: &Node) -> Result<Range<usize>, Coarse> {
        let dash = self.page.dash(item).ok_or(Coarse)?;
        let start = self.page.lead(dash);
        let lines = self.page.slice(start..self.page.line_end(item.span.end));
        Ok(start..start + lines.trim_end_matches(['\r', '\n']).len())
    }

    /// Puts lines into a block list: below `anchor`, or above it when they are to be the first.
    pub(super) fn insert_block_item(
        &mut self,
        anchor: &Node,
        is_first: bool,
        lines: &str,
    ) -> Result<(), Coarse> {
        if is_first {
            let at = self.item_lines(anchor)?.start;
            self.edit(at..at, format!("{lines}\n"));
        } else {
            self.insert_line(anchor.span.end, lines);
        }
        Ok(())
    }

    /// Puts an item or field into brackets or braces, behind what `anchor` covers or before it.
    pub(super) fn insert_in_flow(&mut self, anchor: &Range<usize>, is_first: bool, text: &str) {
        let page = self.page;
        let gap = if page.begins_line(anchor.start) {
            format!("\n{}", " ".repeat(page.column(anchor.start)))
        } else {
            " ".to_owned()
        };
        if is_first {
            self.edit(anchor.start..anchor.start, format!("{text},{gap}"));
        } else {
            self.edit(anchor.end..anchor.end, format!(",{gap}{text}"));
        }
    }

    /// Puts a field into a block map, below what ends at `end`.
    pub(super) fn insert_block_field(
        &mut self,
        end: usize,
        column: usize,
        (key, tree): (&str, &Tree),
    ) -> Result<(), Coarse> {
        let style = self.page.style;
        let field = if tree.fits_a_line() {
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
    pub(super) fn remove_lines(&mut self, start: usize, end: usize) -> Result<(), Coarse> {
        if !self.page.begins_line(start) {
            return Err(Coarse);
        }
        self.edit(self.page.lead(start)..self.page.line_end(end), String::new());
        Ok(())
    }

    /// Takes those of the `spans` out that are `gone`, each with one of the commas beside it.
    pub(super) fn remove_in_flow(&mut self, spans: &[Range<usize>], gone: &[bool]) -> Result<(), Coarse> {
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
            let last = spans.get(index - 1).ok_or(Coarse)?;
            let start = spans.get(first).ok_or(Coarse)?.start;
            let range = match (spans.get(index), before) {
                (Some(next), _) if self.is_comma(last.end..next.start) => start..next.start,
                (None, Some(before)) if self.is_comma(before.end..start) => before.end..last.end,
                _ => return Err(Coarse),
            };
            self.edit(range, String::new());
        }
        Ok(())
    }

    /// A value for a place in brackets or braces; JSON may take several lines there.
    pub(super) fn in_flow(&self, tree: &Tree, at: usize) -> Result<String, Unwritable> {
        let page = self.page;
        if page.style.json {
            let line = page.slice(page.line_start(at)..at);
            let indentation = line.len() - line.trim_start().len();
            return emit::block(tree, page.style, indentation);
        }
        emit::inline(tree, page.style)
    }

    /// A field for a place in braces.
    pub(super) fn field_in_flow(&self, key: &Key, name: &str, tree: &Tree) -> Result<String, Unwritable> {
        if self.page.style.json {
            let value = self.in_flow(tree, key.span.start)?;
            return Ok(format!("{}: {value}", emit::json(&Tree::text(name))));
        }
        let map = Tree::Map(vec![(name.to_owned(), tree.clone())]);
        let text = emit::inline(&map, self.page.style)?;
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        Ok(inner.unwrap_or(&text).to_owned())
    }

    fn is_comma(&self, range: Range<usize>) -> bool {
        self.page.slice(range).trim() == ","
    }

    /// Puts a line below that of `at`.
    fn insert_line(&mut self, at: usize, line: &str) {
        let end = self.page.line_end(at);
        let text = if self.page.slice(0..end).ends_with('\n') {
            format!("{line}\n")
        } else {
            format!("\n{line}")
        };
        self.edit(end..end, text);
    }

    /// Takes an edit down; its lines end as those around it.
    pub(super) fn edit(&mut self, range: Range<usize>, text: String) {
        let newline = self.page.newline(range.start);
        let text = text.replace("\r\n", "\n").replace('\n', newline);
        self.edits.push(Edit { range, text });
    }
}

fn on_new_line(column: usize, text: &str) -> String {
    format!("\n{}{text}", " ".repeat(column))
}
