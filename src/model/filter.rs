//! Groups of filters, the five filter types, and references to other segments.

use super::attribute::AttributeFilter;
use super::event::{AffinityFilter, EventFilter};
use super::group_operator::GroupOperator;
use super::identity::{SegmentId, SegmentName};
use super::keyword::keywords;
use serde::{Deserialize, Serialize};

keywords! {
    pub enum FilterType("filter type") {
        UserAttributes = "user_attributes",
        Actions = "actions",
        PsychographicEvent = "psychographic_event",
        CustomSegments = "custom_segments",
        NestedFilters = "nested_filters",
    }
}

/// A segment's members are the users that `included` matches, minus those that `excluded` matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    pub included: Group,
    /// An empty group excludes no users and is stored as `None`.
    pub excluded: Option<Group>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub operator: GroupOperator,
    pub filters: Vec<Filter>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    Attribute(AttributeFilter),
    Event(EventFilter),
    Affinity(AffinityFilter),
    Reference(Reference),
    Nested(Group),
    /// `{raw: …}`: sent unchanged, for API features that this version does not support. segctl checks nothing in it.
    Raw(serde_json::Value),
}

/// The segment that a `custom_segments` filter refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// segctl resolves the name to an id in each workspace.
    Name(SegmentName),
    /// By id, as in the dashboard's payload. MoEngage ignores the label.
    Id {
        /// May be the pseudo id for all users.
        id: SegmentId,
        /// The name in the dashboard's payload.
        label: Option<String>,
    },
}

impl Definition {
    /// All references in the order written, including nested and excluded ones, but not those inside `raw` filters.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        let mut found = Vec::new();
        for group in std::iter::once(&self.included).chain(&self.excluded) {
            group.collect_references(&mut found);
        }
        found
    }
}

impl Group {
    fn collect_references<'a>(&'a self, found: &mut Vec<&'a Reference>) {
        for filter in &self.filters {
            match filter {
                Filter::Reference(reference) => found.push(reference),
                Filter::Nested(group) => group.collect_references(found),
                Filter::Attribute(_) | Filter::Event(_) | Filter::Affinity(_) | Filter::Raw(_) => {}
            }
        }
    }
}
