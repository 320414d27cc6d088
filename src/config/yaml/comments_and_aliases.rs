//! Collects the comments of a document, and its aliases with the values that they refer to.

use std::collections::BTreeMap;
use std::ops::Range;

/// Comments and aliases of one document, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommentsAndAliases {
    /// From the `#` to the last character of the line.
    pub comments: Vec<Range<usize>>,
    pub aliases: Vec<Alias>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// `*name`.
    pub span: Range<usize>,
    pub flow: bool,
    /// `&name`.
    pub anchor: Range<usize>,
    /// The anchored value, without the anchor.
    pub value: Range<usize>,
}

/// Does not depend on the parser, which numbers anchors; 0 means no anchor.
#[derive(Default)]
pub(super) struct CommentAndAliasCollector {
    collected: CommentsAndAliases,
    anchors: BTreeMap<usize, AnchoredValue>,
    open_collections: Vec<OpenSpan>,
}

#[derive(Clone, Default)]
struct AnchoredValue {
    anchor: Range<usize>,
    value: Range<usize>,
}

struct OpenSpan {
    id: usize,
    flow: bool,
    start: usize,
    end: usize,
}

impl CommentAndAliasCollector {
    pub(super) fn finish(self) -> CommentsAndAliases {
        self.collected
    }

    pub(super) fn comment(&mut self, span: Range<usize>) {
        self.collected.comments.push(span);
    }

    pub(super) fn anchor(&mut self, id: usize, span: Range<usize>) {
        self.anchor_entry(id).anchor = span;
    }

    pub(super) fn open_collection(&mut self, id: usize, flow: bool, span: Range<usize>) {
        self.open_collections.push(OpenSpan {
            id,
            flow,
            start: span.start,
            end: span.end,
        });
    }

    pub(super) fn close_collection(&mut self, bracket: &Range<usize>) {
        let Some(OpenSpan { id, start, end, .. }) = self.open_collections.pop() else {
            return;
        };
        let end = if bracket.is_empty() { end } else { bracket.end };
        self.value(id, start..end);
    }

    pub(super) fn value(&mut self, id: usize, span: Range<usize>) {
        self.extend_parent_to(span.end);
        if id != 0 {
            self.anchor_entry(id).value = span;
        }
    }

    pub(super) fn alias(&mut self, id: usize, span: Range<usize>) {
        self.extend_parent_to(span.end);
        let AnchoredValue { anchor, value } = self.anchor_entry(id).clone();
        self.collected.aliases.push(Alias {
            span,
            flow: self.open_collections.last().is_some_and(|open| open.flow),
            anchor,
            value,
        });
    }

    fn extend_parent_to(&mut self, end: usize) {
        if let Some(parent) = self.open_collections.last_mut() {
            parent.end = parent.end.max(end);
        }
    }

    fn anchor_entry(&mut self, id: usize) -> &mut AnchoredValue {
        self.anchors.entry(id).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Alias, comments_and_aliases};
    use std::ops::Range;

    #[test]
    fn comments_and_aliases_have_byte_spans() {
        let text =
            "a: &x {b: 1} # one\n# two: *x\nc: '# no'\nd: [*x, 2]\ne: &y\n  - |\n    # text\nf: *y # three\n";
        let found = comments_and_aliases(text);
        let comments: Vec<_> = found.comments.iter().map(|span| &text[span.clone()]).collect();
        assert_eq!(comments, ["# one", "# two: *x", "# three"]);
        let part = |span: &Range<usize>| &text[span.clone()];
        let parts = |alias: &Alias| {
            (
                part(&alias.span),
                alias.flow,
                part(&alias.anchor),
                part(&alias.value),
            )
        };
        let aliases: Vec<_> = found.aliases.iter().map(parts).collect();
        let expected = [
            ("*x", true, "&x", "{b: 1}"),
            ("*y", false, "&y", "- |\n    # text"),
        ];
        assert_eq!(aliases, expected);
    }
}
