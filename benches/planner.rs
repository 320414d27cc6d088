//! How long the planner takes on 1,000 declared by 1,000 live segments, and on ten times as many of each: more than
//! twelve times as long would mean that something in it is not linear.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use jiff::Timestamp;
use segctl::definition::{Digest, Identities, print};
use segctl::ledger::{Entry, Ledger};
use segctl::model::{
    AttributeFilter, Condition, DeclaredSegment, Definition, DoubleTest, Filter, Group, GroupOperator,
    Lifecycle, LiveKind, LiveSegment, Number, Observed, Operand, Origin, Policy, Reference, SegmentId,
    SegmentName,
};
use segctl::plan::guard::Allowances;
use segctl::plan::selection::Selection;
use segctl::plan::{Situation, plan};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The least of so many runs: machines are noisy, and noise only adds.
const RUNS: usize = 15;

fn main() {
    let small = measure(1_000);
    let large = measure(10_000);
    println!("1,000 x 1,000         {:8.2} ms", small.as_secs_f64() * 1e3);
    println!("10,000 x 10,000       {:8.2} ms", large.as_secs_f64() * 1e3);
    println!(
        "ratio                 {:8.2}",
        large.as_secs_f64() / small.as_secs_f64()
    );
}

fn measure(count: usize) -> Duration {
    let declared: Vec<DeclaredSegment> = (0..count).map(|number| segment(number, count)).collect();
    let (observed, ledger) = workspace(count);
    let mut policy = Policy::default();
    policy.behaviour.active_limit = 10 * count;
    policy.behaviour.rename_frees_names = true;
    policy.guards.above = usize::MAX;
    let once = || {
        plan(&Situation {
            workspace: "bench",
            declared: &declared,
            observed: &observed,
            ledger: &ledger,
            policy: &policy,
            allowances: Allowances::default(),
            selection: &Selection::default(),
            now: Timestamp::UNIX_EPOCH,
        })
    };
    let steps = once();
    assert!(steps.conflicts.is_empty(), "{:?}", steps.conflicts.first());
    assert!(steps.steps.len() > count / 2, "{}", steps.steps.len());
    let run = |_| {
        let start = Instant::now();
        let plan = black_box(once());
        let elapsed = start.elapsed();
        // Giving the memory back is not planning.
        drop(plan);
        elapsed
    };
    (0..RUNS).map(run).min().unwrap()
}

/// Of ten segments two are new, two swap definitions, one is renamed, one is put away, one is taken out again, three
/// stay; half of them refer to the one before.
fn segment(number: usize, count: usize) -> DeclaredSegment {
    let amount = match number % 10 {
        2 => number + 1,
        3 => number - 1,
        4 => number + 2 * count,
        _ => number,
    };
    let mut filters = vec![spends(amount)];
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
        definition: of(filters),
        origin: Origin {
            file: format!("{number}.yaml"),
            line: 1,
            column: 1,
        },
    }
}

/// As many live segments: some declared, some not.
fn workspace(count: usize) -> (Observed, Ledger) {
    let mut observed = Observed::default();
    let mut ledger = Ledger::default();
    for number in 0..count {
        let id = SegmentId::new(format!("{number:024x}"));
        // What is declared as new is not there; somebody else's segment is instead.
        let (name, amount) = match number % 10 {
            0 | 1 => (SegmentName::new(format!("By hand {number}")), number + count),
            _ => (name(number), number),
        };
        let mut filters = vec![spends(amount)];
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
        let definition = print(&of(filters));
        if number % 10 > 1 && number % 10 != 5 {
            ledger.record(Entry {
                digest: Some(Digest::exact(&definition, &Identities::default()).to_string()),
                definition: Some(definition.clone()),
                ..Entry::new(id.clone(), name.clone(), Timestamp::UNIX_EPOCH)
            });
        }
        let live = LiveSegment {
            id: id.clone(),
            name,
            kind: LiveKind::Filter,
            lifecycle,
            source: None,
            created_time: None,
            listed: lifecycle == Lifecycle::Active,
            read_at: None,
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

fn of(filters: Vec<Filter>) -> Definition {
    Definition {
        included: Group {
            operator: GroupOperator::And,
            filters,
        },
        excluded: None,
    }
}

fn spends(amount: usize) -> Filter {
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
