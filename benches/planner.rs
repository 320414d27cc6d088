//! The time of the planner for 1,000 declared and 1,000 remote segments, and for 10,000 of each.
//!
//! It fails if the second plan takes more than twelve times as long: then a part of the planner is not linear. The
//! definitions come from the examples, so their size is realistic.

#![expect(clippy::unwrap_used, reason = "a failing benchmark may panic")]

mod figures;

use figures::{Figures, milliseconds, ratio};
use jiff::Timestamp;
use segctl::config::load;
use segctl::config::settings::ProjectSettings;
use segctl::definition::encode;
use segctl::model::{
    AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, Number, ObservedSegment, ObservedWorkspace, Operand, Origin, Policy, Reference,
    RemoteKind, SegmentId, SegmentName, StoredDefinition,
};
use segctl::plan::compared_lists::ComparedLists;
use segctl::plan::guards::Overrides;
use segctl::plan::targeting::Selection;
use segctl::plan::{PlanInput, plan};
use segctl::state::{State, StateEntry};
use serde_json::Value;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The shortest of so many runs counts, because noise only adds time.
const RUNS: usize = 15;

/// Ten times as many segments may take so many times as long.
const MAX_RATIO: f64 = 12.0;

/// Repeats the measurement if other load on the machine distorted it.
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    let audiences = example_audiences();
    let (mut small, mut large) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        small = small.min(measure(1_000, &audiences));
        large = large.min(measure(10_000, &audiences));
        if ratio(large, small) <= MAX_RATIO {
            break;
        }
    }
    let mut figures = Figures::default();
    figures.show("1,000 x 1,000, ms", milliseconds(small));
    figures.show("10,000 x 10,000, ms", milliseconds(large));
    figures.check("10,000 to 1,000", ratio(large, small), MAX_RATIO);
    figures.exit_code()
}

/// The included filters of all examples without references.
fn example_audiences() -> Vec<Value> {
    let settings = ProjectSettings {
        segments: vec!["examples/segments".to_owned()],
        default_workspace: None,
        workspaces: BTreeMap::new(),
    };
    let display = |path: &Path| path.display().to_string();
    let loaded = load(&settings, Path::new(env!("CARGO_MANIFEST_DIR")), &display);
    let definitions = loaded
        .declarations
        .into_iter()
        .filter_map(|declaration| declaration.segment.contents.definition().cloned());
    let unreferencing = definitions.filter(|definition| definition.referenced_ids().next().is_none());
    let audiences: Vec<Value> = unreferencing
        .map(|definition| definition.included_filters.clone())
        .collect();
    assert!(audiences.len() > 10, "{}", audiences.len());
    audiences
}

fn measure(count: usize, audiences: &[Value]) -> Duration {
    let declared: Vec<DeclaredSegment> = (0..count)
        .map(|number| segment(number, count, audiences))
        .collect();
    let (observed, state) = remote_and_state(count, audiences);
    let mut policy = Policy::default();
    policy.api_behavior.active_limit = 10 * count;
    policy.api_behavior.rename_frees_names = true;
    policy.guards.min_segments = usize::MAX;
    let plan_once = || {
        plan(&PlanInput {
            workspace: "bench",
            endpoint: "MoEngage DC 01",
            declared: &declared,
            observed: &observed,
            state: &state,
            compared_lists: &ComparedLists::default(),
            policy: &policy,
            overrides: Overrides::default(),
            selection: &Selection::default(),
            now: Timestamp::UNIX_EPOCH,
        })
    };
    let first = plan_once();
    assert!(first.conflicts.is_empty(), "{:?}", first.conflicts.first());
    assert!(first.steps.len() > count / 2, "{}", first.steps.len());
    let run = |_| {
        let start = CpuTimer::now();
        let plan = black_box(plan_once());
        let elapsed = start.elapsed();
        // The measured time does not include freeing the memory.
        drop(plan);
        elapsed
    };
    (0..RUNS).map(run).min().unwrap()
}

/// The start of a run. On Linux it measures the thread's CPU time: other load slows a long run more than a short one.
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

/// The CPU time of this thread; `None` except on Linux.
fn thread_cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds)).filter(|busy| !busy.is_zero())
}

/// Of ten segments two are created, two swap definitions, one is updated, one is renamed, one is archived, one is
/// unarchived, and two stay. Half of them refer to the one before.
fn segment(number: usize, count: usize, audiences: &[Value]) -> DeclaredSegment {
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
        contents: Contents::from(definition_of(filters)),
        origin: Origin {
            file: format!("{number}.yaml"),
            line: 1,
            column: 1,
        },
        reference_origins: BTreeMap::new(),
    }
}

/// As many remote segments, some of them undeclared.
fn remote_and_state(count: usize, audiences: &[Value]) -> (ObservedWorkspace, State) {
    let mut observed = ObservedWorkspace::default();
    let mut state = State::default();
    for number in 0..count {
        let id = SegmentId::new(format!("{number:024x}"));
        // An unmanaged segment takes the place of each new declared one.
        let (name, amount) = match number % 10 {
            0 | 1 => (SegmentName::new(format!("Unmanaged {number}")), number + count),
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
        let definition = StoredDefinition::from(encode(&definition_of(filters)));
        if number % 10 > 1 && number % 10 != 5 {
            state.record(StateEntry {
                digest: Some(definition.facts().digests.exact.to_string()),
                definition: Some(definition.clone()),
                ..StateEntry::new(id.clone(), name.clone(), Timestamp::UNIX_EPOCH)
            });
        }
        let remote = ObservedSegment {
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
        observed.segments.insert(id, remote);
    }
    (observed, state)
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

/// An example's filters and a spend above `amount`, so that every definition is unique.
fn audience(amount: usize, audiences: &[Value]) -> Vec<Filter> {
    let mut audience = audiences.get(amount % audiences.len()).unwrap().clone();
    audience["filter_type"] = "nested_filters".into();
    vec![spend_above(amount), Filter::Raw(audience)]
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
