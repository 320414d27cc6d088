//! `segctl pull`: files for live segments that nobody declares.

use super::arguments::ImportArguments;
use super::connection::Connection;
use super::failure::{Failure, FailureKind};
use super::new_files::{NewFiles, default_directory};
use super::output::Output;
use super::planning::{plan_request, read_workspace};
use super::project::Project;
use crate::api::CancelToken;
use crate::config::edit::{NewFile, SegmentTemplate, segment_file_text, template_text};
use crate::model::{
    NamePattern, ObservedSegment, RemoteKind, SegmentId, SegmentKind, SegmentName, escape_unprintable,
};
use crate::observe::Refresh;
use crate::plan::plan;
use crate::plan::step::{Action, Conflict, Plan, SegmentRef};
use crate::reconcile::LoadedWorkspace;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

/// Lists the unmanaged segments, or writes files for those that are asked for.
///
/// Nothing is taken down in the ledger: a file that never reaches the main branch must not make its segment ours.
///
/// # Errors
///
/// A call failed, nothing fits, or a file cannot be written. Segments that no file can say are told of one by one.
pub(super) async fn run(
    project: &Project,
    arguments: &ImportArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection = Connection::open(project, workspace, (output, CancelToken::never())).await?;
    let done = import(project, workspace, &connection, (arguments, output)).await;
    connection.close().await;
    done
}

async fn import(
    project: &Project,
    workspace: (&str, &crate::config::settings::WorkspaceSettings),
    connection: &Connection,
    (arguments, output): (&ImportArguments, Output),
) -> Result<ExitCode, Failure> {
    let mut read = read_workspace(plan_request(project, workspace, Refresh::Partial), connection).await?;
    let undeclared = undeclared_segments(plan(&read.plan_input()));
    let is_wanted =
        |name: &SegmentName| arguments.all || arguments.patterns.iter().any(|pattern| pattern.matches(name));
    if !arguments.all && arguments.patterns.is_empty() {
        let live: Vec<&ObservedSegment> = undeclared
            .iter()
            .filter_map(|live| read.remote_segment(&live.id))
            .collect();
        print_list(&live, output);
        return Ok(ExitCode::SUCCESS);
    }
    require_matches(&undeclared, arguments)?;
    let wanted: Vec<SegmentRef> = undeclared
        .into_iter()
        .filter(|live| is_wanted(&live.name))
        .collect();
    let ids: BTreeSet<SegmentId> = wanted.iter().map(|live| live.id.clone()).collect();
    let session = &connection.session;
    session
        .fetch_definitions(&mut read, |id| ids.contains(id))
        .await?;
    let directory = arguments
        .output_dir
        .clone()
        .map_or_else(|| default_directory(project), Ok)?;
    let files = NewFiles::in_directory(directory)?;
    let pulled = write_files((project, &read), &wanted, files, output)?;
    let has_errors = project.report_new_file_errors(&pulled.written, output);
    Ok(pulled.print_summary(has_errors, output))
}

/// A name that nothing fits is a slip, which what the other names found would hide.
fn require_matches(undeclared: &[SegmentRef], arguments: &ImportArguments) -> Result<(), Failure> {
    let is_idle = |pattern: &&NamePattern| !undeclared.iter().any(|live| pattern.matches(&live.name));
    let failed = |message: String| Failure::new(FailureKind::Error, message);
    match arguments.patterns.iter().find(is_idle) {
        _ if undeclared.is_empty() => Err(failed("no live segment is without a file".to_owned())),
        None => Ok(()),
        Some(pattern) => {
            let message = format!(
                "no segment that nobody declares has a name that fits `{}`",
                pattern.as_str()
            );
            Err(failed(message).with_help("`segctl pull` alone lists those there are"))
        }
    }
}

/// Live segments that no file declares, by name: those that are nobody's business, and those that the next apply would archive.
fn undeclared_segments(plan: Plan) -> Vec<SegmentRef> {
    let without_file = plan.steps.into_iter().filter(|step| step.origin.is_none());
    let ours = without_file.filter_map(|step| match step.action {
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
    let named = plan.conflicts.into_iter().filter_map(|conflict| match conflict {
        Conflict::PreviousNameInUse { other, .. } => Some(SegmentRef {
            name: other.name,
            id: other.id,
        }),
        _ => None,
    });
    let all = plan.unmanaged.into_iter().chain(ours).chain(named);
    // Two files may have the name of one segment as a previous name.
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What could be pulled.
fn print_list(live: &[&ObservedSegment], output: Output) {
    if output.json {
        let segments: Vec<_> = live
            .iter()
            .map(|live| {
                json!({
                    "name": live.name, "id": live.id, "kind": live.kind, "source": live.source,
                    "created_time": live.created_time,
                })
            })
            .collect();
        return output.print_json(&json!({
            "format_version": crate::render::json::FORMAT_VERSION, "undeclared": segments,
        }));
    }
    let mut text = String::new();
    for segment in live {
        let source = segment.source.as_deref().unwrap_or("unknown source");
        let kind = match &segment.kind {
            RemoteKind::Filter => String::new(),
            RemoteKind::Other(word) => format!(", {word}"),
        };
        let line = format!("\"{}\" (id {}, {source}{kind})", segment.name, segment.id);
        text.push_str(&(escape_unprintable(&line) + "\n"));
    }
    text.push_str(&match live.len() {
        0 => "No live segment is without a file.\n".to_owned(),
        1 => "1 live segment without a file. `segctl pull NAME` or `--all` writes one for it.\n".to_owned(),
        count => format!(
            "{count} live segments without a file. `segctl pull NAME` or `--all` writes files for them.\n"
        ),
    });
    output.print_result(&text);
}

fn write_files(
    (project, read): (&Project, &LoadedWorkspace),
    wanted: &[SegmentRef],
    mut files: NewFiles,
    output: Output,
) -> Result<ImportResult, Failure> {
    let known = plan(&read.plan_input()).references;
    let names: BTreeMap<SegmentId, SegmentName> = known
        .ids_by_name
        .into_iter()
        .map(|(name, id)| (id, name))
        .collect();
    let names = |id: &SegmentId| names.get(id).cloned();
    let mut done = ImportResult::default();
    for live in wanted.iter().filter_map(|wanted| read.remote_segment(&wanted.id)) {
        let text = match file_text(live, &names) {
            Ok(text) => text,
            Err(why) => {
                done.skipped += 1;
                output.print_status_line(&format!("skipped \"{}\" (id {}): {why}", live.name, live.id));
                continue;
            }
        };
        if live.kind == RemoteKind::Filter {
            let path = files.write(&live.name, &text)?;
            output.print_status_line(&format!("wrote {}", project.display_path(&path)));
            done.written.push(path);
        } else {
            let path = files.write_template(&live.name, &text)?;
            output.print_status_line(&format!(
                "wrote {}, to be filled in: who is in the segment cannot be read back",
                project.display_path(&path)
            ));
            done.templates += 1;
        }
    }
    Ok(done)
}

/// What became of those that were asked for.
#[derive(Default)]
struct ImportResult {
    written: Vec<PathBuf>,
    /// How many files were written that declare nothing yet.
    templates: usize,
    skipped: usize,
}

impl ImportResult {
    fn print_summary(&self, has_errors: bool, output: Output) -> ExitCode {
        let (written, skipped) = (self.written.len(), self.skipped);
        let noun = if written == 1 { "file" } else { "files" };
        let stubs = match self.templates {
            0 => String::new(),
            stubs => format!(", {stubs} to be filled in"),
        };
        if output.json {
            output.print_json(&json!({
                "format_version": crate::render::json::FORMAT_VERSION, "written": written, "stubs": self.templates,
                "skipped": skipped,
                "valid": !has_errors,
            }));
        } else {
            let errors = if has_errors {
                " What the service has is not always what it takes: correct the errors above, or take those files out."
            } else {
                ""
            };
            output.print_result(&format!(
                "Pulled: {written} {noun} written{stubs}, {skipped} skipped.{errors}\n"
            ));
        }
        if has_errors {
            FailureKind::InvalidFiles.into()
        } else if skipped > 0 {
            FailureKind::Partial.into()
        } else {
            ExitCode::SUCCESS
        }
    }
}

fn file_text(
    live: &ObservedSegment,
    names: &dyn Fn(&SegmentId) -> Option<SegmentName>,
) -> Result<String, String> {
    let comment = comment(live);
    if let RemoteKind::Other(word) = &live.kind {
        let stub = SegmentTemplate {
            comment: &comment,
            name: &live.name,
            kind: guess_kind(live, word),
            api_type: word,
        };
        return template_text(&stub).map_err(|error| error.to_string());
    }
    let Some(definition) = &live.definition else {
        return Err("the service does not show its filters".to_owned());
    };
    let new = NewFile {
        comment: &comment,
        name: &live.name,
        lifecycle: live.lifecycle,
        protect: false,
        definition,
        names,
    };
    segment_file_text(&new).map_err(|error| error.to_string())
}

/// What a segment without filters is. The service's words are not documented, and `source` may name who synchronises it.
fn guess_kind(live: &ObservedSegment, word: &str) -> Option<SegmentKind> {
    let words = [Some(word), live.source.as_deref()].into_iter().flatten();
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    let says = |kind: &str| words.iter().any(|word| word.contains(kind));
    match (says("file"), says("cohort")) {
        (true, false) => Some(SegmentKind::File),
        (false, true) => Some(SegmentKind::Cohort),
        _ => None,
    }
}

/// Where the file comes from, by what the service says of the segment; its times are in UTC.
fn comment(live: &ObservedSegment) -> String {
    let mut comment = format!("pulled from id {}", live.id);
    if let Some(source) = &live.source {
        comment.push_str(&format!(", source {source}"));
    }
    if let Some(created) = &live.created_time {
        comment.push_str(&format!(", created {created}"));
    }
    comment
}
