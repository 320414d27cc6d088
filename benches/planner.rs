//! How long the planner takes on 1,000 declared by 1,000 live segments, and on ten times as many of each: more than
//! twelve times as long would mean that something in it is not linear. The definitions are those of the examples, in
//! turn, so that their size is that of definitions that people write.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use jiff::Timestamp;
use segctl::config::load;
use segctl::config::settings::ProjectSettings;
use segctl::definition::{Digest, Identities, encode};
use segctl::model::{
    AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, Number, ObservedSegment, ObservedWorkspace, Operand, Origin, Policy, Reference,
    RemoteKind, SegmentId, SegmentName,
};
use segctl::plan::cohorts::ComparedLists;
use segctl::plan::guards::Overrides;
use segctl::plan::targeting::Selection;
use segctl::plan::{PlanInput, plan};
use segctl::state::{State, StateEntry};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The least of so many runs: machines are noisy, and noise only adds.
const RUNS: usize = 15;

/// Ten times the segments may take so many times as long.
const MAX_RATIO: f64 = 12.0;

/// A machine that is busy with something else while one of the two is measured is given another chance.
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    let audiences = example_audiences();
    let (mut small, mut large) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        small = small.min(measure(1_000, &audiences).as_secs_f64());
        large = large.min(measure(10_000, &audiences).as_secs_f64());
        if large <= MAX_RATIO * small {
            break;
        }
    }
    println!("1,000 x 1,000         {:8.2} ms", small * 1e3);
    println!("10,000 x 10,000       {:8.2} ms", large * 1e3);
    println!("ratio                 {:8.2}", large / small);
    if large <= MAX_RATIO * small {
        return ExitCode::SUCCESS;
    }
    println!("the ratio must not be over {MAX_RATIO}");
    ExitCode::FAILURE
}

/// What the examples include that refer to no other segment.
fn example_audiences() -> Vec<Group> {
    let settings = ProjectSettings {
        segments: vec!["examples/segments".to_owned()],
        default_workspace: None,
        workspaces: BTreeMap::new(),
    };
    let shown = |path: &Path| path.display().to_string();
    let loaded = load(&settings, Path::new(env!("CARGO_MANIFEST_DIR")), &shown);
    let definitions = loaded
        .declarations
        .into_iter()
        .filter_map(|declaration| declaration.segment.contents.definition().cloned());
    let alone = definitions.filter(|definition| definition.references().is_empty());
    let audiences: Vec<Group> = alone.map(|definition| definition.included).collect();
    assert!(audiences.len() > 10, "{}", audiences.len());
    audiences
}

fn measure(count: usize, audiences: &[Group]) -> Duration {
    let declared: Vec<DeclaredSegment> = (0..count)
        .map(|number| segment(number, count, audiences))
        .collect();
    let (observed, ledger) = remote_and_state(count, audiences);
    let mut policy = Policy::default();
    policy.api_behavior.active_limit = 10 * count;
    policy.api_behavior.rename_frees_names = true;
    policy.guards.min_segments = usize::MAX;
    let once = || {
        plan(&PlanInput {
            workspace: "bench",
            declared: &declared,
            observed: &observed,
            state: &ledger,
            compared_lists: &ComparedLists::default(),
            policy: &policy,
            overrides: Overrides::default(),
            selection: &Selection::default(),
            now: Timestamp::UNIX_EPOCH,
        })
    };
    let steps = once();
    assert!(steps.conflicts.is_empty(), "{:?}", steps.conflicts.first());
    assert!(steps.steps.len() > count / 2, "{}", steps.steps.len());
    let run = |_| {
        let start = CpuTimer::now();
        let plan = black_box(once());
        let elapsed = start.elapsed();
        // Giving the memory back is not planning.
        drop(plan);
        elapsed
    };
    (0..RUNS).map(run).min().unwrap()
}

/// When a run began. Where the system counts how long this thread is on a processor, that is taken: what else the machine
/// is busy with costs a long run more than a short one.
struct CpuTimer {
    clock: Instant,
    cpu_time: Option<Duration>,
}

impl CpuTimer {
    fn now() -> Self {
        Self {
            clock: Instant::now(),
            cpu_time: thread_cpu_time(),
        }
    }

    fn elapsed(&self) -> Duration {
        let elapsed = self.clock.elapsed();
        let busy = thread_cpu_time().zip(self.cpu_time);
        busy.map_or(elapsed, |(now, then)| now.saturating_sub(then))
    }
}

/// How long this thread was on a processor so far, as Linux tells.
fn thread_cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds)).filter(|busy| !busy.is_zero())
}

/// Of ten segments two are new, two swap definitions, one is renamed, one is put away, one is taken out again, three
/// stay; half of them refer to the one before.
fn segment(number: usize, count: usize, audiences: &[Group]) -> DeclaredSegment {
    let amount = match number % 10 {
        2 => number + 1,
        3 => number - 1,
        4 => number + 2 * count,
        _ => number,
    };
    let mut filters = audience(amount, audiences);
    if number % 2 == 1 && !matches!(number % 10, 3 | 7) {
        filters.push(Filter::Reference(Reference::Name(name(number - 1))));
    }
    DeclaredSegment {
        name: if number % 10 == 5 {
            renamed(number)
        } else {
            name(number)
        },
        id: None,
        previous_names: if number % 10 == 5 {
            vec![name(number)]
        } else {
            Vec::new()
        },
        lifecycle: if number % 10 == 7 {
            Lifecycle::Archived
        } else {
            Lifecycle::Active
        },
        protect: false,
        contents: Contents::Filter(definition_of(filters)),
        origin: Origin {
            file: format!("{number}.yaml"),
            line: 1,
            column: 1,
        },
    }
}

/// As many live segments: some declared, some not.
fn remote_and_state(count: usize, audiences: &[Group]) -> (ObservedWorkspace, State) {
    let mut observed = ObservedWorkspace::default();
    let mut ledger = State::default();
    for number in 0..count {
        let id = SegmentId::new(format!("{number:024x}"));
        // What is declared as new is not there; somebody else's segment is instead.
        let (name, amount) = match number % 10 {
            0 | 1 => (SegmentName::new(format!("By hand {number}")), number + count),
            _ => (name(number), number),
        };
        let mut filters = audience(amount, audiences);
        if number % 10 == 9 {
            filters.push(Filter::Reference(Reference::Id {
                id: SegmentId::new(format!("{:024x}", number - 1)),
                label: None,
            }));
        }
        let lifecycle = if number % 10 == 8 {
            Lifecycle::Archived
        } else {
            Lifecycle::Active
        };
        let definition = encode(&definition_of(filters));
        if number % 10 > 1 && number % 10 != 5 {
            ledger.record(StateEntry {
                digest: Some(Digest::exact(&definition, &Identities::default()).to_string()),
                definition: Some(definition.clone()),
                ..StateEntry::new(id.clone(), name.clone(), Timestamp::UNIX_EPOCH)
            });
        }
        let live = ObservedSegment {
            id: id.clone(),
            name,
            kind: RemoteKind::Filter,
            lifecycle,
            source: None,
            created_time: None,
            listed: lifecycle == Lifecycle::Active,
            fetched_at: None,
            applied_before_fetch_at: None,
            definition: Some(definition),
        };
        observed.segments.insert(id, live);
    }
    (observed, ledger)
}

fn name(number: usize) -> SegmentName {
    SegmentName::new(format!("Segment {number}"))
}

fn renamed(number: usize) -> SegmentName {
    SegmentName::new(format!("Renamed {number}"))
}

fn definition_of(filters: Vec<Filter>) -> Definition {
    Definition {
        included: Group {
            operator: GroupOperator::And,
            filters,
        },
        excluded: None,
    }
}

/// An example's audience, as far as it spends more than so much: no two are the same.
fn audience(amount: usize, audiences: &[Group]) -> Vec<Filter> {
    let audience = audiences.get(amount % audiences.len()).unwrap().clone();
    vec![spend_above(amount), Filter::Nested(audience)]
}

fn spend_above(amount: usize) -> Filter {
    let amount = f64::from(u32::try_from(amount).unwrap());
    Filter::Attribute(AttributeFilter {
        name: "spend".to_owned(),
        category: Some("Tracked".to_owned()),
        condition: Condition::Double {
            negate: false,
            test: DoubleTest::GreaterThan(Operand::Fixed(Number::new(amount).unwrap())),
        },
    })
}
