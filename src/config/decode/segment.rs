//! One document of a segment file.

use super::super::declaration::{Declaration, Document};
use super::super::source::SourceFile;
use super::super::yaml::Node;
use super::codes;
use super::contents;
use super::decoder::Decoder;
use crate::definition::encode;
use crate::diagnostic::Diagnostic;
use crate::model::{
    Contents, DeclaredSegment, Definition, DefinitionFacts, Lifecycle, SegmentId, SegmentName,
    StoredDefinition,
};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The fields that MoEngage sets and returns with a segment. Files may contain them; segctl ignores them.
pub(in crate::config) const RESPONSE_FIELDS: [&str; 4] = ["created_time", "updated_time", "type", "source"];

/// Decodes one document; without errors, the declaration is `Some`.
#[must_use]
pub fn segment(source: &Arc<SourceFile>, document: Node) -> (Option<Declaration>, Vec<Diagnostic>) {
    let decoder = Decoder::new(source);
    let decoded = decode(&decoder, &document);
    let definition = decoder.take_definition();
    let diagnostics = decoder.into_diagnostics();
    let declaration = decoded.map(|(segment, workspaces)| Declaration {
        segment,
        workspaces,
        source: Arc::clone(source),
        document: Document::parsed(source, document),
        definition: OnceLock::from(definition),
        findings: OnceLock::new(),
    });
    (declaration, diagnostics)
}

/// The filters of a declaration; `None` for other kinds of segments.
pub(in crate::config) fn definition_of(declaration: &Declaration) -> Option<&Definition> {
    let decode_again = || decode_filters(&declaration.document);
    declaration.definition.get_or_init(decode_again).as_ref()
}

/// Keeps what a run always needs. `bytes` are those of the document in its file.
pub(in crate::config) fn drop_trees(declaration: &mut Declaration, bytes: Range<usize>) {
    declaration.definition = OnceLock::new();
    declaration.document = Document::unparsed(&declaration.source, bytes);
    if let Contents::Filter(definition) = &mut declaration.segment.contents {
        let facts = definition.encoded.facts().clone();
        definition.encoded = stored_definition(&declaration.document, facts);
    }
}

/// The definition of a document that was decoded without errors before. It is decoded again if a plan needs more than its
/// facts, which is for few segments of most plans.
pub(in crate::config) fn stored_definition(document: &Document, facts: DefinitionFacts) -> StoredDefinition {
    let document = document.clone();
    // A clone for each decoding: its tree, several times larger than the definition, is not kept.
    let decode = move || Some(encode(&decode_filters(&document.clone())?));
    StoredDefinition::of_file(decode).with_facts(facts)
}

fn decode_filters(document: &Document) -> Option<Definition> {
    let decoder = Decoder::new(document.source());
    decode(&decoder, document)?;
    decoder.take_definition()
}

fn decode(decoder: &Decoder<'_>, node: &Node) -> Option<(DeclaredSegment, Option<Vec<String>>)> {
    let mut fields = decoder.fields(node, "a segment")?;
    if fields.has("data") && !fields.has("name") {
        return whole_response(decoder, node);
    }
    // The schema that an editor uses.
    fields.optional("$schema", Decoder::text);
    let kind = contents::kind(&mut fields);
    let name = fields.required("name", |decoder, node| {
        Some((SegmentName::new(decoder.text(node)?), decoder.origin(node)))
    });
    // segctl checks these fields and does not use them.
    fields.optional("description", Decoder::text);
    fields.optional("owner", Decoder::text);
    fields.optional("labels", Decoder::list_of(Decoder::text));
    for name in RESPONSE_FIELDS {
        fields.take(name);
    }
    let lifecycle = fields.or("lifecycle", Lifecycle::Active, Decoder::keyword);
    let id = fields.optional("id", Decoder::non_empty_text);
    let protect = fields.flag("protect");
    let previous_names = fields.or_default("previous_names", Decoder::list_of(Decoder::non_empty_text));
    let workspaces = fields.optional("workspaces", Decoder::list_of(Decoder::non_empty_text));
    let contents = kind.and_then(|kind| contents::contents(&mut fields, kind));
    fields.finish();

    let (name, origin) = name?;
    let segment = DeclaredSegment {
        name,
        id: id?.map(SegmentId::new),
        previous_names: previous_names?.into_iter().map(SegmentName::new).collect(),
        lifecycle: lifecycle?,
        protect: protect?,
        contents: contents?,
        origin,
        reference_origins: decoder.take_reference_origins(),
    };
    Some((segment, workspaces?))
}

fn whole_response(decoder: &Decoder<'_>, node: &Node) -> Option<(DeclaredSegment, Option<Vec<String>>)> {
    let message = "this is a whole response of the API, not a segment";
    let label = "expected the fields of a segment";
    decoder.error_with_help(
        codes::UNKNOWN_FIELD,
        &node.span,
        message,
        label,
        "move the fields below `data` to the top, and remove `data`, `response_id` and `type`",
    )
}
