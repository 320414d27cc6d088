//! References between segments, as the limits of MoEngage count them: targets, depth, and length when expanded.
//!
//! The input is the JSON of the API, so that declared and remote definitions count alike. The callers check the limits.

use crate::model::{ALL_USERS_ID, Payload, Reference, SegmentId, SegmentName};
pub use crate::model::{ReferenceSummary, ReferenceUsage};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub const DEPTH_LIMIT: u32 = 6;
/// Different segments that one definition may refer to.
pub const REFERENCE_LIMIT: usize = 10;
/// In characters, with every reference expanded. MoEngage measures its own query; the JSON is an estimate.
pub const EXPANDED_LENGTH_LIMIT: u64 = 262_144;

#[derive(Clone, Copy, Debug)]
pub enum ReferencedSegment<'a> {
    Filter(&'a ReferenceSummary),
    /// Counts toward no limit.
    FileOrCohort,
    /// Counts as a filter segment without references, of no length.
    Unknown,
}

/// Computes the depth and length of each referenced definition once.
pub struct LimitCalculator<'a> {
    resolve: &'a dyn Fn(&Reference) -> ReferencedSegment<'a>,
    /// `None` while the references of the segment are being computed.
    computed: BTreeMap<Reference, Option<LimitMetrics>>,
}

#[derive(Clone, Copy, Debug)]
struct LimitMetrics {
    depth: u32,
    /// In characters when expanded; `None` when the reference is not expanded.
    length: Option<u64>,
}

/// At any depth, without the pseudo id for all users.
#[must_use]
pub fn referenced_ids(payload: &Payload) -> BTreeSet<SegmentId> {
    let mut found = BTreeSet::new();
    visit_filters(payload, &mut |kind, filter| {
        if kind == "custom_segments"
            && let Some(Reference::Id { id, .. }) = reference_of(filter)
        {
            found.insert(id);
        }
    });
    found
}

impl ReferenceSummary {
    pub(super) fn ids(&self) -> impl Iterator<Item = &SegmentId> {
        self.references.keys().filter_map(|reference| match reference {
            Reference::Id { id, .. } => Some(id),
            Reference::Name(_) => None,
        })
    }

    #[must_use]
    pub fn from_payload(payload: &Payload) -> Self {
        let mut summary = Self {
            length: payload_length(payload),
            ..Self::default()
        };
        visit_filters(payload, &mut |kind, filter| match kind {
            "nested_filters" => summary.has_nested_group = true,
            "custom_segments" => {
                if let Some(reference) = reference_of(filter) {
                    let usage = summary.references.entry(reference).or_default();
                    usage.count += 1;
                    usage.length += json_length(filter);
                }
            }
            _ => {}
        });
        summary
    }
}

/// Visits every filter, at any depth, with its type.
fn visit_filters(payload: &Payload, visit: &mut dyn FnMut(&str, &Value)) {
    for group in std::iter::once(&payload.included_filters).chain(&payload.excluded_filters) {
        visit_group_filters(group, visit);
    }
}

fn visit_group_filters(group: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    let filters = group.get("filters").and_then(Value::as_array);
    for filter in filters.into_iter().flatten() {
        let kind = filter.get("filter_type").and_then(Value::as_str);
        let kind = kind.unwrap_or_default();
        visit(kind, filter);
        if kind == "nested_filters" {
            visit_group_filters(filter, visit);
        }
    }
}

/// The id of a `custom_segments` filter selects the segment; the name beside it is a label.
fn reference_of(filter: &Value) -> Option<Reference> {
    let text = |key| filter.get(key).and_then(Value::as_str);
    match (text("id"), text("name")) {
        (Some(ALL_USERS_ID), _) | (None, None) => None,
        (Some(id), _) => Some(Reference::Id {
            id: SegmentId::new(id),
            label: None,
        }),
        (None, Some(name)) => Some(Reference::Name(SegmentName::new(name))),
    }
}

/// Characters of `{"included_filters":…,"excluded_filters":…}`.
fn payload_length(payload: &Payload) -> u64 {
    let length = |key: &str, group: &Value| json_length(group) + key.len() as u64;
    let excluded = payload.excluded_filters.as_ref();
    let excluded = excluded.map_or(0, |group| length(r#","excluded_filters":"#, group));
    length(r#"{"included_filters":}"#, &payload.included_filters) + excluded
}

impl<'a> LimitCalculator<'a> {
    /// In a cycle, the reference that closes it counts as unknown.
    #[must_use]
    pub fn new(resolve: &'a dyn Fn(&Reference) -> ReferencedSegment<'a>) -> Self {
        Self {
            resolve,
            computed: BTreeMap::new(),
        }
    }

    /// 1 without references; else one more than the deepest reference, and one more with a nested group.
    pub fn depth(&mut self, summary: &ReferenceSummary) -> u32 {
        self.compute_references(summary);
        self.metrics_of(summary).depth
    }

    /// In characters, with all references expanded recursively.
    pub fn expanded_length(&mut self, summary: &ReferenceSummary) -> u64 {
        self.compute_references(summary);
        self.metrics_of(summary).length.unwrap_or(summary.length)
    }

    /// Follows the deepest reference at each step.
    pub fn deepest_chain(&mut self, summary: &ReferenceSummary) -> Vec<Reference> {
        self.compute_references(summary);
        let mut chain: Vec<Reference> = Vec::new();
        let mut current = summary;
        while let Some(next) = self.deepest_reference(current) {
            if chain.contains(&next) {
                break;
            }
            chain.push(next.clone());
            match (self.resolve)(&next) {
                ReferencedSegment::Filter(summary) => current = summary,
                ReferencedSegment::FileOrCohort | ReferencedSegment::Unknown => break,
            }
        }
        chain
    }

    fn deepest_reference(&self, summary: &ReferenceSummary) -> Option<Reference> {
        let depth = |reference: &Reference| self.computed_metrics(reference).depth;
        let counted = summary.references.keys().filter(|reference| depth(reference) > 0);
        // The first of equals, so that messages are deterministic.
        let deepest = counted.rev().max_by_key(|reference| depth(reference));
        deepest.cloned()
    }

    /// Not recursive: a chain of references may be as long as the number of segments.
    fn compute_references(&mut self, summary: &ReferenceSummary) {
        let mut pending: Vec<Reference> = summary.references.keys().cloned().collect();
        while let Some(current) = pending.last().cloned() {
            let target = (self.resolve)(&current);
            let metrics = match (self.computed.get(&current), target) {
                (Some(Some(known)), _) => *known,
                (None, ReferencedSegment::Filter(target_summary)) => {
                    self.computed.insert(current, None);
                    let new_references = target_summary
                        .references
                        .keys()
                        .filter(|next| !self.computed.contains_key(next));
                    pending.extend(new_references.cloned());
                    continue;
                }
                (Some(None), ReferencedSegment::Filter(target_summary)) => self.metrics_of(target_summary),
                (_, ReferencedSegment::FileOrCohort) => LimitMetrics {
                    depth: 0,
                    length: None,
                },
                (_, ReferencedSegment::Unknown) => LimitMetrics::UNKNOWN,
            };
            self.computed.insert(current, Some(metrics));
            pending.pop();
        }
    }

    /// The references of the definition must be computed.
    fn metrics_of(&self, summary: &ReferenceSummary) -> LimitMetrics {
        let mut deepest = 0;
        let mut length = summary.length;
        for (reference, usage) in &summary.references {
            let target_summary = self.computed_metrics(reference);
            deepest = deepest.max(target_summary.depth);
            if let Some(expanded) = target_summary.length {
                length = length
                    .saturating_sub(usage.length)
                    .saturating_add(usage.count.saturating_mul(expanded));
            }
        }
        let nested = u32::from(deepest > 0 && summary.has_nested_group);
        LimitMetrics {
            depth: deepest + 1 + nested,
            length: Some(length),
        }
    }

    fn computed_metrics(&self, reference: &Reference) -> LimitMetrics {
        let computed = self.computed.get(reference).copied().flatten();
        computed.unwrap_or(LimitMetrics::UNKNOWN)
    }
}

impl LimitMetrics {
    const UNKNOWN: Self = Self {
        depth: 1,
        length: None,
    };
}

fn json_length(value: &Value) -> u64 {
    let text = serde_json::to_string(value).expect("a JSON value serializes");
    text.chars().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn payload(names: &[&str], nested: bool) -> Payload {
        let mut filters: Vec<Value> = names
            .iter()
            .map(|name| json!({"filter_type": "custom_segments", "name": name}))
            .collect();
        if nested {
            filters.push(json!({"filter_type": "nested_filters", "filter_operator": "or", "filters": []}));
        }
        Payload {
            included_filters: json!({"filter_operator": "and", "filters": filters}),
            excluded_filters: None,
        }
    }

    fn named(name: &str) -> Reference {
        Reference::Name(SegmentName::new(name))
    }

    fn summaries(segments: &[(&str, &[&str], bool)]) -> BTreeMap<Reference, ReferenceSummary> {
        let summary = |(name, names, nested): &(&str, &[&str], bool)| {
            let summary = ReferenceSummary::from_payload(&payload(names, *nested));
            (named(name), summary)
        };
        segments.iter().map(summary).collect()
    }

    #[test]
    fn depths_follow_the_documented_formula() {
        let segments = summaries(&[
            ("plain", &[], false),
            ("nested only", &[], true),
            ("refers", &["plain"], false),
            ("refers and nests", &["plain"], true),
            ("chain", &["refers"], false),
            ("chain and nests", &["refers"], true),
            ("unknown", &["elsewhere"], false),
            ("file", &["a file"], true),
            ("cycle", &["back"], false),
            ("back", &["cycle"], false),
        ]);
        let resolve = |reference: &Reference| match segments.get(reference) {
            Some(summary) => ReferencedSegment::Filter(summary),
            None if *reference == named("a file") => ReferencedSegment::FileOrCohort,
            None => ReferencedSegment::Unknown,
        };
        let mut limits = LimitCalculator::new(&resolve);
        let expected = [
            ("plain", 1),
            ("nested only", 1),
            ("refers", 2),
            ("refers and nests", 3),
            ("chain", 3),
            ("chain and nests", 4),
            ("unknown", 2),
            ("file", 1),
        ];
        for (name, depth) in expected {
            assert_eq!(limits.depth(&segments[&named(name)]), depth, "{name}");
        }
        assert_eq!(
            limits.deepest_chain(&segments[&named("chain")]),
            [named("refers"), named("plain")]
        );
        // The computation ends for a cycle, too.
        assert!(limits.depth(&segments[&named("cycle")]) < 5);
        assert!(limits.deepest_chain(&segments[&named("cycle")]).len() < 5);
    }

    #[test]
    fn every_reference_is_expanded_and_the_length_saturates() {
        let mut segments = summaries(&[
            ("0", &[], false),
            ("twice", &["0", "0"], false),
            ("out", &["x"], false),
        ]);
        for index in 0..100 {
            let name = index.to_string();
            let doubled = summaries(&[(&(index + 1).to_string(), &[&name, &name], false)]);
            segments.extend(doubled);
        }
        let resolve = |reference: &Reference| {
            let summary = segments.get(reference);
            summary.map_or(ReferencedSegment::Unknown, ReferencedSegment::Filter)
        };
        let mut limits = LimitCalculator::new(&resolve);
        let of = |name: &str| &segments[&named(name)];
        let leaf = of("0").length;
        let filter = json!({"filter_type": "custom_segments", "name": "0"});
        let expected = of("twice").length - 2 * json_length(&filter) + 2 * leaf;
        assert_eq!(limits.expanded_length(of("twice")), expected);
        assert_eq!(limits.expanded_length(of("out")), of("out").length);
        assert_eq!(limits.expanded_length(of("100")), u64::MAX);
    }

    #[test]
    fn a_very_long_reference_chain_is_measured() {
        let segments: BTreeMap<_, _> = (0..20_000_u32)
            .map(|index| {
                let target_summary = (index + 1).to_string();
                let summary = ReferenceSummary::from_payload(&payload(&[&target_summary], false));
                (named(&index.to_string()), summary)
            })
            .collect();
        let resolve = |reference: &Reference| {
            let summary = segments.get(reference);
            summary.map_or(ReferencedSegment::Unknown, ReferencedSegment::Filter)
        };
        let depth = LimitCalculator::new(&resolve).depth(&segments[&named("0")]);
        assert_eq!(depth, 20_001);
    }

    #[test]
    fn summaries_cover_both_groups_and_ids_and_skip_all_users() {
        let id = json!({"filter_type": "custom_segments", "id": "5f", "name": "label"});
        let everyone = json!({"filter_type": "custom_segments", "id": "moe_all_users", "name": "All Users"});
        let mut both = payload(&["a", "a"], true);
        both.excluded_filters = Some(json!({"filter_operator": "and", "filters": [id, everyone]}));
        let summary = ReferenceSummary::from_payload(&both);
        let id = Reference::Id {
            id: SegmentId::new("5f"),
            label: None,
        };
        assert_eq!(summary.references.keys().collect::<Vec<_>>(), [&named("a"), &id]);
        assert_eq!(summary.references[&named("a")].count, 2);
        assert!(summary.has_nested_group);
        assert_eq!(referenced_ids(&both), BTreeSet::from([SegmentId::new("5f")]));
        let whole =
            json!({"included_filters": both.included_filters, "excluded_filters": both.excluded_filters});
        assert_eq!(summary.length, json_length(&whole));
    }
}
