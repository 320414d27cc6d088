//! Runs a scenario and each of its variants, and collects the failures.

use super::alternative::{self, Alternative};
use super::folder::Folder;
use super::format::{ALL, Command, Event, Lost, Outcome, Run, Scenario, Switch};
use super::laws::History;
use super::repository::Repository;
use super::sandbox::{Request, Sandbox};
use super::stable::Stable;
use super::workspace;
use serde_json::{Map, Value};
use similar::TextDiff;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::runtime::Runtime;

struct RunResult {
    /// The commands with their output.
    transcript: String,
    /// The final workspace.
    after: String,
    /// The switch values with which a response would have been different.
    observable: Vec<Alternative>,
    failures: Vec<String>,
}

/// Returns the failures, each with the name of the scenario.
pub(super) fn check(folder: &Folder, runtime: &Runtime) -> Vec<String> {
    let scenario = match folder.scenario() {
        Ok(scenario) => scenario,
        Err(error) => return vec![format!("{}: {error}", folder.name)],
    };
    let mut failures = Vec::new();
    let mut add = |variant: &str, new: Vec<String>| {
        failures.extend(
            new.iter()
                .map(|failure| format!("{}{variant}: {failure}", folder.name)),
        );
    };
    let base = match ScenarioRun::run(folder, &scenario, None, runtime) {
        Ok(base) => base,
        Err(error) => {
            add("", vec![error]);
            return failures;
        }
    };
    add("", base.failures.clone());
    add("", compare_snapshot(folder, "expected", None, &base.transcript));
    add("", compare_snapshot(folder, "after", None, &base.after));
    for switch in variants(&scenario, &base.observable) {
        let variant = format!(" [{}]", switch.name());
        match ScenarioRun::run(folder, &scenario, Some(&switch), runtime) {
            Ok(result) => {
                add(&variant, result.failures.clone());
                add(&variant, compare(folder, &switch, &base, &result));
            }
            Err(error) => add(&variant, vec![error]),
        }
    }
    failures
}

/// The variants that the scenario names, and every other switch value that changes a response. segctl does the same if
/// the sandbox responds the same, unless a workspace setting goes with the switch.
fn variants(scenario: &Scenario, observable: &[Alternative]) -> Vec<Switch> {
    let (equivalent, others): (Vec<Alternative>, Vec<Alternative>) = alternative::all(&scenario.settings)
        .into_iter()
        .partition(|other| !observable.contains(other) && !other.has_workspace_setting());
    let is_redundant =
        |switch: &&Switch| switch.outcome == Outcome::Same && equivalent.iter().any(|other| other.is(switch));
    let named = scenario.switches.iter().filter(|switch| !is_redundant(switch));
    let unnamed = others.iter().filter(|other| !other.is_named(scenario));
    let unnamed = unnamed.map(Alternative::without_effect);
    named.cloned().chain(unnamed).collect()
}

/// Compares the effect of a variant with its declared outcome.
fn compare(folder: &Folder, switch: &Switch, base: &RunResult, result: &RunResult) -> Vec<String> {
    let name = switch.name();
    let output = || differences("the output", &base.transcript, &result.transcript);
    let after = || differences("the final workspace", &base.after, &result.after);
    let must_differ = |differences: Vec<String>, what: &str| {
        if differences.is_empty() {
            vec![format!("{what} is the same; correct `outcome`")]
        } else {
            Vec::new()
        }
    };
    match switch.outcome {
        Outcome::Same => [output(), after()].concat(),
        Outcome::OutputDiffers => [
            must_differ(output(), "the output"),
            compare_snapshot(folder, "expected", Some(&name), &result.transcript),
            after(),
        ]
        .concat(),
        Outcome::WorkspaceDiffers => [
            must_differ(after(), "the final workspace"),
            output(),
            compare_snapshot(folder, "after", Some(&name), &result.after),
        ]
        .concat(),
        Outcome::Differs => [
            must_differ(after(), "the final workspace"),
            compare_snapshot(folder, "expected", Some(&name), &result.transcript),
            compare_snapshot(folder, "after", Some(&name), &result.after),
        ]
        .concat(),
    }
}

fn differences(what: &str, one: &str, other: &str) -> Vec<String> {
    if one == other {
        return Vec::new();
    }
    let difference = TextDiff::from_lines(one, other).unified_diff().to_string();
    vec![format!("{what} differs:\n{difference}")]
}

/// Compares a text with its snapshot in the scenario's folder.
fn compare_snapshot(folder: &Folder, file: &str, suffix: Option<&str>, text: &str) -> Vec<String> {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(&folder.path);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    if let Some(suffix) = suffix {
        settings.set_snapshot_suffix(suffix);
    }
    let compared = catch_unwind(AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!(file, text));
    }));
    match compared {
        Ok(()) => Vec::new(),
        Err(_) => vec![format!("`{file}` differs from its snapshot, printed above")],
    }
}

/// A scenario in progress.
struct ScenarioRun<'a> {
    folder: &'a Folder,
    runtime: &'a Runtime,
    sandbox: Sandbox<'a>,
    repository: Repository,
    history: History,
    stable: Stable,
    /// Whether the expected exit codes and request counts apply.
    has_same_output: bool,
    transcript: String,
    failures: Vec<String>,
}

impl<'a> ScenarioRun<'a> {
    fn run(
        folder: &'a Folder,
        scenario: &Scenario,
        switch: Option<&Switch>,
        runtime: &'a Runtime,
    ) -> Result<RunResult, String> {
        let mut run = Self::set_up(folder, scenario, switch, runtime)?;
        let mut code = None;
        for command in &scenario.commands {
            match command {
                Command::Run(command) => code = run.segctl(command)?,
                Command::Event(event) => run.event(event)?,
            }
        }
        let is_unreachable = switch
            .and_then(|switch| switch.unreachable)
            .unwrap_or(scenario.unreachable);
        let undetectable = switch.map_or(&[][..], |switch| &switch.undetectable);
        if !is_unreachable {
            run.check_no_changes()?;
        } else if code == Some(0) {
            run.fail("the scenario is `unreachable`, but the last command exits with 0");
        }
        let state = run.sandbox.state()?;
        let broken = run.history.broken_rules(&state);
        run.failures.extend(broken);
        if !is_unreachable {
            let unreached = run.history.unreached(&state, undetectable);
            run.failures.extend(unreached);
        }
        Ok(RunResult {
            after: run.stable.text(&workspace::text(&state)),
            observable: run.sandbox.observable_alternatives()?,
            transcript: run.transcript,
            failures: run.failures,
        })
    }

    fn set_up(
        folder: &'a Folder,
        scenario: &Scenario,
        switch: Option<&Switch>,
        runtime: &'a Runtime,
    ) -> Result<Self, String> {
        let mut settings = scenario.settings.clone();
        let mut alternatives = Vec::new();
        match switch {
            Some(switch) => settings.extend(switch.settings.clone()),
            None => alternatives = alternative::all(&settings),
        }
        let mut sandbox = Sandbox::start(runtime, &settings, &alternatives)?;
        for edit in &scenario.before {
            sandbox.edit(edit)?;
        }
        sandbox.new_requests()?;
        let mut entry = sandbox.workspace();
        merge(&mut entry, &scenario.workspace);
        if let Some(switch) = switch {
            merge(&mut entry, &switch.workspace);
        }
        let repository = Repository::new(entry);
        let others = vec![
            (repository.path().to_string_lossy().into_owned(), "<repository>"),
            (sandbox.address(), "<sandbox>"),
        ];
        let mut run = Self {
            folder,
            runtime,
            has_same_output: switch.is_none_or(|switch| switch.outcome.has_same_output()),
            stable: Stable::new(sandbox.now()?, others),
            sandbox,
            repository,
            history: History::default(),
            transcript: String::new(),
            failures: Vec::new(),
        };
        run.record_dashboard()?;
        let files = folder.path.join("files");
        if files.is_dir() {
            run.repository.copy_files(&files, &run.stable)?;
        }
        run.history.record_files(&run.repository);
        Ok(run)
    }

    /// Runs segctl and appends its output to the transcript.
    fn segctl(&mut self, run: &Run) -> Result<Option<i32>, String> {
        let output = self.repository.run(run)?;
        let state = self.sandbox.state()?;
        self.stable.add_labels(&state);
        self.history.record_names(&state);
        let _ = writeln!(self.transcript, "$ segctl {}", run.run);
        self.transcript.push_str(&self.stable.text(&output.out));
        for line in self.stable.text(&output.err).lines() {
            let _ = writeln!(self.transcript, "2> {line}");
        }
        let code = output
            .code
            .map_or_else(|| "none".to_owned(), |code| code.to_string());
        let _ = writeln!(self.transcript, "[exit {code}]\n");
        if output.err.contains("panicked") {
            self.fail(&format!("`{}` panicked", run.run));
        }
        let requests = self.sandbox.new_requests()?;
        match run.arguments().first().map(String::as_str) {
            Some("apply") => {}
            // These commands write files.
            Some("import" | "drift" | "state") => {
                self.history.record_files(&self.repository);
                self.check_only_reads(&run.run, &requests);
            }
            _ => self.check_only_reads(&run.run, &requests),
        }
        if self.has_same_output {
            self.check_expectations(run, output.code, &requests);
        }
        Ok(output.code)
    }

    /// Checks the expected exit code and request counts of a command.
    fn check_expectations(&mut self, run: &Run, code: Option<i32>, requests: &[Request]) {
        if run.exit.is_some() && run.exit != code {
            self.fail(&format!("`{}` exits with {code:?}, not {:?}", run.run, run.exit));
        }
        for (class, bound) in &run.requests {
            let is_counted = |request: &&Request| request.class == *class || class == ALL;
            let count = requests.iter().filter(is_counted).count();
            if !bound.holds(count) {
                self.fail(&format!(
                    "`{}` sends {count} {class} requests, not {bound:?}",
                    run.run
                ));
            }
        }
    }

    /// Executes an event and appends it to the transcript.
    fn event(&mut self, event: &Event) -> Result<(), String> {
        let line = match event {
            Event::Files(number) => {
                let files = self.folder.path.join(format!("files.{number}"));
                self.repository.copy_files(&files, &self.stable)?;
                self.history.record_files(&self.repository);
                format!("copy files.{number} to segments/")
            }
            Event::Dashboard(edit) => {
                self.sandbox.edit(edit)?;
                self.record_dashboard()?;
                let edit = serde_json::to_string(edit).map_err(|error| error.to_string())?;
                format!("dashboard: {edit}")
            }
            Event::Advance(span) => {
                let seconds = seconds(span)?;
                self.sandbox.advance(seconds)?;
                self.repository.make_older(self.runtime, seconds)?;
                format!("advance the time by {span}")
            }
            Event::Lose(Lost::State) => {
                self.repository.lose_state()?;
                "remove the state".to_owned()
            }
            Event::Faults(script) => {
                self.sandbox.set_faults(script)?;
                format!("faults: {script}")
            }
            Event::Rewrite(rewrite) => {
                self.repository.rewrite(rewrite)?;
                self.history.record_files(&self.repository);
                let from = rewrite.from.as_deref().unwrap_or("the content");
                format!("in {}, replace {from} with {}", rewrite.file, rewrite.to)
            }
            Event::Cat(path) => {
                let text = self.stable.text(&self.repository.text_of(path)?);
                let _ = writeln!(self.transcript, "$ cat {path}\n{text}");
                return Ok(());
            }
        };
        let _ = writeln!(self.transcript, "# {line}\n");
        Ok(())
    }

    fn record_dashboard(&mut self) -> Result<(), String> {
        let state = self.sandbox.state()?;
        self.stable.add_labels(&state);
        self.history.record_dashboard(&state);
        Ok(())
    }

    /// Another plan has no changes.
    fn check_no_changes(&mut self) -> Result<(), String> {
        let output = self.repository.run(&Run::of("plan"))?;
        let requests = self.sandbox.new_requests()?;
        self.check_only_reads("another plan", &requests);
        if output.code != Some(0) || output.out.lines().last() != Some("No changes.") {
            self.fail(&format!(
                "another plan has changes and exits with {:?}:\n{}{}",
                output.code, output.out, output.err
            ));
        }
        Ok(())
    }

    fn check_only_reads(&mut self, command: &str, requests: &[Request]) {
        for request in requests.iter().filter(|request| request.method != "GET") {
            self.fail(&format!("`{command}` sends {} {}", request.method, request.path));
        }
    }

    fn fail(&mut self, failure: &str) {
        self.failures.push(self.stable.text(failure));
    }
}

/// Merges `over` into `keys`, nested mappings key by key.
fn merge(keys: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (keys.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(value)) => merge(below, value),
            _ => {
                keys.insert(key.clone(), value.clone());
            }
        }
    }
}

/// `61d` and `5h` in seconds.
fn seconds(span: &str) -> Result<u32, String> {
    let message = || format!("`{span}` is not a time span; use days (`61d`) or hours (`5h`)");
    let (number, unit) = match (span.strip_suffix('d'), span.strip_suffix('h')) {
        (Some(days), _) => (days, 86_400),
        (_, Some(hours)) => (hours, 3_600),
        _ => return Err(message()),
    };
    number
        .parse::<u32>()
        .map(|number| number * unit)
        .map_err(|_| message())
}
