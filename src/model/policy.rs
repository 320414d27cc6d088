//! What segctl may change in a workspace, and how MoEngage behaves where its behavior is not documented.

use super::identity::SegmentName;
use super::keyword::keywords;
use super::pattern::NamePattern;
use super::segment::{RemoteKind, ShownKinds};
use super::storage_url::PublishLocation;

keywords! {
    /// What to do with a declared segment that already exists in MoEngage and is not in the state.
    pub enum Adoption("adoption") {
        Allow = "allow",
        Refuse = "refuse",
    }
}

keywords! {
    /// The segments that the list of the API shows.
    pub enum ListedKinds("list contents") {
        All = "all",
        Filter = "filter",
        FilterAndFile = "filter_and_file",
    }
}

keywords! {
    /// The Content-Type of an API request. The types other than JSON are those of a member list: MoEngage's documentation
    /// also gives them as a header of the requests that send a list.
    pub enum RequestContentType("content type") {
        Json = "application/json",
        TextCsv = "text/csv",
        ApplicationCsv = "application/csv",
        Excel = "application/vnd.ms-excel",
        PlainText = "text/plain",
        OctetStream = "application/octet-stream",
        BinaryOctetStream = "binary/octet-stream",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `manages:`. segctl archives undeclared segments whose names match.
    pub managed_patterns: Vec<NamePattern>,
    pub adoption: Adoption,
    pub guards: Guards,
    pub api_behavior: ApiBehavior,
    /// Where segctl uploads member lists for MoEngage to read. `None` if nothing is configured.
    pub publish: Option<PublishLocation>,
}

/// Percentages: of the managed active segments, and of the members of one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    pub archive: u32,
    pub update: u32,
    /// The guards apply only if the workspace has at least this many managed segments.
    pub min_segments: usize,
    /// Of the members of a cohort or the users of a file segment.
    pub members: u32,
    /// The guard `members` applies only to lists with at least this many members.
    pub min_members: u64,
}

/// `api_behavior:`. The defaults are the more likely behaviors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiBehavior {
    /// `None`: unknown. segctl then concludes it from the kinds that a list has shown.
    pub list_shows: Option<ListedKinds>,
    /// The Content-Type of the requests that create or change a file segment.
    pub file_request_content_type: RequestContentType,
    /// Whether the list contains archived segments. If so, only the state shows which segments are archived, and segctl
    /// does not detect archiving by MoEngage or in the dashboard.
    pub list_shows_archived: bool,
    /// Whether a rename frees the old name for other segments.
    pub rename_frees_names: bool,
    /// Whether an archived segment's definition blocks an identical one.
    pub archived_definitions_conflict: bool,
    /// Documented as 1000; MoEngage can raise it per workspace.
    pub active_limit: usize,
    /// How many users the lists of all segments may add in 24 hours. Documented as 2,000,000; MoEngage can raise it.
    pub daily_user_limit: u64,
}

impl Policy {
    #[must_use]
    pub fn manages(&self, name: &SegmentName) -> bool {
        self.managed_patterns.iter().any(|pattern| pattern.matches(name))
    }
}

impl ApiBehavior {
    /// Whether the list shows cohorts, as far as is known.
    #[must_use]
    pub fn lists_cohorts(&self, shown: &ShownKinds) -> bool {
        match self.list_shows {
            Some(ListedKinds::All) => true,
            Some(ListedKinds::Filter | ListedKinds::FilterAndFile) => false,
            None => shown.cohorts,
        }
    }

    /// Whether the list shows file segments, as far as is known.
    #[must_use]
    pub fn lists_file_segments(&self, shown: &ShownKinds) -> bool {
        match self.list_shows {
            Some(ListedKinds::All | ListedKinds::FilterAndFile) => true,
            Some(ListedKinds::Filter) => false,
            None => shown.types.iter().any(|word| !ShownKinds::is_cohort_word(word)),
        }
    }

    /// Whether the list shows the segments of a kind, as far as is known.
    #[must_use]
    pub fn lists_kind(&self, kind: &RemoteKind, is_cohort: bool, shown: &ShownKinds) -> bool {
        let RemoteKind::Other(word) = kind else {
            return true;
        };
        match self.list_shows {
            Some(ListedKinds::All) => true,
            Some(ListedKinds::Filter) => false,
            Some(ListedKinds::FilterAndFile) => !is_cohort,
            None => shown.types.contains(word),
        }
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
    /// Changing a third of a workspace is probably a mistake. In a small workspace, a third is one segment, and
    /// in a short list a few members.
    fn default() -> Self {
        Self {
            archive: 30,
            update: 30,
            min_segments: 10,
            members: 30,
            min_members: 100,
        }
    }
}

impl Default for ApiBehavior {
    fn default() -> Self {
        Self {
            list_shows: None,
            file_request_content_type: RequestContentType::Json,
            list_shows_archived: false,
            rename_frees_names: false,
            archived_definitions_conflict: false,
            active_limit: 1000,
            daily_user_limit: 2_000_000,
        }
    }
}
