//! The file index never changes what the files declare, nor a diagnostic.

use super::generate::definition;
use super::round_trip::document;
use proptest::prelude::*;
use proptest::sample::Index;
use segctl::config::settings::{ProjectSettings, parse_settings};
use segctl::config::source::SourceFile;
use segctl::config::{FileIndex, LoadedConfig, load, load_with_index};
use segctl::model::Definition;
use std::fs;
use std::path::Path;

const FILES: usize = 4;

#[derive(Clone, Debug)]
enum Edit {
    File(Index, FileText),
    Copy(Index, Index),
    Delete(Index),
    IndexByte(Index, u8),
    TruncatedIndex(Index),
    /// The entry of one file with the digest of another.
    SwappedEntries(Index, Index),
    OtherVersion,
    OldIndex(Index),
}

#[derive(Clone, Debug)]
enum FileText {
    Definition(Box<Definition>),
    Fixed(&'static str),
}

/// Warnings, notes, errors, references, several documents, and each kind of segment.
const TEXTS: [&str; 9] = [
    "name: ' Spaces '\nincluded_filters: {filter_operator: and, filters: [{filter_type: user_attributes, name: a, data_type: bool, operator: exists}]}\n",
    "name: Refers\nincluded_filters: {filter_operator: and, filters: [{filter_type: custom_segments, name: Plain}]}\n",
    "name: Plain\nlifecycle: archived\nincluded_filters: {filter_operator: and, filters: [{filter_type: user_attributes, category: c, name: b, data_type: bool, operator: exists}]}\n",
    "name: Plain\nid: 5f0c0000000000000000000a\nprevious_names: [Refers]\nincluded_filters: {filter_operator: and, filters: [{raw: {filter_type: new, a: 1.5}}]}\n---\nname: Second\nsource: API\nworkspaces: [dev]\nincluded_filters: {filter_operator: and, filters: [{filter_type: custom_segments, name: Missing}]}\n",
    "name: [broken\n",
    "name: Unknown field\nfoo: 1\n",
    "",
    "name: Cohort\nkind: cohort\npartner: p\ncohort_id: c\nmembers: [a, ' b', a]\n",
    "name: Uploaded\nkind: file\nidentifier: {attribute: email, type: string}\nusers: lists/a.csv\nexpires_in_days: 30\n",
];

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    let text = prop_oneof![
        definition().prop_map(|definition| FileText::Definition(Box::new(definition))),
        prop::sample::select(&TEXTS[..]).prop_map(FileText::Fixed),
    ];
    prop_oneof![
        6 => (index(), text).prop_map(|(file, text)| Edit::File(file, text)),
        1 => (index(), index()).prop_map(|(from, to)| Edit::Copy(from, to)),
        1 => index().prop_map(Edit::Delete),
        2 => (index(), any::<u8>()).prop_map(|(at, byte)| Edit::IndexByte(at, byte)),
        1 => index().prop_map(Edit::TruncatedIndex),
        1 => (index(), index()).prop_map(|(one, other)| Edit::SwappedEntries(one, other)),
        1 => Just(Edit::OtherVersion),
        1 => index().prop_map(Edit::OldIndex),
    ]
}

struct Project {
    directory: tempfile::TempDir,
    settings: ProjectSettings,
    /// The latest index is the last one.
    indexes: Vec<String>,
}

impl Project {
    fn new() -> Self {
        let text = "segments: segments/\nworkspaces: {dev: {sandbox: a.json}, prod: {sandbox: b.json}}\n";
        let (settings, _) = parse_settings(&SourceFile::new("segctl.yaml", text));
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("segments")).unwrap();
        Self {
            directory,
            settings: settings.unwrap(),
            indexes: vec![String::new()],
        }
    }

    fn edit(&mut self, edit: &Edit) {
        let path = |file: &Index| {
            self.directory
                .path()
                .join(format!("segments/{}.yaml", file.index(FILES)))
        };
        let index = self.indexes.last().unwrap().clone();
        let mut lines: Vec<String> = index.split_inclusive('\n').map(str::to_owned).collect();
        let changed = match edit {
            Edit::File(file, FileText::Definition(definition)) => {
                fs::write(path(file), document(definition).to_string()).unwrap();
                return;
            }
            Edit::File(file, FileText::Fixed(text)) => return fs::write(path(file), text).unwrap(),
            Edit::Copy(from, to) => return drop(fs::copy(path(from), path(to))),
            Edit::Delete(file) => return drop(fs::remove_file(path(file))),
            Edit::IndexByte(at, byte) => {
                let mut bytes = index.into_bytes();
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Edit::TruncatedIndex(at) => {
                let at = if index.is_empty() {
                    0
                } else {
                    at.index(index.len())
                };
                index[..index.floor_char_boundary(at)].to_owned()
            }
            Edit::SwappedEntries(one, other) if lines.len() > 2 => {
                let [one, other] = [one, other].map(|line| 1 + line.index(lines.len() - 1));
                let file = lines[one].get(..64).map(str::to_owned);
                let contents = lines[other].get(64..).map(str::to_owned);
                if let Some((file, contents)) = file.zip(contents) {
                    lines[one] = file + &contents;
                }
                lines.concat()
            }
            Edit::SwappedEntries(..) => index,
            Edit::OtherVersion => index.replacen("segctl ", "segctl 9", 1),
            Edit::OldIndex(old) => self.indexes[old.index(self.indexes.len())].clone(),
        };
        self.indexes.push(changed);
    }

    fn load(&self, index: Option<&FileIndex>) -> LoadedConfig {
        let settings_file = self.directory.path().join("segctl.yaml");
        let display = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        match index {
            Some(index) => load_with_index(&self.settings, &settings_file, &display, Some(index)),
            None => load(&self.settings, &settings_file, &display),
        }
    }
}

fn require_same(indexed: &LoadedConfig, parsed: &LoadedConfig) -> Result<(), TestCaseError> {
    prop_assert_eq!(&indexed.diagnostics, &parsed.diagnostics);
    prop_assert_eq!(indexed.declarations.len(), parsed.declarations.len());
    for (indexed, parsed) in indexed.declarations.iter().zip(&parsed.declarations) {
        prop_assert_eq!(&indexed.segment, &parsed.segment);
        prop_assert_eq!(&indexed.workspaces, &parsed.workspaces);
        prop_assert_eq!(indexed.name_location(), parsed.name_location());
        let facts = [indexed, parsed].map(|declaration| {
            let definition = declaration.segment.contents.definition();
            definition.map(|definition| definition.facts().clone())
        });
        prop_assert_eq!(&facts[0], &facts[1]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::fixed_seeds::config(120))]

    #[test]
    fn the_file_index_changes_nothing(edits in prop::collection::vec(edit(), 1..12)) {
        let mut project = Project::new();
        for edit in &edits {
            project.edit(edit);
            let index = FileIndex::parse(project.indexes.last().unwrap().clone());
            let indexed = project.load(Some(&index));
            require_same(&indexed, &project.load(None))?;
            project.indexes.extend(indexed.new_index.clone());
            // The new index is complete: it needs no other one.
            let index = FileIndex::parse(project.indexes.last().unwrap().clone());
            let again = project.load(Some(&index));
            prop_assert!(again.new_index.is_none());
            require_same(&again, &indexed)?;
        }
    }
}
