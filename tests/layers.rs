//! Checks the imports inside the library: which folder may use which, and that no two files import each other.
//! The sources are read as text, so an import against the data flow fails this test.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each folder with the others that it may import. A path narrows a row to one module of a folder.
const LAYERS: [(&str, &[&str]); 18] = [
    ("model", &[]),
    ("definition", &["model"]),
    ("diagnostic", &["model"]),
    ("member_list", &["model"]),
    ("rate_limit", &["model"]),
    ("storage", &["model"]),
    (
        "config",
        &["model", "definition", "diagnostic", "member_list", "rate_limit"],
    ),
    ("api", &["model", "rate_limit"]),
    (
        "state",
        &[
            "model",
            "definition",
            "member_list",
            "storage",
            "api::Clock",
            "api::CancelHandle",
        ],
    ),
    ("callbacks", &["model", "state"]),
    ("publish", &["model", "member_list", "storage"]),
    ("observe", &["model", "definition", "api", "state"]),
    (
        "plan",
        &["model", "definition", "diagnostic", "state", "rate_limit"],
    ),
    (
        "apply",
        &["model", "plan::step", "api", "state", "member_list", "publish"],
    ),
    ("sandbox", &[]),
    (
        "render",
        &[
            "model",
            "config::edit",
            "definition::FieldChange",
            "diagnostic",
            "state",
            "plan::estimate",
            "plan::step",
            "apply::run_report",
            "rate_limit",
        ],
    ),
    (
        "reconcile",
        &[
            "api",
            "apply",
            "member_list",
            "model",
            "observe",
            "plan",
            "rate_limit",
            "state",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "apply",
            "callbacks",
            "config",
            "definition",
            "diagnostic",
            "member_list",
            "model",
            "observe",
            "plan",
            "publish",
            "rate_limit",
            "reconcile",
            "render",
            "sandbox",
            "state",
        ],
    ),
];

/// Folders without runtime, network or clock: their results depend on their arguments only.
const PURE: [&str; 7] = [
    "model",
    "definition",
    "diagnostic",
    "config",
    "plan",
    "rate_limit",
    "render",
];

/// The path of a module below the crate: `["plan", "step"]`.
type ModulePath = Vec<String>;

/// A source file of the library, without its unit tests and comments.
struct SourceFile {
    path: PathBuf,
    module: ModulePath,
    code: String,
}

impl SourceFile {
    fn folder(&self) -> &str {
        &self.module[0]
    }

    /// Every path that a `use` or an expression names, one for each name in braces.
    fn paths(&self) -> Vec<UsedPath> {
        let mut paths = Vec::new();
        let mut expressions = String::new();
        for (number, statement) in self.code.split("use ").enumerate() {
            match statement.split_once(';').filter(|_| number > 0) {
                Some((tree, after)) => {
                    expand(tree, &[], &mut paths);
                    expressions.push_str(after);
                }
                None => expressions.push_str(statement),
            }
        }
        for root in ["crate::", "super::"] {
            for rest in expressions.split(root).skip(1) {
                let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                let words = rest.split(|c| !is_word(c)).next().unwrap();
                let path = format!("{root}{words}");
                expand(path.trim_end_matches(':'), &[], &mut paths);
            }
        }
        paths.retain(|path| !path.is_empty());
        paths
    }
}

type UsedPath = Vec<String>;

/// Adds the paths of one `use` tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str, prefix: &[String], paths: &mut Vec<UsedPath>) {
    let (head, group) = match tree.split_once('{') {
        Some((head, group)) => (head, group.rsplit_once('}').map(|(group, _)| group)),
        None => (tree.split(" as ").next().unwrap(), None),
    };
    let words = head.split("::").map(str::trim).filter(|word| !word.is_empty());
    let path: UsedPath = prefix.iter().cloned().chain(words.map(str::to_owned)).collect();
    let Some(group) = group else {
        paths.push(path);
        return;
    };
    let (mut depth, mut item) = (0, String::new());
    for character in group.chars().chain([',']) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !item.trim().is_empty() {
                    expand(item.trim(), &path, paths);
                }
                item.clear();
                continue;
            }
            _ => {}
        }
        item.push(character);
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The library's files; unit tests are excluded.
fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    files.sort();
    let sources = files.into_iter().filter_map(|path| {
        let inner = path.strip_prefix(&root).unwrap().with_extension("");
        let mut module: ModulePath = inner
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        if module.iter().any(|part| part == "tests") || matches!(module[0].as_str(), "lib" | "main") {
            return None;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("\n#[cfg(test)]\n").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        Some(SourceFile { path, module, code })
    });
    sources.collect()
}

/// The modules and what each re-exports, to find the file that a path leads to.
struct ModuleTree {
    modules: BTreeSet<ModulePath>,
    /// The target of each `pub use`, by module and name.
    exports: BTreeMap<(ModulePath, String), UsedPath>,
}

impl ModuleTree {
    fn new(sources: &[SourceFile]) -> Self {
        let mut exports = BTreeMap::new();
        for source in sources {
            for statement in source.code.split("\npub").skip(1) {
                let Some((_, tree)) = statement.split_once("use ") else {
                    continue;
                };
                let is_use = statement.starts_with(" use ") || statement.starts_with('(');
                let mut paths = Vec::new();
                if is_use && statement.lines().next().unwrap().contains("use ") {
                    expand(tree.split(';').next().unwrap(), &[], &mut paths);
                }
                for path in paths {
                    let name = path.last().unwrap().clone();
                    exports.insert((source.module.clone(), name), path);
                }
            }
        }
        let modules = sources.iter().map(|source| source.module.clone()).collect();
        Self { modules, exports }
    }

    /// The module that `path` leads to when it is used in `from`; `None` for other crates.
    fn resolve(&self, from: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let mut module = from.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                module.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let child = [module.as_slice(), &[first.to_owned()]].concat();
                if !self.modules.contains(&child) {
                    return None;
                }
            }
        }
        while let Some(next) = rest.first() {
            let child = [module.as_slice(), std::slice::from_ref(next)].concat();
            if !self.modules.contains(&child) {
                break;
            }
            module = child;
            rest = &rest[1..];
        }
        let export = rest.first().map(|name| (module.clone(), name.clone()));
        match export.and_then(|export| self.exports.get(&export)) {
            Some(target) if target.as_slice() != rest => self.resolve(&module, target).or(Some(module)),
            _ => Some(module),
        }
    }
}

/// A file and its submodules count as one: a parent re-exports, and a child may use what its parent defines.
fn are_related(one: &ModulePath, other: &ModulePath) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

#[test]
fn every_import_follows_the_data_flow() {
    let sources = sources();
    let known: BTreeSet<&str> = LAYERS.iter().map(|(folder, _)| *folder).collect();
    let found: BTreeSet<&str> = sources.iter().map(SourceFile::folder).collect();
    assert_eq!(
        found, known,
        "a folder without a row in LAYERS, or a row without a folder"
    );
    let mut violations = Vec::new();
    for (folder, allowed) in LAYERS {
        for source in sources.iter().filter(|source| source.folder() == folder) {
            for path in source.paths().iter().filter(|path| path[0] == "crate") {
                let [_, target, rest @ ..] = path.as_slice() else {
                    continue;
                };
                let item = format!("{target}::{}", rest.first().map_or("", String::as_str));
                if target != folder
                    && !allowed.contains(&target.as_str())
                    && !allowed.contains(&item.as_str())
                {
                    violations.push(format!("{} imports crate::{item}", source.path.display()));
                }
            }
        }
    }
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn no_two_files_import_each_other() {
    let sources = sources();
    let tree = ModuleTree::new(&sources);
    let imports: BTreeMap<&ModulePath, BTreeSet<ModulePath>> = sources
        .iter()
        .map(|source| {
            let paths = source.paths();
            let targets = paths.iter().filter_map(|path| tree.resolve(&source.module, path));
            let others = targets.filter(|target| !target.is_empty() && !are_related(target, &source.module));
            (&source.module, others.collect())
        })
        .collect();
    assert!(
        imports.values().map(BTreeSet::len).sum::<usize>() > 500,
        "most imports were not recognised"
    );
    let reachable = |start: &ModulePath| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&ModulePath> = imports[start].iter().collect();
        while let Some(module) = open.pop() {
            if seen.insert(module) {
                open.extend(imports.get(module).into_iter().flatten());
            }
        }
        seen
    };
    let cyclic = sources.iter().map(|source| &source.module);
    let cyclic: Vec<String> = cyclic
        .filter(|module| reachable(module).contains(module))
        .map(|module| module.join("/"))
        .collect();
    assert!(cyclic.is_empty(), "these files import each other: {cyclic:#?}");
}

#[test]
fn pure_folders_use_no_runtime_network_or_clock() {
    for source in sources() {
        if PURE.contains(&source.folder()) {
            for forbidden in ["tokio::", "reqwest::", "hyper::", "Timestamp::now", "async fn"] {
                assert!(
                    !source.code.contains(forbidden),
                    "{} uses {forbidden}",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn the_yaml_parser_and_the_http_client_stay_in_few_files() {
    let users = |word: &str, folder: &str| -> BTreeSet<String> {
        let sources = sources();
        let users = sources
            .iter()
            .filter(|source| source.folder() == folder && source.code.contains(word));
        users.map(|source| source.module.join("/")).collect()
    };
    let http = users("reqwest::", "api");
    let clients = [
        "api/transport/connections",
        "api/transport/endpoint",
        "api/transport/failure",
        "api/transport/http",
    ];
    assert!(http.is_subset(&clients.map(str::to_owned).into()), "{http:?}");
    let yaml = users("granit_parser", "config");
    let parsers = [
        "config/yaml",
        "config/yaml/anchor",
        "config/yaml/syntax_errors",
        "config/yaml/tree_builder",
    ];
    assert!(yaml.is_subset(&parsers.map(str::to_owned).into()), "{yaml:?}");
}
