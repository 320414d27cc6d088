//! Reads definitions. A wait is announced before the first read, and what was read stays in the cache if the run ends early.

use super::{LoadedWorkspace, ReconcileError, Reconciler};
use crate::api::{ApiError, Clock, FetchedSegment, Operation, RequestError, Transport};
use crate::model::{EndpointClass, ObservedSegment, ObservedWorkspace, SegmentId};
use crate::observe::{ReadOutcome, Scope, fetch, fetch_without_waiting};
use crate::plan::estimate::{Bottleneck, Estimate, duration, estimate};
use crate::state::Cache;
use jiff::SignedDuration;
use std::collections::BTreeSet;
use std::fmt;

/// A killed run loses fewer reads than this.
const READS_BETWEEN_SAVES: usize = 25;

/// Reading takes longer than `--max-duration` allows.
#[derive(Clone, Debug)]
pub struct ReadingTooLong {
    estimate: Estimate,
    max_duration: SignedDuration,
}

impl ReadingTooLong {
    #[must_use]
    pub fn help(&self) -> Vec<String> {
        let estimated = duration::format_estimate(self.estimate.duration());
        vec![
            format!("to allow this duration: --max-duration {estimated}"),
            "to read fewer definitions: --target, or --refresh partial".to_owned(),
        ]
    }
}

impl fmt::Display for ReadingTooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "reading {} takes an estimated {}, longer than --max-duration {}: {}",
            describe_definitions(&self.estimate),
            duration::format_estimate(self.estimate.duration()),
            duration::format_duration(self.max_duration),
            describe_limit(&self.estimate)
        )
    }
}

impl<T: Transport, C: Clock> Reconciler<T, C> {
    /// Reads segments, the least recently read first, and waits for rate limits.
    pub(super) async fn read(
        &self,
        workspace: &mut LoadedWorkspace,
        ids: BTreeSet<SegmentId>,
        max_duration: Option<SignedDuration>,
    ) -> Result<(), ReconcileError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.announce_waits(ids.len(), max_duration)?;
        let fetched_at = |id: &SegmentId| workspace.observed.segments.get(id)?.fetched_at;
        let mut ids: Vec<SegmentId> = ids.into_iter().collect();
        ids.sort_by_cached_key(fetched_at);
        for (index, id) in ids.iter().enumerate() {
            let result = self.read_one(workspace, id).await;
            let is_save_due = (index + 1) % READS_BETWEEN_SAVES == 0 || index + 1 == ids.len();
            if is_save_due || result.is_err() {
                self.save_cache(&Cache::of(&workspace.observed)).await;
            }
            result?;
        }
        Ok(())
    }

    async fn read_one(&self, workspace: &mut LoadedWorkspace, id: &SegmentId) -> Result<(), RequestError> {
        if self.client.is_cancelled() {
            let (operation, kind) = (Operation::Get(id.clone()), ApiError::Cancelled);
            return Err(RequestError { operation, kind });
        }
        let fetched_at = self.clock.now();
        let mut observed = std::mem::take(&mut workspace.observed);
        // Cache ages use the local clock; `workspace.now` may be MoEngage's.
        let scope = Scope {
            now: fetched_at,
            ..workspace.scope()
        };
        let before = PlannedView::of(&observed, id);
        let result = fetch(&self.client, &scope, id, &mut observed).await;
        workspace.changing_reads += usize::from(PlannedView::of(&observed, id) != before);
        workspace.observed = observed;
        if let Some(segment) = result? {
            let fetched = FetchedSegment { segment, fetched_at };
            workspace.fetched.insert(id.clone(), fetched);
        }
        Ok(())
    }

    /// Re-reads segments in this order, without a wait and with at most half of the requests that the rate limits leave.
    /// Returns how many were read. A failure leaves the rest in the cache, and the plan shows how old they are.
    pub(super) async fn reread_without_waiting(
        &self,
        workspace: &mut LoadedWorkspace,
        ids: Vec<SegmentId>,
    ) -> Result<usize, ReconcileError> {
        let mut count = 0;
        for id in ids {
            // Other runs and other clients may use the same limits meanwhile.
            let is_within_half = self.client.requests_left(EndpointClass::Get) >= count + 2;
            if !is_within_half || self.client.is_cancelled() {
                break;
            }
            match self.reread_one(workspace, &id).await {
                Ok(true) => count += 1,
                Ok(false) => break,
                Err(error) if matches!(error.kind, ApiError::InvalidCredentials { .. }) => {
                    return Err(error.into());
                }
                Err(error) => {
                    (self.on_note)(format!(
                        "the definitions that are not re-read come from the cache: {error}"
                    ));
                    break;
                }
            }
        }
        if count > 0 {
            self.save_cache(&Cache::of(&workspace.observed)).await;
        }
        Ok(count)
    }

    /// Returns false if a rate limit delays the read.
    async fn reread_one(
        &self,
        workspace: &mut LoadedWorkspace,
        id: &SegmentId,
    ) -> Result<bool, RequestError> {
        let fetched_at = self.clock.now();
        let mut observed = std::mem::take(&mut workspace.observed);
        let scope = Scope {
            now: fetched_at,
            ..workspace.scope()
        };
        let before = PlannedView::of(&observed, id);
        let result = fetch_without_waiting(&self.client, &scope, id, &mut observed).await;
        workspace.changing_reads += usize::from(PlannedView::of(&observed, id) != before);
        workspace.observed = observed;
        match result? {
            ReadOutcome::MustWait => return Ok(false),
            ReadOutcome::NotFound => {}
            ReadOutcome::Read(segment) => {
                let segment = *segment;
                let fetched = FetchedSegment { segment, fetched_at };
                workspace.fetched.insert(id.clone(), fetched);
            }
        }
        Ok(true)
    }

    fn announce_waits(
        &self,
        count: usize,
        max_duration: Option<SignedDuration>,
    ) -> Result<(), ReconcileError> {
        let now = self.clock.now();
        let estimate = estimate(&vec![EndpointClass::Get; count], self.client.rate_limiter(), now);
        if let Some(max_duration) = max_duration.filter(|max| estimate.duration() > *max) {
            return Err(ReconcileError::ReadingTooLong(Box::new(ReadingTooLong {
                estimate,
                max_duration,
            })));
        }
        if estimate.wait_time.is_positive() {
            (self.on_note)(format!(
                "reading {} has to wait: {}; estimated end: {}",
                describe_definitions(&estimate),
                describe_limit(&estimate),
                duration::format_moment(estimate.finishes_at, now)
            ));
        }
        Ok(())
    }
}

/// What the planner sees of a segment.
#[derive(PartialEq)]
struct PlannedView {
    segment: Option<ObservedSegment>,
    unreadable: Option<String>,
}

impl PlannedView {
    fn of(observed: &ObservedWorkspace, id: &SegmentId) -> Self {
        let segment = observed.segments.get(id).map(|segment| ObservedSegment {
            // The times of reads decide nothing.
            fetched_at: None,
            applied_before_fetch_at: None,
            ..segment.clone()
        });
        Self {
            segment,
            unreadable: observed.unreadable.get(id).cloned(),
        }
    }
}

fn describe_definitions(estimate: &Estimate) -> String {
    match estimate.total {
        1 => "1 definition (1 API request)".to_owned(),
        count => format!("{count} definitions ({count} API requests)"),
    }
}

fn describe_limit(estimate: &Estimate) -> String {
    match estimate.bottleneck() {
        Bottleneck::Window(usage) => {
            format!(
                "the rate limit of gets is {}, {} left",
                usage.window, usage.remaining
            )
        }
        Bottleneck::Throttled(throttled) => {
            format!("MoEngage accepts no gets before {:.0}", throttled.until)
        }
        Bottleneck::Requests(_) => "each request takes about half a second".to_owned(),
    }
}
