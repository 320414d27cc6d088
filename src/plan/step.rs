//! The plan as a value: steps in the order to run them, conflicts that forbid running them, and the reasons.
//!
//! All choices are made here and none later: `apply` runs steps, `render` shows them, and both ask a step what it
//! wants rather than deciding themselves.

use crate::definition::{Digest, Digests, FieldChange, Identities, normal};
use crate::model::{Lifecycle, Origin, Payload, SegmentId, SegmentName};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a workspace needs to become what the files say.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// The steps, each after all that it depends on.
    pub steps: Vec<Step>,
    /// Declared segments that are as they should be.
    pub unchanged: Vec<SegmentName>,
    /// Live segments that nobody declared: never touched.
    pub undeclared: usize,
    /// What forbids applying the plan.
    pub conflicts: Vec<Conflict>,
    /// What is likely not meant, but forbids nothing.
    pub warnings: Vec<Warning>,
    /// Which live segment each reference means, as far as known before the first step.
    pub known: Known,
}

/// How many steps a plan has of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Segments made.
    pub create: usize,
    /// Segments changed.
    pub update: usize,
    /// Segments put away.
    pub archive: usize,
    /// Segments taken out again.
    pub unarchive: usize,
}

/// One write, and what has to come before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// 1-based place in the plan.
    pub number: usize,
    /// The declared name.
    pub segment: SegmentName,
    /// The write.
    pub action: Action,
    /// Steps that have to be applied before.
    pub depends_on: Vec<usize>,
    /// Where the segment is declared.
    pub origin: Origin,
}

/// The kinds of write.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make the segment.
    Create(Wanted),
    /// Change its definition, its name, or both.
    Update {
        /// What the plan saw of it.
        target: Target,
        /// What it should be.
        wanted: Wanted,
        /// What changes, field by field.
        changes: Vec<FieldChange>,
    },
    /// Put it away.
    Archive(Target),
    /// Take it out again.
    Unarchive(Target),
}

/// A live segment as the plan saw it, to be compared again right before the write.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its id.
    pub id: SegmentId,
    /// Its name at the service.
    pub live_name: SegmentName,
    /// Why it is taken for the declared segment.
    pub matched_by: MatchReason,
    /// Whether it was in use.
    pub lifecycle: Lifecycle,
    /// The exact digest of its definition; `None` where the service shows none.
    pub seen: Option<Digest>,
}

/// Why a live segment is taken for a declared one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchReason {
    /// It has the declared name.
    Name,
    /// The ledger says that the declared name was applied to its id.
    Ledger,
    /// It has one of the names that the segment had before.
    PreviousName,
}

/// A definition to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The definition, with references by name where the files have them so.
    payload: Payload,
    /// Its exact normal form.
    form: Value,
    /// Its digests.
    pub digests: Digests,
}

/// Ids by name, and what references mean, as far as known; grows while steps are applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Ids of live segments, declared ones under their declared names.
    pub ids: BTreeMap<SegmentName, SegmentId>,
    /// What references mean.
    pub identities: Identities,
}

/// Why a plan cannot be applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Conflict {
    /// The name belongs to a segment that filters cannot make.
    KindTaken {
        /// The declared segment.
        segment: SegmentName,
        /// Where it is declared.
        origin: Origin,
        /// The holder.
        holder: SegmentId,
        /// The service's word for its kind.
        kind: String,
    },
    /// Another live segment has the very definition.
    DefinitionTaken {
        /// The declared segment.
        segment: SegmentName,
        /// Where it is declared.
        origin: Origin,
        /// The holder's name.
        holder_name: SegmentName,
        /// The holder.
        holder: SegmentId,
    },
    /// A reference means no segment, declared or live.
    UnknownReference {
        /// The declared segment.
        segment: SegmentName,
        /// Where it is declared.
        origin: Origin,
        /// The name that nothing has.
        reference: SegmentName,
    },
    /// A rename to a name that another live segment has.
    NameTaken {
        /// The declared segment.
        segment: SegmentName,
        /// Where it is declared.
        origin: Origin,
        /// The holder.
        holder: SegmentId,
    },
    /// Two declared segments mean one live segment.
    SharedTarget {
        /// The declared segments.
        segments: Vec<(SegmentName, Origin)>,
        /// The live one.
        target: SegmentId,
    },
    /// What a definition refers to, live segments among them, is more than the service takes.
    Limit {
        /// The declared segment.
        segment: SegmentName,
        /// Where it is declared.
        origin: Origin,
        /// Which limit.
        limit: ExceededLimit,
    },
    /// Steps wait for each other: each needs a definition that another has yet to give up.
    Cycle {
        /// The declared segments, in the order of the cycle.
        segments: Vec<(SegmentName, Origin)>,
    },
}

/// The service's limits on references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceededLimit {
    /// Different filter segments referred to.
    References {
        /// How many there are.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// Levels of segments inside segments.
    Level {
        /// How many there are.
        level: u32,
        /// How many may be.
        limit: u32,
    },
    /// Characters with every reference expanded.
    Length {
        /// How many there are.
        length: u64,
        /// How many may be.
        limit: u64,
    },
    /// The segment refers to itself through a live one.
    Circle,
}

/// What is likely not meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// A live segment has the same filters in another order: the service may see a duplicate.
    LikelyDuplicate {
        /// The declared segment.
        segment: SegmentName,
        /// The other's name.
        holder_name: SegmentName,
        /// The other.
        holder: SegmentId,
    },
    /// The workspace would have more active segments than are documented to fit.
    ActiveLimit {
        /// Active segments after the plan.
        count: usize,
        /// The documented limit.
        limit: usize,
    },
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps, counted.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for step in &self.steps {
            match step.action {
                Action::Create(_) => summary.create += 1,
                Action::Update { .. } => summary.update += 1,
                Action::Archive(_) => summary.archive += 1,
                Action::Unarchive(_) => summary.unarchive += 1,
            }
        }
        summary
    }
}

impl Action {
    /// The word for the action in text and JSON.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Update { .. } => "update",
            Self::Archive(_) => "archive",
            Self::Unarchive(_) => "unarchive",
        }
    }

    /// The definition that the action stores, if it stores one.
    #[must_use]
    pub fn wanted(&self) -> Option<&Wanted> {
        match self {
            Self::Create(wanted) | Self::Update { wanted, .. } => Some(wanted),
            Self::Archive(_) | Self::Unarchive(_) => None,
        }
    }

    /// The live segment that the action changes, if there is one already.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Create(_) => None,
            Self::Update { target, .. } | Self::Archive(target) | Self::Unarchive(target) => Some(target),
        }
    }
}

impl MatchReason {
    /// The words for the reason in text and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "same name",
            Self::Ledger => "applied before under this name",
            Self::PreviousName => "previous name",
        }
    }
}

impl Wanted {
    /// A definition to be stored, compared under `identities`.
    #[must_use]
    pub fn new(payload: Payload, identities: &Identities) -> Self {
        let form = normal::exact(&payload, identities);
        let digests = Digests::of_exact_form(&form);
        Self {
            payload,
            form,
            digests,
        }
    }

    /// The exact normal form.
    #[must_use]
    pub fn form(&self) -> &Value {
        &self.form
    }

    /// Whether `stored` is this definition, as far as form can tell.
    #[must_use]
    pub fn is_stored_as(&self, stored: &Payload, known: &Known) -> bool {
        digest_of(stored, known) == self.digests.exact
    }

    /// The definition with the ids of all references filled in.
    ///
    /// # Errors
    ///
    /// The name of a reference that has no id yet: the step that gives it one was not applied.
    pub fn resolved(&self, known: &Known) -> Result<Payload, SegmentName> {
        let mut payload = self.payload.clone();
        fill_ids(&mut payload.included_filters, known)?;
        if let Some(excluded) = &mut payload.excluded_filters {
            fill_ids(excluded, known)?;
        }
        Ok(payload)
    }
}

/// The exact digest of a stored definition.
#[must_use]
pub fn digest_of(stored: &Payload, known: &Known) -> Digest {
    Digests::of(stored, &known.identities).exact
}

fn fill_ids(group: &mut Value, known: &Known) -> Result<(), SegmentName> {
    let Some(filters) = group.get_mut("filters").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    for filter in filters {
        match filter.get("filter_type").and_then(Value::as_str) {
            Some("nested_filters") => fill_ids(filter, known)?,
            Some("custom_segments") => fill_id(filter, known)?,
            _ => {}
        }
    }
    Ok(())
}

fn fill_id(reference: &mut Value, known: &Known) -> Result<(), SegmentName> {
    let Value::Object(fields) = reference else {
        return Ok(());
    };
    if fields.contains_key("id") {
        return Ok(());
    }
    let Some(name) = fields.get("name").and_then(Value::as_str).map(SegmentName::new) else {
        return Ok(());
    };
    match known.ids.get(&name) {
        Some(id) => {
            fields.insert("id".to_owned(), id.as_str().into());
            Ok(())
        }
        None => Err(name),
    }
}
