//! `segctl import`: lists unmanaged segments, or writes files for them.

use super::arguments::ImportArguments;
use super::connection::Connection;
use super::failure::{Failure, FailureKind};
use super::new_files::{NewFiles, default_directory};
use super::output::Output;
use super::planning::{plan_request, read_workspace};
use super::project::{NewFileCheck, Project, SelectedWorkspace};
use crate::api::CancelToken;
use crate::config::edit::{NewFile, SegmentTemplate, segment_file_text, template_text};
use crate::model::{
    DeclaredSegment, NamePattern, ObservedSegment, ObservedWorkspace, RemoteKind, SegmentId, SegmentKind,
    SegmentName, UnreadableRow, did_you_mean, escape_unprintable,
};
use crate::observe::Refresh;
use crate::plan::plan;
use crate::plan::step::{Action, Code, Finding, Plan, SegmentRef};
use crate::reconcile::LoadedWorkspace;
use crate::render::json::FORMAT_VERSION;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

const NO_UNMANAGED_SEGMENTS: &str = "No unmanaged segments found.\n";

/// Lists unmanaged segments, or writes files for the selected ones. It does not change the state: a file that is never
/// merged must not make its segment managed.
pub(super) async fn run(
    project: &Project,
    arguments: &ImportArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection = Connection::open(workspace, output, CancelToken::never()).await?;
    let result = import(workspace, &connection, arguments, output).await;
    connection.close().await;
    result
}

async fn import(
    workspace: SelectedWorkspace<'_>,
    connection: &Connection,
    arguments: &ImportArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let project = workspace.project;
    let request = plan_request(workspace, Refresh::Partial);
    let mut read = read_workspace(request, connection).await?;
    let mut unmanaged = segments_without_file(plan(&read.plan_input()), &read.observed);
    for row in &read.observed.unreadable_rows {
        output.print_status_line(&format!("skipped {}", describe_row(row)));
    }
    if !arguments.all && arguments.patterns.is_empty() {
        let ids = unmanaged.iter().map(|segment| &segment.id);
        let remote: Vec<_> = ids.filter_map(|id| read.remote_segment(id)).collect();
        print_list(&remote, output);
        return Ok(ExitCode::SUCCESS);
    }
    let declared = read.plan_input().declared;
    require_matches(&arguments.patterns, &unmanaged, declared)?;
    if unmanaged.is_empty() {
        return Ok(ImportResult::default().print_summary(&NewFileCheck::default(), output));
    }
    unmanaged.retain(|segment| {
        let mut patterns = arguments.patterns.iter();
        arguments.all || patterns.any(|pattern| pattern.matches(&segment.name))
    });
    let ids: BTreeSet<SegmentId> = unmanaged.iter().map(|segment| segment.id.clone()).collect();
    let reconciler = &connection.reconciler;
    reconciler
        .fetch_definitions(&mut read, |id| ids.contains(id))
        .await?;
    let directory = match &arguments.output_dir {
        Some(directory) => directory.clone(),
        None => default_directory(project)?,
    };
    let files = NewFiles::in_directory(directory)?;
    let mut result = write_files(project, &read, &unmanaged, files, output)?;
    if arguments.all {
        result.skipped += read.observed.unreadable_rows.len();
    }
    let check = project.report_new_file_errors(result.written.keys(), output);
    let is_read = |path: &PathBuf| !check.ignored.contains(path);
    let imported = result.written.iter().filter(|(path, _)| is_read(path));
    reconciler
        .record_imported(&mut read, imported.map(|(_, id)| id.clone()))
        .await;
    Ok(result.print_summary(&check, output))
}

/// A pattern without a match is a typing error, which the results of other patterns would hide. So nothing is written.
fn require_matches(
    patterns: &[NamePattern],
    unmanaged: &[SegmentRef],
    declared: &[DeclaredSegment],
) -> Result<(), Failure> {
    let is_unmatched =
        |pattern: &&NamePattern| !unmanaged.iter().any(|segment| pattern.matches(&segment.name));
    let unmatched: Vec<&NamePattern> = patterns.iter().filter(is_unmatched).collect();
    if unmatched.is_empty() {
        return Ok(());
    }
    let quoted: Vec<String> = unmatched
        .iter()
        .map(|pattern| format!("`{}`", pattern.as_str()))
        .collect();
    let mut message = format!("no unmanaged segment matches {}", quoted.join(", "));
    if unmatched.len() < patterns.len() {
        message.push_str("; no files were written");
    }
    let mut failure = Failure::new(FailureKind::Error, message);
    for pattern in unmatched {
        failure.help.extend(unmatched_help(pattern, unmanaged, declared));
    }
    Err(failure.with_help("run `segctl import` without a name to list the unmanaged segments"))
}

fn unmatched_help(
    pattern: &NamePattern,
    unmanaged: &[SegmentRef],
    declared: &[DeclaredSegment],
) -> Option<String> {
    if let Some(segment) = declared.iter().find(|segment| pattern.matches(&segment.name)) {
        let (name, origin) = (&segment.name, &segment.origin);
        return Some(format!(
            "`{name}` is in the configuration already, at {}:{}",
            origin.file, origin.line
        ));
    }
    let names = unmanaged.iter().map(|segment| segment.name.as_str());
    let similar = did_you_mean(pattern.as_str(), names)?;
    Some(format!(
        "did you mean `{similar}` instead of `{}`?",
        pattern.as_str()
    ))
}

/// Remote segments without a file, by name: unmanaged segments, segments that the next apply would archive, and segments
/// whose name is a previous name in a file.
fn segments_without_file(plan: Plan, observed: &ObservedWorkspace) -> Vec<SegmentRef> {
    let without_file = plan.steps.into_iter().filter(|step| step.origin.is_none());
    let archived = without_file.filter_map(|step| match step.action {
        Action::Archive(target) => Some(SegmentRef {
            name: target.remote_name,
            id: target.id,
        }),
        Action::Create(_)
        | Action::Update(_)
        | Action::Unarchive(_)
        | Action::SyncCohort(_)
        | Action::UploadUserList(_) => None,
    });
    let is_about_name = |conflict: &&Finding| conflict.code == Code::PreviousNameInUse;
    let conflicts = plan.conflicts.iter().filter(is_about_name);
    // The first one is the match of the declared segment.
    let ids = conflicts.flat_map(|conflict| conflict.remote_ids.iter().skip(1));
    let previously_named = ids.filter_map(|id| {
        Some(SegmentRef {
            name: observed.segments.get(id)?.name.clone(),
            id: id.clone(),
        })
    });
    let segments = plan.unmanaged.into_iter().chain(archived).chain(previously_named);
    // Two files can have the same previous name.
    segments.collect::<BTreeSet<_>>().into_iter().collect()
}

fn print_list(segments: &[&ObservedSegment], output: Output) {
    if output.json {
        let segments = segments.iter().map(|segment| {
            json!({
                "name": segment.name, "id": segment.id, "kind": segment.kind, "source": segment.source,
                "created_time": segment.created_time,
            })
        });
        return output.print_json(&json!({
            "format_version": FORMAT_VERSION, "unmanaged": segments.collect::<Vec<_>>(),
        }));
    }
    let mut text = String::new();
    for segment in segments {
        let source = segment.source.as_deref().unwrap_or("unknown source");
        let kind = match &segment.kind {
            RemoteKind::Filter => String::new(),
            RemoteKind::Other(word) => format!(", {word}"),
        };
        let line = format!("\"{}\" (id {}, {source}{kind})", segment.name, segment.id);
        text.push_str(&(escape_unprintable(&line) + "\n"));
    }
    text.push_str(&match segments.len() {
        0 => NO_UNMANAGED_SEGMENTS.to_owned(),
        1 => "1 unmanaged segment. Import it with `segctl import NAME` or `--all`.\n".to_owned(),
        count => {
            format!("{count} unmanaged segments. Import them with `segctl import NAME` or `--all`.\n")
        }
    });
    output.print_result(&text);
}

fn write_files(
    project: &Project,
    read: &LoadedWorkspace,
    selected: &[SegmentRef],
    mut files: NewFiles,
    output: Output,
) -> Result<ImportResult, Failure> {
    let ids_by_name = plan(&read.plan_input()).references.ids_by_name;
    let names: BTreeMap<SegmentId, SegmentName> =
        ids_by_name.into_iter().map(|(name, id)| (id, name)).collect();
    let names = |id: &SegmentId| names.get(id).cloned();
    let mut result = ImportResult::default();
    let mut lines = Vec::new();
    let ids = selected.iter().map(|segment| &segment.id);
    for remote in ids.filter_map(|id| read.remote_segment(id)) {
        let reason = import_obstacle(remote, &read.observed);
        let text = match reason.map_or_else(|| file_text(remote, &names), Err) {
            Ok(text) => text,
            Err(reason) => {
                result.skipped += 1;
                let (name, id) = (&remote.name, &remote.id);
                lines.push(format!("skipped \"{name}\" (id {id}): {reason}"));
                continue;
            }
        };
        let is_template = remote.kind != RemoteKind::Filter;
        let written = match is_template {
            false => files.write(&remote.name, &text),
            true => files.write_template(&remote.name, &text),
        };
        let path = match written {
            Ok(path) => path,
            Err(failure) => return Err(files.discard(failure)),
        };
        let shown = project.display_path(&path);
        if is_template {
            lines.push(format!(
                "wrote {shown} (template: fill in the member list, which the API does not return)"
            ));
            result.templates += 1;
        } else {
            lines.push(format!("wrote {shown}"));
            result.written.insert(path, remote.id.clone());
        }
    }
    // Only now is it certain that all files are written.
    for line in lines {
        output.print_status_line(&line);
    }
    Ok(result)
}

/// Why no file is written for a segment, if that does not depend on its definition.
fn import_obstacle(remote: &ObservedSegment, observed: &ObservedWorkspace) -> Option<String> {
    let unreadable = observed.unreadable.get(&remote.id);
    let unreadable = unreadable.map(|reason| format!("MoEngage's answer cannot be read: {reason}"));
    let is_incomplete = remote.name.as_str().contains(char::REPLACEMENT_CHARACTER);
    unreadable.or(is_incomplete.then(|| {
        "its name has a character that MoEngage did not return whole (shown as U+FFFD); rename it in the dashboard".to_owned()
    }))
}

/// Such as "row 3 of the segment list (id 65f…): `name` is null".
fn describe_row(row: &UnreadableRow) -> String {
    let identity = match (&row.name, &row.id) {
        (Some(name), _) => format!(" (\"{name}\")"),
        (None, Some(id)) => format!(" (id {id})"),
        (None, None) => String::new(),
    };
    format!(
        "row {} of the segment list{identity}: {}",
        row.position, row.reason
    )
}

#[derive(Default)]
struct ImportResult {
    /// The segment of each written file.
    written: BTreeMap<PathBuf, SegmentId>,
    /// How many templates were written. They are not segment files yet.
    templates: usize,
    skipped: usize,
}

impl ImportResult {
    fn print_summary(&self, check: &NewFileCheck, output: Output) -> ExitCode {
        let has_errors = check.has_errors;
        let (written, templates, skipped) = (self.written.len(), self.templates, self.skipped);
        if output.json {
            output.print_json(&json!({
                "format_version": FORMAT_VERSION, "written": written, "templates": templates, "skipped": skipped,
                "valid": !has_errors,
            }));
        } else if written + templates + skipped == 0 {
            output.print_result(NO_UNMANAGED_SEGMENTS);
        } else {
            let files = if written == 1 { "file" } else { "files" };
            let templates = match templates {
                0 => String::new(),
                1 => ", 1 template".to_owned(),
                count => format!(", {count} templates"),
            };
            let skipped = match skipped {
                0 => String::new(),
                count => format!(", {count} skipped"),
            };
            let help = if has_errors {
                " MoEngage contains definitions that its API rejects: fix the errors above, or delete those files."
            } else if written > check.ignored.len() {
                " Run `segctl plan`, then `segctl apply` to start managing them."
            } else {
                ""
            };
            output.print_result(&format!(
                "Import complete: {written} {files} written{templates}{skipped}.{help}\n"
            ));
        }
        if has_errors {
            FailureKind::InvalidFiles.into()
        } else if self.skipped > 0 {
            FailureKind::Partial.into()
        } else {
            ExitCode::SUCCESS
        }
    }
}

fn file_text(
    remote: &ObservedSegment,
    names: &dyn Fn(&SegmentId) -> Option<SegmentName>,
) -> Result<String, String> {
    let comment = comment(remote);
    if let RemoteKind::Other(word) = &remote.kind {
        let template = SegmentTemplate {
            comment: &comment,
            name: &remote.name,
            kind: guess_kind(remote, word),
            api_type: word,
        };
        return template_text(&template).map_err(|error| error.to_string());
    }
    let Some(definition) = &remote.definition else {
        return Err("the API does not return its filters".to_owned());
    };
    let new = NewFile {
        comment: &comment,
        name: &remote.name,
        lifecycle: remote.lifecycle,
        protect: false,
        definition,
        names,
    };
    segment_file_text(&new).map_err(|error| error.to_string())
}

/// The kind of a segment without filters. The API does not document its words, and `source` can be the name of an
/// integration.
fn guess_kind(remote: &ObservedSegment, word: &str) -> Option<SegmentKind> {
    let words = [Some(word), remote.source.as_deref()].into_iter().flatten();
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    let contains = |kind: &str| words.iter().any(|word| word.contains(kind));
    match (contains("file"), contains("cohort")) {
        (true, false) => Some(SegmentKind::File),
        (false, true) => Some(SegmentKind::Cohort),
        _ => None,
    }
}

/// The first line of a new file. The times of the API are in UTC.
fn comment(remote: &ObservedSegment) -> String {
    let mut comment = format!("imported from id {}", remote.id);
    if let Some(source) = &remote.source {
        comment.push_str(&format!(", source {source}"));
    }
    if let Some(created) = &remote.created_time {
        comment.push_str(&format!(", created {created}"));
    }
    comment
}
