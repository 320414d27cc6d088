//! Six changes of a workspace in which one call goes wrong, each call in every way, and then two of them: whatever it
//! was, nothing is made twice or lost or touched that is not ours, and two more runs reach what was asked for.

use super::workspace::Workspace;
use segctl::apply::receipt::{StepReport, StepOutcome, RunReport};
use segctl::model::{
    AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, Number, Operand, Origin, Payload, Reference, SegmentName,
};
use segctl::sandbox::{RateLimitMode, SandboxSettings};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Every way in which a call goes wrong.
fn faults() -> Vec<Value> {
    let mut faults = vec![
        json!({"rate_limited": {"reset_in": 30}}),
        json!("active_limit"),
        json!("truncated"),
        json!("garbage"),
        json!("replayed_post"),
        json!({"stale_list": {"missing_last": 1}}),
    ];
    for when in ["before", "after"] {
        faults.push(json!({"status": {"code": 500, "when": when}}));
        faults.push(json!({"status": {"code": 503, "when": when}}));
        faults.push(json!({"reset": {"when": when}}));
        faults.push(json!({"slow": {"milliseconds": 70_000, "when": when}}));
    }
    faults
}

fn segment(name: &str, amount: f64) -> DeclaredSegment {
    let test = DoubleTest::GreaterThan(Operand::Fixed(Number::new(amount).unwrap()));
    let filter = AttributeFilter {
        name: "spend".to_owned(),
        category: None,
        condition: Condition::Double { negate: false, test },
    };
    DeclaredSegment {
        name: SegmentName::new(name),
        id: None,
        previous_names: Vec::new(),
        protect: false,
        lifecycle: Lifecycle::Active,
        contents: Contents::Filter(Definition {
            included: Group {
                operator: GroupOperator::And,
                filters: vec![Filter::Attribute(filter)],
            },
            excluded: None,
        }),
        origin: Origin {
            file: format!("{name}.yaml"),
            line: 1,
            column: 1,
        },
    }
}

fn member_of(mut segment: DeclaredSegment, other: &str) -> DeclaredSegment {
    let reference = Reference::Name(SegmentName::new(other));
    let Contents::Filter(definition) = &mut segment.contents else {
        return segment;
    };
    definition.included.filters.push(Filter::Reference(reference));
    segment
}

fn renamed(mut segment: DeclaredSegment, before: &str) -> DeclaredSegment {
    segment.previous_names.push(SegmentName::new(before));
    segment
}

fn archived(mut segment: DeclaredSegment) -> DeclaredSegment {
    segment.lifecycle = Lifecycle::Archived;
    segment
}

/// What was declared, what somebody made by hand, and what is declared then.
struct Scenario {
    name: &'static str,
    before: Vec<DeclaredSegment>,
    /// Names, amounts, and whether they are archived.
    by_hand: Vec<(&'static str, f64, bool)>,
    after: Vec<DeclaredSegment>,
}

fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "new ones, one of the other",
            before: vec![],
            by_hand: vec![],
            after: vec![
                segment("A", 1.0),
                member_of(segment("B", 2.0), "A"),
                segment("C", 3.0),
            ],
        },
        Scenario {
            name: "changed, removed and archived",
            before: vec![segment("A", 1.0), segment("B", 2.0), segment("C", 3.0)],
            by_hand: vec![],
            after: vec![segment("A", 10.0), archived(segment("C", 3.0))],
        },
        Scenario {
            name: "three that hand their definitions round",
            before: vec![segment("A", 1.0), segment("B", 2.0), segment("C", 3.0)],
            by_hand: vec![],
            after: vec![segment("A", 2.0), segment("B", 3.0), segment("C", 1.0)],
        },
        Scenario {
            name: "two that exchange their names, and one that takes a name",
            before: vec![segment("A", 1.0), segment("B", 2.0), segment("C", 3.0)],
            by_hand: vec![],
            after: vec![
                renamed(segment("A", 2.0), "B"),
                renamed(segment("B", 1.0), "A"),
                renamed(segment("D", 3.0), "C"),
                segment("C", 4.0),
            ],
        },
        Scenario {
            name: "taken out and changed, and put away what referred to it",
            before: vec![
                archived(segment("A", 1.0)),
                segment("B", 2.0),
                member_of(segment("C", 3.0), "B"),
            ],
            by_hand: vec![],
            after: vec![segment("A", 10.0), segment("B", 2.0), archived(segment("C", 4.0))],
        },
        Scenario {
            name: "adopted, one of them hidden",
            before: vec![],
            by_hand: vec![("A", 1.0, false), ("B", 2.0, true)],
            after: vec![segment("A", 10.0), segment("B", 20.0)],
        },
    ]
}

/// A segment as it is at the service: its name, whether it is archived, and its definition.
type Live = (String, bool, Value);

/// What is live, without ids: they are others when segments are made in another order.
type State = BTreeSet<(String, bool, String)>;

fn named(live: &BTreeMap<String, Live>) -> State {
    let in_names = |definition: &Value| {
        live.iter()
            .fold(definition.to_string(), |text, (id, (name, ..))| {
                text.replace(id, name)
            })
    };
    let segments = live.values();
    segments
        .map(|(name, is_archived, definition)| (name.clone(), *is_archived, in_names(definition)))
        .collect()
}

struct World {
    workspace: Workspace,
    stranger: String,
}

impl World {
    async fn of(scenario: &Scenario) -> Self {
        let workspace = Workspace::new(SandboxSettings {
            rate_limits: RateLimitMode::Off,
            rename_frees_old_name: true,
            ..SandboxSettings::default()
        });
        let made = by_hand(&workspace, "Stranger", 99.0, false);
        let stranger = made["data"]["id"].as_str().unwrap().to_owned();
        for (name, amount, is_archived) in &scenario.by_hand {
            by_hand(&workspace, name, *amount, *is_archived);
        }
        let world = Self { workspace, stranger };
        // What is archived has to be there first.
        let mut active = scenario.before.clone();
        active
            .iter_mut()
            .for_each(|segment| segment.lifecycle = Lifecycle::Active);
        for declared in [&active, &scenario.before] {
            assert!(
                world.run(declared).await.unwrap().is_complete(),
                "{}",
                scenario.name
            );
        }
        world
    }

    /// Plans and applies; `None` where a call of the plan failed.
    async fn run(&self, declared: &[DeclaredSegment]) -> Option<RunReport> {
        let observed = self.workspace.try_observe(declared).await.ok()?;
        let plan = self.workspace.plan_of(declared, &observed);
        assert!(plan.conflicts.is_empty(), "{:?}", plan.conflicts);
        Some(self.workspace.apply(&plan).await)
    }

    fn live(&self) -> BTreeMap<String, Live> {
        let state = self.workspace.state();
        let segments = state["segments"].as_object().unwrap();
        let live = |segment: &Value| {
            let contents = &segment["contents"]["filters"];
            let definition = json!([contents["included"], contents["excluded"]]);
            let name = segment["name"].as_str().unwrap().to_owned();
            (name, !segment["archived"].is_null(), definition)
        };
        segments
            .iter()
            .map(|(id, segment)| (id.clone(), live(segment)))
            .collect()
    }

    /// Whether a definition is in the workspace or in the ledger.
    fn has(&self, definition: &Payload) -> bool {
        let live = self.live();
        let ledger = self.workspace.ledger();
        let kept = ledger.all_entries().flat_map(|entry| {
            let replaced = entry.revisions.iter().map(|replaced| &replaced.definition);
            replaced.chain(&entry.definition)
        });
        let amount = amount(&definition.included_filters);
        live.values().any(|(_, _, live)| self::amount(&live[0]) == amount)
            || kept
                .into_iter()
                .any(|kept| self::amount(&kept.included_filters) == amount)
    }
}

fn by_hand(workspace: &Workspace, name: &str, amount: f64, is_archived: bool) -> Value {
    let filter = json!({"filter_type": "user_attributes", "name": "spend", "data_type": "double",
                        "operator": "greaterThan", "value": amount, "negate": false});
    workspace.by_hand(&json!({
        "name": name,
        "archived": is_archived,
        "included_filters": {"filter_operator": "and", "filters": [filter]},
    }))
}

/// What tells the definitions here apart.
fn amount(group: &Value) -> Option<i64> {
    let filters = group["filters"].as_array()?;
    filters
        .iter()
        .find_map(|filter| {
            filter["value"]
                .as_f64()
                .or_else(|| amount(filter).map(|amount| amount as f64))
        })
        .map(|amount| amount as i64)
}

/// Runs a scenario with these faults, and then without; how many calls the first run made.
async fn survives(scenario: &Scenario, faults: &[Value], expected: Option<&State>) -> (usize, State) {
    let what = format!("{}: {}", scenario.name, json!(faults));
    let world = World::of(scenario).await;
    let before = world.live();
    let calls = world.workspace.log().len();
    world.workspace.set_faults(&json!(faults));
    let receipt = world.run(&scenario.after).await;
    let calls = world.workspace.log().len() - calls;
    world.workspace.set_faults(&json!([]));
    if let Some(receipt) = &receipt {
        is_true((receipt, scenario), &world, &what);
    }
    for _ in 0..2 {
        let receipt = world.run(&scenario.after).await.unwrap();
        if receipt.steps.is_empty() {
            break;
        }
    }
    let writes = world.workspace.log().len();
    let last = world.run(&scenario.after).await.unwrap();
    assert!(last.steps.is_empty(), "{what}: {:?}", last.steps);
    let only_read = world.workspace.log()[writes..]
        .iter()
        .all(|entry| entry.method == "GET");
    assert!(only_read, "{what}");
    let after = world.live();
    assert_eq!(after[&world.stranger], before[&world.stranger], "{what}");
    for (id, (name, _, definition)) in &before {
        let definition = Payload {
            included_filters: definition[0].clone(),
            excluded_filters: None,
        };
        assert!(
            world.has(&definition),
            "{what}: the definition of {name} ({id}) is lost"
        );
    }
    let state = named(&after);
    if let Some(expected) = expected {
        assert_eq!(&state, expected, "{what}");
    }
    (calls, state)
}

/// What the receipt says of a segment that was to be made is so.
fn is_true((receipt, scenario): (&RunReport, &Scenario), world: &World, what: &str) {
    let live = world.live();
    let declared = |entry: &StepReport| {
        let declared = scenario
            .after
            .iter()
            .find(|segment| segment.name == entry.segment)?;
        let definition = declared.contents.definition()?;
        definition
            .included
            .filters
            .iter()
            .find_map(|filter| match filter {
                Filter::Attribute(AttributeFilter {
                    condition:
                        Condition::Double {
                            test: DoubleTest::GreaterThan(Operand::Fixed(number)),
                            ..
                        },
                    ..
                }) => number.to_json().as_f64().map(|number| number as i64),
                _ => None,
            })
    };
    for entry in receipt.steps.iter().filter(|entry| entry.action == "create") {
        let mut made = live
            .values()
            .filter(|(_, _, definition)| amount(&definition[0]) == declared(entry));
        let is_there = made.any(|(name, is_archived, _)| name == entry.segment.as_str() && !is_archived);
        match &entry.outcome {
            StepOutcome::Applied { .. } | StepOutcome::Unchanged { .. } => assert!(is_there, "{what}: {entry:?}"),
            StepOutcome::Failed { .. } | StepOutcome::Skipped(_) | StepOutcome::NotAttempted => {
                assert!(!is_there, "{what}: {entry:?}");
            }
            _ => {}
        }
    }
}

fn at(call: usize, fault: &Value) -> Value {
    json!({"on": {"nth": call}, "fault": fault})
}

#[tokio::test]
async fn every_call_goes_wrong_once_in_every_way() {
    let mut runs = 0;
    for scenario in scenarios() {
        let (calls, expected) = survives(&scenario, &[], None).await;
        for call in 1..=calls {
            for fault in faults() {
                survives(&scenario, &[at(call, &fault)], Some(&expected)).await;
                runs += 1;
            }
        }
    }
    assert!(runs > 600, "only {runs} runs");
}

#[tokio::test]
async fn two_calls_go_wrong_in_any_two_ways() {
    const RUNS: usize = 2000;
    let scenarios = scenarios();
    let mut clean = Vec::new();
    for scenario in &scenarios {
        clean.push(survives(scenario, &[], None).await);
    }
    let faults = faults();
    // Steps that share no factor with what they go through reach every pair in the end.
    let mut state: usize = 1;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for run in 0..RUNS {
        let (scenario, (calls, expected)) = (&scenarios[run % scenarios.len()], &clean[run % clean.len()]);
        let pair: Vec<Value> = (0..2)
            .map(|_| at(1 + next(calls + 4), &faults[next(faults.len())]))
            .collect();
        survives(scenario, &pair, Some(expected)).await;
    }
}
