//! After an apply, the next plan is empty: for random configurations, workspaces and undocumented API behavior.

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

/// A random segment without a name.
#[derive(Clone, Debug)]
struct SegmentDraft {
    /// Equal amounts give equal definitions.
    amount: u8,
    /// Earlier segments that it refers to.
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

/// A valid configuration: unique definitions, and references to earlier active segments only.
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
            contents: Contents::from(Definition {
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
            reference_origins: BTreeMap::new(),
        });
    }
    declared
}

/// Creates segments outside segctl, with unique definitions.
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

/// Plans and applies. Then the workspace matches the configuration, or a step failed and no temporary change is left.
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
    let report = workspace.apply(&plan).await;
    let log = workspace.request_log().split_off(before);
    if !report.is_complete() {
        // No plan can know that a hidden archived segment has the name or the definition, or that the service takes the
        // temporary form of a definition for the definition itself.
        let is_unknowable =
            is_hidden || settings.archived_definitions_conflict || !settings.equality_order_sensitive;
        let is_refused = log.iter().any(|entry| entry.status == 409);
        prop_assert!(is_unknowable && is_refused, "{:?}\n{:#?}", report, plan.steps);
        let observed = workspace.observe(declared).await;
        let temporary_names: Vec<_> = declared.iter().map(|segment| segment.name.temporary()).collect();
        let unfinished = observed
            .segments
            .values()
            .find(|remote| temporary_names.contains(&remote.name));
        prop_assert!(unfinished.is_none(), "{:?}\n{:?}", unfinished, report);
        return Ok(());
    }
    let again = workspace.plan(declared).await;
    prop_assert!(
        again.is_empty() && again.conflicts.is_empty(),
        "{:#?}\nafter {:#?}",
        again,
        report
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
    #![proptest_config(crate::fixed_seeds::config(600))]

    #[test]
    fn a_plan_after_apply_is_empty(
        remote in drafts(),
        first in drafts(),
        second in drafts(),
        settings in settings(),
        loses_state in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let workspace = TestWorkspace::new(settings.clone());
        create_external_segments(&workspace, &remote);
        // Segments that were archived outside segctl, or whose archive the state lost.
        let is_hidden = !settings.list_includes_archived
            && (remote.values().any(|draft| draft.archived) || loses_state && first.values().any(|draft| draft.archived));
        runtime.block_on(async {
            require_convergence(&workspace, &declared(&first), (&settings, is_hidden)).await?;
            // If listings include archived segments, only the state knows which ones are archived.
            if loses_state && !settings.list_includes_archived {
                workspace.lose_state();
            }
            require_convergence(&workspace, &declared(&second), (&settings, is_hidden)).await
        })?;
    }

    #[test]
    fn plans_are_deterministic_and_change_only_declared_segments(remote in drafts(), files in drafts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let workspace = TestWorkspace::new(SandboxSettings::default());
        create_external_segments(&workspace, &remote);
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
