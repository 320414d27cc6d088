//! YAML and JSON text to a tree in which each node knows its bytes.
//!
//! With the module for syntax faults below it, the only place that knows the YAML parser. The tree is the
//! part of YAML 1.2 that a reviewer can read without surprises: lists, maps with text keys, scalars,
//! anchors and aliases. Merge keys, tags and keys that are lists or maps are refused with advice, and so is
//! text built to exhaust the reader: depth, alias expansion, size. What the values mean is not decided here.

mod alias;
mod comments_and_aliases;
mod scalar;
mod syntax_errors;
mod tree_builder;

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle, Tag};

use self::comments_and_aliases::CommentAndAliasCollector;
pub use self::comments_and_aliases::{Alias, CommentsAndAliases};
pub use self::scalar::{Ambiguity, Scalar, ScalarValue};
use self::tree_builder::TreeBuilder;
use super::source::SourceFile;
use crate::diagnostic::Diagnostic;

/// Lists and maps inside each other. The deepest definition that the service takes needs about 30; the
/// limit lets every later stage walk trees by recursion.
pub const NESTING_LIMIT: usize = 64;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Bytes of the value, without anchor and tag. What an alias brought in keeps the bytes of the anchored
    /// value, since that is where its faults are mended.
    pub span: Range<usize>,
    /// The value.
    pub value: Yaml,
}

/// The kinds of values.
#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    /// Text, number, boolean or null.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file; of duplicate keys, which are reported, only the first.
    Map(Vec<(Key, Node)>),
    /// Something whose fault is reported already: later stages pass over it in silence.
    Invalid,
}

/// A mapping key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key, unquoted.
    pub text: String,
    /// Its bytes, quotes included.
    pub span: Range<usize>,
}

/// Reads `source` into one node per document, without the empty ones, and all that is wrong with it.
///
/// After a syntax error the rest of the file is left alone: what a parser says from there on is noise.
#[must_use]
pub fn parse(source: &SourceFile) -> (Vec<Node>, Vec<Diagnostic>) {
    let mut tree = TreeBuilder::new(source);
    for event in Parser::new_from_str_with_options(&source.text, parser_options()) {
        match event {
            Ok((event, span)) => handle_event(&mut tree, event, span),
            Err(error) => tree.stop(syntax_errors::syntax_error(source, &error)),
        }
        if tree.is_stopped() {
            break;
        }
    }
    tree.finish()
}

/// The comments and aliases of a text that holds one document and that was read without a fault.
#[must_use]
pub fn comments_and_aliases(text: &str) -> CommentsAndAliases {
    let mut options = parser_options();
    options.set_emit_comments(true);
    options.emit_anchor_events = true;
    let mut collector = CommentAndAliasCollector::default();
    let events = Parser::new_from_str_with_options(text, options);
    for (event, span) in events.map_while(Result::ok) {
        let bytes = span.byte_range().unwrap_or_default();
        match event {
            Event::Comment(..) => collector.comment(bytes),
            Event::Scalar(_, _, id, _) => {
                // A block scalar ends where its last word ends, as in the tree.
                let text = text.get(bytes.clone()).unwrap_or_default();
                collector.value(id, bytes.start..bytes.start + text.trim_end().len());
            }
            Event::SequenceStart(style, id, _) | Event::MappingStart(style, id, _) => {
                collector.open_collection(id, style == StructureStyle::Flow, bytes);
            }
            Event::SequenceEnd | Event::MappingEnd => collector.close_collection(&bytes),
            Event::Anchor(id, ..) => collector.anchor(id, bytes),
            Event::Alias(id) => collector.alias(id, bytes),
            _ => {}
        }
    }
    collector.finish()
}

fn parser_options() -> Options {
    let mut options = Options::default();
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = NESTING_LIMIT;
    options.block_nesting_limit = NESTING_LIMIT;
    options.set_emit_comments(false);
    options
}

fn handle_event(tree: &mut TreeBuilder<'_>, event: Event<'_>, span: Span) {
    let bytes = span.byte_range().unwrap_or_default();
    match event {
        Event::Scalar(text, style, anchor, tag) => {
            let tag = tag_of(tag.as_deref(), span);
            tree.record_anchor(anchor, true);
            tree.scalar(scalar(text, style, tag.as_ref(), &bytes), bytes, tag);
        }
        Event::SequenceStart(_, anchor, tag) => {
            tree.record_anchor(anchor, false);
            tree.open_collection(false, bytes, tag_of(tag.as_deref(), span));
        }
        Event::MappingStart(_, anchor, tag) => {
            tree.record_anchor(anchor, false);
            tree.open_collection(true, bytes, tag_of(tag.as_deref(), span));
        }
        Event::SequenceEnd | Event::MappingEnd => tree.close_collection(&bytes),
        Event::Alias(id) => tree.expand_alias(id, bytes),
        Event::UnresolvedAlias(_) => tree.report_undefined_alias(bytes),
        Event::DocumentEnd => tree.end_document(),
        _ => {}
    }
}

/// A tag as far as it matters: `!!str` only says what quotes would say, all others are refused.
enum TagKind {
    Text,
    Unsupported(Range<usize>),
}

fn tag_of(tag: Option<&Tag>, span: Span) -> Option<TagKind> {
    let tag = tag?;
    if tag.is_yaml_core_schema_tag("str") {
        return Some(TagKind::Text);
    }
    let bytes = span.tag_span().and_then(|span| span.byte_range());
    Some(TagKind::Unsupported(
        bytes.or_else(|| span.byte_range()).unwrap_or_default(),
    ))
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&TagKind>, bytes: &Range<usize>) -> Scalar {
    if style != ScalarStyle::Plain || matches!(tag, Some(TagKind::Text)) {
        return Scalar::quoted(text.into_owned());
    }
    // The parser writes a value that is not there as `~`.
    let text = if bytes.is_empty() { Cow::Borrowed("") } else { text };
    Scalar::plain(text.into_owned())
}

#[cfg(test)]
mod tests;
