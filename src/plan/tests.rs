mod change;
mod conflict;
mod drift;
mod first_contact;
mod guard;
mod identity;
mod order;
mod passing;
mod saved;
mod selection;

use super::step::{Action, Conflict, MatchReason, Warning};
use super::*;
use crate::definition::print;
use crate::ledger::Entry;
use crate::model::{
    AttributeFilter, Condition, Contents, Definition, DoubleTest, Filter, Group, GroupOperator, Lifecycle,
    LiveKind, LiveSegment, Number, Operand, Origin, Payload, Policy, Reference, SegmentId, SegmentName,
};
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

fn of(filters: Vec<Filter>) -> Definition {
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
        contents: Contents::Filter(of(filters)),
        origin: Origin {
            file: format!("{name}.yaml"),
            line: 1,
            column: 1,
        },
    }
}

fn archived(segment: DeclaredSegment) -> DeclaredSegment {
    DeclaredSegment {
        lifecycle: Lifecycle::Archived,
        ..segment
    }
}

fn payload(filters: Vec<Filter>) -> Payload {
    print(&of(filters))
}

/// A live segment; references in it are by id.
fn live(id: &str, name: &str, definition: Payload) -> LiveSegment {
    LiveSegment {
        id: SegmentId::new(id),
        name: SegmentName::new(name),
        kind: LiveKind::Filter,
        lifecycle: Lifecycle::Active,
        source: None,
        created_time: None,
        listed: true,
        read_at: None,
        read_after: None,
        definition: Some(definition),
    }
}

fn by_id(id: &str) -> Filter {
    Filter::Reference(Reference::Id {
        id: SegmentId::new(id),
        label: None,
    })
}

fn observed(segments: Vec<LiveSegment>) -> Observed {
    Observed {
        listed_at: None,
        segments: segments.into_iter().map(|live| (live.id.clone(), live)).collect(),
    }
}

fn planned(declared: &[DeclaredSegment], live: Vec<LiveSegment>) -> Plan {
    planned_with(declared, live, &Ledger::default())
}

fn planned_with(declared: &[DeclaredSegment], live: Vec<LiveSegment>, ledger: &Ledger) -> Plan {
    planned_under(declared, live, ledger, &Policy::default())
}

fn planned_under(
    declared: &[DeclaredSegment],
    live: Vec<LiveSegment>,
    ledger: &Ledger,
    policy: &Policy,
) -> Plan {
    plan(&Situation {
        workspace: "test",
        declared,
        observed: &observed(live),
        ledger,
        lists: &Lists::default(),
        policy,
        allowances: Allowances::default(),
        selection: &Selection::default(),
        now: Timestamp::UNIX_EPOCH,
    })
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

fn entry(id: &str, name: &str) -> Entry {
    Entry::new(SegmentId::new(id), SegmentName::new(name), Timestamp::UNIX_EPOCH)
}

fn ledger(entries: Vec<Entry>) -> Ledger {
    let mut ledger = Ledger::default();
    for entry in entries {
        ledger.record(entry);
    }
    ledger
}

fn put_away(live: LiveSegment) -> LiveSegment {
    LiveSegment {
        lifecycle: Lifecycle::Archived,
        ..live
    }
}

/// A live segment with the definition that [`declared`] segments get by the same amount.
fn spender(id: &str, name: &str, amount: f64) -> LiveSegment {
    live(id, name, payload(vec![spends_more_than(amount)]))
}

fn previously(segment: DeclaredSegment, names: &[&str]) -> DeclaredSegment {
    DeclaredSegment {
        previous_names: names.iter().copied().map(SegmentName::new).collect(),
        ..segment
    }
}
