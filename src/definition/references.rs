//! What the service's limits on references look at: who is referred to, how deep, how long when expanded.
//!
//! Works on the API's JSON, so that declared and live definitions are weighed alike. It measures only; whether
//! a limit is passed, and whose fault that is, is said elsewhere.

use crate::model::{ALL_USERS_ID, Payload, Reference, SegmentId, SegmentName};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Levels of segments inside segments that the service takes.
pub const DEPTH_LIMIT: u32 = 6;
/// Different segments that one definition may refer to.
pub const REFERENCE_LIMIT: usize = 10;
/// Characters of a definition with every reference expanded. The service measures its own query; the JSON is
/// the nearest to it that a client can know.
pub const EXPANDED_LENGTH_LIMIT: u64 = 262_144;

/// What one definition contributes, read once from its JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceSummary {
    /// The segments referred to, without labels and without the pseudo segment for everyone.
    pub references: BTreeMap<Reference, ReferenceUsage>,
    /// Whether any group stands inside a group.
    pub has_nested_group: bool,
    /// Characters of the compact JSON.
    pub length: u64,
}

/// How a definition mentions one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReferenceUsage {
    /// How many filters refer to it.
    pub count: u64,
    /// Characters of these filters together.
    pub length: u64,
}

/// What a reference leads to.
#[derive(Clone, Copy, Debug)]
pub enum ReferencedSegment<'a> {
    /// A filter segment.
    Filter(&'a ReferenceSummary),
    /// A file or cohort segment: counts toward no limit.
    FileOrCohort,
    /// Nobody knows: counts as a filter segment without references, of no length.
    Unknown,
}

/// Levels and lengths of definitions that refer to each other; each is computed once.
pub struct LimitCalculator<'a> {
    resolve: &'a dyn Fn(&Reference) -> ReferencedSegment<'a>,
    /// `None` while what it refers to is computed.
    computed: BTreeMap<Reference, Option<LimitMetrics>>,
}

#[derive(Clone, Copy, Debug)]
struct LimitMetrics {
    depth: u32,
    /// Characters when expanded; `None` when the reference stays as it is.
    length: Option<u64>,
}

/// The ids that a definition refers to, at any depth, without the pseudo id for everyone.
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
    /// Reads `payload`; parts of unknown form hold no references.
    #[must_use]
    pub fn from_payload(payload: &Payload) -> Self {
        let mut outline = Self {
            length: payload_length(payload),
            ..Self::default()
        };
        visit_filters(payload, &mut |kind, filter| match kind {
            "nested_filters" => outline.has_nested_group = true,
            "custom_segments" => {
                if let Some(reference) = reference_of(filter) {
                    let mentions = outline.references.entry(reference).or_default();
                    mentions.count += 1;
                    mentions.length += json_length(filter);
                }
            }
            _ => {}
        });
        outline
    }
}

/// Shows every filter of a definition, at any depth, with its type.
fn visit_filters(payload: &Payload, visit: &mut dyn FnMut(&str, &Value)) {
    for group in std::iter::once(&payload.included_filters).chain(&payload.excluded_filters) {
        visit_group_filters(group, visit);
    }
}

fn visit_group_filters(group: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    let filters = group.get("filters").and_then(Value::as_array);
    for filter in filters.into_iter().flatten() {
        let kind = filter
            .get("filter_type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        visit(kind, filter);
        if kind == "nested_filters" {
            visit_group_filters(filter, visit);
        }
    }
}

/// The segment that a `custom_segments` filter means: the id decides, the name beside it is a label.
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
    let included = json_length(&payload.included_filters) + r#"{"included_filters":}"#.len() as u64;
    let excluded = payload.excluded_filters.as_ref();
    included
        + excluded.map_or(0, |group| {
            json_length(group) + r#","excluded_filters":"#.len() as u64
        })
}

impl<'a> LimitCalculator<'a> {
    /// Weighs with what `resolve` knows. References to a segment that is being weighed (a cycle) count as unknown.
    #[must_use]
    pub fn new(resolve: &'a dyn Fn(&Reference) -> ReferencedSegment<'a>) -> Self {
        Self {
            resolve,
            computed: BTreeMap::new(),
        }
    }

    /// The level of a definition: 1 without references; else one more than the deepest referred to, and one
    /// more again if the definition has a nested group.
    pub fn depth(&mut self, outline: &ReferenceSummary) -> u32 {
        self.compute_references(outline);
        self.metrics_of(outline).depth
    }

    /// Characters of a definition with every reference expanded in place, those of the references too.
    pub fn expanded_length(&mut self, outline: &ReferenceSummary) -> u64 {
        self.compute_references(outline);
        self.metrics_of(outline).length.unwrap_or(outline.length)
    }

    /// The references that lead from a definition to the bottom, at each step the deepest.
    pub fn deepest_chain(&mut self, outline: &ReferenceSummary) -> Vec<Reference> {
        self.compute_references(outline);
        let mut chain: Vec<Reference> = Vec::new();
        let mut current = outline;
        while let Some(next) = self
            .deepest_reference(current)
            .filter(|next| !chain.contains(next))
        {
            chain.push(next.clone());
            match (self.resolve)(&next) {
                ReferencedSegment::Filter(outline) => current = outline,
                ReferencedSegment::FileOrCohort | ReferencedSegment::Unknown => break,
            }
        }
        chain
    }

    fn deepest_reference(&self, outline: &ReferenceSummary) -> Option<Reference> {
        let level = |reference: &Reference| self.computed_metrics(reference).depth;
        let counted = outline.references.keys().filter(|reference| level(reference) > 0);
        // Of equals the first, so that messages do not change from run to run.
        let deepest = counted.rev().max_by_key(|reference| level(reference));
        deepest.cloned()
    }

    /// Weighs everything below `outline`. With a stack of its own: a chain of references may be as long as
    /// there are segments.
    fn compute_references(&mut self, outline: &ReferenceSummary) {
        let mut open: Vec<Reference> = outline.references.keys().cloned().collect();
        while let Some(current) = open.last().cloned() {
            let referent = (self.resolve)(&current);
            let weight = match (self.computed.get(&current), referent) {
                (Some(Some(known)), _) => *known,
                (None, ReferencedSegment::Filter(below)) => {
                    self.computed.insert(current, None);
                    let unseen = below
                        .references
                        .keys()
                        .filter(|next| !self.computed.contains_key(next));
                    open.extend(unseen.cloned());
                    continue;
                }
                (Some(None), ReferencedSegment::Filter(below)) => self.metrics_of(below),
                (_, ReferencedSegment::FileOrCohort) => LimitMetrics {
                    depth: 0,
                    length: None,
                },
                (_, ReferencedSegment::Unknown) => LimitMetrics::UNKNOWN,
            };
            self.computed.insert(current, Some(weight));
            open.pop();
        }
    }

    /// The weight of a definition whose references are weighed.
    fn metrics_of(&self, outline: &ReferenceSummary) -> LimitMetrics {
        let mut deepest = 0;
        let mut length = outline.length;
        for (reference, mentions) in &outline.references {
            let below = self.computed_metrics(reference);
            deepest = deepest.max(below.depth);
            if let Some(expanded) = below.length {
                length = length
                    .saturating_sub(mentions.length)
                    .saturating_add(mentions.count.saturating_mul(expanded));
            }
        }
        let nested = u32::from(deepest > 0 && outline.has_nested_group);
        LimitMetrics {
            depth: deepest + 1 + nested,
            length: Some(length),
        }
    }

    fn computed_metrics(&self, reference: &Reference) -> LimitMetrics {
        self.computed
            .get(reference)
            .copied()
            .flatten()
            .unwrap_or(LimitMetrics::UNKNOWN)
    }
}

impl LimitMetrics {
    const UNKNOWN: Self = Self {
        depth: 1,
        length: None,
    };
}

fn json_length(value: &Value) -> u64 {
    value.to_string().chars().count() as u64
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

    /// Segments by name: what they refer to, and whether they have a nested group.
    fn summaries(segments: &[(&str, &[&str], bool)]) -> BTreeMap<Reference, ReferenceSummary> {
        let outline = |(name, names, nested): &(&str, &[&str], bool)| {
            (
                named(name),
                ReferenceSummary::from_payload(&payload(names, *nested)),
            )
        };
        segments.iter().map(outline).collect()
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
            Some(outline) => ReferencedSegment::Filter(outline),
            None if *reference == named("a file") => ReferencedSegment::FileOrCohort,
            None => ReferencedSegment::Unknown,
        };
        let mut weights = LimitCalculator::new(&resolve);
        let wanted = [
            ("plain", 1),
            ("nested only", 1),
            ("refers", 2),
            ("refers and nests", 3),
            ("chain", 3),
            ("chain and nests", 4),
            ("unknown", 2),
            ("file", 1),
        ];
        for (name, level) in wanted {
            assert_eq!(weights.depth(&segments[&named(name)]), level, "{name}");
        }
        assert_eq!(
            weights.deepest_chain(&segments[&named("chain")]),
            [named("refers"), named("plain")]
        );
        // Whatever a cycle weighs, weighing it ends.
        assert!(weights.depth(&segments[&named("cycle")]) < 5);
        assert!(weights.deepest_chain(&segments[&named("cycle")]).len() < 5);
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
            segments
                .get(reference)
                .map_or(ReferencedSegment::Unknown, ReferencedSegment::Filter)
        };
        let mut weights = LimitCalculator::new(&resolve);
        let of = |name: &str| &segments[&named(name)];
        let leaf = of("0").length;
        let filter = json!({"filter_type": "custom_segments", "name": "0"});
        let expected = of("twice").length - 2 * json_length(&filter) + 2 * leaf;
        assert_eq!(weights.expanded_length(of("twice")), expected);
        assert_eq!(weights.expanded_length(of("out")), of("out").length);
        assert_eq!(weights.expanded_length(of("100")), u64::MAX);
    }

    #[test]
    fn a_very_long_reference_chain_is_measured() {
        let segments: BTreeMap<_, _> = (0..20_000_u32)
            .map(|index| {
                let below = (index + 1).to_string();
                (
                    named(&index.to_string()),
                    ReferenceSummary::from_payload(&payload(&[&below], false)),
                )
            })
            .collect();
        let resolve = |reference: &Reference| {
            segments
                .get(reference)
                .map_or(ReferencedSegment::Unknown, ReferencedSegment::Filter)
        };
        assert_eq!(
            LimitCalculator::new(&resolve).depth(&segments[&named("0")]),
            20_001
        );
    }

    #[test]
    fn summaries_cover_both_groups_and_ids_and_skip_all_users() {
        let id = json!({"filter_type": "custom_segments", "id": "5f", "name": "label"});
        let everyone = json!({"filter_type": "custom_segments", "id": "moe_all_users", "name": "All Users"});
        let mut both = payload(&["a", "a"], true);
        both.excluded_filters = Some(json!({"filter_operator": "and", "filters": [id, everyone]}));
        let outline = ReferenceSummary::from_payload(&both);
        let id = Reference::Id {
            id: SegmentId::new("5f"),
            label: None,
        };
        assert_eq!(outline.references.keys().collect::<Vec<_>>(), [&named("a"), &id]);
        assert_eq!(outline.references[&named("a")].count, 2);
        assert!(outline.has_nested_group);
        assert_eq!(referenced_ids(&both), BTreeSet::from([SegmentId::new("5f")]));
        let whole =
            json!({"included_filters": both.included_filters, "excluded_filters": both.excluded_filters});
        assert_eq!(outline.length, json_length(&whole));
    }
}
