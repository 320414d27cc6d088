//! The undocumented API behavior, the rate limits and the policy of a seed.

use super::random::Random;
use segctl::model::{
    EndpointClass, Keyword as _, ListedKinds, NamePattern, Policy, PublishLocation, RequestContentType,
    SegmentKind,
};
use segctl::plan::step::{Code, Finding};
use segctl::rate_limit::{RateLimits, Window};
use segctl::sandbox::{
    self, EchoFormat, FileRequestContentType, HeaderWindow, MissingExcludedBehavior, RateLimitClass,
    SandboxSettings, UnchangedUpdateBehavior,
};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(crate) struct ServiceProfile {
    pub(crate) settings: SandboxSettings,
    pub(crate) policy: Policy,
    pub(crate) limits: RateLimits,
    /// How far the service's clock is ahead, in milliseconds.
    pub(crate) service_clock_offset: i64,
    /// Whether the configuration also declares cohorts and file segments.
    pub(crate) has_member_lists: bool,
    /// Whether runs receive callbacks.
    pub(crate) receives_callbacks: bool,
}

impl ServiceProfile {
    pub(crate) fn draw(random: &mut Random, segments: usize, has_lists: bool) -> Self {
        let echoes = [
            EchoFormat::AsSent,
            EchoFormat::AsSent,
            EchoFormat::DefaultsFilled,
            EchoFormat::DefaultsDropped,
            EchoFormat::DashboardDays,
            EchoFormat::Undocumented,
        ];
        let (mut rate_limits, mut limits) = draw_limits(random);
        if let sandbox::RateLimitMode::Custom(table) = &mut rate_limits {
            // A separate stream, so that lists do not change the other draws.
            draw_list_limits(&mut random.clone().fork(), (table, &mut limits));
        }
        let mut settings = SandboxSettings {
            rate_limits,
            list_create_share_window: random.percent(50),
            rate_headers: random.percent(80),
            rate_headers_window: if random.percent(50) {
                HeaderWindow::Shortest
            } else {
                HeaderWindow::Fullest
            },
            active_limit: if random.percent(10) {
                segments + random.below(5) + 1
            } else {
                1000
            },
            list_includes_archived: random.percent(15),
            archived_definitions_conflict: random.percent(20),
            unarchive_checks_active_limit: random.percent(50),
            rename_frees_old_name: random.percent(50),
            patch_without_excluded: if random.percent(50) {
                MissingExcludedBehavior::Keep
            } else {
                MissingExcludedBehavior::Clear
            },
            archive_idempotent: random.percent(70),
            patch_without_change: [
                UnchangedUpdateBehavior::Accepted,
                UnchangedUpdateBehavior::Refused,
                UnchangedUpdateBehavior::Conflict,
            ][random.below(3)],
            names_case_sensitive: random.percent(80),
            reference_to_archived_allowed: random.percent(70),
            echo: echoes[random.below(echoes.len())],
            ..SandboxSettings::default()
        };
        let mut policy = Policy::default();
        policy.api_behavior.list_shows_archived = settings.list_includes_archived;
        policy.api_behavior.rename_frees_names = settings.rename_frees_old_name;
        policy.api_behavior.archived_definitions_conflict = settings.archived_definitions_conflict;
        policy.api_behavior.active_limit = settings.active_limit;
        if random.percent(90) {
            policy.guards.archive = 100;
            policy.guards.update = 100;
        }
        // A separate stream, for the same reason.
        draw_listed_kinds(&mut random.clone().fork(), &mut settings, &mut policy);
        policy.publish = has_lists.then(|| PublishLocation::Folder {
            directory: "published".to_owned(),
            url: None,
        });
        if random.percent(10) {
            policy
                .managed_patterns
                .push(NamePattern::parse("manual *").unwrap());
        }
        // A separate stream, for the same reason.
        let receives_callbacks = has_lists && random.clone().fork().percent(60);
        Self {
            settings,
            policy,
            limits,
            has_member_lists: has_lists,
            receives_callbacks,
            service_clock_offset: if random.percent(10) {
                random.between(-3_600_000, 3_600_000)
            } else {
                0
            },
        }
    }
}

/// What the list shows, and which headers requests must have. The workspace knows the first, or it has to find out.
fn draw_listed_kinds(random: &mut Random, settings: &mut SandboxSettings, policy: &mut Policy) {
    let (sandbox_kinds, kinds) = match random.below(10) {
        0..5 => (sandbox::ListedKinds::All, ListedKinds::All),
        5..8 => (sandbox::ListedKinds::Filter, ListedKinds::Filter),
        _ => (sandbox::ListedKinds::FilterAndFile, ListedKinds::FilterAndFile),
    };
    settings.list_shows = sandbox_kinds;
    policy.api_behavior.list_shows = random.percent(60).then_some(kinds);
    settings.one_client_header = random.percent(50);
    if random.percent(30) {
        settings.file_request_content_type = FileRequestContentType::List;
        let types = &RequestContentType::ALL[1..];
        policy.api_behavior.file_request_content_type = types[random.below(types.len())];
    }
}

impl ServiceProfile {
    /// The kinds of segments that listings hide, or whose listing a run does not know of.
    pub(crate) fn hidden_kinds(&self) -> Vec<SegmentKind> {
        match self.policy.api_behavior.list_shows {
            Some(ListedKinds::All) => Vec::new(),
            Some(ListedKinds::FilterAndFile) => vec![SegmentKind::Cohort],
            Some(ListedKinds::Filter) | None => vec![SegmentKind::File, SegmentKind::Cohort],
        }
    }

    /// Whether the seed's profile causes a conflict or guard violation, given as its `Debug` text.
    pub(crate) fn explains(&self, conflict: &Finding) -> bool {
        let is_tight = self.settings.active_limit < 1000;
        let is_guarded = self.policy.guards.archive < 100;
        let has_archived_definitions = self.settings.archived_definitions_conflict;
        // segctl may match a removed segment by its definition and rename it. Its old name cannot be declared then.
        let are_names_reserved = !self.settings.rename_frees_old_name;
        has_archived_definitions && conflict.code == Code::DefinitionTaken
                || are_names_reserved && conflict.code == Code::NameReserved
                || self.hidden_kinds().contains(&SegmentKind::Cohort) && conflict.code == Code::ReferenceUnlisted
                // A previous name of a segment now belongs to another segment, which is no longer declared.
                || conflict.code == Code::PreviousNameInUse
                || conflict.code == Code::AmbiguousTarget
                // Names were exchanged, the state was lost, and the definitions were edited.
                || conflict.code == Code::UndecidedRename
                || is_tight && conflict.code == Code::ActiveLimit
                || is_guarded && (matches!(conflict.code, Code::GuardArchive | Code::GuardUpdate))
    }
}

/// The documented limits, or much lower ones, for the service and for the client.
fn draw_limits(random: &mut Random) -> (sandbox::RateLimitMode, RateLimits) {
    let mut limits = RateLimits::default();
    if random.percent(70) {
        return (sandbox::RateLimitMode::Documented, limits);
    }
    let classes = [
        (RateLimitClass::List, EndpointClass::List),
        (RateLimitClass::Create, EndpointClass::Create),
        (RateLimitClass::Get, EndpointClass::Get),
        (RateLimitClass::Update, EndpointClass::Update),
        (RateLimitClass::Lifecycle, EndpointClass::Lifecycle),
    ];
    let mut table = BTreeMap::new();
    let mut drawn = || [(random.below(8) + 2, 60), (random.below(60) + 20, 3600)];
    // The service may count listings and creates in one window, so both have the same limits.
    let pooled = drawn();
    for (class, client_class) in classes {
        let is_pooled = matches!(class, RateLimitClass::List | RateLimitClass::Create);
        let windows = if is_pooled { pooled } else { drawn() };
        let service_windows = windows.map(|(calls, seconds)| sandbox::RateLimitWindow { calls, seconds });
        table.insert(class, service_windows.to_vec());
        let client_windows =
            windows.map(|(calls, seconds)| Window::parse(&format!("{calls}/{seconds}s")).unwrap());
        limits.set(client_class, client_windows.to_vec());
    }
    (sandbox::RateLimitMode::Custom(table), limits)
}

/// Mostly lower limits for requests that change members or users.
fn draw_list_limits(
    random: &mut Random,
    (table, limits): (
        &mut BTreeMap<RateLimitClass, Vec<sandbox::RateLimitWindow>>,
        &mut RateLimits,
    ),
) {
    let file = [(random.below(9) + 2, 3600), (random.below(60) + 40, 86_400)];
    let cohort = [(random.below(20) + 2, 60), (random.below(300) + 100, 3600)];
    let classes = [
        (RateLimitClass::File, EndpointClass::File, file),
        (RateLimitClass::Cohort, EndpointClass::Cohort, cohort),
    ];
    for (class, client_class, windows) in classes {
        let service_windows = windows.map(|(calls, seconds)| sandbox::RateLimitWindow { calls, seconds });
        table.insert(class, service_windows.to_vec());
        let client_windows =
            windows.map(|(calls, seconds)| Window::parse(&format!("{calls}/{seconds}s")).unwrap());
        limits.set(client_class, client_windows.to_vec());
    }
}
