//! Groups of filters, the five filter types, and references to other segments.

use super::attribute::AttributeFilter;
use super::event::{AffinityFilter, EventFilter};
use super::identity::{SegmentId, SegmentName};
use super::keyword::keywords;

keywords! {
    /// How the filters of a group combine.
    pub enum GroupOperator("group operator") {
        /// Every filter holds.
        And = "and",
        /// At least one filter holds.
        Or = "or",
    }
}

keywords! {
    /// The API's five kinds of filter.
    pub enum FilterType("filter type") {
        /// A condition on what is known of the user.
        UserAttributes = "user_attributes",
        /// What the user did, how often, in a window of time.
        Actions = "actions",
        /// How much the user prefers one kind of an event's attribute.
        PsychographicEvent = "psychographic_event",
        /// Membership in another segment.
        CustomSegments = "custom_segments",
        /// A group inside a group.
        NestedFilters = "nested_filters",
    }
}

/// Who is in a segment: those that `included` matches, without those that `excluded` matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The users taken in.
    pub included: Group,
    /// The users left out; an empty group leaves nobody out and is kept as `None`.
    pub excluded: Option<Group>,
}

/// Filters joined by one operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// How the filters combine.
    pub operator: GroupOperator,
    /// The filters, in the order written.
    pub filters: Vec<Filter>,
}

/// One filter of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// `user_attributes`
    Attribute(AttributeFilter),
    /// `actions`
    Event(EventFilter),
    /// `psychographic_event`
    Affinity(AffinityFilter),
    /// `custom_segments`
    Reference(Reference),
    /// `nested_filters`
    Nested(Group),
    /// `{raw: …}`: sent as it stands, for what the API knows and this version does not. Nothing in it is checked.
    Raw(serde_json::Value),
}

/// Which segment a `custom_segments` filter means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// By name; the id is found in each workspace.
    Name(SegmentName),
    /// By id, as the dashboard's payload has it; the service ignores the label.
    Id {
        /// What the service resolves; may be the pseudo id for everyone.
        id: SegmentId,
        /// The name the payload carried along.
        label: Option<String>,
    },
}

impl Definition {
    /// Every reference in the definition, in the order written, the nested and excluded ones too.
    ///
    /// References inside `raw` filters are not seen: nothing in them is checked.
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
