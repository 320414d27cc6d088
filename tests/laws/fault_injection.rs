//! Six changes of a workspace in which one call goes wrong, each call in every way, and then two of them: whatever it
//! was, nothing is made twice or lost or touched that is not ours, and two more runs reach what was asked for.

use super::test_workspace::TestWorkspace;
use segctl::apply::run_report::{RunReport, StepOutcome, StepReport};
use segctl::model::{
    AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, Number, Operand, Origin, Payload, Reference, SegmentName,
};
use segctl::sandbox::{RateLimitMode, SandboxSettings};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Every way in which a call goes wrong.
fn request_faults() -> Vec<Value> {
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

fn with_reference_to(mut segment: DeclaredSegment, other: &str) -> DeclaredSegment {
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
struct FaultScenario {
    name: &'static str,
    before: Vec<DeclaredSegment>,
    /// Names, amounts, and whether they are archived.
    external: Vec<(&'static str, f64, bool)>,
    after: Vec<DeclaredSegment>,
}

fn scenarios() -> Vec<FaultScenario> {
    vec![
        FaultScenario {
            name: "new ones, one of the other",
            before: vec![],
            external: vec![],
            after: vec![
                segment("A", 1.0),
                with_reference_to(segment("B", 2.0), "A"),
                segment("C", 3.0),
            ],
        },
        FaultScenario {
            name: "changed, removed and archived",
            before: vec![segment("A", 1.0), segment("B", 2.0), segment("C", 3.0)],
            external: vec![],
            after: vec![segment("A", 10.0), archived(segment("C", 3.0))],
        },
        FaultScenario {
            name: "three that hand their definitions round",
            before: vec![segment("A", 1.0), segment("B", 2.0), segment("C", 3.0)],
            external: vec![],
            after: vec![segment("A", 2.0), segment("B", 3.0), segment("C", 1.0)],
        },
        FaultScenario {
            name: "two that exchange their names, and one that takes a name",
            before: vec![segment("A", 1.0), segment("B", 2.0), segment("C", 3.0)],
            external: vec![],
            after: vec![
                renamed(segment("A", 2.0), "B"),
                renamed(segment("B", 1.0), "A"),
                renamed(segment("D", 3.0), "C"),
                segment("C", 4.0),
            ],
        },
        FaultScenario {
            name: "taken out and changed, and put away what referred to it",
            before: vec![
                archived(segment("A", 1.0)),
                segment("B", 2.0),
                with_reference_to(segment("C", 3.0), "B"),
            ],
            external: vec![],
            after: vec![segment("A", 10.0), segment("B", 2.0), archived(segment("C", 4.0))],
        },
        FaultScenario {
            name: "adopted, one of them hidden",
            before: vec![],
            external: vec![("A", 1.0, false), ("B", 2.0, true)],
            after: vec![segment("A", 10.0), segment("B", 20.0)],
        },
    ]
}

/// A segment as it is at the service: its name, whether it is archived, and its definition.
type SegmentState = (String, bool, Value);

/// What is live, without ids: they are others when segments are made in another order.
type NamedSegments = BTreeSet<(String, bool, String)>;

fn by_name(live: &BTreeMap<String, SegmentState>) -> NamedSegments {
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

struct FaultWorkspace {
    workspace: TestWorkspace,
    unmanaged_id: String,
}

impl FaultWorkspace {
    async fn for_scenario(scenario: &FaultScenario) -> Self {
        let workspace = TestWorkspace::new(SandboxSettings {
            rate_limits: RateLimitMode::Off,
            rename_frees_old_name: true,
            ..SandboxSettings::default()
        });
        let made = create_externally(&workspace, "Stranger", 99.0, false);
        let stranger = made["data"]["id"].as_str().unwrap().to_owned();
        for (name, amount, is_archived) in &scenario.external {
            create_externally(&workspace, name, *amount, *is_archived);
        }
        let world = Self {
            workspace,
            unmanaged_id: stranger,
        };
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
        let plan = self.workspace.plan_from(declared, &observed);
        assert!(plan.conflicts.is_empty(), "{:?}", plan.conflicts);
        Some(self.workspace.apply(&plan).await)
    }

    fn remote_segments(&self) -> BTreeMap<String, SegmentState> {
        let state = self.workspace.sandbox_state();
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
    fn preserves(&self, definition: &Payload) -> bool {
        let live = self.remote_segments();
        let ledger = self.workspace.stored_state();
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

fn create_externally(workspace: &TestWorkspace, name: &str, amount: f64, is_archived: bool) -> Value {
    let filter = json!({"filter_type": "user_attributes", "name": "spend", "data_type": "double",
                        "operator": "greaterThan", "value": amount, "negate": false});
    workspace.edit_in_dashboard(&json!({
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
async fn require_recovery(
    scenario: &FaultScenario,
    faults: &[Value],
    expected: Option<&NamedSegments>,
) -> (usize, NamedSegments) {
    let what = format!("{}: {}", scenario.name, json!(faults));
    let world = FaultWorkspace::for_scenario(scenario).await;
    let before = world.remote_segments();
    let calls = world.workspace.request_log().len();
    world.workspace.set_faults(&json!(faults));
    let receipt = world.run(&scenario.after).await;
    let calls = world.workspace.request_log().len() - calls;
    world.workspace.set_faults(&json!([]));
    if let Some(receipt) = &receipt {
        require_report_correct((receipt, scenario), &world, &what);
    }
    for _ in 0..2 {
        let receipt = world.run(&scenario.after).await.unwrap();
        if receipt.steps.is_empty() {
            break;
        }
    }
    let writes = world.workspace.request_log().len();
    let last = world.run(&scenario.after).await.unwrap();
    assert!(last.steps.is_empty(), "{what}: {:?}", last.steps);
    let only_read = world.workspace.request_log()[writes..]
        .iter()
        .all(|entry| entry.method == "GET");
    assert!(only_read, "{what}");
    let after = world.remote_segments();
    assert_eq!(after[&world.unmanaged_id], before[&world.unmanaged_id], "{what}");
    for (id, (name, _, definition)) in &before {
        let definition = Payload {
            included_filters: definition[0].clone(),
            excluded_filters: None,
        };
        assert!(
            world.preserves(&definition),
            "{what}: the definition of {name} ({id}) is lost"
        );
    }
    let state = by_name(&after);
    if let Some(expected) = expected {
        assert_eq!(&state, expected, "{what}");
    }
    (calls, state)
}

/// What the receipt says of a segment that was to be made is so.
fn require_report_correct(
    (receipt, scenario): (&RunReport, &FaultScenario),
    world: &FaultWorkspace,
    what: &str,
) {
    let live = world.remote_segments();
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
            StepOutcome::Applied { .. } | StepOutcome::Unchanged { .. } => {
                assert!(is_there, "{what}: {entry:?}")
            }
            StepOutcome::Failed { .. } | StepOutcome::Skipped(_) | StepOutcome::NotAttempted => {
                assert!(!is_there, "{what}: {entry:?}");
            }
            _ => {}
        }
    }
}

fn fault_at_request(call: usize, fault: &Value) -> Value {
    json!({"on": {"nth": call}, "fault": fault})
}

#[tokio::test]
async fn one_fault_in_any_request_is_recovered() {
    let mut runs = 0;
    for scenario in scenarios() {
        let (calls, expected) = require_recovery(&scenario, &[], None).await;
        for call in 1..=calls {
            for fault in request_faults() {
                require_recovery(&scenario, &[fault_at_request(call, &fault)], Some(&expected)).await;
                runs += 1;
            }
        }
    }
    assert!(runs > 600, "only {runs} runs");
}

#[tokio::test]
async fn two_faults_in_any_requests_are_recovered() {
    const RUNS: usize = 2000;
    let scenarios = scenarios();
    let mut clean = Vec::new();
    for scenario in &scenarios {
        clean.push(require_recovery(scenario, &[], None).await);
    }
    let faults = request_faults();
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
            .map(|_| fault_at_request(1 + next(calls + 4), &faults[next(faults.len())]))
            .collect();
        require_recovery(scenario, &pair, Some(expected)).await;
    }
}
