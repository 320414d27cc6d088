mod actions;
mod adoption;
mod conflicts;
mod cycle_breaking;
mod drift;
mod guards;
mod limits;
mod matching;
mod ordering;
mod renames;
mod saved;
mod targeting;

use super::step::{Action, Code, Finding, MatchReason};
use super::*;
use crate::definition::encode;
use crate::model::{
    AttributeFilter, Condition, Contents, Definition, DoubleTest, Filter, Group, GroupOperator, Lifecycle,
    Number, ObservedSegment, Operand, Origin, Payload, Policy, Reference, RemoteKind, SegmentId, SegmentName,
    ShownKinds,
};
use crate::state::StateEntry;
use jiff::Timestamp;

fn spends_more_than(amount: f64) -> Filter {
    let amount = Number::new(amount).unwrap();
    Filter::Attribute(AttributeFilter {
        name: "spend".to_owned(),
        category: None,
        condition: Condition::Double {
            negate: false,
            test: DoubleTest::GreaterThan(Operand::Fixed(amount)),
        },
    })
}

fn member_of(name: &str) -> Filter {
    Filter::Reference(Reference::Name(SegmentName::new(name)))
}

fn definition(filters: Vec<Filter>) -> Definition {
    Definition {
        included: Group {
            operator: GroupOperator::And,
            filters,
        },
        excluded: None,
    }
}

fn declared(name: &str, filters: Vec<Filter>) -> DeclaredSegment {
    DeclaredSegment {
        name: SegmentName::new(name),
        id: None,
        previous_names: Vec::new(),
        protect: false,
        lifecycle: Lifecycle::Active,
        contents: Contents::from(definition(filters)),
        origin: Origin {
            file: format!("{name}.yaml"),
            line: 1,
            column: 1,
        },
        reference_origins: Default::default(),
    }
}

fn declared_archived(segment: DeclaredSegment) -> DeclaredSegment {
    DeclaredSegment {
        lifecycle: Lifecycle::Archived,
        ..segment
    }
}

fn payload(filters: Vec<Filter>) -> Payload {
    encode(&definition(filters))
}

/// A remote segment; its references are by id.
fn remote(id: &str, name: &str, definition: Payload) -> ObservedSegment {
    ObservedSegment {
        id: SegmentId::new(id),
        name: SegmentName::new(name),
        kind: RemoteKind::Filter,
        lifecycle: Lifecycle::Active,
        source: None,
        created_time: None,
        listed: true,
        fetched_at: None,
        applied_before_fetch_at: None,
        definition: Some(definition.into()),
    }
}

fn reference_by_id(id: &str) -> Filter {
    Filter::Reference(Reference::Id {
        id: SegmentId::new(id),
        label: None,
    })
}

fn observed(segments: Vec<ObservedSegment>) -> ObservedWorkspace {
    ObservedWorkspace {
        listed_at: None,
        shown_kinds: ShownKinds::default(),
        segments: segments
            .into_iter()
            .map(|existing| (existing.id.clone(), existing))
            .collect(),
        ..ObservedWorkspace::default()
    }
}

fn plan_for(declared: &[DeclaredSegment], existing: Vec<ObservedSegment>) -> Plan {
    plan_with_state(declared, existing, &State::default())
}

fn plan_with_state(declared: &[DeclaredSegment], existing: Vec<ObservedSegment>, state: &State) -> Plan {
    plan_with_policy(declared, existing, state, &Policy::default())
}

fn plan_with_policy(
    declared: &[DeclaredSegment],
    existing: Vec<ObservedSegment>,
    state: &State,
    policy: &Policy,
) -> Plan {
    plan(&PlanInput {
        workspace: "test",
        endpoint: "MoEngage DC 01",
        declared,
        observed: &observed(existing),
        state,
        compared_lists: &ComparedLists::default(),
        policy,
        overrides: Overrides::default(),
        selection: &Selection::default(),
        now: Timestamp::UNIX_EPOCH,
    })
}

fn codes(findings: &[Finding]) -> Vec<Code> {
    findings.iter().map(|finding| finding.code.clone()).collect()
}

fn names(finding: &Finding) -> Vec<&str> {
    finding.segments.iter().map(SegmentName::as_str).collect()
}

/// The remote segments of a finding; the one that is in the way comes first.
fn holders(finding: &Finding) -> Vec<&str> {
    finding.remote_ids.iter().map(SegmentId::as_str).collect()
}

fn steps(plan: &Plan) -> Vec<String> {
    let needs = |needs: &[usize]| {
        needs
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    let text = |step: &step::Step| {
        format!(
            "{} {} <{}>",
            step.action.as_str(),
            step.segment,
            needs(&step.depends_on)
        )
    };
    plan.steps.iter().map(text).collect()
}

fn entry(id: &str, name: &str) -> StateEntry {
    StateEntry::new(SegmentId::new(id), SegmentName::new(name), Timestamp::UNIX_EPOCH)
}

fn state(entries: Vec<StateEntry>) -> State {
    let mut state = State::default();
    for entry in entries {
        state.record(entry);
    }
    state
}

fn archived_remote(existing: ObservedSegment) -> ObservedSegment {
    ObservedSegment {
        lifecycle: Lifecycle::Archived,
        ..existing
    }
}

/// A remote segment with the definition of `spends_more_than(amount)`.
fn remote_spender(id: &str, name: &str, amount: f64) -> ObservedSegment {
    remote(id, name, payload(vec![spends_more_than(amount)]))
}

fn with_previous_names(segment: DeclaredSegment, names: &[&str]) -> DeclaredSegment {
    DeclaredSegment {
        previous_names: names.iter().copied().map(SegmentName::new).collect(),
        ..segment
    }
}
