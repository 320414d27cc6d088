//! A document of a segment file.

use super::super::declaration::Declaration;
use super::super::source::SourceFile;
use super::super::yaml::Node;
use super::contents;
use super::decoder::Decoder;
use crate::diagnostic::Diagnostic;
use crate::model::{DeclaredSegment, Lifecycle, Origin, SegmentId, SegmentName};
use std::sync::Arc;

/// Reads one document; `None` when it has a fault, which is among the diagnostics then.
#[must_use]
pub fn segment(source: &Arc<SourceFile>, document: Node) -> (Option<Declaration>, Vec<Diagnostic>) {
    let mut reader = Decoder::new(source);
    let declaration = read(&mut reader, &document).map(|(segment, workspaces)| Declaration {
        segment,
        workspaces,
        source: Arc::clone(source),
        document,
    });
    (declaration, reader.into_diagnostics())
}

fn read(reader: &mut Decoder<'_>, node: &Node) -> Option<(DeclaredSegment, Option<Vec<String>>)> {
    let mut fields = reader.fields(node, "a segment")?;
    let kind = contents::kind(reader, &mut fields);
    let name_node = reader.require(&mut fields, "name");
    let name = name_node.and_then(|node| reader.text(node));
    for key in ["description", "owner"] {
        if let Some(node) = fields.take(key) {
            reader.text(node);
        }
    }
    if let Some(node) = fields.take("labels") {
        reader.list(node, Decoder::text);
    }
    let lifecycle = match fields.take("lifecycle") {
        Some(node) => reader.keyword(node),
        None => Some(Lifecycle::Active),
    };
    let id = fields.take("id").map(|node| reader.non_empty_text(node));
    let protect = match fields.take("protect") {
        Some(node) => reader.boolean(node),
        None => Some(false),
    };
    let previous_names = match fields.take("previous_names") {
        Some(node) => reader.list(node, |reader, node| {
            reader.non_empty_text(node).map(SegmentName::new)
        }),
        None => Some(Vec::new()),
    };
    let workspaces = fields
        .take("workspaces")
        .map(|node| reader.list(node, Decoder::non_empty_text));
    let contents = kind.and_then(|kind| contents::contents(reader, &mut fields, kind));
    reader.finish(&fields);

    let place = reader.location(&name_node?.span);
    let workspaces = match workspaces {
        Some(read) => Some(read?),
        None => None,
    };
    let id = match id {
        Some(read) => Some(SegmentId::new(read?)),
        None => None,
    };
    let segment = DeclaredSegment {
        name: SegmentName::new(name?),
        id,
        previous_names: previous_names?,
        lifecycle: lifecycle?,
        protect: protect?,
        contents: contents?,
        origin: Origin {
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
        },
    };
    Some((segment, workspaces))
}
