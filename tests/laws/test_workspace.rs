//! A workspace in this process: the real client, planner and applier over the real service, without sockets and
//! with a clock that waits for nobody.

use jiff::{SignedDuration, Timestamp};
use segctl::api::{Client, Clock, Method, Request, RequestError, Response, Transport, TransportError};
use segctl::apply::run_report::RunReport;
use segctl::apply::{Applier, RunResult};
use segctl::model::{
    DeclaredSegment, ListDigest, ObservedWorkspace, Policy, RequestRecord, UploadId, UploadResult,
};
use segctl::observe::{Refresh, Scope, fetch_missing_definitions, observe};
use segctl::plan::cohorts::ComparedLists;
use segctl::plan::guards::Overrides;
use segctl::plan::step::Plan;
use segctl::plan::targeting::Selection;
use segctl::plan::{PlanInput, plan};
use segctl::rate_limit::{RateLimitHeaders, RateLimits};
use segctl::sandbox::{Delivery, HttpRequest, LogEntry, SandboxCredentials, SandboxSettings, Service};
use segctl::state::{Cache, JournalEntry, Lock, LockChange, State, StateEntry, StateStore, StoreError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens while segctl waits.
#[derive(Clone)]
pub(crate) enum EventDuringWait {
    /// Somebody does something by hand.
    Edit(Value),
    /// The ledger's lock is lost.
    LockLost,
}

/// Everything of one workspace.
#[derive(Clone)]
pub(crate) struct TestWorkspace {
    service: Arc<Mutex<Service>>,
    now: Arc<Mutex<Timestamp>>,
    state: Arc<Mutex<State>>,
    /// The lists of members that are kept beside it.
    lists: Arc<Mutex<BTreeMap<ListDigest, Vec<u8>>>>,
    /// What the service said of uploads.
    callbacks: Arc<Mutex<BTreeMap<UploadId, UploadResult>>>,
    /// How often the ledger can still be written, where that has an end.
    writes_left: Arc<Mutex<Option<usize>>>,
    /// What somebody does after so many more PATCH calls.
    scheduled_edit: Arc<Mutex<Option<(usize, Value)>>>,
    /// What happens when segctl waits for the first time.
    event_during_wait: Arc<Mutex<Option<EventDuringWait>>>,
    policy: Policy,
}

impl TestWorkspace {
    pub(crate) fn new(settings: SandboxSettings) -> Self {
        let credentials = SandboxCredentials {
            workspace_id: "w".to_owned(),
            api_key: "k".to_owned(),
            db_name: "d".to_owned(),
        };
        let mut policy = Policy::default();
        policy.api_behavior.list_shows_archived = settings.list_includes_archived;
        policy.api_behavior.rename_frees_names = settings.rename_frees_old_name;
        policy.api_behavior.archived_definitions_conflict = settings.archived_definitions_conflict;
        policy.api_behavior.active_limit = settings.active_limit;
        Self {
            service: Arc::new(Mutex::new(Service::new(settings, credentials))),
            now: Arc::new(Mutex::new(Timestamp::from_second(1_800_000_000).unwrap())),
            state: Arc::default(),
            lists: Arc::default(),
            callbacks: Arc::default(),
            writes_left: Arc::default(),
            scheduled_edit: Arc::default(),
            event_during_wait: Arc::default(),
            policy,
        }
    }

    /// Does what a dashboard user does.
    pub(crate) fn edit_in_dashboard(&self, edit: &Value) -> Value {
        self.sandbox_request("POST", "/_sandbox/segments", edit.to_string().into_bytes())
            .1
    }

    /// Makes a call of the API that segctl does not make.
    pub(crate) fn call_api_directly(&self, method: &str, path: &str, body: &Value) {
        let (status, answer) = self.sandbox_request(method, path, body.to_string().into_bytes());
        assert!((200..300).contains(&status), "{answer}");
    }

    /// Does what a dashboard user does, once so many PATCH calls were made.
    pub(crate) fn edit_after_patches(&self, patches: usize, edit: &Value) {
        *self.scheduled_edit.lock().unwrap() = Some((patches, edit.clone()));
    }

    /// Has something happen when segctl waits for the first time.
    pub(crate) fn during_next_wait(&self, meanwhile: EventDuringWait) {
        *self.event_during_wait.lock().unwrap() = Some(meanwhile);
    }

    fn apply_due_edit(&self) {
        let mut interlude = self.scheduled_edit.lock().unwrap();
        if let Some((patches, edit)) = interlude.as_mut() {
            *patches -= 1;
            if *patches == 0 {
                self.edit_in_dashboard(&edit.clone());
                *interlude = None;
            }
        }
    }

    /// Has the service read the lists that it was told of, from files of this machine.
    pub(crate) fn finish_uploads(&self) {
        let mut service = self.service.lock().unwrap();
        while let Some(job) = service.next_job() {
            let path = job.file_url.strip_prefix("file://").unwrap().replace("%20", " ");
            let file = std::fs::read(path).map_err(|error| error.to_string());
            service.finish_job(self.now(), &job, file);
        }
    }

    /// Lets time go by.
    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }

    /// Everything that the service keeps.
    pub(crate) fn sandbox_state(&self) -> Value {
        self.sandbox_request("GET", "/_sandbox/state", Vec::new()).1
    }

    /// Makes calls go wrong from now on.
    pub(crate) fn set_faults(&self, script: &Value) {
        self.service
            .lock()
            .unwrap()
            .set_faults(serde_json::from_value(script.clone()).unwrap());
    }

    /// What the workspace allows.
    pub(crate) fn change_policy(&mut self, change: impl FnOnce(&mut Policy)) {
        change(&mut self.policy);
    }

    /// Has the ledger know a segment.
    pub(crate) fn add_state_entry(&self, entry: StateEntry) {
        self.state.lock().unwrap().record(entry);
    }

    /// Loses the ledger.
    pub(crate) fn lose_state(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    /// The calls so far.
    pub(crate) fn request_log(&self) -> Vec<LogEntry> {
        self.service.lock().unwrap().log().to_vec()
    }

    /// What the ledger knows.
    pub(crate) fn stored_state(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    pub(crate) async fn plan(&self, declared: &[DeclaredSegment]) -> Plan {
        self.plan_from(declared, &self.observe(declared).await)
    }

    /// What is live, read whole.
    pub(crate) async fn observe(&self, declared: &[DeclaredSegment]) -> ObservedWorkspace {
        self.try_observe(declared).await.unwrap()
    }

    /// What is live, read whole, where no call fails for good.
    pub(crate) async fn try_observe(
        &self,
        declared: &[DeclaredSegment],
    ) -> Result<ObservedWorkspace, RequestError> {
        let client = self.client();
        let ledger = self.state.lock().unwrap().clone();
        let scope = Scope {
            declared,
            state: &ledger,
            policy: &self.policy,
            cache: &Cache::default(),
            refresh: Refresh::Full,
            now: self.now(),
        };
        let mut observed = observe(&client, &scope).await?;
        fetch_missing_definitions(&client, &scope, &mut observed, |_| true).await?;
        Ok(observed)
    }

    pub(crate) fn plan_from(&self, declared: &[DeclaredSegment], observed: &ObservedWorkspace) -> Plan {
        self.plan_selected(declared, observed, &Selection::default())
    }

    /// What of the plan is selected.
    pub(crate) fn plan_selected(
        &self,
        declared: &[DeclaredSegment],
        observed: &ObservedWorkspace,
        selection: &Selection,
    ) -> Plan {
        let ledger = self.stored_state();
        plan(&PlanInput {
            workspace: "w",
            declared,
            observed,
            state: &ledger,
            compared_lists: &ComparedLists::default(),
            policy: &self.policy,
            overrides: Overrides {
                allow_empty: true,
                allow_missing_segments: true,
                force_upload: false,
                assume_members_in_sync: false,
            },
            selection,
            now: self.now(),
        })
    }

    /// From now on the ledger cannot be written.
    pub(crate) fn fail_state_writes(&self) {
        self.fail_state_writes_after(0);
    }

    /// The ledger can be written so many times more.
    pub(crate) fn fail_state_writes_after(&self, writes: usize) {
        *self.writes_left.lock().unwrap() = Some(writes);
    }

    /// The ledger can be written again.
    pub(crate) fn allow_state_writes(&self) {
        *self.writes_left.lock().unwrap() = None;
    }

    /// Loses the lists that are kept beside the ledger.
    pub(crate) fn lose_member_lists(&self) {
        self.lists.lock().unwrap().clear();
    }

    /// How many lists are kept beside the ledger.
    pub(crate) fn member_list_count(&self) -> usize {
        self.lists.lock().unwrap().len()
    }

    pub(crate) async fn apply(&self, plan: &Plan) -> RunReport {
        let ended = self.apply_with_result(plan).await;
        assert!(ended.abort_reason.is_none(), "{:?}", ended.abort_reason);
        ended.report
    }

    /// Applies, with what ended the run early.
    pub(crate) async fn apply_with_result(&self, plan: &Plan) -> RunResult {
        let client = self.client();
        let ledger = self.state.lock().unwrap().clone();
        let settings = segctl::apply::ApplyOptions {
            api_behavior: self.policy.api_behavior,
            adoption: self.policy.adoption,
            parallelism: 8,
            ..segctl::apply::ApplyOptions::default()
        };
        let applier = Applier::new(&client, self, (self, ledger), settings);
        applier.apply(plan, &|_| {}).await
    }

    fn client(&self) -> Client<Self, Self> {
        Client::new(self.clone(), self.clone(), RateLimits::default(), 1)
    }

    fn sandbox_request(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Value) {
        let call = HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            // "w:k" in base64.
            headers: [
                ("authorization", "Basic dzpr"),
                ("moe-appkey", "w"),
                ("moe-dbname", "d"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            body,
            ..HttpRequest::default()
        };
        let reply = self.service.lock().unwrap().handle(self.now(), &call);
        (reply.status, reply.body)
    }
}

impl Clock for TestWorkspace {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep_until(&self, moment: Timestamp) {
        let later = moment.max(self.now());
        *self.now.lock().unwrap() = later;
        let meanwhile = self.event_during_wait.lock().unwrap().take();
        match meanwhile {
            Some(EventDuringWait::Edit(edit)) => drop(self.edit_in_dashboard(&edit)),
            Some(EventDuringWait::LockLost) => self.fail_state_writes(),
            None => {}
        }
    }
}

impl Transport for TestWorkspace {
    async fn send(&self, request: Request, _: Duration) -> Result<Response, TransportError> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
        };
        let call = HttpRequest {
            method: method.to_owned(),
            path: request.path,
            query: request.query.into_iter().collect(),
            headers: [
                ("authorization", "Basic dzpr"),
                ("moe-appkey", "w"),
                ("moe-dbname", "d"),
                ("content-type", "application/json"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            body: request
                .body
                .map(|body| body.to_string().into_bytes())
                .unwrap_or_default(),
        };
        let reply = self.service.lock().unwrap().handle(self.now(), &call);
        if call.method == "PATCH" {
            self.apply_due_edit();
        }
        let header = |name: &str| {
            reply
                .headers
                .get(name)
                .and_then(|value| value.parse::<i64>().ok())
        };
        let headers = RateLimitHeaders {
            limit: header("x-ratelimit-limit").and_then(|limit| u64::try_from(limit).ok()),
            remaining: header("x-ratelimit-remaining").and_then(|left| u64::try_from(left).ok()),
            reset: header("x-ratelimit-reset"),
        };
        let body = match reply.delivery {
            Delivery::Complete | Delivery::Delayed(_) => reply.body.to_string().into_bytes(),
            Delivery::NotJson => b"<html>".to_vec(),
            Delivery::Deferred(_) | Delivery::Reset | Delivery::Truncated => {
                return Err(TransportError::NoResponse {
                    message: "the connection was cut".to_owned(),
                });
            }
        };
        Ok(Response {
            status: reply.status,
            headers,
            date: None,
            body,
        })
    }
}

impl StateStore for TestWorkspace {
    async fn load(&self) -> Result<State, StoreError> {
        Ok(self.state.lock().unwrap().clone())
    }

    async fn save(&self, ledger: &State) -> Result<(), StoreError> {
        let mut left = self.writes_left.lock().unwrap();
        let is_full = *left == Some(0);
        *left = left.map(|left| left.saturating_sub(1));
        if is_full {
            return Err(StoreError::Io {
                operation: "write",
                path: "ledger.json".into(),
                source: std::io::ErrorKind::ReadOnlyFilesystem.into(),
            });
        }
        *self.state.lock().unwrap() = ledger.clone();
        Ok(())
    }

    async fn append(&self, ledger: &State, _: &[JournalEntry]) -> Result<(), StoreError> {
        self.save(ledger).await
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> Result<Option<Lock>, StoreError> {
        // Whoever asks is alone here.
        assert_ne!(change(None), LockChange::Remove);
        Ok(None)
    }

    async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        self.lists.lock().unwrap().insert(digest.clone(), bytes.to_vec());
        Ok(())
    }

    async fn load_member_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lists.lock().unwrap().get(digest).cloned())
    }

    async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        self.lists
            .lock()
            .unwrap()
            .retain(|digest, _| keep.contains(digest));
        Ok(())
    }

    async fn save_callback(&self, upload: &UploadId, callback: &UploadResult) -> Result<(), StoreError> {
        let mut callbacks = self.callbacks.lock().unwrap();
        callbacks
            .entry(upload.clone())
            .or_insert_with(|| callback.clone());
        Ok(())
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<UploadResult>, StoreError> {
        Ok(self.callbacks.lock().unwrap().get(upload).cloned())
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        let mut callbacks = self.callbacks.lock().unwrap();
        callbacks.retain(|upload, _| keep.contains(upload));
        Ok(())
    }

    async fn load_cache(&self) -> Result<Cache, StoreError> {
        Ok(Cache::default())
    }

    async fn save_cache(&self, _: &Cache) -> Result<(), StoreError> {
        Ok(())
    }

    async fn load_requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn exchange_requests(
        &self,
        _: &mut u64,
        mut respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> Result<(), StoreError> {
        // One run, whose client remembers its calls by itself.
        respond(Vec::new());
        Ok(())
    }

    async fn prune_requests(&self, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
