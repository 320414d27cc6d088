//! A scenario from its first state to its last, under each of its circumstances, and what is to be said against it.

use super::alternative::{self, Alternative};
use super::folder::Folder;
use super::format::{ALL, Command, Event, Lost, Outcome, Run, Scenario, Switch};
use super::laws::History;
use super::repository::Repository;
use super::service::{Call, Service};
use super::stable::Stable;
use super::workspace;
use serde_json::{Map, Value};
use similar::TextDiff;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::runtime::Runtime;

/// What a scenario came to.
struct Ended {
    /// The commands with what they said.
    transcript: String,
    /// What is in the workspace.
    after: String,
    /// What the service would have done otherwise, had a switch had another value.
    told_apart: Vec<Alternative>,
    complaints: Vec<String>,
}

/// Runs a scenario under all of its circumstances; what is wrong, each with the name of the scenario.
pub(super) fn check(folder: &Folder, runtime: &Runtime) -> Vec<String> {
    let scenario = match folder.scenario() {
        Ok(scenario) => scenario,
        Err(error) => return vec![format!("{}: {error}", folder.name)],
    };
    let mut complaints = Vec::new();
    let mut complain = |place: &str, found: Vec<String>| {
        complaints.extend(
            found
                .iter()
                .map(|complaint| format!("{}{place}: {complaint}", folder.name)),
        );
    };
    let base = match Stage::run(folder, &scenario, None, runtime) {
        Ok(base) => base,
        Err(error) => {
            complain("", vec![error]);
            return complaints;
        }
    };
    complain("", base.complaints.clone());
    complain("", reviewed(folder, "expected", None, &base.transcript));
    complain("", reviewed(folder, "after", None, &base.after));
    for switch in circumstances(&scenario, &base.told_apart) {
        let place = format!(" [{}]", switch.name());
        match Stage::run(folder, &scenario, Some(&switch), runtime) {
            Ok(ended) => {
                complain(&place, ended.complaints.clone());
                complain(&place, compare(folder, &switch, &base, &ended));
            }
            Err(error) => complain(&place, vec![error]),
        }
    }
    complaints
}

/// What is run beside the scenario itself: what it names, and every other setting that made the service do something
/// else. Where the service does the same, so does everybody who only talks to it and is not told of the setting.
fn circumstances(scenario: &Scenario, told_apart: &[Alternative]) -> Vec<Switch> {
    let (alike, others): (Vec<Alternative>, Vec<Alternative>) = alternative::all(&scenario.settings)
        .into_iter()
        .partition(|other| !told_apart.contains(other) && !other.is_told());
    let is_known =
        |switch: &&Switch| switch.outcome == Outcome::Same && alike.iter().any(|other| other.is(switch));
    let named = scenario.switches.iter().filter(|switch| !is_known(switch));
    let unnamed = others.iter().filter(|other| !other.is_named(scenario));
    let unnamed = unnamed.map(Alternative::without_effect);
    named.cloned().chain(unnamed).collect()
}

/// What other circumstances changed, held against what they should change.
fn compare(folder: &Folder, switch: &Switch, base: &Ended, ended: &Ended) -> Vec<String> {
    let name = switch.name();
    let output = || same("the output", &base.transcript, &ended.transcript);
    let after = || same("the workspace", &base.after, &ended.after);
    let must_differ = |found: Vec<String>, what: &str| {
        if found.is_empty() {
            vec![format!("{what} was to differ and does not")]
        } else {
            Vec::new()
        }
    };
    match switch.outcome {
        Outcome::Same => [output(), after()].concat(),
        Outcome::OutputDiffers => [
            must_differ(output(), "the output"),
            reviewed(folder, "expected", Some(&name), &ended.transcript),
            after(),
        ]
        .concat(),
        Outcome::WorkspaceDiffers => [
            must_differ(after(), "the workspace"),
            output(),
            reviewed(folder, "after", Some(&name), &ended.after),
        ]
        .concat(),
        Outcome::Differs => [
            must_differ(after(), "the workspace"),
            reviewed(folder, "expected", Some(&name), &ended.transcript),
            reviewed(folder, "after", Some(&name), &ended.after),
        ]
        .concat(),
    }
}

fn same(what: &str, one: &str, other: &str) -> Vec<String> {
    if one == other {
        return Vec::new();
    }
    let difference = TextDiff::from_lines(one, other).unified_diff().to_string();
    vec![format!("{what} was to be the same:\n{difference}")]
}

/// Holds a text against what was reviewed, in the scenario's folder.
fn reviewed(folder: &Folder, file: &str, suffix: Option<&str>, text: &str) -> Vec<String> {
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
        Err(_) => vec![format!("`{file}` is not as reviewed, see above")],
    }
}

/// A scenario under way.
struct Stage<'a> {
    folder: &'a Folder,
    runtime: &'a Runtime,
    service: Service<'a>,
    repository: Repository,
    history: History,
    stable: Stable,
    /// Whether the output is to be what the scenario says itself.
    is_as_stated: bool,
    transcript: String,
    complaints: Vec<String>,
}

impl<'a> Stage<'a> {
    /// Runs all commands and looks at what came of them.
    fn run(
        folder: &'a Folder,
        scenario: &Scenario,
        switch: Option<&Switch>,
        runtime: &'a Runtime,
    ) -> Result<Ended, String> {
        let mut stage = Self::set_up(folder, scenario, switch, runtime)?;
        let mut code = None;
        for command in &scenario.commands {
            match command {
                Command::Run(run) => code = stage.segctl(run)?,
                Command::Event(event) => stage.event(event)?,
            }
        }
        let is_unreachable = switch
            .and_then(|switch| switch.unreachable)
            .unwrap_or(scenario.unreachable);
        let unseen = switch.map_or(&[][..], |switch| &switch.unseen);
        if !is_unreachable {
            stage.must_be_reached()?;
        } else if code == Some(0) {
            stage.complain("it cannot be reached, and the last command says that all went well");
        }
        let state = stage.service.state()?;
        let broken = stage.history.complaints(&state);
        stage.complaints.extend(broken);
        if !is_unreachable {
            let unreached = stage.history.unreached(&state, unseen);
            stage.complaints.extend(unreached);
        }
        Ok(Ended {
            after: stage.stable.text(&workspace::text(&state)),
            told_apart: stage.service.told_apart()?,
            transcript: stage.transcript,
            complaints: stage.complaints,
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
        let mut service = Service::start(runtime, &settings, &alternatives)?;
        for edit in &scenario.before {
            service.edit(edit)?;
        }
        service.calls()?;
        let mut entry = service.workspace();
        lay_over(&mut entry, &scenario.workspace);
        if let Some(switch) = switch {
            lay_over(&mut entry, &switch.workspace);
        }
        let repository = Repository::new(entry);
        let others = vec![
            (repository.path().to_string_lossy().into_owned(), "<repository>"),
            (service.address(), "<service>"),
        ];
        let mut stage = Self {
            folder,
            runtime,
            is_as_stated: switch.is_none_or(|switch| switch.outcome.says_the_same()),
            stable: Stable::new(service.now()?, others),
            service,
            repository,
            history: History::default(),
            transcript: String::new(),
            complaints: Vec::new(),
        };
        stage.hands_off()?;
        let files = folder.path.join("files");
        if files.is_dir() {
            stage.repository.lay_over(&files, &stage.stable)?;
        }
        stage.history.note_files(&stage.repository);
        Ok(stage)
    }

    /// Runs segctl, and takes down what it says.
    fn segctl(&mut self, run: &Run) -> Result<Option<i32>, String> {
        let ran = self.repository.run(run)?;
        let state = self.service.state()?;
        self.stable.learn(&state);
        self.history.note_names(&state);
        let _ = writeln!(self.transcript, "$ segctl {}", run.run);
        self.transcript.push_str(&self.stable.text(&ran.out));
        for line in self.stable.text(&ran.err).lines() {
            let _ = writeln!(self.transcript, "2> {line}");
        }
        let code = ran
            .code
            .map_or_else(|| "none".to_owned(), |code| code.to_string());
        let _ = writeln!(self.transcript, "[exit {code}]\n");
        if ran.err.contains("panicked") {
            self.complain(&format!("`{}` panicked", run.run));
        }
        let calls = self.service.calls()?;
        match run.arguments().first().map(String::as_str) {
            Some("apply") => {}
            // These write files.
            Some("pull" | "drift" | "ledger") => {
                self.history.note_files(&self.repository);
                self.must_only_read(&run.run, &calls);
            }
            _ => self.must_only_read(&run.run, &calls),
        }
        if self.is_as_stated {
            self.must_be_as_stated(run, ran.code, &calls);
        }
        Ok(ran.code)
    }

    /// The exit code and the number of calls are those that the scenario names.
    fn must_be_as_stated(&mut self, run: &Run, code: Option<i32>, calls: &[Call]) {
        if run.exit.is_some() && run.exit != code {
            self.complain(&format!("`{}` exits with {code:?}, not {:?}", run.run, run.exit));
        }
        for (class, bound) in &run.requests {
            let is_counted = |call: &&Call| call.class == *class || class == ALL;
            let count = calls.iter().filter(is_counted).count();
            if !bound.holds(count) {
                let complaint = format!(
                    "`{}` makes {count} calls of the class {class}, not {bound:?}",
                    run.run
                );
                self.complain(&complaint);
            }
        }
    }

    /// Lets something happen, and takes down what.
    fn event(&mut self, event: &Event) -> Result<(), String> {
        let said = match event {
            Event::Files(number) => {
                let files = self.folder.path.join(format!("files.{number}"));
                self.repository.lay_over(&files, &self.stable)?;
                self.history.note_files(&self.repository);
                format!("files.{number} is laid over the files")
            }
            Event::ByHand(edit) => {
                self.service.edit(edit)?;
                self.hands_off()?;
                let edit = serde_json::to_string(edit).map_err(|error| error.to_string())?;
                format!("by hand: {edit}")
            }
            Event::Advance(span) => {
                let seconds = seconds(span)?;
                self.service.advance(seconds)?;
                self.repository.grow_older(self.runtime, seconds)?;
                format!("{span} go by")
            }
            Event::Lose(Lost::Ledger) => {
                self.repository.lose_ledger()?;
                "the ledger gets lost".to_owned()
            }
            Event::Faults(script) => {
                self.service.set_faults(script)?;
                format!("calls go wrong: {script}")
            }
            Event::Rewrite(rewrite) => {
                self.repository.rewrite(rewrite)?;
                self.history.note_files(&self.repository);
                let from = rewrite.from.as_deref().unwrap_or("everything");
                format!("in {}, in place of {from}: {}", rewrite.file, rewrite.to)
            }
            Event::Cat(path) => {
                let text = self.stable.text(&self.repository.text_of(path)?);
                let _ = writeln!(self.transcript, "$ cat {path}\n{text}");
                return Ok(());
            }
        };
        let _ = writeln!(self.transcript, "# {said}\n");
        Ok(())
    }

    /// Somebody changed the workspace.
    fn hands_off(&mut self) -> Result<(), String> {
        let state = self.service.state()?;
        self.stable.learn(&state);
        self.history.note_hands(&state);
        Ok(())
    }

    /// One more plan finds nothing to do.
    fn must_be_reached(&mut self) -> Result<(), String> {
        let ran = self.repository.run(&Run::of("plan"))?;
        let calls = self.service.calls()?;
        self.must_only_read("one more plan", &calls);
        if ran.code != Some(0) || ran.out.lines().last() != Some("No changes.") {
            self.complain(&format!(
                "one more plan finds something to do, and exits with {:?}:\n{}{}",
                ran.code, ran.out, ran.err
            ));
        }
        Ok(())
    }

    fn must_only_read(&mut self, what: &str, calls: &[Call]) {
        for call in calls.iter().filter(|call| call.method != "GET") {
            self.complain(&format!("`{what}` calls {} {}", call.method, call.path));
        }
    }

    fn complain(&mut self, complaint: &str) {
        self.complaints.push(self.stable.text(complaint));
    }
}

/// Lays keys over keys, maps key by key.
fn lay_over(keys: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (keys.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(value)) => lay_over(below, value),
            _ => {
                keys.insert(key.clone(), value.clone());
            }
        }
    }
}

/// `61d` and `5h` in seconds.
fn seconds(span: &str) -> Result<u32, String> {
    let wrong = || format!("`{span}` is no number of days, as in 61d, nor of hours, as in 5h");
    let (number, unit) = match (span.strip_suffix('d'), span.strip_suffix('h')) {
        (Some(days), _) => (days, 86_400),
        (_, Some(hours)) => (hours, 3_600),
        _ => return Err(wrong()),
    };
    number
        .parse::<u32>()
        .map(|number| number * unit)
        .map_err(|_| wrong())
}
