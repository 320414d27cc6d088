//! Six changes of a workspace, with one fault in each request, and with two faults in random requests.
//! No fault creates a duplicate, loses a definition or changes an unmanaged segment. Two more runs converge.

use super::test_workspace::TestWorkspace;
use segctl::apply::run_report::{RunReport, StepOutcome, StepReport};
use segctl::model::{
    AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, Number, Operand, Origin, Payload, Reference, SegmentName,
};
use segctl::sandbox::{RateLimitMode, SandboxSettings};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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
        contents: Contents::from(Definition {
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
        reference_origins: BTreeMap::new(),
    }
}

fn with_reference_to(mut segment: DeclaredSegment, other: &str) -> DeclaredSegment {
    let reference = Reference::Name(SegmentName::new(other));
    let Contents::Filter(definition) = &mut segment.contents else {
        return segment;
    };
    let mut payload = definition.encoded.payload().clone();
    let filters = payload.included_filters["filters"].as_array_mut().unwrap();
    filters.push(json!({"filter_type": "custom_segments", "name": other}));
    definition.encoded = payload.into();
    definition.references.push(reference);
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
            name: "creates, one with a reference",
            before: vec![],
            external: vec![],
            after: vec![
                segment("A", 1.0),
                with_reference_to(segment("B", 2.0), "A"),
                segment("C", 3.0),
            ],
        },
        FaultScenario {
            name: "update, removal and archive",
            before: vec![segment("A", 1.0), segment("B", 2.0), segment("C", 3.0)],
            external: vec![],
            after: vec![segment("A", 10.0), archived(segment("C", 3.0))],
        },
        FaultScenario {
            name: "three segments rotate their definitions",
            before: vec![segment("A", 1.0), segment("B", 2.0), segment("C", 3.0)],
            external: vec![],
            after: vec![segment("A", 2.0), segment("B", 3.0), segment("C", 1.0)],
        },
        FaultScenario {
            name: "two segments swap names, and a third name is reused",
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
            name: "unarchive with a change, and archive of a referring segment",
            before: vec![
                archived(segment("A", 1.0)),
                segment("B", 2.0),
                with_reference_to(segment("C", 3.0), "B"),
            ],
            external: vec![],
            after: vec![segment("A", 10.0), segment("B", 2.0), archived(segment("C", 4.0))],
        },
        FaultScenario {
            name: "adoption, one segment hidden",
            before: vec![],
            external: vec![("A", 1.0, false), ("B", 2.0, true)],
            after: vec![segment("A", 10.0), segment("B", 20.0)],
        },
    ]
}

/// Name, whether it is archived, and definition.
type SegmentState = (String, bool, Value);

/// The remote segments without ids, which depend on the order of creation.
type NamedSegments = BTreeSet<(String, bool, String)>;

fn by_name(remote: &BTreeMap<String, SegmentState>) -> NamedSegments {
    let in_names = |definition: &Value| {
        remote
            .iter()
            .fold(definition.to_string(), |text, (id, (name, ..))| {
                text.replace(id, name)
            })
    };
    let segments = remote.values();
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
        let created = create_externally(&workspace, "Unmanaged", 99.0, false);
        let unmanaged_id = created["data"]["id"].as_str().unwrap().to_owned();
        for (name, amount, is_archived) in &scenario.external {
            create_externally(&workspace, name, *amount, *is_archived);
        }
        let setup = Self {
            workspace,
            unmanaged_id,
        };
        // A segment has to exist before it can be archived.
        let mut active = scenario.before.clone();
        active
            .iter_mut()
            .for_each(|segment| segment.lifecycle = Lifecycle::Active);
        for declared in [&active, &scenario.before] {
            assert!(
                setup.run(declared).await.unwrap().is_complete(),
                "{}",
                scenario.name
            );
        }
        setup
    }

    /// Plans and applies; `None` if a request of the plan failed.
    async fn run(&self, declared: &[DeclaredSegment]) -> Option<RunReport> {
        let observed = self.workspace.try_observe(declared).await.ok()?;
        let plan = self.workspace.plan_from(declared, &observed);
        assert!(plan.conflicts.is_empty(), "{:?}", plan.conflicts);
        Some(self.workspace.apply(&plan).await)
    }

    fn remote_segments(&self) -> BTreeMap<String, SegmentState> {
        let state = self.workspace.sandbox_state();
        let segments = state["segments"].as_object().unwrap();
        let segment_state = |segment: &Value| {
            let contents = &segment["contents"]["filters"];
            let definition = json!([contents["included"], contents["excluded"]]);
            let name = segment["name"].as_str().unwrap().to_owned();
            (name, !segment["archived"].is_null(), definition)
        };
        segments
            .iter()
            .map(|(id, segment)| (id.clone(), segment_state(segment)))
            .collect()
    }

    /// Whether a definition is in the workspace or in the state.
    fn preserves(&self, definition: &Payload) -> bool {
        let remote = self.remote_segments();
        let state = self.workspace.stored_state();
        let recorded = state.all_entries().flat_map(|entry| {
            let revisions = entry.revisions.iter().map(|revision| &revision.definition);
            revisions.chain(&entry.definition)
        });
        let amount = amount(&definition.included_filters);
        remote
            .values()
            .any(|(_, _, definition)| self::amount(&definition[0]) == amount)
            || recorded
                .into_iter()
                .any(|definition| self::amount(&definition.included_filters) == amount)
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

/// The amount of a definition, which identifies it.
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

/// Runs a scenario with faults and then without. Returns the request count of the first run, and the final segments.
async fn require_recovery(
    scenario: &FaultScenario,
    faults: &[Value],
    expected: Option<&NamedSegments>,
) -> (usize, NamedSegments) {
    let context = format!("{}: {}", scenario.name, json!(faults));
    let setup = FaultWorkspace::for_scenario(scenario).await;
    let before = setup.remote_segments();
    let requests_before = setup.workspace.request_log().len();
    setup.workspace.set_faults(&json!(faults));
    let report = setup.run(&scenario.after).await;
    let requests = setup.workspace.request_log().len() - requests_before;
    setup.workspace.set_faults(&json!([]));
    if let Some(report) = &report {
        require_report_correct((report, scenario), &setup, &context);
    }
    for _ in 0..2 {
        let report = setup.run(&scenario.after).await.unwrap();
        if report.steps.is_empty() {
            break;
        }
    }
    let requests_before = setup.workspace.request_log().len();
    let last = setup.run(&scenario.after).await.unwrap();
    assert!(last.steps.is_empty(), "{context}: {:?}", last.steps);
    let only_read = setup.workspace.request_log()[requests_before..]
        .iter()
        .all(|entry| entry.method == "GET");
    assert!(only_read, "{context}");
    let after = setup.remote_segments();
    assert_eq!(
        after[&setup.unmanaged_id], before[&setup.unmanaged_id],
        "{context}"
    );
    for (id, (name, _, definition)) in &before {
        let definition = Payload {
            included_filters: definition[0].clone(),
            excluded_filters: None,
        };
        assert!(
            setup.preserves(&definition),
            "{context}: the definition of {name} ({id}) is lost"
        );
    }
    let state = by_name(&after);
    if let Some(expected) = expected {
        assert_eq!(&state, expected, "{context}");
    }
    (requests, state)
}

/// The reported outcome of each create step is correct.
fn require_report_correct(
    (report, scenario): (&RunReport, &FaultScenario),
    setup: &FaultWorkspace,
    context: &str,
) {
    let remote = setup.remote_segments();
    let declared = |entry: &StepReport| {
        let declared = scenario
            .after
            .iter()
            .find(|segment| segment.name == entry.segment)?;
        amount(&declared.contents.definition()?.included_filters)
    };
    for entry in report.steps.iter().filter(|entry| entry.action == "create") {
        let mut created = remote
            .values()
            .filter(|(_, _, definition)| amount(&definition[0]) == declared(entry));
        let exists = created.any(|(name, is_archived, _)| name == entry.segment.as_str() && !is_archived);
        match &entry.outcome {
            StepOutcome::Applied { .. } | StepOutcome::Unchanged { .. } => {
                assert!(exists, "{context}: {entry:?}")
            }
            StepOutcome::Failed { .. } | StepOutcome::Skipped(_) | StepOutcome::NotAttempted => {
                assert!(!exists, "{context}: {entry:?}");
            }
            _ => {}
        }
    }
}

fn fault_at_request(number: usize, fault: &Value) -> Value {
    json!({"on": {"nth": number}, "fault": fault})
}

#[tokio::test]
async fn one_fault_in_any_request_is_recovered() {
    let mut runs = 0;
    for scenario in scenarios() {
        let (requests, expected) = require_recovery(&scenario, &[], None).await;
        for number in 1..=requests {
            for fault in request_faults() {
                require_recovery(&scenario, &[fault_at_request(number, &fault)], Some(&expected)).await;
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
    // A linear congruential generator.
    let mut random: usize = 1;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for run in 0..RUNS {
        let (scenario, (requests, expected)) = (&scenarios[run % scenarios.len()], &clean[run % clean.len()]);
        let pair: Vec<Value> = (0..2)
            .map(|_| fault_at_request(1 + next(requests + 4), &faults[next(faults.len())]))
            .collect();
        require_recovery(scenario, &pair, Some(expected)).await;
    }
}
