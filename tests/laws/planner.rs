//! The planner against the strict service: whatever is declared, live and remembered, a plan without conflicts runs
//! without ever being refused, and then there is nothing left to plan.

use super::test_workspace::TestWorkspace;
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use segctl::apply::run_report::StepOutcome;
use segctl::model::{
    Adoption, AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, NamePattern, Number, ObservedWorkspace, Operand, Origin, Payload, Reference,
    SegmentId, SegmentName,
};
use segctl::plan::step::{Action, Conflict, Plan, Step, TemporaryChange, Warning};
use segctl::plan::targeting::Selection;
use segctl::sandbox::{EchoFormat, RateLimitMode, SandboxSettings};
use segctl::state::StateEntry;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Names are drawn from few, so that they meet.
const NAMES: u8 = 9;
/// So are definitions.
const AMOUNTS: u8 = 9;

/// A live segment; its place in the list is its definition, so that these are unique.
#[derive(Clone, Debug)]
struct RemoteDraft {
    name: Index,
    /// Live segments before it that it refers to.
    refers_to: Vec<Index>,
    archived: bool,
    /// Whether it excludes anybody.
    excludes: bool,
    managed: Option<ManagedDraft>,
}

/// What the ledger says of it.
#[derive(Clone, Debug)]
struct ManagedDraft {
    /// Another name than the live one: it was renamed by hand.
    name: Option<u8>,
    edited: bool,
}

/// A declared segment.
#[derive(Clone, Debug)]
struct DeclaredDraft {
    name: u8,
    amount: u8,
    /// Declared segments before it that it refers to.
    refers_to: Vec<Index>,
    /// A live segment that nobody may have declared.
    refers_to_remote: Option<Index>,
    archived: bool,
    excludes: bool,
    identity: DeclaredIdentity,
}

#[derive(Clone, Debug)]
enum DeclaredIdentity {
    Unspecified,
    Id(Index),
    /// Live names, and with them one that nobody has.
    PreviousNames(Vec<Index>),
}

/// What `--target` and `--exclude` say, by the numbers of names.
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
    /// Whether the steps are run in another order that their dependencies allow.
    reorders_steps: bool,
}

fn remote_draft() -> impl Strategy<Value = RemoteDraft> {
    let known = (prop::option::weighted(0.4, 0..NAMES), prop::bool::weighted(0.2))
        .prop_map(|(name, edited)| ManagedDraft { name, edited });
    (
        any::<Index>(),
        vec(any::<Index>(), 0..2),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.7, known),
    )
        .prop_map(|(name, refers_to, archived, excludes, known)| RemoteDraft {
            name,
            refers_to,
            archived,
            excludes,
            managed: known,
        })
}

fn declared_draft() -> impl Strategy<Value = DeclaredDraft> {
    let identity = prop_oneof![
        5 => Just(DeclaredIdentity::Unspecified),
        2 => any::<Index>().prop_map(DeclaredIdentity::Id),
        2 => vec(any::<Index>(), 1..3).prop_map(DeclaredIdentity::PreviousNames),
    ];
    (
        0..NAMES,
        0..AMOUNTS,
        vec(any::<Index>(), 0..2),
        prop::option::weighted(0.1, any::<Index>()),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.2),
        identity,
    )
        .prop_map(
            |(name, amount, refers_to, refers_to_live, archived, excludes, is)| DeclaredDraft {
                name,
                amount,
                refers_to,
                refers_to_remote: refers_to_live,
                archived,
                excludes,
                identity: is,
            },
        )
}

/// All of a plan mostly.
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
        .prop_map(|(live, files, owns, (switches, echo), (room, part, refuses))| {
            let [
                frees,
                archived_conflict,
                to_archived,
                checks,
                is_tight,
                is_other_way,
                lists_archived,
                ordered,
                archives_twice,
            ] = switches;
            let active = live.iter().filter(|live| !live.archived).count();
            let settings = SandboxSettings {
                rate_limits: RateLimitMode::Off,
                rename_frees_old_name: frees,
                archived_definitions_conflict: archived_conflict,
                reference_to_archived_allowed: to_archived,
                unarchive_checks_active_limit: checks,
                active_limit: if is_tight { active + room } else { 1000 },
                list_includes_archived: lists_archived,
                equality_order_sensitive: ordered,
                archive_idempotent: archives_twice,
                echo,
                ..SandboxSettings::default()
            };
            PlannerCase {
                remote: live,
                files,
                manages: owns,
                settings,
                selection: part,
                adoption: if refuses {
                    Adoption::Refuse
                } else {
                    Adoption::Allow
                },
                reorders_steps: is_other_way,
            }
        })
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

/// The filters of a live segment, as the API has them.
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

/// Whom a definition excludes, as the API has it: different ones for each.
fn excluded(amount: u8) -> Value {
    filters(amount + 50, &BTreeSet::new())
}

/// A live segment as it came to be.
struct CreatedSegment {
    id: String,
    name: SegmentName,
    archived: bool,
}

/// Makes the live segments and what the ledger knows of them.
fn create_remote_segments(workspace: &TestWorkspace, drafts: &[RemoteDraft]) -> Vec<CreatedSegment> {
    let mut free: Vec<u8> = (0..NAMES).collect();
    let mut seeded: Vec<CreatedSegment> = Vec::new();
    for (amount, draft) in drafts.iter().enumerate() {
        let number = free.remove(draft.name.index(free.len()));
        let references: BTreeSet<String> = draft
            .refers_to
            .iter()
            .filter(|_| !seeded.is_empty())
            .map(|index| index.get(&seeded).id.clone())
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
        let made = workspace.edit_in_dashboard(&edit);
        let id = made["data"]["id"].as_str().unwrap().to_owned();
        // Nothing but the ledger can know of a hidden segment.
        let known = draft.managed.clone().or(draft.archived.then_some(ManagedDraft {
            name: None,
            edited: false,
        }));
        if let Some(known) = known {
            let applied = if known.edited {
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
                definition: Some(Payload {
                    included_filters: applied,
                    excluded_filters: excluded,
                }),
                ..StateEntry::new(
                    SegmentId::new(&id),
                    name(known.name.unwrap_or(number)),
                    Timestamp::UNIX_EPOCH,
                )
            });
        }
        seeded.push(CreatedSegment {
            id,
            name: name(number),
            archived: draft.archived,
        });
    }
    seeded
}

/// The files, free of what the checks of files refuse: names and definitions are unique, references go to what is
/// declared in use, ids and previous names are claimed once.
fn declared(drafts: &[DeclaredDraft], live: &[CreatedSegment]) -> Vec<DeclaredSegment> {
    let mut declared: Vec<DeclaredSegment> = Vec::new();
    let mut amounts = BTreeSet::new();
    let mut claimed = BTreeSet::new();
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
        // Whether a hidden segment may be referred to, no plan can know.
        let shown: Vec<&CreatedSegment> = live.iter().filter(|seeded| !seeded.archived).collect();
        let by_id = draft.refers_to_remote.filter(|_| !shown.is_empty());
        let by_id = by_id.map(|index| Reference::Id {
            id: SegmentId::new(&index.get(&shown).id),
            label: None,
        });
        let references = targets.into_iter().map(Reference::Name).chain(by_id);
        let mut claim = |index: &Index| {
            let seeded = (!live.is_empty()).then(|| index.get(live));
            seeded.filter(|seeded| claimed.insert(seeded.id.clone()))
        };
        let (id, previous) = match &draft.identity {
            DeclaredIdentity::Unspecified => (None, Vec::new()),
            DeclaredIdentity::Id(index) => (claim(index), Vec::new()),
            DeclaredIdentity::PreviousNames(indices) => {
                let live = indices.iter().filter_map(&mut claim);
                let live: Vec<SegmentName> = live.map(|seeded| seeded.name.clone()).collect();
                (
                    None,
                    [live, vec![SegmentName::new(format!("Once {name}"))]].concat(),
                )
            }
        };
        declared.push(DeclaredSegment {
            id: id.map(|seeded| SegmentId::new(&seeded.id)),
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
            contents: Contents::Filter(Definition {
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
        });
    }
    declared
}

/// Every step is about a segment that is declared, or that the ledger or `owns` says is ours.
fn assert_only_managed_archived(plan: &Plan, world: &PlannerCase, workspace: &TestWorkspace) {
    let pattern = world.manages.map(|pattern| NamePattern::parse(pattern).unwrap());
    let ledger = workspace.stored_state();
    for step in &plan.steps {
        if step.origin.is_some() {
            continue;
        }
        let Action::Archive(target) = &step.action else {
            panic!("{step:?} writes to what nobody declares")
        };
        let is_owned = ledger.managed_entry(&target.id).is_some()
            || pattern
                .as_ref()
                .is_some_and(|pattern| pattern.matches(&target.remote_name));
        assert!(is_owned, "{step:?}");
    }
}

/// The workspace of a world, and what its files say.
fn create_workspace(world: &PlannerCase) -> (TestWorkspace, Vec<DeclaredSegment>) {
    let mut workspace = TestWorkspace::new(world.settings.clone());
    workspace.change_policy(|policy| {
        policy.guards.min_segments = usize::MAX;
        policy.adoption = world.adoption;
        policy.managed_patterns = world
            .manages
            .iter()
            .map(|pattern| NamePattern::parse(pattern).unwrap())
            .collect();
    });
    let seeded = create_remote_segments(&workspace, &world.remote);
    let declared = declared(&world.files, &seeded);
    (workspace, declared)
}

/// The same steps in another order that their dependencies allow: as late as can be what the plan has first.
fn reorder_steps(mut plan: Plan) -> Plan {
    let mut open: Vec<_> = std::mem::take(&mut plan.steps);
    let mut number_of = BTreeMap::new();
    while !open.is_empty() {
        let is_ready = |step: &Step| step.depends_on.iter().all(|need| number_of.contains_key(need));
        let place = open.iter().rposition(is_ready).unwrap();
        let mut step = open.remove(place);
        number_of.insert(step.number, plan.steps.len() + 1);
        step.number = plan.steps.len() + 1;
        step.depends_on = step.depends_on.iter().map(|need| number_of[need]).collect();
        plan.steps.push(step);
    }
    plan
}

fn selection(part: &SelectionDraft) -> Selection {
    let patterns = |numbers: &[u8]| {
        let names = numbers.iter().map(|number| name(*number));
        names
            .map(|name| NamePattern::parse(name.as_str()).unwrap())
            .collect()
    };
    Selection {
        targets: patterns(&part.targets),
        excludes: patterns(&part.excludes),
    }
}

async fn apply_and_replan(world: &PlannerCase, ran: &Cell<u32>) {
    let (workspace, declared) = create_workspace(world);
    let observed = workspace.observe(&declared).await;
    let selection = selection(&world.selection);
    let plan = workspace.plan_selected(&declared, &observed, &selection);
    assert_only_managed_archived(&plan, world, &workspace);
    if plan.is_blocked() {
        return;
    }
    let wraps = |step: &Step| {
        matches!(
            step.action.temporary_change(),
            Some(TemporaryChange::Definition | TemporaryChange::Both)
        )
    };
    if !world.settings.equality_order_sensitive && plan.steps.iter().any(wraps) {
        // Such a service takes the wrapped form for the same definition; nothing but its answer tells.
        return;
    }
    let is_likely = |warning: &Warning| matches!(warning, Warning::LikelyDuplicate { .. });
    if !world.settings.equality_order_sensitive && plan.warnings.iter().any(is_likely) {
        // The plan says so, and that nobody knows.
        return;
    }
    ran.set(ran.get() + 1);
    let before = workspace.request_log().len();
    // Steps are run side by side: nothing but their dependencies orders them.
    let plan = if world.reorders_steps {
        reorder_steps(plan)
    } else {
        plan
    };
    let receipt = workspace.apply(&plan).await;
    let log = workspace.request_log().split_off(before);
    let refused = log
        .iter()
        .find(|entry| matches!(entry.status, 400 | 403 | 409 | 412 | 413 | 429));
    assert!(
        refused.is_none() && receipt.is_complete(),
        "{}{receipt:#?}\n{refused:#?}",
        describe_plan(&plan)
    );
    if plan.excluded.steps > 0 {
        // What was left out for want of something excluded may be free to be done by now.
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

/// Whether it is the service that stands in the way, and its word can be taken by trying.
fn can_be_tried_against_the_service(conflict: &Conflict, settings: &SandboxSettings) -> bool {
    match conflict {
        Conflict::NameTaken { .. }
        | Conflict::NameReserved { .. }
        | Conflict::KindMismatch { .. }
        | Conflict::DefinitionTaken { .. }
        | Conflict::DefinitionShared { .. }
        | Conflict::ReferenceLimit { .. } => true,
        // Whether the limit counts when segments are taken out again, no plan can know.
        Conflict::ActiveLimit { .. } => settings.unarchive_checks_active_limit,
        // Nobody can tell what was meant, or it is not wanted.
        Conflict::UnknownReference { .. }
        | Conflict::OrphanReferenced { .. }
        | Conflict::SharedTarget { .. }
        | Conflict::AmbiguousTarget { .. }
        | Conflict::PreviousNameInUse { .. }
        | Conflict::UnknownId { .. }
        | Conflict::AdoptionRefused { .. }
        | Conflict::ArchiveRefused { .. }
        | Conflict::FixedAtUpload { .. }
        | Conflict::PublishNotConfigured { .. }
        | Conflict::DailyUserLimit { .. }
        | Conflict::CohortKeyChanged { .. }
        | Conflict::CannotRename { .. }
        | Conflict::CannotArchive { .. }
        | Conflict::MembersUnknown { .. }
        // Its steps are not in the plan.
        | Conflict::Cycle { .. } => false,
    }
}

/// Whether each segment of a plan is the live one that it meant, and not another that has its name by now; and none that
/// another file means was taken over for its name.
fn matches_intended_segments(plan: &Plan, observed: &ObservedWorkspace) -> bool {
    let is_named = |id: &SegmentId, name: &SegmentName| {
        let live = observed.segments.get(id);
        live.is_some_and(|live| live.name == *name)
    };
    let is_taken_over = |conflict: &Conflict| match conflict {
        Conflict::NameTaken { segment, holder } => {
            holder.declared.is_some() && is_named(&holder.id, &segment.name)
        }
        _ => false,
    };
    let declared = plan.steps.iter().filter(|step| step.origin.is_some());
    declared
        .filter_map(|step| Some((step.action.target()?, &step.segment)))
        .all(|(target, name)| is_named(&target.id, name))
        && !plan.conflicts.iter().any(is_taken_over)
}

/// Applies a plan in spite of its conflicts, and what is left of it again, until the service takes nothing more.
async fn apply_despite_conflicts(world: &PlannerCase, tried: &Cell<u32>) {
    let (workspace, declared) = create_workspace(world);
    let mut plan = workspace.plan(&declared).await;
    let judged = |conflict| can_be_tried_against_the_service(conflict, &world.settings);
    if plan.conflicts.is_empty() || !plan.conflicts.iter().all(judged) {
        return;
    }
    tried.set(tried.get() + 1);
    let first = plan.clone();
    for round in 0..MAX_ATTEMPTS {
        plan.conflicts.clear();
        let is_other_way = world.reorders_steps != (round % 2 == 1);
        let receipt = workspace
            .apply(&if is_other_way { reorder_steps(plan) } else { plan })
            .await;
        let observed = workspace.observe(&declared).await;
        plan = workspace.plan_from(&declared, &observed);
        let is_reached =
            plan.is_empty() && !plan.is_blocked() && matches_intended_segments(&first, &observed);
        assert!(!is_reached, "the service took all of\n{}", describe_plan(&first));
        if !receipt
            .steps
            .iter()
            .any(|entry| matches!(entry.outcome, StepOutcome::Applied { .. }))
        {
            return;
        }
    }
}

/// A plan in a few lines, for whoever reads a failure.
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
        let wanted = step
            .action
            .desired()
            .map(|wanted| wanted.canonical(&plan.references).to_string());
        let _ = writeln!(
            text,
            "{} {} {}{} {:?} after {:?} {}",
            step.number,
            step.action.as_str(),
            step.segment,
            from.unwrap_or_default(),
            step.action.temporary_change(),
            step.depends_on,
            wanted.unwrap_or_default()
        );
    }
    for conflict in &plan.conflicts {
        let _ = writeln!(text, "{conflict:?}");
    }
    text
}

/// Runs a law over worlds, at most so many.
fn for_all_cases(cases: u32, law: impl Fn(&PlannerCase)) {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&planner_case(), |world| {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| law(&world)));
        outcome
            .map_err(|panic| TestCaseError::fail(panic.downcast_ref::<String>().cloned().unwrap_or_default()))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn require_no_rejected_requests() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ran = Cell::new(0);
    for_all_cases(CASES / 2, |world| runtime.block_on(apply_and_replan(world, &ran)));
    // A law that nothing falls under says nothing.
    assert!(
        ran.get() > CASES / 4,
        "only {} plans were free of conflicts",
        ran.get()
    );
}

// In two halves, for two cores.

#[test]
fn a_plan_without_conflicts_is_never_rejected() {
    require_no_rejected_requests();
}

#[test]
fn a_plan_without_conflicts_is_never_rejected_in_more_cases() {
    require_no_rejected_requests();
}

#[test]
fn a_plan_with_conflicts_never_converges() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tried = Cell::new(0);
    for_all_cases(CASES / 4, |world| {
        runtime.block_on(apply_despite_conflicts(world, &tried))
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
    for_all_cases(200, |world| {
        runtime.block_on(async {
            let (workspace, declared) = create_workspace(world);
            let observed = workspace.observe(&declared).await;
            let text = || serde_json::to_string(&workspace.plan_from(&declared, &observed)).unwrap();
            let first = text();
            for _ in 0..9 {
                assert_eq!(text(), first);
            }
            // A saved plan comes back as it was.
            let plan: Plan = serde_json::from_str(&first).unwrap();
            assert_eq!(plan, workspace.plan_from(&declared, &observed));
        });
    });
}

/// How often what is left is tried again.
const MAX_ATTEMPTS: u32 = 4;

/// Worlds that are tried.
const CASES: u32 = 10_000;
