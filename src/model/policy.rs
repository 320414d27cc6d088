//! What a workspace lets segctl do, and what is known of the service where its documentation is silent.

use super::identity::SegmentName;
use super::keyword::keywords;
use super::pattern::NamePattern;
use super::storage_url::PublishLocation;

keywords! {
    /// What to do with a live segment that a file declares and that segctl has not met before.
    pub enum Adoption("adoption") {
        /// Take it over.
        Allow = "allow",
        /// Refuse the plan.
        Refuse = "refuse",
    }
}

/// What a workspace lets segctl do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Undeclared live segments whose names fit are ours to archive.
    pub managed_patterns: Vec<NamePattern>,
    /// Whether segments made by hand may be taken over.
    pub adoption: Adoption,
    /// How much one plan may change.
    pub guards: Guards,
    /// What the service does where it is not documented.
    pub api_behavior: ApiBehavior,
    /// Where lists of users are put for the service to read; `None` where they are not.
    pub publish: Option<PublishLocation>,
}

/// How much one plan may change, in percent of the active segments that are managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// The most that may be archived.
    pub archive: u32,
    /// The most that may be updated.
    pub update: u32,
    /// The guards are not applied to workspaces with fewer managed segments than this.
    pub min_segments: usize,
}

/// What the service does where its documentation is silent: the likelier answers, until a workspace says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiBehavior {
    /// Whether the list shows archived segments. Then only the ledger tells which are archived: what the service or a
    /// person archives is not seen.
    pub list_shows_archived: bool,
    /// Whether a rename frees the old name for other segments.
    pub rename_frees_names: bool,
    /// Whether the definition of an archived segment blocks others.
    pub archived_definitions_conflict: bool,
    /// Active segments that fit into the workspace; 1000 are documented, and the limit can be raised.
    pub active_limit: usize,
    /// Users that lists may add in 24 hours, of all segments together; 2,000,000 are documented, and the limit can be raised.
    pub daily_user_limit: u64,
}

impl Policy {
    /// Whether an undeclared live segment of this name is ours.
    #[must_use]
    pub fn manages(&self, name: &SegmentName) -> bool {
        self.managed_patterns.iter().any(|pattern| pattern.matches(name))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            managed_patterns: Vec::new(),
            adoption: Adoption::Allow,
            guards: Guards::default(),
            api_behavior: ApiBehavior::default(),
            publish: None,
        }
    }
}

impl Default for Guards {
    /// A third of a workspace at once is more likely an accident than a wish; in small ones a third is one segment.
    fn default() -> Self {
        Self {
            archive: 30,
            update: 30,
            min_segments: 10,
        }
    }
}

impl Default for ApiBehavior {
    fn default() -> Self {
        Self {
            list_shows_archived: false,
            rename_frees_names: false,
            archived_definitions_conflict: false,
            active_limit: 1000,
            daily_user_limit: 2_000_000,
        }
    }
}
