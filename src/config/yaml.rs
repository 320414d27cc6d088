//! Parses YAML and JSON into a tree whose nodes have byte spans.
//!
//! Only this module and `syntax_errors` use the YAML parser. The tree supports a simple part of YAML 1.2:
//! lists, mappings with text keys, scalars, anchors and aliases. Merge keys, tags and complex keys are
//! rejected with help. Depth, alias expansion and size are limited.

mod alias;
mod anchor;
mod likely_mistakes;
mod scalar;
mod syntax_errors;
mod tree_builder;

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};

pub use self::scalar::{Scalar, ScalarValue};
use self::tree_builder::TreeBuilder;
use super::source::SourceFile;
use crate::diagnostic::Diagnostic;

/// Nesting of lists and mappings: 64 groups inside each other need about 130 levels. With this limit, every later
/// stage can recurse.
pub const NESTING_LIMIT: usize = 200;

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Bytes of the value, without anchor and tag. A copy that replaces an alias keeps the span of the
    /// anchored value, because the user fixes its errors there.
    pub span: Range<usize>,
    pub value: Yaml,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In file order; of duplicate keys, only the first.
    Map(Vec<(Key, Node)>),
    /// Its error is already reported; later stages ignore it.
    Invalid,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub text: String,
    pub span: Range<usize>,
}

/// A document of a file.
pub(in crate::config) struct YamlDocument {
    /// Its bytes in the file, without directives before it.
    pub(in crate::config) bytes: Range<usize>,
    pub(in crate::config) root: Node,
}

/// Returns one node per non-empty document, and the errors. Reading stops at the first syntax error, because
/// later errors would be misleading.
#[must_use]
pub fn parse(source: &SourceFile) -> (Vec<Node>, Vec<Diagnostic>) {
    let (documents, diagnostics) = parse_documents(source);
    let roots = documents.into_iter().map(|document| document.root);
    (roots.collect(), diagnostics)
}

/// As [`parse`], with the place of each document in the file.
pub(in crate::config) fn parse_documents(source: &SourceFile) -> (Vec<YamlDocument>, Vec<Diagnostic>) {
    if let Some(conflict) = likely_mistakes::merge_conflict(source) {
        return (Vec::new(), vec![conflict]);
    }
    parse_part(source, &(0..source.text.len()))
}

/// The root of a document that was parsed without errors before. The rest of the file is not parsed: a file may have a
/// thousand documents.
pub(in crate::config) fn parse_again(source: &SourceFile, document: &Range<usize>) -> Option<Node> {
    let (documents, _) = parse_part(source, document);
    documents.into_iter().next().map(|document| document.root)
}

fn parse_part(source: &SourceFile, part: &Range<usize>) -> (Vec<YamlDocument>, Vec<Diagnostic>) {
    let mut tree = TreeBuilder::new(source);
    for event in Parser::new_from_str_with_options(source.slice(part), parser_options()) {
        match event {
            Ok((event, span)) => handle_event(&mut tree, event, span, part.start),
            Err(error) => tree.stop(syntax_errors::syntax_error(source, &error)),
        }
        if tree.is_stopped {
            break;
        }
    }
    tree.finish(part.end)
}

/// What the tree does not have: comments from the `#` to the end of the line, anchors (`&name`) and aliases (`*name`).
#[derive(Debug, Default)]
pub(in crate::config) struct Marks {
    pub(in crate::config) comments: Vec<Range<usize>>,
    pub(in crate::config) anchors: Vec<Range<usize>>,
    pub(in crate::config) aliases: Vec<Range<usize>>,
}

/// The marks of a text with one document, which must be free of errors.
pub(in crate::config) fn marks(text: &str) -> Marks {
    let mut options = parser_options();
    options.set_emit_comments(true);
    options.emit_anchor_events = true;
    let mut marks = Marks::default();
    let events = Parser::new_from_str_with_options(text, options);
    for (event, span) in events.map_while(Result::ok) {
        let of_kind = match event {
            Event::Comment(..) => &mut marks.comments,
            Event::Anchor(..) => &mut marks.anchors,
            Event::Alias(_) => &mut marks.aliases,
            _ => continue,
        };
        of_kind.push(span.byte_range().unwrap_or_default());
    }
    marks
}

fn parser_options() -> Options {
    let mut options = Options::default();
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = NESTING_LIMIT;
    options.block_nesting_limit = NESTING_LIMIT;
    options.set_emit_comments(false);
    options
}

/// `start` is the position of the parsed text in the file.
fn handle_event(tree: &mut TreeBuilder<'_>, event: Event<'_>, span: Span, start: usize) {
    let bytes = bytes_of(span, start);
    match event {
        Event::DocumentStart(..) => tree.start_document(bytes.start),
        Event::Scalar(text, style, anchor, tag) => {
            let tag = tag_of(tag.as_deref(), span, start);
            tree.record_anchor(anchor, true);
            tree.scalar(scalar(text, style, tag.as_ref(), &bytes), bytes, tag);
        }
        Event::SequenceStart(_, anchor, tag) => {
            tree.record_anchor(anchor, false);
            tree.open_collection(false, bytes, tag_of(tag.as_deref(), span, start));
        }
        Event::MappingStart(_, anchor, tag) => {
            tree.record_anchor(anchor, false);
            tree.open_collection(true, bytes, tag_of(tag.as_deref(), span, start));
        }
        Event::SequenceEnd | Event::MappingEnd => tree.close_collection(&bytes),
        Event::Alias(id) => tree.expand_alias(id, bytes),
        Event::UnresolvedAlias(_) => tree.report_undefined_alias(bytes),
        Event::DocumentEnd => tree.anchors.clear(),
        _ => {}
    }
}

/// `!!str` has the effect of quotes; all other tags are rejected.
enum TagKind {
    Text,
    Unsupported(Range<usize>),
}

fn bytes_of(span: Span, start: usize) -> Range<usize> {
    let bytes = span.byte_range().unwrap_or_default();
    start + bytes.start..start + bytes.end
}

fn tag_of(tag: Option<&Tag>, span: Span, start: usize) -> Option<TagKind> {
    let tag = tag?;
    if tag.is_yaml_core_schema_tag("str") {
        return Some(TagKind::Text);
    }
    let tag = span.tag_span().unwrap_or(span);
    Some(TagKind::Unsupported(bytes_of(tag, start)))
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&TagKind>, bytes: &Range<usize>) -> Scalar {
    if style != ScalarStyle::Plain || matches!(tag, Some(TagKind::Text)) {
        return Scalar::quoted(text.into_owned());
    }
    // The parser reports an empty value as `~`.
    let text = if bytes.is_empty() { Cow::Borrowed("") } else { text };
    Scalar::plain(text.into_owned())
}

#[cfg(test)]
mod tests;
