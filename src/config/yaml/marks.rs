//! What stands in a text beside its values: comments, and the aliases with what they stand for.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, StructureStyle};

use super::options;

/// Comments and aliases of one document, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// From the `#` to the last character of the line.
    pub comments: Vec<Range<usize>>,
    /// Those that stand for a value.
    pub aliases: Vec<Alias>,
}

/// An alias in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// `*name`.
    pub span: Range<usize>,
    /// Whether it stands in brackets or braces.
    pub flow: bool,
    /// `&name`.
    pub anchor: Range<usize>,
    /// The value behind the anchor, without it.
    pub value: Range<usize>,
}

/// The marks of a text that holds one document and that was read without a fault.
#[must_use]
pub fn marks(text: &str) -> Marks {
    let mut options = options();
    options.set_emit_comments(true);
    options.emit_anchor_events = true;
    let mut reader = Reader {
        text,
        ..Reader::default()
    };
    for (event, span) in Parser::new_from_str_with_options(text, options).flatten() {
        reader.take(&event, span.byte_range().unwrap_or_default());
    }
    reader.marks
}

#[derive(Default)]
struct Reader<'a> {
    text: &'a str,
    marks: Marks,
    /// By the parser's number.
    anchors: BTreeMap<usize, Anchored>,
    open: Vec<Open>,
}

#[derive(Clone, Default)]
struct Anchored {
    anchor: Range<usize>,
    value: Range<usize>,
}

/// A list or map whose end is yet to come.
struct Open {
    id: usize,
    flow: bool,
    start: usize,
    end: usize,
}

impl Reader<'_> {
    fn take(&mut self, event: &Event<'_>, bytes: Range<usize>) {
        match event {
            Event::Comment(..) => self.marks.comments.push(bytes),
            Event::Scalar(_, _, id, _) => {
                // A block scalar ends where its last word ends, as in the tree.
                let text = self.text.get(bytes.clone()).unwrap_or_default();
                self.value(*id, bytes.start..bytes.start + text.trim_end().len());
            }
            Event::SequenceStart(style, id, _) | Event::MappingStart(style, id, _) => self.open.push(Open {
                id: *id,
                flow: *style == StructureStyle::Flow,
                start: bytes.start,
                end: bytes.end,
            }),
            Event::SequenceEnd | Event::MappingEnd => self.close(&bytes),
            Event::Anchor(id, ..) => self.anchored(*id).anchor = bytes,
            Event::Alias(id) => self.alias(*id, bytes),
            _ => {}
        }
    }

    fn close(&mut self, bracket: &Range<usize>) {
        let Some(Open { id, start, end, .. }) = self.open.pop() else {
            return;
        };
        let end = if bracket.is_empty() { end } else { bracket.end };
        self.value(id, start..end);
    }

    fn value(&mut self, id: usize, span: Range<usize>) {
        self.reach(span.end);
        if id != 0 {
            self.anchored(id).value = span;
        }
    }

    fn alias(&mut self, id: usize, span: Range<usize>) {
        self.reach(span.end);
        let Anchored { anchor, value } = self.anchored(id).clone();
        self.marks.aliases.push(Alias {
            span,
            flow: self.open.last().is_some_and(|open| open.flow),
            anchor,
            value,
        });
    }

    fn reach(&mut self, end: usize) {
        if let Some(parent) = self.open.last_mut() {
            parent.end = parent.end.max(end);
        }
    }

    fn anchored(&mut self, id: usize) -> &mut Anchored {
        self.anchors.entry(id).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_aliases_know_their_bytes() {
        let text =
            "a: &x {b: 1} # one\n# two: *x\nc: '# no'\nd: [*x, 2]\ne: &y\n  - |\n    # text\nf: *y # three\n";
        let marks = marks(text);
        let comments: Vec<_> = marks.comments.iter().map(|span| &text[span.clone()]).collect();
        assert_eq!(comments, ["# one", "# two: *x", "# three"]);
        let part = |span: &Range<usize>| text[span.clone()].to_owned();
        let aliases: Vec<_> = marks
            .aliases
            .iter()
            .map(|alias| {
                (
                    part(&alias.span),
                    alias.flow,
                    part(&alias.anchor),
                    part(&alias.value),
                )
            })
            .collect();
        let wanted = [
            ("*x", true, "&x", "{b: 1}"),
            ("*y", false, "&y", "- |\n    # text"),
        ];
        let wanted = wanted
            .map(|(span, flow, anchor, value)| (span.to_owned(), flow, anchor.to_owned(), value.to_owned()));
        assert_eq!(aliases, wanted);
    }
}
