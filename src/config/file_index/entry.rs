//! What the index contains of one file.

use super::super::declaration::{Declaration, Document};
use super::super::decode::stored_definition;
use super::super::lint::{self, ERROR_CODES, RULES};
use super::super::source::SourceFile;
use crate::diagnostic::{Diagnostic, Label, Location, Severity};
use crate::model::{
    Cohort, Contents, DeclaredDefinition, DeclaredSegment, DefinitionFacts, FileSegment, Lifecycle, Origin,
    Reference, SegmentId, SegmentName,
};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct IndexedFile {
    segments: Vec<IndexedSegment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<IndexedDiagnostic>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexedSegment {
    /// The first byte of its document in the file, and the first one after it.
    document: (usize, usize),
    name: SegmentName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<SegmentId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    previous_names: Vec<SegmentName>,
    lifecycle: Lifecycle,
    protect: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workspaces: Option<Vec<String>>,
    contents: IndexedContents,
    origin: Place,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reference_origins: Vec<(Reference, Place)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    findings: Vec<IndexedDiagnostic>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IndexedContents {
    /// The definition is decoded again if a plan needs more than its facts.
    Filter {
        facts: DefinitionFacts,
        references: Vec<Reference>,
    },
    /// With the path of its list as written.
    File(FileSegment),
    Cohort(Cohort),
}

/// Line and column.
type Place = (u32, u32);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexedDiagnostic {
    is_warning: bool,
    code: String,
    message: String,
    labels: Vec<IndexedLabel>,
    notes: Vec<String>,
    help: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexedLabel {
    message: String,
    place: Place,
    span: (usize, usize),
}

impl IndexedFile {
    /// `None` if an error was found.
    pub(in crate::config) fn of(
        source: &SourceFile,
        declarations: &[Declaration],
        diagnostics: &[Diagnostic],
    ) -> Option<Self> {
        let indexed = |found: &[Diagnostic]| {
            let found = found.iter().map(|found| IndexedDiagnostic::of(source, found));
            found.collect::<Option<Vec<_>>>()
        };
        let segments = declarations.iter().map(|declaration| {
            let findings = indexed(lint::findings(declaration))?;
            Some(IndexedSegment::of(declaration, findings))
        });
        Some(Self {
            segments: segments.collect::<Option<_>>()?,
            diagnostics: indexed(diagnostics)?,
        })
    }

    /// `None` if the index does not fit this version.
    pub(in crate::config) fn into_parts(
        self,
        source: &Arc<SourceFile>,
    ) -> Option<(Vec<Declaration>, Vec<Diagnostic>)> {
        let segments = self.segments.into_iter();
        let declarations = segments.map(|segment| segment.into_declaration(source));
        Some((
            declarations.collect::<Option<_>>()?,
            into_diagnostics(self.diagnostics, source)?,
        ))
    }
}

impl IndexedSegment {
    fn of(declaration: &Declaration, findings: Vec<IndexedDiagnostic>) -> Self {
        let segment = &declaration.segment;
        let document = declaration.document.bytes();
        let place = |origin: &Origin| (origin.line, origin.column);
        let origins = segment.reference_origins.iter();
        Self {
            document: (document.start, document.end),
            name: segment.name.clone(),
            id: segment.id.clone(),
            previous_names: segment.previous_names.clone(),
            lifecycle: segment.lifecycle,
            protect: segment.protect,
            workspaces: declaration.workspaces.clone(),
            contents: match &segment.contents {
                Contents::Filter(definition) => IndexedContents::Filter {
                    facts: definition.encoded.facts().clone(),
                    references: definition.references.clone(),
                },
                Contents::File(file) => IndexedContents::File(file.clone()),
                Contents::Cohort(cohort) => IndexedContents::Cohort(cohort.clone()),
            },
            origin: place(&segment.origin),
            reference_origins: origins
                .map(|(reference, origin)| (reference.clone(), place(origin)))
                .collect(),
            findings,
        }
    }

    fn into_declaration(self, source: &Arc<SourceFile>) -> Option<Declaration> {
        let origin = |(line, column): Place| Origin {
            file: source.file.to_string(),
            line,
            column,
        };
        let origins = self.reference_origins.into_iter();
        let (start, end) = self.document;
        let document = Document::unparsed(source, start..end);
        let segment = DeclaredSegment {
            name: self.name,
            id: self.id,
            previous_names: self.previous_names,
            lifecycle: self.lifecycle,
            protect: self.protect,
            contents: match self.contents {
                IndexedContents::Filter { facts, references } => Contents::Filter(DeclaredDefinition {
                    encoded: stored_definition(&document, facts),
                    references,
                }),
                IndexedContents::File(file) => Contents::File(file),
                IndexedContents::Cohort(cohort) => Contents::Cohort(cohort),
            },
            origin: origin(self.origin),
            reference_origins: origins
                .map(|(reference, place)| (reference, origin(place)))
                .collect(),
        };
        Some(Declaration {
            segment,
            workspaces: self.workspaces,
            source: Arc::clone(source),
            document,
            definition: OnceLock::new(),
            findings: OnceLock::from(into_diagnostics(self.findings, source)?),
        })
    }
}

impl IndexedDiagnostic {
    /// `None` for an error, and for a label in another file.
    fn of(source: &SourceFile, found: &Diagnostic) -> Option<Self> {
        let is_here = |label: &Label| label.location.file == source.file;
        if found.severity == Severity::Error || !found.labels.iter().all(is_here) {
            return None;
        }
        let labels = found.labels.iter().map(|label| IndexedLabel {
            message: label.message.clone(),
            place: (label.location.line, label.location.column),
            span: (label.location.span.start, label.location.span.end),
        });
        Some(Self {
            is_warning: found.severity == Severity::Warning,
            code: found.code.to_owned(),
            message: found.message.clone(),
            labels: labels.collect(),
            notes: found.notes.clone(),
            help: found.help.clone(),
        })
    }

    fn into_diagnostic(self, source: &SourceFile) -> Option<Diagnostic> {
        let rules = RULES.iter().map(|rule| rule.code);
        let mut codes = rules.chain(ERROR_CODES.iter().map(|known| known.code));
        let labels = self.labels.into_iter().map(|label| Label {
            message: label.message,
            location: Location {
                file: Arc::clone(&source.file),
                line: label.place.0,
                column: label.place.1,
                span: label.span.0..label.span.1,
            },
        });
        Some(Diagnostic {
            severity: if self.is_warning {
                Severity::Warning
            } else {
                Severity::Note
            },
            code: codes.find(|code| *code == self.code)?,
            message: self.message,
            labels: labels.collect(),
            notes: self.notes,
            help: self.help,
        })
    }
}

fn into_diagnostics(found: Vec<IndexedDiagnostic>, source: &SourceFile) -> Option<Vec<Diagnostic>> {
    found
        .into_iter()
        .map(|found| found.into_diagnostic(source))
        .collect()
}
