//! One document of a segment file.

use super::super::declaration::Declaration;
use super::super::source::SourceFile;
use super::super::yaml::Node;
use super::contents;
use super::decoder::Decoder;
use crate::diagnostic::Diagnostic;
use crate::model::{DeclaredSegment, Lifecycle, SegmentId, SegmentName};
use std::sync::Arc;

/// Decodes one document; without errors, the declaration is `Some`.
#[must_use]
pub fn segment(source: &Arc<SourceFile>, document: Node) -> (Option<Declaration>, Vec<Diagnostic>) {
    let mut decoder = Decoder::new(source);
    let declaration = decode(&mut decoder, &document).map(|(segment, workspaces)| Declaration {
        segment,
        workspaces,
        source: Arc::clone(source),
        document,
    });
    (declaration, decoder.into_diagnostics())
}

fn decode(decoder: &mut Decoder<'_>, node: &Node) -> Option<(DeclaredSegment, Option<Vec<String>>)> {
    let mut fields = decoder.fields(node, "a segment")?;
    // The schema that an editor uses.
    decoder.optional(&mut fields, "$schema", Decoder::text);
    let kind = contents::kind(decoder, &mut fields);
    let name_node = decoder.require(&mut fields, "name");
    let name = name_node.and_then(|node| decoder.text(node));
    // segctl checks these fields and does not use them.
    decoder.optional(&mut fields, "description", Decoder::text);
    decoder.optional(&mut fields, "owner", Decoder::text);
    let labels = fields.take("labels");
    labels.and_then(|node| decoder.list(node, Decoder::text));
    let lifecycle = decoder.or(&mut fields, "lifecycle", Lifecycle::Active, Decoder::keyword);
    let id = decoder.optional(&mut fields, "id", Decoder::non_empty_text);
    let protect = decoder.or(&mut fields, "protect", false, Decoder::boolean);
    let previous_names = decoder.or(&mut fields, "previous_names", Vec::new(), text_list);
    let workspaces = decoder.optional(&mut fields, "workspaces", text_list);
    let contents = kind.and_then(|kind| contents::contents(decoder, &mut fields, kind));
    decoder.finish(&fields);

    let segment = DeclaredSegment {
        name: SegmentName::new(name?),
        id: id?.map(SegmentId::new),
        previous_names: previous_names?.into_iter().map(SegmentName::new).collect(),
        lifecycle: lifecycle?,
        protect: protect?,
        contents: contents?,
        origin: decoder.origin(name_node?),
        reference_origins: decoder.take_reference_origins(),
    };
    Some((segment, workspaces?))
}

fn text_list(decoder: &mut Decoder<'_>, node: &Node) -> Option<Vec<String>> {
    decoder.list(node, Decoder::non_empty_text)
}
