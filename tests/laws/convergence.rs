//! Apply, and there is nothing left to plan: for random files, random workspaces, and every behaviour of the service
//! that is not documented.

use super::test_workspace::TestWorkspace;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use segctl::model::{
    AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, Number, Operand, Origin, Reference, SegmentName,
};
use segctl::plan::step::Plan;
use segctl::sandbox::{EchoFormat, LogEntry, MissingExcludedBehavior, SandboxSettings};
use serde_json::json;
use std::collections::BTreeMap;

/// What a random segment is, before it has a name.
#[derive(Clone, Debug)]
struct SegmentDraft {
    /// Which of a few definitions; equal ones clash.
    amount: u8,
    /// Which segments it refers to, of those named before it.
    refers_to: Vec<u8>,
    archived: bool,
    excludes: bool,
}

const NAMES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

fn draft() -> impl Strategy<Value = SegmentDraft> {
    (
        0_u8..40,
        vec(0_u8..6, 0..2),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(amount, refers_to, archived, excludes)| SegmentDraft {
            amount,
            refers_to,
            archived,
            excludes,
        })
}

/// Segments by the index of their name.
fn drafts() -> impl Strategy<Value = BTreeMap<u8, SegmentDraft>> {
    btree_map(0_u8..6, draft(), 0..6)
}

fn spend_above(amount: u8) -> Filter {
    let test = DoubleTest::GreaterThan(Operand::Fixed(Number::new(f64::from(amount)).unwrap()));
    Filter::Attribute(AttributeFilter {
        name: "spend".to_owned(),
        category: Some("Tracked".to_owned()),
        condition: Condition::Double { negate: false, test },
    })
}

fn and_group(filters: Vec<Filter>) -> Group {
    Group {
        operator: GroupOperator::And,
        filters,
    }
}

/// The segments as files would declare them: unique definitions, references to earlier and active ones only.
fn declared(drafts: &BTreeMap<u8, SegmentDraft>) -> Vec<DeclaredSegment> {
    let mut amounts = Vec::new();
    let mut declared: Vec<DeclaredSegment> = Vec::new();
    for (index, draft) in drafts {
        if amounts.contains(&draft.amount) {
            continue;
        }
        amounts.push(draft.amount);
        let mut filters = vec![spend_above(draft.amount)];
        for earlier in &draft.refers_to {
            let name = SegmentName::new(NAMES[usize::from(*earlier)]);
            if declared
                .iter()
                .any(|other| other.name == name && other.lifecycle == Lifecycle::Active)
            {
                filters.push(Filter::Reference(Reference::Name(name)));
            }
        }
        let name = NAMES[usize::from(*index)];
        declared.push(DeclaredSegment {
            name: SegmentName::new(name),
            id: None,
            previous_names: Vec::new(),
            protect: false,
            lifecycle: if draft.archived {
                Lifecycle::Archived
            } else {
                Lifecycle::Active
            },
            contents: Contents::Filter(Definition {
                included: and_group(filters),
                excluded: draft
                    .excludes
                    .then(|| and_group(vec![spend_above(200 + draft.amount)])),
            }),
            origin: Origin {
                file: format!("{name}.yaml"),
                line: 1,
                column: 1,
            },
        });
    }
    declared
}

/// Segments that somebody made by hand; unique definitions, as the service would have it.
fn create_external_segments(workspace: &TestWorkspace, drafts: &BTreeMap<u8, SegmentDraft>) {
    let mut amounts = Vec::new();
    for (index, draft) in drafts {
        if amounts.contains(&draft.amount) {
            continue;
        }
        amounts.push(draft.amount);
        workspace.edit_in_dashboard(&json!({
            "name": NAMES[usize::from(*index)],
            "archived": draft.archived,
            "included_filters": {"filter_operator": "and", "filters": [{
                "filter_type": "user_attributes", "name": "spend", "data_type": "double",
                "operator": "greaterThan", "value": draft.amount,
            }]},
        }));
    }
}

fn settings() -> impl Strategy<Value = SandboxSettings> {
    let echo = prop::sample::select(vec![
        EchoFormat::AsSent,
        EchoFormat::DefaultsFilled,
        EchoFormat::DefaultsDropped,
        EchoFormat::DashboardDays,
    ]);
    (any::<[bool; 9]>(), echo).prop_map(|(switches, echo)| {
        let [
            list,
            archived,
            ordered,
            rename,
            clears,
            idempotent,
            share,
            headers,
            limit,
        ] = switches;
        SandboxSettings {
            list_includes_archived: list,
            archived_definitions_conflict: archived,
            equality_order_sensitive: ordered,
            rename_frees_old_name: rename,
            patch_without_excluded: if clears {
                MissingExcludedBehavior::Clear
            } else {
                MissingExcludedBehavior::Keep
            },
            archive_idempotent: idempotent,
            list_create_share_window: share,
            rate_headers: headers,
            unarchive_checks_active_limit: limit,
            echo,
            ..SandboxSettings::default()
        }
    })
}

fn committed_writes(log: &[LogEntry]) -> usize {
    log.iter().filter(|entry| entry.committed).count()
}

/// Plans and applies; then the workspace is as declared, or it was said why not and nothing was half done.
async fn require_convergence(
    workspace: &TestWorkspace,
    declared: &[DeclaredSegment],
    (settings, is_hidden): (&SandboxSettings, bool),
) -> Result<(), TestCaseError> {
    let plan = workspace.plan(declared).await;
    if !plan.conflicts.is_empty() {
        return Ok(());
    }
    let before = workspace.request_log().len();
    let receipt = workspace.apply(&plan).await;
    let log = workspace.request_log().split_off(before);
    if !receipt.is_complete() {
        // What no plan can know: a hidden archived segment has the name or the definition, or the service takes the
        // passing form of a definition for the definition itself.
        let unknowable =
            is_hidden || settings.archived_definitions_conflict || !settings.equality_order_sensitive;
        let is_refused = log.iter().any(|entry| entry.status == 409);
        prop_assert!(unknowable && is_refused, "{:?}\n{:#?}", receipt, plan.steps);
        let observed = workspace.observe(declared).await;
        let in_passing: Vec<_> = declared.iter().map(|segment| segment.name.temporary()).collect();
        let half_done = observed
            .segments
            .values()
            .find(|live| in_passing.contains(&live.name));
        prop_assert!(half_done.is_none(), "{:?}\n{:?}", half_done, receipt);
        return Ok(());
    }
    let again = workspace.plan(declared).await;
    prop_assert!(
        again.is_empty() && again.conflicts.is_empty(),
        "{:#?}\nafter {:#?}",
        again,
        receipt
    );
    let count = committed_writes(&workspace.request_log());
    workspace.apply(&again).await;
    prop_assert_eq!(committed_writes(&workspace.request_log()), count);
    Ok(())
}

fn step_names(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.segment.to_string()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_after_apply_is_empty(
        live in drafts(),
        first in drafts(),
        second in drafts(),
        settings in settings(),
        forgets in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let workspace = TestWorkspace::new(settings.clone());
        create_external_segments(&workspace, &live);
        // What was put away without the ledger, or before it was lost.
        let is_hidden = !settings.list_includes_archived
            && (live.values().any(|draft| draft.archived) || forgets && first.values().any(|draft| draft.archived));
        runtime.block_on(async {
            require_convergence(&workspace, &declared(&first), (&settings, is_hidden)).await?;
            // Where the list shows archived segments, only the ledger knows which they are.
            if forgets && !settings.list_includes_archived {
                workspace.lose_state();
            }
            require_convergence(&workspace, &declared(&second), (&settings, is_hidden)).await
        })?;
    }

    #[test]
    fn plans_are_deterministic_and_change_only_declared_segments(live in drafts(), files in drafts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let workspace = TestWorkspace::new(SandboxSettings::default());
        create_external_segments(&workspace, &live);
        let declared = declared(&files);
        runtime.block_on(async {
            let plan = workspace.plan(&declared).await;
            for _ in 0..3 {
                prop_assert_eq!(&workspace.plan(&declared).await, &plan);
            }
            let names: Vec<_> = declared.iter().map(|segment| segment.name.to_string()).collect();
            prop_assert!(step_names(&plan).iter().all(|name| names.contains(name)));
            prop_assert_eq!(committed_writes(&workspace.request_log()), 0);
            Ok(())
        })?;
    }
}
