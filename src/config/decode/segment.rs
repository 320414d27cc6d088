//! One document of a segment file.

use super::super::declaration::{Declaration, Document};
use super::super::source::SourceFile;
use super::super::yaml::Node;
use super::codes;
use super::contents;
use super::decoder::Decoder;
use crate::diagnostic::Diagnostic;
use crate::model::{DeclaredSegment, Definition, Lifecycle, SegmentId, SegmentName};
use std::sync::{Arc, OnceLock};

/// The fields that MoEngage sets and returns with a segment. Files may contain them; segctl ignores them.
pub(in crate::config) const RESPONSE_FIELDS: [&str; 4] = ["created_time", "updated_time", "type", "source"];

/// Decodes one document; without errors, the declaration is `Some`.
#[must_use]
pub fn segment(source: &Arc<SourceFile>, document: Node) -> (Option<Declaration>, Vec<Diagnostic>) {
    let mut decoder = Decoder::new(source);
    let declaration = decode(&mut decoder, &document).map(|(segment, workspaces)| Declaration {
        segment,
        workspaces,
        source: Arc::clone(source),
        document: Document::parsed(source, document),
        definition: OnceLock::from(decoder.definition.take()),
        findings: OnceLock::new(),
    });
    (declaration, decoder.into_diagnostics())
}

/// The filters of a declaration; `None` for other kinds of segments.
pub(in crate::config) fn definition_of(declaration: &Declaration) -> Option<&Definition> {
    let decode_again = || {
        let mut decoder = Decoder::new(&declaration.source);
        decode(&mut decoder, &declaration.document)?;
        decoder.definition
    };
    declaration.definition.get_or_init(decode_again).as_ref()
}

fn decode(decoder: &mut Decoder<'_>, node: &Node) -> Option<(DeclaredSegment, Option<Vec<String>>)> {
    let mut fields = decoder.fields(node, "a segment")?;
    if fields.has("data") && !fields.has("name") {
        return whole_response(decoder, node);
    }
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
    for name in RESPONSE_FIELDS {
        fields.take(name);
    }
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

fn whole_response(decoder: &mut Decoder<'_>, node: &Node) -> Option<(DeclaredSegment, Option<Vec<String>>)> {
    let message = "this is a whole response of the API, not a segment";
    let label = "expected the fields of a segment";
    decoder.error::<()>(codes::UNKNOWN_FIELD, &node.span, message, label);
    decoder.add_help("move the fields below `data` to the top, and remove `data`, `response_id` and `type`");
    None
}

fn text_list(decoder: &mut Decoder<'_>, node: &Node) -> Option<Vec<String>> {
    decoder.list(node, Decoder::non_empty_text)
}
