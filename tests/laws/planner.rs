//! The planner with the sandbox: the service never rejects a request of a plan without conflicts, and the next plan is
//! empty. A plan with conflicts never converges.

use super::fixed_seeds;
use super::seeds::for_each_seed;
use super::test_workspace::TestWorkspace;
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use segctl::apply::run_report::StepOutcome;
use segctl::model::{
    Adoption, AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, NamePattern, Number, ObservedWorkspace, Operand, Origin, Payload, Reference,
    SegmentId, SegmentName, StoredDefinition,
};
use segctl::plan::step::{Action, Code, Finding, Plan, Step, TemporaryChange};
use segctl::plan::targeting::Selection;
use segctl::sandbox::{EchoFormat, RateLimitMode, SandboxSettings};
use segctl::state::StateEntry;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Few names and definitions, so that segments collide.
const NAMES: u8 = 9;
const AMOUNTS: u8 = 9;

/// A remote segment. Its index in the list is the amount of its definition, so that definitions are unique.
#[derive(Clone, Debug)]
struct RemoteDraft {
    name: Index,
    /// Earlier remote segments that it refers to.
    refers_to: Vec<Index>,
    archived: bool,
    excludes: bool,
    managed: Option<ManagedDraft>,
}

/// The state entry of a remote segment.
#[derive(Clone, Debug)]
struct ManagedDraft {
    /// The name in the state, if the segment was renamed outside segctl.
    name: Option<u8>,
    edited: bool,
}

#[derive(Clone, Debug)]
struct DeclaredDraft {
    name: u8,
    amount: u8,
    /// Earlier declared segments that it refers to.
    refers_to: Vec<Index>,
    /// A remote segment, declared or not, that it refers to by id.
    refers_to_remote: Option<Index>,
    archived: bool,
    excludes: bool,
    identity: DeclaredIdentity,
}

#[derive(Clone, Debug)]
enum DeclaredIdentity {
    Unspecified,
    Id(Index),
    /// Names of remote segments; an unused name is added.
    PreviousNames(Vec<Index>),
    /// The name of the next declared segment with this identity, or of the first one.
    TakesNextName,
}

/// The names of `--target` and `--exclude`, by number.
#[derive(Clone, Debug, Default)]
struct SelectionDraft {
    targets: Vec<u8>,
    excludes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct PlannerCase {
    remote: Vec<RemoteDraft>,
    files: Vec<DeclaredDraft>,
    manages: Option<&'static str>,
    settings: SandboxSettings,
    selection: SelectionDraft,
    adoption: Adoption,
    /// Whether the steps run in another order that their dependencies allow.
    reorders_steps: bool,
}

fn remote_draft() -> impl Strategy<Value = RemoteDraft> {
    let managed = (prop::option::weighted(0.4, 0..NAMES), prop::bool::weighted(0.2))
        .prop_map(|(name, edited)| ManagedDraft { name, edited });
    (
        any::<Index>(),
        vec(any::<Index>(), 0..2),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.7, managed),
    )
        .prop_map(|(name, refers_to, archived, excludes, managed)| RemoteDraft {
            name,
            refers_to,
            archived,
            excludes,
            managed,
        })
}

fn declared_draft() -> impl Strategy<Value = DeclaredDraft> {
    let identity = prop_oneof![
        5 => Just(DeclaredIdentity::Unspecified),
        2 => any::<Index>().prop_map(DeclaredIdentity::Id),
        2 => vec(any::<Index>(), 1..3).prop_map(DeclaredIdentity::PreviousNames),
        2 => Just(DeclaredIdentity::TakesNextName),
    ];
    (
        0..NAMES,
        0..AMOUNTS,
        vec(any::<Index>(), 0..2),
        prop::option::weighted(0.2, any::<Index>()),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.2),
        identity,
    )
        .prop_map(
            |(name, amount, refers_to, refers_to_remote, archived, excludes, identity)| DeclaredDraft {
                name,
                amount,
                refers_to,
                refers_to_remote,
                archived,
                excludes,
                identity,
            },
        )
}

/// Mostly the whole plan.
fn selection_draft() -> impl Strategy<Value = SelectionDraft> {
    let of = |targets, excludes| {
        (vec(0..NAMES, targets), vec(0..NAMES, excludes))
            .prop_map(|(targets, excludes)| SelectionDraft { targets, excludes })
    };
    prop_oneof![6 => Just(SelectionDraft::default()), 1 => of(1..4, 0..2), 1 => of(0..1, 1..3)]
}

fn planner_case() -> impl Strategy<Value = PlannerCase> {
    let switches = any::<[bool; 9]>();
    let echo = prop::sample::select(vec![
        EchoFormat::AsSent,
        EchoFormat::DefaultsFilled,
        EchoFormat::DefaultsDropped,
        EchoFormat::DashboardDays,
    ]);
    (
        vec(remote_draft(), 0..7),
        vec(declared_draft(), 0..8),
        prop::sample::select(vec![None, None, Some("*"), Some("S1")]),
        (switches, echo),
        (0_usize..4, selection_draft(), prop::bool::weighted(0.05)),
    )
        .prop_map(
            |(remote, files, manages, (switches, echo), (free_slots, selection, refuses))| {
                let [
                    frees,
                    archived_conflict,
                    to_archived,
                    checks,
                    is_tight,
                    reorders_steps,
                    list_includes_archived,
                    ordered,
                    archives_twice,
                ] = switches;
                let active = remote.iter().filter(|draft| !draft.archived).count();
                let settings = SandboxSettings {
                    rate_limits: RateLimitMode::Off,
                    rename_frees_old_name: frees,
                    archived_definitions_conflict: archived_conflict,
                    reference_to_archived_allowed: to_archived,
                    unarchive_checks_active_limit: checks,
                    active_limit: if is_tight { active + free_slots } else { 1000 },
                    list_includes_archived,
                    equality_order_sensitive: ordered,
                    archive_idempotent: archives_twice,
                    echo,
                    ..SandboxSettings::default()
                };
                PlannerCase {
                    remote,
                    files,
                    manages,
                    settings,
                    selection,
                    adoption: if refuses {
                        Adoption::Refuse
                    } else {
                        Adoption::Allow
                    },
                    reorders_steps,
                }
            },
        )
}

fn name(number: u8) -> SegmentName {
    SegmentName::new(format!("S{number}"))
}

fn spend_above(amount: u8) -> Filter {
    let test = DoubleTest::GreaterThan(Operand::Fixed(Number::new(f64::from(amount)).unwrap()));
    Filter::Attribute(AttributeFilter {
        name: "spend".to_owned(),
        category: Some("Tracked".to_owned()),
        condition: Condition::Double { negate: false, test },
    })
}

/// The filters of a remote segment in the API's JSON.
fn filters(amount: u8, references: &BTreeSet<String>) -> Value {
    let mut filters = vec![json!({
        "filter_type": "user_attributes", "name": "spend", "data_type": "double", "operator": "greaterThan",
        "value": amount, "negate": false, "category": "Tracked",
    })];
    filters.extend(
        references
            .iter()
            .map(|id| json!({"filter_type": "custom_segments", "id": id})),
    );
    json!({"filter_operator": "and", "filters": filters})
}

/// The exclusion of a remote segment in the API's JSON, unique for each amount.
fn excluded(amount: u8) -> Value {
    filters(amount + 50, &BTreeSet::new())
}

struct CreatedSegment {
    id: String,
    name: SegmentName,
    archived: bool,
}

/// Creates the remote segments and their state entries.
fn create_remote_segments(workspace: &TestWorkspace, drafts: &[RemoteDraft]) -> Vec<CreatedSegment> {
    let mut free: Vec<u8> = (0..NAMES).collect();
    let mut created: Vec<CreatedSegment> = Vec::new();
    for (amount, draft) in drafts.iter().enumerate() {
        let number = free.remove(draft.name.index(free.len()));
        let references: BTreeSet<String> = draft
            .refers_to
            .iter()
            .filter(|_| !created.is_empty())
            .map(|index| index.get(&created).id.clone())
            .collect();
        let amount = u8::try_from(amount).unwrap();
        let included = filters(amount, &references);
        let excluded = draft.excludes.then(|| excluded(amount));
        let mut edit = json!({
            "name": name(number).as_str(), "archived": draft.archived, "included_filters": included,
        });
        if let Some(excluded) = &excluded {
            edit["excluded_filters"] = excluded.clone();
        }
        let response = workspace.edit_in_dashboard(&edit);
        let id = response["data"]["id"].as_str().unwrap().to_owned();
        // Only the state can contain a hidden segment.
        let managed = draft.managed.clone().or(draft.archived.then_some(ManagedDraft {
            name: None,
            edited: false,
        }));
        if let Some(managed) = managed {
            let applied = if managed.edited {
                filters(amount + 100, &references)
            } else {
                included
            };
            workspace.add_state_entry(StateEntry {
                lifecycle: if draft.archived {
                    Lifecycle::Archived
                } else {
                    Lifecycle::Active
                },
                definition: Some(StoredDefinition::from(Payload {
                    included_filters: applied,
                    excluded_filters: excluded,
                })),
                ..StateEntry::new(
                    SegmentId::new(&id),
                    name(managed.name.unwrap_or(number)),
                    Timestamp::UNIX_EPOCH,
                )
            });
        }
        created.push(CreatedSegment {
            id,
            name: name(number),
            archived: draft.archived,
        });
    }
    created
}

/// A valid configuration: unique names and definitions, references to active declared segments, and each id and previous
/// name only once.
fn declared(drafts: &[DeclaredDraft], remote: &[CreatedSegment]) -> Vec<DeclaredSegment> {
    let mut declared: Vec<DeclaredSegment> = Vec::new();
    let mut amounts = BTreeSet::new();
    let mut claimed = BTreeSet::new();
    let mut takes_next: Vec<usize> = Vec::new();
    for draft in drafts {
        let name = name(draft.name);
        if declared.iter().any(|other| other.name == name) || !amounts.insert(draft.amount) {
            continue;
        }
        let active: Vec<SegmentName> = declared
            .iter()
            .filter(|other| other.lifecycle == Lifecycle::Active)
            .map(|other| other.name.clone())
            .collect();
        let targets: BTreeSet<SegmentName> = draft
            .refers_to
            .iter()
            .filter(|_| !active.is_empty())
            .map(|index| index.get(&active).clone())
            .collect();
        // No plan can know whether the API allows a reference to a hidden segment.
        let listed: Vec<&CreatedSegment> = remote.iter().filter(|created| !created.archived).collect();
        let by_id = draft.refers_to_remote.filter(|_| !listed.is_empty());
        let by_id = by_id.map(|index| Reference::Id {
            id: SegmentId::new(&index.get(&listed).id),
            label: None,
        });
        let references = targets.into_iter().map(Reference::Name).chain(by_id);
        let mut claim = |index: &Index| {
            let created = (!remote.is_empty()).then(|| index.get(remote));
            created.filter(|created| claimed.insert(created.id.clone()))
        };
        let (id, previous) = match &draft.identity {
            DeclaredIdentity::Unspecified => (None, Vec::new()),
            DeclaredIdentity::TakesNextName => {
                takes_next.push(declared.len());
                (None, Vec::new())
            }
            DeclaredIdentity::Id(index) => (claim(index), Vec::new()),
            DeclaredIdentity::PreviousNames(indices) => {
                let claimed = indices.iter().filter_map(&mut claim);
                let names: Vec<SegmentName> = claimed.map(|created| created.name.clone()).collect();
                (
                    None,
                    [names, vec![SegmentName::new(format!("Once {name}"))]].concat(),
                )
            }
        };
        declared.push(DeclaredSegment {
            id: id.map(|created| SegmentId::new(&created.id)),
            previous_names: previous
                .into_iter()
                .filter(|previous| *previous != name)
                .collect(),
            lifecycle: if draft.archived {
                Lifecycle::Archived
            } else {
                Lifecycle::Active
            },
            protect: false,
            contents: Contents::from(Definition {
                included: Group {
                    operator: GroupOperator::And,
                    filters: std::iter::once(spend_above(draft.amount))
                        .chain(references.map(Filter::Reference))
                        .collect(),
                },
                excluded: draft.excludes.then(|| Group {
                    operator: GroupOperator::And,
                    filters: vec![spend_above(draft.amount + 50)],
                }),
            }),
            origin: Origin {
                file: format!("{name}.yaml"),
                line: 1,
                column: 1,
            },
            name,
            reference_origins: BTreeMap::new(),
        });
    }
    if takes_next.len() > 1 {
        let names: Vec<SegmentName> = takes_next
            .iter()
            .map(|index| declared[*index].name.clone())
            .collect();
        for (index, name) in takes_next.iter().zip(names.iter().cycle().skip(1)) {
            // Only one segment may list a previous name.
            if !declared.iter().any(|other| other.previous_names.contains(name)) {
                declared[*index].previous_names.push(name.clone());
            }
        }
    }
    declared
}

/// Every step changes a declared segment, or archives one that the state or a pattern of `manages` manages.
fn assert_only_managed_archived(plan: &Plan, case: &PlannerCase, workspace: &TestWorkspace) {
    let pattern = case.manages.map(|pattern| NamePattern::parse(pattern).unwrap());
    let state = workspace.stored_state();
    for step in &plan.steps {
        if step.origin.is_some() {
            continue;
        }
        let Action::Archive(target) = &step.action else {
            panic!("{step:?} writes to an undeclared segment")
        };
        let is_managed = state.managed_entry(&target.id).is_some()
            || pattern
                .as_ref()
                .is_some_and(|pattern| pattern.matches(&target.remote_name));
        assert!(is_managed, "{step:?}");
    }
}

/// The workspace of a case and its configuration.
fn create_workspace(case: &PlannerCase) -> (TestWorkspace, Vec<DeclaredSegment>) {
    let mut workspace = TestWorkspace::new(case.settings.clone());
    workspace.change_policy(|policy| {
        policy.guards.min_segments = usize::MAX;
        policy.adoption = case.adoption;
        policy.managed_patterns = case
            .manages
            .iter()
            .map(|pattern| NamePattern::parse(pattern).unwrap())
            .collect();
    });
    let created = create_remote_segments(&workspace, &case.remote);
    let declared = declared(&case.files, &created);
    (workspace, declared)
}

/// The same steps in another order that their dependencies allow: the first steps run as late as possible.
fn reorder_steps(mut plan: Plan) -> Plan {
    let mut open: Vec<_> = std::mem::take(&mut plan.steps);
    let mut number_of = BTreeMap::new();
    while !open.is_empty() {
        let is_ready = |step: &Step| {
            step.depends_on
                .iter()
                .all(|dependency| number_of.contains_key(dependency))
        };
        let index = open.iter().rposition(is_ready).unwrap();
        let mut step = open.remove(index);
        number_of.insert(step.number, plan.steps.len() + 1);
        step.number = plan.steps.len() + 1;
        step.depends_on = step
            .depends_on
            .iter()
            .map(|dependency| number_of[dependency])
            .collect();
        plan.steps.push(step);
    }
    plan
}

fn selection(draft: &SelectionDraft) -> Selection {
    let patterns = |numbers: &[u8]| {
        let names = numbers.iter().map(|number| name(*number));
        names
            .map(|name| NamePattern::parse(name.as_str()).unwrap())
            .collect()
    };
    Selection {
        targets: patterns(&draft.targets),
        excludes: patterns(&draft.excludes),
    }
}

async fn apply_and_replan(case: &PlannerCase, ran: &Cell<u32>) {
    let (workspace, declared) = create_workspace(case);
    let observed = workspace.observe(&declared).await;
    let selection = selection(&case.selection);
    let plan = workspace.plan_selected(&declared, &observed, &selection);
    assert_only_managed_archived(&plan, case, &workspace);
    if plan.is_blocked() {
        return;
    }
    let wraps = |step: &Step| {
        matches!(
            step.action.temporary_change(),
            Some(TemporaryChange::Definition | TemporaryChange::Both)
        )
    };
    if !case.settings.equality_order_sensitive && plan.steps.iter().any(wraps) {
        // This service takes the wrapped form for the same definition. No plan can know that.
        return;
    }
    let is_likely = |warning: &Finding| warning.code == Code::LikelyDuplicate;
    if !case.settings.equality_order_sensitive && plan.warnings.iter().any(is_likely) {
        // The plan warns that the service may reject the definition.
        return;
    }
    ran.set(ran.get() + 1);
    let before = workspace.request_log().len();
    // Steps run in parallel: only their dependencies order them.
    let plan = if case.reorders_steps {
        reorder_steps(plan)
    } else {
        plan
    };
    let report = workspace.apply(&plan).await;
    let log = workspace.request_log().split_off(before);
    let refused = log
        .iter()
        .find(|entry| matches!(entry.status, 400 | 403 | 409 | 412 | 413 | 429));
    assert!(
        refused.is_none() && report.is_complete(),
        "{}{report:#?}\n{refused:#?}",
        describe_plan(&plan)
    );
    if plan.excluded.steps > 0 {
        // Excluded steps may be possible now.
        return;
    }
    let observed = workspace.observe(&declared).await;
    let again = workspace.plan_selected(&declared, &observed, &selection);
    assert!(
        again.is_empty() && !again.is_blocked(),
        "first\n{}then\n{}",
        describe_plan(&plan),
        describe_plan(&again)
    );
}

/// Whether the conflict is a rule of the service, so that the service rejects the plan's requests.
fn is_service_rule(conflict: &Finding, settings: &SandboxSettings) -> bool {
    match &conflict.code {
        Code::NameTaken
        | Code::NameReserved
        | Code::KindMismatch
        | Code::DefinitionTaken
        | Code::DefinitionShared
        | Code::ReferenceLimit => true,
        // No plan can know whether the limit applies to unarchived segments.
        Code::ActiveLimit => settings.unarchive_checks_active_limit,
        // The configuration is ambiguous, or the policy forbids the change.
        Code::UnknownReference
        | Code::ReferenceUnlisted
        | Code::OrphanReferenced
        | Code::SharedTarget
        | Code::AmbiguousTarget
        | Code::PreviousNameInUse
        | Code::UndecidedRename
        | Code::UnknownId
        | Code::UnreadableSegment
        | Code::AdoptionRefused
        | Code::ArchiveRefused
        | Code::FixedAtUpload
        | Code::PublishNotConfigured
        | Code::DailyUserLimit
        | Code::CohortKeyChanged
        | Code::CannotRename
        | Code::CannotArchive
        | Code::MembersUnknown
        // The plan does not contain the steps.
        | Code::Cycle => false,
        other => panic!("{other} is not a conflict"),
    }
}

/// Whether each target of a plan has its declared name, and no segment of another declaration was overwritten.
fn matches_intended_segments(plan: &Plan, observed: &ObservedWorkspace) -> bool {
    let is_named = |id: &SegmentId, name: &SegmentName| {
        let remote = observed.segments.get(id);
        remote.is_some_and(|segment| segment.name == *name)
    };
    // The second segment is the declaration of the holder.
    let is_overwritten = |conflict: &Finding| {
        let (holder, name) = (conflict.remote_ids.first(), conflict.segments.first());
        let is_named = holder.zip(name).is_some_and(|(id, name)| is_named(id, name));
        conflict.code == Code::NameTaken && conflict.segments.len() == 2 && is_named
    };
    let declared = plan.steps.iter().filter(|step| step.origin.is_some());
    declared
        .filter_map(|step| Some((step.action.target()?, &step.segment)))
        .all(|(target, name)| is_named(&target.id, name))
        && !plan.conflicts.iter().any(is_overwritten)
}

/// Applies a plan despite its conflicts, and plans again, until the service accepts no further step.
async fn apply_despite_conflicts(case: &PlannerCase, tried: &Cell<u32>) {
    let (workspace, declared) = create_workspace(case);
    let mut plan = workspace.plan(&declared).await;
    let is_service_rule = |conflict| is_service_rule(conflict, &case.settings);
    if plan.conflicts.is_empty() || !plan.conflicts.iter().all(is_service_rule) {
        return;
    }
    tried.set(tried.get() + 1);
    let first = plan.clone();
    for round in 0..MAX_ATTEMPTS {
        plan.conflicts.clear();
        let reorders_steps = case.reorders_steps != (round % 2 == 1);
        let report = workspace
            .apply(&if reorders_steps { reorder_steps(plan) } else { plan })
            .await;
        let observed = workspace.observe(&declared).await;
        plan = workspace.plan_from(&declared, &observed);
        let is_converged =
            plan.is_empty() && !plan.is_blocked() && matches_intended_segments(&first, &observed);
        assert!(
            !is_converged,
            "the service accepted all of\n{}",
            describe_plan(&first)
        );
        if !report
            .steps
            .iter()
            .any(|entry| matches!(entry.outcome, StepOutcome::Applied { .. }))
        {
            return;
        }
    }
}

/// A short text of a plan, for failure messages.
fn describe_plan(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let target = step.action.target();
        let from = target.map(|target| {
            format!(
                " {} `{}` by {:?}",
                target.id, target.remote_name, target.matched_by
            )
        });
        let desired = step
            .action
            .desired()
            .map(|desired| desired.canonical(&plan.references).to_string());
        let _ = writeln!(
            text,
            "{} {} {}{} {:?} after {:?} {}",
            step.number,
            step.action.as_str(),
            step.segment,
            from.unwrap_or_default(),
            step.action.temporary_change(),
            step.depends_on,
            desired.unwrap_or_default()
        );
    }
    for conflict in &plan.conflicts {
        let _ = writeln!(text, "{conflict:?}");
    }
    text
}

/// Checks a property for random cases; each `stream` of a seed has its own.
fn for_all_cases((cases, stream): (u32, u64), property: impl Fn(&PlannerCase)) {
    for_each_seed(|seed| {
        let mut runner = TestRunner::new(fixed_seeds::config_with_seed(cases, seed ^ (stream << 56)));
        let outcome = runner.run(&planner_case(), |case| {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| property(&case)));
            outcome.map_err(|panic| {
                TestCaseError::fail(panic.downcast_ref::<String>().cloned().unwrap_or_default())
            })
        });
        outcome.map_err(|error| error.to_string())
    });
}

fn require_no_rejected_requests(stream: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ran = Cell::new(0);
    for_all_cases((CASES / 2, stream), |case| {
        runtime.block_on(apply_and_replan(case, &ran))
    });
    // Too few cases would make the test meaningless.
    assert!(
        ran.get() > CASES / 4,
        "only {} plans were free of conflicts",
        ran.get()
    );
}

// Two halves, so that two cores can run them.

#[test]
fn a_plan_without_conflicts_is_never_rejected() {
    require_no_rejected_requests(0);
}

#[test]
fn a_plan_without_conflicts_is_never_rejected_in_more_cases() {
    require_no_rejected_requests(1);
}

#[test]
fn a_plan_with_conflicts_never_converges() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tried = Cell::new(0);
    for_all_cases((CASES / 4, 2), |case| {
        runtime.block_on(apply_despite_conflicts(case, &tried))
    });
    assert!(
        tried.get() > CASES / 40,
        "only {} plans had conflicts that can be tried",
        tried.get()
    );
}

#[test]
fn equal_inputs_give_byte_identical_plans() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for_all_cases((200, 3), |case| {
        runtime.block_on(async {
            let (workspace, declared) = create_workspace(case);
            let observed = workspace.observe(&declared).await;
            let text = || serde_json::to_string(&workspace.plan_from(&declared, &observed)).unwrap();
            let first = text();
            for _ in 0..9 {
                assert_eq!(text(), first);
            }
            // A plan is the same after it was saved.
            let plan: Plan = serde_json::from_str(&first).unwrap();
            assert_eq!(plan, workspace.plan_from(&declared, &observed));
        });
    });
}

const MAX_ATTEMPTS: u32 = 4;

const CASES: u32 = 10_000;
