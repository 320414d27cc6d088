//! The layers of the library: which folder may use which. Read from the sources, so that an import across the
//! flow fails the build of whoever writes it.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Everything a folder may import of the crate, besides itself. A path narrows it to one module of a folder.
const ALLOWED_IMPORTS: [(&str, &[&str]); 17] = [
    ("model", &[]),
    ("definition", &["model"]),
    ("diagnostic", &[]),
    ("config", &["model", "definition", "diagnostic", "members"]),
    ("api", &["model"]),
    ("ledger", &["model", "objects"]),
    ("objects", &["model"]),
    ("members", &["model"]),
    ("callbacks", &["model", "ledger"]),
    ("publish", &["model", "members", "objects"]),
    ("observe", &["model", "definition", "api", "ledger", "members"]),
    ("plan", &["model", "definition", "ledger", "api::pacing"]),
    (
        "apply",
        &[
            "model",
            "plan::step",
            "api",
            "ledger",
            "members",
            "observe::members",
            "publish",
        ],
    ),
    ("sandbox", &[]),
    (
        "render",
        &[
            "model",
            "definition::FieldChange",
            "diagnostic",
            "ledger",
            "plan::quota",
            "plan::step",
            "apply::receipt",
        ],
    ),
    (
        "session",
        &["api", "apply", "ledger", "members", "model", "observe", "plan"],
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
            "ledger",
            "members",
            "model",
            "observe",
            "plan",
            "publish",
            "render",
            "sandbox",
            "session",
        ],
    ),
];

/// Folders that never touch the runtime, the network or the clock: what they do is decided by their arguments.
const PURE_MODULES: [&str; 6] = ["model", "definition", "diagnostic", "config", "plan", "render"];

fn collect_sources(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of each top-level module, tests left out.
fn source_by_module() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect_sources(&root, &mut files);
    let mut modules: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    for file in files {
        let inner = file.strip_prefix(&root).unwrap();
        let module = inner
            .iter()
            .next()
            .unwrap()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        if matches!(module.as_str(), "lib" | "main") || inner.ends_with("tests.rs") {
            continue;
        }
        let code = fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        modules.entry(module).or_default().push((file, code));
    }
    modules
}

/// What follows each `crate::`, as `folder` and `folder::module`.
fn crate_imports(code: &str) -> BTreeSet<(String, String)> {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    code.split("crate::")
        .skip(1)
        .map(|rest| {
            let word = |text: &str| {
                text.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect::<String>()
            };
            let first = word(rest);
            let second = rest.get(first.len() + 2..).map(word).unwrap_or_default();
            (first.clone(), format!("{first}::{second}"))
        })
        .collect()
}

#[test]
fn every_import_is_allowed_by_the_layer_table() {
    let modules = source_by_module();
    let known: BTreeSet<&str> = ALLOWED_IMPORTS.iter().map(|(module, _)| *module).collect();
    let found: BTreeSet<&str> = modules.keys().map(String::as_str).collect();
    assert_eq!(
        found, known,
        "a top-level module without a row in the table, or a row without a module"
    );
    for (module, allowed) in ALLOWED_IMPORTS {
        for (file, code) in &modules[module] {
            for (folder, path) in crate_imports(code) {
                let fits = folder == module
                    || allowed.contains(&folder.as_str())
                    || allowed.contains(&path.as_str());
                assert!(
                    fits,
                    "{} uses crate::{path}, which {module} may not",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn pure_modules_use_no_runtime_network_or_clock() {
    let modules = source_by_module();
    for module in PURE_MODULES {
        for (file, code) in &modules[module] {
            for forbidden in ["tokio::", "reqwest::", "hyper::", "Timestamp::now", "async fn"] {
                assert!(!code.contains(forbidden), "{} uses {forbidden}", file.display());
            }
        }
    }
}

#[test]
fn only_listed_files_use_the_yaml_parser_and_the_http_client() {
    let of = |word: &str, module: &str| {
        let files = source_by_module().remove(module).unwrap();
        let files = files.into_iter().filter(|(_, code)| code.contains(word));
        files
            .map(|(file, _)| file.file_name().unwrap().to_string_lossy().into_owned())
            .collect::<BTreeSet<_>>()
    };
    let http = of("reqwest::", "api");
    assert!(
        http.is_subset(&["http.rs", "endpoint.rs"].map(str::to_owned).into()),
        "{http:?}"
    );
    let yaml = of("granit_parser", "config");
    assert!(
        yaml.is_subset(&["yaml.rs", "syntax.rs", "tree.rs"].map(str::to_owned).into()),
        "{yaml:?}"
    );
}
