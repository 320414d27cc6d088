//! `segctl pull`: files for live segments that nobody declares.

use super::arguments::PullArguments;
use super::connection::Connection;
use super::failure::{Failure, Kind};
use super::new_files::{NewFiles, first_directory};
use super::output::Output;
use super::planning::{aim, read_all};
use super::project::Project;
use crate::api::StopSignal;
use crate::config::write::{NewFile, Stub, segment_file, stub_file};
use crate::model::{LiveKind, LiveSegment, NamePattern, SegmentId, SegmentKind, SegmentName, printable};
use crate::observe::Refresh;
use crate::plan::plan;
use crate::plan::step::{Action, Conflict, Live, Plan};
use crate::session::Read;
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
    arguments: &PullArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection = Connection::open(project, workspace, (output, StopSignal::never())).await?;
    let done = pull(project, workspace, &connection, (arguments, output)).await;
    connection.close().await;
    done
}

async fn pull(
    project: &Project,
    workspace: (&str, &crate::config::workspace::Workspace),
    connection: &Connection,
    (arguments, output): (&PullArguments, Output),
) -> Result<ExitCode, Failure> {
    let mut read = read_all(aim(project, workspace, Refresh::Rolling), connection).await?;
    let undeclared = undeclared(plan(&read.situation()));
    let is_wanted =
        |name: &SegmentName| arguments.all || arguments.patterns.iter().any(|pattern| pattern.matches(name));
    if !arguments.all && arguments.patterns.is_empty() {
        let live: Vec<&LiveSegment> = undeclared.iter().filter_map(|live| read.live(&live.id)).collect();
        list(&live, output);
        return Ok(ExitCode::SUCCESS);
    }
    require_all(&undeclared, arguments)?;
    let wanted: Vec<Live> = undeclared
        .into_iter()
        .filter(|live| is_wanted(&live.name))
        .collect();
    let ids: BTreeSet<SegmentId> = wanted.iter().map(|live| live.id.clone()).collect();
    let session = &connection.session;
    session.read_definitions(&mut read, |id| ids.contains(id)).await?;
    let directory = arguments
        .into
        .clone()
        .map_or_else(|| first_directory(project), Ok)?;
    let files = NewFiles::into_directory(directory)?;
    let pulled = write_all((project, &read), &wanted, files, output)?;
    let has_errors = project.tell_of_new(&pulled.written, output);
    Ok(pulled.told(has_errors, output))
}

/// A name that nothing fits is a slip, which what the other names found would hide.
fn require_all(undeclared: &[Live], arguments: &PullArguments) -> Result<(), Failure> {
    let is_idle = |pattern: &&NamePattern| !undeclared.iter().any(|live| pattern.matches(&live.name));
    let failed = |message: String| Failure::new(Kind::Error, message);
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
fn undeclared(plan: Plan) -> Vec<Live> {
    let without_file = plan.steps.into_iter().filter(|step| step.origin.is_none());
    let ours = without_file.filter_map(|step| match step.action {
        Action::Archive(target) => Some(Live {
            name: target.live_name,
            id: target.id,
        }),
        Action::Create(_)
        | Action::Update(_)
        | Action::Unarchive(_)
        | Action::Send(_)
        | Action::Upload(_) => None,
    });
    let named = plan.conflicts.into_iter().filter_map(|conflict| match conflict {
        Conflict::PreviousNameLive { other, .. } => Some(Live {
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
fn list(live: &[&LiveSegment], output: Output) {
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
        return output.document(&json!({
            "format_version": crate::render::document::FORMAT_VERSION, "undeclared": segments,
        }));
    }
    let mut text = String::new();
    for segment in live {
        let source = segment.source.as_deref().unwrap_or("unknown source");
        let kind = match &segment.kind {
            LiveKind::Filter => String::new(),
            LiveKind::Other(word) => format!(", {word}"),
        };
        let line = format!("\"{}\" (id {}, {source}{kind})", segment.name, segment.id);
        text.push_str(&(printable(&line) + "\n"));
    }
    text.push_str(&match live.len() {
        0 => "No live segment is without a file.\n".to_owned(),
        1 => "1 live segment without a file. `segctl pull NAME` or `--all` writes one for it.\n".to_owned(),
        count => format!(
            "{count} live segments without a file. `segctl pull NAME` or `--all` writes files for them.\n"
        ),
    });
    output.result(&text);
}

fn write_all(
    (project, read): (&Project, &Read),
    wanted: &[Live],
    mut files: NewFiles,
    output: Output,
) -> Result<Written, Failure> {
    let known = plan(&read.situation()).known;
    let names: BTreeMap<SegmentId, SegmentName> =
        known.ids.into_iter().map(|(name, id)| (id, name)).collect();
    let names = |id: &SegmentId| names.get(id).cloned();
    let mut done = Written::default();
    for live in wanted.iter().filter_map(|wanted| read.live(&wanted.id)) {
        let text = match text_of(live, &names) {
            Ok(text) => text,
            Err(why) => {
                done.skipped += 1;
                output.line(&format!("skipped \"{}\" (id {}): {why}", live.name, live.id));
                continue;
            }
        };
        if live.kind == LiveKind::Filter {
            let path = files.write(&live.name, &text)?;
            output.line(&format!("wrote {}", project.shown(&path)));
            done.written.push(path);
        } else {
            let path = files.write_stub(&live.name, &text)?;
            output.line(&format!(
                "wrote {}, to be filled in: who is in the segment cannot be read back",
                project.shown(&path)
            ));
            done.stubs += 1;
        }
    }
    Ok(done)
}

/// What became of those that were asked for.
#[derive(Default)]
struct Written {
    written: Vec<PathBuf>,
    /// How many files were written that declare nothing yet.
    stubs: usize,
    skipped: usize,
}

impl Written {
    fn told(&self, has_errors: bool, output: Output) -> ExitCode {
        let (written, skipped) = (self.written.len(), self.skipped);
        let noun = if written == 1 { "file" } else { "files" };
        let stubs = match self.stubs {
            0 => String::new(),
            stubs => format!(", {stubs} to be filled in"),
        };
        if output.json {
            output.document(&json!({
                "format_version": crate::render::document::FORMAT_VERSION, "written": written, "stubs": self.stubs,
                "skipped": skipped,
                "valid": !has_errors,
            }));
        } else {
            let errors = if has_errors {
                " What the service has is not always what it takes: correct the errors above, or take those files out."
            } else {
                ""
            };
            output.result(&format!(
                "Pulled: {written} {noun} written{stubs}, {skipped} skipped.{errors}\n"
            ));
        }
        if has_errors {
            Kind::InvalidFiles.into()
        } else if skipped > 0 {
            Kind::Partial.into()
        } else {
            ExitCode::SUCCESS
        }
    }
}

fn text_of(live: &LiveSegment, names: &dyn Fn(&SegmentId) -> Option<SegmentName>) -> Result<String, String> {
    let comment = comment(live);
    if let LiveKind::Other(word) = &live.kind {
        let stub = Stub {
            comment: &comment,
            name: &live.name,
            kind: kind(live, word),
            word,
        };
        return stub_file(&stub).map_err(|error| error.to_string());
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
    segment_file(&new).map_err(|error| error.to_string())
}

/// What a segment without filters is. The service's words are not documented, and `source` may name who synchronises it.
fn kind(live: &LiveSegment, word: &str) -> Option<SegmentKind> {
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
fn comment(live: &LiveSegment) -> String {
    let mut comment = format!("pulled from id {}", live.id);
    if let Some(source) = &live.source {
        comment.push_str(&format!(", source {source}"));
    }
    if let Some(created) = &live.created_time {
        comment.push_str(&format!(", created {created}"));
    }
    comment
}
