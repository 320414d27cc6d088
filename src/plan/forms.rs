//! The normal forms of what is live, each computed once: the planner asks for them in several places.

use super::step::Known;
use crate::definition::{Digests, normal};
use crate::model::{Observed, SegmentId};
use serde_json::Value;
use std::collections::HashMap;

/// Normal forms by id.
pub(super) struct Forms<'a>(HashMap<&'a SegmentId, Form>);

/// A live definition in normal form.
pub(super) struct Form {
    pub(super) exact: Value,
    pub(super) digests: Digests,
}

impl<'a> Forms<'a> {
    /// The forms of all definitions that were read.
    pub(super) fn of(observed: &'a Observed, known: &Known) -> Self {
        let segments = observed.segments.iter();
        let forms = segments.filter_map(|(id, live)| {
            let exact = normal::exact(live.definition.as_ref()?, &known.identities);
            let digests = Digests::of_exact_form(&exact);
            Some((id, Form { exact, digests }))
        });
        Self(forms.collect())
    }

    /// The form of a segment's definition; `None` when it was not read or there is none.
    pub(super) fn get(&self, id: &SegmentId) -> Option<&Form> {
        self.0.get(id)
    }
}
